//! The first page: is all well, what is going away, what is missing, what was told, what runs next.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::view::{ago, change, mail, model_url, troubles};
use super::{Error, Site};
use crate::domain::lifecycle::{Known, State as ModelState, Tracked};
use crate::domain::money::NanoUsd;
use crate::domain::period::Period;
use crate::domain::rollup::{Measures, QUARTERS_PER_DAY};
use crate::job::JOBS;
use crate::mail::admin::Usage;
use crate::mail::text::{days_from, harmless, moment, short_day, span};
use crate::spend;
use crate::store::rollups::Group;
use crate::store::runs::Run;
use crate::store::{self, Tx};

const ROWS_MAX: usize = 12;
/// Users whose spend is shown.
const SPENDERS_MAX: usize = 8;
const REFRESH_S: u32 = 30;
/// Who left longer ago than this is history.
const GONE_SHOWN_DAYS: i64 = 30;

/// Shows the page.
pub(super) async fn show(State(site): State<Site>) -> Result<Response, Error> {
    let now = site.context.now();
    let troubles = troubles(&site.context).await?;
    let mut tx = site.context.db.read().await?;
    let known = store::models::load(&mut tx).await?;
    let usage = store::models::usage(&mut tx).await?;
    let rows = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let changes = store::changes::newest(&mut tx, rows).await?;
    let mails = store::outbox::list(&mut tx, None, None, rows).await?;
    let queue = store::outbox::queue(&mut tx).await?;
    let sent = store::outbox::sent(&mut tx).await?;
    let fetch = store::lists::last_accepted(&mut tx).await?;
    let empty_hint = fetch.is_none().then_some(
        "No list has come yet. The first fetch begins when the daemon starts; if it fails, the job table below says why and when it is tried again.",
    );
    let view = json!({
        "counts": counts(&known, &usage),
        "list": {
            "accepted_at": fetch.as_ref().map(|fetch| moment(fetch.at)),
            "age": fetch.as_ref().map_or_else(|| "never".to_owned(), |fetch| ago(fetch.at, now)),
            "models": fetch.as_ref().map_or(0, |fetch| fetch.listed),
            "rejected": fetch.as_ref().map_or(0, |fetch| fetch.rejected),
            "next_at": next_fetch(&site, now),
        },
        "troubles": troubles,
        "spend": spent(&mut tx, now).await?,
        "leaving": leaving(&known, &usage, now),
        "missing": missing(&known, &usage, now),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "mails": mails.iter().map(mail).collect::<Vec<_>>(),
        "mail_queue": { "pending": queue.pending + queue.sending + queue.held + queue.folded, "dead": queue.dead, "sent": sent },
        "jobs": jobs(&site, &mut tx, now).await?,
        "daemon": daemon(&site, &mut tx).await?,
        "empty_hint": empty_hint,
    });
    site.page("overview.html", "overview", Some(REFRESH_S), view).await
}

fn counts(known: &Known, usage: &Usage) -> Value {
    let mut counts: BTreeMap<&str, usize> =
        BTreeMap::from([("active", 0), ("deprecated", 0), ("missing", 0), ("unlisted", 0), ("removed", 0)]);
    for tracked in known.values() {
        let state = match tracked.state {
            ModelState::Listed if tracked.model.expires_on.date().is_some() => "deprecated",
            ModelState::Listed => "active",
            other => other.as_str(),
        };
        *counts.entry(state).or_default() += 1;
    }
    counts.insert("in_use", usage.keys().filter(|id| known.contains_key(*id)).count());
    json!(counts)
}

fn next_fetch(site: &Site, now: DateTime<Utc>) -> String {
    let schedule = site.context.settings.get().schedule("models");
    schedule
        .and_then(|schedule| schedule.next(now))
        .map_or_else(|| "never".to_owned(), |at| format!("in {}", span(at - now)))
}

/// What was spent today and in 30 days (UTC), and by whom.
async fn spent(tx: &mut Tx, now: DateTime<Utc>) -> Result<Value, Error> {
    let cents = |amount: NanoUsd| format!("{:.2}", amount.to_decimal());
    let day = Period::day(now.date_naive(), Tz::UTC);
    let month = Period { from: day.from - 29 * QUARTERS_PER_DAY, until: day.until };
    let total = |sums: &BTreeMap<i64, Measures>| cents(sums.values().map(Measures::spent).sum());
    let today = spend::sum(tx, day, None, Group::Provider).await?;
    let users = spend::sum(tx, month, None, Group::User).await?;
    let mut top: Vec<(&i64, &Measures)> = users.iter().collect();
    top.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.cost));
    top.truncate(SPENDERS_MAX);
    let numbers: Vec<i64> = top.iter().map(|(user, _)| **user).collect();
    let names = store::rollups::texts(tx, &numbers).await?;
    let row = |(user, sums): (&i64, &Measures)| {
        json!({
            "name": names.get(user).map_or_else(String::new, |name| harmless(name)),
            "executions": sums.executions,
            "failed": sums.failed(),
            "spent": cents(sums.spent()),
        })
    };
    let rows: Vec<Value> = top.into_iter().map(row).collect();
    Ok(json!({ "today": total(&today), "month": total(&users), "users": rows }))
}

/// Models with an announced end, the nearest first; those in use before the others of the same day.
fn leaving(known: &Known, usage: &Usage, now: DateTime<Utc>) -> Vec<Value> {
    let listed = known.values().filter(|tracked| !matches!(tracked.state, ModelState::Removed(..)));
    let mut dated: Vec<_> = listed.filter_map(|tracked| Some((tracked.model.expires_on.date()?, tracked))).collect();
    dated.sort_by_key(|(day, tracked)| (*day, !usage.contains_key(&tracked.model.id), tracked.model.id.clone()));
    let rows = dated.into_iter().take(ROWS_MAX).map(|(day, tracked)| {
        let days = (day - now.date_naive()).num_days();
        let tone = match days {
            ..=3 => "bad",
            4..=14 => "warn",
            _ => "calm",
        };
        let mut row = model(tracked, usage);
        row["date"] = json!(short_day(day));
        row["days"] = json!(days_from(day, now));
        row["tone"] = json!(tone);
        row
    });
    rows.collect()
}

/// Models off the list: in doubt first, then the last to go.
fn missing(known: &Known, usage: &Usage, now: DateTime<Utc>) -> Vec<Value> {
    let absent = known.values().filter_map(|tracked| Some((tracked.state.absence()?, tracked)));
    let recent = absent.filter(|(absence, tracked)| {
        !matches!(tracked.state, ModelState::Removed(..)) || (now - absence.since).num_days() < GONE_SHOWN_DAYS
    });
    let mut recent: Vec<_> = recent.collect();
    recent.sort_by_key(|(absence, tracked)| {
        (matches!(tracked.state, ModelState::Removed(..)), std::cmp::Reverse(absence.since))
    });
    let rows = recent.into_iter().take(ROWS_MAX).map(|(absence, tracked)| {
        let note = match tracked.state {
            ModelState::Missing(_) if absence.bulk => "vanished with many others",
            ModelState::Missing(_) => "nobody is told before it is certain",
            ModelState::Unlisted(_) => "still answers when called",
            ModelState::Removed(..) if tracked.successor.is_some() => "renamed",
            ModelState::Removed(..) | ModelState::Listed => "",
        };
        let mut row = model(tracked, usage);
        row["state"] = json!(tracked.state.as_str());
        row["since"] = json!(moment(absence.since));
        row["ago"] = json!(ago(absence.since, now));
        row["note"] = json!(note);
        row
    });
    rows.collect()
}

fn model(tracked: &Tracked, usage: &Usage) -> Value {
    let (users, resources) = usage.get(&tracked.model.id).copied().unwrap_or_default();
    json!({
        "id": harmless(tracked.model.id.as_str()),
        "name": harmless(&tracked.model.name),
        "url": model_url(tracked.model.id.as_str()),
        "users": users,
        "resources": resources,
    })
}

async fn jobs(site: &Site, tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<Value>, Error> {
    let runs: BTreeMap<String, Run> =
        store::runs::latest(tx).await?.into_iter().map(|run| (run.job.clone(), run)).collect();
    let settings = site.context.settings.get();
    let row = |spec: &crate::job::Spec| {
        let (run, schedule) = (runs.get(spec.name), settings.schedule(spec.name));
        let retry = run.filter(|run| run.state == "retry").and_then(|run| run.due_at);
        let next = retry.or_else(|| schedule.as_ref()?.next(now));
        json!({
            "name": spec.name,
            "what": spec.what,
            "schedule": schedule.map_or_else(String::new, |schedule| schedule.to_string()),
            "last_at": run.map(|run| moment(run.started_at)),
            "last_result": run.map_or("never", |run| run.state.as_str()),
            "summary": run.and_then(|run| run.summary.clone()).unwrap_or_default(),
            "took": run.and_then(|run| Some(took(run.started_at, run.finished_at?))),
            "next_at": next.map_or_else(|| "never".to_owned(), moment),
        })
    };
    Ok(JOBS.iter().map(row).collect())
}

fn took(began: DateTime<Utc>, ended: DateTime<Utc>) -> String {
    let took = ended - began;
    if took.num_seconds() < 2 { format!("{} ms", took.num_milliseconds()) } else { span(took) }
}

async fn daemon(site: &Site, tx: &mut Tx) -> Result<Value, Error> {
    let (users, unreachable, resources) = store::directory::count(tx).await?;
    let context = &site.context;
    let now = context.now();
    let next = site.runner.next_due(now).map_or_else(|| "never".to_owned(), |at| format!("in {}", span(at - now)));
    let item = |label: &str, value: String, tone: &str| json!({ "label": label, "value": value, "tone": tone });
    Ok(json!([
        item("Users", users.to_string(), "calm"),
        item("Users without an address", unreachable.to_string(), if unreachable > 0 { "warn" } else { "calm" }),
        item("Resources", resources.to_string(), "calm"),
        item("Mails go to", context.mailer().describe(), "calm"),
        item("Database", format!("{}, {} kB", context.db.engine(), tx.size().await? / 1000), "calm"),
        item("Next job", next, "calm"),
    ]))
}
