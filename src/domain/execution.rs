//! One execution, as a platform reports it and as the store keeps it.

mod wire;

use chrono::{DateTime, Utc};

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
}

impl Execution {
    /// Whether it failed and cost something all the same. What a platform could not use and what a client broke off
    /// are no failures of the provider's.
    #[must_use]
    pub fn is_charged_failure(&self) -> bool {
        let failed = !matches!(self.outcome, Outcome::Success | Outcome::BadOutput | Outcome::Cancelled);
        failed && self.usage.cost.is_some_and(super::money::NanoUsd::is_positive)
    }
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
