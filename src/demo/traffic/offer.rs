//! What the world serves under the models that resources ask for: as what, by whom, for how much, and until when.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::habits::hash;
use crate::demo::world::{Event, What, World};
use crate::domain::price::{PriceTable, Prices};

/// Invented companies that serve the models of others.
const HOSTS: [&str; 6] = ["Millrace", "Quayside", "Tallowfield", "Drystone", "Lanternworks", "Copperbeck"];
/// How many of them serve a model beside its vendor.
const HOSTS_PER_MODEL: usize = 2;
/// A model whose million prompt tokens cost less than 15 cents is a small one.
const SMALL_BELOW: Decimal = Decimal::from_parts(15, 0, 0, false, 8);
/// From a dollar on it is a large one.
const LARGE_FROM: Decimal = Decimal::from_parts(1, 0, 0, false, 6);
/// Milliseconds in which a small, a middling and a large model write a thousand tokens.
const PACES: [u64; 3] = [3_000, 6_500, 11_000];
/// What is assumed of a router and of whoever is called directly.
const CONTEXT: u64 = 200_000;

/// What a model is at some time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    /// The row that answers; empty when nobody says.
    pub(super) model: String,
    /// Who serves it, the usual one first; empty when nobody says.
    pub(super) hosts: Vec<String>,
    /// What it costs.
    pub(super) prices: Prices,
    /// The tokens that it takes.
    pub(super) context: u64,
    /// Milliseconds in which it writes a thousand tokens.
    pub(super) pace: u64,
    /// Whether it thinks before it answers.
    pub(super) reasons: bool,
    /// Whether it reads from a cache.
    pub(super) reads_cache: bool,
    /// Whether writing to the cache has a price.
    pub(super) writes_cache: bool,
}

/// A model through time.
pub(super) struct Model {
    /// What it is from each moment on; `None` while it is not served.
    steps: Vec<(DateTime<Utc>, Option<Offer>)>,
}

/// The events of the world by the model that they happen to.
pub(super) struct Events<'a>(HashMap<&'a str, Vec<&'a Event>>);

impl Offer {
    /// A provider that is called directly: what it charges is not the world's to say.
    pub(super) fn direct() -> Self {
        Self {
            model: String::new(),
            hosts: Vec::new(),
            prices: Prices::Unknown,
            context: CONTEXT,
            pace: PACES[1],
            reasons: false,
            reads_cache: true,
            writes_cache: true,
        }
    }

    /// Reads an entry of the list.
    fn read(entry: &Value) -> Self {
        let of_alias = &entry["alias_target"];
        let model = of_alias["slug"].as_str().or_else(|| entry["id"].as_str()).unwrap_or_default();
        let name = of_alias["name"].as_str().or_else(|| entry["name"].as_str()).unwrap_or_default();
        let prices = Prices::parse(entry.get("pricing"));
        let base = if let Prices::Known(schedule) = &prices { schedule.base.clone() } else { PriceTable::new() };
        let prompt = base.get("prompt").copied().unwrap_or_default();
        Self {
            model: model.to_owned(),
            hosts: hosts(model, name),
            context: entry["context_length"].as_u64().unwrap_or(CONTEXT),
            pace: PACES[usize::from(prompt >= SMALL_BELOW) + usize::from(prompt >= LARGE_FROM)],
            reasons: entry.get("reasoning").is_some(),
            reads_cache: base.contains_key("input_cache_read"),
            writes_cache: base.contains_key("input_cache_write"),
            prices,
        }
    }

    /// Whether it costs something, and one knows how much.
    pub(super) fn is_paid(&self) -> bool {
        matches!(&self.prices, Prices::Known(schedule) if schedule.base.contains_key("prompt"))
    }

    /// Whether it costs nothing.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.prices, Prices::Known(_)) && !self.is_paid()
    }
}

/// The vendor and some others.
fn hosts(model: &str, name: &str) -> Vec<String> {
    let vendor = name.split_once(": ").map(|(vendor, _)| vendor);
    let first = usize::try_from(hash(0, model) % 1_000).unwrap_or(0);
    let others = (first..).take(HOSTS_PER_MODEL).map(|place| HOSTS[place % HOSTS.len()]);
    vendor.into_iter().chain(others).map(str::to_owned).collect()
}

impl<'a> Events<'a> {
    /// Sorts them.
    pub(super) fn new(world: &'a World) -> Self {
        let mut events: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in world.events() {
            events.entry(event.model.as_str()).or_default().push(event);
        }
        Self(events)
    }

    fn of(&self, id: &str) -> impl Iterator<Item = &'a Event> {
        self.0.get(id).into_iter().flatten().copied()
    }
}

impl Model {
    /// Asks the world what the model is from `from` on, wherever something happens to it.
    pub(super) fn new(id: &str, world: &World, events: &Events<'_>, from: DateTime<Utc>) -> Self {
        let offer = |at| world.model(id, at).map(|answer| Offer::read(&answer["data"]));
        let first = offer(from);
        let mut steps = Vec::new();
        for at in moments(id, first.as_ref(), events).range(from..).copied() {
            let now = offer(at);
            if steps.last().map_or(&first, |(_, before)| before) != &now {
                steps.push((at, now));
            }
        }
        steps.insert(0, (from, first));
        Self { steps }
    }

    fn passed(&self, at: DateTime<Utc>) -> usize {
        std::cmp::max(1, self.steps.partition_point(|(from, _)| *from <= at))
    }

    /// What it is at a moment; `None` when it is not served.
    pub(super) fn at(&self, at: DateTime<Utc>) -> Option<&Offer> {
        self.steps[self.passed(at) - 1].1.as_ref()
    }

    /// Since when it is not served.
    pub(super) fn away_since(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (from, offer) = &self.steps[self.passed(at) - 1];
        offer.is_none().then_some(*from)
    }

    /// Whether it is served all the time.
    pub(super) fn is_served_through(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let later = self.steps[self.passed(from)..].iter().take_while(|(at, _)| *at < until);
        self.at(from).is_some() && later.into_iter().all(|(_, offer)| offer.is_some())
    }

    /// Whether it will be served later.
    pub(super) fn returns_after(&self, at: DateTime<Utc>) -> bool {
        self.steps[self.passed(at)..].iter().any(|(_, offer)| offer.is_some())
    }
}

/// When something happens to the model, or to one that it stands for or has become.
fn moments(id: &str, first: Option<&Offer>, events: &Events<'_>) -> BTreeSet<DateTime<Utc>> {
    let mut moments = BTreeSet::new();
    let mut related: Vec<String> = vec![id.to_owned()];
    related.extend(first.map(|offer| offer.model.clone()).filter(|model| model != id));
    let mut place = 0;
    while let Some(model) = related.get(place).cloned() {
        for event in events.of(&model) {
            moments.insert(event.at);
            match &event.what {
                What::Flap { hours } => drop(moments.insert(event.at + TimeDelta::hours(i64::from(*hours)))),
                What::BulkGone { until } => drop(moments.insert(*until)),
                What::Renamed(other) | What::AliasRetargeted(other) if !related.contains(other) => {
                    related.push(other.clone());
                }
                _ => {}
            }
        }
        place += 1;
    }
    moments
}
