//! To whom something happens, and when.

use fastrand::Rng;

use super::incident::{Incident, Kind};
use super::person::Person;
use super::{DAYS, END, FIRST_DAY, STEPS_PER_DAY, STEPS_PER_HOUR, careful, fill};

/// Incidents of each kind that are to be raised (of drifts, that are not), and how many are too small to be.
const WANTED: usize = 50;
const SMALL: usize = 20;
/// Nothing happens before the world has been watched for so many days, and to nobody who is there for less.
const FIRST_WEEKS: i64 = 21;
const KNOWN_DAYS: i64 = 14;
/// A drift that moves less than this many dollars a day shows nothing.
const DRIFT_DOLLARS: f64 = 2.0;
/// The balance of those whose credit ends is settled so many steps before.
pub(super) const BROKE_LEAD: i64 = 7 * STEPS_PER_DAY;

/// All incidents of a world, in the order of their kinds.
pub(super) fn incidents(seed: u64, people: &[Person]) -> Vec<Incident> {
    let mut rng = Rng::with_seed(seed ^ 0x1ac1_de47);
    let mut users: Vec<usize> = (0..people.len()).collect();
    rng.shuffle(&mut users);
    let mut incidents = Vec::new();
    for kind in Kind::ALL {
        let (mut wanted, mut small) = (0, 0);
        while wanted < WANTED
            && let Some(user) = users.pop()
        {
            let Some(mut incident) = drawn(kind, user, &people[user], &mut rng) else { continue };
            incident.seen = careful::seen(&people[user], &incident);
            let count = if incident.seen.is_some() || kind == Kind::Drift { &mut wanted } else { &mut small };
            *count += 1;
            if incident.seen.is_some() || kind == Kind::Drift || small <= SMALL {
                incidents.push(incident);
            }
        }
    }
    incidents
}

/// Something that happens to a user; `None` if it cannot.
fn drawn(kind: Kind, user: usize, person: &Person, rng: &mut Rng) -> Option<Incident> {
    let length = match kind {
        Kind::Loop => rng.i64(4..=3 * STEPS_PER_HOUR),
        Kind::Leak => rng.i64(2 * STEPS_PER_DAY..10 * STEPS_PER_DAY),
        Kind::Drift => rng.i64(21..=35) * STEPS_PER_DAY,
        Kind::Step => 3 * STEPS_PER_DAY,
        Kind::Storm => rng.i64(STEPS_PER_HOUR / 2..=4 * STEPS_PER_HOUR),
        Kind::Broke => rng.i64(2 * STEPS_PER_HOUR..3 * STEPS_PER_DAY),
    };
    let days = length / STEPS_PER_DAY + 1;
    let first = if kind == Kind::Drift { KNOWN_DAYS } else { FIRST_WEEKS };
    let day = FIRST_DAY + rng.i64(first..std::cmp::max(first + 1, DAYS - days));
    let is_there = person.present.start <= day - KNOWN_DAYS && person.present.end > day + days;
    if !is_there || (kind == Kind::Drift && person.dollars() < DRIFT_DOLLARS) {
        return None;
    }
    let from = match kind {
        Kind::Drift | Kind::Step => day * STEPS_PER_DAY,
        Kind::Leak => day * STEPS_PER_DAY + rng.i64(0..STEPS_PER_DAY),
        Kind::Loop | Kind::Storm | Kind::Broke => active_step(person, day, rng)?,
    };
    let strength = match kind {
        Kind::Loop => 20.0 + 80.0 * rng.f64(),
        Kind::Leak => 10.0 * 20_f64.powf(rng.f64()),
        Kind::Drift => f64::from(i32::try_from(days - 1).ok()?),
        Kind::Step => 3.0,
        Kind::Storm => 0.3 + 0.5 * rng.f64(),
        Kind::Broke => dollars(person, from - BROKE_LEAD, from),
    };
    // What has drifted or taken a step stays so.
    let until = if matches!(kind, Kind::Drift | Kind::Step) { END } else { std::cmp::min(from + length, END) };
    Some(Incident { user, kind, from, until, strength, seen: None })
}

/// A step of a day in which the user runs something.
fn active_step(person: &Person, day: i64, rng: &mut Rng) -> Option<i64> {
    let mut sums = Vec::new();
    fill(&mut sums, person, None, day);
    let active: Vec<i64> =
        (day * STEPS_PER_DAY..).zip(&sums).filter(|(_, sums)| sums.executions > 0).map(|(step, _)| step).collect();
    rng.choice(active)
}

/// What a user spends from one step to another.
fn dollars(person: &Person, from: i64, until: i64) -> f64 {
    let (mut total, mut sums) = (0.0, Vec::new());
    for day in from.div_euclid(STEPS_PER_DAY)..=until.div_euclid(STEPS_PER_DAY) {
        fill(&mut sums, person, None, day);
        let within = (day * STEPS_PER_DAY..).zip(&sums).filter(|(step, _)| (from..until).contains(step));
        total += within.map(|(_, sums)| sums.dollars()).sum::<f64>();
    }
    total
}
