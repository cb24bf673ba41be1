//! Who must be told what of a model: what a user believes is brought in line with what is so, each thing once.
//!
//! Its end and its absence are judged here; its prices in [`super::bill`], its abilities in [`super::ability`].

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use super::ability::{AbilityNews, Lost};
use super::bill::{Load, PriceChange, Repricing, Threshold};
use super::lifecycle::{State, Tracked};
use super::model_id::ModelId;
use super::settled::{PRICES, Settlement};
use super::vendor_end::VendorEnd;

/// Days before the announced end at which a user is reminded.
pub const MILESTONES: [u16; 6] = [0, 1, 3, 7, 14, 30];
/// The milestone of an announcement that comes earlier than all of them.
pub const ANNOUNCED: u16 = u16::MAX;
/// Good news about a date (moved away, taken back) and a date that came back are told once they held for this
/// long: dates hop between models several times a day.
const HOLD: TimeDelta = TimeDelta::hours(24);
/// While a model is missing for less than this, nothing is said of its date either.
const QUIET_WHILE_MISSING: TimeDelta = TimeDelta::hours(24);

/// A vendor's day that passed longer ago, while OpenRouter serves the model all the same, says nothing of its future.
const VENDOR_OVERDUE_MAX: TimeDelta = TimeDelta::days(180);

/// What a user was told of a model so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    /// The end they were last told; `None` when none, or when it was taken back.
    pub expires_on: Option<NaiveDate>,
    /// The absence they were told is an end; `None` when none, or when the model's return was told.
    pub gone_since: Option<DateTime<Utc>>,
    /// For each date ever told: the last milestone told of it.
    pub milestones: BTreeMap<NaiveDate, u16>,
    /// The fetch since when it has the prices they were told last.
    pub price_since: Option<DateTime<Utc>>,
    /// The abilities they were told are lost.
    pub lost: Lost,
    /// The absence of which they were told that nothing is concluded from it yet.
    pub missing_since: Option<DateTime<Utc>>,
}

/// Something to tell a user about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It will be withdrawn: the announcement or a reminder.
    Deprecated {
        /// The day.
        on: NaiveDate,
        /// Which of [`MILESTONES`] this is, or [`ANNOUNCED`].
        milestone: u16,
    },
    /// The date they were told is another now, was taken back, or stands again.
    DateChanged {
        /// What they were told last.
        was: Option<NaiveDate>,
        /// What is so.
        is: Option<NaiveDate>,
        /// Since this fetch: a date can move twice to the same day.
        since: DateTime<Utc>,
    },
    /// It is gone.
    Removed {
        /// Since this fetch.
        since: DateTime<Utc>,
        /// The id it was renamed to.
        successor: Option<ModelId>,
    },
    /// It is back, after they were told that it is gone since then.
    Returned {
        /// The absence they were told of.
        since: DateTime<Utc>,
        /// The end that is announced now.
        expires_on: Option<NaiveDate>,
    },
    /// Their own executions on it fail, and the list does not have it.
    Missing {
        /// Since this fetch.
        since: DateTime<Utc>,
        /// How many failed lately.
        failed: i64,
    },
    /// It has other prices.
    Repriced(Box<Repricing>),
    /// It lost or regained abilities.
    Ability(AbilityNews),
}

impl Belief {
    /// Takes in a date that a mail named in passing, together with the milestones that lie behind it.
    fn hear_of(&mut self, date: Option<NaiveDate>, now: DateTime<Utc>) {
        self.expires_on = date;
        if let Some(on) = date {
            let told = self.milestones.entry(on).or_insert(ANNOUNCED);
            *told = std::cmp::min(*told, milestone(on, now));
        }
    }
}

impl News {
    /// The kind of mail that tells it, as preferences, metrics and `replay` name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Deprecated { .. } => "model_deprecated",
            Self::DateChanged { .. } => "model_date_changed",
            Self::Removed { .. } => "model_removed",
            Self::Returned { .. } => "model_returned",
            Self::Missing { .. } => "model_missing",
            Self::Repriced(_) => "model_repriced",
            Self::Ability(_) => "model_capability",
        }
    }

    /// What is told, as a key that is the same whenever the same is told: part of the outbox's unique key.
    #[must_use]
    pub fn key(&self) -> String {
        let day = |date: &Option<NaiveDate>| date.map_or_else(|| "none".to_owned(), |date| date.to_string());
        match self {
            Self::Deprecated { on, milestone: ANNOUNCED } => format!("{on}/announced"),
            Self::Deprecated { on, milestone } => format!("{on}/{milestone}d"),
            Self::DateChanged { was, is, since } => {
                format!("{}/{}/{}", day(was), day(is), since.format("%Y%m%dT%H%M%SZ"))
            }
            Self::Removed { since, .. } | Self::Returned { since, .. } | Self::Missing { since, .. } => {
                since.to_rfc3339()
            }
            Self::Repriced(repricing) => repricing.since.to_rfc3339(),
            Self::Ability(news) => news.key(),
        }
    }
}

/// What a user must be told of a model now, if anything. `end`: what its vendor announced; OpenRouter's own day goes
/// before it. `uses_it`: one of their resources does; who no longer uses it is only told what corrects an earlier mail.
#[must_use]
pub fn due(
    belief: &Belief,
    tracked: &Tracked,
    end: Option<&VendorEnd>,
    uses_it: bool,
    now: DateTime<Utc>,
) -> Option<News> {
    let announced = Announced::of(belief, tracked, end, now);
    match tracked.state {
        State::Removed(absence, _) => {
            let news = News::Removed { since: absence.since, successor: tracked.successor.clone() };
            let concerns = uses_it || belief.missing_since.is_some();
            (concerns && belief.gone_since.is_none()).then_some(news)
        }
        State::Listed => match belief.gone_since.or(belief.missing_since) {
            Some(since) => Some(News::Returned { since, expires_on: announced.on }),
            None => date_news(belief, tracked, announced, uses_it, now),
        },
        State::Missing(absence) | State::Unlisted(absence) => {
            let calm = belief.gone_since.is_none()
                && belief.missing_since.is_none()
                && now - absence.since >= QUIET_WHILE_MISSING;
            calm.then(|| reminder(belief, announced.on?, uses_it, now)).flatten()
        }
    }
}

/// What a user must be told whose own executions on a model fail as those on one that is not there: that it is missing,
/// or gone, as soon as the list does not have it. `failed`: how many of theirs did lately.
#[must_use]
pub fn failing(belief: &Belief, tracked: &Tracked, failed: i64) -> Option<News> {
    let is_new = failed > 0 && belief.gone_since.is_none() && belief.missing_since.is_none();
    let news = match tracked.state {
        State::Listed | State::Unlisted(_) => None,
        State::Missing(absence) => Some(News::Missing { since: absence.since, failed }),
        State::Removed(absence, _) => {
            Some(News::Removed { since: absence.since, successor: tracked.successor.clone() })
        }
    };
    news.filter(|_| is_new)
}

/// What a user must be told of a model's prices, who uses it since `began`: all that has held since they were last
/// told. What is free at OpenRouter's pleasure (`:free`) and now and then shows a price is none of it.
#[must_use]
pub fn repriced(
    belief: &Belief,
    tracked: &Tracked,
    began: DateTime<Utc>,
    settled: &[Settlement],
    load: Load,
    threshold: Threshold,
) -> Option<News> {
    if tracked.state != State::Listed || tracked.model.id.variant() == Some("free") {
        return None;
    }
    let schedule = |value: &Value| serde_json::from_value(value.clone()).ok();
    let changes = settled.iter().filter(|change| change.what == PRICES);
    let changes: Vec<PriceChange> = changes
        .filter_map(|change| Some((change.since, schedule(&change.before)?, schedule(&change.after)?)))
        .collect();
    let known_at = belief.price_since.map_or(began, |told| std::cmp::max(told, began));
    Repricing::due(&changes, known_at, load, threshold).map(|found| News::Repriced(Box::new(found)))
}

/// What a user must be told of a model's abilities, who uses it since `began`.
#[must_use]
pub fn ability(
    belief: &Belief,
    tracked: &Tracked,
    began: DateTime<Utc>,
    settled: &[Settlement],
    context: Option<u64>,
) -> Option<News> {
    let found = AbilityNews::due(settled, &belief.lost, began, context).filter(|_| tracked.state == State::Listed);
    found.map(News::Ability)
}

/// The belief after the news.
#[must_use]
pub fn learn(mut belief: Belief, news: &News, now: DateTime<Utc>) -> Belief {
    match news {
        News::Deprecated { on, milestone } => {
            belief.expires_on = Some(*on);
            belief.milestones.insert(*on, *milestone);
        }
        News::DateChanged { is, .. } => belief.hear_of(*is, now),
        News::Removed { since, .. } => (belief.gone_since, belief.missing_since) = (Some(*since), None),
        News::Returned { expires_on, .. } => {
            (belief.gone_since, belief.missing_since) = (None, None);
            belief.hear_of(*expires_on, now);
        }
        News::Missing { since, .. } => belief.missing_since = Some(*since),
        News::Repriced(repricing) => belief.price_since = Some(repricing.since),
        News::Ability(news) => news.learn(&mut belief.lost),
    }
    belief
}

/// The end that is announced, whoever announced it.
#[derive(Clone, Copy, Debug)]
struct Announced {
    on: Option<NaiveDate>,
    since: DateTime<Utc>,
    by_vendor: bool,
}

impl Announced {
    fn of(belief: &Belief, tracked: &Tracked, end: Option<&VendorEnd>, now: DateTime<Utc>) -> Self {
        let own = Self { on: tracked.model.expires_on.date(), since: tracked.expiry_since, by_vendor: false };
        match end {
            Some(end) if own.on.is_none() => {
                let direct = tracked.model.id.is_vendors_own();
                let since = std::cmp::max(tracked.expiry_since, end.since);
                Self { on: vendors_day(belief, end.on, direct, now), since, by_vendor: true }
            }
            _ => own,
        }
    }
}

/// The vendor's day, as far as there is something to say of it. A day that has passed is told once, to those who never
/// heard of any: OpenRouter may serve the model from elsewhere for long, and then nothing of it is news.
fn vendors_day(belief: &Belief, on: NaiveDate, direct: bool, now: DateTime<Utc>) -> Option<NaiveDate> {
    let today = now.date_naive();
    match belief.expires_on {
        _ if on >= today => Some(on),
        Some(told) if told < today => Some(told),
        Some(_) => None,
        None if !belief.milestones.is_empty() => None,
        None => (direct || today - on <= VENDOR_OVERDUE_MAX).then_some(on),
    }
}

fn date_news(
    belief: &Belief,
    tracked: &Tracked,
    announced: Announced,
    uses_it: bool,
    now: DateTime<Utc>,
) -> Option<News> {
    let held = tracked.last_seen - announced.since >= HOLD;
    let (was, is) = (belief.expires_on, announced.on);
    let changed = News::DateChanged { was, is, since: announced.since };
    match (was, is) {
        (None, Some(on)) if !belief.milestones.contains_key(&on) => reminder(belief, on, uses_it, now),
        (None, Some(_)) => (held && uses_it).then_some(changed),
        // An earlier day cannot wait, unless it is only what is left when OpenRouter's own flickers.
        (Some(old), Some(new)) if old != new => (new < old && !announced.by_vendor || held).then_some(changed),
        (Some(_), Some(on)) => reminder(belief, on, uses_it, now),
        // Nobody says when a vendor's day was taken back; it is so for as long as is waited, at least.
        (Some(_), None) => {
            let since = std::cmp::max(announced.since, tracked.last_seen - HOLD);
            held.then_some(News::DateChanged { was, is, since })
        }
        (None, None) => None,
    }
}

fn reminder(belief: &Belief, on: NaiveDate, uses_it: bool, now: DateTime<Utc>) -> Option<News> {
    let milestone = milestone(on, now);
    let told = belief.milestones.get(&on);
    (uses_it && told.is_none_or(|told| milestone < *told)).then_some(News::Deprecated { on, milestone })
}

/// The milestone that a day belongs to: the smallest that is not behind it.
fn milestone(on: NaiveDate, now: DateTime<Utc>) -> u16 {
    let days = (on - now.date_naive()).num_days();
    MILESTONES.into_iter().find(|milestone| days <= i64::from(*milestone)).unwrap_or(ANNOUNCED)
}

#[cfg(test)]
#[path = "news/tests.rs"]
mod tests;
