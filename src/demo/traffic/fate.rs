//! How executions end: most well, some not, and what a provider says and charges then.

use fastrand::Rng;

use super::offer::Offer;
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::Usage;

/// Of a thousand executions so many fail for reasons of the day.
const FAILURES_PER_MILLE: u32 = 22;
/// Of a thousand executions on a free model so many find its allowance used up.
const FREE_TIER_PER_MILLE: u32 = 60;
/// In which ways, of a hundred that fail through OpenRouter.
const FAILURES: [(Outcome, u32); 11] = [
    (Outcome::RateLimitedUpstream, 26),
    (Outcome::UpstreamError, 17),
    (Outcome::Overloaded, 12),
    (Outcome::Timeout, 9),
    (Outcome::InvalidRequest, 9),
    (Outcome::BadOutput, 8),
    (Outcome::Cancelled, 7),
    (Outcome::StreamError, 5),
    (Outcome::Moderated, 4),
    (Outcome::RateLimitedAccount, 2),
    (Outcome::InFlight, 1),
];
/// Of a hundred time-outs and errors of the provider so many have begun to answer, and are charged.
const CHARGED_PERCENT: u32 = 15;
/// Of a hundred executions so many were answered by the second provider only.
const RETRIED_PERCENT: u32 = 4;
/// Whoever waits longer than this gives up, in milliseconds.
const PATIENCE_MS: std::ops::Range<u64> = 60_000..120_000;
/// How long a refusal takes, in milliseconds.
const REFUSAL_MS: std::ops::Range<u64> = 60..450;
/// How long a provider takes to fail, in milliseconds.
const FAULT_MS: std::ops::Range<u64> = 400..4_000;
/// How long the first token takes, in milliseconds.
const FIRST_TOKEN_MS: std::ops::Range<u64> = 220..950;
/// Input tokens that are read in a millisecond.
const READ_PER_MS: u64 = 30;
/// How far the speed differs from the usual, in percent of the time.
const SPEED: std::ops::RangeInclusive<u64> = 70..=170;

/// How an execution ends that nothing special happens to.
pub(super) fn draw(offer: &Offer, provider: Provider, rng: &mut Rng) -> Outcome {
    if offer.is_free() && rng.u32(..1_000) < FREE_TIER_PER_MILLE {
        return Outcome::RateLimitedFreeTier;
    }
    if rng.u32(..1_000) >= FAILURES_PER_MILLE {
        return Outcome::Success;
    }
    let lot = rng.u32(..100);
    let mut passed = 0;
    let drawn = FAILURES.into_iter().find(|(_, percent)| {
        passed += percent;
        lot < passed
    });
    match (provider, drawn.map_or(Outcome::UpstreamError, |(outcome, _)| outcome)) {
        (Provider::Anthropic, Outcome::RateLimitedUpstream | Outcome::InFlight) => Outcome::RateLimitedAccount,
        (_, outcome) => outcome,
    }
}

/// The HTTP status that goes with it.
pub(super) fn status(outcome: Outcome, provider: Provider) -> Option<u16> {
    let status = match outcome {
        Outcome::RateLimitedUpstream | Outcome::RateLimitedAccount | Outcome::RateLimitedFreeTier => 429,
        Outcome::NoBalance | Outcome::InFlight => 402,
        Outcome::ModelDeprecated | Outcome::NoEndpoints => 404,
        Outcome::ModelNotFound | Outcome::InvalidRequest => 400,
        Outcome::Moderated => 403,
        Outcome::Timeout => 504,
        Outcome::UpstreamError => 502,
        Outcome::Overloaded if provider == Provider::Anthropic => 529,
        Outcome::Overloaded => 503,
        Outcome::Cancelled => return None,
        _ => 200,
    };
    Some(status)
}

/// What the providers came to that OpenRouter tried: none when it refused by itself, and now and then two, when it
/// turned to another before it answered.
pub(super) fn attempts(outcome: Outcome, provider: Provider, mut rng: Rng) -> Vec<Outcome> {
    use Outcome as O;
    let last = match outcome {
        _ if provider == Provider::Anthropic => return Vec::new(),
        O::Success | O::BadOutput | O::StreamError | O::Cancelled => O::Success,
        O::RateLimitedUpstream | O::UpstreamError | O::Overloaded | O::Timeout => outcome,
        _ => return Vec::new(),
    };
    let first =
        (rng.u32(..100) < RETRIED_PERCENT).then_some([O::RateLimitedUpstream, O::UpstreamError][rng.usize(..2)]);
    first.into_iter().chain([last]).collect()
}

/// Whether the next model is tried.
pub(super) fn leads_to_fallback(outcome: Outcome) -> bool {
    use Outcome as O;
    let is_away = matches!(outcome, O::ModelDeprecated | O::ModelNotFound | O::NoEndpoints);
    is_away || matches!(outcome, O::RateLimitedUpstream | O::RateLimitedFreeTier | O::UpstreamError | O::Overloaded)
}

/// What is used of what would have been, and charged; nothing when it failed at once.
pub(super) fn used(outcome: Outcome, whole: Usage, rng: &mut Rng) -> Usage {
    let percent = match outcome {
        Outcome::Success | Outcome::BadOutput => 100,
        Outcome::Cancelled | Outcome::StreamError => rng.u64(5..90),
        Outcome::Timeout | Outcome::UpstreamError if rng.u32(..100) < CHARGED_PERCENT => rng.u64(1..60),
        _ => return Usage::default(),
    };
    let part = |tokens: Option<u64>| tokens.map(|tokens| tokens * percent / 100);
    Usage { output_tokens: part(whole.output_tokens), reasoning_tokens: part(whole.reasoning_tokens), ..whole }
}

/// How long it takes, in milliseconds.
pub(super) fn latency(outcome: Outcome, usage: &Usage, offer: Option<&Offer>, rng: &mut Rng) -> u32 {
    let time = match outcome {
        Outcome::Timeout => rng.u64(PATIENCE_MS),
        Outcome::UpstreamError | Outcome::Overloaded => rng.u64(FAULT_MS),
        Outcome::Success | Outcome::BadOutput | Outcome::Cancelled | Outcome::StreamError => {
            let reading = usage.input_tokens.unwrap_or(0) / READ_PER_MS;
            let writing = usage.output_tokens.unwrap_or(0) * offer.map_or(0, |offer| offer.pace) / 1_000;
            (rng.u64(FIRST_TOKEN_MS) + reading + writing) * rng.u64(SPEED) / 100
        }
        _ => rng.u64(REFUSAL_MS),
    };
    u32::try_from(time).unwrap_or(u32::MAX)
}
