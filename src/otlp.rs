//! OTLP traces as executions: OpenRouter's Broadcast deliveries, and what others send by OpenTelemetry's conventions
//! for generative AI. Prompts and completions are never read.

mod attributes;
mod execution;
mod failure;
mod family;
mod json;
mod keys;
mod protobuf;
mod span;

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::execution::Execution;
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::Reading;

/// How the body is written, as its `Content-Type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`.
    Protobuf,
}

/// What a delivery holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// One for each request to a model, in the order of the delivery.
    pub executions: Vec<Traced>,
    /// Spans that are lost, by span id (or place in the body, where the id cannot be read), and why.
    pub rejected: Vec<(String, String)>,
    /// Attributes that could not be read, by span id, and why; their spans are kept without them.
    pub warnings: Vec<(String, String)>,
    /// Spans that belong to no execution here: connection tests, other software's work, attempts without their root.
    pub ignored: usize,
}

/// A request to a model, as its root span tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The provider's id of the answer (`gen-…`), or else `<trace id>-<span id>` in hex.
    pub id: String,
    /// When the request began.
    pub at: DateTime<Utc>,
    /// On whose behalf, if the request said so: `user` in a request to OpenRouter.
    pub user: Option<String>,
    /// For which of the platform's resources, if the request's `trace` object said so.
    pub resource: Option<String>,
    /// The name of the OpenRouter key.
    pub key: Option<String>,
    /// Whose API was called; [`Provider::Openrouter`] unless the sender says otherwise.
    pub provider: Provider,
    /// The model asked for.
    pub model: String,
    /// What came of it.
    pub reading: Reading,
    /// From the request to the end of the answer.
    pub latency_ms: Option<u64>,
    /// What OpenRouter tried, in order: failures remain visible although a fallback then succeeded.
    pub attempts: Vec<Attempt>,
}

impl Traced {
    /// The execution; `nobody` is whose it is if the request did not say.
    #[must_use]
    pub fn into_execution(self, nobody: &str) -> Execution {
        let verdict = self.reading.verdict;
        let served_model = self.reading.model.filter(|served| *served != self.model);
        Execution {
            id: self.id,
            at: self.at,
            user: self.user.unwrap_or_else(|| nobody.to_owned()),
            resource: self.resource,
            key: self.key,
            provider: self.provider,
            model: self.model,
            served_model,
            served_by: self.reading.served_by,
            outcome: verdict.map_or(Outcome::Success, |verdict| verdict.outcome),
            status: self.attempts.last().map(|attempt| attempt.status),
            usage: self.reading.usage,
            is_estimated: false,
            latency_ms: self.latency_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
            attempts: self.attempts.iter().map(|attempt| failure::of_attempt(attempt.status)).collect(),
            offered: Vec::new(),
        }
    }
}

/// One provider that OpenRouter tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The provider's name, such as `Amazon Bedrock`.
    pub served_by: Option<String>,
    /// Its HTTP status.
    pub status: u16,
}

/// Why a body is no OTLP trace at all, and what to send in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads a delivery. What is wrong with one span costs no other.
///
/// # Errors
/// Only when the body as a whole is no OTLP trace.
pub fn decode(encoding: Encoding, body: &[u8]) -> Result<Decoded, Malformed> {
    let batch = match encoding {
        Encoding::Json => json::read(&String::from_utf8_lossy(body))?,
        Encoding::Protobuf => protobuf::read(body)?,
    };
    Ok(family::executions(batch))
}

pub use protobuf::answer as protobuf_answer;

#[cfg(test)]
mod tests;
