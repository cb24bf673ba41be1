//! What a provider's answer says of an execution: model, usage, cost, and how it ended. Never any text of it.

use super::money::NanoUsd;
use super::outcome::Outcome;
use super::provider::Provider;

/// What was read off an answer, an error or a stream. What it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whose answer it is: as hinted, or as its shape tells.
    pub provider: Option<Provider>,
    /// The provider's own id of the answer (`gen-…`, `msg_…`, `chatcmpl-…`).
    pub generation: Option<String>,
    /// The model that answered, as the answer names it.
    pub model: Option<String>,
    /// Who served it (`provider` of OpenRouter's answers: `Anthropic`, `Azure` …).
    pub served_by: Option<String>,
    /// Tokens and cost.
    pub usage: Usage,
    /// How it ended, if the answer says so.
    pub verdict: Option<Verdict>,
}

/// Tokens and cost. Input tokens always include cached ones, whatever the provider's own habit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens.
    pub input_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Input tokens read from a cache.
    pub cached_tokens: Option<u64>,
    /// Input tokens written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// What it really cost: the charge, and with a provider key of one's own what that provider charges.
    pub cost: Option<NanoUsd>,
}

/// How it ended, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// The wait that the provider asks for, in seconds.
    pub retry_after_s: Option<u64>,
    /// The provider's own words, at most 500 characters; shown to whoever asks and never stored.
    pub message: Option<String>,
    /// Models that OpenRouter offers in place of the one asked for.
    pub fallback_models: Vec<String>,
    /// "can only afford N": output tokens that the balance still covers.
    pub affordable_tokens: Option<u64>,
}
