//! What differs between two states of one listed model.

use serde_json::{Value, json};

use super::change::ChangeKind;
use super::model::{Expiry, Model};

/// A difference, still without model and time.
pub type Difference = (ChangeKind, Value, Value);

/// Compares a model with its former state; `now_listed` must have been carried forward.
///
/// An alias that points elsewhere takes that model's price, context and abilities with it: that is one change.
#[must_use]
pub fn differences(before: &Model, now_listed: &Model) -> Vec<Difference> {
    let mut found = Vec::new();
    found.extend(expiry(before.expires_on, now_listed.expires_on));
    if let (Some(old), Some(new)) = (&before.alias_target, &now_listed.alias_target)
        && old != new
    {
        found.push((ChangeKind::AliasRetargeted, json!(old), json!(new)));
        return found;
    }
    if !before.prices.same_as(&now_listed.prices) {
        found.push((ChangeKind::Repriced, prices(before), prices(now_listed)));
    }
    if let (Some(old), Some(new)) = (before.context, now_listed.context)
        && old != new
    {
        found.push((ChangeKind::ContextChanged, json!(old), json!(new)));
    }
    found.extend(capabilities(before, now_listed));
    found
}

/// What the list says of a new row that is worth a change beside its being added.
#[must_use]
pub fn expiry(before: Expiry, after: Expiry) -> Option<Difference> {
    match (before.date(), after.date()) {
        (None, Some(on)) => Some((ChangeKind::Deprecated, Value::Null, json!(on))),
        (Some(from), Some(to)) if from != to => Some((ChangeKind::DeprecationMoved, json!(from), json!(to))),
        (Some(was), None) => Some((ChangeKind::DeprecationCleared, json!(was), Value::Null)),
        _ => None,
    }
}

fn capabilities(before: &Model, after: &Model) -> Vec<Difference> {
    let mut old = before.capabilities();
    if before.features.is_none() {
        old.extend(after.features.iter().flatten().cloned());
    }
    if before.inputs.is_empty() || before.outputs.is_empty() {
        old.extend(after.capabilities().into_iter().filter(|name| name.contains(':')));
    }
    let new = after.capabilities();
    let lost = old.difference(&new).map(|name| (ChangeKind::CapabilityLost, json!(name), Value::Null));
    let gained = new.difference(&old).map(|name| (ChangeKind::CapabilityGained, Value::Null, json!(name)));
    lost.chain(gained).collect()
}

fn prices(model: &Model) -> Value {
    match &model.prices {
        super::price::Prices::Known(schedule) => json!(schedule),
        super::price::Prices::Dynamic => json!("dynamic"),
        super::price::Prices::Unknown => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    fn model(entry: &Value) -> Model {
        let mut entry = entry.clone();
        entry["id"] = json!("a/b");
        Model::parse(&entry, Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap()).unwrap()
    }

    fn check(before: &Value, after: &Value, expected: &[&str]) {
        let before = model(before);
        let after = model(after).carry_forward(&before);
        let kinds: Vec<_> = differences(&before, &after).into_iter().map(|(kind, ..)| kind.as_str()).collect();
        assert_eq!(kinds, expected, "{before:?} → {after:?}");
    }

    #[test]
    fn each_kind_of_difference_is_found() {
        check(&json!({}), &json!({"expiration_date": "2026-07-01"}), &["deprecated"]);
        check(
            &json!({"expiration_date": "2026-07-01"}),
            &json!({"expiration_date": "2026-08-01"}),
            &["deprecation_moved"],
        );
        check(
            &json!({"expiration_date": "2026-07-01"}),
            &json!({"expiration_date": "2098-12-31"}),
            &["deprecation_cleared"],
        );
        check(&json!({"context_length": 10}), &json!({"context_length": 20}), &["context_changed"]);
        check(&json!({"pricing": {"prompt": "0.1"}}), &json!({"pricing": {"prompt": "0.2"}}), &["repriced"]);
        let tools = |list: &[&str]| json!({"supported_parameters": list});
        check(&tools(&["tools", "stop"]), &tools(&["stop"]), &["capability_lost"]);
        check(&tools(&["stop"]), &tools(&["stop", "reasoning"]), &["capability_gained"]);
    }

    #[test]
    fn nothing_is_made_of_what_is_unknown_or_does_not_matter() {
        check(&json!({"context_length": 0}), &json!({"context_length": 20}), &[]);
        check(&json!({"context_length": 20}), &json!({"context_length": 0}), &[]);
        check(&json!({}), &json!({"supported_parameters": ["tools"], "architecture": {"modality": "text->text"}}), &[]);
        check(
            &json!({"top_provider": {"context_length": 1}}),
            &json!({"top_provider": {}, "knowledge_cutoff": "2026-01-01"}),
            &[],
        );
        check(&json!({"name": "xAI: B"}), &json!({"name": "SpaceXAI: B"}), &[]);
    }

    #[test]
    fn an_alias_that_points_elsewhere_is_one_change() {
        check(
            &json!({"alias_target": {"slug": "a/1"}, "context_length": 10, "pricing": {"prompt": "0.1"}}),
            &json!({"alias_target": {"slug": "a/2"}, "context_length": 20, "pricing": {"prompt": "0.2"}}),
            &["alias_retargeted"],
        );
        check(&json!({}), &json!({"alias_target": {"slug": "a/2"}}), &[]);
    }
}
