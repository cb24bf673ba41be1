//! `GET /v1/users/{id}/allowance`: may the user run something now, and why not.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::{Error, Site, access};
use crate::store::tokens::Scope;

pub(super) async fn get(
    State(site): State<Site>,
    headers: HeaderMap,
    user: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    access::require(&site, &headers, &[Scope::Ingest, Scope::Read]).await?;
    let allowance = site.allowances.of(&site.context, &access::id(user)?).await?;
    let allowance = allowance.ok_or(Error::NotFound("there is no such user"))?;
    Ok(([(CONTENT_TYPE, "application/json")], allowance.to_string()).into_response())
}
