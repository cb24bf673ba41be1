//! The tokens of an execution: each resource has a kind of work, and each execution of it differs somewhat.

use std::cmp::{max, min};

use fastrand::Rng;

use super::offer::Offer;
use crate::domain::reading::Usage;

/// Kinds of work, the lightest first.
const WORK: [Mix; 6] = [
    Mix { input: 3_000, output: 150, cached_percent: 0 },
    Mix { input: 18_000, output: 1_200, cached_percent: 45 },
    Mix { input: 36_000, output: 1_600, cached_percent: 10 },
    Mix { input: 8_000, output: 5_000, cached_percent: 0 },
    Mix { input: 120_000, output: 3_000, cached_percent: 10 },
    Mix { input: 300_000, output: 9_000, cached_percent: 75 },
];
/// How many of them are light enough for what runs often.
const LIGHT: usize = 4;
/// Who runs a resource more often than this a day keeps its executions light.
const OFTEN: f64 = 30.0;
/// How far one resource's work differs from another's of the kind, in percent.
const SPREAD: std::ops::RangeInclusive<u64> = 60..=170;
/// How far one execution differs from another, in percent; three such factors are multiplied.
const FACTOR: std::ops::RangeInclusive<u64> = 60..=145;
/// One execution of so many is given something long.
const LONG_ONE_IN: u32 = 60;
/// How much longer that is.
const LONG_TIMES: u64 = 6;
/// Caches work in blocks of so many tokens.
const CACHE_BLOCK: u64 = 128;
/// How much of the output is thought, in percent, where a model thinks.
const THOUGHT: std::ops::RangeInclusive<u64> = 20..=60;
/// How much of what was not cached is kept for the next time, in percent, where that has a price.
const WRITTEN_PERCENT: u64 = 40;

/// What the executions of a resource are typically like.
#[derive(Clone, Copy, Default)]
pub(super) struct Mix {
    /// Input tokens, cached ones included.
    input: u64,
    /// Output tokens.
    output: u64,
    /// How much of the input is read from a cache.
    cached_percent: u64,
}

impl Mix {
    /// The work of a resource that runs so often.
    pub(super) fn drawn(per_day: f64, rng: &mut Rng) -> Self {
        let kinds = if per_day > OFTEN { LIGHT } else { WORK.len() };
        let kind = WORK[rng.usize(..kinds)];
        let percent = rng.u64(SPREAD);
        Self { input: kind.input * percent / 100, output: kind.output * percent / 100, ..kind }
    }

    /// The same with a percentage of the tokens.
    pub(super) fn scaled(self, percent: u64) -> Self {
        Self { input: self.input * percent / 100, output: self.output * percent / 100, ..self }
    }

    /// How much heavier it may become, in percent, so that a model takes so many times the tokens still, mostly even
    /// those of executions longer than usual.
    pub(super) fn room(self, times: u64, offer: &Offer) -> u64 {
        offer.context * 60 / max(1, self.input * times)
    }

    /// The tokens of the typical execution.
    pub(super) fn typical(self, offer: &Offer) -> Usage {
        self.split(self.input, self.output, 40, offer)
    }

    /// The tokens of one execution.
    pub(super) fn usage(self, offer: &Offer, rng: &mut Rng) -> Usage {
        let times = if rng.u32(..LONG_ONE_IN) == 0 { LONG_TIMES } else { 1 };
        let (input, output) = (varied(self.input * times, rng), varied(self.output, rng));
        self.split(input, output, rng.u64(THOUGHT), offer)
    }

    fn split(self, input: u64, output: u64, thought_percent: u64, offer: &Offer) -> Usage {
        let input = min(input, offer.context * 9 / 10);
        let output = max(1, min(output, offer.context / 10));
        let percent = if offer.reads_cache { self.cached_percent } else { 0 };
        let cached = input * percent / 100 / CACHE_BLOCK * CACHE_BLOCK;
        let writes = offer.writes_cache && percent > 0;
        Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cached_tokens: Some(cached),
            cache_write_tokens: writes.then_some((input - cached) * WRITTEN_PERCENT / 100),
            reasoning_tokens: offer.reasons.then_some(output * thought_percent / 100),
            cost: None,
        }
    }
}

/// About so many: mostly somewhat fewer, sometimes many more.
fn varied(typical: u64, rng: &mut Rng) -> u64 {
    (0..3).fold(typical, |tokens, _| tokens * rng.u64(FACTOR) / 100)
}
