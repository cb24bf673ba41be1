//! `/v1/users/{id}/keys`: users' keys, which come in and never go out again.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, access, body};
use crate::domain::key::Slot;
use crate::keys;
use crate::store::keys::{Stored, of};
use crate::store::tokens::Scope;
use crate::vault::Put;

const SHAPE: &str = "the body is not {\"key\":\"sk-or-…\"}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    key: SecretString,
}

type Names = Result<Path<(String, String)>, PathRejection>;

pub(super) async fn put(
    State(site): State<Site>,
    headers: HeaderMap,
    names: Names,
    sent: Body,
) -> Result<(StatusCode, Json<Value>), Error> {
    let who = require(&site, &headers).await?;
    let (user, label) = access::ids(names)?;
    body::expect_json(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    // What the parser complains of might show the key.
    let Sent { key } = serde_json::from_slice(&bytes).map_err(|_| Error::unreadable(SHAPE))?;
    let taken = keys::take(&site.context, Slot { user: &user, label: &label }, &key, &who).await?;
    let status = if taken.put == Put::Added { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = shown(&taken.stored);
    answer["warning"] = json!(taken.unchecked.map(|reason| format!("the key is stored unchecked: {reason}")));
    Ok((status, Json(answer)))
}

pub(super) async fn delete(State(site): State<Site>, headers: HeaderMap, names: Names) -> Result<StatusCode, Error> {
    let who = require(&site, &headers).await?;
    let (user, label) = access::ids(names)?;
    let was_there = keys::forget(&site.context, Slot { user: &user, label: &label }, &who).await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(Error::NotFound("the user has no key of this label")) }
}

pub(super) async fn list(
    State(site): State<Site>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Error> {
    require(&site, &headers).await?;
    let user = access::id(id)?;
    let mut tx = site.context.db.read().await?;
    let keys = of(&mut tx, &user).await?;
    drop(tx);
    Ok(Json(json!({ "keys": keys.iter().map(shown).collect::<Vec<_>>() })))
}

/// Who asks, as the record of accesses names them.
async fn require(site: &Site, headers: &HeaderMap) -> Result<String, Error> {
    let token = access::require(site, headers, &[Scope::Admin]).await?;
    Ok(format!("api, token {token}"))
}

fn shown(key: &Stored) -> Value {
    json!({
        "label": key.label,
        "last_four": key.last_four,
        "kind": key.kind.as_str(),
        "status": key.status.as_str(),
        "added_at": key.added_at,
        "replaced_at": key.replaced_at,
        "checked_at": key.checked_at,
        "expires_at": key.expires_at,
    })
}
