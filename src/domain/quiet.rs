//! Quiet hours: the part of a user's day in which what is not urgent waits.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// How long quiet hours can last at most: a day of 25 hours, when the clocks are set back.
pub const QUIET_MAX: TimeDelta = TimeDelta::hours(25);

/// From one time of the day to another, which may be past midnight; written `22:00-07:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    until: NaiveTime,
}

impl QuietHours {
    /// When they begin.
    #[must_use]
    pub fn from(self) -> NaiveTime {
        self.from
    }

    /// When they end.
    #[must_use]
    pub fn until(self) -> NaiveTime {
        self.until
    }

    /// When what is to be told now may be told: `None` outside quiet hours.
    #[must_use]
    pub fn end_after(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = now.with_timezone(&zone).naive_local();
        let time = local.time();
        let past_midnight = self.from > self.until;
        let is_quiet =
            if past_midnight { time >= self.from || time < self.until } else { time >= self.from && time < self.until };
        if !is_quiet {
            return None;
        }
        let day = if past_midnight && time >= self.from { local.date() + Days::new(1) } else { local.date() };
        first_after(now, day.and_time(self.until), zone)
    }
}

/// The first moment after `now` at which the clocks of a zone show a time, or, where they skip it, the next quarter.
fn first_after(now: DateTime<Utc>, shown: chrono::NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    (0..=8).find_map(|quarters| {
        let found = zone.from_local_datetime(&(shown + TimeDelta::minutes(15 * quarters)));
        let found = [found.earliest(), found.latest()].into_iter().flatten().map(|at| at.with_timezone(&Utc));
        found.filter(|at| *at > now).min()
    })
}

impl FromStr for QuietHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hours = text.split_once('-').and_then(|(from, until)| {
            let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
            Some(Self { from: time(from)?, until: time(until)? })
        });
        match hours {
            Some(hours) if hours.from == hours.until => Err(format!("{text:?} begins and ends at the same time")),
            Some(hours) => Ok(hours),
            None => Err(format!("{text:?} is not written like 22:00-07:00")),
        }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), until.hour(), until.minute())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_comes_in_quiet_hours_waits_for_their_end() {
        let check = |hours: &str, zone: Tz, now: &str, expected: Option<&str>| {
            let end = hours.parse::<QuietHours>().unwrap().end_after(now.parse().unwrap(), zone);
            assert_eq!(end, expected.map(|end| end.parse().unwrap()), "{hours} {zone} {now}");
        };
        let berlin = Tz::Europe__Berlin;
        check("22:00-07:00", berlin, "2026-06-08T19:59:59Z", None);
        check("22:00-07:00", berlin, "2026-06-08T20:00:00Z", Some("2026-06-09T05:00:00Z"));
        check("22:00-07:00", berlin, "2026-06-09T04:59:59Z", Some("2026-06-09T05:00:00Z"));
        check("22:00-07:00", berlin, "2026-06-09T05:00:00Z", None);
        check("12:00-14:30", Tz::Asia__Kolkata, "2026-06-08T07:00:00Z", Some("2026-06-08T09:00:00Z"));
        // The clocks are set forward at two: half past two is not shown.
        check("22:00-02:30", berlin, "2026-03-28T23:00:00Z", Some("2026-03-29T01:00:00Z"));
        // The clocks are set back at three: half past two comes twice.
        check("22:00-02:30", berlin, "2026-10-24T23:00:00Z", Some("2026-10-25T00:30:00Z"));
        check("02:10-02:30", berlin, "2026-10-25T01:15:00Z", Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for text in ["", "22:00", "22-7", "24:00-07:00", "07:00-07:00", "22:00-07:60", "x-y"] {
            assert!(text.parse::<QuietHours>().is_err(), "{text:?}");
        }
        assert_eq!(" 22:00 - 7:05".parse::<QuietHours>().unwrap().to_string(), "22:00-07:05");
    }

    proptest! {
        #[test]
        fn the_end_is_never_quiet_and_never_far(from in 0_u32..1440, span in 1_u32..1440, at in 1_760_000_000_i64..1_800_000_000) {
            let time = |minute: u32| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
            let hours: QuietHours = format!("{}-{}", time(from), time(from + span)).parse().unwrap();
            let now = DateTime::from_timestamp(at, 0).unwrap();
            for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::Australia__Lord_Howe, Tz::America__St_Johns] {
                if let Some(end) = hours.end_after(now, zone) {
                    prop_assert!(end > now && end - now <= QUIET_MAX, "{hours} {now} {end}");
                }
            }
        }
    }
}
