//! When each job is due: worked out anew only when its next time has come, the clock went back, or its line changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::config::Config;

/// The times of all jobs around now.
#[derive(Debug, Default)]
pub(super) struct Timetable(Mutex<HashMap<&'static str, Entry>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    line: String,
    zone: Tz,
    times: Times,
}

/// The slot that a moment belongs to, and when the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) slot: DateTime<Utc>,
    pub(super) next: DateTime<Utc>,
}

impl Timetable {
    /// The times of a job around now; `None` for one that has nothing to do or never comes.
    pub(super) fn around(&self, config: &Config, job: &'static str, now: DateTime<Utc>) -> Option<Times> {
        let setting = config.job(job)?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Entry { line, zone, times }) = entries.get(job)
            && (line.as_str(), *zone) == (setting.cron.as_str(), setting.zone)
            && (times.slot..times.next).contains(&now)
        {
            return Some(*times);
        }
        let schedule = setting.schedule()?;
        let times = Times { slot: schedule.slot(now)?, next: schedule.next(now)? };
        entries.insert(job, Entry { line: setting.cron.clone(), zone: setting.zone, times });
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_follow_the_clock_and_the_setting() {
        let (table, mut config) = (Timetable::default(), Config::default());
        let mut times = |cron: &str, now: &str| {
            cron.clone_into(&mut config.jobs.rules.cron);
            let at = |text: &str| format!("2026-11-25T{text}Z").parse::<DateTime<Utc>>().unwrap();
            let times = table.around(&config, "rules", at(now)).unwrap();
            let clock = |at: DateTime<Utc>| at.format("%H:%M").to_string();
            [clock(times.slot), clock(times.next)]
        };
        assert_eq!(times("*/5 * * * *", "10:02:00"), ["10:00", "10:05"]);
        assert_eq!(times("*/5 * * * *", "10:04:59"), ["10:00", "10:05"]);
        assert_eq!(times("*/5 * * * *", "10:05:00"), ["10:05", "10:10"], "its time has come");
        assert_eq!(times("*/5 * * * *", "09:59:00"), ["09:55", "10:00"], "the clock went back");
        assert_eq!(times("30 * * * *", "09:59:00"), ["09:30", "10:30"], "another line");
    }
}
