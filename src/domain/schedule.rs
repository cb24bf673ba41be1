//! When a job is due: cron lines in a time zone, as slots; and how long to wait after a failure.

use std::str::FromStr;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// A cron line of five fields and the zone whose clock it means.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    line: String,
    zone: Tz,
}

impl Schedule {
    /// Reads a cron line (`minute hour day month weekday`) for a zone.
    ///
    /// # Errors
    /// Says what is wrong with the line.
    pub fn parse(line: &str, zone: Tz) -> Result<Self, String> {
        let fields = line.split_whitespace().count();
        if fields != 5 {
            return Err(format!("{line:?} has {fields} fields; a cron line has five: minute hour day month weekday"));
        }
        let cron = Cron::from_str(line).map_err(|error| format!("{line:?} is not a cron line: {error}"))?;
        let schedule = Self { cron, line: line.to_owned(), zone };
        let probe = DateTime::<Utc>::UNIX_EPOCH;
        schedule.next(probe).map(|_| schedule).ok_or_else(|| format!("{line:?} never comes"))
    }

    /// The latest time at or before `now` at which the job was due: its slot.
    #[must_use]
    pub fn slot(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // The cron library keeps the fraction of a second that it is given, and a slot is a key.
        let minute = now.duration_trunc(TimeDelta::minutes(1)).ok()?;
        let found = self.cron.find_previous_occurrence(&minute.with_timezone(&self.zone), true).ok()?;
        Some(found.with_timezone(&Utc))
    }

    /// The next time after `now`.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = now.duration_trunc(TimeDelta::minutes(1)).ok()?;
        let found = self.cron.find_next_occurrence(&now.with_timezone(&self.zone), false).ok()?;
        Some(found.with_timezone(&Utc))
    }

    /// The time between two runs around `now`.
    #[must_use]
    pub fn period(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let next = self.next(now)?;
        Some(self.next(next)? - next)
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.line, self.zone)
    }
}

/// How long to wait after the `attempt`th failure (from 1): 1, 2, 4, 8, 16, 32 minutes, then an hour each,
/// up to a tenth more by `salt`, so that what failed together does not come back together.
#[must_use]
pub fn retry_delay(attempt: u32, salt: u64) -> TimeDelta {
    let base_s = std::cmp::min(60_i64 << std::cmp::min(attempt.saturating_sub(1), 6), 3600);
    let jitter_s = i64::try_from(salt % 100).unwrap_or(0) * base_s / 1000;
    TimeDelta::seconds(base_s + jitter_s)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use chrono_tz::Europe::Berlin;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_keeps_its_hour_across_summer_time() {
        let schedule = Schedule::parse("0 9 * * *", Berlin).unwrap();
        assert_eq!(schedule.next(at("2026-10-24T08:00:00Z")), Some(at("2026-10-25T08:00:00Z")));
        assert_eq!(schedule.slot(at("2026-10-25T07:30:00Z")), Some(at("2026-10-24T07:00:00Z")));
        assert_eq!(schedule.slot(at("2026-10-24T07:00:00Z")), Some(at("2026-10-24T07:00:00Z")));
    }

    #[test]
    fn a_slot_is_the_same_at_every_moment_of_its_time() {
        let schedule = Schedule::parse("*/10 * * * *", Tz::UTC).unwrap();
        for now in ["22:10:00Z", "22:10:00.675813Z", "22:10:05.1Z", "22:19:59.999999Z"] {
            let now = at(&format!("2026-11-24T{now}"));
            assert_eq!(schedule.slot(now), Some(at("2026-11-24T22:10:00Z")), "{now}");
            assert_eq!(schedule.next(now), Some(at("2026-11-24T22:20:00Z")), "{now}");
        }
    }

    #[test]
    fn an_hour_that_does_not_exist_runs_once_at_the_end_of_the_gap() {
        let schedule = Schedule::parse("30 2 * * *", Berlin).unwrap();
        let day = Utc.with_ymd_and_hms(2026, 3, 28, 12, 0, 0).unwrap();
        let runs: Vec<_> = std::iter::successors(schedule.next(day), |run| schedule.next(*run)).take(2).collect();
        assert_eq!(runs[0].date_naive().to_string(), "2026-03-29");
        assert_eq!(runs[1], at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (line, part) in [("* * * *", "4 fields"), ("61 * * * *", "not a cron line"), ("0 0 31 2 *", "never comes")]
        {
            let error = Schedule::parse(line, Tz::UTC).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        let minutes: Vec<_> = (1..=8).map(|attempt| retry_delay(attempt, 0).num_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_delay(7, 99).num_seconds(), 3600 + 356);
        assert_eq!(retry_delay(u32::MAX, 0).num_minutes(), 60);
    }
}
