//! Ours: the baseline of the user's hours and that of the days, and what was told or seen before.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use openrouter_monitor::domain::baseline::{Baseline, Grain, Threshold};

use super::detector::Judge;
use crate::simulator::careful::FLOOR;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// When spend is a spike.
const THRESHOLD: Threshold = Threshold { score: 0.5, above: FLOOR };
/// What was told counts as known for so long: only what is this many times as high is told again.
const KNOWN_FOR: TimeDelta = TimeDelta::days(7);
const TOLD_AGAIN_TIMES: f64 = 2.0;
/// An incident goes on while its reason was there within the last hour.
const KEEP_FIRING: TimeDelta = TimeDelta::hours(1);
/// A spike that had one up to so many times smaller a month ago, so many days before, is a monthly run.
const MONTH: RangeInclusive<i64> = 28..=31;
const MONTHLY_TIMES: f64 = 1.5;

/// A user's baselines, and what was told or seen before.
pub(crate) struct Ours {
    hours: Baseline,
    days: Baseline,
    told: Option<Told>,
    /// The spikes among the days of the last month.
    spikes: VecDeque<(i64, f64)>,
}

/// The highest that was told.
struct Told {
    /// When it was last so that it was told.
    firing: DateTime<Utc>,
    /// When it was last so, told or known.
    at: DateTime<Utc>,
    hour: f64,
    day: f64,
}

impl Default for Ours {
    fn default() -> Self {
        Self { hours: Baseline::new(Grain::Hour), days: Baseline::new(Grain::Day), told: None, spikes: VecDeque::new() }
    }
}

impl Judge for Ours {
    fn learn_hour(&mut self, hour: i64, dollars: f64) {
        self.hours.close(hour, dollars);
    }

    fn learn_day(&mut self, day: i64, dollars: f64) {
        if is_far(&self.days, day, dollars) {
            self.spikes.push_back((day, dollars));
        }
        while self.spikes.front().is_some_and(|(then, _)| *then < day - MONTH.end()) {
            self.spikes.pop_front();
        }
        self.days.close(day, dollars);
    }

    fn is_spike(&mut self, at: DateTime<Utc>, hour: f64, day: f64) -> bool {
        let seconds = at.timestamp();
        let today = seconds / DAY_S;
        let is_far = is_far(&self.hours, seconds / HOUR_S, hour) || is_far(&self.days, today, day);
        is_far && !self.is_monthly(today, day) && self.is_news(at, hour, day)
    }
}

impl Ours {
    fn is_monthly(&self, today: i64, day: f64) -> bool {
        self.spikes.iter().any(|(then, dollars)| MONTH.contains(&(today - then)) && day <= MONTHLY_TIMES * dollars)
    }

    /// Whether a spike goes on that was told, or has not been told at all, or not so high.
    fn is_news(&mut self, at: DateTime<Utc>, hour: f64, day: f64) -> bool {
        let Some(told) = self.told.take().filter(|told| at - told.at <= KNOWN_FOR) else {
            self.told = Some(Told { firing: at, at, hour, day });
            return true;
        };
        let is_higher = hour > TOLD_AGAIN_TIMES * told.hour || day > TOLD_AGAIN_TIMES * told.day;
        let is_news = at - told.firing <= KEEP_FIRING || is_higher;
        self.told = Some(if is_news {
            Told { firing: at, at, hour: f64::max(hour, told.hour), day: f64::max(day, told.day) }
        } else {
            Told { at, ..told }
        });
        is_news
    }
}

/// The floor goes first: it is cheaper, and most hours and days are below it.
fn is_far(known: &Baseline, slot: i64, dollars: f64) -> bool {
    dollars >= FLOOR && THRESHOLD.is_spike(&known.expect(slot), dollars)
}
