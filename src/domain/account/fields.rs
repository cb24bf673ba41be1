//! The fields of a JSON object, each read by itself: what is of another type than expected is as if it were missing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::money::NanoUsd;

/// An object's fields, as they were written.
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Of the object in `{"data": …}`, or of the body itself where there is no such envelope.
    pub(super) fn data(body: &'a [u8]) -> Option<Self> {
        let whole: BTreeMap<String, &RawValue> = parse(std::str::from_utf8(body).ok()?)?;
        match whole.get("data") {
            Some(data) => Self::of(data),
            None => Some(Self(whole)),
        }
    }

    /// Of an object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        parse(value.get()).map(Self)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn object(&self, name: &str) -> Option<Fields<'a>> {
        Self::of(self.0.get(name)?)
    }

    pub(super) fn list<T: Deserialize<'a>>(&self, name: &str) -> Option<Vec<T>> {
        parse(self.0.get(name)?.get())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        parse(self.0.get(name)?.get())
    }

    /// A yes; whatever else stands there is a no.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| parse(value.get())).unwrap_or(false)
    }

    pub(super) fn count(&self, name: &str) -> Option<i64> {
        text(self.0.get(name)?)?.parse().ok()
    }

    pub(super) fn money(&self, name: &str) -> Option<NanoUsd> {
        text(self.0.get(name)?)?.parse().ok()
    }

    pub(super) fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        self.text(name)?.parse().ok()
    }
}

/// Reads a value of a type; `None` for one of another.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// A string or a number, as it was written; nothing else.
pub(super) fn text(value: &RawValue) -> Option<String> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => parse(written),
        b'-' | b'0'..=b'9' => Some(written.to_owned()),
        _ => None,
    }
}
