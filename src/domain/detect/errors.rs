//! The last errors of the forecast, in order of size.

use std::collections::VecDeque;

/// How many deviations are half of a full score.
pub(super) const HALF: f64 = 4.5;
/// How many errors are kept at most: of a shorter series the latter three fifths, as the first ones are of forecasts
/// that had yet to learn the season.
const KEPT: usize = 2048;
const LEAST_KEPT: usize = 64;
/// Quantiles and their normal scores. Beyond the last one, a hundredth of the errors may be anomalies that change nothing.
const TAIL: [(f64, f64); 4] = [(0.75, 0.6745), (0.9, 1.2816), (0.97, 1.8808), (0.99, 2.3263)];
/// The quantile distance from 0.25 to 0.75 of a normal distribution with deviation 1.
const QUARTILES: f64 = 1.349;
/// With so many errors, the spread is taken to be twice what they say.
const FEW: f64 = 3.0;

/// Errors in order of time and in order of size.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    queue: VecDeque<f64>,
    sorted: Vec<f64>,
    pushed: usize,
}

impl Errors {
    pub(super) fn push(&mut self, error: f64) {
        self.pushed += 1;
        let kept = (self.pushed * 3 / 5).clamp(LEAST_KEPT, KEPT);
        while self.queue.len() >= kept
            && let Some(oldest) = self.queue.pop_front()
        {
            self.sorted.remove(self.place(oldest));
        }
        self.queue.push_back(error);
        self.sorted.insert(self.place(error), error);
    }

    /// How many standard deviations an error is from the median one, by those on its side. `noise` is usual anyway.
    pub(super) fn deviations(&self, error: f64, noise: f64) -> f64 {
        let distance = error - self.centre();
        if distance == 0.0 || self.sorted.is_empty() {
            return 0.0;
        }
        distance.abs() / f64::max(self.spread(distance > 0.0).hypot(noise), f64::MIN_POSITIVE)
    }

    /// The median error.
    pub(super) fn centre(&self) -> f64 {
        self.quantile(0.5)
    }

    fn spread(&self, is_above: bool) -> f64 {
        let centre = self.centre();
        let distance = |at: f64| if is_above { self.quantile(at) - centre } else { centre - self.quantile(1.0 - at) };
        let both = (self.quantile(0.75) - self.quantile(0.25)) / QUARTILES;
        let widest = TAIL.iter().map(|(at, score)| distance(*at) / score).fold(both, f64::max);
        widest * (1.0 + FEW / to_f64(self.sorted.len()))
    }

    /// Between two errors where it falls so (Hyndman & Fan 1996, type 7).
    fn quantile(&self, at: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else { return 0.0 };
        let place = at * to_f64(last);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and KEPT")]
        let below = place as usize;
        let (low, high) = (self.sorted[below], self.sorted[std::cmp::min(below + 1, last)]);
        low + (high - low) * place.fract()
    }

    fn place(&self, error: f64) -> usize {
        self.sorted.partition_point(|one| one.total_cmp(&error).is_lt())
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most KEPT")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
