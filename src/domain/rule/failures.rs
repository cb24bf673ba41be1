//! Executions that fail: limits, empty purses, broken models, failures that are paid for.

use super::super::alert::{Rule, Subject};
use super::super::finding::{Evidence, Finding, Window};
use super::super::money::NanoUsd;
use super::super::rollup::Measures;
use super::{Settings, share};

/// A model fails "across users" from two on: one alone may have broken their own call.
const USERS_MIN: i64 = 2;
/// Fewer 429s say nothing, whatever the share: of a user for whom one call in fifty is refused on an ordinary day, three
/// in twenty are chance (measured by the simulator: nine in ten false alarms were of fewer).
const LIMITED_MIN: i64 = 5;
/// An empty purse of the platform shows at several users: three, for two may be a coincidence.
const CREDIT_USERS_MIN: i64 = 3;
/// How many standard errors more than usual a share of bad outputs must be: one in 30,000 by chance.
const BAD_OUTPUT_SIGMAS: f64 = 4.0;

/// Too many of a user's executions in the last hour ended in 429.
#[must_use]
pub fn rate_limited(settings: &Settings, user: &str, hour: &Measures) -> Option<Finding> {
    let limited = hour.rate_limited();
    let value = share(limited, hour.executions);
    let enough = hour.executions >= i64::from(settings.samples) && limited >= LIMITED_MIN;
    let holds = enough && value > settings.threshold;
    let kinds =
        [("account", hour.limited_account), ("upstream", hour.limited_upstream), ("free_tier", hour.limited_free)];
    // Told again once it is most of them.
    let level = if value > 0.5 { 2 } else { 1 };
    holds.then(|| of_user(Rule::RateLimited, settings, user, level, value, hour, &kinds))
}

/// A user's executions in the last hour ended in 402, other than while others were in flight.
#[must_use]
pub fn out_of_credit(settings: &Settings, user: &str, hour: &Measures) -> Option<Finding> {
    let refused = hour.out_of_credit;
    let value = share(refused, hour.executions);
    let holds = refused >= i64::from(std::cmp::max(settings.samples, 1)) && value > settings.threshold;
    holds.then(|| of_user(Rule::OutOfCredit, settings, user, 1, value, hour, &[("out_of_credit", refused)]))
}

/// Too many of a user's executions of a day failed and were charged, or these cost too much.
#[must_use]
pub fn charged_failures(settings: &Settings, user: &str, day: &Measures) -> Option<Finding> {
    let value = share(day.charged_failures, day.executions);
    let cost = NanoUsd(day.charged_failure_cost);
    let often = day.executions >= i64::from(settings.samples) && value > settings.threshold;
    let dear = settings.floor().is_positive() && cost >= settings.floor();
    (often || dear).then(|| {
        let mut found =
            of_user(Rule::ChargedFailures, settings, user, 1, value, day, &[("charged", day.charged_failures)]);
        found.evidence.window = Window::Day;
        found.evidence.spent = Some(cost);
        found
    })
}

fn of_user(
    rule: Rule,
    settings: &Settings,
    user: &str,
    level: u16,
    value: f64,
    sums: &Measures,
    failures: &[(&str, i64)],
) -> Finding {
    Finding {
        rule,
        subject: Subject::User(user.to_owned()),
        aspect: String::new(),
        user: Some(user.to_owned()),
        severity: settings.severity,
        level,
        value,
        threshold: settings.threshold,
        evidence: Evidence {
            window: Window::Hour,
            spent: Some(sums.spent()),
            executions: sums.executions,
            failures: failures.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| ((*kind).to_owned(), *n)).collect(),
            users: 1,
            ..Evidence::default()
        },
    }
}

/// A model was unavailable or failed upstream too often in the last hour, for several users: `users` are those for
/// whom it failed.
#[must_use]
pub fn model_failing(settings: &Settings, model: &str, hour: &Measures, users: i64) -> Option<Finding> {
    let failed = hour.unavailable + hour.upstream_failures;
    let value = share(failed, hour.executions);
    let holds = users >= USERS_MIN && hour.executions >= i64::from(settings.samples) && value > settings.threshold;
    holds.then(|| Finding {
        rule: Rule::ModelFailing,
        subject: Subject::Model(model.to_owned()),
        aspect: String::new(),
        user: None,
        severity: settings.severity,
        level: if value > 0.75 { 2 } else { 1 },
        value,
        threshold: settings.threshold,
        evidence: Evidence {
            window: Window::Hour,
            spent: Some(hour.spent()),
            executions: hour.executions,
            failures: vec![
                ("unavailable".to_owned(), hour.unavailable),
                ("upstream".to_owned(), hour.upstream_failures),
            ],
            users,
            ..Evidence::default()
        },
    })
}

/// Executions of several users ended in 402 in the last hour: it is the platform's purse that is empty.
#[must_use]
pub fn credit_refused(settings: &Settings, hour: &Measures, users: i64) -> Option<Finding> {
    let value = share(hour.out_of_credit, hour.executions);
    let holds =
        users >= CREDIT_USERS_MIN && hour.executions >= i64::from(settings.samples) && value > settings.threshold;
    holds.then(|| Finding {
        rule: Rule::CreditRefused,
        subject: Subject::Account(Subject::PLATFORM.to_owned()),
        aspect: String::new(),
        user: None,
        severity: settings.severity,
        level: if value > 0.5 { 2 } else { 1 },
        value,
        threshold: settings.threshold,
        evidence: Evidence {
            window: Window::Hour,
            spent: Some(hour.spent()),
            executions: hour.executions,
            failures: vec![("out_of_credit".to_owned(), hour.out_of_credit)],
            users,
            ..Evidence::default()
        },
    })
}

/// A model's unusable outputs of the day exceed its own usual share by more than chance and by the threshold.
/// `usual`: unusable outputs and executions of the days before.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a standard error")]
pub fn bad_output(settings: &Settings, model: &str, day: &Measures, usual: (i64, i64)) -> Option<Finding> {
    let value = share(day.bad_outputs, day.executions);
    // One of two more than was seen: nobody is held to perfection (Laplace's rule of succession).
    let expected = share(usual.0 + 1, usual.1 + 2);
    let sigma = (expected * (1.0 - expected) / (day.executions as f64)).sqrt();
    let threshold = expected + f64::max(settings.threshold, BAD_OUTPUT_SIGMAS * sigma);
    let samples = i64::from(settings.samples);
    let holds = usual.1 >= samples && day.executions >= samples && value > threshold;
    holds.then(|| Finding {
        rule: Rule::BadOutput,
        subject: Subject::Model(model.to_owned()),
        aspect: String::new(),
        user: None,
        severity: settings.severity,
        level: 1,
        value,
        threshold,
        evidence: Evidence {
            window: Window::Day,
            expected: Some(expected),
            spent: Some(day.spent()),
            executions: day.executions,
            failures: vec![("bad_output".to_owned(), day.bad_outputs)],
            ..Evidence::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{executions, settings};
    use super::*;

    #[test]
    fn more_than_a_tenth_in_429_is_told_where_it_is_no_chance() {
        let rule = settings(Rule::RateLimited);
        let check = |all, limited| {
            rate_limited(&rule, "u", &Measures { limited_upstream: limited, ..executions(all) })
                .map(|found| found.level)
        };
        assert_eq!([check(20, 4), check(20, 5), check(20, 15), check(19, 19)], [None, Some(1), Some(2), None]);
        assert_eq!([check(100, 10), check(100, 11)], [None, Some(1)]);
        let found =
            rate_limited(&rule, "u", &Measures { limited_free: 9, limited_account: 1, ..executions(20) }).unwrap();
        assert_eq!(found.evidence.failures, [("account".to_owned(), 1), ("free_tier".to_owned(), 9)]);
    }

    #[test]
    fn the_first_402_of_a_user_is_told() {
        let rule = settings(Rule::OutOfCredit);
        let check =
            |refused| out_of_credit(&rule, "u", &Measures { out_of_credit: refused, ..executions(500) }).is_some();
        assert!(check(1) && !check(0));
    }

    #[test]
    fn failures_are_dear_or_frequent() {
        let rule = settings(Rule::ChargedFailures);
        let check = |all, charged, dollars: i64| {
            let cost = dollars * 1_000_000_000;
            let day = Measures { charged_failures: charged, charged_failure_cost: cost, ..executions(all) };
            charged_failures(&rule, "u", &day).is_some()
        };
        assert!(check(20, 3, 0) && check(1_000, 5, 5));
        assert!(!check(20, 2, 0) && !check(19, 19, 4) && !check(1_000, 5, 4));
    }

    #[test]
    fn a_model_fails_across_users() {
        let rule = settings(Rule::ModelFailing);
        let check = |all: i64, failed: i64, users| {
            let hour = Measures { unavailable: failed - failed / 2, upstream_failures: failed / 2, ..executions(all) };
            model_failing(&rule, "a/b", &hour, users).is_some()
        };
        assert!(check(20, 6, 2));
        assert!(!check(20, 5, 2) && !check(20, 20, 1) && !check(19, 19, 5));
    }

    #[test]
    fn an_empty_purse_of_the_platform_shows_at_several_users() {
        let rule = settings(Rule::CreditRefused);
        let check = |all, refused, users| {
            credit_refused(&rule, &Measures { out_of_credit: refused, ..executions(all) }, users).is_some()
        };
        assert!(check(100, 6, 3));
        assert!(!check(100, 5, 3) && !check(100, 60, 2) && !check(19, 19, 3));
    }

    #[test]
    fn bad_outputs_are_held_against_the_models_own_share() {
        let rule = settings(Rule::BadOutput);
        let check =
            |bad, usual| bad_output(&rule, "a/b", &Measures { bad_outputs: bad, ..executions(100) }, usual).is_some();
        assert!(check(20, (10, 1_000)), "a fifth where a hundredth is usual");
        assert!(!check(20, (150, 1_000)), "a fifth where a seventh is usual");
        assert!(!check(100, (0, 49)), "nobody knows what is usual");
        assert!(!check(9, (10, 1_000)), "not by a tenth more");
    }
}
