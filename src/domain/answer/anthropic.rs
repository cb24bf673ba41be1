//! The words and phrases of Anthropic's errors, which OpenRouter's Messages skin imitates.

use super::meaning::Meaning::{Guess, Is, Status};
use super::meaning::{Phrase, Word};
use crate::domain::outcome::Outcome;

/// The vocabulary of `error.type` and of `error.details.error_code`.
pub(super) const WORDS: &[Word] = &[
    // A 429 that no wait of seconds cures: the organisation's spend cap for the month. A budget and not a key's limit,
    // because it stops every key there is.
    ("enforced_spend_limit_reached", Is(Outcome::WorkspaceBudget)),
    ("authentication_error", Is(Outcome::Unauthorized)),
    ("billing_error", Status(402)),
    ("permission_error", Status(403)),
    ("not_found_error", Status(404)),
    ("request_too_large", Is(Outcome::InvalidRequest)),
    ("rate_limit_error", Status(429)),
    ("timeout_error", Is(Outcome::Timeout)),
    ("overloaded_error", Is(Outcome::Overloaded)),
    ("invalid_request_error", Guess(400)),
    ("api_error", Guess(500)),
];

/// Texts for what has no word of its own.
pub(super) const PHRASES: &[Phrase] = &[
    (&[400, 402, 403], &["credit balance is too low"], Outcome::NoBalance),
    (&[400, 403, 429], &["api usage limits"], Outcome::WorkspaceBudget),
    (&[400, 403, 429], &["spend limit"], Outcome::WorkspaceBudget),
    (&[429], &["enforced_spend_limit"], Outcome::WorkspaceBudget),
    (&[400, 403], &["content filtering policy"], Outcome::Moderated),
    (&[404], &["not_found_error", "model:"], Outcome::ModelNotFound),
    (&[400, 401, 403], &["organization has been disabled"], Outcome::Unauthorized),
];
