//! Reports once a week: to users what they spent, to admins how it all stands. Each once, whatever is restarted.
//!
//! A week is seven days of UTC for everybody: their sums are kept, so that a report costs what its user did, and a
//! million users need no sums of quarters. The mails say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Months, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::{Context, Error, Spec, notices};
use crate::domain::money::NanoUsd;
use crate::domain::period::Period;
use crate::domain::rollup::{Key, Measures, QUARTERS_PER_DAY};
use crate::domain::week::{Activity, Week, dearest, slot_of};
use crate::mail::admin::Desk;
use crate::mail::alert::{Named, Names};
use crate::mail::report::{self, Platform, Told, TopUser};
use crate::store::outbox::Mail;
use crate::store::rollups::{self, Grain, Group, Query};
use crate::store::told::Recipient;
use crate::store::{self, Tx, directory, reports};

/// The reports.
pub(super) const SPEC: Spec = Spec {
    name: "reports",
    what: "Tells users and admins once a week what was spent",
    timeout: TimeDelta::hours(3),
    attempts: 12,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// Users whose weeks are at hand together.
const USERS_PER_PART: i64 = 200;
/// Models and resources that a report lists.
const PARTS_MAX: usize = 5;
/// Users that the admins' report lists.
const USERS_MAX: i64 = 10;

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let now = context.now();
    let week = Week::before(now);
    let mut tx = context.db.read().await?;
    let known = store::models::load(&mut tx).await?;
    drop(tx);
    let models = known.into_values().map(|tracked| (tracked.model.id.to_string(), tracked.model.name)).collect();
    let names = Names { models, ..Names::default() };
    let admins = tell_admins(context, week, &names, now).await?;
    let users = tell_users(context, week, &names, now).await?;
    Ok(format!("{}: {users} users and {admins} admins told", week.name()))
}

/// Tells each user who ran something in the week or in the one before.
async fn tell_users(context: &Context, week: Week, names: &Names, now: DateTime<Utc>) -> Result<usize, Error> {
    let (mut after, mut told) = (0, 0);
    loop {
        if context.stop.is_cancelled() {
            return Err(Error::Retry(anyhow::anyhow!("stopped after {told} reports"), None));
        }
        let mut tx = context.db.read().await?;
        let numbers = reports::active_users(&mut tx, week.both_slots(), after, USERS_PER_PART).await?;
        let Some(last) = numbers.last() else { return Ok(told) };
        after = *last;
        let mails = reports_of(context, &mut tx, &numbers, week, names).await?;
        drop(tx);
        told += post(context, &mails, now).await?;
    }
}

/// The reports of some users who have none yet.
async fn reports_of(
    context: &Context,
    tx: &mut Tx,
    numbers: &[i64],
    week: Week,
    names: &Names,
) -> Result<Vec<Mail>, Error> {
    let readers: BTreeMap<i64, Recipient> =
        reports::readers(tx, numbers, report::USERS, &week.name()).await?.into_iter().collect();
    let numbers: Vec<i64> = readers.keys().copied().collect();
    let mut activities: BTreeMap<i64, Activity> = BTreeMap::new();
    for (key, sums) in rollups::lines(tx, Grain::Days, week.both_slots(), Some(&numbers)).await? {
        activities.entry(key.user).or_default().add(week, key, sums);
    }
    let mut told: BTreeMap<i64, Told> = name(tx, activities).await?;
    let resources = named(tx, told.values()).await?;
    let names = Names { resources, ..names.clone() };
    let sender = context.sender();
    let mut mails = Vec::new();
    for (number, to) in readers {
        if let Some(told) = told.remove(&number) {
            mails.push(report::to_user(&context.renderer, &sender, &to, week, &told, &names)?);
        }
    }
    Ok(mails)
}

/// Gives what costs most its names.
async fn name(tx: &mut Tx, activities: BTreeMap<i64, Activity>) -> Result<BTreeMap<i64, Told>, Error> {
    let top = |sums: &BTreeMap<i64, Measures>| dearest(sums, PARTS_MAX);
    let mut numbers: Vec<i64> = activities
        .values()
        .flat_map(|activity| top(&activity.models).into_iter().chain(top(&activity.resources)))
        .map(|(number, _)| number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let texts = rollups::texts(tx, &numbers).await?;
    let named = |sums: &BTreeMap<i64, Measures>| {
        let named = top(sums).into_iter().filter_map(|(number, sums)| Some((texts.get(&number)?.clone(), sums)));
        named.collect::<Vec<_>>()
    };
    let told = |activity: Activity| Told {
        models: named(&activity.models),
        resources: named(&activity.resources),
        days: activity.days,
        sums: activity.sums,
        before: activity.before,
    };
    Ok(activities.into_iter().map(|(number, activity)| (number, told(activity))).collect())
}

/// What the resources that reports list are called.
async fn named(tx: &mut Tx, told: impl Iterator<Item = &Told>) -> Result<BTreeMap<String, Named>, Error> {
    let mut ids: Vec<&str> = told.flat_map(|told| &told.resources).map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let called = reports::resources(tx, &ids).await?;
    let named = |(id, called): (String, directory::Called)| {
        let name = called.name.unwrap_or_else(|| id.clone());
        (id, Named { name, url: called.url })
    };
    Ok(called.into_iter().map(named).collect())
}

/// Tells the admins, if anything ran in the week or in the one before.
async fn tell_admins(context: &Context, week: Week, names: &Names, now: DateTime<Utc>) -> Result<usize, Error> {
    let mut tx = context.db.read().await?;
    let mut activity = Activity::default();
    // By model and no finer: there are as many resources as users.
    for slot in week.both_slots().0..week.both_slots().1 {
        let query = Query { grain: Grain::Days, slots: (slot, slot + 1), user: None, by: &[Group::Model] };
        for (numbers, sums) in rollups::sums(&mut tx, query).await? {
            let model = numbers.first().copied().unwrap_or(0);
            activity.add(week, Key { slot, model, ..Key::default() }, sums);
        }
    }
    if activity.sums.executions + activity.before.executions == 0 {
        return Ok(0);
    }
    let platform = platform(&mut tx, week, &activity, now).await?;
    let told = name(&mut tx, BTreeMap::from([(0, activity)])).await?.remove(&0).unwrap_or_default();
    let mut names = names.clone();
    for user in &platform.users {
        let name = directory::user(&mut tx, &user.id).await?.and_then(|user| user.name);
        names.users.extend(name.map(|name| (user.id.clone(), name)));
    }
    let admins = notices::admins(context, &mut tx).await?;
    drop(tx);
    let sender = context.sender();
    let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
    let mails = report::to_admins(&desk, week, &told, &platform, &names)?;
    post(context, &mails, now).await
}

/// What admins hear beside.
async fn platform(tx: &mut Tx, week: Week, activity: &Activity, now: DateTime<Utc>) -> Result<Platform, Error> {
    let days = week.slots();
    let active = reports::active(tx, days).await?;
    let average = activity.sums.cost.checked_div(active).unwrap_or(0);
    let today = now.date_naive();
    let first = today.with_day(1).unwrap_or(today);
    let month = (slot_of(first), slot_of(today));
    let end = first.checked_add_months(Months::new(1)).map_or(month.1, slot_of);
    let so_far = rollups::sums(tx, Query { grain: Grain::Days, slots: month, user: None, by: &[] }).await?;
    let so_far: NanoUsd = so_far.iter().map(|(_, sums)| sums.spent()).sum();
    let to_come = i128::from(activity.sums.cost) * i128::from(end - month.1) / 7;
    let projected = i64::try_from(i128::from(so_far.0) + to_come).unwrap_or(i64::MAX);
    let (top, _) = rollups::top_users(tx, days, USERS_MAX).await?;
    let texts = rollups::texts(tx, &top.iter().map(|(number, _)| *number).collect::<Vec<_>>()).await?;
    let period = Period { from: month.0 * QUARTERS_PER_DAY, until: month.1 * QUARTERS_PER_DAY };
    let periods: Vec<(i64, Period)> = top.iter().map(|(number, _)| (*number, period)).collect();
    let months = rollups::costs(tx, &periods).await?;
    let mut users = Vec::new();
    for ((number, spent), month) in top.into_iter().zip(months).filter(|((_, spent), _)| *spent > 0) {
        let Some(id) = texts.get(&number) else { continue };
        let paid = directory::user(tx, id).await?.and_then(|user| user.plan_usd_per_month).and_then(amount);
        users.push(TopUser { id: id.clone(), spent: NanoUsd(spent), month, paid });
    }
    Ok(Platform {
        active,
        active_before: reports::active(tx, (days.0 - 7, days.0)).await?,
        dear: reports::spent_more(tx, days, average.saturating_mul(2)).await?,
        users,
        month: so_far,
        projected: NanoUsd(projected),
        paid: amount(directory::plans(tx).await?).unwrap_or_default(),
    })
}

fn amount(dollars: Decimal) -> Option<NanoUsd> {
    NanoUsd::from_decimal(dollars)
}

/// Posts reports; gives how many are new.
async fn post(context: &Context, mails: &[Mail], now: DateTime<Utc>) -> Result<usize, Error> {
    if mails.is_empty() {
        return Ok(0);
    }
    let mut tx = context.db.write().await?;
    let mut kinds = Vec::new();
    for mail in mails {
        if context.post(&mut tx, mail, now).await? {
            kinds.push(mail.kind.as_str());
        }
    }
    tx.commit().await?;
    context.enqueued(kinds.iter().copied());
    Ok(kinds.len())
}
