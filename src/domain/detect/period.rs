//! The period of a series that the calendar does not tell.

use super::grid::Grid;
use super::median;

/// How many of the last values are looked at: enough for three periods of 680.
const LOOKED_AT: usize = 2048;
/// The least autocorrelation of a period.
const LEAST: f64 = 0.4;
/// The series must first have become unlike itself to this degree: else every smooth series had a short period.
const UNLIKE: f64 = 0.2;
/// How much higher the peak of a longer period must be: a period's multiples are as good, but slower to learn.
const HIGHER: f64 = 0.02;

/// The lag of the highest peak of the autocorrelation, where it is clear. The values' highest and lowest twentieths
/// are cut off, as one spike would outweigh all.
pub(super) fn detect(grid: &Grid) -> Option<usize> {
    let values = centred(grid)?;
    let power: f64 = values.iter().map(|value| value * value).sum();
    if power <= 0.0 {
        return None;
    }
    let correlation = |lag: usize| {
        let sum: f64 = values[lag..].iter().zip(&values).map(|(one, other)| one * other).sum();
        sum / power * to_f64(values.len()) / to_f64(values.len() - lag)
    };
    let all: Vec<f64> = (0..=values.len() / 3).map(correlation).collect();
    let unlike = all.iter().position(|correlation| *correlation < UNLIKE)?;
    let (mut best, mut peak) = (0, LEAST);
    for lag in unlike..all.len() - 1 {
        let is_peak = all[lag] >= all[lag - 1] && all[lag] >= all[lag + 1];
        if is_peak && all[lag] > peak + if best == 0 { 0.0 } else { HIGHER } {
            (best, peak) = (lag, all[lag]);
        }
    }
    (best > 0).then_some(best)
}

fn centred(grid: &Grid) -> Option<Vec<f64>> {
    let values: Vec<_> = (1..=std::cmp::min(grid.filled(), LOOKED_AT)).map(|ago| grid.ago(ago)).collect();
    let mut known: Vec<f64> = values.iter().copied().flatten().collect();
    let centre = median(&mut known)?;
    let cut = known.len() / 20;
    let (low, high) = (known[cut], known[known.len() - 1 - cut]);
    let values: Vec<f64> =
        values.iter().map(|value| value.map_or(0.0, |value| value.clamp(low, high) - centre)).collect();
    let mean = values.iter().sum::<f64>() / to_f64(values.len());
    Some(values.into_iter().map(|value| value - mean).collect())
}

#[expect(clippy::cast_precision_loss, reason = "at most LOOKED_AT")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
