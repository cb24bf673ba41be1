//! `/m/{token}`: a user's own page. Which mails they get, and at which hours; one click in a mail program stops one
//! kind (RFC 8058).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Site, body};
use crate::domain::mail_kind::MailKind;
use crate::domain::quiet::QuietHours;
use crate::mail::text::harmless;
use crate::store::preferences::{self, Preferences};
use crate::store::{Tx, directory};

/// What the page offers to who has no quiet hours yet.
const QUIET_OFFER: &str = "22:00-07:00";
/// Regions of the world; the zone database has others for what is written in older ways.
const REGIONS: [&str; 10] =
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];
/// The page posts to itself and loads nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// The kind that a mail's link names.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    kind: Option<String>,
}

/// What a post did, for the page that answers it.
enum Done {
    /// Something was looked at.
    Nothing,
    /// It was done.
    Well(&'static str),
    /// It could not be done; nothing changed.
    Not(String),
}

/// Shows what is stopped. Changes nothing: mail scanners follow links.
pub(super) async fn show(
    State(site): State<Site>,
    Path(token): Path<String>,
    Query(named): Query<Named>,
) -> Result<Response, Error> {
    let mut tx = site.context.db.read().await?;
    let user = user(&mut tx, &token).await?;
    let named = named.kind.as_deref().and_then(user_kind);
    page(&site, &mut tx, &user, named, &Done::Nothing).await
}

/// Saves the form, or stops or resumes what a button says, or, for a mail program's one click, stops the kind that the
/// address names.
pub(super) async fn change(
    State(site): State<Site>,
    Path(token): Path<String>,
    Query(named): Query<Named>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Error> {
    let bytes = body::read(&headers, sent).await?;
    let form = Form(url::form_urlencoded::parse(&bytes).into_owned().collect());
    let mut tx = site.context.db.write().await?;
    let (user, now) = (user(&mut tx, &token).await?, site.context.now());
    let done = match form.get("do") {
        Some("save") => save(&mut tx, &user, &form, now).await?,
        Some("resume") => {
            for kind in meant(form.get("kind").or(named.kind.as_deref())) {
                preferences::resume(&mut tx, &user, kind.as_str()).await?;
            }
            Done::Well("You get these mails again.")
        }
        _ => {
            for kind in meant(form.get("kind").or(named.kind.as_deref())) {
                preferences::stop(&mut tx, &user, kind.as_str(), now).await?;
            }
            Done::Well("You no longer get these mails.")
        }
    };
    tx.commit().await?;
    let mut tx = site.context.db.read().await?;
    page(&site, &mut tx, &user, None, &done).await
}

/// The fields of a form, in order.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn user_kind(name: &str) -> Option<MailKind> {
    MailKind::of_users().find(|kind| kind.as_str() == name)
}

/// The kinds that a name means: without one, all.
fn meant(name: Option<&str>) -> Vec<MailKind> {
    MailKind::of_users().filter(|kind| name.is_none_or(|name| name == kind.as_str())).collect()
}

/// Saves the whole form; nothing of it if the hours or the zone cannot be read.
async fn save(tx: &mut Tx, user: &str, form: &Form, now: DateTime<Utc>) -> Result<Done, Error> {
    let hours = format!("{}-{}", form.get("from").unwrap_or_default(), form.get("until").unwrap_or_default());
    let quiet = match form.get("quiet").map(|_| hours.parse::<QuietHours>()).transpose() {
        Ok(quiet) => quiet,
        Err(reason) => return Ok(Done::Not(format!("The quiet hours were not understood: {reason}."))),
    };
    let zone = form.get("zone").filter(|zone| !zone.is_empty()).map(str::parse::<Tz>).transpose();
    let Ok(zone) = zone else { return Ok(Done::Not("There is no such time zone.".to_owned())) };
    for kind in MailKind::of_users() {
        if form.all("on").any(|on| on == kind.as_str()) {
            preferences::resume(tx, user, kind.as_str()).await?;
        } else {
            preferences::stop(tx, user, kind.as_str(), now).await?;
        }
    }
    preferences::put(tx, user, &Preferences { quiet, zone }, now).await?;
    Ok(Done::Well("Saved."))
}

async fn user(tx: &mut Tx, token: &str) -> Result<String, Error> {
    preferences::user_of(tx, token).await?.ok_or(Error::NotFound("this link is not valid, or no longer"))
}

async fn page(site: &Site, tx: &mut Tx, user: &str, named: Option<MailKind>, done: &Done) -> Result<Response, Error> {
    let stopped = preferences::stopped(tx, &[user.to_owned()]).await?;
    let kind_view = |kind: MailKind| {
        let is_stopped = stopped.contains(&(user.to_owned(), kind.as_str().to_owned()));
        json!({ "kind": kind.as_str(), "title": kind.what(), "stopped": is_stopped, "urgent": kind.is_urgent() })
    };
    let Preferences { quiet, zone } = preferences::get(tx, user).await?;
    let given = directory::user(tx, user).await?.and_then(|user| user.timezone).unwrap_or(Tz::UTC);
    let shown = quiet.or_else(|| QUIET_OFFER.parse().ok());
    let time = |of: fn(QuietHours) -> chrono::NaiveTime| shown.map(|quiet| of(quiet).format("%H:%M").to_string());
    let (status, well, wrong) = match done {
        Done::Nothing => (StatusCode::OK, None, None),
        Done::Well(what) => (StatusCode::OK, Some(*what), None),
        Done::Not(why) => (StatusCode::UNPROCESSABLE_ENTITY, None, Some(harmless(why))),
    };
    let view = json!({
        "kinds": MailKind::of_users().map(kind_view).collect::<Vec<_>>(),
        "named": named.map(kind_view),
        "quiet": quiet.is_some(),
        "from": time(QuietHours::from),
        "until": time(QuietHours::until),
        "zone": zone.map(Tz::name),
        "given_zone": given.name(),
        "regions": regions(),
        "daily": site.context.settings.get().mail.per_user_daily,
        "done": well,
        "wrong": wrong,
    });
    let html = site.pages.render("preferences.html", minijinja::Value::from(Serde(view)))?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((status, headers, Html(html)).into_response())
}

/// The zones of the world by region: name, and how it is shown.
fn regions() -> Vec<Value> {
    let mut regions: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        if let Some((region, place)) = zone.name().split_once('/').filter(|(region, _)| REGIONS.contains(region)) {
            let place = place.replace('_', " ").replace('/', ", ");
            regions.entry(region).or_default().push(json!({ "name": zone.name(), "place": place }));
        }
    }
    regions.into_iter().map(|(region, zones)| json!({ "region": region, "zones": zones })).collect()
}
