//! Balances that are low or will not last.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Judge, Part, amount, plain};
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
    pub(super) async fn balances(&mut self, learnt: &BTreeMap<i64, Learnt>) -> store::Result<()> {
        let fresh = balances::read_since(&mut self.tx, self.picture.now - READING_FRESH).await?;
        let is_credit = |incident: &&Incident| matches!(incident.finding.rule, Rule::LowCredit | Rule::PlatformCredit);
        let open: BTreeMap<&str, &Finding> = self
            .picture
            .incidents
            .iter()
            .filter(is_credit)
            .map(|incident| (incident.finding.user.as_deref().unwrap_or_default(), &incident.finding))
            .collect();
        for (_, finding) in open.iter().filter(|(account, _)| !fresh.iter().any(|fresh| fresh == *account)) {
            self.found.push(plain((*finding).clone()));
        }
        let accounts: Vec<&str> = fresh.iter().map(String::as_str).collect();
        for reading in balances::last_of(&mut self.tx, &accounts).await? {
            let rule = if reading.account.is_empty() { Rule::PlatformCredit } else { Rule::LowCredit };
            let Some(settings) = self.rules.on(rule) else { continue };
            let balance = self.balance(&reading, settings, learnt).await?;
            self.runways.push((reading.account.clone(), balance.runway_s));
            let was_low = open.contains_key(reading.account.as_str());
            self.add(credit::low_credit(rule, settings, &balance, was_low), Part::None, |_| 0);
        }
        Ok(())
    }

    async fn balance(
        &mut self,
        reading: &Reading,
        settings: &Settings,
        known: &BTreeMap<i64, Learnt>,
    ) -> store::Result<Balance> {
        let is_platform = reading.account.is_empty();
        let number = if is_platform { Some(0) } else { names::find(&mut self.tx, &reading.account).await? };
        let learnt = match number.map(|number| (number, known.get(&number))) {
            Some((_, Some(learnt))) if !is_platform => Some(learnt.clone()),
            Some((number, _)) => {
                let whose = if is_platform { Whose::Total } else { Whose::User };
                baselines::load(&mut self.tx, whose, &[number]).await?.remove(&number)
            }
            None => None,
        };
        let week = self.week(number.filter(|_| !is_platform), is_platform).await?;
        let day_of_reading = reading.at.timestamp().div_euclid(86_400);
        let usual = |day: i64| match learnt.as_ref().map(|learnt| learnt.days.expect(day_of_reading + day)) {
            Some(Expectation::Usual { expected, .. }) => expected,
            // Too little is known of the days of the week: what the last days cost on average.
            _ => week.per_day_usd,
        };
        let lasts = credit::runway(reading.left, reading.at.timestamp().rem_euclid(86_400), usual);
        let since = (self.picture.now - reading.at).num_seconds();
        let user = if is_platform { None } else { Some(reading.account.clone()) };
        let purse = accounts::get(&mut self.tx, &reading.account).await?.and_then(|account| account.purse);
        let own_floor = match &user {
            Some(id) => directory::user(&mut self.tx, id).await?.and_then(|user| amount(user.low_credit_usd)),
            None => None,
        };
        Ok(Balance {
            subject: user.clone().map_or_else(|| Subject::Account(Subject::PLATFORM.to_owned()), Subject::User),
            user,
            left: reading.left,
            floor: std::cmp::min(
                own_floor.unwrap_or_else(|| settings.floor()),
                purse.map_or(NanoUsd(i64::MAX), low_of),
            ),
            runway_s: lasts.map(|lasts| std::cmp::max(lasts - since, 0)),
            mean_cost: week.mean_cost,
        })
    }

    /// What the last days cost: of a user, or of all.
    async fn week(&mut self, user: Option<i64>, is_platform: bool) -> store::Result<Week> {
        if user.is_none() && !is_platform {
            return Ok(Week::default());
        }
        let today = self.picture.today;
        let mut week = Measures::default();
        let mut first = today;
        let query = Query { grain: Grain::Days, slots: (today - AVERAGE_DAYS, today + 1), user, by: &[] };
        for (_, sums) in rollups::sums(&mut self.tx, query).await? {
            week += sums;
        }
        // A platform or user of three days is not held to seven.
        if let Some((quarter, _)) = rollups::extent(&mut self.tx).await? {
            first = std::cmp::max(quarter.div_euclid(QUARTERS_PER_DAY), today - AVERAGE_DAYS);
        }
        let elapsed = self.picture.now.timestamp() - first * 86_400;
        let priced = week.executions - week.unpriced;
        Ok(Week {
            per_day_usd: dollars(week.spent()) * 86_400.0 / seconds(std::cmp::max(elapsed, 86_400)),
            mean_cost: week.cost.checked_div(priced).map(NanoUsd),
        })
    }
}

/// Below which a key's limit is low: a small one would else always be.
fn low_of(purse: NanoUsd) -> NanoUsd {
    NanoUsd(purse.0 / LOW_OF_LIMIT)
}

#[derive(Clone, Copy, Debug, Default)]
struct Week {
    per_day_usd: f64,
    mean_cost: Option<NanoUsd>,
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a week")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}
