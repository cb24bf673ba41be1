//! When keys are asked, and what is made of their answers.

use super::*;
use crate::domain::account::Usage;

const INTERVAL: TimeDelta = TimeDelta::minutes(15);
const SLOT: Slot<'static> = Slot { user: "u-1", label: "default" };

fn at(minutes: i64) -> DateTime<Utc> {
    "2026-06-08T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn good(usage: i64) -> Answer {
    let usage = Usage { total: Some(NanoUsd::dollars(usage)), ..Usage::default() };
    Answer::Good(Box::new(KeyInfo { usage, ..KeyInfo::default() }))
}

#[test]
fn keys_are_asked_evenly_and_each_at_its_own_moment() {
    let mut minutes = [0_usize; 15];
    for number in 0..15_000 {
        let label = format!("k-{number}");
        let slot = Slot { user: "u", label: &label };
        let first = next(slot, INTERVAL, at(0));
        assert!(first > at(0) && first <= at(15));
        assert_eq!(next(slot, INTERVAL, first), first + INTERVAL);
        assert_eq!(next(slot, INTERVAL, first - TimeDelta::milliseconds(1)), first);
        let minute = (first - at(0) - TimeDelta::milliseconds(1)).num_minutes();
        minutes[usize::try_from(minute).unwrap()] += 1;
    }
    assert!(minutes.iter().all(|keys| (850..1150).contains(keys)), "{minutes:?}");
}

#[test]
fn who_does_not_answer_is_asked_ever_later_up_to_a_limit() {
    let mut state = KeyState::default();
    let answer = Answer::None(None);
    let mut waits = Vec::new();
    for _ in 0..8 {
        state.take(&answer, at(0));
        waits.push((due(SLOT, &state, &answer, INTERVAL, at(0)) - at(0)).num_minutes());
    }
    assert_eq!(waits[1..], [30, 60, 120, 240, 240, 240, 240], "the first waits for its own moment or a little longer");
    let asked = Answer::None(Some(TimeDelta::hours(9)));
    assert_eq!(due(SLOT, &state, &asked, INTERVAL, at(0)), at(9 * 60));
    state.take(&good(1), at(1));
    assert_eq!(state.failures, 0);
}

#[test]
fn a_refusal_is_believed_once_others_are_good_and_then_tried_daily() {
    let mut state = KeyState::default();
    state.take(&Answer::Refused, at(0));
    state.believe(true, at(0));
    assert!(!state.is_refused && !state.is_notable(), "once is no proof");
    assert_eq!(due(SLOT, &state, &Answer::Refused, INTERVAL, at(0)), at(20));
    state.take(&Answer::None(None), at(3));
    state.take(&Answer::Refused, at(20));
    assert_eq!(state.doubts_refusal_since(), Some(at(0)));
    state.believe(false, at(20));
    assert!(!state.is_refused, "all are refused");
    let mut alone = state.clone();
    alone.believe(false, at(24 * 60));
    assert!(alone.is_refused, "for a day");
    state.believe(true, at(20));
    assert!(state.is_refused && state.is_notable());
    assert_eq!(due(SLOT, &state, &Answer::Refused, INTERVAL, at(20)), at(20 + 24 * 60));
    state.take(&good(1), at(99));
    assert!(!state.is_refused && state.refused_at.is_none());
}

#[test]
fn a_key_that_spends_after_a_month_of_silence_woke() {
    let day = 24 * 60;
    let mut state = KeyState::default();
    for (minutes, usage, woke) in [
        (0, 5, false),
        (29 * day, 6, false),
        (58 * day, 6, false),
        (59 * day, 7, true),
        (60 * day, 8, true),
        (66 * day, 8, false),
    ] {
        state.take(&good(usage), at(minutes));
        assert_eq!(state.woke.is_some(), woke, "day {}", minutes / day);
    }
    state.take(&good(9), at(100 * day));
    let woke = state.woke.unwrap();
    assert_eq!((woke.silent_since, woke.before), (at(60 * day), NanoUsd::dollars(8)));
}

#[test]
fn what_a_key_may_spend_is_a_purse_unless_it_counts_anew_soon() {
    let amount = NanoUsd::dollars(2);
    for (reset, has) in [(None, true), (Some("monthly"), true), (Some("weekly"), false), (Some("daily"), false)] {
        let reset = reset.map(str::to_owned);
        let state =
            KeyState { limit: Some(amount), limit_left: Some(amount), limit_reset: reset, ..KeyState::default() };
        assert_eq!(state.purse().is_some(), has);
    }
    assert_eq!(KeyState::default().purse(), None);
}

#[test]
fn a_state_survives_being_written() {
    let mut state = KeyState::default();
    state.take(&good(1), at(0));
    let written = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<KeyState>(&written).unwrap(), state);
    assert_eq!(serde_json::from_str::<KeyState>("{}").unwrap(), KeyState::default());
}
