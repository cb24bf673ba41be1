//! News: what is told when, and that nothing is told twice.

use std::collections::BTreeSet;

use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::super::announcement::Platform;
use super::super::lifecycle::Absence;
use super::super::model::{Expiry, Model};
use super::super::settled::Settled;
use super::*;

fn hour(hours: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap() + TimeDelta::hours(hours)
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, day).unwrap()
}

/// Plays observations (hour, listed?, announced day) to a user who has a resource on the model.
fn play(observations: &[(i64, bool, Option<u32>)]) -> Vec<String> {
    let model = Model::parse(&json!({"id": "a/b"}), hour(0)).unwrap();
    let mut tracked = Tracked {
        model,
        state: State::Listed,
        first_seen: hour(0),
        last_seen: hour(0),
        expiry_since: hour(0),
        successor: None,
        settled: Settled::default(),
    };
    let (mut belief, mut story) = (Belief::default(), Vec::new());
    for (hours, listed, day) in observations {
        let now = hour(*hours);
        observe(&mut tracked, *listed, day.map(date), now);
        if let Some(news) = due(&belief, &tracked, None, true, now) {
            story.push(format!("{hours} {} {}", news.kind(), news.key()));
            belief = learn(belief, &news, now);
            assert_eq!(due(&belief, &tracked, None, true, now), None, "told twice at {hours}");
        }
    }
    story
}

fn observe(tracked: &mut Tracked, listed: bool, day: Option<NaiveDate>, now: DateTime<Utc>) {
    if listed {
        let expires_on = day.map_or(Expiry::None, Expiry::On);
        if expires_on != tracked.model.expires_on {
            (tracked.model.expires_on, tracked.expiry_since) = (expires_on, now);
        }
        (tracked.state, tracked.last_seen) = (State::Listed, now);
        return;
    }
    let mut absence = tracked.state.absence().unwrap_or(Absence { since: now, fetches: 0, bulk: false });
    absence.fetches += 1;
    tracked.state = if now - absence.since >= TimeDelta::hours(24) {
        State::Removed(absence, now)
    } else {
        State::Missing(absence)
    };
}

#[test]
fn an_announcement_is_followed_by_its_milestones() {
    let days: Vec<_> = (0..=13).map(|day| (day * 24, true, Some(20))).collect();
    let told = play(&days);
    let milestones: Vec<_> = told.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(milestones, ["14d", "7d", "3d", "1d", "0d"]);
    assert_eq!(told[4], "288 model_deprecated 2026-06-20/0d");
}

#[test]
fn a_missed_day_is_made_up_for_and_not_twice() {
    assert_eq!(play(&[(0, true, Some(20)), (8 * 24, true, Some(20)), (9 * 24, true, Some(20))]).len(), 3);
}

#[test]
fn a_date_that_flickers_is_told_once() {
    let hops = [(0, true, Some(25)), (6, true, None), (12, true, Some(25)), (18, true, None), (24, true, Some(25))];
    assert_eq!(play(&hops), ["0 model_deprecated 2026-06-25/30d"]);
}

#[test]
fn a_date_taken_back_is_told_once_it_held_and_again_when_it_stands_again() {
    let story =
        play(&[(0, true, Some(25)), (6, true, None), (30, true, None), (36, true, Some(25)), (60, true, Some(25))]);
    assert_eq!(
        story,
        [
            "0 model_deprecated 2026-06-25/30d",
            "30 model_date_changed 2026-06-25/none/20260608T070000Z",
            "60 model_date_changed none/2026-06-25/20260609T130000Z"
        ]
    );
}

#[test]
fn a_date_that_moves_twice_to_the_same_day_is_other_news_each_time() {
    let story = play(&[
        (0, true, Some(20)),
        (6, true, Some(15)),
        (12, true, Some(20)),
        (36, true, Some(20)),
        (42, true, Some(15)),
    ]);
    let changes: Vec<_> =
        story.iter().map(|line| line.split_once(' ').unwrap().1).filter(|line| line.contains("changed")).collect();
    assert_eq!((changes.len(), changes.iter().collect::<BTreeSet<_>>().len()), (3, 3), "{story:?}");
}

#[test]
fn a_later_date_waits_and_an_earlier_one_does_not() {
    assert_eq!(
        play(&[(0, true, Some(20)), (6, true, Some(30)), (30, true, Some(30))])[1],
        "30 model_date_changed 2026-06-20/2026-06-30/20260608T070000Z"
    );
    assert_eq!(
        play(&[(0, true, Some(20)), (6, true, Some(15))])[1],
        "6 model_date_changed 2026-06-20/2026-06-15/20260608T070000Z"
    );
}

#[test]
fn a_removal_is_told_once_and_so_is_the_return() {
    let story = play(&[
        (0, true, None),
        (6, false, None),
        (30, false, None),
        (36, false, None),
        (60, true, None),
        (66, true, None),
    ]);
    assert_eq!(story, ["30 model_removed 2026-06-08T07:00:00+00:00", "60 model_returned 2026-06-08T07:00:00+00:00"]);
}

#[test]
fn who_no_longer_uses_it_hears_only_what_corrects_an_earlier_mail() {
    let model = Model::parse(&json!({"id": "a/b", "expiration_date": "2026-06-20"}), hour(0)).unwrap();
    let tracked = Tracked {
        model,
        state: State::Listed,
        first_seen: hour(0),
        last_seen: hour(48),
        expiry_since: hour(0),
        successor: None,
        settled: Settled::default(),
    };
    assert_eq!(due(&Belief::default(), &tracked, None, false, hour(48)), None);
    let told = Belief { expires_on: Some(date(18)), ..Belief::default() };
    assert!(matches!(due(&told, &tracked, None, false, hour(48)), Some(News::DateChanged { .. })));
}

/// Plays days to a user of `id`, each with OpenRouter's day and the vendor's, both in June.
fn play_vendor(id: &str, days: &[(u32, Option<u32>, Option<u32>)]) -> Vec<String> {
    let start = Utc.with_ymd_and_hms(2026, 6, 1, 6, 0, 0).unwrap();
    let model = Model::parse(&json!({"id": id}), start).unwrap();
    let (state, successor) = (State::Listed, None);
    let mut tracked = Tracked {
        model,
        state,
        first_seen: start,
        last_seen: start,
        expiry_since: start,
        successor,
        settled: Settled::default(),
    };
    let (mut belief, mut story, mut end) = (Belief::default(), Vec::new(), None::<VendorEnd>);
    for (day, own, vendors) in days {
        let now = start + TimeDelta::days(i64::from(*day) - 1);
        observe(&mut tracked, true, own.map(date), now);
        end = vendors.map(|on| {
            let same = end.as_ref().filter(|end| end.on == date(on));
            let since = same.map_or(now, |end| end.since);
            let (source, platform) = ("a feed".to_owned(), Platform::Anthropic);
            VendorEnd { platform, on: date(on), since, successor: None, source, url: None }
        });
        if let Some(news) = due(&belief, &tracked, end.as_ref(), true, now) {
            story.push(format!("{day} {} {}", news.kind(), news.key()));
            belief = learn(belief, &news, now);
            assert_eq!(due(&belief, &tracked, end.as_ref(), true, now), None, "told twice on day {day}");
        }
    }
    story
}

#[test]
fn a_vendors_day_has_the_same_milestones_and_nothing_behind_it() {
    let days: Vec<_> = (1..=30).map(|day| (day, None, Some(20))).collect();
    let told = play_vendor("a/b", &days);
    let milestones: Vec<_> = told.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(milestones, ["30d", "14d", "7d", "3d", "1d", "0d"]);
    assert_eq!(told[5], "20 model_deprecated 2026-06-20/0d");
}

#[test]
fn a_vendors_day_that_passed_is_told_once_unless_it_is_long_ago() {
    assert_eq!(play_vendor("a/b", &[(10, None, Some(2)), (11, None, Some(2)), (29, None, Some(2))]).len(), 1);
    let long_ago = |id: &str| {
        let on = NaiveDate::from_ymd_opt(2025, 11, 1).unwrap();
        let model = Model::parse(&json!({"id": id}), hour(0)).unwrap();
        let (state, successor) = (State::Listed, None);
        let tracked = Tracked {
            model,
            state,
            first_seen: hour(0),
            last_seen: hour(0),
            expiry_since: hour(0),
            successor,
            settled: Settled::default(),
        };
        let (source, platform) = ("a feed".to_owned(), Platform::Anthropic);
        let end = VendorEnd { platform, on, since: hour(0), successor: None, source, url: None };
        due(&Belief::default(), &tracked, Some(&end), true, hour(0)).is_some()
    };
    assert!(!long_ago("a/b"), "OpenRouter serves it all the same");
    assert!(long_ago("b-20250101"), "on the vendor's own platform every call fails");
}

#[test]
fn openrouters_own_day_leads() {
    // Both, and the vendor's is earlier: nothing is said of it. Then OpenRouter's goes, and the vendor's is left.
    let both: Vec<_> = (1..=3).map(|day| (day, Some(25), Some(20))).collect();
    assert_eq!(play_vendor("a/b", &both), ["1 model_deprecated 2026-06-25/30d"]);
    let flickers = [(1, Some(25), Some(20)), (2, None, Some(20)), (2, Some(25), Some(20)), (3, Some(25), Some(20))];
    assert_eq!(play_vendor("a/b", &flickers).len(), 1);
    let left = [(1, Some(25), Some(20)), (2, None, Some(20)), (3, None, Some(20))];
    assert_eq!(play_vendor("a/b", &left)[1], "3 model_date_changed 2026-06-25/2026-06-20/20260602T060000Z");
    let comes = [(1, None, Some(20)), (2, Some(25), Some(20)), (3, Some(25), Some(20))];
    assert_eq!(play_vendor("a/b", &comes)[1], "3 model_date_changed 2026-06-20/2026-06-25/20260602T060000Z");
    let cleared_behind = [(1, Some(29), Some(5)), (10, None, Some(5)), (12, None, Some(5))];
    assert_eq!(play_vendor("a/b", &cleared_behind)[1], "12 model_date_changed 2026-06-29/none/20260611T060000Z");
}

#[test]
fn a_vendor_that_moves_its_day_is_believed_once_it_held_and_one_that_corrects_the_past_is_no_news() {
    let moved = play_vendor("a/b", &[(1, None, Some(20)), (2, None, Some(15)), (3, None, Some(15))]);
    assert_eq!(moved[1], "3 model_date_changed 2026-06-20/2026-06-15/20260602T060000Z");
    let corrected = [(8, None, Some(9)), (9, None, Some(9)), (12, None, Some(10)), (14, None, Some(10))];
    assert_eq!(play_vendor("a/b", &corrected).len(), 2);
    let back = [(1, None, Some(20)), (2, None, None), (4, None, None), (25, None, Some(20)), (27, None, Some(20))];
    assert_eq!(play_vendor("a/b", &back).len(), 2, "a day that was taken back and has passed is no news");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the list does: no (milestone, date) is told twice, nothing is told of a model that was missing
    /// for less than a day, and each thing told is told once.
    #[test]
    fn nothing_is_told_twice(observations in prop::collection::vec((any::<bool>(), prop::option::of(9_u32..25)), 1..80)) {
        let timed: Vec<_> = observations.iter().enumerate().map(|(n, (listed, day))| (i64::try_from(n).unwrap() * 6, *listed, *day)).collect();
        let story = play(&timed);
        let mut seen = BTreeSet::new();
        for line in story.iter().filter(|line| line.contains("model_deprecated")) {
            prop_assert!(seen.insert(line.split_once(' ').unwrap().1.to_owned()), "{line} in {story:?}");
        }
    }

    /// Whatever OpenRouter and a vendor announce: no (milestone, date) is told twice, and no change twice.
    #[test]
    fn of_two_who_announce_nothing_is_told_twice(
        days in prop::collection::vec((prop::option::of(1_u32..30), prop::option::of(1_u32..30)), 1..30)
    ) {
        let days: Vec<_> = (1_u32..).zip(days).map(|(day, (own, vendors))| (day, own, vendors)).collect();
        let story = play_vendor("a/b", &days);
        let mut seen = BTreeSet::new();
        for line in &story {
            prop_assert!(seen.insert(line.split_once(' ').unwrap().1.to_owned()), "{line} in {story:?}");
        }
    }
}
