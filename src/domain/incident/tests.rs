//! How incidents go, minute by minute.

use proptest::prelude::*;

use super::super::alert::Severity;
use super::super::finding::Evidence;
use super::*;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn found(level: u16) -> Finding {
    Finding {
        rule: Rule::RateLimited,
        subject: Subject::User("u".to_owned()),
        aspect: String::new(),
        user: Some("u".to_owned()),
        severity: Severity::Warning,
        level,
        value: 0.5,
        threshold: 0.1,
        evidence: Evidence::default(),
    }
}

fn timing() -> Timing {
    Timing {
        hold: TimeDelta::minutes(10),
        keep_firing: TimeDelta::minutes(30),
        remind_after: Some(TimeDelta::minutes(120)),
        tells_end: true,
    }
}

/// Plays levels (0: not found) found every ten minutes; gives the steps that told something, with their minutes.
fn play(levels: &[u16], muted: impl Fn(i64) -> bool) -> Vec<(i64, Step)> {
    let (mut incident, mut told) = (None, Vec::new());
    for (minute, level) in (0..).step_by(10).zip(levels) {
        let finding = (*level > 0).then(|| found(*level));
        let current = incident.take().filter(|incident: &Incident| incident.phase != Phase::Resolved);
        let (next, due) = step(current, finding, timing(), muted(minute), at(minute));
        if due != Step::Nothing {
            told.push((minute, due));
        }
        incident = next;
    }
    told
}

#[test]
fn it_goes_its_way() {
    use Step::{Escalated, First, Reminder, Resolved};
    type Case = (&'static str, &'static [u16], &'static [(i64, Step)]);
    let cases: [Case; 8] = [
        ("nothing", &[0, 0, 0], &[]),
        ("too short", &[1, 0, 1, 0], &[]),
        ("fires when it held", &[1, 1], &[(10, First)]),
        ("a short calm is no end", &[1, 1, 0, 0, 1, 1, 1], &[(10, First)]),
        ("resolved after a while", &[1, 1, 0, 0, 0, 0], &[(10, First), (40, Resolved)]),
        ("escalates once a level", &[1, 1, 2, 2, 1, 2, 3], &[(10, First), (20, Escalated), (60, Escalated)]),
        ("escalates while pending as one mail", &[1, 3, 3], &[(10, First)]),
        ("reminded", &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[(10, First), (130, Reminder)]),
    ];
    for (name, levels, told) in cases {
        assert_eq!(play(levels, |_| false), told, "{name}");
    }
}

#[test]
fn a_silence_keeps_quiet_and_what_outlasts_it_is_told() {
    use Step::{First, Resolved};
    assert_eq!(play(&[1, 1, 1, 1, 1], |minute| minute < 30), [(30, First)]);
    assert_eq!(play(&[1, 1, 0, 0, 0, 0], |minute| minute < 30), [], "nobody hears the end of what they never heard of");
    assert_eq!(play(&[1, 1, 0, 0, 0, 0], |minute| minute == 40), [(10, First)], "muted to the end");
    assert_eq!(play(&[1, 1, 0, 0, 0, 0], |minute| minute == 20), [(10, First), (40, Resolved)]);
}

#[test]
fn who_looks_after_it_is_not_reminded_but_hears_when_it_grows() {
    let (incident, _) = step(None, Some(found(1)), Timing { hold: TimeDelta::zero(), ..timing() }, false, at(0));
    let acknowledged = incident.map(|incident| Incident { acknowledged_at: Some(at(1)), ..incident });
    let (later, due) = step(acknowledged.clone(), Some(found(1)), timing(), false, at(500));
    assert_eq!((due, later.unwrap().told.unwrap().times), (Step::Nothing, 1));
    assert_eq!(step(acknowledged, Some(found(2)), timing(), false, at(500)).1, Step::Escalated);
}

#[test]
fn an_id_is_safe_in_an_address() {
    let id = id_of(Rule::Budget, &Subject::User("a/b c\n<script>".to_owned()), "daily", at(0));
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{id}");
    assert_ne!(id, id_of(Rule::Budget, &Subject::Resource("a/b c\n<script>".to_owned()), "daily", at(0)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is found: each thread begins with `first`, is resolved at most once and last, and no level is
    /// escalated to twice. A clock that jumps breaks none of it.
    #[test]
    fn a_thread_is_told_in_order(findings in prop::collection::vec((0_u16..4, -50_i64..200, any::<bool>()), 1..80)) {
        let (mut incident, mut minute, mut thread) = (None::<Incident>, 0, Vec::new());
        for (level, pause, muted) in findings {
            minute += pause;
            let current = incident.take().filter(|incident| incident.phase != Phase::Resolved);
            if current.is_none() {
                thread.clear();
            }
            let (next, due) = step(current, (level > 0).then(|| found(level)), timing(), muted, at(minute));
            if due != Step::Nothing {
                prop_assert_eq!(due == Step::First, thread.is_empty());
                prop_assert!(!thread.contains(&Step::Resolved));
                thread.push(due);
                prop_assert!(thread.iter().filter(|step| **step == Step::Escalated).count() <= 3);
                prop_assert_eq!(next.as_ref().and_then(|incident| incident.told).map(|told| told.times as usize), Some(thread.len()));
            }
            incident = next;
        }
    }
}
