//! Which prices a model had when: what an execution cost that came without a cost.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::change::{Change, ChangeKind};
use super::execution::Execution;
use super::lifecycle::Known;
use super::model_id::ModelId;
use super::outcome::Outcome;
use super::price::{PriceSchedule, Prices};
use super::pricing;
use super::provider::Provider;

/// Schedules by model, with those that were in force before.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    current: BTreeMap<ModelId, PriceSchedule>,
    /// The end of each former schedule, in the order of time.
    former: BTreeMap<ModelId, Vec<(DateTime<Utc>, PriceSchedule)>>,
    /// The plain id of each permanent slug, which answers name in place of the id.
    by_slug: HashMap<String, ModelId>,
}

impl PriceBook {
    /// A book of what is known, and of changes in the order of time.
    #[must_use]
    pub fn new(known: &Known, changes: &[Change]) -> Self {
        let mut book = Self::default();
        for tracked in known.values() {
            let model = &tracked.model;
            if let Prices::Known(schedule) = &model.prices {
                book.current.insert(model.id.clone(), schedule.clone());
            }
            if let Some(slug) =
                model.canonical_slug.as_ref().filter(|_| model.id.variant().is_none() && !model.id.is_alias())
            {
                book.by_slug.insert(slug.clone(), model.id.clone());
            }
        }
        for change in changes.iter().filter(|change| change.kind == ChangeKind::Repriced) {
            if let Ok(before) = serde_json::from_value(change.before.clone()) {
                book.former.entry(change.model.clone()).or_default().push((change.at, before));
            }
        }
        book
    }

    /// The prices of a model at a time.
    #[must_use]
    pub fn at(&self, model: &ModelId, at: DateTime<Utc>) -> Option<&PriceSchedule> {
        let former = self.former.get(model).into_iter().flatten();
        let then = former.into_iter().find(|(until, _)| at < *until).map(|(_, schedule)| schedule);
        then.or_else(|| self.current.get(model))
    }

    /// Gives an execution the cost that the price list says, if it came without one and was charged.
    ///
    /// What failed is not: OpenRouter charges nothing for an answer without completion or with an error
    /// (<https://openrouter.ai/docs/guides/features/zero-completion-insurance>).
    pub fn complete(&self, execution: &mut Execution) {
        let was_charged = matches!(execution.outcome, Outcome::Success | Outcome::BadOutput | Outcome::Cancelled);
        let usage = &execution.usage;
        let says_tokens = usage.input_tokens.is_some() || usage.output_tokens.is_some();
        if usage.cost.is_some() || !was_charged || !says_tokens {
            return;
        }
        if let Some(schedule) = self.of(execution) {
            execution.usage.cost = Some(pricing::cost(schedule, usage, execution.at));
            execution.is_estimated = true;
        }
    }

    /// The model asked for has the price of its variant; an alias or a router costs what it stood for.
    fn of(&self, execution: &Execution) -> Option<&PriceSchedule> {
        let at = |id: &ModelId| self.at(id, execution.at);
        if execution.provider == Provider::Anthropic {
            return at(&listed_as(&execution.model));
        }
        let asked = ModelId::look_up(&execution.model);
        let served = execution.served_model.as_deref();
        let by_answer = || at(&ModelId::from(served?)).or_else(|| at(self.by_slug.get(served?)?));
        match asked {
            Some(asked) if !asked.is_alias() => at(&asked).or_else(by_answer),
            asked => by_answer().or_else(|| at(&asked?)),
        }
    }
}

/// The id that OpenRouter lists a model of Anthropic's under: `claude-sonnet-4-5-20250929` is
/// `anthropic/claude-sonnet-4.5`.
fn listed_as(native: &str) -> ModelId {
    let is_date = |part: &str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts: Vec<&str> = native.split('-').collect();
    if parts.last().is_some_and(|last| is_date(last) || *last == "latest") {
        parts.pop();
    }
    let is_number = |part: &str| part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut name = String::from("anthropic/");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            name.push(if is_number(part) && is_number(parts[place - 1]) { '.' } else { '-' });
        }
        name.push_str(part);
    }
    ModelId::new(name)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::{Value, json};

    use super::super::lifecycle::{State, Tracked};
    use super::super::model::Model;
    use super::super::money::NanoUsd;
    use super::super::reading::Usage;
    use super::super::settled::Settled;
    use super::*;

    fn day(day: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, day, 0, 0, 0).unwrap()
    }

    fn book() -> PriceBook {
        let rows = [
            json!({"id": "a/b", "canonical_slug": "a/b-2026", "pricing": {"prompt": "0.000003", "completion": "0.00001"}}),
            json!({"id": "a/b:free", "canonical_slug": "a/b-2026", "pricing": {"prompt": "0", "completion": "0"}}),
            json!({"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}}),
            json!({"id": "anthropic/claude-sonnet-4.5", "pricing": {"prompt": "0.000003", "completion": "0.000015"}}),
        ];
        let known = rows.iter().map(|row| {
            let model = Model::parse(row, day(1)).unwrap();
            let tracked = Tracked {
                model,
                state: State::Listed,
                first_seen: day(1),
                last_seen: day(1),
                expiry_since: day(1),
                successor: None,
                settled: Settled::default(),
            };
            (tracked.model.id.clone(), tracked)
        });
        let before = json!({"base": {"prompt": "0.000001", "completion": "0.000002"}});
        let change = |at, before: Value| Change {
            at,
            model: ModelId::from("a/b"),
            kind: ChangeKind::Repriced,
            before,
            after: Value::Null,
        };
        PriceBook::new(&known.collect(), &[change(day(10), before), change(day(20), json!("dynamic"))])
    }

    fn cost(provider: Provider, model: &str, served: Option<&str>, at: DateTime<Utc>) -> Option<i64> {
        let usage = Usage { input_tokens: Some(1000), output_tokens: Some(100), ..Usage::default() };
        let mut execution = Execution {
            id: "e".to_owned(),
            at,
            user: "u".to_owned(),
            resource: None,
            key: None,
            provider,
            model: model.to_owned(),
            served_model: served.map(str::to_owned),
            served_by: None,
            outcome: Outcome::Success,
            status: None,
            usage,
            is_estimated: false,
            latency_ms: None,
            attempts: Vec::new(),
            offered: Vec::new(),
        };
        book().complete(&mut execution);
        assert_eq!(execution.is_estimated, execution.usage.cost.is_some());
        execution.usage.cost.map(|cost| cost.0)
    }

    #[test]
    fn the_price_is_the_one_in_force_at_the_time() {
        let at = |at| cost(Provider::Openrouter, "a/b:nitro", None, at);
        assert_eq!((at(day(9)), at(day(10)), at(day(25))), (Some(1_200_000), Some(4_000_000), Some(4_000_000)));
    }

    #[test]
    fn a_variant_a_router_and_a_native_id_find_their_price() {
        let at = |provider, model, served| cost(provider, model, served, day(25));
        assert_eq!(at(Provider::Openrouter, "a/b:free", Some("a/b-2026")), Some(0));
        assert_eq!(at(Provider::Openrouter, "openrouter/auto", Some("a/b-2026")), Some(4_000_000));
        assert_eq!(at(Provider::Openrouter, "openrouter/auto", None), None);
        assert_eq!(at(Provider::Anthropic, "claude-sonnet-4-5-20250929", None), Some(4_500_000));
        assert_eq!(listed_as("claude-3-5-haiku-latest").as_str(), "anthropic/claude-3.5-haiku");
        assert_eq!(listed_as("claude-opus-4-20250514").as_str(), "anthropic/claude-opus-4");
    }

    #[test]
    fn what_failed_or_has_a_cost_is_left_alone() {
        let usage = Usage { input_tokens: Some(10), cost: Some(NanoUsd(5)), ..Usage::default() };
        let mut execution = Execution {
            id: "e".to_owned(),
            at: day(25),
            user: "u".to_owned(),
            resource: None,
            key: None,
            provider: Provider::Openrouter,
            model: "a/b".to_owned(),
            served_model: None,
            served_by: None,
            outcome: Outcome::Success,
            status: None,
            usage,
            is_estimated: false,
            latency_ms: None,
            attempts: Vec::new(),
            offered: Vec::new(),
        };
        book().complete(&mut execution);
        assert_eq!(execution.usage.cost, Some(NanoUsd(5)));
        (execution.usage.cost, execution.outcome) = (None, Outcome::UpstreamError);
        book().complete(&mut execution);
        assert_eq!(execution.usage.cost, None);
    }
}
