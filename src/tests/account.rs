//! The calls about keys and accounts: what they take, how each answer that is none is told apart, and that no secret
//! is ever shown.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use openrouter_monitor::clock::{Clock, ManualClock};
use openrouter_monitor::config;
use openrouter_monitor::demo::bank::{Charge, Terms};
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::openrouter::Client;
use openrouter_monitor::openrouter::account::{Error, Question};
use secrecy::SecretString;

use crate::harness::openrouter::{Answer, FakeOpenRouter};
use crate::harness::{START, at, install_tls};

/// What the calls are made with.
const SECRET: &str = "sk-or-v1-management-0123456789";

async fn asked_of(timeout_seconds: u64) -> (FakeOpenRouter, Client, Metrics) {
    install_tls();
    let openrouter = FakeOpenRouter::at(Arc::new(ManualClock::at(at(START))) as Arc<dyn Clock>).await;
    let config =
        config::OpenRouter { base_url: openrouter.base_url(), timeout_seconds, ..config::OpenRouter::default() };
    let metrics = Metrics::default();
    let client = Client::live(&config, metrics.clone()).unwrap();
    (openrouter, client, metrics)
}

#[tokio::test]
async fn an_account_tells_its_keys_its_credit_and_what_ran() {
    let (openrouter, client, metrics) = asked_of(5).await;
    let (bank, secret) = (&openrouter.bank, SecretString::from(SECRET));
    bank.buy("them", NanoUsd::dollars(30));
    bank.add_key("them", SECRET, Terms { is_management: true, ..Terms::default() });
    for number in 0..250 {
        bank.add_key("them", &format!("sk-or-v1-{number:03}"), Terms::default());
    }
    bank.revoke("sk-or-v1-007");
    let yesterday = at(START) - TimeDelta::days(1);
    let spent =
        Charge { at: yesterday, model: "a/b", user: Some("u-1"), cost: "0.1".parse().unwrap(), byok: NanoUsd(7) };
    bank.charge("sk-or-v1-001", &spent);

    let key = client.key(&secret).await.unwrap();
    assert!(key.is_management_key && key.limit.is_none());
    assert_eq!(client.credits(&secret).await.unwrap().balance(), "29.9".parse().ok());
    let keys = client.keys(&secret).await.unwrap();
    assert_eq!((keys.len(), keys.iter().filter(|key| key.is_disabled).count()), (251, 1));
    let day: NaiveDate = yesterday.date_naive();
    let ran = client.activity(&secret, day, None).await.unwrap();
    assert_eq!((ran.len(), ran[0].usage, ran[0].byok), (1, spent.cost, NanoUsd(7)));
    let metric = ["total_usage"];
    let question = Question { metrics: &metric, dimensions: &["external_user"], from: yesterday, until: at(START) };
    let report = client.report(&secret, &question).await.unwrap();
    assert_eq!(report.rows[0].money("total_usage"), Some(spent.cost));
    assert!(matches!(client.credits(&"sk-or-v1-001".into()).await, Err(Error::NotAllowed)));
    assert!(matches!(client.key(&"sk-or-v1-007".into()).await, Err(Error::Refused)));
    assert!(matches!(client.key(&"line\nbreak".into()).await, Err(Error::Refused)));
    for (call, code, times) in [("key", "200", 1), ("keys", "200", 3), ("credits", "403", 1), ("analytics", "200", 1)] {
        assert_eq!(metrics.openrouter_requests.with_label_values(&[call, code]).get(), times, "{call} {code}");
    }
}

/// Every answer that is none, and what is made of it.
#[tokio::test]
async fn every_documented_failure_is_told_apart_and_shows_no_secret() {
    fn instead(_: &str, secret: &str) -> Option<Answer> {
        let (status, body) = secret.split_once('|')?;
        let headers = if status == "429" { vec![("retry-after", "17")] } else { Vec::new() };
        Some(Answer(status.parse().ok()?, headers, body.to_owned()))
    }
    let (openrouter, client, _) = asked_of(5).await;
    openrouter.account(instead);
    for (answer, expected, transient) in [
        ("400|{}", "Rejected(400)", false),
        ("401|{}", "Refused", false),
        ("403|{}", "NotAllowed", false),
        ("404|{}", "Rejected(404)", false),
        ("408|{}", "Unanswered", true),
        ("429|{}", "RateLimited(Some(TimeDelta { secs: 17", true),
        ("500|oops", "Unanswered", true),
        ("502|<html>", "Unanswered", true),
        ("503|", "Unanswered", true),
        ("524|", "Unanswered", true),
        ("529|", "Unanswered", true),
        ("200|<html>", "Unreadable", true),
        ("200|{\"data\":", "Unreadable", true),
        ("200|{\"error\":{\"code\":500}}", "Unreadable", true),
        ("302|", "Unanswered", true),
    ] {
        let secret = SecretString::from(answer);
        let failures = [
            client.key(&secret).await.map(drop).unwrap_err(),
            client.credits(&secret).await.map(drop).unwrap_err(),
            client.activity(&secret, NaiveDate::default(), Some("hash")).await.map(drop).unwrap_err(),
        ];
        for failure in failures {
            assert!(format!("{failure:?}").starts_with(expected), "{answer}: {failure:?}");
            assert_eq!(failure.is_transient(), transient, "{answer}");
            assert!(!format!("{failure:?} {failure}").contains(answer), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_in_a_replay() {
    assert!(matches!(Client::captured().key(&SECRET.into()).await, Err(Error::Offline)));
}
