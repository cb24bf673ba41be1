//! deprecations.info: the array of `/v1/deprecations.json`, or the JSON Feed of `/v1/feed.json`.

use serde_json::Value;

use super::{Feed, Reading, address, day, text};
use crate::domain::announcement::Announcement;

pub(super) fn read(body: &[u8]) -> Result<Reading, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let entries = body.as_array().or_else(|| body.get("items")?.as_array());
    let entries = entries.ok_or("neither an array nor a JSON Feed")?;
    let mut reading = Reading::default();
    for entry in entries {
        reading.take(announcement(entry.get("_deprecation").unwrap_or(entry), entry));
    }
    Ok(reading)
}

/// Reads an entry; `outer` is the item of a JSON Feed around it.
fn announcement(entry: &Value, outer: &Value) -> Result<Vec<Announcement>, String> {
    let provider = text(entry, "provider").ok_or("an entry has no provider")?;
    let id = text(entry, "model_id").ok_or("an entry has no model_id")?;
    let Some(shutdown) = day(entry, "shutdown_date")? else { return Ok(Vec::new()) };
    // Until November 2025 there was one replacement, as a text.
    let listed = entry.get("replacement_models").and_then(|list| list.get(0)?.as_str());
    Ok(vec![Announcement {
        provider: provider.to_owned(),
        vendor_model_id: id.to_owned(),
        announced: day(entry, "announcement_date")?.or(day(entry, "first_observed")?),
        shutdown,
        replacement: listed.or_else(|| text(entry, "replacement_model")).map(str::to_owned),
        source: Feed::DeprecationsInfo.title().to_owned(),
        url: address(entry, "url").or_else(|| address(outer, "url")),
    }])
}
