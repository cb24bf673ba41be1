//! `classify`: what an answer means, as the command prints it and the API says it.

use serde_json::{Value, json};

use crate::domain::answer::{self, Hints, advice};
use crate::domain::money::NanoUsd;
use crate::domain::outcome::Outcome;
use crate::domain::reading::{Reading, Verdict};

/// What an answer means. Nulls stand where nothing is known.
#[must_use]
pub fn classify(input: &str, hints: &Hints<'_>) -> Value {
    report(&answer::read(input, hints))
}

fn report(reading: &Reading) -> Value {
    let unknown = Verdict {
        outcome: Outcome::Unknown,
        retry_after_s: None,
        message: None,
        fallback_models: Vec::new(),
        affordable_tokens: None,
    };
    let verdict = reading.verdict.as_ref().unwrap_or(&unknown);
    let (advice, usage) = (advice(verdict), &reading.usage);
    let failed = verdict.outcome != Outcome::Success;
    json!({
        "outcome": verdict.outcome.name(),
        "detail": verdict.outcome.detail(),
        "category": advice.category.map(crate::domain::outcome::Category::as_str),
        "retryable": advice.retryable,
        "retry_after_s": advice.retry_after_s,
        "charged": failed && usage.cost.is_some_and(NanoUsd::is_positive),
        "message": verdict.message,
        "user_message": failed.then_some(advice.user_message),
        "fallback_models": verdict.fallback_models,
        "affordable_tokens": verdict.affordable_tokens,
        "provider": reading.provider.map(crate::domain::provider::Provider::as_str),
        "model": reading.model,
        "served_by": reading.served_by,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cost_usd": usage.cost.map(|cost| cost.to_string()),
            "estimated": usage.cost.map(|_| false),
        },
    })
}
