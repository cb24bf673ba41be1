//! Keys: spend that nothing explains, keys that are old or refused, and what was recorded against what was charged.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::alert::{Rule, Severity, Subject};
use super::super::finding::{Evidence, Finding, Window};
use super::super::key::Slot;
use super::super::money::NanoUsd;
use super::super::poll::Woke;
use super::super::reconcile::Unexplained;
use super::credit::multiple;
use super::{Settings, dollars};

/// A key's age is told first so many days before it is old, and every so many days after.
pub const AGE_NOTICE_DAYS: i64 = 15;
const AGE_AGAIN_DAYS: i64 = 30;
/// The end of a key is told so many days before it, the last time urgently.
pub const EXPIRY_DAYS: [i64; 3] = [14, 7, 1];

/// What every finding on a key has in common. Labels are the owner's: the aspect tells apart whose a key is.
fn finding(rule: Rule, settings: &Settings, slot: Slot<'_>, value: f64, threshold: f64, evidence: Evidence) -> Finding {
    Finding {
        rule,
        subject: Subject::Key(slot.label.to_owned()),
        aspect: slot.user.to_owned(),
        user: Some(slot.user.to_owned()),
        severity: settings.severity,
        level: 1,
        value,
        threshold,
        evidence,
    }
}

/// OpenRouter counts more on a key than executions explain. Told again at each fourfold amount.
#[must_use]
pub fn unaccounted(settings: &Settings, slot: Slot<'_>, found: &Unexplained) -> Finding {
    let (amount, floor) = (dollars(found.amount), dollars(settings.floor()));
    let evidence = Evidence {
        expected: Some(dollars(found.explained)),
        spent: Some(found.reported),
        since: Some(found.since),
        ..Evidence::default()
    };
    let level = if floor > 0.0 { multiple((amount / floor).sqrt()) } else { 1 };
    Finding { level, ..finding(Rule::UnaccountedSpend, settings, slot, amount, floor, evidence) }
}

/// A key that was silent for long spends, and executions do not explain it.
#[must_use]
pub fn dormant(settings: &Settings, slot: Slot<'_>, woke: &Woke, usage: NanoUsd) -> Option<Finding> {
    let silent = whole_days(woke.at - woke.silent_since);
    let spent = NanoUsd(usage.0.saturating_sub(woke.before.0));
    let evidence = Evidence { spent: Some(spent), since: Some(woke.at), ..Evidence::default() };
    let is_told = woke.is_suspect && silent >= settings.threshold && spent >= settings.floor();
    is_told.then(|| finding(Rule::DormantKeyUsed, settings, slot, silent, settings.threshold, evidence))
}

/// A key is old, or will be soon: told when it will be, when it is, and every month after.
#[must_use]
pub fn old(settings: &Settings, slot: Slot<'_>, age: TimeDelta) -> Option<Finding> {
    let past = age.num_days() - whole(settings.threshold);
    if past < -AGE_NOTICE_DAYS {
        return None;
    }
    let months = if past < 0 { 0 } else { 1 + past / AGE_AGAIN_DAYS };
    let level = u16::try_from(months + 1).unwrap_or(u16::MAX);
    let found = finding(Rule::KeyOld, settings, slot, whole_days(age), settings.threshold, Evidence::default());
    Some(Finding { level, ..found })
}

/// A key ends soon: told two weeks, a week and a day before.
#[must_use]
pub fn expiring(settings: &Settings, slot: Slot<'_>, age: TimeDelta, left: TimeDelta) -> Option<Finding> {
    let level = EXPIRY_DAYS.iter().filter(|days| left <= TimeDelta::days(**days)).count();
    let level = u16::try_from(level).ok().filter(|level| *level > 0)?;
    let evidence = Evidence { runway_s: Some(std::cmp::max(left.num_seconds(), 0)), ..Evidence::default() };
    let found = finding(Rule::KeyOld, settings, slot, whole_days(age), settings.threshold, evidence);
    let is_urgent = usize::from(level) == EXPIRY_DAYS.len();
    let severity = if is_urgent { Severity::Critical } else { Severity::Warning };
    Some(Finding { level, severity, aspect: format!("{} expires", slot.user), ..found })
}

/// OpenRouter no longer takes a key: the value is how often it said so.
#[must_use]
pub fn refused(settings: &Settings, slot: Slot<'_>, refusals: u32, since: Option<DateTime<Utc>>) -> Option<Finding> {
    let evidence = Evidence { since, ..Evidence::default() };
    let value = f64::from(refusals);
    let is_told = value >= settings.threshold;
    is_told.then(|| finding(Rule::KeyRefused, settings, slot, value, settings.threshold, evidence))
}

/// What was recorded of an account on a day differs from what OpenRouter charged it.
#[must_use]
pub fn drift(
    settings: &Settings,
    subject: Subject,
    recorded: NanoUsd,
    charged: NanoUsd,
    day: DateTime<Utc>,
) -> Option<Finding> {
    let gap = NanoUsd(i64::try_from(recorded.0.abs_diff(charged.0)).unwrap_or(i64::MAX));
    let whole = if charged.is_positive() { charged } else { recorded };
    let share = if whole.is_positive() { dollars(gap) / dollars(whole) } else { 0.0 };
    (share > settings.threshold && gap >= settings.floor()).then(|| Finding {
        rule: Rule::CaptureDrift,
        aspect: String::new(),
        user: subject.user().map(str::to_owned),
        subject,
        severity: settings.severity,
        level: 1,
        value: share,
        threshold: settings.threshold,
        evidence: Evidence {
            window: Window::Day,
            spent: Some(recorded),
            limit: Some(charged),
            since: Some(day),
            ..Evidence::default()
        },
    })
}

#[expect(clippy::cast_precision_loss, reason = "days of a life")]
fn whole_days(age: TimeDelta) -> f64 {
    age.num_days() as f64
}

#[expect(clippy::cast_possible_truncation, reason = "days of a life")]
fn whole(days: f64) -> i64 {
    days as i64
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::settings;
    use super::*;

    const SLOT: Slot<'static> = Slot { user: "u-1", label: "prod" };

    #[test]
    fn a_key_ages_in_steps_that_are_told_once_each() {
        for (days, level) in
            [(74, None), (75, Some(1)), (89, Some(1)), (90, Some(2)), (119, Some(2)), (120, Some(3)), (365, Some(11))]
        {
            let found = old(&settings(Rule::KeyOld), SLOT, TimeDelta::days(days));
            assert_eq!(found.map(|found| found.level), level, "{days}");
        }
    }

    #[test]
    fn the_end_of_a_key_is_told_thrice() {
        for (hours, level) in
            [(15 * 24, None), (14 * 24, Some(1)), (7 * 24, Some(2)), (25, Some(2)), (24, Some(3)), (-5, Some(3))]
        {
            let found = expiring(&settings(Rule::KeyOld), SLOT, TimeDelta::days(1), TimeDelta::hours(hours));
            assert_eq!(found.map(|found| found.level), level, "{hours}");
        }
    }

    #[test]
    fn what_nothing_explains_is_told_again_at_each_fourfold() {
        for (amount, level) in [(1, 1), (3, 1), (4, 2), (15, 2), (16, 3), (100, 4)] {
            let amount = NanoUsd::dollars(amount);
            let found = Unexplained { amount, reported: amount, explained: NanoUsd::ZERO, since: DateTime::UNIX_EPOCH };
            let found = unaccounted(&settings(Rule::UnaccountedSpend), SLOT, &found);
            assert_eq!((found.level, found.user.as_deref(), found.subject.id()), (level, Some("u-1"), "prod"));
        }
    }

    #[test]
    fn a_day_that_differs_by_more_than_a_fiftieth_and_a_dollar_is_told() {
        for (recorded, charged, told) in [
            (97, 100, true),
            (98, 100, false),
            (103, 100, true),
            (0, 100, true),
            (100, 0, true),
            (0, 0, false),
            (1, 2, true),
        ] {
            let (recorded, charged) = (NanoUsd::dollars(recorded), NanoUsd::dollars(charged));
            let subject = Subject::Account(Subject::PLATFORM.to_owned());
            let found = drift(&settings(Rule::CaptureDrift), subject, recorded, charged, DateTime::UNIX_EPOCH);
            assert_eq!(found.is_some(), told, "{recorded} {charged}");
        }
        let cents = |cents: i64| NanoUsd(cents * 10_000_000);
        let user = Subject::User("u".to_owned());
        assert_eq!(drift(&settings(Rule::CaptureDrift), user, cents(10), cents(50), DateTime::UNIX_EPOCH), None);
    }

    #[test]
    fn a_dormant_key_is_told_of_where_executions_do_not_explain_it() {
        let woke = |days, is_suspect| Woke {
            at: DateTime::UNIX_EPOCH + TimeDelta::days(days),
            silent_since: DateTime::UNIX_EPOCH,
            before: NanoUsd::dollars(3),
            is_suspect,
        };
        let usage = NanoUsd::dollars(4);
        let found = |woke: &Woke| dormant(&settings(Rule::DormantKeyUsed), SLOT, woke, usage);
        assert!(found(&woke(31, false)).is_none() && found(&woke(29, true)).is_none());
        let found = found(&woke(41, true)).unwrap();
        assert_eq!((found.value, found.evidence.spent), (41.0, Some(NanoUsd::dollars(1))));
    }
}
