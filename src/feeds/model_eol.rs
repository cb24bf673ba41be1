//! model-eol/0.1: an object for each publisher. What a model does on other platforms (`distributions`) is left out: the
//! publisher's own is what ends it (<https://github.com/thossullivan/model-eol/blob/main/SPEC.md>).

use serde_json::Value;

use super::{Feed, Reading, address, day, text};
use crate::domain::announcement::Announcement;

pub(super) fn read(body: &[u8]) -> Result<Reading, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let publisher = text(&body, "publisher").ok_or("there is no publisher")?;
    let models = body.get("models").and_then(Value::as_array).ok_or("there are no models")?;
    let mut reading = Reading::default();
    for model in models {
        reading.take(announcements(publisher, model));
    }
    Ok(reading)
}

/// An announcement for the id and for each alias of it.
fn announcements(publisher: &str, model: &Value) -> Result<Vec<Announcement>, String> {
    let id = text(model, "id").ok_or("a model has no id")?;
    let announced = day(model, "announced").map_err(|reason| format!("{id}: {reason}"))?;
    let Some(shutdown) = day(model, "shutdown").map_err(|reason| format!("{id}: {reason}"))? else {
        return Ok(Vec::new());
    };
    let aliases = model.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let announcement = |id: &str| Announcement {
        provider: publisher.to_owned(),
        vendor_model_id: id.to_owned(),
        announced,
        shutdown,
        replacement: text(model, "replacement").map(str::to_owned),
        source: Feed::ModelEol.title().to_owned(),
        url: address(model, "source"),
    };
    Ok(std::iter::once(id).chain(aliases).map(announcement).collect())
}
