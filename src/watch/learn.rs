//! Learns what is usual from the hours and days that are over: each once, in order, in a transaction of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use crate::domain::money::NanoUsd;
use crate::domain::rollup::{Key, Measures};
use crate::domain::rule::dollars;
use crate::job::{Context, Error};
use crate::store::baselines::{self, Learnt, Whose};
use crate::store::rollups::{self, Grain};
use crate::store::{Lock, Tx, platform};

/// How long after its end an hour is learnt: platforms report a little late.
const GRACE: TimeDelta = TimeDelta::minutes(10);
/// How far back the first evaluation looks on a platform whose history is there already: five of each weekday.
const HISTORY_HOURS: i64 = 35 * HOURS_PER_DAY;
const HOURS_PER_DAY: i64 = 24;
const QUARTERS_PER_HOUR: i64 = 4;
/// The cursor's name.
const CURSOR: &str = "learnt_hour";

/// Learns the hours that are over; gives how many.
pub(super) async fn learn(context: &Context, now: DateTime<Utc>) -> Result<usize, Error> {
    let over = (now - GRACE).timestamp().div_euclid(3600);
    let mut tx = context.db.read().await?;
    let first = match cursor(&mut tx).await? {
        Some(hour) => hour + 1,
        None => match rollups::first_quarter(&mut tx).await? {
            Some(quarter) => std::cmp::max(quarter.div_euclid(QUARTERS_PER_HOUR), over - HISTORY_HOURS),
            None => return Ok(0),
        },
    };
    drop(tx);
    let mut learnt = 0;
    for hour in first..over {
        if context.stop.is_cancelled() {
            return Err(Error::Retry(anyhow::anyhow!("stopped after {learnt} hours"), None));
        }
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        // Somebody else may have learnt it meanwhile.
        if cursor(&mut tx).await?.is_some_and(|learnt| learnt >= hour) {
            tx.abandon();
            continue;
        }
        learn_hour(&mut tx, hour).await?;
        if hour.rem_euclid(HOURS_PER_DAY) == HOURS_PER_DAY - 1 {
            learn_day(&mut tx, hour.div_euclid(HOURS_PER_DAY)).await?;
        }
        platform::keep_cursor(&mut tx, CURSOR, &hour.to_string()).await?;
        tx.commit().await?;
        learnt += 1;
    }
    Ok(learnt)
}

async fn cursor(tx: &mut Tx) -> Result<Option<i64>, Error> {
    Ok(platform::cursor(tx, CURSOR).await?.and_then(|hour| hour.parse().ok()))
}

async fn learn_hour(tx: &mut Tx, hour: i64) -> Result<(), Error> {
    let quarters = (hour * QUARTERS_PER_HOUR, (hour + 1) * QUARTERS_PER_HOUR);
    let lines = rollups::lines(tx, Grain::Quarters, quarters, None).await?;
    let spent = |learnt: &mut Learnt, sums: &Measures| learnt.hours.close(hour, dollars(sums.spent()));
    update(tx, Whose::User, &summed(&lines, |key| key.user), spent).await?;
    update(tx, Whose::Resource, &summed(&lines, |key| key.resource), spent).await?;
    update(tx, Whose::Total, &summed(&lines, |_| 0), spent).await
}

async fn learn_day(tx: &mut Tx, day: i64) -> Result<(), Error> {
    let lines = rollups::lines(tx, Grain::Days, (day, day + 1), None).await?;
    let month = month_of_date(DateTime::UNIX_EPOCH.date_naive() + TimeDelta::days(day));
    let spent = |learnt: &mut Learnt, sums: &Measures| learnt.days.close(day, dollars(sums.spent()));
    let users = summed(&lines, |key| key.user);
    update(tx, Whose::User, &users, |learnt, sums| {
        spent(learnt, sums);
        let before = if learnt.month == month { learnt.month_cost } else { 0 };
        (learnt.month, learnt.month_cost) = (month, before.saturating_add(sums.cost));
    })
    .await?;
    update(tx, Whose::Resource, &summed(&lines, |key| key.resource), spent).await?;
    update(tx, Whose::Total, &summed(&lines, |_| 0), spent).await?;
    baselines::put_models(tx, day, &summed(&lines, |key| key.model)).await?;
    let all: NanoUsd = NanoUsd(users.values().map(|sums| sums.cost).fold(0, i64::saturating_add));
    baselines::put_day(tx, day, all, i64::try_from(users.len()).unwrap_or(i64::MAX)).await?;
    Ok(())
}

/// The month of a date, counted from year 0.
pub(super) fn month_of_date(date: NaiveDate) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

fn summed(lines: &[(Key, Measures)], by: impl Fn(&Key) -> i64) -> BTreeMap<i64, Measures> {
    let mut sums: BTreeMap<i64, Measures> = BTreeMap::new();
    for (key, measures) in lines {
        *sums.entry(by(key)).or_default() += *measures;
    }
    sums
}

async fn update(
    tx: &mut Tx,
    whose: Whose,
    sums: &BTreeMap<i64, Measures>,
    learn: impl Fn(&mut Learnt, &Measures),
) -> Result<(), Error> {
    let numbers: Vec<i64> = sums.keys().copied().collect();
    let mut known = baselines::load(tx, whose, &numbers).await?;
    for (number, sums) in sums {
        learn(known.entry(*number).or_default(), sums);
    }
    baselines::save(tx, whose, &known).await?;
    Ok(())
}
