//! `POST /v1/directory`: users and resources, good lines although others are bad.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{Error, Site, access, body};
use crate::directory;
use crate::store::tokens::Scope;

pub(super) async fn post(State(site): State<Site>, headers: HeaderMap, sent: Body) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest]).await?;
    body::expect_json(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    let rows = body::rows(body::text(&bytes)?)?;
    let lines: Vec<&str> = rows.iter().map(|(_, line)| *line).collect();
    let imported = directory::import(&site.context.db, &lines, site.context.now()).await?;
    let rejected: Vec<Value> = imported
        .rejected
        .iter()
        .filter_map(|(line, reason)| Some(json!({ "index": rows.get(line - 1)?.0, "reason": reason })))
        .collect();
    Ok(Json(json!({ "accepted": imported.accepted, "rejected": rejected })))
}
