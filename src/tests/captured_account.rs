//! What OpenRouter's own description says of keys and accounts: its examples can be read, and the simulated OpenRouter
//! answers with every field that the description requires.

use std::fs;
use std::sync::Arc;

use openrouter_monitor::demo::bank::{Asked, Bank, Charge, Terms};
use openrouter_monitor::domain::account::{Activity, Credits, KeyInfo, ListedKey, Report};
use openrouter_monitor::domain::money::NanoUsd;
use serde_json::{Value, json};

use crate::captured::captures;
use crate::harness::{START, at};

fn body(name: &str) -> Option<Vec<u8>> {
    Some(fs::read(captures()?.join("api/account").join(name)).unwrap())
}

#[test]
fn the_examples_can_be_read() {
    let Some(key) = body("key.200.json") else { return };
    let key = KeyInfo::parse(&key).unwrap();
    assert_eq!((key.usage.total, key.limit_remaining), ("25.5".parse().ok(), "74.5".parse().ok()));
    let old = KeyInfo::parse(&body("key_2025-03_llm-openrouter-README.json").unwrap()).unwrap();
    assert_eq!((old.usage.total, old.usage.daily), ("0.65017511".parse().ok(), None));
    let credits = Credits::parse(&body("credits.200.json").unwrap()).unwrap();
    assert_eq!(credits.balance(), "74.75".parse().ok());
    let (count, keys) = ListedKey::page(&body("keys-list.200.json").unwrap()).unwrap();
    assert_eq!((count, keys.len()), (1, 1));
    for (name, usage) in [("activity.200.json", "0.015"), ("activity_2026-06-03_from_test_literal.json", "0")] {
        let rows = Activity::parse(&body(name).unwrap()).unwrap();
        assert_eq!((rows.len(), Some(rows[0].usage)), (1, usage.parse().ok()), "{name}");
    }
    let report = Report::parse(&body("analytics-query.200.json").unwrap()).unwrap();
    assert_eq!(report.rows[0].text("request_count"), Some("1500"));
    assert!(Credits::parse(&body("credits.403-not-management-key.json").unwrap()).is_none());
}

/// The examples of the description have every field that it requires.
#[test]
fn the_simulation_says_all_that_the_description_requires() {
    let bank = Arc::<Bank>::default();
    bank.buy("them", NanoUsd::dollars(30));
    bank.add_key("them", "sk-or-v1-manager", Terms { is_management: true, ..Terms::default() });
    let now = at(START);
    let earlier = now - chrono::TimeDelta::days(1);
    let cost = NanoUsd::dollars(1);
    let charge = Charge { at: earlier, model: "a/b", user: Some("u-1"), cost, byok: NanoUsd::ZERO };
    bank.charge("sk-or-v1-manager", &charge);
    let range = json!({"dimensions": ["external_user"], "time_range": {"start": earlier, "end": now}});
    for (path, example) in [
        ("key", "key.200.json"),
        ("credits", "credits.200.json"),
        ("keys", "keys-list.200.json"),
        ("activity", "activity.200.json"),
        ("analytics/query", "analytics-query.200.json"),
    ] {
        let Some(example) = body(example) else { return };
        let example: Value = serde_json::from_slice(&example).unwrap();
        let asked = Asked { path, query: "include_disabled=true", secret: "sk-or-v1-manager", body: &range };
        let (status, answer) = bank.answer(&asked, now);
        assert_eq!(status, 200, "{path}");
        same_shape(path, &example, &answer);
    }
}

/// The answer has every field of the example, of the same type, or null.
fn same_shape(path: &str, example: &Value, answer: &Value) {
    match (example, answer) {
        (Value::Object(example), Value::Object(answer)) => {
            for (name, value) in example {
                // The rows of a report are named by what was asked.
                if name != "date__day" && name != "request_count" {
                    let said = answer.get(name).unwrap_or_else(|| panic!("{path}: {name} is missing"));
                    same_shape(&format!("{path} {name}"), value, said);
                }
            }
        }
        (Value::Array(example), Value::Array(answer)) => {
            for said in answer {
                same_shape(path, &example[0], said);
            }
            assert!(!answer.is_empty(), "{path}");
        }
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (_, Value::Null) => {}
        _ => panic!("{path}: {answer} is not like {example}"),
    }
}
