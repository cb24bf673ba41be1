//! Dead-man's switches: what always came and no longer comes, what should leave and does not.

use chrono::{DateTime, Utc};

use super::super::alert::{Rule, Subject};
use super::super::baseline::Expectation;
use super::super::finding::{Evidence, Finding, Window};
use super::Settings;

/// No execution came for so many hours as the threshold says, although at this time of the week at least `samples` an
/// hour are usual.
#[must_use]
pub fn ingest_silent(
    settings: &Settings,
    usual_per_hour: &Expectation,
    last: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Finding> {
    let Expectation::Usual { expected, .. } = usual_per_hour else { return None };
    let hours = (now - last?).as_seconds_f64() / 3600.0;
    let holds = *expected >= f64::from(settings.samples) && hours >= settings.threshold;
    holds.then(|| of_daemon(Rule::IngestSilent, settings, hours, Some(*expected)))
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
    use chrono::TimeDelta;

    use super::super::fixtures::settings;
    use super::*;
    use crate::domain::baseline::{Baseline, Grain};

    #[test]
    fn silence_is_told_where_there_usually_is_none() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let hour = now.timestamp() / 3600;
        let usual = |per_hour: f64| {
            let mut baseline = Baseline::new(Grain::Hour);
            for slot in hour - 24 * 30..hour {
                baseline.close(slot, per_hour);
            }
            baseline.expect(hour)
        };
        let check = |per_hour, minutes| {
            let last = Some(now - TimeDelta::minutes(minutes));
            ingest_silent(&settings(Rule::IngestSilent), &usual(per_hour), last, now).is_some()
        };
        assert!(check(100.0, 130));
        assert!(!check(100.0, 110) && !check(5.0, 600));
        assert_eq!(ingest_silent(&settings(Rule::IngestSilent), &usual(100.0), None, now), None, "none ever came");
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
