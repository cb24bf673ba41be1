//! `POST /v1/estimate`: what a run would cost, at most and as expected, and whether the same could be had for less.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, access, body};
use crate::domain::lifecycle::{Known, State as ModelState, Tracked};
use crate::domain::model::Model;
use crate::domain::model_id::ModelId;
use crate::domain::money::NanoUsd;
use crate::domain::price::Prices;
use crate::domain::pricing;
use crate::store::tokens::Scope;

/// A model this many times dearer than a cheaper one that can do the same is worth a word.
const DEARER_TIMES: i64 = 10;

#[derive(Debug, Deserialize)]
#[serde(expecting = "a JSON object")]
struct Asked {
    model: String,
    input_tokens: Whole,
    #[serde(default)]
    output_tokens: Option<Whole>,
    #[serde(default)]
    max_output_tokens: Option<Whole>,
}

/// A count, also where a language writes it as `1.0`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct Whole(u64);

impl TryFrom<serde_json::Number> for Whole {
    type Error = String;

    fn try_from(number: serde_json::Number) -> Result<Self, String> {
        let text = number.to_string();
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        whole.parse().map(Self).map_err(|_| format!("{text} is not a count of tokens"))
    }
}

pub(super) async fn post(State(site): State<Site>, headers: HeaderMap, sent: Body) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest, Scope::Read]).await?;
    body::expect_json(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    let asked: Asked = serde_json::from_slice(&bytes).map_err(|error| Error::unreadable(error.to_string()))?;
    let market = site.market.now();
    let row = ModelId::look_up(&asked.model).and_then(|id| market.known.get(&id));
    let row = row.ok_or(Error::NotFound("no such model was ever listed"))?;
    Ok(Json(estimate(&asked, row, &market.known, site.context.now())))
}

fn estimate(asked: &Asked, tracked: &Tracked, known: &Known, now: DateTime<Utc>) -> Value {
    let model = &tracked.model;
    let (input, limit) = (asked.input_tokens.0, asked.max_output_tokens.map(|limit| limit.0));
    let most = limit.or_else(|| Some(model.context?.saturating_sub(input)));
    let expected = asked.output_tokens.map(|output| output.0).or(limit).unwrap_or(0);
    let worst = std::cmp::max(most.unwrap_or(expected), expected);
    let cost = cost(model, input, expected, now);
    let cheaper = cheaper((input, expected), model, known, now);
    let mut warnings = Vec::new();
    if model.context.is_some_and(|context| input.saturating_add(expected) > context) {
        warnings.push(format!("the model takes {} tokens in all", model.context.unwrap_or(0)));
    }
    if !matches!(tracked.state, ModelState::Listed) {
        warnings.push(format!("the model is {}", tracked.state.as_str()));
    }
    if let Some(day) = model.expires_on.date() {
        warnings.push(format!("the model will be withdrawn on {day}"));
    }
    if let (Some(cost), Some((other, less))) = (cost, &cheaper)
        && cost.0 / std::cmp::max(less.0, 1) >= DEARER_TIMES
    {
        warnings.push(format!("{}× dearer than {}, which can do the same", cost.0 / std::cmp::max(less.0, 1), other));
    }
    json!({
        "model": asked.model,
        "listed_as": model.id,
        "expected_usd": cost.map(|cost| cost.to_string()),
        "worst_case_usd": self::cost(model, input, worst, now).map(|cost| cost.to_string()),
        "worst_case_output_tokens": worst,
        "cheaper": cheaper.map(|(id, cost)| json!({ "model": id, "expected_usd": cost.to_string() })),
        "warnings": warnings,
    })
}

fn cost(model: &Model, input: u64, output: u64, now: DateTime<Utc>) -> Option<NanoUsd> {
    match &model.prices {
        Prices::Known(schedule) => Some(pricing::estimate(schedule, input, output, now)),
        Prices::Dynamic | Prices::Unknown => None,
    }
}

/// The cheapest of the same author's models that can do all this one can, is not going, and costs less.
fn cheaper(
    (input, output): (u64, u64),
    model: &Model,
    known: &Known,
    now: DateTime<Utc>,
) -> Option<(ModelId, NanoUsd)> {
    let (needed, own) = (model.capabilities(), cost(model, input, output, now)?);
    let author = |id: &ModelId| id.as_str().split('/').next().map(str::to_owned);
    let fits = |other: &&Tracked| {
        let candidate = &other.model;
        other.state == ModelState::Listed
            && candidate.expires_on.date().is_none()
            && candidate.id.variant() == model.id.variant()
            && !candidate.id.is_alias()
            && author(&candidate.id) == author(&model.id)
            && candidate.context >= model.context
            && candidate.capabilities().is_superset(&needed)
    };
    let priced = known.values().filter(fits).filter_map(|other| {
        let cost = cost(&other.model, input, output, now)?;
        (cost < own).then(|| (other.model.id.clone(), cost))
    });
    priced.min_by_key(|(_, cost)| *cost)
}
