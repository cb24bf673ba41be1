//! A fetched list: read entry by entry, refused as a whole when it cannot be true.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::model::{Facts, Model};
use super::model_id::ModelId;

/// More unreadable entries than this share means that the format changed, not that an entry is bad.
const REJECTED_PERCENT_MAX: usize = 5;
/// A few bad entries are always tolerated, however short the list.
const REJECTED_ALWAYS_OK: usize = 3;
/// Below this size a list is a test's or a trimmed one, and its shrinking says nothing.
const SHRINK_FLOOR: usize = 20;

/// A list of models, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The readable entries.
    pub models: BTreeMap<ModelId, Model>,
    /// Why the others were left out.
    pub rejected: Vec<String>,
}

/// Why a list is not believed. The last good one stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is no JSON list of models; with what it is instead.
    NotJson(String),
    /// There is no entry in it.
    Empty,
    /// It ends early: the entries there are, and those it says there should be.
    Truncated(usize, u64),
    /// Too many entries cannot be read; with the first reason.
    Unreadable(usize, String),
    /// Most of the models that the last list had are not in it: how many are left of how many.
    Shrunken(usize, usize),
    /// The body is larger than the limit, in bytes.
    TooLarge(u64),
}

/// One page of the answer of `GET /api/v1/models`.
#[derive(Debug, Default)]
pub struct Page {
    /// Its entries.
    pub catalog: Catalog,
    /// Entries over all pages, where the answer says so.
    pub total: Option<u64>,
    /// Where the next page is, when there is one.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    total_count: Option<Value>,
    #[serde(default)]
    links: Option<Value>,
}

impl Page {
    /// Reads a body: `{"data": […]}`, or the bare array.
    ///
    /// # Errors
    /// When it is no JSON, or JSON of another shape.
    pub fn parse(body: &[u8], now: DateTime<Utc>) -> Result<Self, Refusal> {
        let bare = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let body: Body<'_> = if bare {
            serde_json::from_slice(body).map(|data| Body { data, total_count: None, links: None })
        } else {
            serde_json::from_slice(body)
        }
        .map_err(|error| Refusal::NotJson(format!("{error}; it begins with {}", beginning(body))))?;
        let mut catalog = Catalog::default();
        for entry in body.data {
            catalog.read_entry(entry, now);
        }
        let next =
            body.links.and_then(|links| Some(links.get("next")?.as_str()?.to_owned())).filter(|next| !next.is_empty());
        Ok(Self { catalog, total: body.total_count.and_then(|total| total.as_u64()), next })
    }
}

impl Catalog {
    fn read_entry(&mut self, entry: &RawValue, now: DateTime<Utc>) {
        let parsed = serde_json::from_str(entry.get()).map_err(|error| error.to_string());
        match parsed.and_then(|entry: Value| Model::parse(&entry, now)) {
            Ok(model) if self.models.contains_key(&model.id) => {
                self.rejected.push(format!("{} is listed twice", model.id));
            }
            Ok(model) => {
                self.models.insert(model.id.clone(), model);
            }
            Err(reason) => self.rejected.push(reason),
        }
    }

    /// Adds the entries of a further page.
    pub fn append(&mut self, page: Self) {
        self.models.extend(page.models);
        self.rejected.extend(page.rejected);
    }

    /// Refuses what cannot be true: nothing, a part, or mostly something else than `listed_before`
    /// (the ids that the last good list had, of which `min_percent` must still be there).
    ///
    /// # Errors
    /// The [`Refusal`], for the admins.
    pub fn check<'a>(
        &self,
        total: Option<u64>,
        listed_before: impl Iterator<Item = &'a ModelId>,
        min_percent: u8,
    ) -> Result<(), Refusal> {
        let (good, bad) = (self.models.len(), self.rejected.len());
        if good + bad == 0 {
            return Err(Refusal::Empty);
        }
        if bad > REJECTED_ALWAYS_OK && bad * 100 > (good + bad) * REJECTED_PERCENT_MAX || good == 0 {
            return Err(Refusal::Unreadable(bad, self.rejected.first().cloned().unwrap_or_default()));
        }
        if let Some(total) = total.filter(|total| *total > (good + bad) as u64) {
            return Err(Refusal::Truncated(good + bad, total));
        }
        let (mut before, mut left) = (0, 0);
        for id in listed_before {
            before += 1;
            left += usize::from(self.models.contains_key(id));
        }
        if before >= SHRINK_FLOOR && left * 100 < before * usize::from(min_percent) {
            return Err(Refusal::Shrunken(left, before));
        }
        Ok(())
    }

    /// A fingerprint of what the list says: the same for another order, description or benchmark.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for model in self.models.values() {
            let model = Model { facts: Facts::default(), ..model.clone() };
            hash.update(serde_json::to_vec(&model).unwrap_or_default());
        }
        format!("{:x}", hash.finalize())
    }
}

impl Refusal {
    /// The reasons, as the metric's label names them.
    pub const REASONS: [&'static str; 6] = ["not_json", "empty", "truncated", "unreadable", "shrunken", "too_large"];

    /// The label of this reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::Empty => "empty",
            Self::Truncated(..) => "truncated",
            Self::Unreadable(..) => "unreadable",
            Self::Shrunken(..) => "shrunken",
            Self::TooLarge(_) => "too_large",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(what) => write!(f, "it is not a JSON list of models: {what}"),
            Self::Empty => write!(f, "it has no entry"),
            Self::Truncated(there, total) => write!(f, "it is cut short: {there} of the {total} entries it announces"),
            Self::Unreadable(count, first) => write!(f, "{count} entries cannot be read, the first because {first}"),
            Self::Shrunken(left, before) => {
                write!(f, "only {left} of the {before} models of the last good list are in it")
            }
            Self::TooLarge(limit) => write!(f, "it is larger than {limit} bytes"),
        }
    }
}

fn beginning(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..std::cmp::min(body.len(), 40)]).into_owned();
    format!("{:?}", start.trim())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn page(body: &str) -> Result<Page, Refusal> {
        Page::parse(body.as_bytes(), Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap())
    }

    fn list(count: usize) -> Catalog {
        let entries = (0..count).map(|n| format!(r#"{{"id":"a/m{n}"}}"#)).collect::<Vec<_>>().join(",");
        page(&format!("[{entries}]")).unwrap().catalog
    }

    #[test]
    fn one_bad_entry_is_rejected_and_never_the_list() {
        let catalog = page(r#"{"data":[{"id":"a/b"},{"name":"no id"},7,{"id":"a/b"},{"id":"c/d"}]}"#).unwrap().catalog;
        assert_eq!((catalog.models.len(), catalog.rejected.len()), (2, 3));
        assert_eq!(catalog.check(None, std::iter::empty(), 50), Ok(()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let check = |body: &str, reason: &str| {
            let refusal =
                page(body).and_then(|page| page.catalog.check(page.total, std::iter::empty(), 50)).unwrap_err();
            assert_eq!(refusal.reason(), reason, "{body}: {refusal}");
        };
        check("<!DOCTYPE html><html>", "not_json");
        check(r#"{"error":{"code":500}}"#, "not_json");
        check(r#"{"data":[{"id":"a/b"},{"i"#, "not_json");
        check("", "not_json");
        check("[]", "empty");
        check(r#"{"data":[]}"#, "empty");
        check(r#"{"data":[{"id":"a/b"}],"total_count":400}"#, "truncated");
        check(r"[1,2,3,4,5]", "unreadable");
    }

    #[test]
    fn a_far_smaller_list_is_refused_and_a_smaller_one_is_not() {
        let before = list(100);
        assert_eq!(list(40).check(None, before.models.keys(), 50), Err(Refusal::Shrunken(40, 100)));
        assert_eq!(list(60).check(None, before.models.keys(), 50), Ok(()));
        assert_eq!(list(1).check(None, list(10).models.keys(), 50), Ok(()));
    }

    #[test]
    fn order_does_not_change_the_digest() {
        let a = page(r#"[{"id":"a/b","description":"x","created":1780000000},{"id":"c/d"}]"#).unwrap().catalog;
        let b = page(r#"{"data":[{"id":"c/d"},{"id":"a/b","benchmarks":{}}]}"#).unwrap().catalog;
        assert_eq!(a.digest(), b.digest());
        assert_ne!(a.digest(), list(2).digest());
    }
}
