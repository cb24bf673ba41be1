//! What a month of somebody's use costs under a price schedule.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::money::NanoUsd;
use super::price::{MINUTES_PER_WEEK, PriceSchedule, PriceTable};
use super::pricing;
use super::reading::Usage;
use super::rollup::Measures;

/// Input tokens of an assumed execution; small enough for every model's lowest tier.
const ASSUMED_INPUT: u64 = 10_000;

/// What ran, or is assumed to run, in 30 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Executions.
    pub executions: u64,
    /// All input tokens.
    pub input: u64,
    /// Those of them that a cache gave.
    pub cached: u64,
    /// All output tokens.
    pub output: u64,
    /// Those of them spent on reasoning.
    pub reasoning: u64,
    /// Nobody reported it.
    pub is_assumed: bool,
}

impl Load {
    /// What ran.
    #[must_use]
    pub fn of(sums: &Measures) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            executions: count(sums.executions),
            input: count(sums.input_tokens),
            cached: count(sums.cached_tokens),
            output: count(sums.output_tokens),
            reasoning: count(sums.reasoning_tokens),
            is_assumed: false,
        }
    }

    /// What is assumed of so many resources of which nothing is known but that they are there.
    #[must_use]
    pub fn assumed(resources: usize, input: u64, output: u64) -> Self {
        let times = |tokens: u64| tokens.saturating_mul(u64::try_from(resources).unwrap_or(u64::MAX));
        let executions = times(input).div_ceil(ASSUMED_INPUT);
        Self { executions, input: times(input), output: times(output), is_assumed: true, ..Self::default() }
    }

    /// What it costs: at the tier of the average execution, and at hours spread evenly over the week, for sums do not
    /// say when each execution ran.
    #[must_use]
    pub fn cost(&self, prices: &PriceSchedule) -> NanoUsd {
        let tokens = self.input.checked_div(self.executions).unwrap_or(0);
        let starts: BTreeSet<u16> = prices.break_minutes().collect();
        let ends = starts.iter().copied().skip(1).chain([MINUTES_PER_WEEK]);
        let total = starts.iter().zip(ends).try_fold(Decimal::ZERO, |total, (start, end)| {
            let part = self.charged(&prices.at(*start, tokens))?;
            total.checked_add(part.checked_mul(Decimal::from(end - start))?)
        });
        let week = total.map(|total| total / Decimal::from(MINUTES_PER_WEEK));
        week.and_then(NanoUsd::from_decimal).unwrap_or(NanoUsd(i64::MAX))
    }

    fn charged(&self, prices: &PriceTable) -> Option<Decimal> {
        let usage = Usage {
            input_tokens: Some(self.input),
            output_tokens: Some(self.output),
            cached_tokens: Some(self.cached),
            reasoning_tokens: Some(self.reasoning),
            ..Usage::default()
        };
        pricing::charged(prices, &usage, self.executions)
    }
}

/// By how much a bill must change to be worth a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// In percent of what it was,
    pub percent: u32,
    /// and in money, a month.
    pub amount: NanoUsd,
}

/// A change of prices that moves somebody's bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repricing {
    /// The first fetch that showed the prices that hold now.
    pub since: DateTime<Utc>,
    /// The prices they know of.
    pub before: PriceSchedule,
    /// The prices that hold now.
    pub after: PriceSchedule,
    /// What their month costs under the former,
    pub was: NanoUsd,
    /// and under the latter.
    pub is: NanoUsd,
    /// Their month.
    pub load: Load,
}

/// A change of prices that held: since when, from what, to what.
pub type PriceChange = (DateTime<Utc>, PriceSchedule, PriceSchedule);

impl Repricing {
    /// What a user must be told who knows the prices that held at `known_at`, if anything: all changes since then are
    /// one, so that small ones add up and those that were undone are none.
    #[must_use]
    pub fn due(changes: &[PriceChange], known_at: DateTime<Utc>, load: Load, threshold: Threshold) -> Option<Self> {
        let mut news = changes.iter().filter(|(since, ..)| *since > known_at);
        let (first, before, after) = news.next()?;
        let (since, after) = news.next_back().map_or((first, after), |(since, _, after)| (since, after));
        let (was, is) = (load.cost(before), load.cost(after));
        let moved = i128::from(is.0) - i128::from(was.0);
        let enough = moved.abs() >= i128::from(threshold.amount.0)
            && moved.abs() * 100 >= i128::from(was.0) * i128::from(threshold.percent)
            && moved != 0;
        let (before, after) = (before.clone(), after.clone());
        enough.then_some(Self { since: *since, before, after, was, is, load })
    }

    /// What the month costs more; less where it is below zero.
    #[must_use]
    pub fn difference(&self) -> NanoUsd {
        NanoUsd(self.is.0.saturating_sub(self.was.0))
    }
}

#[cfg(test)]
#[path = "bill/tests.rs"]
mod tests;
