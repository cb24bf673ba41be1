//! The words and phrases of OpenRouter's own errors.

use super::meaning::Meaning::{Guess, Is, Status};
use super::meaning::{Phrase, Word};
use crate::domain::outcome::Outcome;

/// The vocabularies of `metadata.reason` and `limit_source` (limits page), `availability.code` and `error_type`
/// (errors page).
pub(super) const WORDS: &[Word] = &[
    ("in_flight_budget_exhausted", Is(Outcome::InFlight)),
    ("weight_exceeds_budget", Is(Outcome::TooLarge)),
    ("openrouter_in_flight_budget", Is(Outcome::InFlight)),
    ("openrouter_key_limit", Is(Outcome::KeyLimit)),
    // An empty purse as well as a request that is too large for what is left.
    ("openrouter_credits", Status(402)),
    ("openrouter_free_tier_daily", Is(Outcome::RateLimitedFreeTier)),
    ("openrouter_free_tier_per_minute", Is(Outcome::RateLimitedFreeTier)),
    // Pools that all customers share: not this account's doing.
    ("openrouter_shared_capacity", Is(Outcome::RateLimitedUpstream)),
    ("upstream_provider_shared_pool", Is(Outcome::RateLimitedUpstream)),
    ("model_not_found", Is(Outcome::ModelNotFound)),
    ("wrong_endpoint", Is(Outcome::InvalidRequest)),
    ("no_endpoints", Is(Outcome::NoEndpoints)),
    ("model_deprecated", Is(Outcome::ModelDeprecated)),
    // Documented as not retryable, so not a model that is away for a while.
    ("model_unavailable_upstream", Is(Outcome::NoEndpoints)),
    ("privacy_restricted", Is(Outcome::ForbiddenPrivacy)),
    ("constraint_filtered", Is(Outcome::NoEndpoints)),
    ("free_variant_ended", Is(Outcome::FreeEnded)),
    ("region_restricted", Is(Outcome::ForbiddenRegion)),
    ("capacity_exhausted", Is(Outcome::RateLimitedUpstream)),
    ("temporarily_unavailable", Is(Outcome::ModelAway)),
    ("context_length_exceeded", Is(Outcome::InvalidRequest)),
    ("max_tokens_exceeded", Is(Outcome::InvalidRequest)),
    ("token_limit_exceeded", Is(Outcome::InvalidRequest)),
    ("string_too_long", Is(Outcome::InvalidRequest)),
    ("invalid_request", Status(400)),
    ("invalid_prompt", Status(400)),
    ("content_policy_violation", Is(Outcome::Moderated)),
    ("refusal", Is(Outcome::Moderated)),
    ("invalid_image", Is(Outcome::InvalidRequest)),
    ("image_too_large", Is(Outcome::InvalidRequest)),
    ("image_too_small", Is(Outcome::InvalidRequest)),
    ("unsupported_image_format", Is(Outcome::InvalidRequest)),
    ("image_download_failed", Is(Outcome::InvalidRequest)),
    ("image_not_found", Is(Outcome::InvalidRequest)),
    ("authentication", Is(Outcome::Unauthorized)),
    ("payment_required", Status(402)),
    ("permission_denied", Status(403)),
    ("not_found", Status(404)),
    ("precondition_failed", Status(412)),
    ("payload_too_large", Status(413)),
    ("unprocessable", Status(422)),
    ("rate_limit_exceeded", Status(429)),
    ("provider_unavailable", Status(502)),
    ("provider_overloaded", Is(Outcome::Overloaded)),
    ("timeout", Is(Outcome::Timeout)),
    ("server", Guess(500)),
    ("unmapped", Guess(500)),
    ("zoderror", Guess(400)),
];

const REFUSED: &[u16] = &[402, 403];
const GONE: &[u16] = &[400, 404, 410];
const NOBODY: &[u16] = &[400, 404, 503];
const BLOCKED: &[u16] = &[400, 403, 404];

/// Texts seen in answers, for those that carry no word: the first that fits counts.
pub(super) const PHRASES: &[Phrase] = &[
    (&[402], &["can only afford"], Outcome::TooLarge),
    (&[402], &["fewer max_tokens"], Outcome::TooLarge),
    (&[402], &["prompt tokens limit exceeded"], Outcome::TooLarge),
    (&[402], &["in-flight"], Outcome::InFlight),
    (REFUSED, &["key limit"], Outcome::KeyLimit),
    (REFUSED, &["key_limit"], Outcome::KeyLimit),
    (REFUSED, &["api key", "spend"], Outcome::KeyLimit),
    (&[402, 403, 429], &["workspace", "budget"], Outcome::WorkspaceBudget),
    (REFUSED, &["budget", "exceeded"], Outcome::WorkspaceBudget),
    (&[400, 403, 429], &["insufficient credits"], Outcome::NoBalance),
    (BLOCKED, &["data policy"], Outcome::ForbiddenPrivacy),
    (BLOCKED, &["data retention"], Outcome::ForbiddenPrivacy),
    (BLOCKED, &["privacy"], Outcome::ForbiddenPrivacy),
    (BLOCKED, &["guardrail"], Outcome::ForbiddenGuardrail),
    (&[400, 403], &["request blocked"], Outcome::ForbiddenGuardrail),
    (&[400, 403], &["prompt injection"], Outcome::ForbiddenGuardrail),
    (&[403], &["requires moderation"], Outcome::Moderated),
    (GONE, &["free", "period has ended"], Outcome::FreeEnded),
    (GONE, &["paid slug"], Outcome::FreeEnded),
    (GONE, &["unavailable for free"], Outcome::FreeEnded),
    (GONE, &["no longer", "free"], Outcome::FreeEnded),
    (GONE, &["free", "paid version"], Outcome::FreeEnded),
    (GONE, &["not a valid model"], Outcome::ModelNotFound),
    (GONE, &["was a stealth model"], Outcome::ModelDeprecated),
    (&[404, 410], &["deprecated"], Outcome::ModelDeprecated),
    (NOBODY, &["no endpoints"], Outcome::NoEndpoints),
    (NOBODY, &["no allowed providers"], Outcome::NoEndpoints),
    (NOBODY, &["no available model provider"], Outcome::NoEndpoints),
    (NOBODY, &["no providers"], Outcome::NoEndpoints),
    (NOBODY, &["no models", "match"], Outcome::NoEndpoints),
    (NOBODY, &["providers have been ignored"], Outcome::NoEndpoints),
    (&[429], &["rate", "upstream"], Outcome::RateLimitedUpstream),
    (&[429], &["upstream_"], Outcome::RateLimitedUpstream),
    (&[429], &["provider returned error"], Outcome::RateLimitedUpstream),
    (&[429], &["at capacity"], Outcome::RateLimitedUpstream),
    (&[429], &["free-models-per"], Outcome::RateLimitedFreeTier),
    (&[429], &["exceeded: free"], Outcome::RateLimitedFreeTier),
    (&[429], &["free_tier"], Outcome::RateLimitedFreeTier),
    (&[429], &["free model"], Outcome::RateLimitedFreeTier),
    (&[429], &["limit_rp", ":free"], Outcome::RateLimitedFreeTier),
    (&[429], &[":free", "limited to"], Outcome::RateLimitedFreeTier),
];
