//! How long a provider asks to wait.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

use super::Hints;
use super::fault::Fault;
use super::json::{items, text};
use crate::domain::outcome::Outcome;

/// What comes before a wait in a message, in lower case.
const BEFORE_WAIT: &[&str] = &["retry after ", "try again in ", "retry in ", "please wait "];
/// Where an error says it, in seconds.
const STATED: &[&str] = &[
    "/availability/retry_after",
    "/retry_after",
    "/metadata/retry_after",
    "/metadata/retry_after_seconds",
    "/retry_after_seconds",
];
/// Up to this, the number of a reset is a wait and not a time.
const WAIT_UNTIL: i64 = 100_000_000;
/// Beyond this, a number is a time in milliseconds and not in seconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// Longer waits are mistakes.
const LONGEST: f64 = 32.0 * 86_400.0;

/// The wait in seconds: what the error says, then the headers, then (for limits on rates) when the limit starts anew
/// or what the message says. The free models' day ends at 00:00 UTC.
pub(super) fn wait(outcome: Outcome, fault: &Fault, said: &str, hints: &Hints) -> Option<u64> {
    let stated = STATED.iter().find_map(|place| seconds(&fault.at(place)?.to_string()));
    let after = || after_header(&header(fault, hints, "retry-after")?, hints.now);
    let after_ms =
        || header(fault, hints, "retry-after-ms")?.trim().parse().ok().and_then(|ms: f64| whole(ms / 1000.0));
    let asked = stated.or_else(after_ms).or_else(after).or_else(|| upstream(fault.inner()?));
    if asked.is_some() || !is_limit(outcome) {
        return asked;
    }
    let reset = || until_reset(&header(fault, hints, "x-ratelimit-reset")?, hints.now?);
    let midnight =
        || hints.now.filter(|_| outcome == Outcome::RateLimitedFreeTier && is_daily(said)).map(until_midnight);
    reset().or_else(midnight).or_else(|| of_text(said))
}

/// What the upstream error says: as others do, or as Google's `RetryInfo`.
fn upstream(inner: &Value) -> Option<u64> {
    let stated = || inner.get("retry_after").and_then(|wait| seconds(&wait.to_string()));
    items(inner, "details").iter().find_map(|detail| seconds(text(detail, "retryDelay")?)).or_else(stated)
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
    let until = || between(now?, DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc());
    seconds(value).or_else(until)
}

fn seconds(value: &str) -> Option<u64> {
    let value = value.trim().trim_matches('"');
    value.parse().ok().or_else(|| duration(&value.to_ascii_lowercase())).and_then(whole)
}

/// Whole seconds, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and a month")]
fn whole(seconds: f64) -> Option<u64> {
    (0.0..=LONGEST).contains(&seconds).then(|| seconds.ceil() as u64)
}

/// From `X-RateLimit-Reset`, in milliseconds since 1970; seconds are understood too, and seconds from now on.
fn until_reset(value: &str, now: DateTime<Utc>) -> Option<u64> {
    let at: i64 = value.trim().parse().ok()?;
    if at < WAIT_UNTIL {
        return seconds(value);
    }
    let at = if at < MILLISECONDS_FROM { DateTime::from_timestamp(at, 0) } else { DateTime::from_timestamp_millis(at) };
    between(now, at?)
}

fn until_midnight(now: DateTime<Utc>) -> u64 {
    let tomorrow = now.date_naive().checked_add_days(Days::new(1));
    tomorrow.and_then(|day| between(now, day.and_time(NaiveTime::MIN).and_utc())).unwrap_or(0)
}

/// Whole seconds from one time to another, rounded up; none if it has passed.
fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u64> {
    whole(std::cmp::max(to.signed_duration_since(from), TimeDelta::zero()).as_seconds_f64())
}

/// The wait in a message: `try again in 6m0s`, `retry after 40 seconds`, `retry in 6.15s`.
fn of_text(said: &str) -> Option<u64> {
    let (_, after) = BEFORE_WAIT.iter().find_map(|before| said.split_once(before))?;
    duration(after).and_then(whole)
}

/// The seconds of `1h2m3.5s`, `1 hour and 30 minutes` or `850ms`, at the beginning of a text in lower case.
fn duration(text: &str) -> Option<f64> {
    let (mut rest, mut sum) = (text, None);
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0) {
        let (number, behind) = rest.split_at(end);
        let unit = behind.trim_start();
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let seconds = match &unit[..letters] {
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => break,
        };
        let Ok(number) = number.parse::<f64>() else { break };
        sum = Some(sum.unwrap_or(0.0) + number * seconds);
        rest = unit[letters..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    sum
}
