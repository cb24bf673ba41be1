//! The spike detector as a stream over any series: a forecast before each value, and how unusual the value then is.
//!
//! - The **forecast** mixes simple ones (medians of the last values, over several windows; medians of the same time
//!   yesterday, last week and one detected period ago, each with and without the present offset), weighted by how well
//!   each did lately (Bates & Granger 1969): whichever seasons a series has, those that help are used.
//! - The **score** is the error over the upper or the lower quantiles of the last errors, each divided by its normal
//!   score, the widest of them (see `errors`): robust against earlier anomalies, and wide where a series is spiky by
//!   nature. A series without negative values is judged by its logarithms as well, and the more unusual of both counts:
//!   a fall to a tenth is as strange as a rise to tenfold, which a difference does not show.
//! - What is learned is **cleaned** (Gelper, Fried & Croux 2010): an unusual value counts for half of what the limit
//!   does, until so many in a row lay on one side that it is the new level.
//!
//! The state is bounded (some 100 kB). Unlike a [`super::baseline::Baseline`], of which a platform has millions, it
//! looks both ways and takes values of any sign, scale and step.

use errors::{Errors, HALF};
use forecast::{Forecast, Forecasts};
use grid::Grid;

mod errors;
mod forecast;
mod grid;
mod period;

/// What a row is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// What was expected from the rows before; the first value is expected to be what it is.
    pub expected: f64,
    /// How unusual the value is, from 0 to 1, high or low; 0.5 is where a careful person would begin to worry.
    pub score: f64,
}

/// The largest size of a value: sums and differences of such are still numbers.
pub const MOST: f64 = 1e100;
/// Rows before anything is judged.
const WARM_UP: u32 = 12;
/// How fast the score rises with the deviations: at twice those of one half it is 8/9.
const STEEPNESS: f64 = 3.0;
/// The unusual values in a row on one side that are a new level: those of a day, but at least and at most so many.
const LEAST_RUN: usize = 5;
const MOST_RUN: usize = 24;
const DAY_S: i64 = 86_400;
/// How much of what is within the limit an unusual value still tells the forecasts.
const CLEANED: f64 = 0.5;
/// The memory of the level that logarithms are relative to, in rows.
const LEVEL_MEMORY: f64 = 100.0;
/// The part of the level that is added before logarithms are taken: zeros have some, and noise near them is small.
const LOG_UNIT: f64 = 0.1;
/// Errors of this part of the steepest neighbouring step of the season are usual: seasons are not on time.
const STEP_NOISE: f64 = 0.3;
/// Errors of this part of the series' usual movement are usual: nothing is ever forecast perfectly.
const MOVEMENT_NOISE: f64 = 0.02;
/// Errors of this part of the forecast are usual.
const VALUE_NOISE: f64 = 0.002;

/// A series so far.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    rows: u32,
    grid: Grid,
    forecasts: Forecasts,
    errors: Errors,
    /// The same as logarithms.
    ratios: Errors,
    /// The weighted mean of the sizes of what was forecast.
    level: f64,
    has_negative: bool,
    /// The unusual values in a row on one side, with their slots.
    run: Vec<(i64, f64)>,
    run_is_above: bool,
}

/// How far from usual an error is.
struct Judged {
    /// In standard deviations.
    deviations: f64,
    /// The error, cut off where it would score one half.
    clipped: f64,
}

impl Stream {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a value by those before it, then learns it. Times are unix seconds. A value at a time that is not later
    /// than the last one is judged but teaches nothing. A value beyond [`MOST`], or no number, scores 0 and counts as missing.
    pub fn push(&mut self, at: i64, value: f64) -> Scored {
        if value.is_nan() || value.abs() > MOST {
            return Scored { expected: self.skip(at).unwrap_or_default(), score: 0.0 };
        }
        let is_new = self.grid.move_to(at);
        self.has_negative |= value < 0.0;
        let Some(forecast) = self.forecasts.make(&self.grid) else {
            self.grid.put(value);
            self.rows += 1;
            return Scored { expected: value, score: 0.0 };
        };
        let judged = self.judge(value, &forecast);
        let score = if self.rows < WARM_UP { 0.0 } else { score(judged.deviations) };
        if is_new {
            self.learn(value, forecast.value, score >= 0.5, judged.clipped);
        }
        Scored { expected: forecast.value, score }
    }

    /// What is expected at a time whose value is missing, once there was a value.
    pub fn skip(&mut self, at: i64) -> Option<f64> {
        self.grid.move_to(at);
        self.forecasts.make(&self.grid).map(|forecast| forecast.value)
    }

    fn judge(&self, value: f64, forecast: &Forecast) -> Judged {
        let error = value - forecast.value;
        let movement = MOVEMENT_NOISE * self.forecasts.movement();
        let noise = (STEP_NOISE * forecast.step).hypot(movement).hypot(VALUE_NOISE * forecast.value);
        let by_error = self.errors.deviations(error, noise);
        let by_ratio = self.ratio(value, forecast.value).map_or(0.0, |ratio| {
            let noise = noise / (f64::max(forecast.value, 0.0) + LOG_UNIT * self.level);
            self.ratios.deviations(ratio, noise)
        });
        let deviations = f64::max(by_error, by_ratio);
        let centre = self.errors.centre();
        let clipped = if deviations > HALF { centre + (error - centre) * HALF / deviations } else { error };
        Judged { deviations, clipped }
    }

    /// The error as a logarithm, of a series without negative values.
    fn ratio(&self, value: f64, expected: f64) -> Option<f64> {
        let unit = LOG_UNIT * self.level;
        (!self.has_negative && unit > 0.0).then(|| ((value + unit) / (f64::max(expected, 0.0) + unit)).ln())
    }

    fn learn(&mut self, value: f64, expected: f64, is_unusual: bool, clipped: f64) {
        self.rows = self.rows.saturating_add(1);
        self.level += (expected.abs() - self.level) * f64::max(1.0 / f64::from(self.rows), 1.0 / LEVEL_MEMORY);
        if !is_unusual {
            self.run.clear();
            self.learn_error(value, expected);
            self.forecasts.learn(value);
            self.grid.put(value);
            return;
        }
        if self.run.is_empty() || self.run_is_above != (value > expected) {
            self.run.clear();
            self.run_is_above = value > expected;
            self.learn_error(expected + clipped, expected);
        }
        self.run.push((self.grid.slot(), value));
        self.grid.put(expected + CLEANED * clipped);
        if self.run.len() >= self.shifted_after() {
            for (slot, value) in std::mem::take(&mut self.run) {
                self.grid.mend(slot, value);
            }
            self.forecasts.make(&self.grid);
            self.forecasts.shift_to(value);
        }
    }

    fn shifted_after(&self) -> usize {
        usize::try_from(DAY_S / self.grid.step()).unwrap_or(MOST_RUN).clamp(LEAST_RUN, MOST_RUN)
    }

    fn learn_error(&mut self, value: f64, expected: f64) {
        self.errors.push(value - expected);
        if let Some(ratio) = self.ratio(value, expected) {
            self.ratios.push(ratio);
        }
    }
}

fn score(deviations: f64) -> f64 {
    1.0 / (1.0 + (HALF / deviations).powf(STEEPNESS))
}

/// The median, between the two in the middle where there are two.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests;
