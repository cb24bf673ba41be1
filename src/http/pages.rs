//! The pages behind the first: mails, one mail as sent, one model.

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::view::{change, mail as mail_row, model_url};
use super::{Error, Site};
use crate::domain::channel::Channel;
use crate::domain::lifecycle::Tracked;
use crate::domain::model_id::ModelId;
use crate::domain::price::{PriceTable, Prices};
use crate::mail::text::{harmless, moment, short_day};
use crate::store;
use crate::store::outbox::STATES;
use crate::store::suppressions::Suppression;

const MAILS_PER_PAGE: i64 = 50;
/// Suppressed addresses that the page of mails names, the newest; more are counted.
const SUPPRESSED_MAX: i64 = 20;
/// A mail is shown in a frame that may do nothing; opened alone, it may do nothing either.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox";

/// Which mails.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    #[serde(default)]
    state: String,
    before: Option<i64>,
}

/// Lists mails, newest first.
pub(super) async fn mails(State(site): State<Site>, Query(filter): Query<Filter>) -> Result<Response, Error> {
    let state = STATES.into_iter().find(|state| *state == filter.state);
    let mut tx = site.context.db.read().await?;
    let mut rows = store::outbox::list(&mut tx, state, filter.before, MAILS_PER_PAGE + 1).await?;
    let suppressed: Vec<Value> =
        store::suppressions::newest(&mut tx, SUPPRESSED_MAX).await?.iter().map(suppression).collect();
    let suppressed_count = store::suppressions::count(&mut tx).await?;
    drop(tx);
    let more = rows.len() > usize::try_from(MAILS_PER_PAGE).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(MAILS_PER_PAGE).unwrap_or(usize::MAX));
    let state = state.unwrap_or_default();
    let older = rows.last().filter(|_| more).map(|last| format!("/mails?state={state}&before={}", last.id));
    let view = json!({
        "mails": rows.iter().map(mail_row).collect::<Vec<_>>(),
        "state": state,
        "states": STATES,
        "suppressed": suppressed,
        "suppressed_count": suppressed_count,
        "older_url": older,
        "newer_url": filter.before.map(|_| format!("/mails?state={state}")),
    });
    site.page("mails.html", "mails", None, view).await
}

fn suppression(suppression: &Suppression) -> Value {
    let Suppression { address, reason, at } = suppression;
    json!({ "address": harmless(address), "reason": harmless(reason), "at": moment(*at) })
}

/// Shows one mail as it was or will be sent.
pub(super) async fn mail(State(site): State<Site>, Path(id): Path<i64>) -> Result<Response, Error> {
    let mut tx = site.context.db.read().await?;
    let (row, mail) = store::outbox::get(&mut tx, id).await?.ok_or(Error::NotFound("there is no such mail"))?;
    drop(tx);
    let view = json!({
        "mail": {
            "id": row.id, "kind": row.kind, "state": row.state, "to": row.recipient, "subject": row.subject,
            "from": site.context.settings.get().mail.from, "message_id": mail.message_id,
            "created_at": moment(row.created_at), "sent_at": row.sent_at.map(moment), "attempts": row.attempts,
            "last_error": row.last_error, "next_attempt_at": row.due_at.map(moment), "text": mail.text,
        },
        "html_url": (mail.channel == Channel::Mail).then(|| format!("/mails/{id}/html")),
    });
    site.page("mail.html", "mails", None, view).await
}

/// The HTML part of a mail, as it was or will be sent.
pub(super) async fn mail_html(State(site): State<Site>, Path(id): Path<i64>) -> Result<Response, Error> {
    let mut tx = site.context.db.read().await?;
    let (_, mail) = store::outbox::get(&mut tx, id).await?.ok_or(Error::NotFound("there is no such mail"))?;
    Ok(([(header::CONTENT_SECURITY_POLICY, MAIL_POLICY)], Html(mail.html)).into_response())
}

/// Shows what is known of a model.
pub(super) async fn model(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Error> {
    let id = ModelId::new(id);
    let mut tx = site.context.db.read().await?;
    let known = store::models::load(&mut tx).await?;
    let tracked = known.get(&id).ok_or(Error::NotFound("no list ever had this model"))?;
    let mut changes = store::changes::since(&mut tx, tracked.first_seen, Some(&id)).await?;
    changes.reverse();
    let (users, resources) = store::models::usage(&mut tx).await?.get(&id).copied().unwrap_or_default();
    drop(tx);
    let replacement = tracked.successor.as_ref().map(|successor| {
        json!({ "id": successor, "name": successor, "why": "OpenRouter lists the same model under this id now", "url": model_url(successor.as_str()) })
    });
    let view = json!({
        "model": facts(tracked, replacement.as_ref()),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "users": users,
        "resources": resources,
    });
    site.page("model.html", "models", None, view).await
}

fn facts(tracked: &Tracked, replacement: Option<&Value>) -> Value {
    let model = &tracked.model;
    let join = |set: &std::collections::BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let modalities = if model.inputs.is_empty() {
        String::new()
    } else {
        format!("{} → {}", join(&model.inputs), join(&model.outputs))
    };
    json!({
        "id": harmless(model.id.as_str()),
        "name": harmless(&model.name),
        "state": tracked.state.as_str(),
        "canonical_slug": model.canonical_slug,
        "first_seen": moment(tracked.first_seen),
        "last_seen": moment(tracked.last_seen),
        "expires_on": model.expires_on.date().map(short_day),
        "context": model.context.map_or_else(String::new, |tokens| format!("{tokens} tokens")),
        "modalities": modalities,
        "capabilities": model.features.iter().flatten().collect::<Vec<_>>(),
        "prices": prices(&model.prices),
        "replacement": replacement,
    })
}

fn prices(prices: &Prices) -> Vec<Value> {
    let Prices::Known(schedule) = prices else { return Vec::new() };
    let row = |when: String, table: &PriceTable| {
        let price = |key: &str| {
            table
                .get(key)
                .or_else(|| schedule.base.get(key))
                .map_or_else(|| "free".to_owned(), |price| dollars_per_million(*price))
        };
        json!({ "when": when, "prompt": price("prompt"), "completion": price("completion") })
    };
    let mut rows = vec![row("always".to_owned(), &schedule.base)];
    for entry in &schedule.overrides {
        let mut when = Vec::new();
        when.extend(entry.min_prompt_tokens.map(|tokens| format!("above {tokens} prompt tokens")));
        when.extend(
            entry
                .window
                .map(|(start, end)| format!("{:02}:{:02}–{:02}:{:02} UTC", start / 60, start % 60, end / 60, end % 60)),
        );
        if !entry.days.is_empty() {
            when.push("on some days".to_owned());
        }
        rows.push(row(when.join(", "), &entry.prices));
    }
    if rows.len() > 1 {
        rows[0]["when"] = json!("else");
    }
    rows
}

fn dollars_per_million(price: rust_decimal::Decimal) -> String {
    if price.is_zero() {
        "free".to_owned()
    } else {
        format!("${} / M", (price * rust_decimal::Decimal::from(1_000_000)).normalize())
    }
}
