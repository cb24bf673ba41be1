//! When a key is asked next, and what is known of it from the answers so far.
//!
//! Each key has a moment of its own in the interval, by its name: a hundred thousand of them are asked evenly, never all
//! at once. Who does not answer is asked again later each time; a key that is refused is asked again soon until that is
//! believed, and then once a day.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::account::{FreeRequests, KeyInfo};
use super::key::Slot;
use super::money::NanoUsd;
use super::reconcile::{Count, Unexplained};

/// Nobody waits longer than this for the next attempt.
const WAIT_MAX: TimeDelta = TimeDelta::hours(4);
/// Beyond so many doublings the longest wait is reached, whatever the interval.
const DOUBLINGS_MAX: u32 = 10;
/// When a refusal is looked at again.
const CONFIRM_AFTER: TimeDelta = TimeDelta::minutes(20);
/// A refused key is tried again once a day: it may have been switched off for a while only.
const REFUSED_EVERY: TimeDelta = TimeDelta::days(1);
/// Refusals in a row from which on they can be believed.
const REFUSALS_MIN: u32 = 2;
/// A refusal that goes on for so long is believed, whatever becomes of others.
const REFUSAL_BELIEVED: TimeDelta = TimeDelta::days(1);
/// A key that spends again after so long was dormant; then it is looked at for a week.
pub const DORMANT_AFTER: TimeDelta = TimeDelta::days(30);
const WOKE_FOR: TimeDelta = TimeDelta::days(7);

/// How asking a key went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It said what it is.
    Good(Box<KeyInfo>),
    /// OpenRouter refuses it.
    Refused,
    /// Nobody answered, or not to the question; how long to wait, where that was asked for.
    None(Option<TimeDelta>),
}

/// A key that was silent for long and spends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woke {
    /// When that was seen.
    pub at: DateTime<Utc>,
    /// Since when it had been silent.
    pub silent_since: DateTime<Utc>,
    /// What it had spent before.
    pub before: NanoUsd,
    /// Whether executions do not explain it.
    pub is_suspect: bool,
}

/// What is known of a key from the answers so far. What a later version adds is missing in what an earlier one wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyState {
    /// Failures in a row.
    pub failures: u32,
    /// Refusals in a row.
    pub refusals: u32,
    /// The first of those.
    pub refused_at: Option<DateTime<Utc>>,
    /// Whether it is believed that the key is refused for good.
    pub is_refused: bool,
    /// The first answer.
    pub first_at: Option<DateTime<Utc>>,
    /// The last answer.
    pub answered_at: Option<DateTime<Utc>>,
    /// Since when the spend is what it is.
    pub counted_at: Option<DateTime<Utc>>,
    /// When the spend was last seen to grow.
    pub grew_at: Option<DateTime<Utc>>,
    /// What was ever spent on it, by OpenRouter and by providers with their own keys.
    pub usage: Option<NanoUsd>,
    /// What it may spend.
    pub limit: Option<NanoUsd>,
    /// What is left of that.
    pub limit_left: Option<NanoUsd>,
    /// When the limit counts anew.
    pub limit_reset: Option<String>,
    /// Whether it manages keys.
    pub is_management: bool,
    /// Requests to free models that its account made on the day of the answer, and may make.
    pub free: Option<(i64, i64)>,
    /// It was silent for long and spends.
    pub woke: Option<Woke>,
    /// What nothing explains.
    pub unexplained: Option<Unexplained>,
    /// The last day (UTC) that its account's activity was held against what was recorded.
    pub captured_on: Option<chrono::NaiveDate>,
}

impl KeyState {
    /// Takes an answer in.
    pub fn take(&mut self, answer: &Answer, now: DateTime<Utc>) {
        match answer {
            Answer::Good(info) => self.take_info(info, now),
            Answer::Refused => {
                self.refusals = self.refusals.saturating_add(1);
                self.refused_at.get_or_insert(now);
            }
            Answer::None(_) => self.failures = self.failures.saturating_add(1),
        }
    }

    fn take_info(&mut self, info: &KeyInfo, now: DateTime<Utc>) {
        (self.failures, self.refusals, self.refused_at, self.is_refused) = (0, 0, None, false);
        let first_at = *self.first_at.get_or_insert(now);
        self.answered_at = Some(now);
        if let (Some(before), Some(usage)) = (self.usage, spent(info))
            && usage > before
        {
            let silent_since = self.grew_at.unwrap_or(first_at);
            if now - silent_since >= DORMANT_AFTER {
                self.woke = Some(Woke { at: now, silent_since, before, is_suspect: false });
            }
            self.grew_at = Some(now);
        }
        self.woke = self.woke.take().filter(|woke| now - woke.at < WOKE_FOR);
        if let Some(usage) = spent(info).filter(|usage| self.usage != Some(*usage)) {
            (self.usage, self.counted_at) = (Some(usage), Some(now));
        }
        self.limit = info.limit;
        self.limit_left = info.limit_remaining;
        self.limit_reset.clone_from(&info.limit_reset);
        self.is_management = info.is_management_key;
        self.free = info.free_requests.map(|FreeRequests { used, limit }| (used, limit));
    }

    /// What OpenRouter counts on it, and since when.
    #[must_use]
    pub fn count(&self) -> Option<Count> {
        Some(Count { at: self.counted_at?, until: self.answered_at?, usage: self.usage? })
    }

    /// Whether it depends on other keys if this one is believed to be refused: since when one of them must have had a
    /// good answer. OpenRouter refuses good keys, and all of them, when it cannot look them up.
    #[must_use]
    pub fn doubts_refusal_since(&self) -> Option<DateTime<Utc>> {
        self.refused_at.filter(|_| self.refusals >= REFUSALS_MIN && !self.is_refused)
    }

    /// Believes a refusal, or not yet.
    pub fn believe(&mut self, others_are_good: bool, now: DateTime<Utc>) {
        let lasts = self.doubts_refusal_since().map(|since| now - since);
        self.is_refused |= lasts.is_some_and(|lasts| others_are_good || lasts >= REFUSAL_BELIEVED);
    }

    /// Whether there is something that a rule may tell.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.is_refused || self.unexplained.is_some() || self.woke.as_ref().is_some_and(|woke| woke.is_suspect)
    }

    /// What is left to its owner, as far as this key tells: what is left of a limit, and the limit. One that counts
    /// anew each day or week runs out by design, and nobody need add to it.
    #[must_use]
    pub fn purse(&self) -> Option<(NanoUsd, NanoUsd)> {
        let runs_out = self.limit_reset.as_deref().is_none_or(|reset| reset == "monthly");
        self.limit_left.zip(self.limit).filter(|_| runs_out && !self.is_refused)
    }
}

/// What was ever spent on a key: at OpenRouter, and at providers with their own keys.
#[must_use]
pub fn spent(info: &KeyInfo) -> Option<NanoUsd> {
    Some(info.usage.total? + info.byok.total.unwrap_or_default())
}

/// The next moment of a key.
#[must_use]
pub fn next(slot: Slot<'_>, interval: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let digest = Sha256::digest(format!("{}\0{}", slot.user, slot.label));
    let number = digest.iter().take(7).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    let interval = std::cmp::max(interval.num_milliseconds(), 1);
    let passed = (now.timestamp_millis() - number % interval).rem_euclid(interval);
    now + TimeDelta::milliseconds(interval - passed)
}

/// When a key is asked again, after an answer was taken in.
#[must_use]
pub fn due(
    slot: Slot<'_>,
    state: &KeyState,
    answer: &Answer,
    interval: TimeDelta,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let next = next(slot, interval, now);
    match answer {
        Answer::Good(_) => next,
        Answer::Refused if state.is_refused => now + REFUSED_EVERY,
        Answer::Refused => now + CONFIRM_AFTER,
        Answer::None(asked) => {
            let doublings = std::cmp::min(state.failures.saturating_sub(1), DOUBLINGS_MAX);
            let wait = std::cmp::min(interval * (1 << doublings), std::cmp::max(WAIT_MAX, interval));
            std::cmp::max(next, now + std::cmp::max(wait, asked.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
#[path = "poll/tests.rs"]
mod tests;
