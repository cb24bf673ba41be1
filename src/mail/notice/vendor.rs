//! What a mail says of a day that a vendor announced.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Fact, Item, is_overdue};
use crate::domain::news::News;
use crate::domain::vendor_end::VendorEnd;
use crate::mail::text::{days_from, long_day, short_day};

/// The words of a mail that tells days of vendors.
#[derive(Serialize)]
pub(super) struct VendorsView {
    /// What happens, without the model's name: the subject's words.
    ending: String,
    opening: &'static str,
    to_do: &'static str,
}

/// The vendor's announcement whose day is told: where OpenRouter names none.
pub(super) fn told_end<'a>(item: &Item<'a>) -> Option<&'a VendorEnd> {
    let is_told = match item.news {
        News::Deprecated { .. } => true,
        News::DateChanged { is, .. } => is.is_some(),
        _ => false,
    };
    item.end.filter(|_| is_told && item.tracked.model.expires_on.date().is_none())
}

/// `will be shut down by OpenAI on Thursday, 23 July 2026, in 7 days`
pub(super) fn vendors_headline(item: &Item<'_>, end: &VendorEnd, now: DateTime<Utc>) -> Option<String> {
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
        _ => None,
    }
}

/// What a vendor's day says: some only say "not before".
fn vendors_verb(end: &VendorEnd) -> &'static str {
    if end.platform.says_not_before() { "may be shut down" } else { "will be shut down" }
}

/// What the vendor announced, and what OpenRouter says to it.
pub(super) fn vendors_facts(item: &Item<'_>) -> Vec<Fact> {
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
pub(super) fn vendors_view(items: &[Item<'_>], now: DateTime<Utc>) -> Option<VendorsView> {
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
