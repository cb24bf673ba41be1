//! Balances that are low or will not last.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Judge, Part, plain};
use crate::domain::alert::{Rule, Subject};
use crate::domain::baseline::Expectation;
use crate::domain::finding::Finding;
use crate::domain::incident::Incident;
use crate::domain::money::NanoUsd;
use crate::domain::rollup::{Measures, QUARTERS_PER_DAY};
use crate::domain::rule::credit::{self, Balance};
use crate::domain::rule::{Settings, dollars};
use crate::store::accounts;
use crate::store::balances::{self, Reading};
use crate::store::baselines::{self, Learnt, Whose};
use crate::store::rollups::{self, Grain, Query};
use crate::store::{self, directory, names};

/// Days over which is taken what a day costs, where too little is known of the days of the week.
const AVERAGE_DAYS: i64 = 7;
/// A balance is judged in the evaluations of so long after it was read: one of them is sure to take place.
const READING_FRESH: TimeDelta = TimeDelta::minutes(11);
/// What is left of a key's limit is low from this part of it on.
const LOW_OF_LIMIT: i64 = 5;

impl Judge<'_> {
    /// Balances that are low or will not last. One is judged when it was read; until the next time, what was found of it
    /// is found again.
    pub(super) async fn balances(&mut self) -> store::Result<()> {
        let fresh = balances::read_since(&mut self.tx, self.picture.now - READING_FRESH).await?;
        let is_credit = |incident: &&Incident| matches!(incident.finding.rule, Rule::LowCredit | Rule::PlatformCredit);
        let open: BTreeMap<&str, &Finding> = self
            .picture
            .incidents
            .iter()
            .filter(is_credit)
            .map(|incident| (incident.finding.user.as_deref().unwrap_or_default(), &incident.finding))
            .collect();
        for (_, finding) in open.iter().filter(|(account, _)| !fresh.contains(**account)) {
            self.found.push(plain((*finding).clone()));
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let accounts: Vec<&str> = fresh.iter().map(String::as_str).collect();
        let readings = balances::last_of(&mut self.tx, &accounts).await?;
        let purses = accounts::purses(&mut self.tx, &accounts).await?;
        let accounts = self.accounts(&readings).await?;
        for reading in &readings {
            let rule = if reading.account.is_empty() { Rule::PlatformCredit } else { Rule::LowCredit };
            let (Some(settings), Some(account)) = (self.rules.on(rule), accounts.get(reading.account.as_str())) else {
                continue;
            };
            let limit_floor = purses.get(&reading.account).copied().map_or(NanoUsd(i64::MAX), low_of);
            let balance = self.balance(reading, settings, account, limit_floor);
            self.runways.push((reading.account.clone(), balance.runway_s));
            let was_low = open.contains_key(reading.account.as_str());
            self.add(credit::low_credit(rule, settings, &balance, was_low), Part::None, |_| 0);
        }
        Ok(())
    }

    /// What is known of those whose balance was read.
    async fn accounts<'r>(&mut self, readings: &'r [Reading]) -> store::Result<BTreeMap<&'r str, Account>> {
        let days = (self.picture.today - AVERAGE_DAYS, self.picture.today + 1);
        let ids: Vec<&str> =
            readings.iter().map(|reading| reading.account.as_str()).filter(|id| !id.is_empty()).collect();
        let numbers: BTreeMap<String, i64> = names::find_all(&mut self.tx, &ids).await?.into_iter().collect();
        let of_users: Vec<i64> = numbers.values().copied().collect();
        let mut learnt = baselines::load(&mut self.tx, Whose::User, &of_users).await?;
        let mut weeks: BTreeMap<i64, Measures> = BTreeMap::new();
        for (key, sums) in rollups::user_days(&mut self.tx, days, &of_users).await? {
            *weeks.entry(key.user).or_default() += sums;
        }
        let mut floors = directory::low_credit(&mut self.tx, &ids).await?;
        // A platform of three days is not held to seven.
        let began = rollups::first_quarter(&mut self.tx).await?;
        let first_day = began.map_or(days.0, |quarter| std::cmp::max(quarter.div_euclid(QUARTERS_PER_DAY), days.0));
        let elapsed_s = self.picture.now.timestamp() - first_day * 86_400;
        let mut accounts = BTreeMap::new();
        for id in ids {
            let number = numbers.get(id);
            let week = number.and_then(|number| weeks.get(number)).copied().unwrap_or_default();
            let learnt = number.and_then(|number| learnt.remove(number));
            accounts.insert(id, Account { learnt, floor: floors.remove(id), week: Week::of(&week, elapsed_s) });
        }
        if let Some(platform) = readings.iter().find(|reading| reading.account.is_empty()) {
            let query = Query { grain: Grain::Days, slots: days, user: None, by: &[] };
            let week = rollups::sums(&mut self.tx, query).await?.into_iter().next().unwrap_or_default().1;
            let learnt = baselines::load(&mut self.tx, Whose::Total, &[0]).await?.remove(&0);
            let account = Account { learnt, floor: None, week: Week::of(&week, elapsed_s) };
            accounts.insert(platform.account.as_str(), account);
        }
        Ok(accounts)
    }

    fn balance(&self, reading: &Reading, settings: &Settings, account: &Account, limit_floor: NanoUsd) -> Balance {
        let day_of_reading = reading.at.timestamp().div_euclid(86_400);
        let usual = |day: i64| match account.learnt.as_ref().map(|learnt| learnt.days.expect(day_of_reading + day)) {
            Some(Expectation::Usual { expected, .. }) => expected,
            // Too little is known of the days of the week: what the last days cost on average.
            _ => account.week.per_day_usd,
        };
        let lasts = credit::runway(reading.left, reading.at.timestamp().rem_euclid(86_400), usual);
        let since = (self.picture.now - reading.at).num_seconds();
        let user = Some(reading.account.clone()).filter(|id| !id.is_empty());
        Balance {
            subject: user.clone().map_or_else(|| Subject::Account(Subject::PLATFORM.to_owned()), Subject::User),
            user,
            left: reading.left,
            floor: std::cmp::min(account.floor.unwrap_or_else(|| settings.floor()), limit_floor),
            runway_s: lasts.map(|lasts| std::cmp::max(lasts - since, 0)),
            mean_cost: account.week.mean_cost,
        }
    }
}

/// Below which a key's limit is low: a small one would else always be.
fn low_of(purse: NanoUsd) -> NanoUsd {
    NanoUsd(purse.0 / LOW_OF_LIMIT)
}

/// What is known of somebody whose balance was read.
#[derive(Clone, Debug, Default)]
struct Account {
    learnt: Option<Learnt>,
    /// The floor that is the user's own.
    floor: Option<NanoUsd>,
    week: Week,
}

/// What the last days cost.
#[derive(Clone, Copy, Debug, Default)]
struct Week {
    per_day_usd: f64,
    mean_cost: Option<NanoUsd>,
}

impl Week {
    fn of(sums: &Measures, elapsed_s: i64) -> Self {
        let priced = sums.executions - sums.unpriced;
        Self {
            per_day_usd: dollars(sums.spent()) * 86_400.0 / seconds(std::cmp::max(elapsed_s, 86_400)),
            mean_cost: sums.cost.checked_div(priced).map(NanoUsd),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a week")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}
