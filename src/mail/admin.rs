//! Mails to the admins: the digest of what changed, bulk events, and the daemon's own troubles.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::figures::{monthly, usd};
use super::notice::{Fact, Footer, Sender, fingerprint, message_id};
use super::render::{Error, Renderer};
use super::text::{harmless, moment};
use crate::domain::bill::Load;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::channel::Channel;
use crate::domain::incident::Occurrence;
use crate::domain::lifecycle::BulkEvent;
use crate::domain::model_id::ModelId;
use crate::domain::money::NanoUsd;
use crate::domain::price::PriceSchedule;
use crate::domain::rollup::Measures;
use crate::store::outbox::{About, Mail};
use crate::store::suppressions::Suppression;

/// Rows that a section of the digest shows; more are counted.
const ROWS_MAX: usize = 20;
/// Models that the mail on a bulk event names; more are counted.
const NAMES_MAX: usize = 30;
/// Addresses that take no mail which the digest names; more are counted.
pub const SUPPRESSED_MAX: i64 = 5;

/// Users and resources by model.
pub type Usage = BTreeMap<ModelId, (i64, i64)>;

/// Renders admins' mails: one for each address.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// The templates.
    pub renderer: &'a Renderer,
    /// Who sends.
    pub sender: &'a Sender,
    /// The admins' addresses.
    pub admins: &'a [String],
}

#[derive(Serialize)]
struct Envelope<V> {
    greeting: Option<String>,
    page_url: Option<String>,
    footer: Footer,
    #[serde(flatten)]
    view: V,
}

#[derive(Serialize)]
struct DigestView {
    since: String,
    until: String,
    summary: String,
    models_listed: i64,
    sections: Vec<Section>,
    users_told: usize,
    suppressed: Vec<String>,
    suppressed_more: usize,
}

#[derive(Serialize)]
struct Section {
    title: &'static str,
    note: Option<String>,
    rows: Vec<Row>,
    more: usize,
}

#[derive(Serialize)]
struct Row {
    model: String,
    detail: String,
    users: i64,
    resources: i64,
    /// What was spent on it in the last 30 days, where anything was.
    spent: Option<String>,
    /// What the change makes on that in a month.
    effect: Option<String>,
}

#[derive(Serialize)]
struct BulkView {
    at: String,
    count: usize,
    listed_before: usize,
    family: Option<String>,
    models: Vec<String>,
    more: usize,
    users: i64,
    resources: i64,
    told_after: String,
}

/// A trouble of the daemon's own, or its end.
#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    /// One line.
    pub title: String,
    /// Whether it is over.
    pub resolved: bool,
    /// Since when.
    pub since: String,
    /// What happened.
    pub what: String,
    /// What follows from it.
    pub effect: String,
    /// What to do.
    pub mend: String,
    /// Figures.
    pub details: Vec<Fact>,
}

/// What a digest is made of.
#[derive(Clone, Debug)]
pub struct Digest<'a> {
    /// The changes, oldest first.
    pub changes: &'a [Change],
    /// Who uses the models.
    pub usage: &'a Usage,
    /// What ran on them in the last 30 days.
    pub used: &'a BTreeMap<ModelId, Measures>,
    /// Models in the last list.
    pub models_listed: i64,
    /// Users who got a mail about a model in this time.
    pub users_told: usize,
    /// Addresses that take no mail, newest first, and how many there are.
    pub suppressed: (&'a [Suppression], i64),
    /// The number of the last change, which names the digest.
    pub last: i64,
}

impl Desk<'_> {
    /// The digest of what changed.
    ///
    /// # Errors
    /// When a template does not fit its view.
    pub fn digest(&self, digest: &Digest<'_>, now: DateTime<Utc>) -> Result<Vec<Mail>, Error> {
        let (shown, suppressed) = digest.suppressed;
        let view = DigestView {
            since: moment(digest.changes.first().map_or(now, |change| change.at)),
            until: moment(now),
            summary: summary(digest.changes),
            models_listed: digest.models_listed,
            sections: sections(digest),
            users_told: digest.users_told,
            suppressed: shown.iter().map(|row| harmless(&row.address)).collect(),
            suppressed_more: usize::try_from(suppressed).unwrap_or(0).saturating_sub(shown.len()),
        };
        let mut models: Vec<String> = digest.changes.iter().map(|change| change.model.to_string()).collect();
        models.sort();
        models.dedup();
        let about = About { models, incident: format!("digest/{}", digest.last), ..About::default() };
        self.mails("admin_digest", "admin_digest", &format!("digest/{}", digest.last), &about, view)
    }

    /// Many models vanished at once.
    ///
    /// # Errors
    /// When a template does not fit its view.
    pub fn bulk_event(
        &self,
        event: &BulkEvent,
        incident: &Occurrence,
        usage: &Usage,
        told_after: DateTime<Utc>,
    ) -> Result<Vec<Mail>, Error> {
        let hit = event.models.iter().filter_map(|id| usage.get(id));
        let (users, resources) = hit.fold((0, 0), |(users, resources), hit| (users + hit.0, resources + hit.1));
        let view = BulkView {
            at: moment(incident.opened_at),
            count: event.models.len(),
            listed_before: event.listed_before,
            family: event.family.as_ref().map(|variant| format!(":{variant}")),
            models: event.models.iter().take(NAMES_MAX).map(|id| harmless(id.as_str())).collect(),
            more: event.models.len().saturating_sub(NAMES_MAX),
            users,
            resources,
            told_after: moment(told_after),
        };
        let about = About {
            models: event.models.iter().map(ToString::to_string).collect(),
            incident: incident.id.clone(),
            ..About::default()
        };
        self.mails("bulk_event", "admin_digest", &incident.id, &about, view)
    }

    /// A trouble of the daemon's own, or its end, told once for an incident.
    ///
    /// # Errors
    /// When a template does not fit its view.
    pub fn trouble(&self, trouble: Trouble, incident: &str) -> Result<Vec<Mail>, Error> {
        let state = if trouble.resolved { "resolved" } else { "firing" };
        let about = About { incident: incident.to_owned(), why: vec![trouble.what.clone()], ..About::default() };
        self.mails("monitor_trouble", "monitor_trouble", &format!("{incident}/{state}"), &about, trouble)
    }

    fn mails(
        &self,
        template: &str,
        kind: &str,
        key: &str,
        about: &About,
        view: impl Serialize,
    ) -> Result<Vec<Mail>, Error> {
        let page_url = self.sender.public_url.clone();
        let reason = "You get this mail because you are an admin of this openrouter-monitor.".to_owned();
        let footer = Footer { reason, unsubscribe_url: None, sender: "openrouter-monitor" };
        let rendered = self.renderer.render(template, &Envelope { greeting: None, page_url, footer, view })?;
        let domain = &self.sender.domain;
        let mail = |admin: &String| {
            let dedup_key = format!("{kind}/{key}/{admin}");
            Mail {
                channel: Channel::Mail,
                message_id: message_id(&dedup_key, domain),
                dedup_key,
                kind: kind.to_owned(),
                user: None,
                recipient: admin.clone(),
                subject: rendered.subject.clone(),
                text: rendered.text.clone(),
                html: rendered.html.clone(),
                threads: vec![format!("<{}@{domain}>", fingerprint(&format!("thread {}", about.incident)))],
                unsubscribe_url: None,
                about: about.clone(),
            }
        };
        Ok(self.admins.iter().map(mail).collect())
    }
}

/// `2 removed, 1 deprecated, 14 repriced`
fn summary(changes: &[Change]) -> String {
    let counted = ChangeKind::ALL.iter().filter_map(|kind| {
        let count = changes.iter().filter(|change| change.kind == *kind).count();
        (count > 0).then(|| format!("{count} {}", title(*kind).to_lowercase()))
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn title(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Removed => "Removed",
        ChangeKind::Returned => "Returned",
        ChangeKind::Renamed => "Renamed",
        ChangeKind::Deprecated => "Deprecated",
        ChangeKind::DeprecationMoved => "Withdrawal moved",
        ChangeKind::DeprecationCleared => "Withdrawal taken back",
        ChangeKind::CapabilityLost => "Lost a capability",
        ChangeKind::CapabilityGained => "Gained a capability",
        ChangeKind::ContextChanged => "Context changed",
        ChangeKind::Repriced => "Repriced",
        ChangeKind::AliasRetargeted => "Alias points elsewhere",
        ChangeKind::Added => "Added",
    }
}

/// A section for each kind, those that touch users first; in a section, what costs most first, then what most use.
fn sections(digest: &Digest<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    for kind in ChangeKind::ALL {
        let mut changes: Vec<&Change> = digest.changes.iter().filter(|change| change.kind == *kind).collect();
        if changes.is_empty() {
            continue;
        }
        let rank = |change: &&Change| (spent(digest, change), digest.usage.get(&change.model).copied());
        changes.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.model.cmp(&b.model)));
        let rows = changes.iter().take(ROWS_MAX).map(|change| row(change, digest)).collect();
        let more = changes.len().saturating_sub(ROWS_MAX);
        sections.push(Section { title: title(*kind), note: note(*kind, &changes, digest), rows, more });
    }
    sections.sort_by_key(|section| section.rows.iter().all(|row| row.users == 0 && row.spent.is_none()));
    sections
}

fn note(kind: ChangeKind, changes: &[&Change], digest: &Digest<'_>) -> Option<String> {
    match kind {
        ChangeKind::Removed => Some("Their users have been told.".to_owned()),
        ChangeKind::Repriced => {
            let total: Option<NanoUsd> =
                changes.iter().filter_map(|change| effect(change, digest)).reduce(|a, b| a + b);
            let total =
                total.map(|total| format!("On the use of the last 30 days they make together {}. ", monthly(total)));
            let total = total.unwrap_or_default();
            Some(format!(
                "{total}Users whose own bill it moves hear of it once it has held, for prices move often and back."
            ))
        }
        ChangeKind::CapabilityLost | ChangeKind::ContextChanged => {
            Some("Users who need it hear of a loss once it has held for a day.".to_owned())
        }
        _ => None,
    }
}

fn row(change: &Change, digest: &Digest<'_>) -> Row {
    let (users, resources) = digest.usage.get(&change.model).copied().unwrap_or_default();
    Row {
        model: harmless(change.model.as_str()),
        detail: harmless(&change.describe()),
        users,
        resources,
        spent: Some(spent(digest, change)).filter(|spent| spent.is_positive()).map(usd),
        effect: effect(change, digest).map(monthly),
    }
}

/// What was spent on the model of a change.
fn spent(digest: &Digest<'_>, change: &Change) -> NanoUsd {
    digest.used.get(&change.model).map_or(NanoUsd::ZERO, Measures::spent)
}

/// What a change of prices makes on the use of the last 30 days; `None` where nothing ran, or nothing comes of it.
fn effect(change: &Change, digest: &Digest<'_>) -> Option<NanoUsd> {
    let schedule = |value: &Value| serde_json::from_value::<PriceSchedule>(value.clone()).ok();
    let load = Load::of(digest.used.get(&change.model).filter(|_| change.kind == ChangeKind::Repriced)?);
    let (before, after) = (load.cost(&schedule(&change.before)?), load.cost(&schedule(&change.after)?));
    Some(NanoUsd(after.0.saturating_sub(before.0))).filter(|effect| *effect != NanoUsd::ZERO)
}
