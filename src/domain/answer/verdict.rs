//! From an error or a status to a verdict: structure first, then the status, then the text.

use super::fault::Fault;
use super::json::{head, items};
use super::meaning::{Meaning, Phrase, Word, of_text, of_word};
use super::{Hints, anthropic, openrouter, retry, upstream};
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::Verdict;

pub(super) const WORDS: &[&[Word]] = &[openrouter::WORDS, anthropic::WORDS, upstream::WORDS];
const PHRASES: &[&[Phrase]] = &[openrouter::PHRASES, anthropic::PHRASES, upstream::PHRASES];
/// Statuses under which the error inside may know better; 401, 402, 429 and the like are exact already.
const VAGUE: &[u16] = &[400, 403, 404, 409, 422, 500, 502, 503];
/// Statuses that say no more than that a provider failed: there the status inside holds.
const WRAPPERS: &[u16] = &[500, 502];
/// Characters of a message that are kept.
const LONGEST_MESSAGE: usize = 500;
/// Fallback models that are kept.
const MOST_FALLBACKS: usize = 16;
/// What comes before the id of the model to move to: the paid one when a free one ended, or a successor.
const BEFORE_SLUG: &[&str] = &["paid slug:", "slug instead:", "find it here:", "switching to "];

/// The verdict that a status alone allows. At OpenRouter an unknown model is a 400, so that 404 means that nobody
/// serves it; at Anthropic 404 is the unknown model.
#[must_use]
pub fn verdict_of_status(status: u16, provider: Provider) -> Verdict {
    bare(of_status(status, provider))
}

/// A verdict without particulars.
pub(super) fn bare(outcome: Outcome) -> Verdict {
    Verdict { outcome, retry_after_s: None, message: None, fallback_models: Vec::new(), affordable_tokens: None }
}

/// The verdict on an error. `served` says that a provider was already serving the request.
pub(super) fn of_fault(fault: &Fault, hints: &Hints, provider: Provider, served: bool) -> Verdict {
    let text = fault.text();
    let mut outcome = outcome(fault, &text, hints, provider, served);
    // A provider's purse is not the account's.
    if outcome.name() == Outcome::NoBalance.name() && fault.is_at_openrouters_expense() {
        outcome = Outcome::UpstreamError;
    }
    Verdict {
        outcome,
        retry_after_s: retry::wait(outcome, fault, &text, hints),
        message: fault.message().map(|message| head(message, LONGEST_MESSAGE).to_owned()),
        fallback_models: fallback_models(fault),
        affordable_tokens: number_after(&text, "can only afford").filter(|_| outcome == Outcome::TooLarge),
    }
}

fn outcome(fault: &Fault, text: &str, hints: &Hints, provider: Provider, served: bool) -> Outcome {
    if fault.is_moderation() {
        return Outcome::Moderated;
    }
    if let Some(exact) = meanings(fault.words()).find_map(Meaning::outcome) {
        return exact;
    }
    if fault.is_guardrail() {
        return Outcome::ForbiddenGuardrail;
    }
    let status = status(fault, hints);
    if status.is_none_or(|status| VAGUE.contains(&status))
        && let Some(exact) = meanings(fault.inner_words()).find_map(Meaning::outcome)
    {
        return exact;
    }
    let status = innermost(fault, status).or_else(|| status_of_text(text));
    if let Some(told) = of_text(PHRASES, status, text) {
        return told;
    }
    match status {
        Some(429) if served || fault.is_upstream() => Outcome::RateLimitedUpstream,
        Some(status) => of_status(status, provider),
        None => Outcome::Unknown,
    }
}

fn meanings<'a>(words: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Meaning> {
    words.filter_map(|word| of_word(WORDS, word))
}

/// The status: a word as good as one, then the error's own, then that of the answer, then a catch-all word.
fn status(fault: &Fault, hints: &Hints) -> Option<u16> {
    let told = meanings(fault.words()).find_map(Meaning::status);
    let guess = || meanings(fault.words()).find_map(Meaning::guess);
    told.or_else(|| fault.status()).or_else(|| hints.error_status()).or_else(guess)
}

/// The status of the upstream error where the outer one is but a wrapping.
fn innermost(fault: &Fault, status: Option<u16>) -> Option<u16> {
    let inside = meanings(fault.inner_words()).find_map(Meaning::status).or_else(|| fault.inner_status());
    let wraps = status.is_none_or(|status| WRAPPERS.contains(&status));
    inside.filter(|_| wraps).or(status)
}

fn status_of_text(text: &str) -> Option<u16> {
    upstream::STATUS_OF_TEXT.iter().find(|(part, _)| text.contains(part)).map(|(_, status)| *status)
}

fn of_status(status: u16, provider: Provider) -> Outcome {
    match status {
        200..300 => Outcome::Success,
        401 => Outcome::Unauthorized,
        402 => Outcome::NoBalance,
        403 => Outcome::Forbidden,
        404 if provider == Provider::Anthropic => Outcome::ModelNotFound,
        404 => Outcome::NoEndpoints,
        410 => Outcome::ModelDeprecated,
        429 => Outcome::RateLimitedAccount,
        451 => Outcome::ForbiddenRegion,
        499 => Outcome::Cancelled,
        // 522 and 524 are Cloudflare's; 529 is everybody's "overloaded" and not a kind of 429.
        408 | 504 | 522 | 524 => Outcome::Timeout,
        503 | 529 => Outcome::Overloaded,
        400..500 => Outcome::InvalidRequest,
        500..600 => Outcome::UpstreamError,
        _ => Outcome::Unknown,
    }
}

/// `availability.fallback_models`, else the paid model that the message names.
fn fallback_models(fault: &Fault) -> Vec<String> {
    let listed = fault.at("/availability").map_or(&[][..], |availability| items(availability, "fallback_models"));
    let mut models: Vec<&str> = listed.iter().filter_map(|model| model.as_str()).take(MOST_FALLBACKS).collect();
    if models.is_empty() {
        models.extend(fault.message().and_then(paid_slug));
    }
    models.into_iter().map(|model| head(model, LONGEST_MESSAGE).to_owned()).collect()
}

fn paid_slug(message: &str) -> Option<&str> {
    let lower = message.to_ascii_lowercase();
    let (before, found) = BEFORE_SLUG.iter().find_map(|before| Some((before, lower.find(before)?)))?;
    let after = &message[found + before.len()..];
    let slug = after.split_whitespace().next()?.trim_end_matches(['.', ',']);
    let slug = slug.strip_prefix("https://openrouter.ai/").unwrap_or(slug);
    Some(slug).filter(|slug| slug.contains('/') && !slug.contains("://"))
}

/// The whole number that follows some words.
pub(super) fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, after) = text.split_once(words)?;
    let after = after.trim_start();
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}
