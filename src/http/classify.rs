//! `POST /v1/classify`: what an answer means, what to tell the user, and whether and when to try again.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::{Error, Site, access, body};
use crate::classify::classify;
use crate::domain::answer::Hints;
use crate::domain::provider::Provider;
use crate::store::tokens::Scope;

/// What is known beside the body.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    /// The HTTP status.
    status: Option<u16>,
    /// Whose answer it is.
    provider: Option<Provider>,
}

pub(super) async fn post(
    State(site): State<Site>,
    parameters: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<Value>, Error> {
    access::require(&site, &headers, &[Scope::Ingest, Scope::Read]).await?;
    let Query(parameters) = parameters.map_err(|error| Error::unreadable(error.body_text()))?;
    let bytes = body::read(&headers, sent).await?;
    let hints =
        Hints { provider: parameters.provider, status: parameters.status, headers: &[], now: Some(site.context.now()) };
    Ok(Json(classify(&String::from_utf8_lossy(&bytes), &hints)))
}
