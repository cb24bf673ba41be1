//! `/m/{token}`: a user's own page. Which mails they get; one click in a mail program stops one kind (RFC 8058).

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, body};
use crate::store::{Tx, preferences};

/// Kinds of mail to users, with what they tell.
pub(super) const KINDS: [(&str, &str); 4] = [
    ("model_deprecated", "A model you use will be withdrawn"),
    ("model_date_changed", "The date of a withdrawal changed"),
    ("model_removed", "A model you use is gone"),
    ("model_returned", "A model that was gone is back"),
];
/// The page posts to itself and loads nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The kind that a mail's link names.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    kind: Option<String>,
}

/// Shows what is stopped. Changes nothing: mail scanners follow links.
pub(super) async fn show(State(site): State<Site>, Path(token): Path<String>) -> Result<Response, Error> {
    let mut tx = site.context.db.read().await?;
    let user = user(&mut tx, &token).await?;
    page(&site, &mut tx, &user, None).await
}

/// Stops or resumes: what the form says, or, for a mail program's one click, the kind that the address names.
pub(super) async fn change(
    State(site): State<Site>,
    Path(token): Path<String>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Error> {
    let bytes = body::read(&headers, sent).await?;
    let field = |name: &str| {
        url::form_urlencoded::parse(&bytes).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (kind, resume) = (field("kind").or(named.kind), field("do").as_deref() == Some("resume"));
    let mut tx = site.context.db.write().await?;
    let user = user(&mut tx, &token).await?;
    // Without a kind, all are meant.
    for (known, _) in KINDS.iter().filter(|(known, _)| kind.as_deref().is_none_or(|kind| kind == *known)) {
        if resume {
            preferences::resume(&mut tx, &user, known).await?;
        } else {
            preferences::stop(&mut tx, &user, known, site.context.now()).await?;
        }
    }
    tx.commit().await?;
    let mut tx = site.context.db.read().await?;
    page(
        &site,
        &mut tx,
        &user,
        Some(if resume { "You get these mails again." } else { "You no longer get these mails." }),
    )
    .await
}

async fn user(tx: &mut Tx, token: &str) -> Result<String, Error> {
    preferences::user_of(tx, token).await?.ok_or(Error::NotFound("this link is not valid, or no longer"))
}

async fn page(site: &Site, tx: &mut Tx, user: &str, done: Option<&str>) -> Result<Response, Error> {
    let stopped = preferences::stopped(tx, user, user).await?;
    let is_stopped = |kind: &str| stopped.contains(&(user.to_owned(), kind.to_owned()));
    let kinds: Vec<Value> = KINDS
        .iter()
        .map(|(kind, title)| json!({ "kind": kind, "title": title, "stopped": is_stopped(kind) }))
        .collect();
    let view = minijinja::Value::from(Serde(json!({ "kinds": kinds, "done": done })));
    let html = site.pages.render("preferences.html", view)?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, Html(html)).into_response())
}
