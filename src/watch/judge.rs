//! Judges the picture by every rule that is on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;

use super::learn::month_of;
use super::picture::{Active, Lines, Picture, largest};
use crate::config::rules::Rules;
use crate::domain::alert::{Rule, Subject};
use crate::domain::baseline::Expectation;
use crate::domain::directory::User;
use crate::domain::finding::{Finding, Share, Window};
use crate::domain::incident::Incident;
use crate::domain::money::NanoUsd;
use crate::domain::period::{Part as PeriodPart, Period, day_in};
use crate::domain::rollup::{Key, Measures, QUARTERS_PER_DAY, quarter_of};
use crate::domain::rule::credit::{self, Balance, Cap};
use crate::domain::rule::spend::{self, Average, Spent};
use crate::domain::rule::{Settings, account, dollars, failures};
use crate::job::{Context, Error};
use crate::store::balances::{self, Reading};
use crate::store::baselines::{self, Learnt, Whose};
use crate::store::rollups::{self, Grain, Group, Query};
use crate::store::{self, Tx, directory, names, outbox};

/// Days over which the average active user is taken.
const AVERAGE_DAYS: i64 = 7;
/// Days over which a model's usual share of unusable outputs is taken.
const BAD_OUTPUT_DAYS: i64 = 14;
/// A balance is judged in the evaluations of so long after it was read: one of them is sure to take place.
const READING_FRESH: TimeDelta = TimeDelta::minutes(11);
/// From this share of a cap or plan on, in percent, the exact sum of the user's own day or month is worth its price.
const NEAR_PERCENT: i128 = 45;
const QUARTER_S: i64 = 900;

/// Everything that holds now.
pub(super) async fn judge(context: &Context, now: DateTime<Utc>) -> Result<Vec<Finding>, Error> {
    let config = context.settings.get();
    let mut tx = context.db.read().await?;
    let picture = Picture::take(&mut tx, now).await?;
    let mut judge = Judge { tx, rules: &config.rules, picture: &picture, found: Vec::new() };
    let users = picture.by_user();
    let learnt = judge.learnt_of(&users).await?;
    judge.failures(&users);
    judge.spend(&users, &learnt).await?;
    judge.resources(&users).await?;
    judge.total().await?;
    judge.caps(&users, &learnt).await?;
    judge.models().await?;
    judge.balances(&learnt).await?;
    judge.daemon().await?;
    Ok(judge.name().await?)
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
            spends || self.picture.users.get(number).is_some_and(|user| monthly(user).next().is_some())
        });
        let needed: Vec<i64> = needed.map(|(number, _)| *number).collect();
        baselines::load(&mut self.tx, Whose::User, &needed).await
    }

    /// Limits, empty purses, failures that are paid for.
    fn failures(&mut self, users: &BTreeMap<i64, Active>) {
        let rules = self.rules;
        for (number, active) in users {
            let Some(user) = self.picture.users.get(number) else { continue };
            let (id, part) = (user.id.as_str(), Part::User(*number));
            let limited = rules.on(Rule::RateLimited).and_then(|rule| failures::rate_limited(rule, id, &active.hour));
            self.add(limited, part, Measures::rate_limited);
            let refused = rules.on(Rule::OutOfCredit).and_then(|rule| failures::out_of_credit(rule, id, &active.hour));
            self.add(refused, part, |sums| sums.out_of_credit);
            let charged = rules.on(Rule::ChargedFailures);
            let charged = charged.and_then(|rule| failures::charged_failures(rule, id, &active.today));
            self.add(charged, part, |sums| sums.charged_failures);
        }
    }

    /// Far above their own usual, or far above the others.
    async fn spend(&mut self, users: &BTreeMap<i64, Active>, learnt: &BTreeMap<i64, Learnt>) -> store::Result<()> {
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
    fn add_spend(&mut self, found: Option<Finding>, user: &str, part: Part) {
        self.add(found.map(|found| Finding { user: Some(user.to_owned()), ..found }), part, |sums| sums.cost);
    }

    /// A resource that costs far more than it usually does, where that is not told of its owner already. Only what
    /// belongs to users who spent the floor can have cost it.
    async fn resources(&mut self, users: &BTreeMap<i64, Active>) -> store::Result<()> {
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
    async fn total(&mut self) -> store::Result<()> {
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

    /// Caps of the user's own day and month, and what they pay for it all.
    async fn caps(&mut self, users: &BTreeMap<i64, Active>, learnt: &BTreeMap<i64, Learnt>) -> store::Result<()> {
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

    /// Models that fail for several users, or whose outputs cannot be used.
    async fn models(&mut self) -> store::Result<()> {
        let failed: Rank = |sums| sums.unavailable + sums.upstream_failures;
        let (mut sums, mut users) = (BTreeMap::<i64, Measures>::new(), BTreeMap::<i64, BTreeSet<i64>>::new());
        for (key, measures) in &self.picture.hour {
            *sums.entry(key.model).or_default() += *measures;
            if failed(measures) > 0 {
                users.entry(key.model).or_default().insert(key.user);
            }
        }
        let texts = rollups::texts(&mut self.tx, &sums.keys().copied().collect::<Vec<_>>()).await?;
        for (number, users) in users {
            let (Some(rule), Some(id)) = (self.rules.on(Rule::ModelFailing), texts.get(&number)) else { continue };
            let users = i64::try_from(users.len()).unwrap_or(i64::MAX);
            self.add(failures::model_failing(rule, id, &sums[&number], users), Part::Model(number), failed);
        }
        let unusable: Vec<i64> =
            sums.iter().filter(|(_, sums)| sums.bad_outputs > 0).map(|(number, _)| *number).collect();
        self.bad_outputs(&unusable, &texts).await
    }

    async fn bad_outputs(&mut self, models: &[i64], texts: &BTreeMap<i64, String>) -> store::Result<()> {
        let Some(rule) = self.rules.on(Rule::BadOutput).filter(|_| !models.is_empty()) else { return Ok(()) };
        let day = (self.picture.today, self.picture.today + 1);
        let query = Query { grain: Grain::Days, slots: day, user: None, by: &[Group::Model] };
        let days: BTreeMap<i64, Measures> = rollups::sums(&mut self.tx, query)
            .await?
            .into_iter()
            .filter_map(|(numbers, sums)| Some((*numbers.first()?, sums)))
            .collect();
        for model in models {
            let (Some(id), Some(day)) = (texts.get(model), days.get(model)) else { continue };
            let (first, last) = (self.picture.today - BAD_OUTPUT_DAYS, self.picture.today - 1);
            let usual = baselines::bad_outputs(&mut self.tx, *model, first, last).await?;
            let found = failures::bad_output(rule, id, day, usual);
            self.add(found, Part::Model(*model), |sums| sums.bad_outputs);
        }
        Ok(())
    }

    /// Balances that are low or will not last. One is judged when it was read; until the next time, what was found of it
    /// is found again.
    async fn balances(&mut self, learnt: &BTreeMap<i64, Learnt>) -> store::Result<()> {
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
        let own_floor = match &user {
            Some(id) => directory::user(&mut self.tx, id).await?.and_then(|user| amount(user.low_credit_usd)),
            None => None,
        };
        Ok(Balance {
            subject: user.clone().map_or_else(|| Subject::Account(Subject::PLATFORM.to_owned()), Subject::User),
            user,
            left: reading.left,
            floor: own_floor.unwrap_or_else(|| settings.floor()),
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

    /// The daemon's own dead-man's switches.
    async fn daemon(&mut self) -> store::Result<()> {
        let now = self.picture.now;
        if let Some(rule) = self.rules.on(Rule::IngestSilent)
            && let Some(silence) = self.silence(rule).await?
        {
            self.found.extend(account::ingest_silent(rule, &silence).map(plain));
        }
        if let Some(rule) = self.rules.on(Rule::MailStuck) {
            let queue = outbox::queue(&mut self.tx).await?;
            let waiting = queue.pending + queue.sending;
            self.found.extend(account::mail_stuck(rule, queue.oldest_pending, waiting, now).map(plain));
        }
        Ok(())
    }

    /// The time since the last execution, once it is long.
    async fn silence(&mut self, rule: &Settings) -> store::Result<Option<account::Silence>> {
        let Some((_, last)) = rollups::extent(&mut self.tx).await? else { return Ok(None) };
        let lasts = TimeDelta::seconds(self.picture.now.timestamp() - (last + 1) * QUARTER_S);
        if lasts.as_seconds_f64() < rule.threshold * 3600.0 {
            return Ok(None);
        }
        let (from, until) = (last + 1, quarter_of(self.picture.now));
        let mut came = [0; 2];
        for (came, days) in came.iter_mut().zip([1, 7]) {
            let ago = days * QUARTERS_PER_DAY;
            let query = Query { grain: Grain::Quarters, slots: (from - ago, until - ago), user: None, by: &[] };
            *came = rollups::sums(&mut self.tx, query).await?.iter().map(|(_, sums)| sums.executions).sum();
        }
        let [day_before, week_before] = came;
        Ok(Some(account::Silence { lasts, day_before, week_before }))
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

fn zone_of(user: &User) -> Tz {
    user.timezone.unwrap_or(Tz::UTC)
}

#[derive(Clone, Copy, Debug, Default)]
struct Week {
    per_day_usd: f64,
    mean_cost: Option<NanoUsd>,
}

fn plain(finding: Finding) -> Found {
    Found { finding, part: Part::None, rank: |_| 0 }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a week")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

fn is_above(active: &Active, floor: NanoUsd) -> bool {
    active.clock.spent() >= floor || active.today.spent() >= floor
}

fn amount(dollars: Option<Decimal>) -> Option<NanoUsd> {
    dollars.and_then(NanoUsd::from_decimal)
}

/// What a user's month is measured against.
fn monthly(user: &User) -> impl Iterator<Item = NanoUsd> {
    [amount(user.monthly_limit_usd), amount(user.plan_usd_per_month)].into_iter().flatten()
}

fn is_near(spent: i64, limit: NanoUsd) -> bool {
    i128::from(spent) * 100 >= i128::from(limit.0) * NEAR_PERCENT
}
