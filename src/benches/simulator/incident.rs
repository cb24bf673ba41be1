//! What is out of the ordinary: when it begins and ends, and what it does to a user's calls.

use fastrand::Rng;

use super::STEPS_PER_DAY;
use super::person::Person;
use super::random::{binomial, float, log_normal_sum, poisson, whole};
use super::sums::Sums;

/// Calls of a step that a loop manages at most: two a second.
const LOOP_CALLS: f64 = 600.0;
/// Those who are refused try again and again.
const STORM_RETRIES: f64 = 0.5;
/// Those who are out of credit give up now and then.
const BROKE_TRIES: f64 = 0.5;
/// What a slow drift adds every day.
const DRIFT_A_DAY: f64 = 0.03;
/// Executions of a day with a leaked key, as far as they go.
const LEAK_CALLS: (f64, f64) = (150.0, 3_000.0);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Calls without end: 20 to 100 times the usual for 20 minutes to 3 hours.
    Loop,
    /// Somebody else spends $10 to $200 a day, day and night.
    Leak,
    /// 3 % more every day for weeks: growth, and no alarm.
    Drift,
    /// Three times the usual from a day on, for good: one alarm.
    Step,
    /// 30 to 80 % of the calls end in 429 for 30 minutes to 4 hours.
    Storm,
    /// Every call ends in 402 until credit is bought.
    Broke,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [Self::Loop, Self::Leak, Self::Step, Self::Drift, Self::Storm, Self::Broke];

    /// Whether it is seen in the spend.
    pub(crate) fn is_spend(self) -> bool {
        matches!(self, Self::Loop | Self::Leak | Self::Step | Self::Drift)
    }
}

/// Something out of the ordinary. Times are steps since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incident {
    /// To whom.
    pub(crate) user: usize,
    /// What.
    pub(crate) kind: Kind,
    /// The first step.
    pub(crate) from: i64,
    /// The step after the last.
    pub(crate) until: i64,
    /// Loop, step: how many times the usual. Leak: dollars a day. Drift: for how many days. Storm: the share that is
    /// refused. Broke: the dollars that are left a week before.
    pub(crate) strength: f64,
    /// The first step at which a careful person would raise it; `None` if they would not.
    pub(crate) seen: Option<i64>,
}

impl Incident {
    /// What it makes of a step in which the user would do `sums` at so many calls a step.
    pub(crate) fn bend(&self, sums: &mut Sums, step: i64, rate: f64, person: &Person, rng: &mut Rng) {
        if step < self.from || step >= self.until {
            return;
        }
        match self.kind {
            Kind::Loop => add(sums, f64::min(LOOP_CALLS, person.busy_rate() * self.strength), person, rng),
            Kind::Step => add(sums, rate * (self.strength - 1.0), person, rng),
            Kind::Drift => {
                let days = float((step - self.from) / STEPS_PER_DAY);
                add(sums, rate * ((1.0 + DRIFT_A_DAY).powf(f64::min(days, self.strength)) - 1.0), person, rng);
            }
            Kind::Leak => {
                let calls = (self.strength / person.price).clamp(LEAK_CALLS.0, LEAK_CALLS.1);
                let count = poisson(rng, calls / float(STEPS_PER_DAY));
                let sigma = person.price_sigma;
                let median = self.strength / calls / (sigma * sigma / 2.0).exp();
                sums.add_calls(count, log_normal_sum(rng, count, median, sigma));
            }
            Kind::Storm => {
                add(sums, rate * STORM_RETRIES, person, rng);
                let served = sums.executions - sums.rate_limited();
                let refused = binomial(rng, served, self.strength);
                sums.refuse(refused, person.limited_kind);
            }
            Kind::Broke => {
                let tries = (float(sums.executions) * BROKE_TRIES).ceil();
                *sums = Sums { executions: whole(tries), out_of_credit: whole(tries), ..Sums::default() };
            }
        }
    }
}

/// More calls like the user's own.
fn add(sums: &mut Sums, rate: f64, person: &Person, rng: &mut Rng) {
    let count = poisson(rng, rate);
    sums.add_calls(count, log_normal_sum(rng, count, person.price, person.price_sigma));
}
