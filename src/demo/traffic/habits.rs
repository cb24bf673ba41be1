//! Who runs how much, and when: what the users of the directory are like.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use fastrand::Rng;
use serde::Deserialize as _;
use serde_json::Value;

use super::mix::Mix;
use crate::domain::directory::{self, Entry};
use crate::domain::model_id::ModelId;
use crate::domain::provider::Provider;

/// Executions of the average user on an average day of the time for which the traffic is made.
const PER_USER_A_DAY: f64 = 3.9;
/// How activity falls off from the busiest user to the next: a few run hundreds a day, most a handful.
const STEEPNESS: f64 = 1.3;
/// Added to the place of a user, so that the first two are not worlds apart.
const HEAD: f64 = 0.5;
/// What even the least active do, against the busiest one's 0.6.
const LEAST: f64 = 0.005;
/// Users of a hundred who run something only on some days.
const OCCASIONAL_PERCENT: u32 = 25;
/// Days of a hundred on which those do.
const PRESENT_PERCENT: u32 = 30;
/// Users of a hundred who join while the days are played.
const NEWCOMERS_PERCENT: u32 = 15;
/// The last of them join when this much of the time is over.
const JOINING_PERCENT: i32 = 70;
/// Everybody runs more by this much of the first day's every day: a third more after two months.
const GROWTH_A_DAY: f64 = 0.006;
/// Users of a hundred who pay with a key of their own.
const OWN_KEY_PERCENT: u32 = 12;
/// Resources of a hundred whose executions are reported without a cost.
const SILENT_PERCENT: u32 = 12;

/// The label of the platform's key.
const PLATFORM_KEY: &str = "platform";
/// The label of a key that a user brought.
pub(super) const OWN_KEY: &str = "own-key";

/// The share of the average hour of a day, and of the average day of a week.
const AVERAGE: u32 = 100;

/// When a resource is used: shares of the hours of a day and of the days of a week.
struct Habit {
    hours: [u32; 24],
    weekday: u32,
    weekend: u32,
}

const OFFICE: Habit = Habit {
    hours: [5, 5, 5, 5, 5, 5, 5, 60, 150, 260, 300, 280, 180, 230, 280, 260, 200, 100, 30, 15, 10, 5, 3, 2],
    weekday: 130,
    weekend: 25,
};
const EVENING: Habit = Habit {
    hours: [100, 40, 10, 5, 5, 5, 20, 60, 60, 60, 60, 70, 90, 80, 80, 90, 110, 150, 200, 250, 290, 270, 185, 110],
    weekday: 90,
    weekend: 125,
};
const STEADY: Habit = Habit { hours: [100; 24], weekday: 104, weekend: 90 };
const NIGHTLY: Habit = Habit {
    hours: [0, 300, 1_100, 700, 200, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    weekday: 100,
    weekend: 100,
};
/// Each once for every ten resources that have it.
static HABITS: [&Habit; 10] =
    [&OFFICE, &OFFICE, &OFFICE, &OFFICE, &OFFICE, &OFFICE, &EVENING, &STEADY, &STEADY, &NIGHTLY];

/// A user.
pub(super) struct Owner {
    /// The platform's id.
    pub(super) id: String,
    /// The label of the key that pays.
    pub(super) key: &'static str,
    /// When they begin.
    pub(super) since: DateTime<Utc>,
    /// Whether they run something only on some days.
    pub(super) is_occasional: bool,
    zone: usize,
    seed: u64,
}

/// What one of them runs.
pub(super) struct Resource {
    /// The platform's id.
    pub(super) id: String,
    /// Its owner's place.
    pub(super) owner: usize,
    /// Who is called.
    pub(super) provider: Provider,
    /// The model and its fallbacks.
    pub(super) choices: Vec<Choice>,
    /// Executions of an average day, before growth.
    pub(super) per_day: f64,
    /// The tokens of an execution.
    pub(super) mix: Mix,
    /// Whether a cost is reported.
    pub(super) tells_cost: bool,
    /// Settles what it does in each hour.
    pub(super) seed: u64,
    habit: &'static Habit,
}

/// A model as a resource writes it.
pub(super) struct Choice {
    /// What is asked for.
    pub(super) written: String,
    /// The place of the row that this means; `None` where the world has no say.
    pub(super) model: Option<usize>,
}

/// All of them.
pub(super) struct Population {
    /// The users.
    pub(super) owners: Vec<Owner>,
    /// Their resources.
    pub(super) resources: Vec<Resource>,
    /// The models they ask for.
    pub(super) models: Vec<String>,
    zones: Vec<Tz>,
    from: DateTime<Utc>,
}

/// An hour, as the clocks of all zones show it.
pub(super) struct Hour {
    /// Counted from 1970.
    pub(super) number: i64,
    /// When it begins.
    pub(super) start: DateTime<Utc>,
    growth: f64,
    clocks: Vec<Clock>,
}

struct Clock {
    hour: usize,
    is_weekend: bool,
    day: i64,
}

/// A number that depends on these two and on nothing else.
pub(super) fn mixed(seed: u64, number: i64) -> u64 {
    Rng::with_seed(seed ^ Rng::with_seed(number.cast_unsigned()).u64(..)).u64(..)
}

/// A number that depends on a text.
pub(super) fn hash(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| mixed(hash, byte.into()))
}

/// A length of time in days.
pub(super) fn days(time: TimeDelta) -> f64 {
    f64::from(i32::try_from(time.num_minutes()).unwrap_or(i32::MAX)) / (24.0 * 60.0)
}

impl Hour {
    /// An hour counted from 1970.
    pub(super) fn new(number: i64, population: &Population) -> Option<Self> {
        let start = DateTime::from_timestamp(number.checked_mul(3_600)?, 0)?;
        let clocks = population.zones.iter().map(|zone| Clock::new(start, *zone)).collect();
        Some(Self { number, start, growth: population.growth(start), clocks })
    }
}

impl Clock {
    fn new(at: DateTime<Utc>, zone: Tz) -> Self {
        let local = at.with_timezone(&zone);
        let is_weekend = matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
        Self {
            hour: usize::try_from(local.hour()).unwrap_or(0),
            is_weekend,
            day: local.date_naive().signed_duration_since(NaiveDate::default()).num_days(),
        }
    }
}

impl Habit {
    /// How busy an hour is against the average one.
    fn share(&self, clock: &Clock) -> f64 {
        let day = if clock.is_weekend { self.weekend } else { self.weekday };
        f64::from(self.hours[clock.hour] * day) / f64::from(AVERAGE * AVERAGE)
    }
}

impl Owner {
    fn new(user: directory::User, seed: u64, zones: &mut Vec<Tz>, time: (DateTime<Utc>, DateTime<Utc>)) -> Self {
        let seed = hash(seed, &user.id);
        let mut rng = Rng::with_seed(seed);
        let zone = user.timezone.unwrap_or_default();
        let place = zones.iter().position(|known| *known == zone).unwrap_or(zones.len());
        if place == zones.len() {
            zones.push(zone);
        }
        let (from, until) = time;
        let joins = rng.u32(..100) < NEWCOMERS_PERCENT;
        let waits = (until - from) * rng.i32(0..JOINING_PERCENT) / 100;
        Self {
            id: user.id,
            key: if rng.u32(..100) < OWN_KEY_PERCENT { OWN_KEY } else { PLATFORM_KEY },
            since: if joins { from + waits } else { DateTime::<Utc>::MIN_UTC },
            is_occasional: rng.u32(..100) < OCCASIONAL_PERCENT,
            zone: place,
            seed,
        }
    }

    /// Whether they run anything on a day of theirs.
    fn is_there(&self, at: DateTime<Utc>, day: i64) -> bool {
        self.since <= at && (!self.is_occasional || mixed(self.seed, day) % 100 < PRESENT_PERCENT.into())
    }
}

impl Population {
    /// Reads the lines of a directory.
    pub(super) fn read(seed: u64, directory: &[Value], from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let mut all = Self { owners: Vec::new(), resources: Vec::new(), models: Vec::new(), zones: Vec::new(), from };
        let (mut places, mut models) = (HashMap::new(), HashMap::new());
        for entry in directory.iter().filter_map(|line| Entry::deserialize(line).ok()) {
            match entry {
                Entry::User(user) => {
                    places.insert(user.id.clone(), all.owners.len());
                    all.owners.push(Owner::new(user, seed, &mut all.zones, (from, until)));
                }
                Entry::Resource(resource) => {
                    if let Some(owner) = places.get(&resource.user) {
                        all.add(resource, *owner, seed, &mut models);
                    }
                }
                Entry::Delete(_) => {}
            }
        }
        all.share_out();
        all
    }

    fn add(&mut self, resource: directory::Resource, owner: usize, seed: u64, models: &mut HashMap<String, usize>) {
        let seed = hash(seed, &resource.id);
        let mut rng = Rng::with_seed(seed);
        let is_listed = resource.provider == Provider::Openrouter;
        let mut choice = |written: String| {
            let row = ModelId::look_up(&written).filter(|_| is_listed).map(|row| row.as_str().to_owned());
            let model = row.map(|row| {
                *models.entry(row.clone()).or_insert_with(|| {
                    self.models.push(row);
                    self.models.len() - 1
                })
            });
            Choice { written, model }
        };
        let choices = std::iter::once(resource.model).chain(resource.fallbacks).map(&mut choice).collect();
        self.resources.push(Resource {
            id: resource.id,
            owner,
            provider: resource.provider,
            choices,
            per_day: f64::from(rng.u32(1..=10)),
            mix: Mix::default(),
            tells_cost: rng.u32(..100) >= SILENT_PERCENT,
            seed,
            habit: HABITS[rng.usize(..HABITS.len())],
        });
    }

    /// Gives each user a place, and each resource its share of what goes with that.
    fn share_out(&mut self) {
        let mut ranked: Vec<usize> = (0..self.owners.len()).collect();
        ranked.sort_by_key(|&owner| mixed(self.owners[owner].seed, 0));
        let mut weights = vec![0.0; self.owners.len()];
        for (place, owner) in (1_u32..).zip(ranked) {
            weights[owner] = (f64::from(place) + HEAD).powf(-STEEPNESS) + LEAST;
        }
        let mut shares = vec![0.0; self.owners.len()];
        for resource in &self.resources {
            shares[resource.owner] += resource.per_day;
        }
        for resource in &mut self.resources {
            resource.per_day *= weights[resource.owner] / shares[resource.owner];
        }
    }

    /// Settles how many there are a day, given how far each resource gets, and the tokens that go with that.
    pub(super) fn settle(&mut self, until: DateTime<Utc>, patience: impl Fn(&Resource, DateTime<Utc>) -> f64) {
        let presence = |resource: &Resource| {
            let percent = if self.owners[resource.owner].is_occasional { PRESENT_PERCENT } else { 100 };
            f64::from(percent) / 100.0
        };
        let (mut expected, mut played) = (0.0, 0_u32);
        let mut at = self.from;
        loop {
            let there = self.resources.iter().filter(|resource| self.owners[resource.owner].since <= at);
            let day: f64 = there.map(|known| known.per_day * presence(known) * patience(known, at)).sum();
            (expected, played) = (expected + day * self.growth(at), played + 1);
            at += TimeDelta::days(1);
            if at >= until {
                break;
            }
        }
        let users = f64::from(u32::try_from(self.owners.len()).unwrap_or(u32::MAX));
        let scale = PER_USER_A_DAY * users * f64::from(played) / expected;
        for resource in &mut self.resources {
            resource.per_day *= if scale.is_finite() { scale } else { 0.0 };
            resource.mix = Mix::drawn(resource.per_day, &mut Rng::with_seed(mixed(resource.seed, 0)));
        }
    }

    fn growth(&self, at: DateTime<Utc>) -> f64 {
        1.0 + GROWTH_A_DAY * f64::max(0.0, days(at - self.from))
    }

    /// How often the resource runs in its average hour by now.
    pub(super) fn average(resource: &Resource, hour: &Hour) -> f64 {
        resource.per_day / 24.0 * hour.growth
    }

    /// How often the resource is to run in the hour, if nothing is in its way.
    pub(super) fn rate(&self, resource: &Resource, hour: &Hour) -> f64 {
        let owner = &self.owners[resource.owner];
        let clock = &hour.clocks[owner.zone];
        let share = resource.habit.share(clock);
        if share <= 0.0 || !owner.is_there(hour.start, clock.day) {
            return 0.0;
        }
        share * Self::average(resource, hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_day_and_of_a_week_average_out() {
        for habit in HABITS {
            assert_eq!(habit.hours.iter().sum::<u32>(), 24 * AVERAGE);
            assert_eq!(habit.weekday * 5 + habit.weekend * 2, 7 * AVERAGE);
        }
    }
}
