//! Feeds of what vendors announced: where each is read from, and what it says.

mod client;
mod deprecations_info;
mod litellm;
mod model_eol;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;

use crate::domain::announcement::Announcement;

pub use client::Client;

/// A feed, in the order of trust: where two disagree on a day, the first leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feed {
    /// <https://deprecations.info>, read off the vendors' pages every day.
    DeprecationsInfo,
    /// <https://github.com/thossullivan/model-eol>, a file for each vendor.
    ModelEol,
    /// `LiteLLM`'s map of prices, which carries days for some models.
    Litellm,
}

/// Why a feed was not read. The last good state of it stays in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be had.
    #[error("{feed}: {place} cannot be read: {reason}")]
    Unreachable {
        /// Its name.
        feed: &'static str,
        /// The file, or the host.
        place: String,
        /// Why.
        reason: String,
    },
    /// It is something else than it used to be.
    #[error("{feed}: the format is not the known one: {reason}")]
    Shape {
        /// Its name.
        feed: &'static str,
        /// What was found.
        reason: String,
    },
}

/// What a feed says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The announcements that have a day.
    pub announcements: Vec<Announcement>,
    /// Entries that could be read, with a day or without.
    pub readable: usize,
    /// Why the others could not.
    pub rejected: Vec<String>,
}

impl Feed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DeprecationsInfo, Self::ModelEol, Self::Litellm];

    /// The name in the configuration, the metrics and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeprecationsInfo => "deprecations_info",
            Self::ModelEol => "model_eol",
            Self::Litellm => "litellm",
        }
    }

    /// The feed of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.as_str() == name)
    }

    /// The name in mails.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::DeprecationsInfo => "deprecations.info",
            Self::ModelEol => "model-eol",
            Self::Litellm => "LiteLLM",
        }
    }

    /// Reads a body. An entry that cannot be read is left out, never the feed.
    ///
    /// # Errors
    /// When the body is no JSON, JSON of another shape, or has no readable entry.
    pub fn parse(self, body: &[u8]) -> Result<Reading, Error> {
        let read = match self {
            Self::DeprecationsInfo => deprecations_info::read(body),
            Self::ModelEol => model_eol::read(body),
            Self::Litellm => litellm::read(body),
        };
        let reading = read.map_err(|reason| self.shape(reason))?;
        if reading.readable == 0 {
            let first = reading.rejected.first().map_or("there is none", String::as_str);
            return Err(self.shape(format!("no entry can be read; {first}")));
        }
        Ok(reading)
    }

    fn shape(self, reason: String) -> Error {
        Error::Shape { feed: self.as_str(), reason }
    }
}

impl Reading {
    fn take(&mut self, entry: Result<Vec<Announcement>, String>) {
        match entry {
            Ok(announcements) => {
                self.readable += 1;
                self.announcements.extend(announcements);
            }
            Err(reason) => self.rejected.push(reason),
        }
    }

    /// Adds what another file of the same feed says.
    pub fn append(&mut self, other: Self) {
        self.announcements.extend(other.announcements);
        self.readable += other.readable;
        self.rejected.extend(other.rejected);
    }

    /// One announcement for each provider and id; of several the latest day, for the model lives until then.
    #[must_use]
    pub fn distinct(self) -> BTreeMap<(String, String), Announcement> {
        let mut distinct: BTreeMap<(String, String), Announcement> = BTreeMap::new();
        for found in self.announcements {
            let key = (found.provider.clone(), found.vendor_model_id.clone());
            if distinct.get(&key).is_none_or(|kept| kept.shutdown < found.shutdown) {
                distinct.insert(key, found);
            }
        }
        distinct
    }
}

/// A text of an entry; `None` when it is absent, empty or no text.
fn text<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A day of an entry; `None` when there is none.
///
/// # Errors
/// When something stands there that is no day.
fn day(entry: &Value, key: &str) -> Result<Option<NaiveDate>, String> {
    let written = match entry.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(written) => written,
    };
    let parsed = written.as_str().and_then(|text| text.trim().get(..10)?.parse().ok());
    parsed.map(Some).ok_or_else(|| format!("{key} is {written}, which is no day"))
}

/// An http(s) address of an entry: mails link to it.
fn address(entry: &Value, key: &str) -> Option<String> {
    text(entry, key).filter(|url| url.starts_with("https://") || url.starts_with("http://")).map(str::to_owned)
}

#[cfg(test)]
#[path = "feeds/tests.rs"]
mod tests;
