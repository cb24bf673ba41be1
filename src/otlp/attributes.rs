//! The attributes of a span that are read, and their values as text, count, amount or list.

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use super::keys;
use crate::domain::money::{NanoUsd, decimal};

/// Bytes of the longest text that is kept: a list of many attempts has a few thousand.
const LONGEST: usize = 64 * 1024;

/// Attributes by their names in [`keys`].
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(BTreeMap<&'static str, Value>);

impl Attributes {
    /// Keeps a value if its name is read; pairs within become `name.member`. A null says nothing.
    pub(super) fn insert(&mut self, key: &str, value: Value) -> Result<(), String> {
        match value {
            Value::Null => Ok(()),
            Value::Object(members) => members
                .into_iter()
                .map(|(member, value)| (format!("{key}.{member}"), value))
                .filter(|(key, _)| keys::wanted(key))
                .try_for_each(|(key, value)| self.insert(&key, value)),
            Value::String(text) if text.len() > LONGEST => Err(format!("{key} is longer than {LONGEST} bytes")),
            value => {
                self.0.extend(keys::known(key).map(|key| (key, value)));
                Ok(())
            }
        }
    }

    /// The first of these that says something.
    pub(super) fn text(&self, keys: &[&str]) -> Option<String> {
        self.first(keys, |value| text(value).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// Whether the first of these is this word, in any case.
    pub(super) fn is(&self, keys: &[&str], word: &str) -> bool {
        self.text(keys).is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// The first of these that is a whole number, however it is written.
    pub(super) fn count(&self, keys: &[&str]) -> Option<u64> {
        self.first(keys, count)
    }

    /// The first of these that is an amount of dollars and not negative.
    pub(super) fn dollars(&self, keys: &[&str]) -> Option<NanoUsd> {
        self.first(keys, NanoUsd::from_json).filter(|amount| *amount >= NanoUsd::ZERO)
    }

    /// The first of these as a list: a list, a JSON text of one, or a single value.
    pub(super) fn list(&self, keys: &[&str]) -> Vec<Value> {
        let list = |value: &Value| match value {
            Value::Array(values) => Some(values.clone()),
            Value::String(text) => serde_json::from_str(text).ok().or_else(|| Some(vec![value.clone()])),
            _ => None,
        };
        self.first(keys, list).unwrap_or_default()
    }

    fn first<T>(&self, keys: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        keys.iter().filter_map(|key| self.0.get(key)).find_map(read)
    }
}

/// A scalar as text: ids are numbers in some platforms.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A whole number that is not negative: a number, a decimal text, an integral double.
pub(super) fn count(value: &Value) -> Option<u64> {
    let number = decimal(&text(value)?)?;
    number.fract().is_zero().then(|| number.to_u64()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes(key: &str, value: Value) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.insert(key, value).unwrap();
        attributes
    }

    #[test]
    fn a_count_is_read_from_any_notation() {
        let check = |value: Value, count: Option<u64>| {
            assert_eq!(
                attributes("gen_ai.usage.input_tokens", value.clone()).count(keys::INPUT_TOKENS),
                count,
                "{value}"
            );
        };
        check(json!(7), Some(7));
        check(json!("7"), Some(7));
        check(json!(7.0), Some(7));
        check(json!(1e3), Some(1000));
        check(json!(7.5), None);
        check(json!(-7), None);
        check(json!("many"), None);
        check(json!(true), None);
    }

    #[test]
    fn pairs_within_are_named_by_their_path() {
        let nested =
            attributes("trace.metadata", json!({"resource": "r1", "secret": "s", "openrouter": {"api_key_name": "k"}}));
        assert_eq!(nested.text(keys::RESOURCE).as_deref(), Some("r1"));
        assert_eq!(nested.text(keys::KEY).as_deref(), Some("k"));
        assert_eq!(nested.0.len(), 2);
    }

    #[test]
    fn an_empty_text_is_passed_over() {
        let mut both = attributes("user.id", json!(" "));
        both.insert("enduser.id", json!(42)).unwrap();
        assert_eq!(both.text(keys::USER).as_deref(), Some("42"));
    }

    #[test]
    fn a_list_may_be_written_as_json_or_be_one_word() {
        let check = |value: Value, list: Value| {
            assert_eq!(json!(attributes("gen_ai.response.finish_reasons", value).list(keys::FINISH_REASONS)), list);
        };
        check(json!(["stop"]), json!(["stop"]));
        check(json!("[\"stop\"]"), json!(["stop"]));
        check(json!("stop"), json!(["stop"]));
    }

    #[test]
    fn a_text_of_unbounded_length_is_refused() {
        assert!(Attributes::default().insert("user.id", json!("x".repeat(LONGEST + 1))).is_err());
    }
}
