//! Price mails held against captured lists, by what the lists themselves say.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::captured::{captures, read_lists, replay, unpacked};

/// What a row says of prices, without what changes by the hour of the poll: the windows where there are any, and else
/// the base. Zero-valued keys say nothing.
fn shown(row: &Value) -> String {
    let prices = |object: &Value| {
        let keys = object
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, price)| price.as_str().is_some_and(|p| p.parse() != Ok(0.0)));
        keys.map(|(key, price)| format!("{key} {:.12e}", price.as_str().unwrap().parse::<f64>().unwrap()))
            .collect::<BTreeSet<_>>()
    };
    let overrides = row["pricing"]["overrides"].as_array().cloned().unwrap_or_default();
    let by_hour = overrides.iter().any(|entry| entry.get("utc_start").is_some());
    let base = if by_hour { BTreeSet::new() } else { prices(&row["pricing"]) };
    let overrides: Vec<_> = overrides
        .iter()
        .map(|entry| {
            format!("{} {} {} {:?}", entry["min_prompt_tokens"], entry["utc_start"], entry["utc_end"], prices(entry))
        })
        .collect();
    format!("{base:?} {overrides:?}")
}

#[test]
fn every_price_mail_over_all_captured_lists_is_about_a_change_that_held() {
    let Some(folder) = captures() else { return };
    let unpacked = unpacked(&folder);
    let folder = unpacked.path().join("catalogues");
    let config = unpacked.path().join("config.toml");
    std::fs::write(&config, "[mail]\nper_user_daily = 1000\n").unwrap();
    let told = replay(&folder, &["--config", config.to_str().unwrap()]);

    let mut history: BTreeMap<String, Vec<(DateTime<Utc>, String)>> = BTreeMap::new();
    for (at, rows) in read_lists(&folder) {
        for row in rows {
            history.entry(row["id"].as_str().unwrap().to_owned()).or_default().push((at, shown(&row)));
        }
    }
    let repriced = told.iter().filter(|line| line["kind"] == "repriced").count();
    let mails: Vec<&Value> = told.iter().filter(|line| line["kind"] == "model_repriced").collect();
    let (mut models, mut seen) = (0, BTreeSet::new());
    for mail in &mails {
        let at: DateTime<Utc> = mail["at"].as_str().unwrap().parse().unwrap();
        for (id, why) in mail["models"].as_array().unwrap().iter().zip(mail["why"].as_array().unwrap()) {
            let id = id.as_str().unwrap();
            let before: Vec<_> = history[id].iter().filter(|(seen, _)| *seen <= at).collect();
            let current = &before.last().unwrap().1;
            let held: Vec<_> = before.iter().rev().take_while(|(_, shown)| shown == current).collect();
            let since = held.last().unwrap().0;
            assert!(at - since >= TimeDelta::hours(48) && held.len() >= 2, "{id}: told at {at}, shown since {since}");
            assert!(before.iter().any(|(_, shown)| shown != current), "{id} never had another price");
            assert!(!id.ends_with(":free"), "{id}");
            assert!(seen.insert((id.to_owned(), why.to_string())), "{id} was told twice: {why}");
            println!("{at} {why}");
            models += 1;
        }
    }
    assert!(models > 0 && mails.len() <= repriced, "{models} models in {} mails", mails.len());
    println!("{} price mails about {models} models, of {repriced} changes", mails.len());
    let kinds = |kind: &str| told.iter().filter(|line| line["kind"] == json!(kind)).count();
    println!("{} mails about abilities, of {} losses", kinds("model_capability"), kinds("capability_lost"));
}
