//! `POST /v1/executions`: answered once durable; good rows are kept when others are bad.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Error, Site, access, body};
use crate::domain::execution::{Execution, Rejection, parse};
use crate::market::Snapshot;
use crate::store::tokens::Scope;

/// Bad rows that the answer names; more are counted by the difference.
const REJECTIONS_MAX: usize = 1000;

pub(super) async fn post(State(site): State<Site>, headers: HeaderMap, sent: Body) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest]).await?;
    body::expect_json(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    let (now, market) = (site.context.now(), site.market.now());
    let (executions, rejected) = body::work(bytes, move |bytes| read(body::text(&bytes)?, &market, now)).await?;
    let metrics = &site.context.metrics;
    let receipt = site.ingest.submit(executions).await?;
    metrics.usage.ingested("api", [receipt.accepted, receipt.duplicates, rejected.len()], site.context.now());
    let rejected: Vec<Value> = rejected
        .into_iter()
        .take(REJECTIONS_MAX)
        .map(|(index, Rejection { id, reason })| json!({ "index": index, "id": id, "reason": reason }))
        .collect();
    Ok(Json(json!({ "accepted": receipt.accepted, "duplicates": receipt.duplicates, "rejected": rejected })))
}

type Rejected = Vec<(usize, Rejection)>;

fn read(text: &str, market: &Snapshot, now: DateTime<Utc>) -> Result<(Vec<Execution>, Rejected), Error> {
    let rows = body::rows(text)?;
    if rows.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let (mut executions, mut rejected) = (Vec::with_capacity(rows.len()), Vec::new());
    for (index, row) in rows {
        match parse(row, now) {
            Ok(mut execution) => {
                market.prices.complete(&mut execution);
                executions.push(execution);
            }
            Err(rejection) => rejected.push((index, rejection)),
        }
    }
    Ok((executions, rejected))
}
