//! `GET /v1/models/{id}`: what a platform asks when a resource is saved, and before it runs something.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{Error, Site, access};
use crate::domain::lifecycle::{Known, State as ModelState, Tracked};
use crate::domain::model_id::ModelId;
use crate::domain::price::{PriceTable, Prices};
use crate::domain::replacement::Candidate;
use crate::market::Snapshot;
use crate::store::tokens::Scope;

/// How like an unknown id a listed one must be to be offered (Jaro-Winkler).
const NEAR_MISS: f64 = 0.9;
/// Listed ids that are offered for an unknown one.
const NEAR_MISSES_MAX: usize = 3;

pub(super) async fn get(
    State(site): State<Site>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest, Scope::Read]).await?;
    let id = access::id(id)?;
    let market = site.market.now();
    let tracked = ModelId::look_up(&id).and_then(|row| market.known.get(&row));
    Ok(Json(match tracked {
        Some(tracked) => known(&id, tracked, &market),
        None => unknown(&id, &market.known),
    }))
}

fn known(asked: &str, tracked: &Tracked, market: &Snapshot) -> Value {
    let model = &tracked.model;
    let replacements = market.replacements.get(&model.id).into_iter().flatten();
    let (status, served) = match tracked.state {
        ModelState::Listed if model.expires_on.date().is_some() => ("deprecated", true),
        ModelState::Listed => ("active", true),
        ModelState::Unlisted(_) => ("unlisted", true),
        ModelState::Missing(_) => ("missing", false),
        ModelState::Removed(..) => ("removed", false),
    };
    let removed_at = if let ModelState::Removed(_, at) = tracked.state { Some(at) } else { None };
    json!({
        "id": asked,
        "listed_as": model.id,
        "exists": served,
        "status": status,
        "expires_on": model.expires_on.date(),
        "missing_since": tracked.state.absence().map(|absence| absence.since),
        "removed_at": removed_at,
        "name": model.name,
        "canonical_slug": model.canonical_slug,
        "context_length": model.context,
        "capabilities": model.capabilities(),
        "pricing": prices(&model.prices),
        "replacements": replacements.map(|candidate| replacement(candidate, &market.known)).collect::<Vec<_>>(),
    })
}

/// The base prices in dollars per million units, and whether others hold at times or above some size.
fn prices(prices: &Prices) -> Value {
    let million = rust_decimal::Decimal::from(1_000_000);
    let table = |table: &PriceTable| -> Value {
        table.iter().map(|(key, price)| (key.clone(), json!((*price * million).normalize().to_string()))).collect()
    };
    match prices {
        Prices::Known(schedule) => {
            json!({ "usd_per_million": table(&schedule.base), "varies": !schedule.overrides.is_empty() })
        }
        Prices::Dynamic => json!({ "dynamic": true }),
        Prices::Unknown => Value::Null,
    }
}

fn replacement(candidate: &Candidate, known: &Known) -> Value {
    let model = known.get(&candidate.model).map(|tracked| &tracked.model);
    json!({
        "model": candidate.model,
        "name": model.map(|model| &model.name),
        "score": (candidate.score * 1000.0).round() / 1000.0,
        "reasons": candidate.reasons(),
        "price_change_pct": candidate.price_change_pct(),
        "context_length": model.and_then(|model| model.context),
        "lost_capabilities": candidate.lost_capabilities,
    })
}

fn unknown(asked: &str, known: &Known) -> Value {
    let listed = known.values().filter(|tracked| tracked.state == ModelState::Listed).map(|tracked| &tracked.model.id);
    let mut near: Vec<(f64, &ModelId)> = listed
        .map(|id| (strsim::jaro_winkler(asked, id.as_str()), id))
        .filter(|(like, _)| *like >= NEAR_MISS)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&ModelId> = near.into_iter().take(NEAR_MISSES_MAX).map(|(_, id)| id).collect();
    json!({ "id": asked, "exists": false, "status": "unknown", "did_you_mean": near })
}
