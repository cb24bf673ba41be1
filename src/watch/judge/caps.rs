//! Caps of a day and a month, and plans against what their users cost.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;

use super::{Judge, Part, amount, plain};
use crate::domain::alert::{Rule, Subject};
use crate::domain::directory::Limits;
use crate::domain::finding::Window;
use crate::domain::incident::Incident;
use crate::domain::money::NanoUsd;
use crate::domain::period::{Period, day_in};
use crate::domain::rule::credit::{self, Cap};
use crate::store::baselines::{self, Learnt};
use crate::store::{self, directory, rollups};
use crate::watch::learn::month_of_date;
use crate::watch::picture::Active;

/// From this share of a cap or plan on, in percent, the exact sum of the user's own day or month is worth its price.
const NEAR_PERCENT: i128 = 45;

/// Somebody who may have reached what is measured against.
struct Near<'a> {
    user: &'a Limits,
    number: i64,
    period: Period,
    against: Against,
}

/// What a user's spend is measured against.
#[derive(Clone, Copy, Debug)]
enum Against {
    /// The cap of a day.
    Day(NanoUsd),
    /// The cap of a month.
    Month(NanoUsd),
    /// What the user pays for a month.
    Plan(NanoUsd),
}

impl Against {
    fn limit(self) -> NanoUsd {
        match self {
            Self::Day(limit) | Self::Month(limit) | Self::Plan(limit) => limit,
        }
    }

    /// The rule, and which of its incidents on a user it is.
    fn rule(self) -> (Rule, &'static str) {
        match self {
            Self::Day(_) => (Rule::Budget, "daily"),
            Self::Month(_) => (Rule::Budget, "monthly"),
            Self::Plan(_) => (Rule::Margin, ""),
        }
    }

    fn is_same_period(self, day: NaiveDate, today: NaiveDate) -> bool {
        match self {
            Self::Day(_) => day == today,
            Self::Month(_) | Self::Plan(_) => (day.year(), day.month()) == (today.year(), today.month()),
        }
    }

    /// From which share of it on the exact sum is looked up. A month that begins before that of UTC has hours that the
    /// days of UTC do not tell, in which as much again may have been spent.
    fn near_percent(self, today: NaiveDate, zone: Tz) -> i128 {
        let begins_before = self.period(today, zone).from < self.period(today, Tz::UTC).from;
        if begins_before && !matches!(self, Self::Day(_)) { NEAR_PERCENT / 2 } else { NEAR_PERCENT }
    }

    /// The day, or the month so far.
    fn period(self, today: NaiveDate, zone: Tz) -> Period {
        match self {
            Self::Day(_) => Period::day(today, zone),
            Self::Month(_) | Self::Plan(_) => {
                let first = today.with_day(1).unwrap_or(today);
                Period { from: Period::day(first, zone).from, until: Period::day(today, zone).until }
            }
        }
    }
}

impl Judge<'_> {
    /// Caps of the user's own day and month, and what they pay for it all.
    pub(super) async fn caps(
        &mut self,
        users: &BTreeMap<i64, Active>,
        learnt: &BTreeMap<i64, Learnt>,
    ) -> store::Result<()> {
        let mut near = Vec::new();
        // Who rested since is still where they were.
        for (number, user) in &self.picture.users {
            let active = users.get(number).copied().unwrap_or_default();
            self.near_of(user, *number, &active, learnt.get(number), &mut near);
        }
        let periods: Vec<(i64, Period)> = near.iter().map(|near| (near.number, near.period)).collect();
        let spent = rollups::costs(&mut self.tx, &periods).await?;
        for (near, spent) in near.iter().zip(spent) {
            self.cap(near, spent);
        }
        self.platform_margin().await
    }

    /// What a user may have reached, as far as the days of UTC tell.
    fn near_of<'a>(
        &mut self,
        user: &'a Limits,
        number: i64,
        active: &Active,
        learnt: Option<&Learnt>,
        near: &mut Vec<Near<'a>>,
    ) {
        let (zone, picture) = (user.zone, self.picture);
        let today = day_in(picture.now, zone);
        let of_day = active.today.cost.saturating_add(active.yesterday.cost);
        let this_month = learnt.filter(|learnt| learnt.month == month_of_date(today));
        let of_month = this_month.map_or(0, |learnt| learnt.month_cost).saturating_add(of_day);
        let day = user.daily.map(|limit| (Against::Day(limit), of_day));
        let month = user.monthly.map(|limit| (Against::Month(limit), of_month));
        let plan = user.plan.map(|limit| (Against::Plan(limit), of_month));
        for (against, spent) in [day, month, plan].into_iter().flatten() {
            let (rule, aspect) = against.rule();
            let told = picture.open(rule, &user.id, aspect);
            let told = told.filter(|open| against.is_same_period(day_in(open.last_found_at, zone), today));
            let is_near = is_near(spent, against.limit(), against.near_percent(today, zone));
            if self.rules.on(rule).is_none() || told.is_none() && !is_near {
                continue;
            }
            // What was found of a period that is not over holds until it is, for spend only grows: where nothing ran
            // these days (some platforms report late), against the same limit, it is found again as it was.
            let holds = |open: &&Incident| of_day == 0 && open.finding.evidence.limit == Some(against.limit());
            match told.filter(holds) {
                Some(open) => self.found.push(plain(open.finding.clone())),
                None => near.push(Near { user, number, period: against.period(today, zone), against }),
            }
        }
    }

    /// Judges an exact sum.
    fn cap(&mut self, near: &Near<'_>, spent: NanoUsd) {
        let (id, part) = (near.user.id.as_str(), Part::User(near.number));
        let Some(rule) = self.rules.on(near.against.rule().0) else { return };
        let cap = |name, window, limit| Cap { name, window, spent, limit };
        let found = match near.against {
            Against::Day(limit) => credit::budget(rule, id, cap("daily", Window::Day, limit)),
            Against::Month(limit) => credit::budget(rule, id, cap("monthly", Window::Month, limit)),
            Against::Plan(paid) => credit::margin(rule, Subject::User(id.to_owned()), spent, paid),
        };
        self.add_spend(found, id, part);
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

fn is_near(spent: i64, limit: NanoUsd, percent: i128) -> bool {
    i128::from(spent) * 100 >= i128::from(limit.0) * percent
}
