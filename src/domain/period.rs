//! Periods of any time zone as whole quarters of an hour and whole days of UTC, whose sums are kept.

use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

use super::rollup::{QUARTERS_PER_DAY, quarter_of};

/// A time from one quarter of an hour to another, the last one not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first quarter.
    pub from: i64,
    /// The quarter after the last.
    pub until: i64,
}

/// A part of a period whose sums are kept: quarters or days, the last one not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Quarters of an hour.
    Quarters(i64, i64),
    /// Days of UTC.
    Days(i64, i64),
}

impl Period {
    /// From one time to another, each rounded down to its quarter.
    #[must_use]
    pub fn between(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { from: quarter_of(from), until: quarter_of(until) }
    }

    /// A day of a zone, with its 23, 24 or 25 hours.
    #[must_use]
    pub fn day(day: NaiveDate, zone: Tz) -> Self {
        Self::between(midnight(day, zone), midnight(day + Days::new(1), zone))
    }

    /// The parts that make it up: whole days where there are any, so that what is older than the quarters are kept
    /// is summed as exactly as it still can be.
    #[must_use]
    pub fn parts(self) -> Vec<Part> {
        let first_day = self.from.div_euclid(QUARTERS_PER_DAY) + i64::from(self.from.rem_euclid(QUARTERS_PER_DAY) > 0);
        let last_day = self.until.div_euclid(QUARTERS_PER_DAY);
        if self.from >= self.until {
            return Vec::new();
        }
        if first_day >= last_day {
            return vec![Part::Quarters(self.from, self.until)];
        }
        let parts = [
            Part::Quarters(self.from, first_day * QUARTERS_PER_DAY),
            Part::Days(first_day, last_day),
            Part::Quarters(last_day * QUARTERS_PER_DAY, self.until),
        ];
        parts.into_iter().filter(|part| !matches!(part, Part::Quarters(from, until) if from == until)).collect()
    }
}

/// The first moment of a day. Where the clocks skip midnight, the day begins when they have.
#[must_use]
pub fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    let found = (0..=8).find_map(|quarters| {
        zone.from_local_datetime(&(midnight + chrono::TimeDelta::minutes(15 * quarters))).earliest()
    });
    found.map_or_else(|| midnight.and_utc(), |begin| begin.with_timezone(&Utc))
}

/// The day of a time in a zone.
#[must_use]
pub fn day_in(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(day: &str, zone: Tz) -> i64 {
        let period = Period::day(day.parse().unwrap(), zone);
        (period.until - period.from) * 15
    }

    #[test]
    fn a_day_has_the_hours_that_its_zone_gives_it() {
        assert_eq!(hours("2026-06-08", Tz::UTC), 24 * 60);
        assert_eq!(hours("2026-03-29", Tz::Europe__Berlin), 23 * 60);
        assert_eq!(hours("2026-10-25", Tz::Europe__Berlin), 25 * 60);
        assert_eq!(hours("2026-04-05", Tz::Australia__Lord_Howe), 24 * 60 + 30);
        assert_eq!(hours("2026-06-08", Tz::Asia__Kathmandu), 24 * 60);
    }

    #[test]
    fn a_day_of_a_quarter_hour_zone_begins_at_its_quarter() {
        let begin = midnight("2026-06-08".parse().unwrap(), Tz::Asia__Kathmandu);
        assert_eq!(begin.to_rfc3339(), "2026-06-07T18:15:00+00:00");
        // The clocks of Beirut skip midnight in spring.
        let begin = midnight("2026-03-29".parse().unwrap(), Tz::Asia__Beirut);
        assert_eq!(begin.to_rfc3339(), "2026-03-28T22:00:00+00:00");
    }

    #[test]
    fn a_period_is_made_of_whole_days_and_the_quarters_at_its_ends() {
        let parts = |from, until| Period { from, until }.parts();
        assert_eq!(parts(96, 288), [Part::Days(1, 3)]);
        assert_eq!(parts(90, 290), [Part::Quarters(90, 96), Part::Days(1, 3), Part::Quarters(288, 290)]);
        assert_eq!(parts(97, 191), [Part::Quarters(97, 191)]);
        assert_eq!(parts(90, 100), [Part::Quarters(90, 100)]);
        assert_eq!(parts(5, 5), []);
    }
}
