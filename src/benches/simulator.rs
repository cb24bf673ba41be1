//! A platform's users over sixty days, step by step, with what is out of the ordinary and the truth about it.
//!
//! A user's day depends on the seed, the user and the day alone: any day can be made again, with its incident or
//! without, and none needs to be kept.

pub(crate) mod careful;
pub(crate) mod incident;
pub(crate) mod person;
mod plan;
mod random;
pub(crate) mod sums;

use chrono::{DateTime, Utc};
use fastrand::Rng;

use incident::{Incident, Kind};
use person::Person;
use random::{binomial, float, log_normal_sum, mixed, poisson, whole};
use sums::Sums;

/// Users of the platform.
pub(crate) const USERS: usize = 2_000;
/// How long it is watched, and from which day since 1970 on: Monday, 14 September 2026, so that the clocks change.
pub(crate) const DAYS: i64 = 60;
pub(crate) const FIRST_DAY: i64 = 20_710;
/// Steps are five minutes long and counted from 1970.
pub(crate) const STEPS_PER_HOUR: i64 = 12;
pub(crate) const STEPS_PER_DAY: i64 = 24 * STEPS_PER_HOUR;
/// Seconds of a step.
const STEP_S: i64 = 300;
/// The step after the last.
pub(crate) const END: i64 = (FIRST_DAY + DAYS) * STEPS_PER_DAY;

/// Failures of an ordinary day that are charged, of all calls.
const CHARGED_SHARE: f64 = 0.004;
/// Credit is bought for so many days, and again when a tenth is left.
const CREDIT_DAYS: f64 = 14.0;
const LEFT: f64 = 0.1;

/// When a step begins.
pub(crate) fn time_of(step: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(step * STEP_S, 0).unwrap_or_default()
}

/// The users, and what happens to them.
pub(crate) struct World {
    /// Known by their place.
    pub(crate) people: Vec<Person>,
    /// One at most for each user.
    pub(crate) incidents: Vec<Incident>,
    by_user: Vec<Option<usize>>,
}

/// What all users do in a day.
pub(crate) struct Day {
    /// The users that ran something in each step, in the order of their places, with what they did.
    pub(crate) steps: Vec<Vec<(usize, Sums)>>,
    /// The balances at the end of each hour, in nano-dollars, of the users that have one.
    pub(crate) balances: Vec<Vec<(usize, i64)>>,
}

impl World {
    /// The same seed gives the same world.
    pub(crate) fn new(seed: u64) -> Self {
        let mut place = 0;
        let people: Vec<Person> = std::iter::repeat_with(|| {
            place += 1;
            Person::drawn(mixed(seed, place))
        })
        .take(USERS)
        .collect();
        let incidents = plan::incidents(seed, &people);
        let mut by_user = vec![None; USERS];
        for (place, incident) in incidents.iter().enumerate() {
            by_user[incident.user] = Some(place);
        }
        Self { people, incidents, by_user }
    }

    /// What happens to a user.
    pub(crate) fn incident_of(&self, user: usize) -> Option<&Incident> {
        self.by_user[user].map(|place| &self.incidents[place])
    }

    /// The balance in nano-dollars at which a user buys credit.
    pub(crate) fn buys_at(&self, user: usize) -> i64 {
        whole(float(credit(&self.people[user])) * LEFT)
    }

    /// Day by day.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> + '_ {
        let mut balances: Vec<Option<i64>> = self.people.iter().map(first_balance).collect();
        (FIRST_DAY..FIRST_DAY + DAYS).map(move |day| self.day(day, &mut balances))
    }

    fn day(&self, day: i64, balances: &mut [Option<i64>]) -> Day {
        let mut steps: Vec<Vec<(usize, Sums)>> = (0..STEPS_PER_DAY).map(|_| Vec::new()).collect();
        let mut hours: Vec<Vec<(usize, i64)>> = (0..24).map(|_| Vec::new()).collect();
        let mut sums = Vec::new();
        for (user, person) in self.people.iter().enumerate() {
            let incident = self.incident_of(user);
            fill(&mut sums, person, incident, day);
            for (place, step) in sums.iter().enumerate().filter(|(_, step)| step.executions > 0) {
                steps[place].push((user, *step));
            }
            let broke = incident.filter(|incident| incident.kind == Kind::Broke);
            let Some(balance) = (if broke.is_some() { balances[user].or(Some(0)) } else { balances[user] }) else {
                continue;
            };
            balances[user] = Some(pay(balance, (user, day), person, broke, &sums, &mut hours));
        }
        Day { steps, balances: hours }
    }
}

/// What a user does in each step of a day.
pub(crate) fn fill(sums: &mut Vec<Sums>, person: &Person, incident: Option<&Incident>, day: i64) {
    sums.clear();
    // The usual calls are the same whatever happens besides.
    let (mut usual, mut extra) =
        (Rng::with_seed(mixed(person.seed ^ 3, day)), Rng::with_seed(mixed(person.seed ^ 4, day)));
    for (step, rate) in (day * STEPS_PER_DAY..).zip(person.rates(day)) {
        let mut step_sums = if rate > 0.0 { usual_calls(rate, person, &mut usual) } else { Sums::default() };
        if let Some(incident) = incident {
            incident.bend(&mut step_sums, step, rate, person, &mut extra);
        }
        sums.push(step_sums);
    }
}

fn usual_calls(rate: f64, person: &Person, rng: &mut Rng) -> Sums {
    let mut sums = Sums::default();
    let count = poisson(rng, rate);
    if count == 0 {
        return sums;
    }
    sums.add_calls(count, log_normal_sum(rng, count, person.price, person.price_sigma));
    sums.refuse(binomial(rng, count, person.limited_share), person.limited_kind);
    let served = sums.executions - sums.rate_limited();
    sums.charged_failures = binomial(rng, served, CHARGED_SHARE);
    if sums.charged_failures > 0 {
        sums.charged_failure_cost = whole(float(sums.cost) * float(sums.charged_failures) / float(served));
    }
    sums
}

fn credit(person: &Person) -> i64 {
    whole(person.dollars() * CREDIT_DAYS * 1e9)
}

fn first_balance(person: &Person) -> Option<i64> {
    person.has_balance.then(|| credit(person))
}

/// Pays a day's executions from a balance, buys credit when little is left, and notes the balance at each full hour.
fn pay(
    mut balance: i64,
    (user, day): (usize, i64),
    person: &Person,
    broke: Option<&Incident>,
    sums: &[Sums],
    hours: &mut [Vec<(usize, i64)>],
) -> i64 {
    for (step, sums) in (day * STEPS_PER_DAY..).zip(sums) {
        balance -= sums.cost;
        let ends = broke.filter(|incident| (incident.from - plan::BROKE_LEAD..incident.until).contains(&step));
        match ends {
            Some(incident) if step == incident.from - plan::BROKE_LEAD => balance = whole(incident.strength * 1e9),
            Some(incident) if step >= incident.from => balance = 0,
            None if float(balance) <= float(credit(person)) * LEFT => balance += credit(person),
            _ => {}
        }
        if (step + 1) % STEPS_PER_HOUR == 0 {
            let hour = usize::try_from(step.rem_euclid(STEPS_PER_DAY) / STEPS_PER_HOUR).unwrap_or(0);
            hours[hour].push((user, balance));
        }
    }
    balance
}
