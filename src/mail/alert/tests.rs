//! What mails about incidents say: every rule and step, also with figures and names that nobody should send.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::TimeDelta;

use super::*;
use crate::domain::alert::{Rule, Subject};
use crate::domain::finding::{Evidence, Finding, Share, Window};
use crate::domain::incident::{Phase, Told, id_of};
use crate::domain::money::NanoUsd;

const HOSTILE: &str = "<script>alert(1)</script>\r\nBcc: x@y\u{202e}\u{0}{{ 7777*7 }}";

fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_600)
}

fn sender() -> Sender {
    Sender {
        domain: "platform.example".to_owned(),
        public_url: Some("https://monitor.platform.example/".to_owned()),
        model_link: "https://openrouter.ai/{id}".to_owned(),
    }
}

fn recipient(name: &str) -> Recipient {
    Recipient {
        id: "u".to_owned(),
        email: "u@platform.example".to_owned(),
        name: Some(name.to_owned()),
        mail_token: "t".to_owned(),
    }
}

/// An incident of a rule in which every text and figure is what `text` and `value` say.
fn incident(rule: Rule, text: &str, value: f64, times: u32) -> Incident {
    let share = Share { name: text.to_owned(), spent: NanoUsd(i64::MAX), executions: i64::MAX, failed: i64::MIN };
    let subject = match rule {
        Rule::ModelFailing | Rule::BadOutput => Subject::Model(text.to_owned()),
        Rule::ResourceSpendSpike => Subject::Resource(text.to_owned()),
        Rule::KeyOld | Rule::KeyRefused | Rule::UnaccountedSpend => Subject::Key(text.to_owned()),
        _ => Subject::User(text.to_owned()),
    };
    let evidence = Evidence {
        expected: Some(-value),
        spent: Some(NanoUsd(i64::MIN)),
        executions: i64::MAX,
        failures: vec![(text.to_owned(), i64::MAX), ("charged".to_owned(), i64::MAX)],
        models: vec![share.clone(); 9],
        resources: vec![share; 9],
        cap: Some(text.to_owned()),
        limit: Some(NanoUsd(i64::MAX)),
        runway_s: Some(i64::MAX),
        sufficient_for: Some(i64::MAX),
        note: Some(text.to_owned()),
        ..Evidence::default()
    };
    let finding = Finding {
        aspect: String::new(),
        rule,
        user: Some(text.to_owned()),
        severity: Severity::Warning,
        level: 1,
        value,
        threshold: value,
        evidence,
        subject,
    };
    Incident {
        id: id_of(rule, &finding.subject, "", at()),
        finding,
        phase: Phase::Firing,
        pending_since: at(),
        fired_at: Some(at()),
        last_found_at: at(),
        told: Some(Told { at: at(), level: 1, times }),
        acknowledged_at: None,
        resolved_at: None,
    }
}

fn both(incident: &Incident, step: Step, names: &Names) -> Vec<Mail> {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(Renderer::default);
    let (renderer, sender) = (&*RENDERER, sender());
    let admins = ["a@platform.example".to_owned(), "b@platform.example".to_owned()];
    let desk = Desk { renderer, sender: &sender, admins: &admins };
    let telling = Telling { incident, step, names, now: at() };
    let mut mails = to_admins(&desk, &telling).unwrap();
    mails.push(to_user(renderer, &sender, &recipient(HOSTILE), Tz::Asia__Kathmandu, &telling).unwrap());
    mails
}

#[test]
fn whatever_is_found_makes_a_mail_and_hostile_names_do_no_harm() {
    let long = "é\n".repeat(5_000);
    for rule in Rule::ALL {
        for (text, value) in
            [(HOSTILE, 12.5), (long.as_str(), f64::NAN), ("", f64::INFINITY), ("x", 0.0), ("y", -1e300)]
        {
            let resource = Named { name: text.to_owned(), url: Some("javascript:alert(1)".to_owned()) };
            let names = Names {
                resources: [(text.to_owned(), resource)].into(),
                users: [(text.to_owned(), text.to_owned())].into(),
                models: [(text.to_owned(), text.to_owned())].into(),
                instead: [(text.to_owned(), vec![text.to_owned(); 9])].into(),
            };
            let steps = [Step::First, Step::Resolved, Step::Reminder, Step::Escalated, Step::Nothing];
            for step in steps.into_iter().take(if text == HOSTILE { 5 } else { 1 }) {
                let incident = incident(*rule, text, value, 3);
                for mail in both(&incident, step, &names) {
                    let whole = format!("{}{}", mail.text, mail.subject);
                    assert!(!mail.subject.contains(['\r', '\n', '\u{202e}', '\0']), "{rule:?} {:?}", mail.subject);
                    assert!(!whole.contains(['\u{202e}', '\0']), "{rule:?} {whole}");
                    assert!(!mail.html.contains("<script") && !mail.html.contains("\"javascript:"), "{}", mail.html);
                    assert!(!mail.html.contains("54439"), "templates in names are not run");
                    assert!(mail.html.len() < 60_000, "{rule:?}: {} bytes", mail.html.len());
                }
                let now = incident.last_found_at;
                assert!(!summary(&incident, step, now).contains('\n') && !headline(&incident, now).contains('\n'));
            }
        }
    }
}

#[test]
fn a_step_makes_one_row_for_each_recipient_and_all_answer_the_first() {
    let names = Names::default();
    let of = |times| both(&incident(Rule::UserSpendSpike, "u", 20.0, times), Step::Reminder, &names);
    let (first, second, again) = (of(1), of(2), of(2));
    let keys: BTreeSet<&str> = first.iter().chain(&second).map(|mail| mail.dedup_key.as_str()).collect();
    assert_eq!(keys.len(), 6);
    assert_eq!(second, again);
    for (first, second) in first.iter().zip(&second) {
        assert_eq!((first.threads.len(), &second.threads), (0, &vec![first.message_id.clone()]));
    }
    let kinds: Vec<&str> = second.iter().map(|mail| mail.kind.as_str()).collect();
    assert_eq!(kinds, ["spend_anomaly", "spend_anomaly", "spend_spike"]);
    assert_eq!(second[2].unsubscribe_url.as_deref(), Some("https://monitor.platform.example/m/t?kind=spend_spike"));
}

#[test]
fn every_step_reads_differently() {
    let incident = incident(Rule::LowCredit, "u", 3.0, 2);
    let steps = [Step::First, Step::Escalated, Step::Reminder, Step::Resolved];
    let subjects: BTreeSet<String> =
        steps.iter().map(|step| both(&incident, *step, &Names::default())[2].subject.clone()).collect();
    assert_eq!(subjects.len(), 4, "{subjects:?}");
}

#[test]
fn what_was_found_before_today_is_not_told_as_todays() {
    let mut outlier = incident(Rule::UserSpendOutlier, "u", 30.0, 1);
    outlier.finding.evidence.window = Window::Day;
    let told = |days: i64| headline(&outlier, at() + TimeDelta::days(days));
    assert!(told(0).contains(" today, "), "{}", told(0));
    assert!(told(2).contains(" on 27 May 2026, "), "{}", told(2));
}
