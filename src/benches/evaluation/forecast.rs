//! How well it is foretold when credit ends: at every full hour, against when the user really bought again.

use std::collections::VecDeque;
use std::fmt::Write as _;

use openrouter_monitor::domain::baseline::{Baseline, Expectation, Grain};
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::domain::rule::credit::runway;

use crate::simulator::{FIRST_DAY, World};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// Where nothing is learnt yet, the mean of so many days stands for what is usual.
const MEAN_DAYS: usize = 7;
/// Nothing is foretold before so many days were seen.
const SEEN_DAYS: i64 = 7;
/// The rule tells of what lasts for less.
const TOLD_BELOW_S: i64 = 72 * HOUR_S;
/// How far ahead the end really was, in hours, of the forecasts that are shown together.
const AHEAD_H: [(i64, i64); 3] = [(6, 24), (24, 72), (72, 168)];

/// A user whose credit is foretold.
#[derive(Clone)]
struct Purse {
    days: Baseline,
    last: VecDeque<f64>,
    spent: f64,
    left: Option<i64>,
    /// When something was foretold, and what, since credit was bought.
    foretold: Vec<(i64, i64)>,
}

/// What came of the forecasts, in one world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forecasts {
    /// Hours between what was foretold and what was, for each of [`AHEAD_H`].
    errors: [Vec<f64>; AHEAD_H.len()],
    /// Hours between the first warning and the end.
    notice: Vec<f64>,
    /// Ends that nobody was warned of.
    unwarned: usize,
}

impl Forecasts {
    /// Follows the balances of those to whom nothing out of the ordinary happens.
    pub(crate) fn of(world: &World) -> Self {
        let fresh = Purse {
            days: Baseline::new(Grain::Day),
            last: VecDeque::new(),
            spent: 0.0,
            left: None,
            foretold: Vec::new(),
        };
        let (mut purses, mut forecasts) = (vec![fresh; world.people.len()], Self::default());
        for (day, happened) in (FIRST_DAY..).zip(world.days()) {
            for (user, sums) in happened.steps.iter().flatten() {
                purses[*user].spent += sums.dollars();
            }
            for (hour, balances) in (day * 24 + 1..).zip(&happened.balances) {
                for (user, left) in balances.iter().filter(|(user, _)| world.incident_of(*user).is_none()) {
                    forecasts.read(&mut purses[*user], hour, *left, world.buys_at(*user));
                }
            }
            for purse in &mut purses {
                purse.close(day);
            }
        }
        forecasts
    }

    /// Takes a balance in: credit was bought, or it is foretold when it will be.
    fn read(&mut self, purse: &mut Purse, hour: i64, left: i64, buys_at: i64) {
        let now = hour * HOUR_S;
        let bought = purse.left.is_some_and(|before| left > before);
        purse.left = Some(left);
        if bought {
            self.settle(std::mem::take(&mut purse.foretold), now);
        } else if hour / 24 >= FIRST_DAY + SEEN_DAYS
            && let Some(lasts) = runway(NanoUsd(left - buys_at), now % DAY_S, |ahead| purse.usual(now / DAY_S + ahead))
        {
            purse.foretold.push((now, lasts));
        }
    }

    fn settle(&mut self, foretold: Vec<(i64, i64)>, end: i64) {
        let warned = foretold.iter().find(|(_, lasts)| *lasts < TOLD_BELOW_S);
        match warned {
            Some((at, _)) => self.notice.push(hours(end - at)),
            None if foretold.is_empty() => {}
            None => self.unwarned += 1,
        }
        for (at, lasts) in foretold {
            let ahead = (end - at) / HOUR_S;
            for (errors, (from, until)) in self.errors.iter_mut().zip(AHEAD_H) {
                if (from..until).contains(&ahead) {
                    errors.push(hours(at + lasts - end).abs());
                }
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (mine, theirs) in self.errors.iter_mut().zip(other.errors) {
            mine.extend(theirs);
        }
        self.notice.extend(other.notice);
        self.unwarned += other.unwarned;
    }

    /// A few lines.
    pub(crate) fn table(&self) -> String {
        let mut text = "when credit ends, foretold every hour:\n".to_owned();
        for (errors, (from, until)) in self.errors.iter().zip(AHEAD_H) {
            let _ = writeln!(
                text,
                "  {from} to {until} h before: wrong by {:.1} h (median), {:.1} h (p90), of {} forecasts",
                quantile(errors, 50),
                quantile(errors, 90),
                errors.len()
            );
        }
        let _ = writeln!(
            text,
            "  told below {} h: {:.0} h before the end (median), {:.0} h (p10); {} of {} ends came unannounced",
            TOLD_BELOW_S / HOUR_S,
            quantile(&self.notice, 50),
            quantile(&self.notice, 10),
            self.unwarned,
            self.unwarned + self.notice.len()
        );
        text
    }
}

impl Purse {
    fn usual(&self, day: i64) -> f64 {
        match self.days.expect(day) {
            Expectation::Usual { expected, .. } => expected,
            Expectation::NotEnoughHistory { .. } => {
                let days = f64::from(u32::try_from(self.last.len()).unwrap_or(1));
                self.last.iter().sum::<f64>() / f64::max(days, 1.0)
            }
        }
    }

    fn close(&mut self, day: i64) {
        let spent = std::mem::take(&mut self.spent);
        if spent > 0.0 {
            self.days.close(day, spent);
        }
        self.last.push_back(spent);
        if self.last.len() > MEAN_DAYS {
            self.last.pop_front();
        }
    }
}

fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a few weeks")]
fn hours(seconds: i64) -> f64 {
    seconds as f64 / HOUR_S as f64
}
