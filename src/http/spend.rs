//! `GET /v1/spend` and `GET /v1/users/{id}/spend`: what was spent, grouped, in the days of any zone, page by page.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, access};
use crate::domain::money::NanoUsd;
use crate::spend::{self, Line, Question};
use crate::store::rollups::Group;
use crate::store::tokens::Scope;

/// Lines of a page, unless another number is asked for.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    by: Option<String>,
    since: Option<String>,
    until: Option<String>,
    tz: Option<String>,
    per: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

type Asked = Result<Query<Parameters>, QueryRejection>;

pub(super) async fn all(State(site): State<Site>, headers: HeaderMap, asked: Asked) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Read]).await?;
    answer(&site, asked, None, Group::User).await
}

pub(super) async fn of_user(
    State(site): State<Site>,
    headers: HeaderMap,
    user: Result<Path<String>, PathRejection>,
    asked: Asked,
) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Read]).await?;
    answer(&site, asked, Some(access::id(user)?), Group::Model).await
}

async fn answer(site: &Site, asked: Asked, user: Option<String>, by: Group) -> Result<Json<Value>, Error> {
    let Query(asked) = asked.map_err(|error| Error::unreadable(error.body_text()))?;
    let question = question(&asked, user, by)?;
    let now = site.context.now();
    let mut tx = site.context.db.read().await?;
    let lines = spend::ask(&mut tx, &question, now).await?;
    drop(tx);
    let (since, until) = question.range(now);
    let (offset, limit) = (asked.offset.unwrap_or(0), std::cmp::min(asked.limit.unwrap_or(LIMIT), LIMIT_MAX));
    let total: NanoUsd = lines.iter().map(|line| line.sums.spent()).sum();
    let page: Vec<Value> = lines.iter().skip(offset).take(limit).map(|line| row(line, question.by)).collect();
    let next = (offset + page.len() < lines.len()).then_some(offset + page.len());
    Ok(Json(json!({
        "by": name(question.by), "since": since, "until": until, "tz": question.zone.name(),
        "total_usd": total.to_string(), "count": lines.len(), "rows": page, "next_offset": next,
    })))
}

fn question(asked: &Parameters, user: Option<String>, by: Group) -> Result<Question, Error> {
    let wrong = |field: &str, reason: &str| Error::unreadable(format!("{field}: {reason}"));
    let moment = |field: &str, text: &Option<String>| {
        text.as_deref().map(|text| text.parse().map_err(|reason: String| wrong(field, &reason))).transpose()
    };
    let zone = asked.tz.as_deref().map_or(Ok(Tz::UTC), |zone| {
        zone.parse().map_err(|_| wrong("tz", &format!("{zone:?} is no zone such as Europe/Berlin")))
    });
    let per_day = match asked.per.as_deref() {
        None | Some("total") => false,
        Some("day") => true,
        Some(other) => return Err(wrong("per", &format!("{other:?} is neither day nor total"))),
    };
    Ok(Question {
        by: asked.by.as_deref().map_or(Ok(by), group)?,
        since: moment("since", &asked.since)?,
        until: moment("until", &asked.until)?,
        zone: zone?,
        per_day,
        user,
    })
}

const GROUPS: [(&str, Group); 5] = [
    ("user", Group::User),
    ("resource", Group::Resource),
    ("model", Group::Model),
    ("provider", Group::Provider),
    ("key", Group::Key),
];

fn group(text: &str) -> Result<Group, Error> {
    let found = GROUPS.iter().find(|(name, _)| *name == text).map(|(_, group)| *group);
    found.ok_or_else(|| Error::unreadable(format!("by: {text:?} is not user, resource, model, provider or key")))
}

fn name(group: Group) -> &'static str {
    GROUPS.iter().find(|(_, known)| *known == group).map_or("", |(name, _)| name)
}

/// A line as JSON; also what the command prints.
pub(crate) fn row(line: &Line, by: Group) -> Value {
    let sums = &line.sums;
    let mut row = json!({
        name(by): line.name,
        "spent_usd": sums.spent().to_string(),
        "estimated_usd": NanoUsd(sums.estimated_cost).to_string(),
        "executions": sums.executions,
        "unpriced": sums.unpriced,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cached_tokens": sums.cached_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "rate_limited": { "account": sums.limited_account, "upstream": sums.limited_upstream, "free_tier": sums.limited_free },
        "out_of_credit": sums.out_of_credit,
        "model_unavailable": sums.unavailable,
        "upstream_failures": sums.upstream_failures,
        "other_failures": sums.other_failures,
        "bad_outputs": sums.bad_outputs,
        "charged_failures": sums.charged_failures,
        "charged_failures_usd": NanoUsd(sums.charged_failure_cost).to_string(),
    });
    if let Some(day) = line.day {
        row["day"] = json!(day);
    }
    row
}
