//! Mails to users about models: their items as people read them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::render::{Error, Renderer};
use super::text::{count, days_from, harmless, long_day, moment, sentence, short_day, span};
use crate::domain::channel::Channel;
use crate::domain::lifecycle::{Known, Tracked};
use crate::domain::model_id::ModelId;
use crate::domain::news::News;
use crate::domain::replacement::{self, Candidate, Mix, Named, Shelf};
use crate::domain::vendor_end::VendorEnd;
use crate::store::outbox::{About, Mail};
use crate::store::told::{Recipient, Use};

/// Where Anthropic announces, for an announcement that names no page.
const VENDORS_PAGE: &str = "https://platform.claude.com/docs/en/about-claude/model-deprecations";
/// Resources that a mail lists by name for one model; more are counted.
const RESOURCES_MAX: usize = 20;
/// Models to move to that a mail shows for one model.
const REPLACEMENTS_MAX: usize = 3;

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
    footer: Footer,
}

/// The words of a mail that tells days of vendors.
#[derive(Serialize)]
struct VendorsView {
    /// What happens, without the model's name: the subject's words.
    ending: String,
    opening: &'static str,
    to_do: &'static str,
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
    facts: Vec<Fact>,
    replacements: Vec<Replacement>,
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
struct Replacement {
    id: String,
    name: String,
    why: String,
    effects: String,
}

/// What a recipient can move to.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    /// Every model ever listed.
    pub known: &'a Known,
    /// Those that are listed now.
    pub shelf: &'a Shelf,
    /// Whom vendors name in place of a model.
    pub named: &'a BTreeMap<ModelId, Vec<Named>>,
    /// The recipient's usual execution on a model, where it is known.
    pub mixes: &'a BTreeMap<ModelId, Mix>,
}

#[derive(Serialize)]
struct ResourceView {
    id: String,
    name: String,
    url: Option<String>,
    role: &'static str,
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
    let view = View {
        greeting: to.name.as_deref().map(harmless).filter(|name| !name.is_empty()),
        models: items.iter().map(|item| model_view(item, sender, choices, now)).collect(),
        model_count: items.len(),
        resource_count: resource_ids.len(),
        soonest: soonest(items, now),
        overdue: items.iter().filter(|item| is_overdue(&item.news, now)).count(),
        vendors: vendors_view(items, now),
        renamed: items.iter().filter(|item| matches!(item.news, News::Removed { successor: Some(_), .. })).count(),
        basis: basis(items, choices),
        footer: Footer {
            reason: reason(resource_ids.len(), items.len()),
            unsubscribe_url: unsubscribe_url.clone(),
            sender: "openrouter-monitor",
        },
    };
    let parts = renderer.render(kind, &view)?;
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
            why: items.iter().map(|item| format!("{}: {}", item.tracked.model.id, because(item, now))).collect(),
        },
    })
}

pub(super) fn unsubscribe_url(sender: &Sender, to: &Recipient, kind: &str) -> Option<String> {
    let base = sender.public_url.as_deref()?.trim_end_matches('/');
    Some(format!("{base}/m/{}?kind={kind}", to.mail_token))
}

fn reason(resources: usize, models: usize) -> String {
    let these = if models == 1 { "this model" } else { "these models" };
    match resources {
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
    ModelView {
        id: harmless(model.id.as_str()),
        name: harmless(&model.name),
        url: match item.end.filter(|_| model.id.is_vendors_own()) {
            Some(end) => end.url.clone().unwrap_or_else(|| VENDORS_PAGE.to_owned()),
            None => sender.model_link.replace("{id}", model.id.as_str()),
        },
        headline: told_end(item)
            .and_then(|end| vendors_headline(item, end, now))
            .unwrap_or_else(|| headline(&item.news, now)),
        urgent: match item.news {
            News::Removed { .. } => true,
            News::Deprecated { on, .. } | News::DateChanged { is: Some(on), .. } => {
                (on - now.date_naive()).num_days() <= 7
            }
            News::DateChanged { is: None, .. } | News::Returned { .. } => false,
        },
        facts: facts(item, now),
        replacements: replacements(item, choices),
        resources: item.uses.iter().take(RESOURCES_MAX).map(resource_view).collect(),
        more_resources: item.uses.len().saturating_sub(RESOURCES_MAX),
    }
}

fn resource_view(used: &Use) -> ResourceView {
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
    }
}

fn headline(news: &News, now: DateTime<Utc>) -> String {
    match news {
        News::Deprecated { on, .. } if is_overdue(news, now) => {
            format!("was to be withdrawn on {} and is still served", short_day(*on))
        }
        News::Deprecated { on, .. } => format!("will be withdrawn on {}, {}", long_day(*on), days_from(*on, now)),
        News::DateChanged { was: Some(was), is: Some(is), .. } => {
            format!("withdrawal moved from {} to {}, {}", short_day(*was), short_day(*is), days_from(*is, now))
        }
        News::DateChanged { was: Some(was), is: None, .. } => {
            format!("stays: the date of {} was taken back", short_day(*was))
        }
        News::DateChanged { was: None, is, .. } => {
            let date = is.map_or_else(String::new, |is| format!(" on {}, {}", long_day(is), days_from(is, now)));
            format!("will be withdrawn after all{date}")
        }
        News::Removed { since, successor: Some(_) } => {
            format!("is no longer listed under this name since {}", short_day(since.date_naive()))
        }
        News::Removed { since, successor: None } => {
            format!("is no longer served since {}", short_day(since.date_naive()))
        }
        News::Returned { expires_on: Some(on), .. } => format!("is back, and will be withdrawn on {}", long_day(*on)),
        News::Returned { expires_on: None, .. } => "is back".to_owned(),
    }
}

fn facts(item: &Item<'_>, now: DateTime<Utc>) -> Vec<Fact> {
    let fact = |label, value| Fact { label, value };
    let last_listed = || fact("Last listed", moment(item.tracked.last_seen));
    match &item.news {
        News::Deprecated { .. } => {
            let seen = short_day(item.tracked.expiry_since.date_naive());
            let own = || fact("Announced", format!("in OpenRouter's list, seen on {seen}"));
            told_end(item).is_none().then(own).into_iter().chain(vendors_facts(item)).collect()
        }
        News::DateChanged { was, is, .. } => {
            let date = |date: &Option<chrono::NaiveDate>| date.map_or_else(|| "none".to_owned(), long_day);
            let mut facts = vec![fact("Date we told you", date(was)), fact("Date now", date(is))];
            facts.extend(vendors_facts(item));
            facts
        }
        News::Removed { since, .. } => {
            let mut facts = vec![last_listed(), fact("Absent for", span(now - *since))];
            if let Some(on) = item.tracked.model.expires_on.date().filter(|on| *on <= now.date_naive()) {
                facts.push(fact("Announced end", long_day(on)));
            }
            facts.extend(vendors_facts(item));
            facts
        }
        News::Returned { since, .. } => {
            vec![fact("Was absent", format!("{} from {}", span(item.tracked.last_seen - *since), moment(*since)))]
        }
    }
}

/// Whether the news are that the model goes, so that its resources have to.
fn has_to_move(news: &News) -> bool {
    matches!(news, News::Deprecated { .. } | News::Removed { .. } | News::DateChanged { is: Some(_), .. })
}

/// The vendor's announcement whose day is told: where OpenRouter names none.
fn told_end<'a>(item: &Item<'a>) -> Option<&'a VendorEnd> {
    let is_told = match item.news {
        News::Deprecated { .. } => true,
        News::DateChanged { is, .. } => is.is_some(),
        News::Removed { .. } | News::Returned { .. } => false,
    };
    item.end.filter(|_| is_told && item.tracked.model.expires_on.date().is_none())
}

/// `will be shut down by OpenAI on Thursday, 23 July 2026, in 7 days`
fn vendors_headline(item: &Item<'_>, end: &VendorEnd, now: DateTime<Utc>) -> Option<String> {
    let (vendor, verb) = (end.platform.name(), vendors_verb(end));
    match item.news {
        News::Deprecated { on, .. } if on < now.date_naive() => {
            let day = short_day(on);
            Some(if item.tracked.model.id.is_vendors_own() {
                format!("was shut down by {vendor} on {day}")
            } else {
                format!("was to be shut down by {vendor} on {day} and is still served by OpenRouter")
            })
        }
        News::Deprecated { on, .. } => Some(format!("{verb} by {vendor} on {}, {}", long_day(on), days_from(on, now))),
        News::DateChanged { was: Some(was), is: Some(is), .. } => {
            let days = days_from(is, now);
            Some(format!("shutdown by {vendor} moved from {} to {}, {days}", short_day(was), short_day(is)))
        }
        News::DateChanged { was: None, is: Some(is), .. } => {
            Some(format!("{verb} by {vendor} after all on {}, {}", long_day(is), days_from(is, now)))
        }
        News::DateChanged { is: None, .. } | News::Removed { .. } | News::Returned { .. } => None,
    }
}

/// What a vendor's day says: some only say "not before".
fn vendors_verb(end: &VendorEnd) -> &'static str {
    if end.platform.says_not_before() { "may be shut down" } else { "will be shut down" }
}

/// What the vendor announced, and what OpenRouter says to it.
fn vendors_facts(item: &Item<'_>) -> Vec<Fact> {
    let Some(end) = item.end else { return Vec::new() };
    let (vendor, source) = (end.platform.name(), &end.source);
    let first = if told_end(item).is_some() {
        Fact { label: "Announced", value: format!("by {vendor}, as {source} reports") }
    } else {
        Fact { label: "Vendor's date", value: format!("{} at {vendor}, as {source} reports", short_day(end.on)) }
    };
    let mut facts = vec![first];
    if let Some(url) = &end.url {
        facts.push(Fact { label: "Vendor's page", value: url.clone() });
    }
    if told_end(item).is_some() && !item.tracked.model.id.is_vendors_own() {
        let value = "none; it may serve the model from elsewhere for longer".to_owned();
        facts.push(Fact { label: "OpenRouter's date", value });
    }
    facts
}

/// Opening and advice of a mail in which at least one day is a vendor's.
fn vendors_view(items: &[Item<'_>], now: DateTime<Utc>) -> Option<VendorsView> {
    let end = items.iter().find_map(told_end)?;
    let [item] = items else {
        return Some(VendorsView {
            ending: "end, or have ended at their vendors".to_owned(),
            opening: "Models that you use are about to end, or have ended at their vendors. What is so of each stands below.",
            to_do: "Move the resources below to other models before those days, and soon where the day has passed.",
        });
    };
    let (direct, vendor) = (item.tracked.model.id.is_vendors_own(), end.platform.name());
    let (opening, to_do) = match (direct, is_overdue(&item.news, now)) {
        (true, false) => (
            "A model that you use directly at its vendor is about to be shut down there. From that day on, every call to it fails.",
            "Move the resources below to another model before that day.",
        ),
        (true, true) => (
            "A model that you use directly at its vendor was shut down there. Every call to it fails.",
            "Move the resources below to another model now.",
        ),
        (false, false) => (
            "The vendor of a model that you use is about to shut it down. OpenRouter names no day: it may stop then too, or serve the model from elsewhere for a while.",
            "Move the resources below to another model before that day.",
        ),
        (false, true) => (
            "The day on which the vendor of a model that you use was to shut it down has passed. OpenRouter still serves it and may stop at any moment; then every call fails.",
            "Move the resources below to another model soon.",
        ),
    };
    let ending = match item.news {
        News::Deprecated { on, .. } if on < now.date_naive() => {
            format!("{} shut down by {vendor}", if direct { "was" } else { "was to be" })
        }
        News::Deprecated { on, .. } => format!("{} by {vendor} {}", vendors_verb(end), days_from(on, now)),
        _ => String::new(),
    };
    Some(VendorsView { ending, opening, to_do })
}

/// The best to move to; only the new id when the model merely has another one.
fn replacements(item: &Item<'_>, choices: Choices<'_>) -> Vec<Replacement> {
    if !has_to_move(&item.news) {
        return Vec::new();
    }
    let id = &item.tracked.model.id;
    let vendor = choices.named.get(id).map_or(&[][..], Vec::as_slice);
    if id.is_vendors_own() {
        return vendor.iter().map(vendors_own).collect();
    }
    let mix = choices.mixes.get(id).copied().unwrap_or_default();
    let best = replacement::replacements(choices.shelf, item.tracked, vendor, mix);
    let renamed = item.tracked.successor.is_some() && best.first().is_some_and(|best| best.score >= 1.0);
    let shown = if renamed { 1 } else { REPLACEMENTS_MAX };
    best.iter().take(shown).map(|candidate| replacement_view(candidate, choices.known)).collect()
}

/// What a vendor names to those who call it directly: its own id, for OpenRouter's are of no use there.
fn vendors_own(named: &Named) -> Replacement {
    let id = harmless(&named.id);
    Replacement { name: id.clone(), id, why: named.says.clone(), effects: String::new() }
}

fn replacement_view(candidate: &Candidate, known: &Known) -> Replacement {
    let id = candidate.model.as_str();
    let name = known.get(&candidate.model).map_or(id, |tracked| &tracked.model.name);
    let (why, effects) = (sentence(&candidate.why, ", "), sentence(&candidate.effects, "; "));
    Replacement { id: harmless(id), name: harmless(name), why, effects }
}

/// On whose tokens prices are compared.
fn basis(items: &[Item<'_>], choices: Choices<'_>) -> Option<&'static str> {
    let is_ranked = |item: &&Item<'_>| has_to_move(&item.news) && !item.tracked.model.id.is_vendors_own();
    let moved = || items.iter().filter(is_ranked);
    let own = |item: &Item<'_>| choices.mixes.contains_key(&item.tracked.model.id);
    moved().next()?;
    Some(match (moved().all(own), moved().any(own)) {
        (true, _) => "Prices are compared on the tokens that you used in the last 30 days.",
        (false, true) => {
            "Prices are compared on the tokens that you used in the last 30 days; \
             where those are too few, on 3,000 tokens in and 1,000 out."
        }
        (false, false) => {
            "Prices are compared on 3,000 tokens in and 1,000 out, for you used too few in the last 30 days."
        }
    })
}

/// Why the item is told now, for `replay` and the admins.
fn because(item: &Item<'_>, now: DateTime<Utc>) -> String {
    match &item.news {
        News::Deprecated { on, milestone } => {
            let when = match (*on - now.date_naive()).num_days() {
                days if days < 0 => format!("{} ago and still served", count(-days, "day")),
                days => format!("{} ahead", count(days, "day")),
            };
            let reached = if *milestone == crate::domain::news::ANNOUNCED {
                "announced".to_owned()
            } else {
                format!("milestone {milestone} d")
            };
            let by =
                told_end(item).map_or_else(String::new, |end| format!(" by {} ({})", end.platform.name(), end.source));
            format!("withdrawal on {on}{by}, {when} ({reached})")
        }
        News::DateChanged { was, is, since } => {
            let date =
                |date: &Option<chrono::NaiveDate>| date.map_or_else(|| "none".to_owned(), |date| date.to_string());
            format!("told {}, is {} since {}", date(was), date(is), since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Removed { since, .. } => {
            let day = item.tracked.model.expires_on.date().filter(|on| *on <= now.date_naive());
            let why = day.map_or_else(String::new, |on| format!(", its announced day {on} has come"));
            format!("absent for {} since {}{why}", span(now - *since), since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Returned { since, .. } => {
            format!("listed again, was told absent since {}", since.format("%Y-%m-%dT%H:%MZ"))
        }
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
