//! What the users' resources run: the executions of the demo's platform, settled by the seed. Pure, like the world.
//!
//! Each hour of each resource depends on the seed, the resource and the hour alone, so that any time can be asked
//! for, in any pieces, and is always the same. Most of it is habit; a few stories are
//! out of the ordinary.

mod fate;
mod habits;
mod mix;
mod offer;
mod story;
#[cfg(test)]
mod tests;

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::Value;

use self::habits::{Choice, Hour, Population, Resource, mixed};
use self::offer::{Events, Model, Offer};
use self::story::{Effect, Story, Twist};
use super::world::World;
use crate::domain::execution::Execution;
use crate::domain::outcome::Outcome;
use crate::domain::price::Prices;
use crate::domain::pricing;
use crate::domain::provider::Provider;

const HOUR_MS: i64 = 60 * 60 * 1_000;
/// Nothing begins in the last moments of an hour, so that what is tried next lies in the same hour.
const LAST_MS: i64 = 20_000;
/// More models than this are not tried: it would take too long.
const TRIES: usize = 4;
/// The pause before the next model is tried, in milliseconds.
const PAUSE_MS: Range<i64> = 20..400;
/// In a storm so many of a hundred are refused.
const REFUSED_PERCENT: u32 = 75;
/// After this time a platform has learned that a model is away, and seldom tries it before the fallback.
const LEARNING: TimeDelta = TimeDelta::hours(12);
/// Then so many of a hundred still begin with it.
const STUBBORN_PERCENT: u32 = 8;
/// Of those whose model is away and who have no other, so many of a hundred still try after so many hours.
const PATIENCE: [(i64, f64); 5] = [(6, 1.0), (24, 0.5), (72, 0.2), (240, 0.05), (i64::MAX, 0.005)];
/// Of a hundred models that are gone so many say so; the others are as if they had never been.
const SAID_PERCENT: u64 = 65;
/// How often a router looks for a model.
const LOOKS: usize = 20;
/// The random part of an id.
const ID_CHARACTERS: usize = 20;
/// Longer hours than this are a mistake in a rate, not traffic.
const PER_HOUR_MAX: f64 = 2_000.0;
/// Poisson draws of more than this are made in parts, before the exponential becomes too small.
const PART: f64 = 16.0;

/// What the users' resources run, settled by the seed: no I/O, no clock.
pub struct Traffic {
    all: Population,
    models: Vec<Model>,
    direct: Offer,
    stories: Vec<Story>,
}

/// An execution about to be.
struct Call<'a> {
    resource: &'a Resource,
    effect: &'a Effect,
    at: DateTime<Utc>,
}

impl Traffic {
    /// Settles who runs what from the lines of a directory, on what the world offers from `from` on. Stories are
    /// placed in the weeks before `until`; the traffic goes on after it.
    #[must_use]
    pub fn new(seed: u64, directory: &[Value], world: &World, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let mut all = Population::read(seed, directory, from, until);
        let events = Events::new(world);
        let models: Vec<Model> = all.models.iter().map(|id| Model::new(id, world, &events, from)).collect();
        all.settle(until, |resource, at| patience(resource, &models, at));
        let stories = story::place(seed, &mut all, &models, until);
        for story in stories.iter().filter(|story| story.twist == Twist::Broke) {
            all.owners[story.subject].key = habits::OWN_KEY;
        }
        Self { all, models, direct: Offer::direct(), stories }
    }

    /// The executions that begin in [from, until), in the order of time.
    #[must_use]
    pub fn between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Execution> {
        let mut executions = Vec::new();
        let first = from.timestamp_millis().div_euclid(HOUR_MS);
        for hour in (first..).map_while(|number| Hour::new(number, &self.all)).take_while(|hour| hour.start < until) {
            let begin = executions.len();
            self.run(&hour, &(from..until), &mut executions);
            executions[begin..].sort_unstable_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        }
        executions
    }

    /// What of an hour lies in the time.
    fn run(&self, hour: &Hour, time: &Range<DateTime<Utc>>, executions: &mut Vec<Execution>) {
        let stories: Vec<&Story> = self.stories.iter().filter(|story| story.holds(hour.start)).collect();
        for (place, resource) in self.all.resources.iter().enumerate() {
            let mut effect = Effect::NONE;
            for story in &stories {
                story.bend(&mut effect, place, resource, hour.start);
            }
            let usual =
                if effect.is_sleepless { Population::average(resource, hour) } else { self.all.rate(resource, hour) };
            let rate = usual * effect.times;
            if rate <= 0.0 {
                continue;
            }
            let mut rng = Rng::with_seed(mixed(resource.seed, hour.number));
            let rate = rate * patience(resource, &self.models, hour.start);
            for _ in 0..poisson(rate, &mut rng) {
                let at = hour.start + TimeDelta::milliseconds(rng.i64(0..HOUR_MS - LAST_MS));
                let rng = rng.fork();
                if at < time.end && time.start < at + TimeDelta::milliseconds(LAST_MS) {
                    self.call(Call { resource, effect: &effect, at }, rng, time, executions);
                }
            }
        }
    }

    /// An execution, and those on the fallbacks that it leads to.
    fn call(&self, mut call: Call<'_>, mut rng: Rng, time: &Range<DateTime<Utc>>, executions: &mut Vec<Execution>) {
        let choices = &call.resource.choices;
        let is_known_away = |choice: &&Choice| {
            let away = choice.model.and_then(|model| self.models[model].away_since(call.at));
            away.is_some_and(|since| since + LEARNING <= call.at)
        };
        let passed_over = choices.iter().take_while(is_known_away).count();
        let first = if passed_over == choices.len() || rng.u32(..100) < STUBBORN_PERCENT { 0 } else { passed_over };
        for choice in choices[first..].iter().take(TRIES) {
            let execution = self.execute(&call, choice, &mut rng);
            let goes_on = fate::leads_to_fallback(execution.outcome);
            let took = i64::from(execution.latency_ms.unwrap_or(0)) + rng.i64(PAUSE_MS);
            if time.contains(&call.at) {
                executions.push(execution);
            }
            if !goes_on {
                break;
            }
            call.at += TimeDelta::milliseconds(took);
        }
    }

    fn execute(&self, call: &Call<'_>, choice: &Choice, rng: &mut Rng) -> Execution {
        let (resource, owner) = (call.resource, &self.all.owners[call.resource.owner]);
        let offer = match choice.model {
            None => Some(&self.direct),
            Some(model) => self.models[model].at(call.at).map(|offer| self.routed(offer, call.at, rng)),
        };
        let outcome = self.outcome(call, choice, offer, rng);
        let mix = resource.mix.scaled(100 * call.effect.tokens);
        let whole = offer.map(|offer| mix.usage(offer, rng)).unwrap_or_default();
        let mut usage = fate::used(outcome, whole, rng);
        let latency = fate::latency(outcome, &usage, offer, rng);
        if let Some(Prices::Known(prices)) = offer.map(|offer| &offer.prices)
            && resource.tells_cost
            && usage.input_tokens.is_some()
        {
            usage.cost = Some(pricing::cost(prices, &usage, call.at));
        }
        let answered = offer.filter(|_| usage.input_tokens.is_some());
        let served = answered.map(|offer| &offer.model).filter(|model| !model.is_empty() && **model != choice.written);
        Execution {
            id: id(resource.provider, call.at, rng),
            at: call.at,
            user: owner.id.clone(),
            resource: Some(resource.id.clone()),
            key: Some(owner.key.to_owned()),
            provider: resource.provider,
            model: choice.written.clone(),
            served_model: served.cloned(),
            served_by: answered.and_then(|offer| host(offer, rng)),
            outcome,
            status: fate::status(outcome, resource.provider),
            usage,
            is_estimated: false,
            latency_ms: Some(latency),
            attempts: fate::attempts(outcome, resource.provider, rng.clone()),
            offered: Vec::new(),
        }
    }

    /// How it ends: without credit, without the model, refused in a storm, or as the day brings it.
    fn outcome(&self, call: &Call<'_>, choice: &Choice, offer: Option<&Offer>, rng: &mut Rng) -> Outcome {
        if call.effect.is_broke {
            return Outcome::NoBalance;
        }
        match (offer, choice.model) {
            (None, Some(model)) => self.missing(model, choice, call.at),
            (Some(_), model) if model.is_some() && model == call.effect.refused && rng.u32(..100) < REFUSED_PERCENT => {
                Outcome::RateLimitedUpstream
            }
            (Some(offer), _) => fate::draw(offer, call.resource.provider, rng),
            (None, None) => Outcome::Unknown,
        }
    }

    /// What is said of a model that is not served.
    fn missing(&self, model: usize, choice: &Choice, at: DateTime<Utc>) -> Outcome {
        if self.models[model].returns_after(at) {
            Outcome::NoEndpoints
        } else if habits::hash(0, &choice.written) % 100 < SAID_PERCENT {
            Outcome::ModelDeprecated
        } else {
            Outcome::ModelNotFound
        }
    }

    /// The model itself, or one that a router picks.
    fn routed<'a>(&'a self, offer: &'a Offer, at: DateTime<Utc>, rng: &mut Rng) -> &'a Offer {
        if offer.prices != Prices::Dynamic {
            return offer;
        }
        let mut looks = (0..LOOKS).filter_map(|_| self.models[rng.usize(..self.models.len())].at(at));
        looks.find(|found| found.is_paid()).unwrap_or(offer)
    }
}

/// How much of its usual runs a resource still makes when its models are away.
fn patience(resource: &Resource, models: &[Model], at: DateTime<Utc>) -> f64 {
    let mut since: Option<DateTime<Utc>> = None;
    for choice in &resource.choices {
        match choice.model.and_then(|model| models[model].away_since(at)) {
            None => return 1.0,
            Some(away) => since = Some(since.map_or(away, |since| std::cmp::max(since, away))),
        }
    }
    let hours = since.map_or(0, |since| (at - since).num_hours());
    PATIENCE.iter().find(|(until, _)| hours < *until).map_or(1.0, |(_, share)| *share)
}

/// How many there are, where there are so many on average.
fn poisson(rate: f64, rng: &mut Rng) -> u32 {
    let (mut left, mut count) = (f64::min(rate, PER_HOUR_MAX), 0);
    while left > 0.0 {
        let limit = (-f64::min(left, PART)).exp();
        let mut product = rng.f64();
        while product > limit {
            count += 1;
            product *= rng.f64();
        }
        left -= PART;
    }
    count
}

/// An id as the provider writes it.
fn id(provider: Provider, at: DateTime<Utc>, rng: &mut Rng) -> String {
    let random: String = std::iter::repeat_with(|| rng.alphanumeric()).take(ID_CHARACTERS).collect();
    match provider {
        Provider::Openrouter => format!("gen-{}-{random}", at.timestamp()),
        Provider::Anthropic => format!("msg_01{random}"),
    }
}

/// Who serves it: mostly the first.
fn host(offer: &Offer, rng: &mut Rng) -> Option<String> {
    let mut any = || rng.usize(..std::cmp::max(1, offer.hosts.len()));
    offer.hosts.get(std::cmp::min(any(), any())).cloned()
}
