//! What is offered, in which order, and what never is.

use std::collections::BTreeSet;

use chrono::{TimeZone, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::announcement::Platform;
use super::super::lifecycle::Known;
use super::super::vendor_end::{VendorEnd, VendorEnds};
use super::*;

fn model(entry: &Value) -> Model {
    Model::parse(entry, Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap()).unwrap()
}

/// A model of so many dollars per million tokens in and five times that out, listed so many days after another.
fn priced(id: &str, day: i64, dollars: f64) -> Value {
    let price = |dollars: f64| format!("{:.9}", dollars / 1e6);
    json!({
        "id": id, "canonical_slug": id, "created": 1_750_000_000 + day * 86_400, "context_length": 200_000,
        "architecture": {"modality": "text->text"}, "supported_parameters": ["tools"],
        "pricing": {"prompt": price(dollars), "completion": price(dollars * 5.0)},
    })
}

/// The candidates for the first entry of a list, all others being on the shelf.
fn ranked(entries: &[Value], lost: Lost<'_>) -> Vec<Candidate> {
    let models: Vec<Model> = entries.iter().map(model).collect();
    let gone = models[0].clone();
    Shelf::new(&models).rank(&Lost { id: gone.id.as_str(), last: Some(&gone), ..lost })
}

fn ids(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|candidate| candidate.model.as_str()).collect()
}

#[test]
fn what_its_own_vendor_ends_is_not_offered() {
    let now = Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap();
    let rows =
        [priced("halcyon/lumen-2", 0, 1.0), priced("halcyon/lumen-3", 100, 1.0), priced("halcyon/lumen-4", 200, 1.0)];
    let models: Vec<Model> = rows.iter().map(model).collect();
    let tracked = |model: &Model| Tracked { model: model.clone(), ..Tracked::at_vendor(model.id.clone(), now) };
    let known: Known = models.iter().map(|model| (model.id.clone(), tracked(model))).collect();
    let end = VendorEnd {
        platform: Platform::OpenAi,
        on: now.date_naive(),
        since: now,
        successor: None,
        source: "a feed".to_owned(),
        url: None,
    };
    let ends = VendorEnds::from([(ModelId::from("halcyon/lumen-4"), end)]);
    let offered = |ends: &VendorEnds| {
        let best = replacements(&Shelf::of(&known, ends), &known[&models[0].id], &[], Mix::default(), Needs::default());
        best.iter().map(|candidate| candidate.model.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(offered(&VendorEnds::new()), ["halcyon/lumen-4", "halcyon/lumen-3"]);
    assert_eq!(offered(&ends), ["halcyon/lumen-3"]);
}

#[test]
fn the_newest_of_the_same_line_comes_first() {
    let list = [
        priced("halcyon/lumen-2-mini", 0, 0.2),
        priced("halcyon/lumen-2", 0, 1.0),
        priced("halcyon/lumen-3", 100, 1.0),
        priced("halcyon/lumen-3-mini", 100, 0.2),
        priced("halcyon/lumen-4-mini", 200, 0.3),
        priced("halcyon/lumen-4-code", 200, 0.3),
        priced("tessera/mosaic-4-mini", 200, 0.2),
    ];
    let best = ranked(&list, Lost::default());
    assert_eq!(ids(&best)[..2], ["halcyon/lumen-4-mini", "halcyon/lumen-3-mini"]);
    assert_eq!(ids(&best).last(), Some(&"tessera/mosaic-4-mini"));
    assert_eq!(best[0].price_change_pct(), Some(50.0));
    let expected = [
        "same maker and family (lumen)",
        "it is newer",
        "the newest of its line",
        "same class and purpose",
        "it costs 50% more",
        "the same context: 200,000 tokens",
        "it can do all that the old one could",
    ];
    assert_eq!(best[0].reasons(), expected);
}

#[test]
fn a_generation_that_names_its_sizes_anew_is_placed_by_price() {
    let list = [
        priced("halcyon/lumen-5-mini", 0, 0.25),
        priced("halcyon/lumen-5", 0, 1.25),
        priced("halcyon/lumen-5.4-mini", 100, 0.75),
        priced("halcyon/lumen-5.6-dawn", 200, 1.0),
        priced("halcyon/lumen-5.6-noon", 200, 5.0),
        priced("halcyon/lumen-5.6-dusk", 200, 2.5),
        priced("halcyon/lumen-5.6-dusk-pro", 200, 2.6),
    ];
    assert_eq!(ids(&ranked(&list, Lost::default()))[0], "halcyon/lumen-5.6-dusk");
    let [mini, base, rest @ ..] = list;
    let list: Vec<Value> = [base, mini].into_iter().chain(rest).collect();
    assert_eq!(ids(&ranked(&list, Lost::default()))[0], "halcyon/lumen-5.6-noon");
}

#[test]
fn what_must_not_be_offered_is_not() {
    let with = |id: &str, more: Value| {
        let mut entry = priced(id, 50, 1.0);
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let list = [
        with("halcyon/lumen-2", json!({"architecture": {"modality": "text+image->text+image"}})),
        with("halcyon/lumen-3", json!({})),
        with(
            "halcyon/lumen-4",
            json!({"architecture": {"modality": "text->text+image"}, "expiration_date": "2026-07-01"}),
        ),
        with("halcyon/lumen-5:free", json!({"architecture": {"modality": "text->text+image"}})),
        with("~halcyon/lumen-latest", json!({"architecture": {"modality": "text->text+image"}})),
        with(
            "halcyon/auto",
            json!({"architecture": {"modality": "text->text+image"}, "pricing": {"prompt": "-1", "completion": "-1"}}),
        ),
        with("halcyon/lumen-6", json!({"architecture": {"modality": "text->text+image"}, "context_length": 8000})),
        with(
            "halcyon/lumen-7",
            json!({"architecture": {"modality": "text->text+image"}, "supported_parameters": ["stop"]}),
        ),
    ];
    let needs = Needs { context: Some(9_000), output: None };
    let best = ranked(&list, Lost { needs, ..Lost::default() });
    assert_eq!(ids(&best), ["halcyon/lumen-7"]);
    assert_eq!(best[0].lost_capabilities, ["input:image", "tools"]);
    assert_eq!(best[0].effects.last().unwrap(), "it lacks image input, tools");
    assert_eq!(ids(&ranked(&list, Lost::default())), ["halcyon/lumen-7", "halcyon/lumen-6"]);
}

#[test]
fn a_paid_row_says_that_the_old_one_was_free() {
    let mut free = priced("halcyon/lumen-2:free", 0, 0.0);
    free["canonical_slug"] = json!("halcyon/lumen-2");
    let list = [free, priced("halcyon/lumen-2", 0, 1.0), priced("halcyon/lumen-3:free", 9, 0.0)];
    let best = ranked(&list, Lost::default());
    assert_eq!(ids(&best), ["halcyon/lumen-2", "halcyon/lumen-3:free"]);
    let expected = ["it is the same model under another id", "it is not free: $1 per million tokens in and $5 out"];
    assert_eq!(best[0].reasons()[..2], expected);
    assert_eq!((best[0].price_change, best[1].price_change), (None, None));
}

#[test]
fn who_is_named_comes_first_in_whatever_notation() {
    let list =
        [priced("halcyon/lumen-2", 0, 1.0), priced("halcyon/lumen-3", 9, 1.0), priced("halcyon/lumen-2.5", 5, 1.0)];
    let named = |id: &str| Named { id: id.to_owned(), says: "Halcyon names it".to_owned() };
    let named = [named("lumen-2-5-20260101"), named("gone-1"), named("halcyon/lumen-2"), named("halcyon/lumen-2.5")];
    let best = ranked(&list, Lost { named: &named, ..Lost::default() });
    assert_eq!(ids(&best), ["halcyon/lumen-2.5", "halcyon/lumen-3"]);
    assert_eq!((best[0].score, best[0].reasons()[0]), (1.0, "Halcyon names it"));
}

#[test]
fn an_id_alone_is_enough_where_its_family_is_listed() {
    let models: Vec<Model> =
        [priced("halcyon/lumen-3", 9, 1.0), priced("halcyon/lumen-3-mini", 9, 0.1)].iter().map(model).collect();
    let shelf = Shelf::new(&models);
    let first = |id: &str| shelf.rank(&Lost { id, ..Lost::default() }).first().map(|best| best.model.to_string());
    assert_eq!(first("halcyon/lumen-2-mini").as_deref(), Some("halcyon/lumen-3-mini"));
    assert_eq!(first("lumen-2-20250101").as_deref(), Some("halcyon/lumen-3"));
    assert_eq!(first("nobody/knows-1"), None);
}

proptest! {
    #[test]
    fn ranks_are_sound_for_any_list(
        rows in prop::collection::vec(("[a-c]/[x-z]-[1-4](\\.[0-9])?(-mini|-pro|-code|-70b|:free)?", 0_i64..900, 0_u32..30), 1..25),
    ) {
        let entries: BTreeSet<String> = rows.iter().map(|(id, ..)| id.clone()).collect();
        let list: Vec<Value> =
            entries.iter().zip(&rows).map(|(id, (_, day, dollars))| priced(id, *day, f64::from(*dollars))).collect();
        let best = ranked(&list, Lost::default());
        prop_assert!(best.iter().all(|candidate| (0.0..=1.0).contains(&candidate.score) && !candidate.reasons().is_empty()));
        prop_assert!(best.is_sorted_by(|a, b| a.score >= b.score));
        let unique: BTreeSet<&str> = ids(&best).into_iter().collect();
        prop_assert_eq!(unique.len(), best.len());
        prop_assert!(!unique.contains(list[0]["id"].as_str().unwrap()));
        let mut reversed = list.clone();
        reversed[1..].reverse();
        let again = ranked(&reversed, Lost::default());
        prop_assert_eq!(ids(&again), ids(&best));
    }
}
