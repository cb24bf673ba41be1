//! What of a model has held for long enough to be believed: its prices, its abilities, its context.
//!
//! A list shows prices for a day that nobody ever paid, units that are off by a thousand, servers that disagree; and
//! parameters come and go with the providers. What users are told of is only what held over fetches.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::Model;
use super::model_id::ModelId;
use super::price::{PriceSchedule, Prices};

/// An ability or a context length that went, or came, is believed after so long, as dates are.
pub const ABILITY_HOLDS: TimeDelta = TimeDelta::hours(24);
/// A token that costs more than so many times what it did, or less than that part, has another unit: those in use are
/// a thousand and a million apart, and no vendor ever changed a price a hundredfold.
const FACTOR_MAX: u64 = 100;
/// The features that break a resource when they go. The others drift.
const FEATURES: [&str; 3] = ["tools", "structured_outputs", "response_format"];
/// The name of a change of prices.
pub const PRICES: &str = "prices";
/// The name of a change of the context length.
pub const CONTEXT: &str = "context";

/// What is believed of a model, and since when the list says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settled {
    prices: Option<PriceSchedule>,
    /// The first fetch of those in a row that showed the prices that are listed now.
    prices_since: DateTime<Utc>,
    abilities: Option<BTreeSet<String>>,
    /// Abilities that are listed otherwise than they are believed, since a fetch.
    doubted: BTreeMap<String, DateTime<Utc>>,
    context: Option<u64>,
    /// Another context, since a fetch.
    other_context: Option<(u64, DateTime<Utc>)>,
}

/// A change that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The model.
    pub model: ModelId,
    /// [`PRICES`], [`CONTEXT`], or the name of an ability: `tools`, `input:image` …
    pub what: String,
    /// The first fetch that showed it.
    pub since: DateTime<Utc>,
    /// What was believed before: a schedule, a number of tokens, or whether the model has the ability.
    pub before: Value,
    /// What is believed now.
    pub after: Value,
}

impl Settled {
    /// Of a model in the very first list: nothing is known that it could have changed from.
    #[must_use]
    pub fn at_once(model: &Model, now: DateTime<Utc>) -> Self {
        let prices = if let Prices::Known(prices) = &model.prices { Some(prices.clone()) } else { None };
        Self { prices, ..Self::new(model, now) }
    }

    /// Of a model that was added: its first price may be a mistake, so it has to hold before a change of it is one.
    #[must_use]
    pub fn new(model: &Model, now: DateTime<Utc>) -> Self {
        Self { prices_since: now, abilities: Some(abilities(model)), context: model.context, ..Self::default() }
    }

    /// Takes in what a list says of a model that was `before`, and gives what held. `prices_hold`: how long prices must.
    pub fn observe(
        &mut self,
        before: &Model,
        listed: &Model,
        prices_hold: TimeDelta,
        now: DateTime<Utc>,
    ) -> Vec<Settlement> {
        let mut found = Vec::new();
        if !before.prices.same_as(&listed.prices) {
            self.prices_since = now;
        }
        found.extend(self.settle_prices(listed, prices_hold, now));
        found.extend(self.settle_abilities(listed, now));
        found.extend(self.settle_context(listed, now));
        found
    }

    /// Times of a clock that was ahead would hold up everything.
    pub fn not_ahead_of(&mut self, now: DateTime<Utc>) {
        self.prices_since = std::cmp::min(self.prices_since, now);
        for since in self.doubted.values_mut().chain(self.other_context.as_mut().map(|(_, since)| since)) {
            *since = std::cmp::min(*since, now);
        }
    }

    fn settle_prices(&mut self, listed: &Model, hold: TimeDelta, now: DateTime<Utc>) -> Option<Settlement> {
        let Prices::Known(current) = &listed.prices else { return None };
        if now - self.prices_since < hold {
            return None;
        }
        let Some(believed) = &self.prices else {
            self.prices = Some(current.clone());
            return None;
        };
        if believed.same_as(current) || !is_plausible(believed, current) {
            return None;
        }
        let settlement = Settlement {
            model: listed.id.clone(),
            what: PRICES.to_owned(),
            since: self.prices_since,
            before: json!(believed),
            after: json!(current),
        };
        self.prices = Some(current.clone());
        Some(settlement)
    }

    fn settle_abilities(&mut self, listed: &Model, now: DateTime<Utc>) -> Vec<Settlement> {
        let has = abilities(listed);
        let Some(believed) = &mut self.abilities else {
            self.abilities = Some(has);
            return Vec::new();
        };
        let differing: BTreeSet<String> = believed.symmetric_difference(&has).cloned().collect();
        self.doubted.retain(|name, _| differing.contains(name));
        let mut found = Vec::new();
        for name in differing {
            let since = *self.doubted.entry(name.clone()).or_insert(now);
            if now - since < ABILITY_HOLDS {
                continue;
            }
            let is_there = has.contains(&name);
            if is_there {
                believed.insert(name.clone())
            } else {
                believed.remove(&name)
            };
            self.doubted.remove(&name);
            let (before, after) = (json!(!is_there), json!(is_there));
            found.push(Settlement { model: listed.id.clone(), what: name, since, before, after });
        }
        found
    }

    fn settle_context(&mut self, listed: &Model, now: DateTime<Utc>) -> Option<Settlement> {
        let current = listed.context?;
        let Some(believed) = self.context else {
            self.context = Some(current);
            return None;
        };
        if current == believed {
            self.other_context = None;
            return None;
        }
        let since = match self.other_context {
            Some((other, since)) if other == current => since,
            _ => now,
        };
        self.other_context = Some((current, since));
        if now - since < ABILITY_HOLDS {
            return None;
        }
        (self.context, self.other_context) = (Some(current), None);
        let (what, before, after) = (CONTEXT.to_owned(), json!(believed), json!(current));
        Some(Settlement { model: listed.id.clone(), what, since, before, after })
    }
}

/// What of a model's abilities users are told of.
fn abilities(model: &Model) -> BTreeSet<String> {
    let all = model.capabilities().into_iter();
    all.filter(|name| name.contains(':') || FEATURES.contains(&name.as_str())).collect()
}

/// Whether one schedule can follow the other: what was paid for is not given away, and the unit is the same.
fn is_plausible(before: &PriceSchedule, after: &PriceSchedule) -> bool {
    ["prompt", "completion"].iter().all(|key| {
        let price = |schedule: &PriceSchedule| schedule.base.get(*key).copied().unwrap_or_default();
        let (old, new) = (price(before), price(after));
        let far = |a: Decimal, b: Decimal| a.checked_mul(Decimal::from(FACTOR_MAX)).is_some_and(|limit| limit < b);
        old.is_zero() || !(new.is_zero() || far(old, new) || far(new, old))
    })
}

#[cfg(test)]
#[path = "settled/tests.rs"]
mod tests;
