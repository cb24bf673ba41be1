//! Renders pages, and what all of them have in common.

use std::sync::Arc;

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, Utc};
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde_json::json;

use super::{Error, Site};
use crate::domain::alert::Rule;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::incident::{Phase, Step};
use crate::job::Context;
use crate::mail::alert;
use crate::mail::text::{harmless, moment};
use crate::store::outbox::Row;
use crate::store::{self, incidents};
use crate::template::{environment, templates};

const TEMPLATES: &[(&str, &str)] = templates!["templates/":
    "page.html", "style.css", "ui.html", "overview.html", "mails.html", "mail.html", "model.html", "error.html", "preferences.html",
];

/// Pages load nothing from anywhere and run nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The compiled templates.
#[derive(Debug)]
pub(crate) struct Pages(Environment<'static>);

impl Default for Pages {
    fn default() -> Self {
        Self(environment(TEMPLATES))
    }
}

impl Pages {
    /// Renders a template that stands alone.
    pub(super) fn render(&self, template: &str, view: Value) -> Result<String, Error> {
        self.0.get_template(template).and_then(|template| template.render(view)).map_err(Error::Page)
    }
}

impl Site {
    /// Renders a page: what it says, over what all pages have in common.
    pub(super) async fn page(
        &self,
        template: &str,
        name: &str,
        refresh_s: Option<u32>,
        view: serde_json::Value,
    ) -> Result<Response, Error> {
        let troubles = troubles(&self.context).await?;
        let label = if troubles.is_empty() {
            "All well".to_owned()
        } else {
            crate::mail::text::count(count(troubles.len()), "trouble")
        };
        let common = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "now": moment(self.context.now()),
            "health": { "ok": troubles.is_empty(), "label": label },
            "refresh_s": refresh_s,
            "page": name,
        });
        let context: Value = minijinja::context! { ..Value::from(Serde(view)), ..Value::from(Serde(common)) };
        let rendered = self.pages.render(template, context)?;
        let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
        Ok((headers, Html(rendered)).into_response())
    }
}

/// Something that an operator should look at.
#[derive(Debug, serde::Serialize)]
pub(super) struct Trouble {
    title: String,
    since: String,
    detail: String,
}

/// Open incidents, mails given up, and jobs whose last run failed.
pub(super) async fn troubles(context: &Arc<Context>) -> Result<Vec<Trouble>, Error> {
    let mut tx = context.db.read().await?;
    let mut open = incidents::all_open(&mut tx).await?;
    open.retain(|open| open.phase != Phase::Pending);
    // What admins are mailed comes before what is the users' own, such as caps that they reached.
    open.sort_by_key(|open| {
        let is_users_own = open.rule.admin_mail().is_none();
        (is_users_own, std::cmp::Reverse(open.severity), std::cmp::Reverse(open.opened_at))
    });
    let mut troubles: Vec<Trouble> =
        open.iter().take(INCIDENTS_MAX).map(|open| incident(open, context.now())).collect();
    if let Some(more) = open.len().checked_sub(INCIDENTS_MAX).filter(|more| *more > 0) {
        let detail = "GET /v1/alerts lists them all.".to_owned();
        let since = open.last().map_or_else(String::new, |last| moment(last.opened_at));
        troubles.push(Trouble { title: format!("{more} more alerts"), since, detail });
    }
    for run in store::runs::latest(&mut tx).await? {
        if run.state == "failed" || run.state == "retry" {
            let title = format!("The job {} failed", run.job);
            let again = run.due_at.map_or_else(String::new, |at| format!("; next attempt at {}", moment(at)));
            let detail = format!("{}{again}", harmless_text(run.summary.as_deref().unwrap_or_default()));
            troubles.push(Trouble { title, since: moment(run.slot), detail });
        }
    }
    let dead = store::outbox::list(&mut tx, Some("dead"), None, 1).await?;
    if let Some(last) = dead.first() {
        let count = store::outbox::queue(&mut tx).await?.dead;
        let title = format!("{} given up", crate::mail::text::count(count, "mail"));
        let detail = harmless_text(last.last_error.as_deref().unwrap_or_default());
        troubles.push(Trouble { title, since: moment(last.created_at), detail });
    }
    Ok(troubles)
}

/// Alerts that the page lists, the worst and newest first; more are counted.
const INCIDENTS_MAX: usize = 8;

fn incident(open: &incidents::Row, now: DateTime<Utc>) -> Trouble {
    if let Some(incident) = open.evaluated() {
        let (title, detail) = (alert::headline(&incident, now), alert::summary(&incident, Step::First, now));
        return Trouble { title: harmless(&title), since: moment(open.opened_at), detail: harmless_text(&detail) };
    }
    let title = match open.rule {
        Rule::ListImplausible => "OpenRouter's list is not believed".to_owned(),
        Rule::BulkEvent => "Many models vanished together".to_owned(),
        Rule::JobStale => format!("The job {} fails", harmless(open.subject.id())),
        rule => format!("{} of {} {}", rule.as_str(), open.subject.kind(), harmless(open.subject.id())),
    };
    Trouble { title, since: moment(open.opened_at), detail: harmless_text(&open.detail) }
}

fn harmless_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(400).collect()
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// A row of the table of changes.
pub(super) fn change(change: &Change) -> serde_json::Value {
    let tone = match change.kind {
        ChangeKind::Removed => "bad",
        ChangeKind::Deprecated | ChangeKind::DeprecationMoved | ChangeKind::CapabilityLost | ChangeKind::Renamed => {
            "warn"
        }
        ChangeKind::Returned | ChangeKind::DeprecationCleared => "good",
        _ => "calm",
    };
    json!({
        "at": moment(change.at),
        "kind": change.kind.as_str(),
        "model": harmless(change.model.as_str()),
        "url": model_url(change.model.as_str()),
        "detail": harmless(&change.describe()),
        "tone": tone,
    })
}

/// A row of the table of mails.
pub(super) fn mail(row: &Row) -> serde_json::Value {
    let note = match (row.state.as_str(), &row.last_error) {
        ("pending" | "dead", Some(error)) => harmless_text(error),
        _ => String::new(),
    };
    json!({
        "id": row.id,
        "url": format!("/mails/{}", row.id),
        "at": moment(row.created_at),
        "kind": row.kind,
        "to": row.recipient,
        "subject": row.subject,
        "state": row.state,
        "note": note,
    })
}

/// The page of a model.
pub(super) fn model_url(id: &str) -> String {
    let mut url = url::Url::parse("http://page/models").expect("a constant address");
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(id.split('/'));
    }
    url.path().to_owned()
}

/// `14 minutes ago`
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", crate::mail::text::span(now - at))
}
