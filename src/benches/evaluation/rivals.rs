//! What is commonly done: so many times the average, and three standard deviations above it.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::detector::Judge;
use crate::simulator::careful::FLOOR;

/// How many days the averages are taken over, and how many active ones there must be.
const DAYS: i64 = 14;
const KNOWN_DAYS: usize = 3;
const TIMES: f64 = 3.0;
const SIGMAS: f64 = 3.0;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// The last two weeks of a user.
#[derive(Default)]
struct History {
    hours: VecDeque<(i64, f64)>,
    days: VecDeque<(i64, f64)>,
}

impl History {
    fn learn_hour(&mut self, hour: i64, dollars: f64) {
        self.hours.push_back((hour, dollars));
        while self.hours.front().is_some_and(|(at, _)| *at < hour - DAYS * 24) {
            self.hours.pop_front();
        }
    }

    fn learn_day(&mut self, day: i64, dollars: f64) {
        self.days.push_back((day, dollars));
        while self.days.front().is_some_and(|(at, _)| *at < day - DAYS) {
            self.days.pop_front();
        }
    }
}

/// Three times the average active hour or day.
#[derive(Default)]
pub(crate) struct TimesAverage(History);

impl Judge for TimesAverage {
    fn learn_hour(&mut self, hour: i64, dollars: f64) {
        self.0.learn_hour(hour, dollars);
    }

    fn learn_day(&mut self, day: i64, dollars: f64) {
        self.0.learn_day(day, dollars);
    }

    fn is_spike(&mut self, _at: DateTime<Utc>, hour: f64, day: f64) -> bool {
        let is_far = |amount: f64, known: &VecDeque<(i64, f64)>| {
            let (mean, _) = moments(known.iter().map(|(_, dollars)| *dollars));
            amount >= mean + FLOOR && amount > TIMES * mean
        };
        self.0.days.len() >= KNOWN_DAYS && (is_far(hour, &self.0.hours) || is_far(day, &self.0.days))
    }
}

/// Three standard deviations above the average of the days, or of this hour of the days; an hour or a day without
/// executions is one without spend.
#[derive(Default)]
pub(crate) struct ThreeSigma(History);

impl Judge for ThreeSigma {
    fn learn_hour(&mut self, hour: i64, dollars: f64) {
        self.0.learn_hour(hour, dollars);
    }

    fn learn_day(&mut self, day: i64, dollars: f64) {
        self.0.learn_day(day, dollars);
    }

    fn is_spike(&mut self, at: DateTime<Utc>, hour: f64, day: f64) -> bool {
        let Some((first, _)) = self.0.days.front().filter(|_| self.0.days.len() >= KNOWN_DAYS) else {
            return false;
        };
        let (this_day, this_hour) = (at.timestamp() / DAY_S, at.timestamp() / HOUR_S);
        let known = std::cmp::max(*first, this_day - DAYS)..this_day;
        let of = |known: &VecDeque<(i64, f64)>, number: i64| {
            known.binary_search_by_key(&number, |(at, _)| *at).map_or(0.0, |place| known[place].1)
        };
        let days = known.clone().map(|day| of(&self.0.days, day));
        let hours = known.map(|day| of(&self.0.hours, this_hour - 24 * (this_day - day)));
        is_beyond(hour, hours) || is_beyond(day, days)
    }
}

fn is_beyond(amount: f64, known: impl Iterator<Item = f64>) -> bool {
    if amount < FLOOR {
        return false;
    }
    let (mean, deviation) = moments(known);
    amount >= mean + FLOOR && amount > mean + SIGMAS * deviation
}

/// Mean and standard deviation.
fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
    }
    let mean = sum / f64::max(count, 1.0);
    (mean, f64::max(0.0, squares / f64::max(count, 1.0) - mean * mean).sqrt())
}
