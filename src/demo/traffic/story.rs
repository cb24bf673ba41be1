//! What is out of the ordinary in the last weeks, so that there is something to find: a loop that nobody stops,
//! a slow drift, a step, a storm of refusals and a credit that ends.

use std::cmp::{max, min};
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, DurationRound, TimeDelta, Utc};
use fastrand::Rng;
use rust_decimal::prelude::ToPrimitive;

use super::habits::{Hour, Population, Resource, days};
use super::mix::Mix;
use super::offer::{Model, Offer};
use crate::domain::price::Prices;
use crate::domain::pricing;
use crate::domain::provider::Provider;

/// What a day of the resource in a loop, that drifts or that takes a step costs when all is well: enough that what
/// happens then is seen. If it is less, its work is made heavier and more frequent from the first day on.
const WANTED_DOLLARS: f64 = 4.0;
/// It runs about so often on a day, so that there is a habit to leave, and the platform is not all about it.
const OFTEN: std::ops::RangeInclusive<f64> = 5.0..=40.0;
/// How often the user whose credit ends runs something on a day.
const WANTED_EXECUTIONS: f64 = 12.0;
/// The subject is one of so many that suit best.
const SUITABLE: usize = 3;
/// There must be a history to differ from.
const HISTORY_DAYS: i64 = 21;
/// The loop and the storm are over after so many hours, the empty credit after two days.
const LOOP_HOURS: i64 = 3;
const STORM_HOURS: i64 = 2;
const BROKE_HOURS: i64 = 48;
/// The drift takes so many days.
const DRIFT_DAYS: i64 = 21;
/// In a loop a resource runs so much oftener than in its average hour, with a context that is so much longer: in
/// all fifty times the spend.
const LOOP_TIMES: f64 = 12.5;
const LOOP_TOKENS: u64 = 4;
/// What has taken a step runs twice as often, with twice the tokens.
const STEP_TIMES: f64 = 2.0;
const STEP_TOKENS: u64 = 2;
/// What drifts runs so much oftener in the end.
const DRIFT_TIMES: f64 = 3.0;
/// In a storm everybody tries again and again.
const STORM_TIMES: f64 = 6.0;
/// A resource counts for this much at most when the model of the most users is looked for, in executions an hour.
const STORM_SHARE: f64 = 1.0;
/// The storm is in the working hours of the most, and so is the end of the credit.
const WORKING_HOUR: i64 = 14;
/// The storm is on a Friday at the latest, and the credit ends on a Wednesday: it is to be missed on working days.
const FRIDAY: i64 = 4;
const WEDNESDAY: i64 = 2;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// A resource runs without end for three hours.
    Loop,
    /// A resource runs a little more every day for three weeks.
    Drift,
    /// A resource runs and takes more from one hour to the next, for good.
    Step,
    /// A model's providers refuse most for two hours, whoever asks.
    Storm,
    /// A user's credit is used up for two days.
    Broke,
}

/// Something out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Story {
    /// What happens.
    pub(super) twist: Twist,
    /// The place of the resource, model or user to whom.
    pub(super) subject: usize,
    /// From which whole hour on.
    pub(super) from: DateTime<Utc>,
    /// Until when.
    pub(super) until: DateTime<Utc>,
}

/// What the stories do to a resource in an hour.
#[derive(Clone, Copy)]
pub(super) struct Effect {
    /// How much oftener it runs than usual.
    pub(super) times: f64,
    /// Whether it runs at any hour as in its average one.
    pub(super) is_sleepless: bool,
    /// How many times the usual tokens it takes.
    pub(super) tokens: u64,
    /// The model that is refused.
    pub(super) refused: Option<usize>,
    /// Whether there is no credit.
    pub(super) is_broke: bool,
}

impl Effect {
    /// None at all.
    pub(super) const NONE: Self = Self { times: 1.0, is_sleepless: false, tokens: 1, refused: None, is_broke: false };
}

impl Story {
    /// Whether it goes on at a moment.
    pub(super) fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.until
    }

    /// Adds what it does to a resource, if it is about that one.
    pub(super) fn bend(&self, effect: &mut Effect, place: usize, resource: &Resource, at: DateTime<Utc>) {
        let uses = |model: usize| resource.choices.iter().any(|choice| choice.model == Some(model));
        match self.twist {
            Twist::Loop if place == self.subject => {
                effect.is_sleepless = true;
                effect.times *= LOOP_TIMES;
                effect.tokens = LOOP_TOKENS;
            }
            Twist::Step if place == self.subject => {
                effect.times *= STEP_TIMES;
                effect.tokens = STEP_TOKENS;
            }
            Twist::Drift if place == self.subject => {
                let done = f64::min(1.0, days(at - self.from) / days(TimeDelta::days(DRIFT_DAYS)));
                effect.times *= 1.0 + (DRIFT_TIMES - 1.0) * done;
            }
            Twist::Storm if uses(self.subject) => {
                effect.times *= STORM_TIMES;
                effect.refused = Some(self.subject);
            }
            Twist::Broke if resource.owner == self.subject => {
                effect.is_broke = resource.provider == Provider::Openrouter;
            }
            _ => {}
        }
    }
}

/// Places the stories in the weeks before `until`; those that nobody is fit for are left out.
pub(super) fn place(seed: u64, all: &mut Population, models: &[Model], until: DateTime<Utc>) -> Vec<Story> {
    let end = until.duration_trunc(TimeDelta::hours(1)).unwrap_or(until);
    let mut stage = Stage { all, models, end, rng: Rng::with_seed(seed), taken: Vec::new() };
    let mut before = |days: std::ops::Range<i64>| end - TimeDelta::hours(stage.rng.i64(days.start * 24..days.end * 24));
    let (in_loop, step, broke, storm) = (before(2..6), before(8..14), before(5..11), before(2..10));
    let drift = end - TimeDelta::days(DRIFT_DAYS + 2);
    let for_ever = DateTime::<Utc>::MAX_UTC;
    let (broke, storm) = (working_hour(broke, WEDNESDAY), working_hour(storm, FRIDAY));
    let stories = [
        (Twist::Loop, stage.spender(in_loop, LOOP_TOKENS), in_loop, in_loop + TimeDelta::hours(LOOP_HOURS)),
        (Twist::Step, stage.spender(step, STEP_TOKENS), step, for_ever),
        (Twist::Drift, stage.spender(drift, 1), drift, for_ever),
        (Twist::Broke, stage.payer(broke), broke, broke + TimeDelta::hours(BROKE_HOURS)),
        (Twist::Storm, stage.busiest(storm), storm, storm + TimeDelta::hours(STORM_HOURS)),
    ];
    let placed = stories.into_iter();
    placed.filter_map(|(twist, subject, from, until)| Some(Story { twist, subject: subject?, from, until })).collect()
}

/// A working hour of the same day, or of the last day of the week before it that will do.
fn working_hour(at: DateTime<Utc>, latest: i64) -> DateTime<Utc> {
    let late = max(0, i64::from(at.weekday().num_days_from_monday()) - latest);
    at.duration_trunc(TimeDelta::days(1)).unwrap_or(at) - TimeDelta::days(late) + TimeDelta::hours(WORKING_HOUR)
}

/// What such work typically costs, so often a day, in dollars that are charged to nobody.
fn dollars_a_day(mix: Mix, per_day: f64, offer: &Offer, at: DateTime<Utc>) -> Option<f64> {
    let Prices::Known(prices) = &offer.prices else { return None };
    let cost = pricing::cost(prices, &mix.typical(offer), at);
    Some(cost.to_decimal().to_f64()? * per_day)
}

/// Where subjects are found.
struct Stage<'a> {
    all: &'a mut Population,
    models: &'a [Model],
    end: DateTime<Utc>,
    rng: Rng,
    /// Users who have a story already.
    taken: Vec<usize>,
}

impl Stage<'_> {
    /// A resource that runs every day and costs what is wanted, or can be made to, with room for so many times the
    /// tokens.
    fn spender(&mut self, at: DateTime<Utc>, times: u64) -> Option<usize> {
        let resources = self.all.resources.iter().enumerate();
        let found = resources.filter_map(|(place, resource)| {
            let (distance, mix, per_day) = self.made_to_cost(resource, at, times)?;
            Some((distance, (place, mix, per_day)))
        });
        let (place, mix, per_day) = self.one_of(found.collect())?;
        let resource = &mut self.all.resources[place];
        (resource.mix, resource.per_day) = (mix, per_day);
        self.taken.push(resource.owner);
        Some(place)
    }

    /// The work of a resource, if need be heavier and more frequent, and how far its cost is from what is wanted.
    fn made_to_cost(&self, resource: &Resource, at: DateTime<Utc>, times: u64) -> Option<(f64, Mix, f64)> {
        let model = &self.models[resource.choices.first()?.model?];
        let is_steady = model.is_served_through(at - TimeDelta::days(HISTORY_DAYS), self.end);
        let is_apt = is_steady && resource.tells_cost && resource.per_day <= *OFTEN.end();
        let offer = model.at(at).filter(|offer| offer.is_paid() && is_apt && self.is_regular(resource.owner, at))?;
        let room = Some(resource.mix.room(times, offer)).filter(|room| *room >= 100)?;
        let lacking = |mix: Mix, per_day| Some(WANTED_DOLLARS / dollars_a_day(mix, per_day, offer, at)?);
        let heavier = max(100, min((lacking(resource.mix, resource.per_day)? * 100.0).to_u64()?, room));
        let mix = resource.mix.scaled(heavier);
        let oftener = f64::max(1.0, lacking(mix, resource.per_day)?);
        let per_day = f64::min(resource.per_day * oftener, *OFTEN.end());
        let distance = lacking(mix, per_day)?.ln().abs();
        OFTEN.contains(&per_day).then_some((distance, mix, per_day))
    }

    /// Whether a user has no story yet, and a history of running things every day.
    fn is_regular(&self, owner: usize, at: DateTime<Utc>) -> bool {
        let user = &self.all.owners[owner];
        !self.taken.contains(&owner) && !user.is_occasional && user.since <= at - TimeDelta::days(HISTORY_DAYS)
    }

    /// A user who runs as much a day as is wanted.
    fn payer(&mut self, at: DateTime<Utc>) -> Option<usize> {
        let mut a_day = vec![0.0; self.all.owners.len()];
        for (resource, _) in self.at_work(at) {
            a_day[resource.owner] += resource.per_day;
        }
        let fit = a_day.into_iter().enumerate();
        let fit = fit.filter(|(owner, a_day): &(usize, f64)| *a_day > 0.0 && self.is_regular(*owner, at));
        let found = fit.map(|(owner, a_day)| ((a_day / WANTED_EXECUTIONS).ln().abs(), owner)).collect();
        let owner = self.one_of(found)?;
        self.taken.push(owner);
        Some(owner)
    }

    /// The paid model that is run most by many in that hour.
    fn busiest(&self, at: DateTime<Utc>) -> Option<usize> {
        let hour = Hour::new(at.timestamp() / 3_600, &*self.all)?;
        let mut use_of: BTreeMap<usize, f64> = BTreeMap::new();
        for (resource, model) in self.at_work(at) {
            *use_of.entry(model).or_default() += f64::min(self.all.rate(resource, &hour), STORM_SHARE);
        }
        use_of.into_iter().max_by(|one, other| f64::total_cmp(&one.1, &other.1)).map(|(model, _)| model)
    }

    /// The resources of those who run something every day, with their models where those are served and paid.
    fn at_work(&self, at: DateTime<Utc>) -> impl Iterator<Item = (&Resource, usize)> {
        let regular = self.all.resources.iter().filter(|resource| !self.all.owners[resource.owner].is_occasional);
        let with_model = regular.filter_map(|resource| Some((resource, resource.choices.first()?.model?)));
        with_model.filter(move |(_, model)| self.models[*model].at(at).is_some_and(Offer::is_paid))
    }

    /// One of those that are least unfit.
    fn one_of<T>(&mut self, mut found: Vec<(f64, T)>) -> Option<T> {
        self.rng.shuffle(&mut found);
        found.sort_by(|one, other| f64::total_cmp(&one.0, &other.0));
        found.truncate(SUITABLE);
        self.rng.choice(found).map(|(_, subject)| subject)
    }
}
