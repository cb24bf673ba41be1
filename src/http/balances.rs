//! `POST /v1/balances`: what the platform knows of its users' credit, and of its own.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{Error, Site, access, body};
use crate::balances;
use crate::store::tokens::Scope;

pub(super) async fn post(State(site): State<Site>, headers: HeaderMap, sent: Body) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest]).await?;
    body::expect_json(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    let now = site.context.now();
    let (mut readings, mut rejected) = (Vec::new(), Vec::new());
    for (index, row) in body::rows(body::text(&bytes)?)? {
        match balances::parse_now(row, now) {
            Ok(reading) => readings.push(reading),
            Err(reason) => rejected.push(json!({ "index": index, "reason": reason })),
        }
    }
    balances::keep(&site.context.db, &readings).await?;
    Ok(Json(json!({ "accepted": readings.len(), "rejected": rejected })))
}
