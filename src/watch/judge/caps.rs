//! Caps of a day and a month, and plans against what their users cost.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;

use super::{Judge, Part, amount, monthly, plain};
use crate::domain::alert::{Rule, Subject};
use crate::domain::directory::User;
use crate::domain::finding::Window;
use crate::domain::money::NanoUsd;
use crate::domain::period::{Part as PeriodPart, Period, day_in};
use crate::domain::rule::credit::{self, Cap};
use crate::store::baselines::{self, Learnt};
use crate::store::rollups::{self, Grain};
use crate::store::{self, directory};
use crate::watch::learn::month_of;
use crate::watch::picture::Active;

/// From this share of a cap or plan on, in percent, the exact sum of the user's own day or month is worth its price.
const NEAR_PERCENT: i128 = 45;

impl Judge<'_> {
    /// Caps of the user's own day and month, and what they pay for it all.
    pub(super) async fn caps(
        &mut self,
        users: &BTreeMap<i64, Active>,
        learnt: &BTreeMap<i64, Learnt>,
    ) -> store::Result<()> {
        for (number, active) in users {
            let Some(user) = self.picture.users.get(number) else { continue };
            let today = day_in(self.picture.now, zone_of(user));
            let near_today = active.today.cost.saturating_add(active.yesterday.cost);
            if let (Some(rule), Some(limit)) = (self.rules.on(Rule::Budget), amount(user.daily_limit_usd))
                && is_near(near_today, limit)
                && !self.goes_on(active, user, Rule::Budget, "daily", |day| day == today)
            {
                let spent = self.spent(Period::day(today, zone_of(user)), *number).await?;
                let cap = Cap { name: "daily", window: Window::Day, spent, limit };
                self.add_spend(credit::budget(rule, &user.id, cap), &user.id, Part::User(*number));
            }
            let this_month = learnt.get(number).filter(|learnt| learnt.month == month_of(self.picture.today));
            let near_month = this_month.map_or(0, |learnt| learnt.month_cost).saturating_add(near_today);
            if monthly(user).any(|limit| is_near(near_month, limit)) {
                self.month_of(user, *number, active, today).await?;
            }
        }
        self.platform_margin().await
    }

    async fn month_of(&mut self, user: &User, number: i64, active: &Active, today: NaiveDate) -> store::Result<()> {
        let (id, part) = (user.id.as_str(), Part::User(number));
        let same_month = |day: NaiveDate| (day.year(), day.month()) == (today.year(), today.month());
        let budget = self.rules.on(Rule::Budget).zip(amount(user.monthly_limit_usd));
        let budget = budget.filter(|_| !self.goes_on(active, user, Rule::Budget, "monthly", same_month));
        let margin = self.rules.on(Rule::Margin).zip(amount(user.plan_usd_per_month));
        let margin = margin.filter(|_| !self.goes_on(active, user, Rule::Margin, "", same_month));
        if budget.is_none() && margin.is_none() {
            return Ok(());
        }
        let (first, zone) = (today.with_day(1).unwrap_or(today), zone_of(user));
        let month = Period { from: Period::day(first, zone).from, until: Period::day(today, zone).until };
        let spent = self.spent(month, number).await?;
        let cap = |limit| Cap { name: "monthly", window: Window::Month, spent, limit };
        let found = budget.and_then(|(rule, limit)| credit::budget(rule, id, cap(limit)));
        self.add_spend(found, id, part);
        let subject = Subject::User(id.to_owned());
        let found = margin.and_then(|(rule, paid)| credit::margin(rule, subject, spent, paid));
        self.add_spend(found, id, part);
        Ok(())
    }

    /// What was found of a period that is not over holds until it is, for spend only grows: where nothing ran since, it
    /// is found again as it was.
    fn goes_on(
        &mut self,
        active: &Active,
        user: &User,
        rule: Rule,
        aspect: &str,
        is_same: impl Fn(NaiveDate) -> bool,
    ) -> bool {
        let Some(open) = self.picture.open(rule, &user.id, aspect) else { return false };
        let goes_on = !active.is_recent && is_same(day_in(open.last_found_at, zone_of(user)));
        if goes_on {
            self.found.push(plain(open.finding.clone()));
        }
        goes_on
    }

    async fn spent(&mut self, period: Period, user: i64) -> store::Result<NanoUsd> {
        let mut spent = NanoUsd::ZERO;
        for part in period.parts() {
            let (grain, slots) = match part {
                PeriodPart::Quarters(from, until) => (Grain::Quarters, (from, until)),
                PeriodPart::Days(from, until) => (Grain::Days, (from, until)),
            };
            spent += NanoUsd(rollups::cost_of(&mut self.tx, grain, slots, user).await?);
        }
        Ok(spent)
    }

    /// The platform's month (UTC) against all plans together; asked once an hour, for it looks at all users.
    async fn platform_margin(&mut self) -> store::Result<()> {
        let Some(rule) = self.rules.on(Rule::Margin) else { return Ok(()) };
        let subject = Subject::Account(Subject::PLATFORM.to_owned());
        let mut open = self.picture.incidents.iter().map(|incident| &incident.finding);
        let is_open = open.any(|finding| finding.rule == Rule::Margin && finding.subject == subject);
        if self.picture.now.minute() >= 5 && !is_open {
            return Ok(());
        }
        let paid = amount(Some(directory::plans(&mut self.tx).await?)).unwrap_or_default();
        let first = self.picture.today - i64::from(self.picture.now.day0());
        let (spent, _) = baselines::spent_on(&mut self.tx, first, self.picture.today - 1).await?;
        self.add(credit::margin(rule, subject, spent, paid), Part::None, |_| 0);
        Ok(())
    }
}

fn zone_of(user: &User) -> Tz {
    user.timezone.unwrap_or(Tz::UTC)
}

fn is_near(spent: i64, limit: NanoUsd) -> bool {
    i128::from(spent) * 100 >= i128::from(limit.0) * NEAR_PERCENT
}
