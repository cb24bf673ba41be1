//! One execution, as a platform reports it and as the store keeps it.

mod wire;

use chrono::{DateTime, TimeDelta, Utc};

use super::money::NanoUsd;
use super::outcome::Outcome;
use super::provider::Provider;
use super::reading::Usage;

pub use wire::{Rejection, parse};

/// Days since 1970.
pub type Day = i32;

/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// Ids name no earlier day: OpenRouter began in 2023.
const FIRST_DAY: u64 = 19_358;
/// Nor a later one (the year 2100).
const LAST_DAY: u64 = 47_482;
/// The digits of Crockford's base 32, in which ULIDs are written.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Something that a user's resource ran, as it is kept. No text of prompts or completions is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Unique among the user's.
    pub id: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Whose it is.
    pub user: String,
    /// What ran.
    pub resource: Option<String>,
    /// Which key paid.
    pub key: Option<String>,
    /// Who was called.
    pub provider: Provider,
    /// What was asked for.
    pub model: String,
    /// What answered, where that is known.
    pub served_model: Option<String>,
    /// Who served it behind OpenRouter.
    pub served_by: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, where the platform says it.
    pub status: Option<u16>,
    /// Tokens and cost.
    pub usage: Usage,
    /// Whether the cost was computed from the price list.
    pub is_estimated: bool,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u32>,
    /// What each provider came to that was tried for it, in order, where OpenRouter says so. Counted, not kept.
    pub attempts: Vec<Outcome>,
    /// Models that OpenRouter offers in place of the one asked for. Kept by model.
    pub offered: Vec<String>,
}

impl Execution {
    /// Whether it failed and cost something all the same. What a platform could not use and what a client broke off
    /// are no failures of the provider's.
    #[must_use]
    pub fn is_charged_failure(&self) -> bool {
        let failed = !matches!(self.outcome, Outcome::Success | Outcome::BadOutput | Outcome::Cancelled);
        failed && self.usage.cost.is_some_and(NanoUsd::is_positive)
    }
}

/// Texts longer than this are somebody's mistake, and would be kept with every row.
const TEXT_BYTES_MAX: usize = 256;
/// A clock may be this far ahead.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(24);
/// OpenRouter began in 2023: nothing ran before.
const FIRST_SECOND: i64 = 1_672_531_200;
/// No request has so many tokens: whoever says so has another unit, or means harm.
const TOKENS_MAX: u64 = 1_000_000_000;
/// No request costs as much. Sums of a hundred thousand such are still exact.
const COST_MAX: NanoUsd = NanoUsd::dollars(100_000);

impl Execution {
    /// Says what cannot be true of it.
    ///
    /// # Errors
    /// The field, the reason and what would be right.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), String> {
        check_text("id", &self.id)?;
        check_text("user", &self.user)?;
        check_text("model", &self.model)?;
        for (field, text) in [("resource", &self.resource), ("key", &self.key)] {
            text.as_deref().map_or(Ok(()), |text| check_text(field, text))?;
        }
        check_time(self.at, now)?;
        if self.status.is_some_and(|status| !(100..1000).contains(&status)) {
            return Err(format!("status: {} is no HTTP status", self.status.unwrap_or(0)));
        }
        let usage = &self.usage;
        let counts = [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_tokens),
            ("cache write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        ];
        if let Some((kind, count)) = counts.into_iter().find(|(_, count)| count.is_some_and(|count| count > TOKENS_MAX))
        {
            return Err(format!("usage: {} {kind} tokens are more than any request has", count.unwrap_or(0)));
        }
        match usage.cost {
            Some(cost) if cost < NanoUsd::ZERO => Err(format!("cost_usd: {cost} is negative")),
            Some(cost) if cost > COST_MAX => {
                Err(format!("cost_usd: {cost} is more than any request costs; is it in dollars?"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text that an answer gives, and nobody vouches for, can be kept.
#[must_use]
pub fn is_keepable(text: &str) -> bool {
    check_text("", text).is_ok()
}

fn check_text(field: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(format!("{field} is empty"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("{field} is {} bytes long; at most {TEXT_BYTES_MAX} are taken", text.len()));
    }
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("{field} has control characters"));
    }
    Ok(())
}

fn check_time(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if at - now > AHEAD_MAX {
        return Err(format!("at: {at} is more than a day ahead; is the sender's clock right?"));
    }
    if at.timestamp() < FIRST_SECOND {
        return Err(format!("at: {at} is before 2023; is it in another unit?"));
    }
    Ok(())
}

/// The day that an id itself names, or 0 when it names none: the leading part of an execution's key.
///
/// It depends on nothing but the id, so (day, id, user) is as unique as (id, user), whatever time a repetition gives.
/// And ids that come in time order (`gen-<unix>-…`, UUIDs of version 7, ULIDs) cost what an append costs.
#[must_use]
pub fn day_of(id: &str) -> Day {
    let seconds = generation_time(id).or_else(|| uuid_time(id)).or_else(|| ulid_time(id));
    let day = seconds.map(|seconds| seconds / DAY_S).filter(|day| (FIRST_DAY..=LAST_DAY).contains(day));
    day.and_then(|day| Day::try_from(day).ok()).unwrap_or(0)
}

/// `gen-1760000000-…`, as OpenRouter writes them.
fn generation_time(id: &str) -> Option<u64> {
    let digits = id.strip_prefix("gen-")?.split('-').next()?;
    (digits.len() == 10).then(|| digits.parse().ok())?
}

/// A UUID of version 7 begins with 48 bits of milliseconds.
fn uuid_time(id: &str) -> Option<u64> {
    let bytes = id.as_bytes();
    let is_uuid = bytes.len() == 36 && bytes[8] == b'-' && bytes[13] == b'-' && bytes[14] == b'7';
    let high = is_uuid.then(|| id.get(..8))??;
    let low = id.get(9..13)?;
    let millis = u64::from_str_radix(high, 16).ok()? << 16 | u64::from_str_radix(low, 16).ok()?;
    Some(millis / 1000)
}

/// A ULID begins with 48 bits of milliseconds in ten digits.
fn ulid_time(id: &str) -> Option<u64> {
    let digit = |byte: &u8| CROCKFORD.iter().position(|known| *known == byte.to_ascii_uppercase());
    let bytes = id.as_bytes();
    if bytes.len() != 26 || !bytes.iter().all(|byte| digit(byte).is_some()) {
        return None;
    }
    let millis = bytes[..10].iter().try_fold(0_u64, |sum, byte| Some(sum << 5 | u64::try_from(digit(byte)?).ok()?));
    Some(millis? / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_day_or_none() {
        let check = |id: &str, day: Day| assert_eq!(day_of(id), day, "{id}");
        check("gen-1780000000-abc", 20_601);
        check("gen-1780000000", 20_601);
        check("019e7000-0000-7000-8000-000000000000", 20_601);
        check("019e7000-0000-4000-8000-000000000000", 0);
        check("01KS000000ABCDEFGHJKMNPQRS", 20_592);
        check("gen-178000000-abc", 0);
        check("gen-0000000001-abc", 0);
        check("msg_0123456789abcdefghjkmnpq", 0);
        check("", 0);
        check("é", 0);
        check("gen-", 0);
    }
}
