//! Mails to users about models: their items as people read them.

mod ability;
mod chain;
mod missing;
mod offers;
mod price;
mod story;
mod vendor;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::render::{Error, Renderer};
use super::text::{days_from, harmless};
use crate::domain::chain::Fate;
use crate::domain::channel::Channel;
use crate::domain::lifecycle::Tracked;
use crate::domain::model_id::ModelId;
use crate::domain::news::News;
use crate::domain::vendor_end::VendorEnd;
use crate::store::outbox::{About, Mail};
use crate::store::told::{Recipient, Use};

use chain::{Calm, Fates};
pub use offers::Choices;
use vendor::VendorsView;

/// Where Anthropic announces, for an announcement that names no page.
const VENDORS_PAGE: &str = "https://platform.claude.com/docs/en/about-claude/model-deprecations";
/// Resources that a mail lists by name for one model; more are counted.
const RESOURCES_MAX: usize = 20;
/// The part of a name that a subject has room for.
const SUBJECT_NAME_CHARS: usize = 60;

/// One thing to tell about one model.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// The model.
    pub tracked: &'a Tracked,
    /// What its vendor announced; OpenRouter's own day goes before it.
    pub end: Option<&'a VendorEnd>,
    /// What is told.
    pub news: News,
    /// The recipient's resources on it.
    pub uses: &'a [Use],
}

/// What every mail needs to know of this daemon.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Domain of the sender's address, for ids.
    pub domain: String,
    /// Where users reach the daemon, if they do.
    pub public_url: Option<String>,
    /// A model's page, with `{id}`.
    pub model_link: String,
}

#[derive(Serialize)]
struct View {
    greeting: Option<String>,
    models: Vec<ModelView>,
    model_count: usize,
    resource_count: usize,
    soonest: Option<String>,
    /// Models that are still served although their day has passed.
    overdue: usize,
    /// What to say where a vendor's day is told.
    vendors: Option<VendorsView>,
    /// Models that go on under another id.
    renamed: usize,
    /// On whose tokens prices are compared, where some are.
    basis: Option<&'static str>,
    /// What follows for the resources, in the subject's words.
    consequence: Option<String>,
    /// What to say where no resource fails.
    calm: Option<Calm>,
    /// What to say of news that have no layout of their own.
    words: Words,
    footer: Footer,
}

/// The words of a mail that is laid out as a notice.
#[derive(Default, Serialize)]
struct Words {
    title: String,
    opening: String,
    to_do: String,
    /// What stands over the models to move to.
    offers: &'static str,
    /// A missing one is to be mentioned.
    none_named: bool,
}

/// Why a mail came, and how to stop it.
#[derive(Serialize)]
pub(super) struct Footer {
    pub(super) reason: String,
    pub(super) unsubscribe_url: Option<String>,
    pub(super) sender: &'static str,
}

#[derive(Serialize)]
struct ModelView {
    id: String,
    name: String,
    url: String,
    headline: String,
    urgent: bool,
    /// `bad`, `good` or `calm`.
    tone: &'static str,
    facts: Vec<Fact>,
    replacements: Vec<offers::Replacement>,
    resources: Vec<ResourceView>,
    more_resources: usize,
}

/// A line of a small table.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// What it says.
    pub value: String,
}

#[derive(Serialize)]
struct ResourceView {
    id: String,
    name: String,
    url: Option<String>,
    role: &'static str,
    /// What becomes of it.
    note: Option<String>,
}

/// Renders the mail that tells a user items of one kind.
///
/// # Errors
/// When a template does not fit its view.
pub fn compose(
    renderer: &Renderer,
    sender: &Sender,
    to: &Recipient,
    items: &[Item<'_>],
    choices: Choices<'_>,
    now: DateTime<Utc>,
) -> Result<Mail, Error> {
    let kind = items.first().map_or("model_removed", |item| item.news.kind());
    let resources: Vec<&Use> = items.iter().flat_map(|item| item.uses).collect();
    let mut resource_ids: Vec<String> = resources.iter().map(|used| used.resource.clone()).collect();
    resource_ids.sort();
    resource_ids.dedup();
    let unsubscribe_url = unsubscribe_url(sender, to, kind);
    let fates = Fates::of(items, choices, now);
    let (template, words) = layout(items, &fates);
    let view = View {
        greeting: to.name.as_deref().map(harmless).filter(|name| !name.is_empty()),
        models: items.iter().map(|item| model_view(item, sender, choices, now)).collect(),
        model_count: items.len(),
        resource_count: resource_ids.len(),
        soonest: soonest(items, now),
        overdue: items.iter().filter(|item| is_overdue(&item.news, now)).count(),
        vendors: vendor::vendors_view(items, now),
        renamed: items.iter().filter(|item| matches!(item.news, News::Removed { successor: Some(_), .. })).count(),
        basis: offers::basis(items, choices),
        consequence: fates.consequence(),
        calm: fates.calm(),
        words,
        footer: Footer {
            reason: reason(resource_ids.len(), items),
            unsubscribe_url: unsubscribe_url.clone(),
            sender: "openrouter-monitor",
        },
    };
    let parts = renderer.render(template.unwrap_or(kind), &view)?;
    let keys: Vec<String> = items.iter().map(|item| format!("{} {}", item.tracked.model.id, item.news.key())).collect();
    let dedup_key = format!("{kind}/{}/{}", to.id, fingerprint(&keys.join("\n")));
    let threads: Vec<String> =
        items.iter().map(|item| thread_id(&to.id, &item.tracked.model.id, &sender.domain)).collect();
    Ok(Mail {
        channel: Channel::Mail,
        message_id: message_id(&dedup_key, &sender.domain),
        dedup_key,
        kind: kind.to_owned(),
        user: Some(to.id.clone()),
        recipient: to.email.clone(),
        subject: parts.subject,
        text: parts.text,
        html: parts.html,
        threads: threads.into_iter().take(10).collect(),
        unsubscribe_url,
        about: About {
            models: items.iter().map(|item| item.tracked.model.id.to_string()).collect(),
            resources: resource_ids,
            incident: items
                .first()
                .map_or_else(String::new, |item| format!("{kind}/{}/{}", item.tracked.model.id, item.news.key())),
            why: items.iter().map(|item| format!("{}: {}", item.tracked.model.id, story::because(item, now))).collect(),
        },
    })
}

/// What lays a mail out, and its words; `None`: templates of its kind's own.
fn layout(items: &[Item<'_>], fates: &Fates) -> (Option<&'static str>, Words) {
    let words = match items.first().map(|item| &item.news) {
        Some(News::Repriced(_)) => price::words(items),
        Some(News::Ability(_)) => ability::words(items),
        Some(News::Missing { .. }) => missing::words(items, fates.consequence()),
        _ => return (None, Words::default()),
    };
    (Some("model_notice"), words)
}

/// A model's name as a subject has room for it.
fn short(name: &str) -> String {
    let name = harmless(name);
    match name.char_indices().nth(SUBJECT_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

pub(super) fn unsubscribe_url(sender: &Sender, to: &Recipient, kind: &str) -> Option<String> {
    let base = sender.public_url.as_deref()?.trim_end_matches('/');
    Some(format!("{base}/m/{}?kind={kind}", to.mail_token))
}

fn reason(resources: usize, items: &[Item<'_>]) -> String {
    let these = if items.len() == 1 { "this model" } else { "these models" };
    let fails = items.iter().any(|item| matches!(item.news, News::Removed { .. } | News::Missing { .. }));
    match resources {
        0 if fails => format!("You get this mail because executions of yours use {these}."),
        0 => format!("You get this mail because an earlier one about {these} is no longer true."),
        1 => format!("You get this mail because one of your resources uses {these}."),
        more => format!("You get this mail because {more} of your resources use {these}."),
    }
}

fn is_overdue(news: &News, now: DateTime<Utc>) -> bool {
    matches!(news, News::Deprecated { on, .. } if *on < now.date_naive())
}

/// The next withdrawal that is still to come.
fn soonest(items: &[Item<'_>], now: DateTime<Utc>) -> Option<String> {
    let coming = items.iter().filter(|item| !is_overdue(&item.news, now));
    let days = coming.filter_map(|item| if let News::Deprecated { on, .. } = item.news { Some(on) } else { None });
    days.min().map(|day| days_from(day, now))
}

fn model_view(item: &Item<'_>, sender: &Sender, choices: Choices<'_>, now: DateTime<Utc>) -> ModelView {
    let model = &item.tracked.model;
    let fates: Vec<Option<Fate>> = item.uses.iter().map(|used| chain::fate(item, used, choices, now)).collect();
    let urgent = is_urgent(item, &fates, now);
    let is_now = matches!(item.news, News::Removed { .. } | News::Missing { .. });
    let shown = item.uses.iter().zip(fates).take(RESOURCES_MAX);
    ModelView {
        id: harmless(model.id.as_str()),
        name: harmless(&model.name),
        url: match item.end.filter(|_| model.id.is_vendors_own()) {
            Some(end) => end.url.clone().unwrap_or_else(|| VENDORS_PAGE.to_owned()),
            None => sender.model_link.replace("{id}", model.id.as_str()),
        },
        headline: vendor::told_end(item)
            .and_then(|end| vendor::vendors_headline(item, end, now))
            .unwrap_or_else(|| story::headline(&item.news, now)),
        urgent,
        tone: tone(item, urgent),
        facts: story::facts(item, now),
        replacements: offers::replacements(item, choices),
        resources: shown.map(|(used, fate)| resource_view(used, fate.as_ref(), is_now)).collect(),
        more_resources: item.uses.len().saturating_sub(RESOURCES_MAX),
    }
}

fn resource_view(used: &Use, fate: Option<&Fate>, is_now: bool) -> ResourceView {
    ResourceView {
        id: harmless(&used.resource),
        name: used
            .name
            .as_deref()
            .map(harmless)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| harmless(&used.resource)),
        url: used.url.clone(),
        role: if used.position == 0 { "model" } else { "fallback" },
        note: fate.and_then(|fate| chain::note(fate, is_now)),
    }
}

/// Whether something has to be done soon: a day is near, or has come, and some resource fails then.
fn is_urgent(item: &Item<'_>, fates: &[Option<Fate>], now: DateTime<Utc>) -> bool {
    let fails = fates.is_empty() || fates.iter().flatten().any(|fate| matches!(fate, Fate::Fails { .. }));
    match item.news {
        News::Removed { .. } | News::Missing { .. } => fails,
        News::Deprecated { on, .. } | News::DateChanged { is: Some(on), .. } => {
            fails && (on - now.date_naive()).num_days() <= 7
        }
        _ => false,
    }
}

fn tone(item: &Item<'_>, urgent: bool) -> &'static str {
    match &item.news {
        News::Repriced(repricing) if repricing.difference().is_positive() => "bad",
        News::Ability(news) if !news.lost.is_empty() => "bad",
        News::Repriced(_) | News::Ability(_) | News::Returned { .. } => "good",
        _ if urgent => "bad",
        _ => "calm",
    }
}

/// The id of a mail: the same for every attempt to deliver it.
#[must_use]
pub fn message_id(dedup_key: &str, domain: &str) -> String {
    format!("<{}@{domain}>", fingerprint(dedup_key))
}

/// The root that all mails to a user about a model refer to, so that they make one thread.
fn thread_id(user: &str, model: &ModelId, domain: &str) -> String {
    format!("<{}@{domain}>", fingerprint(&format!("thread {user} {model}")))
}

/// 128 bits of SHA-256, in hexadecimal.
pub(super) fn fingerprint(text: &str) -> String {
    let digest = format!("{:x}", Sha256::digest(text.as_bytes()));
    digest[..32].to_owned()
}
