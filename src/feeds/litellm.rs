//! `LiteLLM`'s `model_prices_and_context_window.json`: an object by model, of which some carry `deprecation_date`.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Feed, Reading, address, day, text};
use crate::domain::announcement::Announcement;

/// The entry that explains the fields.
const SAMPLE: &str = "sample_spec";

/// The map has thousands of entries and a few hundred days; one without any day changed its format.
pub(super) fn read(body: &[u8]) -> Result<Reading, String> {
    let map: BTreeMap<String, &RawValue> =
        serde_json::from_slice(body).map_err(|error| format!("no JSON object: {error}"))?;
    let mut reading = Reading::default();
    let dated = map.iter().filter(|(id, entry)| *id != SAMPLE && entry.get().contains("\"deprecation_date\""));
    for (id, entry) in dated {
        reading.take(announcement(id, entry.get()));
    }
    Ok(reading)
}

fn announcement(id: &str, entry: &str) -> Result<Vec<Announcement>, String> {
    let entry: Value = serde_json::from_str(entry).map_err(|error| format!("{id}: {error}"))?;
    let provider = text(&entry, "litellm_provider").ok_or_else(|| format!("{id} has no litellm_provider"))?;
    let shutdown = day(&entry, "deprecation_date").map_err(|reason| format!("{id}: {reason}"))?;
    Ok(shutdown
        .map(|shutdown| Announcement {
            provider: provider.to_owned(),
            vendor_model_id: id.to_owned(),
            announced: None,
            shutdown,
            replacement: None,
            source: Feed::Litellm.title().to_owned(),
            url: address(&entry, "source"),
        })
        .into_iter()
        .collect())
}
