//! Reads an execution as a platform sends it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Execution, is_keepable};
use crate::domain::answer::{self, Hints};
use crate::domain::money::NanoUsd;
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::{Reading, Usage};

/// Models offered in place of another that are kept; mails show no more.
const OFFERED_MAX: usize = 3;

/// Why a row was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its id, if that could be read.
    pub id: Option<String>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Wire<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(borrow)]
    user: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow, default)]
    resource: Option<Text<'a>>,
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow, default)]
    provider: Option<Text<'a>>,
    #[serde(borrow, default)]
    served_model: Option<Text<'a>>,
    #[serde(borrow, default)]
    served_by: Option<Text<'a>>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cost_usd: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sse: Option<Text<'a>>,
    #[serde(default)]
    latency_ms: Option<f64>,
    #[serde(default)]
    output_valid: Option<bool>,
}

/// A string, or a whole number where a platform counts its ids.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Reads one row.
///
/// # Errors
/// Says what is wrong with it and what would be right.
pub fn parse(row: &str, now: DateTime<Utc>) -> Result<Execution, Rejection> {
    let wire: Wire<'_> = serde_json::from_str(row).map_err(|error| unreadable(row, &error))?;
    let id = wire.id.0.clone();
    build(wire, now).map_err(|reason| Rejection { id: Some(shorten(&id)), reason })
}

fn unreadable(row: &str, error: &serde_json::Error) -> Rejection {
    #[derive(Deserialize)]
    struct OnlyId {
        id: Value,
    }
    let id = serde_json::from_str::<OnlyId>(row).ok().and_then(|row| row.id.as_str().map(shorten));
    let is_json = serde_json::from_str::<IgnoredAny>(row).is_ok();
    let reason = if is_json { error.to_string() } else { format!("it is not a JSON object: {error}") };
    Rejection { id, reason }
}

fn build(wire: Wire<'_>, now: DateTime<Utc>) -> Result<Execution, String> {
    let provider = provider(wire.provider.as_ref())?;
    let at = time(&wire.at.0)?;
    let reading = read(&wire, provider, now)?;
    let mut usage = reading.usage;
    if let Some(given) = wire.usage {
        usage = over(given_usage(given)?, usage);
    }
    if let Some(cost) = wire.cost_usd.filter(|cost| cost.get() != "null") {
        usage.cost = Some(dollars(cost)?);
    }
    let model = wire.model.0.into_owned();
    let served_model = optional(wire.served_model).or(reading.model);
    let (outcome_read, offered) =
        reading.verdict.map(|verdict| (verdict.outcome, offered(verdict.fallback_models))).unzip();
    let execution = Execution {
        id: wire.id.0.into_owned(),
        at,
        user: wire.user.0.into_owned(),
        resource: optional(wire.resource),
        key: optional(wire.key),
        provider,
        served_model: served_model.filter(|served| *served != model && is_keepable(served)),
        model,
        served_by: optional(wire.served_by).or(reading.served_by).filter(|name| is_keepable(name)),
        outcome: outcome(outcome_read, wire.status, provider, wire.output_valid),
        status: wire.status,
        usage,
        is_estimated: false,
        latency_ms: wire.latency_ms.filter(|ms| ms.is_finite()).map(whole_milliseconds),
        attempts: Vec::new(),
        offered: offered.unwrap_or_default(),
    };
    execution.check(now)?;
    Ok(execution)
}

/// Models that an answer offers, as far as they can be kept: nobody vouches for them.
fn offered(models: Vec<String>) -> Vec<String> {
    models.into_iter().filter(|model| is_keepable(model)).take(OFFERED_MAX).collect()
}

/// What the answer says, be it a body, a stream or an error.
fn read(wire: &Wire<'_>, provider: Provider, now: DateTime<Utc>) -> Result<Reading, String> {
    let hints = Hints { provider: Some(provider), status: wire.status, headers: &[], now: Some(now) };
    let given =
        |value: Option<&'_ RawValue>| value.map(RawValue::get).filter(|text| *text != "null").map(str::to_owned);
    if let Some(error) = given(wire.error) {
        let mut reading = answer::read(&error_body(&error)?, &hints);
        if let Some(partial) = given(wire.response) {
            let partial = answer::read(&partial, &hints);
            reading.usage = over(reading.usage, partial.usage);
            reading.model = reading.model.or(partial.model);
            reading.served_by = reading.served_by.or(partial.served_by);
        }
        return Ok(reading);
    }
    if let Some(response) = given(wire.response) {
        return Ok(answer::read(&response, &hints));
    }
    Ok(wire.sse.as_ref().map_or_else(Reading::default, |sse| answer::read(&sse.0, &hints)))
}

/// An error may be the whole body, the error object alone, or a plain text.
fn error_body(error: &str) -> Result<String, String> {
    if !error.starts_with('"') {
        return Ok(error.to_owned());
    }
    let text: String = serde_json::from_str(error).map_err(|error| format!("error: {error}"))?;
    let is_object = serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object());
    Ok(if is_object { text } else { serde_json::json!({ "error": { "message": text } }).to_string() })
}

fn outcome(read: Option<Outcome>, status: Option<u16>, provider: Provider, valid: Option<bool>) -> Outcome {
    let by_status = || match status {
        None | Some(200..=299) => Outcome::Success,
        Some(status) => answer::verdict_of_status(status, provider).outcome,
    };
    match read.unwrap_or_else(by_status) {
        Outcome::Success if valid == Some(false) => Outcome::BadOutput,
        outcome => outcome,
    }
}

fn given_usage(usage: &RawValue) -> Result<Usage, String> {
    if usage.get() == "null" {
        return Ok(Usage::default());
    }
    answer::read_usage(usage.get()).map_err(|reason| format!("usage: {reason}"))
}

/// What `first` says, and where it is silent what `second` does.
fn over(first: Usage, second: Usage) -> Usage {
    Usage {
        input_tokens: first.input_tokens.or(second.input_tokens),
        output_tokens: first.output_tokens.or(second.output_tokens),
        cached_tokens: first.cached_tokens.or(second.cached_tokens),
        cache_write_tokens: first.cache_write_tokens.or(second.cache_write_tokens),
        reasoning_tokens: first.reasoning_tokens.or(second.reasoning_tokens),
        cost: first.cost.or(second.cost),
    }
}

fn dollars(cost: &RawValue) -> Result<NanoUsd, String> {
    let text = cost.get().trim_matches('"');
    let amount: NanoUsd = text.parse().map_err(|_| {
        format!("cost_usd: {} is not an amount of dollars; write a decimal such as \"0.00123\"", shorten(cost.get()))
    })?;
    Ok(amount)
}

fn provider(name: Option<&Text<'_>>) -> Result<Provider, String> {
    match name.map(|name| name.0.as_ref()) {
        None | Some("openrouter") => Ok(Provider::Openrouter),
        Some("anthropic") => Ok(Provider::Anthropic),
        Some(other) => Err(format!("provider: {:?} is neither openrouter nor anthropic", shorten(other))),
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let at = DateTime::parse_from_rfc3339(text)
        .map_err(|_| format!("at: {:?} is not a time like 2026-06-08T01:00:00Z", shorten(text)))?;
    Ok(at.with_timezone(&Utc))
}

/// An empty text says as little as none.
fn optional(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.0.into_owned()).filter(|text| !text.is_empty())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn whole_milliseconds(ms: f64) -> u32 {
    ms.round() as u32
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap()
    }

    fn with(more: &Value) -> Value {
        let mut row = json!({"id": "e1", "at": "2026-06-08T00:59:00Z", "user": "u1", "model": "a/b"});
        for (key, value) in more.as_object().unwrap() {
            row[key] = value.clone();
        }
        row
    }

    fn read(more: &Value) -> Execution {
        parse(&with(more).to_string(), now()).unwrap()
    }

    #[test]
    fn the_least_is_an_execution_that_went_well() {
        let execution = read(&json!({"unknown": [1]}));
        assert_eq!(
            (execution.outcome, execution.usage, execution.provider),
            (Outcome::Success, Usage::default(), Provider::Openrouter)
        );
        assert_eq!(read(&json!({"id": 17, "user": 4})).id, "17");
    }

    #[test]
    fn status_error_response_and_stream_decide_the_outcome() {
        let check = |more: Value, outcome: Outcome| assert_eq!(read(&more).outcome, outcome, "{more}");
        check(json!({"status": 200}), Outcome::Success);
        check(json!({"status": 429}), Outcome::RateLimitedAccount);
        check(json!({"status": 200, "output_valid": false}), Outcome::BadOutput);
        check(json!({"status": 500, "output_valid": false}), Outcome::UpstreamError);
        check(json!({"status": 402, "error": {"code": 402, "message": "Insufficient credits"}}), Outcome::NoBalance);
        check(
            json!({"error": {"error": {"code": 404, "message": "No endpoints found for a/b."}}}),
            Outcome::NoEndpoints,
        );
        check(json!({"error": null, "status": 200}), Outcome::Success);
        check(
            json!({"status": 200, "response": {"error": {"code": 502, "message": "Provider returned error"}}}),
            Outcome::UpstreamError,
        );
    }

    #[test]
    fn what_is_said_outright_wins_over_what_the_answer_says() {
        let response = json!({"id": "gen-1", "model": "a/b-2", "provider": "Azure", "choices": [{"finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.001}});
        let plain = read(&json!({"response": response}));
        assert_eq!((plain.served_model.as_deref(), plain.served_by.as_deref()), (Some("a/b-2"), Some("Azure")));
        assert_eq!((plain.usage.input_tokens, plain.usage.cost), (Some(10), Some(NanoUsd(1_000_000))));
        let told =
            read(&json!({"response": response, "served_by": "Own", "cost_usd": "0.5", "usage": {"prompt_tokens": 11}}));
        assert_eq!((told.served_by.as_deref(), told.usage.cost), (Some("Own"), Some(NanoUsd(500_000_000))));
        assert_eq!((told.usage.input_tokens, told.usage.output_tokens), (Some(11), Some(5)));
    }

    #[test]
    fn a_bad_row_is_refused_with_its_reason() {
        let check = |more: Value, part: &str| {
            let rejection = parse(&with(&more).to_string(), now()).unwrap_err();
            assert!(rejection.reason.contains(part), "{more}: {}", rejection.reason);
        };
        check(json!({"id": ""}), "id is empty");
        check(json!({"id": null}), "expected a string");
        check(json!({"at": "yesterday"}), "at: \"yesterday\"");
        check(json!({"at": "2026-06-10T00:00:00Z"}), "ahead");
        check(json!({"at": "1970-01-01T00:00:00Z"}), "before 2023");
        check(json!({"provider": "azure"}), "provider");
        check(json!({"cost_usd": "a lot"}), "cost_usd");
        check(json!({"cost_usd": -1}), "negative");
        check(json!({"cost_usd": 9_000_000_000_u64}), "more than any request costs");
        check(json!({"usage": {"prompt_tokens": u64::MAX / 2}}), "more than any request has");
        check(json!({"status": 7}), "no HTTP status");
        check(json!({"usage": 3}), "usage: it is not an object");
        check(json!({"user": "x".repeat(300)}), "at most 256");
        check(json!({"model": "a\nb"}), "control characters");
        assert_eq!(parse("{\"id\":\"e9\"}", now()).unwrap_err().id.as_deref(), Some("e9"));
        assert!(parse("nonsense", now()).unwrap_err().reason.contains("not a JSON object"));
    }

    #[test]
    fn what_an_answer_says_beside_the_point_costs_no_row() {
        let odd = json!({"id": "gen-1", "model": "a\u{0}b", "provider": "x".repeat(300), "choices": [{"finish_reason": "stop"}]});
        let execution = read(&json!({"response": odd}));
        assert_eq!((execution.served_model, execution.served_by), (None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_that_is_sent_panics(text in "\\PC{0,200}", id in "\\PC{0,20}") {
            let _ = parse(&text, now());
            let _ = parse(&with(&json!({"id": id, "error": text, "sse": text})).to_string(), now());
        }
    }
}
