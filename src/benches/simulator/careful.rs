//! What a careful person would raise who looks at a user's last four weeks and knows what happened.
//!
//! Spend: the hour or the day so far is ≥ $5 above the usual, at least twice the usual and a quarter more than was
//! ever seen in such hours or days of the last four weeks, and what happened alone makes up ≥ $5 of it. 429: more than 10 % of the
//! last sixty minutes' executions, of which there are at least 20. 402: the first.

use super::incident::{Incident, Kind};
use super::person::Person;
use super::sums::{Running, Sums};
use super::{STEPS_PER_DAY, STEPS_PER_HOUR, fill};

/// What spend must be above the usual.
pub(crate) const FLOOR: f64 = 5.0;
/// How often what is raised is more than usual, at least.
const TIMES: f64 = 2.0;
/// And how often the most that was ever seen.
const MARGIN: f64 = 1.25;
/// How far back a careful person looks, in days.
const LOOKS_BACK: i64 = 28;
/// A step is a step within so many days, or it isn't one.
const STEP_DAYS: i64 = 3;
/// Executions of an hour, and the part of them that ends in 429.
const STORM_EXECUTIONS: i64 = 20;
const STORM_PART: i64 = 10;

/// The first step at which an incident is to be raised; `None` if it is not.
pub(super) fn seen(person: &Person, incident: &Incident) -> Option<i64> {
    let usual = Usual::before(person, incident.from / STEPS_PER_DAY);
    let until = match incident.kind {
        Kind::Drift => return None,
        Kind::Step => incident.from + STEP_DAYS * STEPS_PER_DAY,
        _ => incident.until,
    };
    let (mut now, mut without) = (Running::default(), Running::default());
    let (mut bent, mut plain) = (Vec::new(), Vec::new());
    for day in incident.from / STEPS_PER_DAY..=until / STEPS_PER_DAY {
        fill(&mut bent, person, Some(incident), day);
        fill(&mut plain, person, None, day);
        for ((step, bent), plain) in (day * STEPS_PER_DAY..).zip(&bent).zip(&plain) {
            now.add(step, *bent);
            without.add(step, *plain);
            if bent.executions == 0 || step < incident.from || step >= until {
                continue;
            }
            let is_seen = match incident.kind {
                Kind::Broke => now.last_hour.out_of_credit > 0,
                Kind::Storm => is_storm(&now.last_hour),
                _ => usual.is_spike(step, &now, &without),
            };
            if is_seen {
                return Some(step);
            }
        }
    }
    None
}

/// Whether so many of an hour's executions end in 429 that it is to be raised.
pub(crate) fn is_storm(hour: &Sums) -> bool {
    hour.executions >= STORM_EXECUTIONS && hour.rate_limited() * STORM_PART > hour.executions
}

/// The dollars of each hour of the last weeks.
pub(crate) struct Usual {
    days: Vec<(i64, [f64; 24])>,
}

impl Usual {
    /// Of the four weeks before a day, without what happened.
    fn before(person: &Person, day: i64) -> Self {
        let mut sums = Vec::new();
        let days = (day - LOOKS_BACK..day).map(|day| {
            fill(&mut sums, person, None, day);
            let mut hours = [0.0; 24];
            let dollars = sums.chunks(usize::try_from(STEPS_PER_HOUR).unwrap_or(1));
            for (hour, steps) in hours.iter_mut().zip(dollars) {
                *hour = steps.iter().map(Sums::dollars).sum();
            }
            (day, hours)
        });
        Self { days: days.collect() }
    }

    fn is_spike(&self, step: i64, now: &Running, without: &Running) -> bool {
        let (day, hour) = (step / STEPS_PER_DAY, step / STEPS_PER_HOUR % 24);
        let alike = || self.days.iter().filter(|(other, _)| is_weekend(*other) == is_weekend(day)).map(|(_, day)| day);
        let days = alike().map(|hours| hours.iter().sum::<f64>());
        let hours = alike()
            .flat_map(|hours| [hour + 23, hour, hour + 1].map(|hour| hours[usize::try_from(hour % 24).unwrap_or(0)]));
        let (of_day, without_day) = (now.day.dollars(), without.day.dollars());
        let (of_hour, without_hour) = (now.hour.dollars(), without.hour.dollars());
        (of_day - without_day >= FLOOR && stands_out(of_day, days))
            || (of_hour - without_hour >= FLOOR && stands_out(of_hour, hours))
    }
}

/// Whether an amount is far above others; nothing at all among them does not count.
fn stands_out(amount: f64, others: impl Iterator<Item = f64>) -> bool {
    let (mut count, mut sum, mut most) = (0.0, 0.0, 0.0);
    for other in others.filter(|other| *other > 0.0) {
        (count, sum, most) = (count + 1.0, sum + other, f64::max(most, other));
    }
    let usual = sum / f64::max(count, 1.0);
    amount >= usual + FLOOR && amount >= TIMES * usual && amount > MARGIN * most
}

/// Whether a day since 1970 is a Saturday or Sunday.
fn is_weekend(day: i64) -> bool {
    (day + 3).rem_euclid(7) >= 5
}
