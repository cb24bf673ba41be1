//! What is summed of a user's executions, and the sums as a rule sees them while time goes on.

use std::collections::VecDeque;
use std::ops::AddAssign;

use super::random::{float, whole};
use super::{STEPS_PER_DAY, STEPS_PER_HOUR};

/// Nano-dollars in a dollar.
const NANOS: f64 = 1e9;

/// Sums of executions, under the names that the rollups have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// How many there were.
    pub(crate) executions: i64,
    /// Nano-dollars spent.
    pub(crate) cost: i64,
    /// 429 of the account or key.
    pub(crate) limited_account: i64,
    /// 429 of the provider behind.
    pub(crate) limited_upstream: i64,
    /// 429 of the free models' allowance.
    pub(crate) limited_free: i64,
    /// Out of credit, in flight budgets aside.
    pub(crate) out_of_credit: i64,
    /// Failed and charged.
    pub(crate) charged_failures: i64,
    /// Nano-dollars spent on those.
    pub(crate) charged_failure_cost: i64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.executions += other.executions;
        self.cost += other.cost;
        self.limited_account += other.limited_account;
        self.limited_upstream += other.limited_upstream;
        self.limited_free += other.limited_free;
        self.out_of_credit += other.out_of_credit;
        self.charged_failures += other.charged_failures;
        self.charged_failure_cost += other.charged_failure_cost;
    }
}

impl Sums {
    /// 429s of every kind.
    pub(crate) fn rate_limited(&self) -> i64 {
        self.limited_account + self.limited_upstream + self.limited_free
    }

    /// Dollars spent.
    pub(crate) fn dollars(&self) -> f64 {
        float(self.cost) / NANOS
    }

    /// Adds executions that cost so many dollars together.
    pub(crate) fn add_calls(&mut self, count: i64, dollars: f64) {
        self.executions += count;
        self.cost += whole(dollars * NANOS);
    }

    /// Lets so many of the served executions end in 429, which costs nothing.
    pub(crate) fn refuse(&mut self, count: i64, kind: usize) {
        let served = self.executions - self.rate_limited();
        if count == 0 || served == 0 {
            return;
        }
        self.cost = whole(float(self.cost) * float(served - count) / float(served));
        *[&mut self.limited_account, &mut self.limited_upstream, &mut self.limited_free][kind] += count;
    }
}

/// The sums of one user as they stand at the end of a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    /// Of the hour of the clock, so far.
    pub(crate) hour: Sums,
    /// Of the day in UTC, so far.
    pub(crate) day: Sums,
    /// Of the last sixty minutes.
    pub(crate) last_hour: Sums,
    step: i64,
    recent: VecDeque<(i64, Sums)>,
}

impl Running {
    /// Adds what was done in a step.
    pub(crate) fn add(&mut self, step: i64, sums: Sums) {
        if step.div_euclid(STEPS_PER_HOUR) != self.step.div_euclid(STEPS_PER_HOUR) {
            self.hour = Sums::default();
        }
        if step.div_euclid(STEPS_PER_DAY) != self.step.div_euclid(STEPS_PER_DAY) {
            self.day = Sums::default();
        }
        self.step = step;
        self.hour += sums;
        self.day += sums;
        self.recent.push_back((step, sums));
        while self.recent.front().is_some_and(|(at, _)| *at <= step - STEPS_PER_HOUR) {
            self.recent.pop_front();
        }
        self.last_hour = Sums::default();
        for (_, sums) in &self.recent {
            self.last_hour += *sums;
        }
    }
}
