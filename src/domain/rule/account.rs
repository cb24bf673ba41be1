//! Dead-man's switches: what always came and no longer comes, what should leave and does not.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::alert::{Rule, Subject};
use super::super::finding::{Evidence, Finding, Window};
use super::{Settings, share};

/// No execution came for so many hours as the threshold says, although in the same hours of the day before and of the
/// week before at least `samples` an hour did: who rests at night or at week-ends is not silent.
#[must_use]
pub fn ingest_silent(settings: &Settings, silence: &Silence) -> Option<Finding> {
    let hours = silence.lasts.as_seconds_f64() / 3600.0;
    let usual = std::cmp::min(silence.day_before, silence.week_before);
    let holds = hours >= settings.threshold && share(usual, 1) >= hours * f64::from(settings.samples);
    holds.then(|| of_daemon(Rule::IngestSilent, settings, hours, Some(share(usual, 1) / hours)))
}

/// A time without executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// How long it lasts.
    pub lasts: TimeDelta,
    /// Executions in the same hours of the day before.
    pub day_before: i64,
    /// Executions in the same hours of the week before.
    pub week_before: i64,
}

/// A mail waits longer than the threshold's minutes.
#[must_use]
pub fn mail_stuck(
    settings: &Settings,
    oldest: Option<DateTime<Utc>>,
    waiting: i64,
    now: DateTime<Utc>,
) -> Option<Finding> {
    let minutes = (now - oldest?).as_seconds_f64() / 60.0;
    (minutes >= settings.threshold).then(|| {
        let mut found = of_daemon(Rule::MailStuck, settings, minutes, None);
        found.evidence.failures = vec![("waiting".to_owned(), waiting)];
        found
    })
}

fn of_daemon(rule: Rule, settings: &Settings, value: f64, expected: Option<f64>) -> Finding {
    Finding {
        rule,
        subject: Subject::Account("openrouter-monitor".to_owned()),
        aspect: String::new(),
        user: None,
        severity: settings.severity,
        level: 1,
        value,
        threshold: settings.threshold,
        evidence: Evidence { window: Window::Now, expected, ..Evidence::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::settings;
    use super::*;

    #[test]
    fn silence_is_told_where_there_usually_is_none() {
        let check = |minutes, day_before, week_before| {
            let silence = Silence { lasts: TimeDelta::minutes(minutes), day_before, week_before };
            ingest_silent(&settings(Rule::IngestSilent), &silence).is_some()
        };
        assert!(check(120, 40, 400));
        assert!(!check(119, 400, 400), "not for long enough");
        assert!(!check(120, 39, 400) && !check(120, 400, 39), "quiet then as well");
    }

    #[test]
    fn a_mail_that_waits_for_an_hour_is_stuck() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let check =
            |minutes| mail_stuck(&settings(Rule::MailStuck), Some(now - TimeDelta::minutes(minutes)), 3, now).is_some();
        assert!(check(60) && !check(59));
        assert_eq!(mail_stuck(&settings(Rule::MailStuck), None, 0, now), None);
    }
}
