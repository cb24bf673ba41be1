//! Judges the picture by every rule that is on.

mod balances;
mod caps;
mod daemon;
mod failures;
mod keys;
mod spend;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::picture::{Active, Lines, Picture, largest};
use crate::config::rules::Rules;
use crate::domain::alert::Rule;
use crate::domain::finding::{Finding, Share, Window};
use crate::domain::incident::Incident;
use crate::domain::money::NanoUsd;
use crate::domain::rollup::{Key, Measures};
use crate::domain::rule::Settings;
use crate::job::{Context, Error};
use crate::store::baselines::{self, Learnt, Whose};
use crate::store::rollups::{self, Grain};
use crate::store::{self, Tx};

/// What an evaluation found.
pub(super) struct Judgement {
    /// Everything that holds now.
    pub(super) findings: Vec<Finding>,
    /// The incidents that were open before.
    pub(super) open: Vec<Incident>,
    /// How long the accounts last that were read lately.
    pub(super) runways: Vec<(String, Option<i64>)>,
}

/// Everything that holds now.
pub(super) async fn judge(context: &Context, now: DateTime<Utc>) -> Result<Judgement, Error> {
    let config = context.settings.get();
    let mut tx = context.db.read().await?;
    let picture = Picture::take(&mut tx, now).await?;
    let mut judge = Judge { tx, rules: &config.rules, picture: &picture, found: Vec::new(), runways: Vec::new() };
    let users = picture.by_user();
    let learnt = judge.learnt_of(&users).await?;
    judge.failures(&users);
    judge.spend(&users, &learnt).await?;
    judge.resources(&users).await?;
    judge.total().await?;
    judge.caps(&users, &learnt).await?;
    judge.models().await?;
    judge.balances().await?;
    judge.keys().await?;
    judge.daemon().await?;
    let runways = std::mem::take(&mut judge.runways);
    let findings = judge.name().await?;
    Ok(Judgement { findings, open: picture.incidents, runways })
}

/// A finding, and whose largest parts belong to it.
struct Found {
    finding: Finding,
    part: Part,
    rank: Rank,
}

/// A part of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// None: the finding says it all.
    None,
    /// Of a user.
    User(i64),
    /// Of a user's resource.
    Resource(i64, i64),
    /// Of a model, in the last hour.
    Model(i64),
    /// Of all, in the last hour.
    All,
}

/// What parts are large in: counts a line.
type Rank = fn(&Measures) -> i64;

struct Judge<'a> {
    tx: Tx,
    rules: &'a Rules,
    picture: &'a Picture,
    found: Vec<Found>,
    runways: Vec<(String, Option<i64>)>,
}

impl Judge<'_> {
    fn add(&mut self, finding: Option<Finding>, part: Part, rank: Rank) {
        self.found.extend(finding.map(|finding| Found { finding, part, rank }));
    }

    /// What was learnt of those users whom some rule may need it of.
    async fn learnt_of(&mut self, users: &BTreeMap<i64, Active>) -> store::Result<BTreeMap<i64, Learnt>> {
        let floor = self.rules.on(Rule::UserSpendSpike).map(Settings::floor);
        let needed = users.iter().filter(|(number, active)| {
            let spends = floor.is_some_and(|floor| is_above(active, floor));
            spends || self.picture.users.get(number).is_some_and(|user| user.monthly.or(user.plan).is_some())
        });
        let needed: Vec<i64> = needed.map(|(number, _)| *number).collect();
        baselines::load(&mut self.tx, Whose::User, &needed).await
    }

    /// Adds to each finding its largest parts, by name.
    async fn name(mut self) -> store::Result<Vec<Finding>> {
        let of_day = |found: &&Found| matches!(found.finding.evidence.window, Window::Day | Window::Month);
        let users: BTreeSet<i64> = self.found.iter().filter(of_day).filter_map(|found| found.part.user()).collect();
        let users: Vec<i64> = users.into_iter().collect();
        let day = (self.picture.today, self.picture.today + 1);
        let mut days = rollups::lines(&mut self.tx, Grain::Days, day, Some(&users)).await?;
        days.sort_by_key(|(key, _)| key.user);
        let parts: Vec<Parts> = self.found.iter().map(|found| self.parts(found, &days)).collect();
        let shares = parts.iter().flat_map(|(models, resources)| models.iter().chain(resources));
        let numbers: BTreeSet<i64> = shares.map(|(number, _)| *number).collect();
        let texts = rollups::texts(&mut self.tx, &numbers.into_iter().collect::<Vec<_>>()).await?;
        let named = |parts: Vec<(i64, Share)>| {
            let name = |(number, share): (i64, Share)| Some(Share { name: texts.get(&number)?.clone(), ..share });
            parts.into_iter().filter_map(name).collect::<Vec<_>>()
        };
        let name = |(mut found, (models, resources)): (Found, Parts)| {
            if found.part != Part::None {
                found.finding.evidence.models = named(models);
                found.finding.evidence.resources = named(resources);
            }
            found.finding
        };
        Ok(self.found.into_iter().zip(parts).map(name).collect())
    }

    fn parts(&self, found: &Found, days: &Lines) -> Parts {
        let of_hour = matches!(found.finding.evidence.window, Window::Hour);
        let lines = match found.part.user() {
            Some(user) if of_hour => Picture::of_user(&self.picture.hour, user),
            Some(user) => Picture::of_user(days, user),
            None => &self.picture.hour,
        };
        let is_part = |key: &Key| match found.part {
            Part::None => false,
            Part::User(_) | Part::All => true,
            Part::Resource(_, resource) => key.resource == resource,
            Part::Model(model) => key.model == model,
        };
        let part = || lines.iter().filter(|(key, _)| is_part(key));
        let models = largest(part(), |key| key.model, found.rank);
        (models, largest(part(), |key| key.resource, found.rank))
    }
}

/// Models and resources, by number.
type Parts = (Vec<(i64, Share)>, Vec<(i64, Share)>);

impl Part {
    fn user(self) -> Option<i64> {
        match self {
            Self::User(user) | Self::Resource(user, _) => Some(user),
            Self::None | Self::Model(_) | Self::All => None,
        }
    }
}

fn plain(finding: Finding) -> Found {
    Found { finding, part: Part::None, rank: |_| 0 }
}

fn is_above(active: &Active, floor: NanoUsd) -> bool {
    active.clock.spent() >= floor || active.today.spent() >= floor
}

fn amount(dollars: Option<Decimal>) -> Option<NanoUsd> {
    dollars.and_then(NanoUsd::from_decimal)
}
