//! How often the ranking of replacements agrees with what vendors named, over captured lists and feeds.
//!
//! The pairs come from every feed in `CAPTURED_DATA/feeds`, and in the folder that `SUCCESSOR_FEEDS` names where it is
//! set (full downloads of deprecations.info and model-eol). Half of them, by the hash of the lost id, were used to tune
//! the weights; the other half only tells how well that generalises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use openrouter_monitor::domain::catalog::Page;
use openrouter_monitor::domain::replacement::{Lost, Shelf};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::captured::{captures, unpacked};

/// What a vendor named in place of what.
#[derive(Default)]
struct Pair {
    successors: BTreeSet<String>,
    announced: Option<NaiveDate>,
    shutdown: Option<NaiveDate>,
}

/// By the id of what goes.
type Pairs = BTreeMap<String, Pair>;

/// Reads every object that names a model and what replaces it, whatever feed it is from.
fn read_pairs(value: &Value, pairs: &mut Pairs) {
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| read_pairs(entry, pairs)),
        Value::Object(object) => {
            let id = object.get("model_id").or_else(|| object.get("id")).and_then(Value::as_str);
            let one = object.get("replacement").and_then(Value::as_str).into_iter();
            let many = object.get("replacement_models").and_then(Value::as_array).into_iter().flatten();
            let named: BTreeSet<String> = one.chain(many.filter_map(Value::as_str)).map(str::to_owned).collect();
            // A host that ends its own copy of somebody else's open model names another model that it hosts.
            let host = object.get("provider").and_then(Value::as_str).is_some_and(|name| name == "Groq");
            if let Some(id) = id.filter(|_| !named.is_empty() && !host) {
                let day = |key: &str| object.get(key).and_then(Value::as_str).and_then(|day| day.parse().ok());
                let known = pairs.entry(id.to_lowercase()).or_default();
                known.successors.extend(named);
                known.announced = std::cmp::max(known.announced, day("announcement_date").or_else(|| day("announced")));
                known.shutdown = std::cmp::max(known.shutdown, day("shutdown_date").or_else(|| day("shutdown")));
            }
            object.values().for_each(|inner| read_pairs(inner, pairs));
        }
        _ => {}
    }
}

fn feeds(folder: &Path) -> Pairs {
    let more = std::env::var_os("SUCCESSOR_FEEDS").map(PathBuf::from);
    let mut pairs = Pairs::new();
    for folder in std::iter::once(folder.join("feeds")).chain(more) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            read_pairs(&serde_json::from_str(&text).unwrap_or_default(), &mut pairs);
        }
    }
    pairs
}

struct List {
    at: DateTime<Utc>,
    shelf: Shelf,
}

fn lists(folder: &Path) -> Vec<List> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let stamp = &file.file_name().unwrap().to_str().unwrap()[..18];
        let at = NaiveDateTime::parse_from_str(stamp, "%Y-%m-%dT%H%M%SZ").unwrap().and_utc();
        let catalog = Page::parse(&std::fs::read(file).unwrap(), at).unwrap().catalog;
        List { at, shelf: Shelf::new(catalog.models.values()) }
    };
    // One a day is enough, and the last one.
    let last = files.len() - 1;
    files.iter().enumerate().filter(|(at, _)| at % 4 == 0 || *at == last).map(|(_, file)| read(file)).collect()
}

/// How often the named one was first, or among the first three.
#[derive(Default)]
struct Tally {
    pairs: usize,
    first: usize,
    among_three: usize,
}

impl Tally {
    fn add(&mut self, place: Option<usize>) {
        self.pairs += 1;
        self.first += usize::from(place == Some(0));
        self.among_three += usize::from(place.is_some_and(|place| place < 3));
    }
}

/// Of what ended longer than this before the first list, the successors were chosen among other models.
const ENDED_LATELY: TimeDelta = TimeDelta::days(270);

#[test]
fn the_ranking_agrees_with_vendors() {
    let Some(folder) = captures() else { return };
    let unpacked = unpacked(&folder);
    let lists = lists(&unpacked.path().join("catalogues"));
    let (first, end) = (lists[0].at, lists[lists.len() - 1].at);
    let mut tallies: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (written, Pair { successors: named, announced, shutdown }) in feeds(&folder) {
        if shutdown.is_some_and(|day| day < (first - ENDED_LATELY).date_naive()) {
            continue;
        }
        // The first list since it was said that has a successor.
        let since = |list: &&List| announced.is_none_or(|day| list.at.date_naive() >= day) || list.at == end;
        let successors = |list: &List| -> BTreeSet<String> {
            named.iter().filter_map(|id| list.shelf.resolve(id)).map(|model| model.id.to_string()).collect()
        };
        let Some(list) = lists.iter().filter(since).find(|list| !successors(list).is_empty()) else { continue };
        let successors = successors(list);
        let entry = lists.iter().rev().find_map(|list| list.shelf.resolve(&written));
        let id = entry.map_or(written.clone(), |model| model.id.to_string());
        if successors.contains(&id) || !seen.insert(id.clone()) {
            continue;
        }
        let ranked = list.shelf.rank(&Lost { id: &id, last: entry, ..Lost::default() });
        let place = ranked.iter().position(|candidate| successors.contains(candidate.model.as_str()));
        let half = if Sha256::digest(id.as_bytes())[0] % 2 == 1 { "held out" } else { "tuned on" };
        let source = if entry.is_some() { "in a list" } else { "its id alone" };
        tallies.entry((source, half)).or_default().add(place);
        tallies.entry((source, "all")).or_default().add(place);
        if half == "tuned on" && place != Some(0) {
            let best: Vec<&str> = ranked.iter().take(3).map(|candidate| candidate.model.as_str()).collect();
            println!("{id}: {successors:?} is named, {best:?} are ranked first");
        }
    }
    for ((source, half), Tally { pairs, first, among_three }) in &tallies {
        println!("{source}, {half}: {pairs} pairs, {first} first, {among_three} among the first three");
    }
    for half in ["all", "held out"] {
        let Some(tally) = tallies.get(&("in a list", half)).filter(|tally| tally.pairs >= PAIRS_MIN) else { continue };
        assert!(tally.first * 100 >= tally.pairs * 50, "first");
        assert!(tally.among_three * 100 >= tally.pairs * 75, "among the first three");
    }
}

/// Of fewer pairs, shares say little.
const PAIRS_MIN: usize = 5;
