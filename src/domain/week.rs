//! A week of executions: seven days of UTC from a Monday on, and the week before to compare it with.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};

use super::money::NanoUsd;
use super::rollup::{Key, Measures, QUARTERS_PER_DAY, quarter_of};

/// Days of a week.
pub const DAYS: usize = 7;

/// A week, by its Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// The day that it begins on.
    pub monday: NaiveDate,
}

impl Week {
    /// The last week that was over at a time.
    #[must_use]
    pub fn before(now: DateTime<Utc>) -> Self {
        let today = now.date_naive();
        let this_monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
        Self { monday: this_monday - Days::new(7) }
    }

    /// Its name by ISO 8601: `2026-W23`.
    #[must_use]
    pub fn name(self) -> String {
        self.monday.format("%G-W%V").to_string()
    }

    /// Its days, in order.
    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        (0..7).map(move |day| self.monday + Days::new(day))
    }

    /// The slots of its days, the last one not included.
    #[must_use]
    pub fn slots(self) -> (i64, i64) {
        let first = slot_of(self.monday);
        (first, first + 7)
    }

    /// The slots of it and of the week before.
    #[must_use]
    pub fn both_slots(self) -> (i64, i64) {
        let (first, end) = self.slots();
        (first - 7, end)
    }
}

/// The slot of a day.
#[must_use]
pub fn slot_of(day: NaiveDate) -> i64 {
    quarter_of(day.and_time(chrono::NaiveTime::MIN).and_utc()).div_euclid(QUARTERS_PER_DAY)
}

/// What somebody, or all together, did in a week. Numbers stand for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// What each day cost.
    pub days: [NanoUsd; DAYS],
    /// The sums of the week.
    pub sums: Measures,
    /// The sums of the week before.
    pub before: Measures,
    /// The sums of the week by model.
    pub models: BTreeMap<i64, Measures>,
    /// The sums of the week by resource.
    pub resources: BTreeMap<i64, Measures>,
}

impl Activity {
    /// Adds the sums of a day of the week or of the week before.
    pub fn add(&mut self, week: Week, key: Key, sums: Measures) {
        let Ok(day) = usize::try_from(key.slot - week.slots().0) else {
            self.before += sums;
            return;
        };
        if let Some(spent) = self.days.get_mut(day) {
            *spent += sums.spent();
            self.sums += sums;
            *self.models.entry(key.model).or_default() += sums;
            if key.resource != 0 {
                *self.resources.entry(key.resource).or_default() += sums;
            }
        }
    }
}

/// The entries that cost most, then those that ran most.
#[must_use]
pub fn dearest(sums: &BTreeMap<i64, Measures>, count: usize) -> Vec<(i64, Measures)> {
    let mut all: Vec<(i64, Measures)> = sums.iter().map(|(number, sums)| (*number, *sums)).collect();
    all.sort_by_key(|(number, sums)| (std::cmp::Reverse((sums.cost, sums.executions)), *number));
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(now: &str) -> Week {
        Week::before(now.parse().unwrap())
    }

    #[test]
    fn the_last_whole_week_ends_before_this_monday() {
        for (now, monday, name) in [
            ("2026-06-08T00:00:00Z", "2026-06-01", "2026-W23"),
            ("2026-06-07T23:59:59Z", "2026-05-25", "2026-W22"),
            ("2027-01-06T08:00:00Z", "2026-12-28", "2026-W53"),
        ] {
            assert_eq!((week(now).monday, week(now).name().as_str()), (monday.parse().unwrap(), name), "{now}");
        }
        let (first, end) = week("2026-06-08T00:00:00Z").slots();
        assert_eq!((end - first, first % 7), (7, 4), "1970 began on a Thursday");
    }

    #[test]
    fn days_go_to_their_week() {
        let week = week("2026-06-08T08:00:00Z");
        let mut activity = Activity::default();
        let first = week.slots().0;
        for (day, cost) in [(-8, 1), (-7, 2), (-1, 4), (0, 8), (6, 16), (7, 32)] {
            let key = Key { slot: first + day, model: 3, ..Key::default() };
            activity.add(week, key, Measures { executions: 1, cost, ..Measures::default() });
        }
        assert_eq!((activity.sums.cost, activity.days[0], activity.days[6]), (24, NanoUsd(8), NanoUsd(16)));
        assert_eq!((activity.models[&3].executions, activity.resources.len()), (2, 0));
        assert_eq!(activity.before.cost, 7, "who asks for two weeks gets no more than two");
    }

    #[test]
    fn the_dearest_come_first() {
        let sums = |cost| Measures { cost, ..Measures::default() };
        let all = BTreeMap::from([(1, sums(5)), (2, sums(9)), (3, sums(9)), (4, sums(1))]);
        assert_eq!(dearest(&all, 3).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 1]);
    }
}
