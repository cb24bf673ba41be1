//! Every mail with sample data, rendered as a real one is.

pub mod alerts;
pub mod reports;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::admin::{Desk, Digest, Trouble, Usage};
use super::notice::{self, Choices, Fact, Item, Sender};
use super::render::{Error, Rendered, Renderer};
use super::text::moment;
use super::user_digest;
use crate::domain::ability::{AbilityChange, AbilityNews};
use crate::domain::alert::{Rule, Subject};
use crate::domain::announcement::Platform;
use crate::domain::bill::{Load, Repricing};
use crate::domain::change::{Change, ChangeKind};
use crate::domain::incident::Occurrence;
use crate::domain::lifecycle::{Absence, BulkEvent, Known, State, Tracked};
use crate::domain::model::{Expiry, Model};
use crate::domain::model_id::ModelId;
use crate::domain::money::NanoUsd;
use crate::domain::news::News;
use crate::domain::price::{PriceSchedule, Prices};
use crate::domain::replacement::{Mix, Shelf};
use crate::domain::rollup::Measures;
use crate::domain::settled::Settled;
use crate::domain::vendor_end::{self, VendorEnd};
use crate::store::outbox::Mail;
use crate::store::post::Part;
use crate::store::suppressions::Suppression;
use crate::store::told::{Recipient, Use};

/// The names of all mails.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(reports::NAMES).chain(alerts::NAMES)
}

/// The names of the mails that are about no incident.
pub const NAMES: [&str; 14] = [
    "model_deprecated",
    "model_deprecated_by_vendor",
    "model_deprecated_with_fallback",
    "model_date_changed",
    "model_removed",
    "model_removed_with_fallbacks",
    "model_returned",
    "model_missing",
    "model_repriced",
    "model_capability",
    "user_digest",
    "admin_digest",
    "bulk_event",
    "monitor_trouble",
];

/// Renders every mail: its name, and what it looks like.
///
/// # Errors
/// When a template does not fit its view.
pub fn all(renderer: &Renderer, sender: &Sender, now: DateTime<Utc>) -> Result<Vec<(String, Mail)>, Error> {
    let mut mails = Vec::new();
    for (name, news) in samples(now) {
        let end = (name == "model_deprecated_by_vendor").then(|| vendors_end(now));
        mails.push((name.to_owned(), user_mail(renderer, sender, name, news, end.as_ref(), now)?));
    }
    mails.push(("user_digest".to_owned(), day_digest(renderer, sender, &mails, now)?));
    let admins = ["admin@platform.example".to_owned()];
    let desk = Desk { renderer, sender, admins: &admins };
    mails.extend(
        desk.digest(&digest(&changes(now), &usage(), &used(), &suppressed(now)), now)?
            .into_iter()
            .map(|mail| ("admin_digest".to_owned(), mail)),
    );
    let incident = Occurrence::open(Rule::BulkEvent, Subject::Account("batch".to_owned()), now);
    let bulk = desk.bulk_event(&bulk_event(), &incident, &usage(), now + TimeDelta::days(7))?;
    mails.extend(bulk.into_iter().map(|mail| ("bulk_event".to_owned(), mail)));
    let incident = Occurrence::open(Rule::ListImplausible, Subject::Account("openrouter".to_owned()), now);
    let trouble = desk.trouble(trouble(now), &incident.id)?;
    mails.extend(trouble.into_iter().map(|mail| ("monitor_trouble".to_owned(), mail)));
    mails.extend(reports::all(&desk, &recipient(), now)?);
    mails.extend(alerts::all(&desk, &recipient(), now)?);
    Ok(mails)
}

/// The mail with which delivery is tried.
///
/// # Errors
/// When a template does not fit its view.
pub fn test(renderer: &Renderer, now: DateTime<Utc>) -> Result<Rendered, Error> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "this machine".to_owned());
    let footer = json!({"reason": "You get this mail because somebody tried the delivery.", "unsubscribe_url": null, "sender": "openrouter-monitor"});
    renderer.render("test", &json!({"greeting": null, "footer": footer, "sent_at": moment(now), "host": host.trim()}))
}

fn samples(now: DateTime<Utc>) -> Vec<(&'static str, Vec<News>)> {
    let day = |days: i64| (now + TimeDelta::days(days)).date_naive();
    let since = now - TimeDelta::hours(31);
    let deprecated = |days: i64, milestone| News::Deprecated { on: day(days), milestone };
    vec![
        ("model_deprecated", vec![deprecated(7, 7), deprecated(21, 30)]),
        ("model_deprecated_by_vendor", vec![deprecated(7, 7)]),
        ("model_deprecated_with_fallback", vec![deprecated(7, 7)]),
        (
            "model_date_changed",
            vec![
                News::DateChanged { was: Some(day(2)), is: Some(day(180)), since },
                News::DateChanged { was: Some(day(9)), is: None, since },
            ],
        ),
        (
            "model_removed",
            vec![
                News::Removed { since, successor: None },
                News::Removed { since, successor: Some(ModelId::from("tessera/mosaic-3-flash")) },
            ],
        ),
        (
            "model_removed_with_fallbacks",
            vec![News::Removed { since, successor: None }, News::Removed { since, successor: None }],
        ),
        ("model_returned", vec![News::Returned { since: now - TimeDelta::days(12), expires_on: None }]),
        ("model_missing", vec![News::Missing { since: now - TimeDelta::hours(2), failed: 17 }]),
        ("model_repriced", repricings(now)),
        ("model_capability", vec![News::Ability(abilities(now))]),
    ]
}

/// One that got dearer for long prompts above all, one that got cheaper by the hour.
fn repricings(now: DateTime<Utc>) -> Vec<News> {
    let schedule = |pricing: Value| match Prices::parse(Some(&pricing)) {
        Prices::Known(schedule) => schedule,
        _ => PriceSchedule::default(),
    };
    let news = |before: Value, after: Value, load: Load| {
        let (before, after) = (schedule(before), schedule(after));
        let (was, is) = (load.cost(&before), load.cost(&after));
        News::Repriced(Box::new(Repricing { since: now - TimeDelta::hours(55), before, after, was, is, load }))
    };
    let used = Load { executions: 8_200, input: 42_640_000, cached: 14_760_000, output: 5_248_000, ..Load::default() };
    let tiers = json!([{"min_prompt_tokens": 200_000, "prompt": "0.000003", "completion": "0.000006"}]);
    let nights = json!([{"utc_start": 1700, "utc_end": 500, "prompt": "0.0000001", "completion": "0.0000008"}]);
    vec![
        news(
            json!({"prompt": "0.000001", "completion": "0.000004", "input_cache_read": "0.0000001"}),
            json!({"prompt": "0.0000014", "completion": "0.000005", "input_cache_read": "0.0000002", "overrides": tiers}),
            used,
        ),
        news(
            json!({"prompt": "0.0000003", "completion": "0.0000025"}),
            json!({"prompt": "0.0000003", "completion": "0.000001", "overrides": nights}),
            Load::assumed(1, 10_000_000, 2_000_000),
        ),
    ]
}

fn abilities(now: DateTime<Utc>) -> AbilityNews {
    let change =
        |what: &str, tokens| AbilityChange { what: what.to_owned(), since: now - TimeDelta::hours(30), tokens };
    AbilityNews { lost: vec![change("tools", None), change("context", Some((200_000, 128_000)))], regained: Vec::new() }
}

/// A digest of the mails so far.
fn day_digest(
    renderer: &Renderer,
    sender: &Sender,
    mails: &[(String, Mail)],
    now: DateTime<Utc>,
) -> Result<Mail, Error> {
    let part = |(_, mail): &(String, Mail)| Part {
        id: 0,
        kind: mail.kind.clone(),
        subject: mail.subject.clone(),
        text: mail.text.clone(),
        at: now,
        about: mail.about.clone(),
    };
    let parts: Vec<Part> = mails.iter().filter(|(name, _)| name != "model_removed").map(part).collect();
    user_digest::compose(renderer, sender, &recipient(), &parts, now.date_naive())
}

fn vendors_end(now: DateTime<Utc>) -> VendorEnd {
    VendorEnd {
        platform: Platform::OpenAi,
        on: (now + TimeDelta::days(7)).date_naive(),
        since: now - TimeDelta::days(90),
        successor: Some(ModelId::from("halcyon/lumen-3")),
        source: "deprecations.info".to_owned(),
        url: Some("https://vendor.example/deprecations".to_owned()),
    }
}

fn recipient() -> Recipient {
    Recipient {
        id: "u-017".to_owned(),
        email: "u-017@platform.example".to_owned(),
        name: Some("Invoice desk".to_owned()),
        mail_token: "preview".to_owned(),
    }
}

fn user_mail(
    renderer: &Renderer,
    sender: &Sender,
    name: &str,
    news: Vec<News>,
    end: Option<&VendorEnd>,
    now: DateTime<Utc>,
) -> Result<Mail, Error> {
    let tracked: Vec<Tracked> = ["halcyon/lumen-2", "tessera/mosaic-2.5-flash"]
        .iter()
        .zip(&news)
        .map(|(id, news)| tracked(id, news, end.is_some(), now))
        .collect();
    let uses = sample_uses(name, now);
    let items: Vec<Item<'_>> =
        tracked.iter().zip(news).zip(&uses).map(|((tracked, news), uses)| Item { tracked, end, news, uses }).collect();
    let listed = [
        ("halcyon/lumen-3", "Halcyon: Lumen 3", "0.0000012", 400_000),
        ("halcyon/lumen-3-mini", "Halcyon: Lumen 3 Mini", "0.0000002", 200_000),
        ("tessera/mosaic-3-flash", "Tessera: Mosaic 3 Flash", "0.0000003", 1_000_000),
        ("tessera/mosaic-3-pro", "Tessera: Mosaic 3 Pro", "0.000002", 1_000_000),
    ];
    let mut known: Known =
        listed.map(|(id, name, price, context)| (ModelId::from(id), offer(id, name, price, context, now))).into();
    known.extend(tracked.iter().map(|tracked| (tracked.model.id.clone(), tracked.clone())));
    // One is used a lot, the other too little to tell.
    let mixes = [(ModelId::from("halcyon/lumen-2"), Mix { input: 5_200, cached: 1_800, output: 640 })].into();
    let ends = end.map(|end| (ModelId::from("halcyon/lumen-2"), end.clone())).into_iter().collect();
    let named = vendor_end::named(&ends);
    let (shelf, needs) = (Shelf::of(&known, &ends), BTreeMap::new());
    let choices = Choices { known: &known, shelf: &shelf, named: &named, ends: &ends, mixes: &mixes, needs: &needs };
    notice::compose(renderer, sender, &recipient(), &items, choices, now)
}

fn offer(id: &str, name: &str, price: &str, context: u64, now: DateTime<Utc>) -> Tracked {
    let entry = json!({"id": id, "name": name, "context_length": context, "supported_parameters": ["tools"],
        "architecture": {"modality": "text->text"}, "pricing": {"prompt": price, "completion": price}});
    let model = Model::parse(&entry, now).expect("the sample has an id");
    let (first_seen, last_seen) = (now - TimeDelta::days(90), now);
    let (state, settled) = (State::Listed, Settled::default());
    Tracked { model, state, first_seen, last_seen, expiry_since: first_seen, successor: None, settled }
}

/// The resources on the first model, and those on the second.
fn sample_uses(name: &str, now: DateTime<Utc>) -> [Vec<Use>; 2] {
    let used = |resource: &str, name: &str, has_page: bool, position: i64, chain: &[&str]| Use {
        resource: resource.to_owned(),
        name: Some(name.to_owned()),
        url: has_page.then(|| format!("https://platform.example/resources/{resource}")),
        position,
        since: now - TimeDelta::days(200),
        chain: chain.iter().map(|id| ModelId::from(*id)).collect(),
    };
    let (first, second, spare) = ("halcyon/lumen-2", "tessera/mosaic-2.5-flash", "halcyon/lumen-3-mini");
    match name {
        "model_deprecated_with_fallback" => [
            vec![
                used("r-101", "Summarise tickets", true, 0, &[first, spare]),
                used("r-102", "Nightly report", false, 1, &[spare, first]),
            ],
            Vec::new(),
        ],
        "model_removed_with_fallbacks" => [
            vec![used("r-101", "Summarise tickets", true, 0, &[first, second])],
            vec![
                used("r-101", "Summarise tickets", true, 1, &[first, second]),
                used("r-103", "Translate replies", true, 0, &[second, spare]),
            ],
        ],
        _ => [
            vec![
                used("r-101", "Summarise tickets", true, 0, &[first]),
                used("r-102", "Nightly report", false, 1, &[spare, first]),
            ],
            vec![used("r-103", "Translate replies", true, 0, &[second])],
        ],
    }
}

fn tracked(id: &str, news: &News, by_vendor: bool, now: DateTime<Utc>) -> Tracked {
    let (name, price) = if id.starts_with("halcyon") {
        ("Halcyon: Lumen 2", "0.000001")
    } else {
        ("Tessera: Mosaic 2.5 Flash", "0.0000003")
    };
    let expires_on = match news {
        News::Deprecated { on, .. } | News::DateChanged { is: Some(on), .. } if !by_vendor => Expiry::On(*on),
        _ => Expiry::None,
    };
    let model = Model {
        inputs: ["text", "image"].map(str::to_owned).into(),
        expires_on,
        ..offer(id, name, price, 200_000, now).model
    };
    let since = now - TimeDelta::hours(31);
    let (state, last_seen) = match news {
        News::Removed { since, .. } => {
            (State::Removed(Absence { since: *since, fetches: 3, bulk: false }, now), *since - TimeDelta::hours(1))
        }
        News::Missing { since, .. } => {
            (State::Missing(Absence { since: *since, fetches: 2, bulk: false }), *since - TimeDelta::hours(1))
        }
        _ => (State::Listed, now),
    };
    let successor = if let News::Removed { successor, .. } = news { successor.clone() } else { None };
    let (first_seen, settled) = (now - TimeDelta::days(300), Settled::default());
    Tracked { model, state, first_seen, last_seen, expiry_since: since, successor, settled }
}

fn changes(now: DateTime<Utc>) -> Vec<Change> {
    let change = |model: &str, kind, before: Value, after: Value| Change {
        at: now - TimeDelta::hours(5),
        model: ModelId::from(model),
        kind,
        before,
        after,
    };
    let price = |prompt: &str| json!({"base": {"prompt": prompt, "completion": "0.000002"}});
    vec![
        change("halcyon/lumen-2", ChangeKind::Removed, json!("Halcyon: Lumen 2"), Value::Null),
        change("tessera/mosaic-2.5-flash", ChangeKind::Deprecated, Value::Null, json!("2026-12-31")),
        change("halcyon/lumen-3", ChangeKind::Repriced, price("0.000001"), price("0.0000008")),
        change("halcyon/lumen-3-mini", ChangeKind::Added, Value::Null, json!("Halcyon: Lumen 3 Mini")),
    ]
}

fn usage() -> Usage {
    Usage::from([(ModelId::from("halcyon/lumen-2"), (12, 31)), (ModelId::from("tessera/mosaic-2.5-flash"), (3, 4))])
}

fn suppressed(now: DateTime<Utc>) -> [Suppression; 1] {
    let reason = "550 5.1.1 user unknown".to_owned();
    [Suppression { address: "u-044@platform.example".to_owned(), reason, at: now }]
}

/// What ran on two of the models that changed.
fn used() -> BTreeMap<ModelId, Measures> {
    let sums = |executions, tokens, cost: i64| Measures {
        executions,
        cost: NanoUsd::dollars(cost).0,
        input_tokens: tokens,
        output_tokens: tokens / 8,
        ..Measures::default()
    };
    [
        (ModelId::from("halcyon/lumen-2"), sums(8_200, 42_640_000, 61)),
        (ModelId::from("halcyon/lumen-3"), sums(40_000, 310_000_000, 348)),
    ]
    .into()
}

fn digest<'a>(
    changes: &'a [Change],
    usage: &'a Usage,
    used: &'a BTreeMap<ModelId, Measures>,
    suppressed: &'a [Suppression],
) -> Digest<'a> {
    Digest { changes, usage, used, models_listed: 421, users_told: 15, suppressed: (suppressed, 3), last: 4 }
}

fn bulk_event() -> BulkEvent {
    let models = (1..=28).map(|n| ModelId::new(format!("halcyon/lumen-{n}:batch"))).collect();
    BulkEvent { family: Some("batch".to_owned()), listed_before: 421, models }
}

fn trouble(now: DateTime<Utc>) -> Trouble {
    Trouble {
        title: "OpenRouter's list of models is not believed".to_owned(),
        resolved: false,
        since: moment(now),
        what: "The last two lists were refused: only 120 of the 421 models of the last good list are in it.".to_owned(),
        effect: "The last good list stays in force. Nobody is told of removals until a list is believed again."
            .to_owned(),
        mend: "Nothing, if it passes. If OpenRouter really has so few models now, lower models.keep_percent_min."
            .to_owned(),
        details: vec![
            Fact { label: "Models before", value: "421".to_owned() },
            Fact { label: "Of these in the list", value: "120".to_owned() },
        ],
    }
}
