//! Spend that is far above what is usual: of a user, of a resource, of all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judge, Part, is_above};
use crate::domain::alert::{Rule, Subject};
use crate::domain::finding::{Finding, Window};
use crate::domain::money::NanoUsd;
use crate::domain::rollup::Measures;
use crate::domain::rule::spend::{self, Average, Spent};
use crate::domain::rule::{Settings, failures};
use crate::store;
use crate::store::baselines::{self, Learnt, Whose};
use crate::store::rollups::{self, Grain, Query};
use crate::watch::picture::Active;

/// Days over which the average active user is taken.
const AVERAGE_DAYS: i64 = 7;

impl Judge<'_> {
    /// Far above their own usual, or far above the others.
    pub(super) async fn spend(
        &mut self,
        users: &BTreeMap<i64, Active>,
        learnt: &BTreeMap<i64, Learnt>,
    ) -> store::Result<()> {
        let (spent, user_days) = self.average().await?;
        for (number, active) in users {
            let Some(user) = self.picture.users.get(number) else { continue };
            if let (Some(rule), Some(learnt)) = (self.rules.on(Rule::UserSpendSpike), learnt.get(number)) {
                let subject = Subject::User(user.id.clone());
                let found = self.spike(Rule::UserSpendSpike, rule, &subject, active, learnt);
                self.add_spend(found, &user.id, Part::User(*number));
            }
            let outlier = self.rules.on(Rule::UserSpendOutlier);
            let average = Average { spent, user_days };
            let found = outlier.and_then(|rule| spend::outlier(rule, &user.id, &active.today, &average));
            self.add_spend(found, &user.id, Part::User(*number));
        }
        Ok(())
    }

    async fn average(&mut self) -> store::Result<(NanoUsd, i64)> {
        baselines::spent_on(&mut self.tx, self.picture.today - AVERAGE_DAYS, self.picture.today - 1).await
    }

    fn spike(
        &self,
        rule: Rule,
        settings: &Settings,
        subject: &Subject,
        active: &Active,
        learnt: &Learnt,
    ) -> Option<Finding> {
        let hour = learnt.hours.expect(self.picture.now.timestamp().div_euclid(3600));
        let day = learnt.days.expect(self.picture.today);
        let windows = [
            Spent { window: Window::Hour, sums: &active.clock, usual: &hour },
            Spent { window: Window::Day, sums: &active.today, usual: &day },
        ];
        spend::spike(rule, settings, subject, &windows)
    }

    /// Adds a finding on a user's spend, with what cost most.
    pub(super) fn add_spend(&mut self, found: Option<Finding>, user: &str, part: Part) {
        self.add(found.map(|found| Finding { user: Some(user.to_owned()), ..found }), part, |sums| sums.cost);
    }

    /// A resource that costs far more than it usually does, where that is not told of its owner already. Only what
    /// belongs to users who spent the floor can have cost it.
    pub(super) async fn resources(&mut self, users: &BTreeMap<i64, Active>) -> store::Result<()> {
        let Some(rule) = self.rules.on(Rule::ResourceSpendSpike) else { return Ok(()) };
        let above = users.iter().filter(|(_, active)| is_above(active, rule.floor()));
        let owners: Vec<i64> = above.map(|(number, _)| *number).collect();
        let day = (self.picture.today, self.picture.today + 1);
        let days = rollups::lines(&mut self.tx, Grain::Days, day, Some(&owners)).await?;
        let mut resources = self.picture.hours_by(|key| key.resource);
        self.picture.add_days(&mut resources, &days, |key| key.resource);
        resources.retain(|number, active| *number != 0 && is_above(active, rule.floor()));
        let numbers: Vec<i64> = resources.keys().copied().collect();
        let learnt = baselines::load(&mut self.tx, Whose::Resource, &numbers).await?;
        let texts = rollups::texts(&mut self.tx, &numbers).await?;
        let told = self.told_of_users();
        for (number, active) in resources {
            let (Some(learnt), Some(id)) = (learnt.get(&number), texts.get(&number)) else { continue };
            let mut lines = self.picture.hour.iter().chain(&days);
            let owner = lines.find(|(key, _)| key.resource == number).map(|(key, _)| key.user);
            let Some((owner, user)) = owner.and_then(|owner| Some((owner, self.picture.users.get(&owner)?))) else {
                continue;
            };
            if !told.contains(&user.id) {
                let subject = Subject::Resource(id.clone());
                let found = self.spike(Rule::ResourceSpendSpike, rule, &subject, &active, learnt);
                self.add_spend(found, &user.id, Part::Resource(owner, number));
            }
        }
        Ok(())
    }

    /// Users of whom it is told, now or lately, that they spend more than usual.
    fn told_of_users(&self) -> BTreeSet<String> {
        let now = self.found.iter().map(|found| &found.finding);
        let lately = self.picture.incidents.iter().map(|incident| &incident.finding);
        let spikes = now.chain(lately).filter(|finding| finding.rule == Rule::UserSpendSpike);
        spikes.filter_map(|finding| finding.user.clone()).collect()
    }

    /// All together.
    pub(super) async fn total(&mut self) -> store::Result<()> {
        let mut clock = Measures::default();
        let mut hour = Measures::default();
        for (key, sums) in &self.picture.hour {
            hour += *sums;
            if self.picture.is_of_clock_hour(key) {
                clock += *sums;
            }
        }
        if let Some(rule) = self.rules.on(Rule::TotalSpendSpike) {
            let query =
                Query { grain: Grain::Days, slots: (self.picture.today, self.picture.today + 1), user: None, by: &[] };
            let today =
                rollups::sums(&mut self.tx, query).await?.into_iter().next().map_or(Measures::default(), |day| day.1);
            let learnt = baselines::load(&mut self.tx, Whose::Total, &[0]).await?.remove(&0).unwrap_or_default();
            let active = Active { hour, clock, today, ..Active::default() };
            let subject = Subject::Account(Subject::PLATFORM.to_owned());
            let found = self.spike(Rule::TotalSpendSpike, rule, &subject, &active, &learnt);
            self.add(found.filter(|found| !self.is_explained(found)), Part::All, |sums| sums.cost);
        }
        let refused: BTreeSet<i64> =
            self.picture.hour.iter().filter(|(_, sums)| sums.out_of_credit > 0).map(|(key, _)| key.user).collect();
        let users = i64::try_from(refused.len()).unwrap_or(i64::MAX);
        let rule = self.rules.on(Rule::CreditRefused);
        let found = rule.and_then(|rule| failures::credit_refused(rule, &hour, users));
        self.add(found, Part::None, |_| 0);
        Ok(())
    }

    /// Whether spikes of single users, which the admins hear of anyway, make up most of what is too much.
    fn is_explained(&self, total: &Finding) -> bool {
        let excess = |finding: &Finding| finding.value - finding.evidence.expected.unwrap_or(0.0);
        let of_users = self.found.iter().map(|found| &found.finding);
        let of_users = of_users.filter(|finding| finding.rule == Rule::UserSpendSpike).map(excess).sum::<f64>();
        of_users >= excess(total) / 2.0
    }
}
