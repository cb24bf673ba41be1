//! Spend: far above one's own usual, and far above everybody else's.

use super::super::alert::{Rule, Subject};
use super::super::baseline::{Expectation, Threshold, score};
use super::super::finding::{Evidence, Finding, Window};
use super::super::money::NanoUsd;
use super::super::rollup::Measures;
use super::{Settings, dollars};

/// Told again when it grew to so many times what was told: the seriousness of money is a matter of its magnitude.
const ESCALATES_AT: f64 = 3.0;

/// What was spent in a window so far, and what is usual in all of it.
#[derive(Clone, Copy, Debug)]
pub struct Spent<'a> {
    /// The hour of the clock or the day.
    pub window: Window,
    /// The sums so far.
    pub sums: &'a Measures,
    /// What is usual.
    pub usual: &'a Expectation,
}

/// Spend of the hour or of the day so far is far above what is usual in a whole one, and by at least the floor. Of the
/// two windows the one that stands out more is told.
#[must_use]
pub fn spike(rule: Rule, settings: &Settings, subject: &Subject, windows: &[Spent<'_>]) -> Option<Finding> {
    let found =
        windows.iter().filter_map(|spent| excess(settings, spent).map(|(score, expected)| (score, expected, spent)));
    let (_, expected, spent) = found.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let value = dollars(spent.sums.spent());
    let threshold = expected + dollars(settings.floor());
    Some(Finding {
        rule,
        subject: subject.clone(),
        aspect: String::new(),
        user: None,
        severity: settings.severity,
        level: level(value, threshold),
        value,
        threshold,
        evidence: Evidence {
            window: spent.window,
            expected: Some(expected),
            spent: Some(spent.sums.spent()),
            executions: spent.sums.executions,
            ..Evidence::default()
        },
    })
}

/// Score and expectation of what is too much.
fn excess(settings: &Settings, spent: &Spent<'_>) -> Option<(f64, f64)> {
    let Expectation::Usual { expected, .. } = spent.usual else { return None };
    let value = dollars(spent.sums.spent());
    let threshold = Threshold { score: settings.threshold, above: dollars(settings.floor()) };
    threshold.is_spike(spent.usual, value).then(|| (score(spent.usual, value), *expected))
}

/// How often it trebled above the threshold, from 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
fn level(value: f64, threshold: f64) -> u16 {
    if threshold <= 0.0 {
        return 1;
    }
    1 + (value / threshold).log(ESCALATES_AT).clamp(0.0, 20.0) as u16
}

/// A user's day so far costs many times that of the average active user on the days before.
#[must_use]
pub fn outlier(settings: &Settings, user: &str, day: &Measures, average: &Average) -> Option<Finding> {
    let threshold = average.usd() * settings.threshold;
    let value = dollars(day.spent());
    let holds =
        average.user_days >= i64::from(settings.samples) && day.spent() >= settings.floor() && value > threshold;
    holds.then(|| Finding {
        rule: Rule::UserSpendOutlier,
        subject: Subject::User(user.to_owned()),
        aspect: String::new(),
        user: Some(user.to_owned()),
        severity: settings.severity,
        level: level(value, threshold),
        value,
        threshold,
        evidence: Evidence {
            window: Window::Day,
            expected: Some(average.usd()),
            spent: Some(day.spent()),
            executions: day.executions,
            users: average.user_days,
            ..Evidence::default()
        },
    })
}

/// What the active users spent on some days together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Average {
    /// All of it.
    pub spent: NanoUsd,
    /// A user counts once for each day they ran something.
    pub user_days: i64,
}

impl Average {
    /// Dollars per active user and day.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn usd(&self) -> f64 {
        if self.user_days > 0 { dollars(self.spent) / self.user_days as f64 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::settings;
    use super::*;
    use crate::domain::baseline::{Baseline, Grain};

    fn spent(usd: i64) -> Measures {
        Measures { executions: 10, cost: usd * 1_000_000_000, ..Measures::default() }
    }

    /// Forty days at ten dollars, give or take.
    fn usual() -> Expectation {
        let mut baseline = Baseline::new(Grain::Day);
        for day in 20_000..20_040 {
            baseline.close(day, 10.0 + f64::from(u8::try_from(day % 3).unwrap()) - 1.0);
        }
        baseline.expect(20_040)
    }

    #[test]
    fn a_spike_is_far_above_the_usual_and_above_the_floor() {
        let subject = Subject::User("u".to_owned());
        let check = |usd: i64, usual: &Expectation| {
            let sums = spent(usd);
            let windows = [Spent { window: Window::Day, sums: &sums, usual }];
            spike(Rule::UserSpendSpike, &settings(Rule::UserSpendSpike), &subject, &windows)
        };
        let usual = usual();
        assert_eq!(check(11, &usual), None, "as usual");
        assert_eq!(check(14, &usual), None, "below the floor of five dollars");
        let found = check(60, &usual).expect("six times the usual");
        assert!((found.evidence.expected.unwrap() - 10.0).abs() < 1.5, "{found:?}");
        assert!(found.level < check(600, &usual).unwrap().level, "ten times as much is a higher level");
        let fresh = Baseline::new(Grain::Day).expect(20_040);
        assert_eq!(check(600, &fresh), None, "nobody knows what is usual");
    }

    #[test]
    fn an_outlier_is_far_above_the_average_active_user() {
        let average = Average { spent: NanoUsd::dollars(100), user_days: 50 };
        let check =
            |usd, average: &Average| outlier(&settings(Rule::UserSpendOutlier), "u", &spent(usd), average).is_some();
        assert!(check(21, &average));
        assert!(!check(20, &average), "ten times and no more");
        assert!(!check(19, &Average { spent: NanoUsd::dollars(1), ..average }), "below the floor");
        assert!(!check(100, &Average { user_days: 4, ..average }), "too few to compare with");
    }
}
