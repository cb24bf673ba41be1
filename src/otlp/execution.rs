//! A root span as an execution: who, what, how much, and how it ended.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::attributes::{Attributes, count, text};
use super::span::Span;
use super::{Attempt, Traced, failure, keys};
use crate::domain::money::NanoUsd;
use crate::domain::provider::Provider;
use crate::domain::reading::{Reading, Usage};

/// Characters of the longest id or name that is taken. OpenRouter allows 128 for `user`.
const LONGEST_NAME: usize = 512;

const NANOS_PER_MS: i64 = 1_000_000;

/// Reads a root span, given the spans of its attempts; or says what it lacks.
pub(super) fn read(root: &Span, attempts: Vec<&Span>) -> Result<Traced, String> {
    let attributes = &root.attributes;
    let name = |field: &str, keys: &[&str]| match attributes.text(keys) {
        Some(text) if text.chars().count() > LONGEST_NAME => {
            Err(format!("the {field} is longer than {LONGEST_NAME} characters"))
        }
        text => Ok(text),
    };
    let attempts = tried(attributes, attempts);
    let generation = name("answer's id", keys::RESPONSE_ID)?;
    let provider = provider(attributes);
    let served_by = name("provider's name", keys::SERVED_BY)?;
    Ok(Traced {
        id: generation.clone().map_or_else(|| span_id(root), Ok)?,
        at: begin(root)?,
        user: name("user", keys::USER)?,
        resource: name("resource", keys::RESOURCE)?,
        key: name("key's name", keys::KEY)?,
        provider,
        model: name("model", keys::MODEL)?.ok_or("gen_ai.request.model is missing")?,
        reading: Reading {
            provider: Some(provider),
            generation,
            model: name("served model", keys::SERVED_MODEL)?,
            served_by: served_by.or_else(|| attempts.last()?.served_by.clone()),
            usage: usage(attributes),
            verdict: Some(failure::verdict(root, provider, &attempts)),
        },
        latency_ms: latency_ms(root),
        attempts,
    })
}

/// Whether OpenRouter itself sent the span.
pub(super) fn is_broadcast(attributes: &Attributes) -> bool {
    attributes.is(keys::SERVICE, "openrouter") || attributes.text(keys::SOURCE).is_some()
}

fn span_id(root: &Span) -> Result<String, String> {
    let known = !root.trace.is_empty() && !root.id.is_empty();
    known
        .then(|| format!("{}-{}", root.trace, root.id))
        .ok_or("there is no gen_ai.response.id and no span id".to_owned())
}

fn begin(root: &Span) -> Result<DateTime<Utc>, String> {
    let nanos = if root.start > 0 { root.start } else { root.end };
    (nanos > 0).then(|| DateTime::from_timestamp_nanos(nanos)).ok_or("startTimeUnixNano is missing".to_owned())
}

fn latency_ms(root: &Span) -> Option<u64> {
    let known = root.start > 0 && root.end >= root.start;
    known.then(|| u64::try_from((root.end - root.start) / NANOS_PER_MS).ok()).flatten()
}

/// Anthropic if the sender says so and nothing points to OpenRouter: its service, its host, its ids, or a model named
/// with its author.
fn provider(attributes: &Attributes) -> Provider {
    let says =
        |keys, hint: fn(&str) -> bool| attributes.text(keys).is_some_and(|text| hint(&text.to_ascii_lowercase()));
    let openrouter = is_broadcast(attributes)
        || says(keys::SERVER, |host| host.contains("openrouter"))
        || says(keys::RESPONSE_ID, |id| id.starts_with("gen-"))
        || says(keys::MODEL, |model| model.contains('/'));
    let anthropic = says(keys::PROVIDER, |name| name == "anthropic" || name.starts_with("anthropic."));
    if anthropic && !openrouter { Provider::Anthropic } else { Provider::Openrouter }
}

fn usage(attributes: &Attributes) -> Usage {
    let cached_tokens = attributes.count(keys::CACHED_TOKENS);
    let cache_write_tokens = attributes.count(keys::CACHE_WRITE_TOKENS);
    let cache = cached_tokens.unwrap_or(0).saturating_add(cache_write_tokens.unwrap_or(0));
    // The conventions include cached tokens in the input. A part that is more than the whole betrays a library that
    // passes on Anthropic's numbers, which exclude them.
    let whole = |input: u64| if cache > input { input.saturating_add(cache) } else { input };
    Usage {
        input_tokens: attributes.count(keys::INPUT_TOKENS).map(whole),
        output_tokens: attributes.count(keys::OUTPUT_TOKENS),
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens: attributes.count(keys::REASONING_TOKENS),
        cost: cost(attributes),
    }
}

/// The charge, and with a provider key of one's own what that provider charges.
fn cost(attributes: &Attributes) -> Option<NanoUsd> {
    let sum = || Some(attributes.dollars(keys::INPUT_COST)? + attributes.dollars(keys::OUTPUT_COST)?);
    let charged = attributes.dollars(keys::TOTAL_COST).or_else(sum);
    let upstream = attributes.dollars(keys::BYOK_COST).filter(|_| !attributes.is(keys::IS_BYOK, "false"));
    (charged.is_some() || upstream.is_some()).then(|| charged.into_iter().chain(upstream).sum())
}

/// What OpenRouter tried, in order: as the root lists it, or else by the spans of the attempts.
fn tried(attributes: &Attributes, mut spans: Vec<&Span>) -> Vec<Attempt> {
    let listed = attributes.list(keys::PROVIDER_RESPONSES);
    let listed = listed.iter().filter_map(|response| {
        Some(Attempt {
            served_by: response.get("provider_name").and_then(text),
            status: status(count(response.get("status")?))?,
        })
    });
    let listed = listed.collect::<Vec<_>>();
    spans.sort_by_key(|span| span.attributes.count(keys::ATTEMPT_INDEX));
    let seen = spans.into_iter().filter_map(|span| {
        let named = span.attributes.text(keys::SERVED_BY);
        let named = named.or_else(|| span.name.split_once(": ").map(|(_, provider)| provider.to_owned()));
        Some(Attempt { served_by: named, status: status(span.attributes.count(keys::ATTEMPT_STATUS))? })
    });
    let seen = seen.collect::<Vec<_>>();
    if seen.len() > listed.len() { seen } else { listed }
}

fn status(number: Option<u64>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number).ok())
}

/// Why the answer ended, for each of its choices.
pub(super) fn finish_reasons(attributes: &Attributes) -> Vec<String> {
    attributes.list(keys::FINISH_REASONS).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
