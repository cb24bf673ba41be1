//! `GET /v1/users/{id}/allowance`: may the user run something now, and why not.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::{Error, Site, access};
use crate::store::tokens::Scope;

pub(super) async fn get(
    State(site): State<Site>,
    headers: HeaderMap,
    Path(user): Path<String>,
) -> Result<Response, Error> {
    access::require(&site, &headers, &[Scope::Ingest, Scope::Read]).await?;
    let allowance = site.allowances.of(&site.context, &user).await?;
    let allowance = allowance.ok_or(Error::NotFound("there is no such user"))?;
    Ok(([(CONTENT_TYPE, "application/json")], allowance.to_string()).into_response())
}
