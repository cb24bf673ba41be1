//! Executions that fail as those on a model that is not there: whom that concerns, and when to look at the list.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::lifecycle::{Known, State};
use super::model_id::ModelId;
use super::rollup::quarter_of;

/// Quarters of an hour in which failures are looked for, the current one included.
pub const QUARTERS: i64 = 4;
/// Between two fetches that failures cause, however many there are.
const FETCH_DEBOUNCE: TimeDelta = TimeDelta::minutes(10);
/// While what was looked at still fails, or is still missing, the list is fetched so often; a little less than an hour, so
/// that an hourly job is not late by its own running time.
const FETCH_AGAIN: TimeDelta = TimeDelta::minutes(50);

/// What one user ran on one model in a quarter of an hour in which something was unavailable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures {
    /// The quarter, counted from 1970.
    pub slot: i64,
    /// Whose.
    pub user: String,
    /// On which row of the list.
    pub model: ModelId,
    /// All of them.
    pub executions: i64,
    /// Those that ended as `model_unavailable`.
    pub unavailable: i64,
}

/// The users who fail on a model that the list does not have, and how many of their executions did: most of what they ran
/// on it lately, since about when it vanished.
#[must_use]
pub fn concerned(failures: &[Failures], known: &Known) -> BTreeMap<(String, ModelId), i64> {
    let mut latest: BTreeMap<(String, ModelId), (i64, bool)> = BTreeMap::new();
    let mut failed: BTreeMap<(String, ModelId), i64> = BTreeMap::new();
    for found in failures {
        let state = known.get(&found.model).map(|tracked| tracked.state);
        let Some(State::Missing(absence) | State::Removed(absence, _)) = state else { continue };
        // The first failures often come shortly before the list that shows why.
        if found.slot < quarter_of(absence.since) - 1 {
            continue;
        }
        let key = (found.user.clone(), found.model.clone());
        let last = (found.slot, found.unavailable * 2 >= found.executions);
        latest.entry(key.clone()).and_modify(|known| *known = std::cmp::max(*known, last)).or_insert(last);
        *failed.entry(key).or_default() += found.unavailable;
    }
    failed.retain(|key, _| latest.get(key).is_some_and(|(_, mostly)| *mostly));
    failed
}

/// Whether the list is to be fetched because of failures: at once when they are newer than the last fetch, and hourly
/// while they go on. Who asks for what was never listed has made a mistake, and the list says nothing of it.
#[must_use]
pub fn asks_for_list(failures: &[Failures], known: &Known, fetched: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let Some(fetched) = fetched else { return false };
    let mut first: BTreeMap<&ModelId, i64> = BTreeMap::new();
    for found in failures {
        let state = known.get(&found.model).map(|tracked| tracked.state);
        if matches!(state, Some(State::Listed | State::Missing(_))) {
            let slot = first.entry(&found.model).or_insert(found.slot);
            *slot = std::cmp::min(*slot, found.slot);
        }
    }
    let is_new = first.values().any(|slot| *slot >= quarter_of(fetched));
    let age = now - fetched;
    !first.is_empty() && (age >= FETCH_AGAIN || is_new && age >= FETCH_DEBOUNCE)
}

/// Whether it is time to look again for what is missing.
#[must_use]
pub fn is_time_again(fetched: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    fetched.is_none_or(|fetched| now - fetched >= FETCH_AGAIN)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::super::lifecycle::{Absence, Tracked};
    use super::*;

    fn minute(minutes: i64) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, 8, 12, 0, 0).unwrap() + TimeDelta::minutes(minutes)
    }

    /// `listed`, and since minute 30 `missing`, `unlisted` and `removed`.
    fn known() -> Known {
        let absence = Absence { since: minute(30), fetches: 1, bulk: false };
        let states = [
            ("listed", State::Listed),
            ("missing", State::Missing(absence)),
            ("unlisted", State::Unlisted(absence)),
            ("removed", State::Removed(absence, minute(60))),
        ];
        let tracked = |id: &str, state| Tracked { state, ..Tracked::at_vendor(ModelId::from(id), minute(0)) };
        states.into_iter().map(|(id, state)| (ModelId::from(id), tracked(id, state))).collect()
    }

    fn failures(at: i64, model: &str, executions: i64, unavailable: i64) -> Failures {
        let slot = quarter_of(minute(at));
        Failures { slot, user: "u".to_owned(), model: ModelId::from(model), executions, unavailable }
    }

    #[test]
    fn who_fails_on_what_is_not_listed_is_concerned() {
        let check = |found: &[Failures], expected: &[(&str, i64)]| {
            let told: Vec<_> =
                concerned(found, &known()).into_iter().map(|((_, model), count)| (model.to_string(), count)).collect();
            let expected: Vec<_> = expected.iter().map(|(model, count)| ((*model).to_owned(), *count)).collect();
            assert_eq!(told, expected, "{found:?}");
        };
        check(&[failures(35, "missing", 1, 1)], &[("missing", 1)]);
        check(&[failures(20, "missing", 4, 2), failures(35, "missing", 3, 3)], &[("missing", 5)]);
        check(&[failures(5, "missing", 3, 3)], &[]);
        check(&[failures(35, "missing", 5, 5), failures(50, "missing", 5, 2)], &[]);
        check(&[failures(35, "listed", 3, 3), failures(35, "unlisted", 3, 3), failures(35, "never", 3, 3)], &[]);
        check(&[failures(65, "removed", 1, 1)], &[("removed", 1)]);
    }

    #[test]
    fn the_list_is_fetched_at_once_and_then_hourly() {
        let check = |found: &[Failures], fetched: i64, now: i64, expected: bool| {
            assert_eq!(
                asks_for_list(found, &known(), Some(minute(fetched)), minute(now)),
                expected,
                "{found:?} {fetched} {now}"
            );
        };
        let new = [failures(31, "listed", 1, 1)];
        check(&new, 0, 32, true);
        check(&new, 31, 32, false);
        check(&new, 31, 45, true);
        check(&new, 46, 60, false);
        check(&new, 46, 100, true);
        check(&[failures(31, "missing", 1, 1)], 0, 32, true);
        check(&[failures(31, "never", 1, 1), failures(31, "removed", 1, 1)], 0, 600, false);
        check(&[], 0, 600, false);
    }
}
