//! Tokens and cost from the usage objects of all skins, whole or in parts.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::json::count;
use crate::domain::money::NanoUsd;
use crate::domain::reading::Usage;

/// Where a number may stand, the most specific place first: chat and completions, Responses, Messages, and what other
/// providers call it.
type Places = &'static [&'static str];

const INPUT: Places = &["/prompt_tokens", "/input_tokens"];
const OUTPUT: Places = &["/completion_tokens", "/output_tokens"];
const CACHED: Places = &[
    "/prompt_tokens_details/cached_tokens",
    "/input_tokens_details/cached_tokens",
    "/cache_read_input_tokens",
    "/prompt_cache_hit_tokens",
    "/cached_tokens",
];
const CACHE_WRITE: Places = &[
    "/prompt_tokens_details/cache_write_tokens",
    "/input_tokens_details/cache_write_tokens",
    "/cache_creation_input_tokens",
];
const CACHE_WRITE_BY_AGE: Places =
    &["/cache_creation/ephemeral_5m_input_tokens", "/cache_creation/ephemeral_1h_input_tokens"];
const REASONING: Places = &[
    "/completion_tokens_details/reasoning_tokens",
    "/output_tokens_details/reasoning_tokens",
    "/output_tokens_details/thinking_tokens",
    "/reasoning_tokens",
];

const UPSTREAM_CHAT: Places =
    &["/cost_details/upstream_inference_prompt_cost", "/cost_details/upstream_inference_completions_cost"];
const UPSTREAM_RESPONSES: Places =
    &["/cost_details/upstream_inference_input_cost", "/cost_details/upstream_inference_output_cost"];

/// The usage of a chat answer as most of them write it, read without a tree of values between.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default, rename = "total_tokens")]
    _total: IgnoredAny,
    #[serde(default)]
    prompt_tokens_details: PlainInput,
    #[serde(default)]
    completion_tokens_details: PlainOutput,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlainInput {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlainOutput {
    reasoning_tokens: Option<u64>,
}

/// Reads a usage object that holds counts of tokens and nothing else; `None` leaves it to [`Tally`].
pub(super) fn plain(usage: &str) -> Option<Usage> {
    let plain: Plain = serde_json::from_str(usage).ok()?;
    Some(Usage {
        input_tokens: Some(plain.prompt_tokens),
        output_tokens: Some(plain.completion_tokens),
        cached_tokens: plain.prompt_tokens_details.cached_tokens,
        cache_write_tokens: plain.prompt_tokens_details.cache_write_tokens,
        reasoning_tokens: plain.completion_tokens_details.reasoning_tokens,
        cost: None,
    })
}

/// The usage objects of one answer, merged: a stream gives them in parts (`message_start`, `message_delta`) or anew.
#[derive(Debug)]
pub(super) struct Tally(Value);

impl Default for Tally {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

impl Tally {
    /// Adds a part. `null` says nothing, and counts are cumulative: the larger one holds.
    pub(super) fn add(&mut self, part: &Value) {
        if let (Value::Object(tally), Value::Object(part)) = (&mut self.0, part) {
            merge(tally, part, merge_details);
        }
    }

    /// Whether it says anything that only OpenRouter says.
    pub(super) fn is_openrouters(&self) -> bool {
        ["cost", "is_byok", "cost_details"].iter().any(|key| self.0.get(key).is_some())
    }

    /// What it comes to.
    pub(super) fn usage(&self) -> Usage {
        let output_tokens = self.first(OUTPUT);
        Usage {
            input_tokens: self.input(output_tokens.is_some()),
            output_tokens,
            cached_tokens: self.first(CACHED),
            cache_write_tokens: self.cache_write(),
            reasoning_tokens: self.first(REASONING),
            cost: self.cost(),
        }
    }

    /// `prompt_tokens` and the `input_tokens` of Responses count cached tokens in. The `input_tokens` of Messages do
    /// not, at Anthropic as in OpenRouter's skin: the start event in its specification has 100 input tokens beside
    /// 7,381 written to the cache. A rerank has a total only, all of it input.
    fn input(&self, has_output: bool) -> Option<u64> {
        let total = || self.first(&["/total_tokens"]).filter(|_| !has_output);
        let input = self.first(INPUT).or_else(total)?;
        if self.0.get("prompt_tokens").is_some() {
            return Some(input);
        }
        let beside = |places| self.first(places).unwrap_or(0);
        let read = beside(&["/cache_read_input_tokens"]);
        let written = match self.first(&["/cache_creation_input_tokens"]) {
            Some(written) => written,
            None => self.cache_write_by_age().unwrap_or(0),
        };
        Some(input.saturating_add(read).saturating_add(written))
    }

    fn cache_write(&self) -> Option<u64> {
        self.first(CACHE_WRITE).or_else(|| self.cache_write_by_age())
    }

    fn cache_write_by_age(&self) -> Option<u64> {
        let parts = CACHE_WRITE_BY_AGE.iter().filter_map(|place| self.0.pointer(place).and_then(count));
        parts.reduce(u64::saturating_add)
    }

    /// The charge, which is everything unless the user's own provider key was used: then the provider charges
    /// `upstream_inference_cost` beside it. Without `is_byok` that field merely repeats a part of the charge.
    fn cost(&self) -> Option<NanoUsd> {
        let own_key = self.0.get("is_byok").is_some_and(|own| *own == true || *own == "true");
        let upstream = if own_key { self.upstream() } else { None };
        self.dollars("/cost").into_iter().chain(upstream).reduce(|charge, upstream| charge + upstream)
    }

    /// What the provider charges: in all, or else in parts.
    fn upstream(&self) -> Option<NanoUsd> {
        let parts = |places: &[&str]| places.iter().filter_map(|place| self.dollars(place)).reduce(|a, b| a + b);
        let whole = self.dollars("/cost_details/upstream_inference_cost");
        whole.or_else(|| parts(UPSTREAM_CHAT)).or_else(|| parts(UPSTREAM_RESPONSES))
    }

    fn dollars(&self, place: &str) -> Option<NanoUsd> {
        self.0.pointer(place).and_then(NanoUsd::from_json).filter(|amount| *amount >= NanoUsd::ZERO)
    }

    fn first(&self, places: &[&str]) -> Option<u64> {
        places.iter().find_map(|place| self.0.pointer(place).and_then(count))
    }
}

/// Puts a part's fields into the tally; objects in it go through `details`.
fn merge(tally: &mut Map<String, Value>, part: &Map<String, Value>, details: fn(&mut Value, &Value)) {
    for (key, new) in part.iter().filter(|(_, new)| !new.is_null()) {
        match tally.get_mut(key) {
            Some(old) => details(old, new),
            None => drop(tally.insert(key.clone(), new.clone())),
        }
    }
}

fn merge_details(old: &mut Value, new: &Value) {
    match (&mut *old, new) {
        (Value::Object(old), Value::Object(new)) => merge(old, new, keep_larger),
        _ => keep_larger(old, new),
    }
}

fn keep_larger(old: &mut Value, new: &Value) {
    let smaller = matches!((old.as_f64(), new.as_f64()), (Some(old), Some(new)) if new < old);
    if !smaller {
        *old = new.clone();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(parts: &[Value]) -> Usage {
        let mut tally = Tally::default();
        for part in parts {
            tally.add(part);
        }
        tally.usage()
    }

    #[test]
    fn every_skin_is_counted_alike() {
        let check = |usage: Value, expected: [Option<u64>; 5]| {
            let got = read(std::slice::from_ref(&usage));
            let got =
                [got.input_tokens, got.output_tokens, got.cached_tokens, got.cache_write_tokens, got.reasoning_tokens];
            assert_eq!(got, expected, "{usage}");
        };
        let chat = json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3}});
        check(chat, [Some(9), Some(4), Some(5), Some(2), Some(3)]);
        let responses = json!({"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 5},
            "output_tokens_details": {"reasoning_tokens": 3}});
        check(responses, [Some(9), Some(4), Some(5), None, Some(3)]);
        let messages = json!({"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 50,
            "cache_creation_input_tokens": 20, "output_tokens_details": {"thinking_tokens": 3}});
        check(messages, [Some(79), Some(4), Some(50), Some(20), Some(3)]);
        let by_age = json!({"input_tokens": 9, "output_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 1}});
        check(by_age, [Some(30), Some(4), None, Some(21), None]);
        check(json!({"prompt_tokens": 7, "total_tokens": 7}), [Some(7), None, None, None, None]);
        check(json!({"total_tokens": 17}), [Some(17), None, None, None, None]);
        check(json!({"prompt_tokens": null, "completion_tokens": "2"}), [None, Some(2), None, None, None]);
        check(json!({}), [None; 5]);
    }

    #[test]
    fn a_streams_parts_are_merged() {
        let start = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1});
        let delta = json!({"input_tokens": null, "output_tokens": 25});
        let usage = read(&[start, delta]);
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(100), Some(25)));

        let details = |reasoning: u64| json!({"completion_tokens_details": {"reasoning_tokens": reasoning}});
        assert_eq!(read(&[details(4), details(9), details(0)]).reasoning_tokens, Some(9));
    }

    #[test]
    fn the_cost_is_what_was_really_spent() {
        let check = |usage: Value, nanos: Option<i64>| assert_eq!(read(&[usage]).cost, nanos.map(NanoUsd));
        let upstream = json!({"upstream_inference_cost": 0.0002});
        check(json!({"cost": 0.001, "is_byok": false, "cost_details": upstream}), Some(1_000_000));
        check(json!({"cost": 0.001, "cost_details": upstream}), Some(1_000_000));
        check(json!({"cost": 0.001, "is_byok": true, "cost_details": upstream}), Some(1_200_000));
        check(json!({"cost": null, "is_byok": true, "cost_details": upstream}), Some(200_000));
        check(json!({"cost": 0, "is_byok": true, "cost_details": null}), Some(0));
        let parts = json!({"upstream_inference_cost": null, "upstream_inference_prompt_cost": 0.0001,
            "upstream_inference_completions_cost": 0.0002});
        check(json!({"cost": 0, "is_byok": "true", "cost_details": parts}), Some(300_000));
        check(json!({"cost": 9.25e-6}), Some(9250));
        check(json!({"cost": "0.25"}), Some(250_000_000));
        check(json!({"cost": null}), None);
        check(json!({"cost": -1}), None);
    }
}
