//! The names of the attributes that are read, by what they say, the preferred first. No other attribute is kept, so
//! that no prompt or completion is, whatever its name.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The model asked for.
pub(super) const MODEL: &[&str] = &["gen_ai.request.model", "gen_ai.response.model"];
/// The model that answered.
pub(super) const SERVED_MODEL: &[&str] = &["gen_ai.response.model"];
/// The provider's id of the answer.
pub(super) const RESPONSE_ID: &[&str] = &["gen_ai.response.id"];
/// What was done, such as `chat`.
pub(super) const OPERATION: &[&str] = &["gen_ai.operation.name"];
/// Why the answer ended: a text, a list, or a list written as JSON.
pub(super) const FINISH_REASONS: &[&str] = &["gen_ai.response.finish_reason", "gen_ai.response.finish_reasons"];

/// On whose behalf. OpenRouter's `user` becomes `user.id`; the others are how platforms and tracing libraries pass
/// one along when they do not use it. `trace.metadata.openrouter.user_id` is the account's own and not among them.
pub(super) const USER: &[&str] = &[
    "user.id",
    "enduser.id",
    "gen_ai.user.id",
    "gen_ai.user",
    "gen_ai.request.user",
    "trace.metadata.user_id",
    "trace.metadata.userId",
    "trace.metadata.user.id",
    "trace.metadata.user",
    "span.metadata.user_id",
    "span.metadata.userId",
    "span.metadata.user",
    "langfuse.user.id",
    "langfuse.trace.metadata.user_id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
    "ai.telemetry.metadata.user_id",
];
/// For which of the platform's resources: what it put as `resource` or `resource_id` into the `trace` object of its
/// request to OpenRouter, or into a tracing library's metadata.
pub(super) const RESOURCE: &[&str] = &[
    "trace.metadata.resource",
    "trace.metadata.resource_id",
    "trace.metadata.resourceId",
    "trace.metadata.resource.id",
    "span.metadata.resource",
    "span.metadata.resource_id",
    "span.metadata.resourceId",
    "langfuse.trace.metadata.resource",
    "langfuse.trace.metadata.resource_id",
    "traceloop.association.properties.resource",
    "traceloop.association.properties.resource_id",
    "ai.telemetry.metadata.resource",
    "ai.telemetry.metadata.resource_id",
    "ai.telemetry.metadata.resourceId",
];
/// The name of the OpenRouter key.
pub(super) const KEY: &[&str] = &["trace.metadata.openrouter.api_key_name", "span.metadata.openrouter.api_key_name"];

/// Whose telemetry it is.
pub(super) const SERVICE: &[&str] = &["service.name"];
/// Set by OpenRouter on the root span.
pub(super) const SOURCE: &[&str] = &["trace.metadata.openrouter.source"];
/// The model's author in Broadcast, the provider called in other telemetry.
pub(super) const PROVIDER: &[&str] = &["gen_ai.provider.name", "gen_ai.system"];
/// The host that was called.
pub(super) const SERVER: &[&str] = &["server.address"];
/// Who served the request behind OpenRouter.
pub(super) const SERVED_BY: &[&str] =
    &["trace.metadata.openrouter.provider_name", "span.metadata.openrouter.provider_name"];

/// All input tokens; the second is the convention's older name.
pub(super) const INPUT_TOKENS: &[&str] = &["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
/// All output tokens; the second is the convention's older name.
pub(super) const OUTPUT_TOKENS: &[&str] = &["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"];
/// Input tokens read from a cache: OpenRouter, the convention, libraries that came before it.
pub(super) const CACHED_TOKENS: &[&str] = &[
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cached_tokens",
];
/// Input tokens written to a cache, likewise.
pub(super) const CACHE_WRITE_TOKENS: &[&str] = &[
    "gen_ai.usage.input_tokens.cache_write",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write_input_tokens",
    "gen_ai.usage.cache_write_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "gen_ai.usage.details.cache_creation_input_tokens",
    "trace.metadata.openrouter_generation.cache_write_tokens",
];
/// Output tokens spent on reasoning, likewise.
pub(super) const REASONING_TOKENS: &[&str] = &[
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
];
/// The whole charge in dollars; the last needs Broadcast's *Cost* option.
pub(super) const TOTAL_COST: &[&str] =
    &["gen_ai.usage.total_cost", "gen_ai.usage.cost", "trace.metadata.openrouter_generation.usage"];
/// The two parts of the charge, where no sum is given.
pub(super) const INPUT_COST: &[&str] = &["gen_ai.usage.input_cost"];
/// See [`INPUT_COST`].
pub(super) const OUTPUT_COST: &[&str] = &["gen_ai.usage.output_cost"];
/// What the provider charges the owner of the provider key (*Cost* option).
pub(super) const BYOK_COST: &[&str] = &["trace.metadata.openrouter_generation.byok_usage_inference"];
/// Whether a provider key of the account's own was used (*Cost* option).
pub(super) const IS_BYOK: &[&str] = &["trace.metadata.openrouter_generation.is_byok"];
/// Whether the request was broken off because the client left (*Cost* option).
pub(super) const CANCELLED: &[&str] = &["trace.metadata.openrouter_generation.cancelled"];

/// `generation` on the root, `span` on its children.
pub(super) const SPAN_TYPE: &[&str] = &["span.type"];
/// `ERROR` on a failed span.
pub(super) const SPAN_LEVEL: &[&str] = &["span.level"];
/// Which attempt a span is, from 0.
pub(super) const ATTEMPT_INDEX: &[&str] = &["span.metadata.attempt_index"];
/// The provider's HTTP status.
pub(super) const ATTEMPT_STATUS: &[&str] = &["span.metadata.status_code"];
/// All attempts, as a JSON text on the root.
pub(super) const PROVIDER_RESPONSES: &[&str] =
    &["trace.metadata.provider_responses", "span.metadata.provider_responses"];

/// A class of errors: a status, a code or the name of an exception.
pub(super) const ERROR_TYPE: &[&str] = &["error.type"];
/// From the event `exception`.
pub(super) const EXCEPTION_TYPE: &[&str] = &["exception.type"];
/// What went wrong, in words; the second from the event `exception`.
pub(super) const ERROR_MESSAGE: &[&str] = &["span.status_message", "exception.message", "error.message"];
/// The status of the whole request.
pub(super) const HTTP_STATUS: &[&str] = &["http.response.status_code", "http.status_code"];

/// All of them.
static KNOWN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let all = [
        MODEL,
        SERVED_MODEL,
        RESPONSE_ID,
        OPERATION,
        FINISH_REASONS,
        USER,
        RESOURCE,
        KEY,
        SERVICE,
        SOURCE,
        PROVIDER,
        SERVER,
        SERVED_BY,
        INPUT_TOKENS,
        OUTPUT_TOKENS,
        CACHED_TOKENS,
        CACHE_WRITE_TOKENS,
        REASONING_TOKENS,
        TOTAL_COST,
        INPUT_COST,
        OUTPUT_COST,
        BYOK_COST,
        IS_BYOK,
        CANCELLED,
        SPAN_TYPE,
        SPAN_LEVEL,
        ATTEMPT_INDEX,
        ATTEMPT_STATUS,
        PROVIDER_RESPONSES,
        ERROR_TYPE,
        EXCEPTION_TYPE,
        ERROR_MESSAGE,
        HTTP_STATUS,
    ];
    all.into_iter().flatten().copied().collect()
});

/// The name itself, if it is read.
pub(super) fn known(key: &str) -> Option<&'static str> {
    KNOWN.get(key).copied()
}

/// Whether the value has to be looked at: its name is read, or it may be a list of pairs with such a name within
/// (`trace.metadata` for `trace.metadata.resource`).
pub(super) fn wanted(key: &str) -> bool {
    let next = KNOWN.range(key..).next();
    next.and_then(|known| known.strip_prefix(key)).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_not_wanted() {
        for key in ["gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.output.messages"] {
            assert!(!wanted(key), "{key}");
        }
        for key in ["trace.input", "trace.output", "span.input", "span.output", "gen_ai.prompt.0.content", "", "gen"] {
            assert!(!wanted(key), "{key}");
        }
    }

    #[test]
    fn names_and_what_holds_them_are_wanted() {
        for key in ["user.id", "user", "trace.metadata", "gen_ai.usage.input_tokens"] {
            assert!(wanted(key), "{key}");
        }
        assert_eq!(known("user.id"), Some("user.id"));
        assert_eq!(known("trace.metadata"), None);
    }
}
