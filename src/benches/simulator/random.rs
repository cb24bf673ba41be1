//! Draws from the distributions that calls and their costs follow.

use std::f64::consts::TAU;

use fastrand::Rng;

/// From so many on, counts and sums are drawn from the normal distribution that they come close to.
const MANY: f64 = 32.0;

/// A number that depends on these two and on nothing else.
pub(crate) fn mixed(seed: u64, number: i64) -> u64 {
    Rng::with_seed(seed ^ Rng::with_seed(number.cast_unsigned()).u64(..)).u64(..)
}

/// A draw of mean 0 and deviation 1.
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos()
}

/// A draw whose logarithm is normal.
pub(crate) fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    median * (sigma * normal(rng)).exp()
}

/// A factor whose logarithm is normal and whose mean is 1.
pub(crate) fn factor(rng: &mut Rng, sigma: f64) -> f64 {
    log_normal(rng, (-sigma * sigma / 2.0).exp(), sigma)
}

/// How many of independent events happen.
pub(crate) fn poisson(rng: &mut Rng, mean: f64) -> i64 {
    if mean >= MANY {
        return whole(mean + mean.sqrt() * normal(rng));
    }
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

/// How many of so many have a share's luck.
pub(crate) fn binomial(rng: &mut Rng, of: i64, share: f64) -> i64 {
    let mean = float(of) * share;
    if mean >= MANY {
        return std::cmp::min(of, whole(mean + (mean * (1.0 - share)).sqrt() * normal(rng)));
    }
    (0..of).filter(|_| rng.f64() < share).fold(0, |count, _| count + 1)
}

/// The sum of so many log-normal draws.
pub(crate) fn log_normal_sum(rng: &mut Rng, count: i64, median: f64, sigma: f64) -> f64 {
    let number = float(count);
    if number < MANY {
        return (0..count).map(|_| log_normal(rng, median, sigma)).sum();
    }
    let mean = median * (sigma * sigma / 2.0).exp();
    let deviation = mean * (number * (sigma * sigma).exp_m1()).sqrt();
    // A sum of costs has no lower tail to speak of.
    f64::max(0.3 * number * mean, number * mean + deviation * normal(rng))
}

/// A whole number from a draw, none below zero.
#[expect(clippy::cast_possible_truncation, reason = "counts and costs of a simulation are far below 2^53")]
pub(crate) fn whole(value: f64) -> i64 {
    f64::max(0.0, value.round()) as i64
}

/// A number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts and costs of a simulation are far below 2^53")]
pub(crate) fn float(value: i64) -> f64 {
    value as f64
}
