//! Lifecycle: tables of lists over time, and laws that hold for any of them.

use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn hour(hours: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 8, 0, 0, 0).unwrap() + TimeDelta::hours(hours)
}

fn list(entries: &[Value]) -> Catalog {
    let mut catalog = Catalog::default();
    for entry in entries {
        let model = Model::parse(entry, hour(0)).unwrap();
        catalog.models.insert(model.id.clone(), model);
    }
    catalog
}

fn ids(ids: &[&str]) -> Catalog {
    list(&ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>())
}

/// Feeds lists through `step`, everybody asked answering `presence`; gives what happened as `hour kind model`.
fn play(lists: &[(i64, Catalog)], presence: Presence) -> (Known, Vec<String>) {
    let (mut known, mut story) = (Known::new(), Vec::new());
    for (hours, catalog) in lists {
        let now = hour(*hours);
        let answers = to_ask(&known, catalog, now, Patience::default()).into_iter().map(|id| (id, presence)).collect();
        let step = step(known, catalog, &answers, now, Patience::default());
        story.extend(step.bulk.iter().map(|event| format!("{hours} bulk {}", event.models.len())));
        story.extend(step.changes.iter().map(|change| format!("{hours} {} {}", change.kind.as_str(), change.model)));
        known = step.tracked;
    }
    (known, story)
}

fn check(lists: &[(i64, Catalog)], expected: &[&str]) {
    assert_eq!(play(lists, Presence::CannotAsk).1, expected);
}

#[test]
fn the_first_list_is_no_news() {
    check(&[(0, list(&[json!({"id": "a/a", "expiration_date": "2026-06-20"})]))], &[]);
}

#[test]
fn an_absence_becomes_a_removal_after_a_day_and_two_fetches() {
    let (both, one) = (|| ids(&["a/a", "b/b"]), || ids(&["a/a"]));
    check(&[(0, both()), (6, one()), (12, one()), (29, one()), (30, one())], &["30 removed b/b"]);
    check(&[(0, both()), (6, one()), (28, both())], &[]);
    check(&[(0, both()), (6, one()), (100, both())], &[]);
    check(&[(0, both()), (6, one()), (30, one()), (312, both())], &["30 removed b/b", "312 returned b/b"]);
}

#[test]
fn an_absence_starts_anew_after_a_return() {
    let (both, one) = (|| ids(&["a/a", "b/b"]), || ids(&["a/a"]));
    check(&[(0, both()), (6, one()), (12, both()), (18, one()), (36, one()), (42, one())], &["42 removed b/b"]);
}

#[test]
fn the_announced_day_makes_an_absence_a_removal_at_once() {
    let dated = || list(&[json!({"id": "a/a"}), json!({"id": "b/b", "expiration_date": "2026-06-09"})]);
    check(&[(0, dated()), (20, ids(&["a/a"])), (24, ids(&["a/a"]))], &["24 removed b/b"]);
    check(&[(0, dated()), (30, ids(&["a/a"]))], &["30 removed b/b"]);
}

#[test]
fn the_single_model_call_vetoes() {
    let lists = [(0, ids(&["a/a", "b/b"])), (6, ids(&["a/a"])), (30, ids(&["a/a"])), (54, ids(&["a/a"]))];
    let state = |presence| play(&lists, presence).0[&ModelId::from("b/b")].state.as_str();
    assert_eq!(state(Presence::Served), "unlisted");
    assert_eq!(state(Presence::Gone), "removed");
    assert_eq!(state(Presence::Unanswered), "missing");
    let late = [&lists[..], &[(6 + 7 * 24, ids(&["a/a"]))]].concat();
    assert_eq!(play(&late, Presence::Unanswered).0[&ModelId::from("b/b")].state.as_str(), "removed");
    let announced = [(0, list(&[json!({"id": "b/b", "expiration_date": "2026-06-08"})])), (6, ids(&["a/a"]))];
    assert_eq!(play(&announced, Presence::Served).0[&ModelId::from("b/b")].state.as_str(), "unlisted");
}

#[test]
fn most_of_a_family_gone_at_once_is_a_bulk_event_and_waits_a_week() {
    let family: Vec<String> = (0..5).map(|n| format!("a/m{n}:batch")).collect();
    let all = || ids(&[&["x/x", "y/y"][..], &family.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    let rest = || ids(&["x/x", "y/y"]);
    check(&[(0, all()), (6, rest()), (40, rest()), (145, all())], &["6 bulk 5"]);
    let (_, story) = play(&[(0, all()), (6, rest()), (40, rest()), (6 + 168, rest())], Presence::Gone);
    assert_eq!((story.len(), story[1].as_str()), (6, "174 removed a/m0:batch"));
}

#[test]
fn who_stays_away_when_nearly_all_of_a_bulk_event_return_is_gone_like_any_other() {
    let family: Vec<String> = (0..5).map(|n| format!("a/m{n}:batch")).collect();
    let with = |count: usize| {
        ids(&[&["x/x", "y/y"][..], &family.iter().take(count).map(String::as_str).collect::<Vec<_>>()].concat())
    };
    let away = |back| [(0, with(5)), (6, with(0)), (18, with(back)), (40, with(back))];
    check(&away(4), &["6 bulk 5", "40 removed a/m4:batch"]);
    check(&away(3), &["6 bulk 5"]);
}

#[test]
fn many_of_a_list_gone_at_once_are_a_bulk_event_and_announced_ones_are_not() {
    let rows = |dated: bool| {
        (0..30).map(move |n| json!({"id": format!("a/m{n}"), "expiration_date": if dated { "2026-06-08" } else { "" }}))
    };
    let left: Vec<Value> = rows(false).take(19).collect();
    check(&[(0, list(&rows(false).collect::<Vec<_>>())), (6, list(&left))], &["6 bulk 11"]);
    let (_, story) = play(&[(0, list(&rows(true).collect::<Vec<_>>())), (6, list(&left))], Presence::CannotAsk);
    assert!(story.iter().all(|line| !line.contains("bulk")), "{story:?}");
}

#[test]
fn a_rename_keeps_the_canonical_slug_and_the_variant() {
    let row = |id: &str| json!({"id": id, "canonical_slug": "reka/edge-2603"});
    let (known, story) = play(
        &[(0, list(&[row("reka/edge")])), (24, list(&[row("rekaai/edge")])), (48, list(&[row("rekaai/edge")]))],
        Presence::CannotAsk,
    );
    assert_eq!(story, ["24 renamed reka/edge"]);
    let old = &known[&ModelId::from("reka/edge")];
    assert_eq!((old.state.as_str(), old.successor.clone()), ("removed", Some(ModelId::from("rekaai/edge"))));
    check(
        &[(0, list(&[row("reka/edge:free")])), (24, list(&[row("reka/edge")])), (48, list(&[row("reka/edge")]))],
        &["24 added reka/edge", "48 removed reka/edge:free"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However models come and go: one that is listed is never called removed, a removal needs its day, and
    /// removals and returns of a model alternate.
    #[test]
    fn conclusions_are_true(presence in prop::collection::vec(prop::collection::vec(any::<bool>(), 4), 1..40), gap in 1_i64..30) {
        let lists: Vec<(i64, Catalog)> = presence.iter().enumerate().map(|(n, there)| {
            let there: Vec<String> = there.iter().enumerate().filter(|(_, there)| **there).map(|(m, _)| format!("a/m{m}")).collect();
            let there: Vec<&str> = there.iter().map(String::as_str).chain(["z/z"]).collect();
            (i64::try_from(n).unwrap() * gap, ids(&there))
        }).collect();
        let (mut known, mut gone) = (Known::new(), BTreeSet::new());
        for (hours, catalog) in &lists {
            let now = hour(*hours);
            let answers = to_ask(&known, catalog, now, Patience::default()).into_iter().map(|id| (id, Presence::CannotAsk)).collect();
            let step = step(known, catalog, &answers, now, Patience::default());
            for change in &step.changes {
                match change.kind {
                    ChangeKind::Removed => {
                        let absence = step.tracked[&change.model].state.absence().unwrap();
                        prop_assert!(now - absence.since >= TimeDelta::hours(24) && absence.fetches >= 2);
                        prop_assert!(gone.insert(change.model.clone()));
                    }
                    ChangeKind::Returned => prop_assert!(gone.remove(&change.model)),
                    _ => {}
                }
            }
            for tracked in step.tracked.values() {
                prop_assert_eq!(catalog.models.contains_key(&tracked.model.id), tracked.state == State::Listed);
            }
            known = step.tracked;
        }
    }
}
