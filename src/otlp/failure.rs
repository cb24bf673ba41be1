//! How a root span says that its request ended.

use super::attributes::Attributes;
use super::execution::{finish_reasons, is_broadcast};
use super::span::Span;
use super::{Attempt, keys};
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::Verdict;

/// Characters of the longest message that is passed on.
const LONGEST_MESSAGE: usize = 500;

/// What is known of a failure.
struct Failure<'a> {
    provider: Provider,
    /// The last provider's status or that of the whole request, if it is an error.
    status: Option<u16>,
    /// Codes, names of exceptions and messages, the most telling first.
    texts: &'a [String],
    /// What it is if neither status nor words are known.
    otherwise: Outcome,
}

/// How the request ended, and in whose words.
pub(super) fn verdict(root: &Span, provider: Provider, attempts: &[Attempt]) -> Verdict {
    let attributes = &root.attributes;
    let ended = finish_reasons(attributes);
    let ended_with = |reason: &str| ended.iter().any(|ended| ended == reason);
    let failed = root.failed
        || attributes.is(keys::SPAN_LEVEL, "error")
        || attributes.text(keys::ERROR_TYPE).is_some()
        || ended_with("error");
    let texts = texts(root);
    let outcome = if attributes.is(keys::CANCELLED, "true") {
        Outcome::Cancelled
    } else if failed {
        let otherwise = match (ended_with("error"), is_broadcast(attributes)) {
            (true, _) => Outcome::StreamError,
            // OpenRouter reports no request that it refuses itself: a provider had it.
            (false, true) => Outcome::UpstreamError,
            (false, false) => Outcome::Unknown,
        };
        outcome_of(&Failure { provider, status: status(attributes, attempts), texts: &texts, otherwise })
    } else if ended_with("content_filter") {
        Outcome::Moderated
    } else {
        Outcome::Success
    };
    let message = texts.last().filter(|_| outcome != Outcome::Success);
    Verdict {
        outcome,
        retry_after_s: None,
        message: message.map(|text| text.chars().take(LONGEST_MESSAGE).collect()),
        fallback_models: Vec::new(),
        affordable_tokens: None,
    }
}

/// The class of the error, the exception's name, and at the end the message.
fn texts(root: &Span) -> Vec<String> {
    let attributes = &root.attributes;
    let status = Some(root.message.trim().to_owned()).filter(|text| !text.is_empty());
    let message = status.or_else(|| attributes.text(keys::ERROR_MESSAGE));
    [attributes.text(keys::ERROR_TYPE), attributes.text(keys::EXCEPTION_TYPE), message].into_iter().flatten().collect()
}

fn status(attributes: &Attributes, attempts: &[Attempt]) -> Option<u16> {
    let whole = || attributes.count(keys::HTTP_STATUS).and_then(|status| u16::try_from(status).ok());
    attempts.last().map(|attempt| attempt.status).or_else(whole).filter(|status| *status >= 400)
}

/// The outcome of a failure: by words that leave no doubt, by status, by a status within the words.
fn outcome_of(failure: &Failure) -> Outcome {
    let texts = failure.texts.iter().map(|text| words(text)).collect::<Vec<_>>();
    let named = || {
        let known = |text: &String| WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, outcome)| *outcome);
        texts.iter().find_map(known)
    };
    let status = || failure.status.or_else(|| texts.iter().find_map(|text| status_within(text)));
    let outcome = named().or_else(|| status().and_then(by_status)).unwrap_or(failure.otherwise);
    match (outcome, failure.provider) {
        // Without OpenRouter between, the limit is the account's own.
        (Outcome::RateLimitedUpstream, Provider::Anthropic) => Outcome::RateLimitedAccount,
        (outcome, _) => outcome,
    }
}

/// Words in codes, names of exceptions and messages, as [`words`] writes them; the first that occurs decides.
const WORDS: &[(&str, Outcome)] = &[
    ("client has disconnected", Outcome::Cancelled),
    ("client disconnected", Outcome::Cancelled),
    (" cancelled", Outcome::Cancelled),
    (" canceled", Outcome::Cancelled),
    (" abort error", Outcome::Cancelled),
    (" was aborted", Outcome::Cancelled),
    (" free models per ", Outcome::RateLimitedFreeTier),
    (" rate limit", Outcome::RateLimitedUpstream),
    (" ratelimit", Outcome::RateLimitedUpstream),
    (" too many requests", Outcome::RateLimitedUpstream),
    (" key limit exceeded", Outcome::KeyLimit),
    (" can only afford ", Outcome::TooLarge),
    (" insufficient credit", Outcome::NoBalance),
    (" credit balance ", Outcome::NoBalance),
    (" insufficient quota", Outcome::NoBalance),
    (" payment required", Outcome::NoBalance),
    (" no endpoints ", Outcome::NoEndpoints),
    (" model deprecated", Outcome::ModelDeprecated),
    (" has been deprecated", Outcome::ModelDeprecated),
    (" model not found", Outcome::ModelNotFound),
    (" not found error", Outcome::ModelNotFound),
    (" moderation", Outcome::Moderated),
    (" content policy", Outcome::Moderated),
    (" content filter", Outcome::Moderated),
    (" flagged ", Outcome::Moderated),
    (" authentication", Outcome::Unauthorized),
    (" unauthorized", Outcome::Unauthorized),
    (" permission denied", Outcome::Forbidden),
    (" context length", Outcome::InvalidRequest),
    (" bad request", Outcome::InvalidRequest),
    (" invalid request", Outcome::InvalidRequest),
    ("overloaded", Outcome::Overloaded),
    ("timeout", Outcome::Timeout),
    (" timed out", Outcome::Timeout),
    (" deadline exceeded", Outcome::Timeout),
    (" internal server", Outcome::UpstreamError),
    (" provider unavailable", Outcome::UpstreamError),
    ("connection error", Outcome::UpstreamError),
];

/// Lower-case words between single spaces: `RateLimitError` and `rate_limit-error` are both ` rate limit error `.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut lower = false;
    for character in text.chars() {
        let starts_word = lower && character.is_ascii_uppercase();
        if (starts_word || !character.is_alphanumeric()) && !words.ends_with(' ') {
            words.push(' ');
        }
        if character.is_alphanumeric() {
            words.extend(character.to_lowercase());
        }
        lower = character.is_ascii_lowercase();
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

/// A status at the beginning of a text or after a word for one, such as `429` or `status code 503`.
fn status_within(words: &str) -> Option<u16> {
    let mut before = "";
    words.split_whitespace().find_map(|word| {
        let announced = matches!(before, "" | "status" | "code" | "http" | "error");
        before = word;
        word.parse().ok().filter(|status| announced && (400..600).contains(status))
    })
}

/// What a provider came to that was tried.
pub(super) fn of_attempt(status: u16) -> Outcome {
    if (200..300).contains(&status) { Outcome::Success } else { by_status(status).unwrap_or(Outcome::Unknown) }
}

fn by_status(status: u16) -> Option<Outcome> {
    Some(match status {
        401 => Outcome::Unauthorized,
        402 => Outcome::NoBalance,
        403 => Outcome::Forbidden,
        404 => Outcome::ModelNotFound,
        408 | 504 | 524 => Outcome::Timeout,
        429 => Outcome::RateLimitedUpstream,
        499 => Outcome::Cancelled,
        503 | 529 => Outcome::Overloaded,
        400..=498 => Outcome::InvalidRequest,
        500..=599 => Outcome::UpstreamError,
        _ => return None,
    })
}
