//! What was spent: sums of any period, by whatever they are grouped by, with their names.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::model_id::ModelId;
use crate::domain::period::{Part, Period, day_in, midnight};
use crate::domain::replacement::Mix;
use crate::domain::rollup::Measures;
use crate::store::executions::provider_of;
use crate::store::rollups::{self, Grain, Group, Query};
use crate::store::{self, Tx, names};

/// How far back a question without a beginning looks.
const DEFAULT_DAYS: i64 = 30;
/// Fewer executions than this tell no habit.
const MIX_EXECUTIONS_MIN: i64 = 20;
/// OpenRouter began in 2023: nothing was spent before, whatever is asked for.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2023, 1, 1).expect("a day");
/// What is asked for beyond is asked for without an end.
const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2200, 1, 1).expect("a day");

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is summed apart.
    pub by: Group,
    /// From when; a month ago when not said.
    pub since: Option<Moment>,
    /// Until when; now when not said.
    pub until: Option<Moment>,
    /// Whose days.
    pub zone: Tz,
    /// Whether each day is summed apart.
    pub per_day: bool,
    /// Only of this user.
    pub user: Option<String>,
}

/// A time, or a day in the zone of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    At(DateTime<Utc>),
    /// The beginning of a day.
    On(NaiveDate),
}

/// Sums of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The day, if days are summed apart.
    pub day: Option<NaiveDate>,
    /// The name of what is summed; `None` for what had none.
    pub name: Option<String>,
    /// The sums.
    pub sums: Measures,
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment = match text.parse() {
            Ok(day) => Self::On(day),
            Err(_) => Self::At(crate::cli::parse_time(text)?),
        };
        Ok(moment)
    }
}

impl Question {
    /// The time meant; nothing is known of any before [`FIRST_DAY`] or far ahead.
    fn moment(&self, moment: Moment) -> DateTime<Utc> {
        match moment {
            Moment::At(at) => at,
            Moment::On(day) => midnight(day.clamp(FIRST_DAY, LAST_DAY), self.zone),
        }
    }

    /// The time asked for, as far as anything can be known of it. Sums are kept by quarters of an hour, so both ends are
    /// quarters.
    #[must_use]
    pub fn range(&self, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        let quarter = TimeDelta::minutes(15);
        let (first, last) = (midnight(FIRST_DAY, self.zone), now + quarter);
        let until = self.until.map_or(last, |until| self.moment(until)).clamp(first, last);
        let default = || midnight(day_in(until, self.zone), self.zone) - TimeDelta::days(DEFAULT_DAYS);
        let since = self.since.map_or_else(default, |since| self.moment(since));
        (since.clamp(first, until), until)
    }

    fn periods(&self, now: DateTime<Utc>) -> Vec<(Option<NaiveDate>, Period)> {
        let (since, until) = self.range(now);
        if !self.per_day {
            return vec![(None, Period::between(since, until))];
        }
        let first = day_in(since, self.zone);
        let days = (0..).map(|days| first + Days::new(days));
        let days = days.map(|day| (Some(day), Period::day(day, self.zone)));
        let end = Period::between(since, until).until;
        days.take_while(|(_, period)| period.from < end).collect()
    }
}

/// Answers a question: the days in order, and in each what cost most first.
///
/// # Errors
/// When the store fails.
pub async fn ask(tx: &mut Tx, question: &Question, now: DateTime<Utc>) -> store::Result<Vec<Line>> {
    let user = match &question.user {
        None => None,
        Some(user) => match names::find(tx, user).await? {
            Some(number) => Some(number),
            None => return Ok(Vec::new()),
        },
    };
    let mut sums: Vec<(Option<NaiveDate>, i64, Measures)> = Vec::new();
    for (day, period) in question.periods(now) {
        let found = sum(tx, period, user, question.by).await?;
        sums.extend(found.into_iter().map(|(number, sums)| (day, number, sums)));
    }
    let numbers: Vec<i64> = sums.iter().map(|(_, number, _)| *number).collect();
    let texts = match question.by {
        Group::Provider => BTreeMap::new(),
        _ => rollups::texts(tx, &numbers).await?,
    };
    let name = |number: i64| match question.by {
        Group::Provider => Some(provider_of(number).as_str().to_owned()),
        _ => texts.get(&number).cloned(),
    };
    let mut lines: Vec<Line> =
        sums.into_iter().map(|(day, number, sums)| Line { day, name: name(number), sums }).collect();
    lines.sort_by(|a, b| (a.day, b.sums.cost, &a.name).cmp(&(b.day, a.sums.cost, &b.name)));
    Ok(lines)
}

/// Sums of a period by one group.
///
/// # Errors
/// When the store fails.
pub async fn sum(tx: &mut Tx, period: Period, user: Option<i64>, by: Group) -> store::Result<BTreeMap<i64, Measures>> {
    let mut sums: BTreeMap<i64, Measures> = BTreeMap::new();
    for part in period.parts() {
        let (grain, slots) = match part {
            Part::Quarters(from, until) => (Grain::Quarters, (from, until)),
            Part::Days(from, until) => (Grain::Days, (from, until)),
        };
        for (numbers, measures) in rollups::sums(tx, Query { grain, slots, user, by: &[by] }).await? {
            *sums.entry(numbers.first().copied().unwrap_or(0)).or_default() += measures;
        }
    }
    Ok(sums)
}

/// What ran for a user, or for all, on each model in the last month.
///
/// # Errors
/// When the store fails.
pub async fn recent(tx: &mut Tx, user: Option<&str>, now: DateTime<Utc>) -> store::Result<BTreeMap<ModelId, Measures>> {
    let (by, zone, user) = (Group::Model, Tz::UTC, user.map(str::to_owned));
    let question = Question { by, since: None, until: None, zone, per_day: false, user };
    let mut sums: BTreeMap<ModelId, Measures> = BTreeMap::new();
    for line in ask(tx, &question, now).await? {
        if let Some(model) = line.name.as_deref().and_then(ModelId::look_up) {
            *sums.entry(model).or_default() += line.sums;
        }
    }
    Ok(sums)
}

/// The tokens of the usual one of some executions, where enough is known of them.
#[must_use]
pub fn mix(sums: &Measures) -> Option<Mix> {
    let each = |tokens: i64| u64::try_from(tokens / std::cmp::max(sums.executions, 1)).unwrap_or(0);
    let mix =
        Mix { input: each(sums.input_tokens), cached: each(sums.cached_tokens), output: each(sums.output_tokens) };
    (sums.executions >= MIX_EXECUTIONS_MIN && mix.input + mix.output > 0).then_some(mix)
}
