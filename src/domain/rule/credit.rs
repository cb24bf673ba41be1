//! Money that ends: balances and how long they last, caps, and what is paid for it all.

use super::super::alert::{Rule, Severity, Subject};
use super::super::finding::{Evidence, Finding, Window};
use super::super::money::NanoUsd;
use super::{Settings, dollars};

/// What was low is no longer low only with half as much again: a balance that hovers is told of once.
const CLEAR_FACTOR: f64 = 1.5;
/// Below so many hours, or a fifth of the floor, it is urgent.
const URGENT_HOURS: f64 = 24.0;
const URGENT_SHARE: f64 = 0.2;
/// How far ahead is looked; what lasts longer lasts.
const HORIZON_DAYS: i64 = 90;
const DAY_S: i64 = 86_400;
/// The shares of a cap that are told, in percent.
const CAP_LEVELS: [u16; 3] = [50, 80, 100];

/// A balance, and what is known of its use.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Whose: the subject of the alert, and the user it concerns.
    pub subject: Subject,
    /// The user whom it concerns, where it concerns one.
    pub user: Option<String>,
    /// What is left.
    pub left: NanoUsd,
    /// Below which it is low.
    pub floor: NanoUsd,
    /// Seconds until it is used up; `None`: longer than anybody can tell.
    pub runway_s: Option<i64>,
    /// What an execution costs on average.
    pub mean_cost: Option<NanoUsd>,
}

/// Seconds that a balance lasts when each day, counted from today, costs what is usual on it. `elapsed_s` of today are
/// over. `None` when it outlasts three months or nothing is usually spent.
#[must_use]
pub fn runway(left: NanoUsd, elapsed_s: i64, usual_usd: impl Fn(i64) -> f64) -> Option<i64> {
    let mut left = dollars(left);
    if left <= 0.0 {
        return Some(0);
    }
    for day in 0..HORIZON_DAYS {
        let from_s = if day == 0 { elapsed_s.clamp(0, DAY_S) } else { 0 };
        let usd = f64::max(usual_usd(day), 0.0) * seconds(DAY_S - from_s) / seconds(DAY_S);
        if usd >= left && usd > 0.0 {
            let share = left / usd;
            let spent_s = day * DAY_S + from_s - elapsed_s.clamp(0, DAY_S);
            return Some(spent_s + whole(seconds(DAY_S - from_s) * share));
        }
        left -= usd;
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a few months")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a day")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

/// A balance is low or will not last. `was_low`: it was told of, so it is over only well above.
#[must_use]
pub fn low_credit(rule: Rule, settings: &Settings, balance: &Balance, was_low: bool) -> Option<Finding> {
    let factor = if was_low { CLEAR_FACTOR } else { 1.0 };
    let (left, floor) = (dollars(balance.left), dollars(balance.floor));
    let hours = balance.runway_s.map(|runway| seconds(runway) / 3600.0);
    let is_low = left < floor * factor || hours.is_some_and(|hours| hours < settings.threshold * factor);
    let is_urgent = left < floor * URGENT_SHARE || hours.is_some_and(|hours| hours < URGENT_HOURS);
    let level = match (left <= 0.0, is_urgent) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    let sufficient = balance.mean_cost.filter(|mean| mean.0 > 0).map(|mean| std::cmp::max(balance.left.0, 0) / mean.0);
    is_low.then(|| Finding {
        rule,
        subject: balance.subject.clone(),
        aspect: String::new(),
        user: balance.user.clone(),
        severity: if level > 1 { Severity::Critical } else { settings.severity },
        level,
        value: left,
        threshold: floor,
        evidence: Evidence {
            window: Window::Now,
            limit: Some(balance.left),
            runway_s: balance.runway_s,
            sufficient_for: sufficient,
            ..Evidence::default()
        },
    })
}

/// What was spent of a cap.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    /// `daily` or `monthly`.
    pub name: &'static str,
    /// The day or the month so far, in the user's zone.
    pub window: Window,
    /// What was spent in it.
    pub spent: NanoUsd,
    /// The cap.
    pub limit: NanoUsd,
}

/// A share of a cap is reached: half, four fifths, all. Exact to the nano-dollar.
#[must_use]
pub fn budget(settings: &Settings, user: &str, cap: Cap) -> Option<Finding> {
    let reached = |percent: u16| {
        i128::from(cap.spent.0) * 100 >= i128::from(cap.limit.0) * i128::from(percent) && cap.spent.is_positive()
    };
    let level = CAP_LEVELS.into_iter().rev().find(|percent| reached(*percent))?;
    let value = if cap.limit.is_positive() { dollars(cap.spent) / dollars(cap.limit) } else { 1.0 };
    (value >= settings.threshold).then(|| Finding {
        rule: Rule::Budget,
        subject: Subject::User(user.to_owned()),
        aspect: cap.name.to_owned(),
        user: Some(user.to_owned()),
        severity: if level == 100 { Severity::Critical } else { settings.severity },
        level,
        value,
        threshold: f64::from(level) / 100.0,
        evidence: Evidence {
            window: cap.window,
            spent: Some(cap.spent),
            limit: Some(cap.limit),
            cap: Some(cap.name.to_owned()),
            ..Evidence::default()
        },
    })
}

/// A month so far costs more than is paid for it. Told again at each multiple.
#[must_use]
pub fn margin(settings: &Settings, subject: Subject, spent: NanoUsd, paid: NanoUsd) -> Option<Finding> {
    let value = if paid.is_positive() { dollars(spent) / dollars(paid) } else { return None };
    let over = spent.0.saturating_sub(paid.0) >= settings.floor().0;
    (value > settings.threshold && over).then(|| Finding {
        rule: Rule::Margin,
        aspect: String::new(),
        user: subject.user().map(str::to_owned),
        subject,
        severity: settings.severity,
        level: multiple(value),
        value,
        threshold: settings.threshold,
        evidence: Evidence { window: Window::Month, spent: Some(spent), limit: Some(paid), ..Evidence::default() },
    })
}

/// 1, 2, 4, 8 … times: the doublings of what is paid.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a small range")]
pub(super) fn multiple(value: f64) -> u16 {
    1 + value.log2().clamp(0.0, 20.0) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::settings;
    use super::*;

    #[test]
    fn a_balance_lasts_as_long_as_the_days_ahead_let_it() {
        // Ten dollars on working days, one at the week-end, from a Friday noon on.
        let usual = |day: i64| if (1..=2).contains(&(day % 7)) { 1.0 } else { 10.0 };
        let lasts = |usd, elapsed| runway(NanoUsd::dollars(usd), elapsed, usual);
        assert_eq!(lasts(0, 0), Some(0));
        assert_eq!(lasts(5, 0), Some(DAY_S / 2));
        assert_eq!(lasts(5, DAY_S / 2), Some(DAY_S / 2), "the rest of Friday");
        assert_eq!(lasts(7, DAY_S / 2), Some(DAY_S / 2 + 2 * DAY_S), "and all of the week-end");
        assert_eq!(runway(NanoUsd::dollars(5), 0, |_| 0.0), None);
        assert_eq!(runway(NanoUsd::dollars(5), 0, |_| 0.01), None, "beyond what anybody can tell");
    }

    #[test]
    fn low_credit_has_a_floor_a_runway_and_hysteresis() {
        let check = |usd: i64, hours: Option<i64>, was_low| {
            let balance = Balance {
                subject: Subject::User("u".to_owned()),
                user: None,
                left: NanoUsd::dollars(usd),
                floor: NanoUsd::dollars(5),
                runway_s: hours.map(|hours| hours * 3600),
                mean_cost: Some(NanoUsd(500_000_000)),
            };
            low_credit(Rule::LowCredit, &settings(Rule::LowCredit), &balance, was_low)
                .map(|found| (found.level, found.evidence.sufficient_for))
        };
        assert_eq!(check(6, None, false), None);
        assert_eq!(check(6, None, true), Some((1, Some(12))), "not yet well above");
        assert_eq!(check(8, None, true), None);
        assert_eq!(check(4, None, false), Some((1, Some(8))));
        assert_eq!(check(100, Some(71), false), Some((1, Some(200))));
        assert_eq!(check(100, Some(80), true).map(|found| found.0), Some(1));
        assert_eq!(check(100, Some(20), false).map(|found| found.0), Some(2));
        assert_eq!(check(-1, Some(0), false), Some((3, Some(0))));
    }

    #[test]
    fn a_cap_is_told_at_half_four_fifths_and_all() {
        let check = |spent, limit| {
            let cap = Cap { name: "daily", window: Window::Day, spent: NanoUsd(spent), limit: NanoUsd(limit) };
            budget(&settings(Rule::Budget), "u", cap).map(|found| found.level)
        };
        assert_eq!(
            [check(49, 100), check(50, 100), check(79, 100), check(80, 100)],
            [None, Some(50), Some(50), Some(80)]
        );
        assert_eq!([check(99, 100), check(100, 100), check(500, 100)], [Some(80), Some(100), Some(100)]);
        assert_eq!([check(0, 0), check(1, 0)], [None, Some(100)], "a cap of nothing is reached by anything");
    }

    #[test]
    fn a_month_that_costs_more_than_it_brings_is_told() {
        let check = |spent, paid| {
            let (spent, paid) = (NanoUsd::dollars(spent), NanoUsd::dollars(paid));
            margin(&settings(Rule::Margin), Subject::User("u".to_owned()), spent, paid).map(|found| found.level)
        };
        assert_eq!([check(20, 20), check(21, 20), check(40, 20), check(5, 0)], [None, Some(1), Some(2), None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// More money lasts at least as long.
        #[test]
        fn runway_grows_with_the_balance(usd in 0_i64..1_000, more in 0_i64..1_000, elapsed in 0_i64..DAY_S, days in prop::collection::vec(0.0..50.0_f64, 7)) {
            let usual = |day: i64| days[usize::try_from(day % 7).unwrap()];
            let lasts = |usd| runway(NanoUsd::dollars(usd), elapsed, usual).unwrap_or(i64::MAX);
            prop_assert!(lasts(usd) <= lasts(usd + more));
        }
    }
}
