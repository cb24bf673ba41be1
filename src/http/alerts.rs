//! `/v1/alerts` and `/v1/silences`: what is firing, who looks after it, and what is not told for a while.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, access};
use crate::domain::alert::Rule;
use crate::domain::silence::Silence;
use crate::store::incidents::{self, Row};
use crate::store::silences;
use crate::store::tokens::Scope;

/// Alerts of a page, unless another number is asked for.
const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1000;
/// A silence without an end lasts an hour; none lasts longer than a year.
const MINUTES: i64 = 60;
const MINUTES_MAX: i64 = 366 * 24 * 60;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    state: Option<String>,
    before: Option<DateTime<Utc>>,
    limit: Option<i64>,
}

pub(super) async fn list(
    State(site): State<Site>,
    headers: HeaderMap,
    asked: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Read]).await?;
    let Query(asked) = asked.map_err(|error| Error::unreadable(error.body_text()))?;
    let open_only = match asked.state.as_deref() {
        None | Some("firing") => true,
        Some("all") => false,
        Some(other) => return Err(Error::unreadable(format!("state: {other:?} is neither firing nor all"))),
    };
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let mut tx = site.context.db.read().await?;
    let rows = incidents::page(&mut tx, open_only, asked.before, limit).await?;
    drop(tx);
    Ok(Json(json!({ "alerts": rows.iter().map(alert).collect::<Vec<_>>() })))
}

fn alert(row: &Row) -> Value {
    let finding = row.finding.as_ref();
    json!({
        "id": row.id,
        "rule": row.rule,
        "subject": row.subject,
        "user": row.user,
        "severity": row.severity,
        "state": row.phase.as_str(),
        "value": finding.map(|finding| finding.value),
        "threshold": finding.map(|finding| finding.threshold),
        "evidence": finding.map(|finding| &finding.evidence),
        "detail": row.detail,
        "opened_at": row.opened_at,
        "fired_at": row.fired_at,
        "resolved_at": row.resolved_at,
        "acknowledged_at": row.acknowledged_at,
    })
}

type Id = Result<Path<String>, PathRejection>;

pub(super) async fn acknowledge(State(site): State<Site>, headers: HeaderMap, id: Id) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Admin]).await?;
    let (id, now) = (access::id(id)?, site.context.now());
    let mut tx = site.context.db.write().await?;
    if !incidents::acknowledge(&mut tx, &id, "api", now).await? {
        tx.abandon();
        return Err(Error::NotFound("no alert of this id is open"));
    }
    let row = incidents::get(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(Json(row.as_ref().map_or(Value::Null, alert)))
}

/// How long, and why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HowLong {
    minutes: Option<i64>,
    until: Option<DateTime<Utc>>,
    #[serde(default)]
    comment: String,
}

impl HowLong {
    fn end(&self, from: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
        let minutes = self.minutes.unwrap_or(MINUTES);
        if !(1..=MINUTES_MAX).contains(&minutes) {
            return Err(Error::unreadable(format!("minutes: {minutes} is not between 1 and {MINUTES_MAX}")));
        }
        let until = self.until.unwrap_or(from + TimeDelta::minutes(minutes));
        if until <= from || until - from > TimeDelta::minutes(MINUTES_MAX) {
            return Err(Error::unreadable(format!("until: {until} is not within a year from the beginning")));
        }
        Ok(until)
    }
}

/// Silences the rule of an alert on its subject.
pub(super) async fn silence(
    State(site): State<Site>,
    headers: HeaderMap,
    id: Id,
    body: Result<Option<Json<HowLong>>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Error> {
    access::require(&site, &headers, &[Scope::Admin]).await?;
    let (id, now) = (access::id(id)?, site.context.now());
    let how_long =
        body.map_err(|error| Error::unreadable(error.body_text()))?.map(|Json(body)| body).unwrap_or_default();
    let ends_at = how_long.end(now)?;
    let mut tx = site.context.db.write().await?;
    let Some(row) = incidents::get(&mut tx, &id).await? else {
        tx.abandon();
        return Err(Error::NotFound("there is no alert of this id"));
    };
    let silence = Silence {
        rule: row.rule.as_str().to_owned(),
        subject_kind: row.subject.kind().to_owned(),
        subject: row.subject.id().to_owned(),
        user: String::new(),
        comment: how_long.comment,
        starts_at: now,
        ends_at,
    };
    let number = silences::put(&mut tx, &silence).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shown(number, &silence))))
}

fn shown(number: i64, silence: &Silence) -> Value {
    let mut shown = serde_json::to_value(silence).unwrap_or_default();
    shown["id"] = number.into();
    shown
}

/// A silence or a maintenance window.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    rule: String,
    #[serde(default)]
    subject_kind: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    user: String,
    starts_at: Option<DateTime<Utc>>,
    minutes: Option<i64>,
    until: Option<DateTime<Utc>>,
    #[serde(default)]
    comment: String,
}

pub(super) async fn silences(State(site): State<Site>, headers: HeaderMap) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Read]).await?;
    let mut tx = site.context.db.read().await?;
    let silences = silences::not_ended(&mut tx, site.context.now()).await?;
    drop(tx);
    let silences: Vec<Value> = silences.iter().map(|(number, silence)| shown(*number, silence)).collect();
    Ok(Json(json!({ "silences": silences })))
}

pub(super) async fn add_silence(
    State(site): State<Site>,
    headers: HeaderMap,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Error> {
    access::require(&site, &headers, &[Scope::Admin]).await?;
    let Json(wanted) = body.map_err(|error| Error::unreadable(error.body_text()))?;
    if !wanted.rule.is_empty() && Rule::named(&wanted.rule).is_none() {
        return Err(Error::unreadable(format!("rule: {:?} is none of the rules", wanted.rule)));
    }
    let kinds = ["", "user", "resource", "model", "key", "account"];
    if !kinds.contains(&wanted.subject_kind.as_str()) {
        return Err(Error::unreadable(format!(
            "subject_kind: {:?} is not user, resource, model, key or account",
            wanted.subject_kind
        )));
    }
    let starts_at = wanted.starts_at.unwrap_or_else(|| site.context.now());
    let how_long = HowLong { minutes: wanted.minutes, until: wanted.until, comment: wanted.comment };
    let ends_at = how_long.end(starts_at)?;
    let (rule, subject_kind, subject, user) = (wanted.rule, wanted.subject_kind, wanted.subject, wanted.user);
    let silence = Silence { rule, subject_kind, subject, user, comment: how_long.comment, starts_at, ends_at };
    let mut tx = site.context.db.write().await?;
    let number = silences::put(&mut tx, &silence).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shown(number, &silence))))
}

pub(super) async fn end_silence(
    State(site): State<Site>,
    headers: HeaderMap,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, Error> {
    access::require(&site, &headers, &[Scope::Admin]).await?;
    let Path(id) = id.map_err(|_| Error::NotFound("no silence of this number lasts"))?;
    let mut tx = site.context.db.write().await?;
    let ended = silences::end(&mut tx, id, site.context.now()).await?;
    tx.commit().await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(Error::NotFound("no silence of this number lasts")) }
}
