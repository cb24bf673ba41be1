//! How long a provider asks to wait.

use chrono::{DateTime, Days, NaiveTime, Utc};

use super::Hints;
use super::fault::Fault;
use crate::domain::outcome::Outcome;

/// What comes before a wait in a message, in lower case.
const BEFORE_WAIT: &[&str] = &["retry after ", "try again in ", "retry in "];
/// Beyond this, a number is a time in milliseconds and not in seconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// Longer waits are mistakes.
const LONGEST: f64 = 32.0 * 86_400.0;

/// The wait in seconds: what the error says, then the headers, then (for limits on rates) when the limit starts anew
/// or what the message says. The free models' day ends at 00:00 UTC.
pub(super) fn wait(outcome: Outcome, fault: &Fault, said: &str, hints: &Hints) -> Option<u64> {
    let stated = ["/availability/retry_after", "/retry_after", "/metadata/retry_after"];
    let stated = stated.iter().find_map(|place| seconds(&fault.at(place)?.to_string()));
    let asked = stated.or_else(|| after_header(&header(fault, hints, "retry-after")?, hints.now));
    if asked.is_some() || !is_limit(outcome) {
        return asked;
    }
    let reset = || until_reset(&header(fault, hints, "x-ratelimit-reset")?, hints.now?);
    let midnight =
        || hints.now.filter(|_| outcome == Outcome::RateLimitedFreeTier && is_daily(said)).map(until_midnight);
    reset().or_else(midnight).or_else(|| of_text(said))
}

fn is_limit(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::RateLimitedAccount
            | Outcome::RateLimitedUpstream
            | Outcome::RateLimitedFreeTier
            | Outcome::InFlight
            | Outcome::Overloaded
            | Outcome::ModelAway
    )
}

fn is_daily(said: &str) -> bool {
    ["per-day", "per day", "daily", "limit_rpd"].iter().any(|part| said.contains(part))
}

/// A header of the answer, or as `metadata.headers` repeats it.
fn header(fault: &Fault, hints: &Hints, name: &str) -> Option<String> {
    let sent = hints.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let repeated = || {
        let headers = fault.at("/metadata/headers")?.as_object()?;
        let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    sent.or_else(repeated)
}

fn after_header(value: &str, now: Option<DateTime<Utc>>) -> Option<u64> {
    let until = || Some(between(now?, DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc()));
    seconds(value).or_else(until)
}

fn seconds(value: &str) -> Option<u64> {
    value.trim().trim_matches('"').parse().ok().and_then(whole)
}

/// Whole seconds, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and a month")]
fn whole(seconds: f64) -> Option<u64> {
    (0.0..=LONGEST).contains(&seconds).then(|| seconds.ceil() as u64)
}

/// From `X-RateLimit-Reset`, in milliseconds since 1970; seconds are understood too.
fn until_reset(value: &str, now: DateTime<Utc>) -> Option<u64> {
    let at: i64 = value.trim().parse().ok()?;
    let at = if at < MILLISECONDS_FROM { DateTime::from_timestamp(at, 0) } else { DateTime::from_timestamp_millis(at) };
    Some(between(now, at?))
}

fn until_midnight(now: DateTime<Utc>) -> u64 {
    let tomorrow = now.date_naive().checked_add_days(Days::new(1));
    tomorrow.map_or(0, |day| between(now, day.and_time(NaiveTime::MIN).and_utc()))
}

/// Whole seconds from one time to another, rounded up; none if it has passed.
fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    let milliseconds = to.signed_duration_since(from).num_milliseconds();
    u64::try_from(milliseconds).unwrap_or(0).div_ceil(1000)
}

/// The wait in a message: `try again in 6m0s`, `retry after 40 seconds`, `retry in 6.15s`.
fn of_text(said: &str) -> Option<u64> {
    let (_, after) = BEFORE_WAIT.iter().find_map(|before| said.split_once(before))?;
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = after.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = match unit.trim_start() {
        unit if unit.starts_with("ms") || unit.starts_with("milli") => 0.001,
        unit if unit.starts_with('s') => 1.0,
        unit if unit.starts_with('m') => 60.0,
        unit if unit.starts_with('h') => 3600.0,
        _ => return None,
    };
    whole(number * unit)
}
