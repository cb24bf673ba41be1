//! Sample incidents of every rule, and each step of one.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::alert::{Rule, Severity, Subject};
use crate::domain::finding::{Evidence, Finding, Share, Window};
use crate::domain::incident::{Incident, Phase, Step, Told, id_of};
use crate::domain::money::NanoUsd;
use crate::mail::admin::Desk;
use crate::mail::alert::{Named, Names, Telling, to_admins, to_user};
use crate::mail::render::Error;
use crate::store::outbox::Mail;
use crate::store::told::Recipient;

/// The names of these mails: the kind, and what tells those of a kind apart.
pub const NAMES: [&str; 27] = [
    "spend_spike",
    "spend_spike_resource",
    "rate_limited",
    "rate_limited_escalated",
    "rate_limited_reminder",
    "rate_limited_resolved",
    "out_of_credit",
    "low_credit",
    "budget",
    "budget_reached",
    "unaccounted_spend",
    "unaccounted_spend_dormant",
    "key_age",
    "key_refused",
    "spend_anomaly",
    "spend_anomaly_total",
    "spend_outlier",
    "platform_credit",
    "platform_credit_refused",
    "model_failing",
    "charged_failures",
    "bad_output",
    "margin",
    "margin_platform",
    "capture_drift",
    "monitor_trouble_silent",
    "monitor_trouble_stuck",
];

const CENT: i64 = 10_000_000;
const HOUR_S: i64 = 3_600;

/// Renders every one of them, users' for one and admins' for the desk.
pub(super) fn all(desk: &Desk<'_>, to: &Recipient, now: DateTime<Utc>) -> Result<Vec<(String, Mail)>, Error> {
    let names = names();
    let mut mails = Vec::new();
    for name in NAMES {
        let (finding, step) = sample(name);
        let incident = incident(finding, step, now);
        let telling = Telling { incident: &incident, step, names: &names, now };
        let is_users = incident.finding.rule.user_mail().is_some_and(|kind| name.starts_with(kind));
        let mail = if is_users {
            Some(to_user(desk.renderer, desk.sender, to, Tz::Europe__Berlin, &telling)?)
        } else {
            to_admins(desk, &telling)?.into_iter().next()
        };
        mails.extend(mail.map(|mail| (name.to_owned(), mail)));
    }
    Ok(mails)
}

/// What the samples name.
pub(super) fn names() -> Names {
    let resource = |name: &str, url: Option<&str>| Named { name: name.to_owned(), url: url.map(str::to_owned) };
    Names {
        resources: [
            ("r-101", resource("Summarise tickets", Some("https://platform.example/resources/r-101"))),
            ("r-102", resource("Nightly report", None)),
        ]
        .map(|(id, named)| (id.to_owned(), named))
        .into(),
        users: [("u-017".to_owned(), "Invoice desk".to_owned())].into(),
        models: [
            ("halcyon/lumen-3", "Halcyon: Lumen 3"),
            ("halcyon/lumen-3-mini", "Halcyon: Lumen 3 Mini"),
            ("tessera/mosaic-2.5-flash", "Tessera: Mosaic 2.5 Flash"),
        ]
        .map(|(id, name)| (id.to_owned(), name.to_owned()))
        .into(),
        instead: [("tessera/mosaic-2.5-flash".to_owned(), vec!["halcyon/lumen-3-mini".to_owned()])].into(),
    }
}

/// An incident as it is when a step is told.
pub(super) fn incident(finding: Finding, step: Step, now: DateTime<Utc>) -> Incident {
    let began = match step {
        Step::First => now - TimeDelta::minutes(10),
        Step::Escalated => now - TimeDelta::hours(3),
        _ => now - TimeDelta::hours(26),
    };
    let is_over = step == Step::Resolved;
    Incident {
        id: id_of(finding.rule, &finding.subject, &finding.aspect, began),
        told: Some(Told { at: now, level: finding.level, times: if step == Step::First { 1 } else { 2 } }),
        finding,
        phase: if is_over { Phase::Resolved } else { Phase::Firing },
        pending_since: began,
        fired_at: Some(began),
        last_found_at: if is_over { now - TimeDelta::hours(1) } else { now },
        acknowledged_at: None,
        resolved_at: is_over.then_some(now),
    }
}

fn sample(name: &str) -> (Finding, Step) {
    let step = match name.rsplit('_').next() {
        Some("escalated") => Step::Escalated,
        Some("reminder") => Step::Reminder,
        Some("resolved") => Step::Resolved,
        _ => Step::First,
    };
    let finding = match name {
        "spend_spike" | "spend_anomaly" => spike(Rule::UserSpendSpike, user(), 6_120, 10.1),
        "spend_spike_resource" => spike(Rule::ResourceSpendSpike, Subject::Resource("r-101".to_owned()), 4_510, 6.0),
        "spend_anomaly_total" => spike(Rule::TotalSpendSpike, platform(), 132_040, 241.0),
        "spend_outlier" => Finding { threshold: 40.0, ..spike(Rule::UserSpendOutlier, user(), 8_400, 4.0) },
        "out_of_credit" => failing(Rule::OutOfCredit, user(), &[("out_of_credit", 14)], 0.14),
        "platform_credit_refused" => failing(Rule::CreditRefused, platform(), &[("out_of_credit", 41)], 0.41),
        "model_failing" => {
            let model = Subject::Model("tessera/mosaic-2.5-flash".to_owned());
            failing(Rule::ModelFailing, model, &[("unavailable", 12), ("upstream", 30)], 0.42)
        }
        "charged_failures" => charged(),
        "bad_output" => bad_output(),
        "low_credit" => low_credit(Rule::LowCredit, user(), 320, 5.0, 28),
        "platform_credit" => low_credit(Rule::PlatformCredit, platform(), 18_412, 20.0, 51),
        "budget" => budget(80, 1_640),
        "budget_reached" => budget(100, 2_003),
        "margin" => margin(user(), 3_120, 2_000),
        "margin_platform" => margin(platform(), 412_000, 390_000),
        "unaccounted_spend" => unaccounted(),
        "unaccounted_spend_dormant" => dormant(),
        "key_age" => key(Rule::KeyOld, 76.0, 90.0, Some(14 * 24 * HOUR_S)),
        "key_refused" => key(Rule::KeyRefused, 1.0, 1.0, None),
        "capture_drift" => drift(),
        "monitor_trouble_silent" => silent(),
        "monitor_trouble_stuck" => stuck(),
        _ => rate_limited(),
    };
    (finding, step)
}

fn user() -> Subject {
    Subject::User("u-017".to_owned())
}

fn platform() -> Subject {
    Subject::Account(Subject::PLATFORM.to_owned())
}

fn cents(cents: i64) -> NanoUsd {
    NanoUsd(cents * CENT)
}

fn finding(rule: Rule, subject: Subject, value: f64, threshold: f64, evidence: Evidence) -> Finding {
    let user = match &subject {
        Subject::Account(_) | Subject::Model(_) => None,
        _ => Some("u-017".to_owned()),
    };
    Finding {
        rule,
        subject,
        aspect: String::new(),
        user,
        severity: Severity::Warning,
        level: 1,
        value,
        threshold,
        evidence,
    }
}

fn share(name: &str, spent: i64, executions: i64, failed: i64) -> Share {
    Share { name: name.to_owned(), spent: cents(spent), executions, failed }
}

/// `spent` in cents, of which two thirds are one resource's.
fn spike(rule: Rule, subject: Subject, spent: i64, usual: f64) -> Finding {
    let evidence = Evidence {
        window: Window::Day,
        expected: Some(usual),
        spent: Some(cents(spent)),
        executions: 412,
        models: vec![share("halcyon/lumen-3", spent * 3 / 4, 301, 2), share("halcyon/lumen-3-mini", spent / 4, 111, 0)],
        resources: vec![share("r-101", spent * 2 / 3, 280, 2), share("r-102", spent / 3, 132, 0)],
        ..Evidence::default()
    };
    finding(rule, subject, dollars(spent), usual + 5.0, evidence)
}

fn failing(rule: Rule, subject: Subject, failures: &[(&str, i64)], value: f64) -> Finding {
    let failed = failures.iter().map(|(_, count)| count).sum();
    let evidence = Evidence {
        window: Window::Hour,
        spent: Some(cents(84)),
        executions: 100,
        failures: failures.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
        models: match &subject {
            Subject::Model(_) => Vec::new(),
            _ => vec![share("tessera/mosaic-2.5-flash", 61, 80, failed)],
        },
        resources: vec![share("r-101", 50, 64, failed - 3), share("r-102", 11, 16, 3)],
        users: 9,
        ..Evidence::default()
    };
    Finding { severity: Severity::Critical, ..finding(rule, subject, value, 0.05, evidence) }
}

fn rate_limited() -> Finding {
    let kinds = [("account", 4), ("upstream", 28), ("free_tier", 3)];
    let found = failing(Rule::RateLimited, user(), &kinds, 0.35);
    Finding { severity: Severity::Warning, threshold: 0.1, ..found }
}

fn charged() -> Finding {
    let mut found = failing(Rule::ChargedFailures, user(), &[("charged", 12)], 0.12);
    (found.severity, found.threshold) = (Severity::Warning, 0.1);
    (found.evidence.window, found.evidence.spent) = (Window::Day, Some(cents(63)));
    found
}

fn bad_output() -> Finding {
    let model = Subject::Model("tessera/mosaic-2.5-flash".to_owned());
    let mut found = failing(Rule::BadOutput, model, &[("bad_output", 18)], 0.18);
    (found.severity, found.threshold) = (Severity::Info, 0.12);
    (found.evidence.window, found.evidence.expected) = (Window::Day, Some(0.021));
    found
}

fn low_credit(rule: Rule, subject: Subject, left: i64, floor: f64, hours: i64) -> Finding {
    let evidence = Evidence {
        limit: Some(cents(left)),
        runway_s: Some(hours * HOUR_S),
        sufficient_for: Some(left * 2 / 5),
        ..Evidence::default()
    };
    finding(rule, subject, dollars(left), floor, evidence)
}

fn budget(level: u16, spent: i64) -> Finding {
    let evidence = Evidence {
        cap: Some("daily".to_owned()),
        limit: Some(cents(2_000)),
        ..spike(Rule::Budget, user(), spent, 0.0).evidence
    };
    let found = finding(Rule::Budget, user(), dollars(spent) / 20.0, f64::from(level) / 100.0, evidence);
    Finding { severity: if level == 100 { Severity::Critical } else { Severity::Info }, level, ..found }
}

fn margin(subject: Subject, spent: i64, paid: i64) -> Finding {
    let evidence = Evidence {
        window: Window::Month,
        limit: Some(cents(paid)),
        expected: None,
        ..spike(Rule::Margin, user(), spent, 0.0).evidence
    };
    let found = finding(Rule::Margin, subject, dollars(spent) / dollars(paid), 1.0, evidence);
    Finding { severity: Severity::Info, ..found }
}

fn key(rule: Rule, value: f64, threshold: f64, expires_in_s: Option<i64>) -> Finding {
    let evidence = Evidence { runway_s: expires_in_s, ..Evidence::default() };
    finding(rule, Subject::Key("prod".to_owned()), value, threshold, evidence)
}

fn unaccounted() -> Finding {
    let mut found = key(Rule::UnaccountedSpend, 18.4, 1.0, None);
    found.severity = Severity::Critical;
    (found.evidence.spent, found.evidence.expected) = (Some(cents(2_310)), Some(4.7));
    found
}

fn dormant() -> Finding {
    let mut found = key(Rule::DormantKeyUsed, 41.0, 30.0, None);
    found.severity = Severity::Critical;
    found.evidence.spent = Some(cents(210));
    found
}

fn drift() -> Finding {
    let evidence = Evidence {
        window: Window::Day,
        spent: Some(cents(18_910)),
        limit: Some(cents(19_720)),
        since: DateTime::from_timestamp(1_780_876_800, 0),
        ..Evidence::default()
    };
    finding(Rule::CaptureDrift, platform(), 0.041, 0.02, evidence)
}

fn silent() -> Finding {
    let evidence = Evidence { expected: Some(1_240.0), ..Evidence::default() };
    let found = finding(Rule::IngestSilent, platform(), 3.2, 2.0, evidence);
    Finding { severity: Severity::Critical, ..found }
}

fn stuck() -> Finding {
    let evidence = Evidence { failures: vec![("waiting".to_owned(), 14)], ..Evidence::default() };
    finding(Rule::MailStuck, platform(), 75.0, 60.0, evidence)
}

/// Sample amounts in cents, as the values of findings have them.
#[expect(clippy::cast_precision_loss, reason = "samples are small")]
fn dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}
