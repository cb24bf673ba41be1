//! What OpenRouter says of keys and accounts, read leniently: a field that is missing, new or of another type costs
//! only itself, and money is read from the digits as they stand.

mod fields;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::value::RawValue;

use self::fields::{Fields, parse, text};
use super::money::NanoUsd;

/// What a key spent, as OpenRouter counts it (UTC); what it does not say is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Ever.
    pub total: Option<NanoUsd>,
    /// Today.
    pub daily: Option<NanoUsd>,
    /// This week, from Monday on.
    pub weekly: Option<NanoUsd>,
    /// This month.
    pub monthly: Option<NanoUsd>,
}

/// Free models' requests of the day, of the whole account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeRequests {
    /// How many were used; it may exceed the limit.
    pub used: i64,
    /// How many there are.
    pub limit: i64,
}

/// The answer of `GET /key`: what a key says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key, shortened by OpenRouter.
    pub label: Option<String>,
    /// What it may spend; `None`: whatever the account has.
    pub limit: Option<NanoUsd>,
    /// What is left of the limit.
    pub limit_remaining: Option<NanoUsd>,
    /// When the limit counts anew: `daily`, `weekly`, `monthly`, or a word of tomorrow; `None`: never.
    pub limit_reset: Option<String>,
    /// What it spent of OpenRouter's credits.
    pub usage: Usage,
    /// What it spent at providers with their own keys.
    pub byok: Usage,
    /// Whether the limit counts the latter too.
    pub include_byok_in_limit: bool,
    /// Whether its account never bought credits.
    pub is_free_tier: bool,
    /// Whether it manages keys, and runs nothing.
    pub is_management_key: bool,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// Free models' requests of the day.
    pub free_requests: Option<FreeRequests>,
}

/// The answer of `GET /credits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credits {
    /// Dollars ever bought.
    pub bought: NanoUsd,
    /// Dollars ever spent.
    pub used: NanoUsd,
}

impl Credits {
    /// What is left; it may be less than nothing. `None` for 0 of 0: that is what keys get to see that may not ask, so
    /// it says nothing (<https://github.com/openchamber/openchamber/pull/3411>).
    #[must_use]
    pub fn balance(&self) -> Option<NanoUsd> {
        let is_known = self.bought != NanoUsd::ZERO || self.used != NanoUsd::ZERO;
        is_known.then(|| NanoUsd(self.bought.0.saturating_sub(self.used.0)))
    }
}

/// A key in the answer of `GET /keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// What it is known by: the hash of the secret.
    pub hash: String,
    /// What people call it.
    pub name: Option<String>,
    /// The key, shortened by OpenRouter.
    pub label: Option<String>,
    /// Whether it is switched off.
    pub is_disabled: bool,
    /// What it may spend.
    pub limit: Option<NanoUsd>,
    /// What is left of that.
    pub limit_remaining: Option<NanoUsd>,
    /// What it spent of OpenRouter's credits.
    pub usage: Usage,
    /// What it spent at providers with their own keys.
    pub byok: Usage,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What ran on a day on an endpoint: an item of the answer of `GET /activity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The day (UTC).
    pub date: NaiveDate,
    /// The model.
    pub model: String,
    /// Dollars of OpenRouter's credits.
    pub usage: NanoUsd,
    /// Dollars at providers with their own keys.
    pub byok: NanoUsd,
    /// How many requests.
    pub requests: i64,
}

/// The answer of `POST /analytics/query`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether there would have been more of them.
    pub is_truncated: bool,
}

/// A row of a report: columns by name. Counts come as numbers or as strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(BTreeMap<String, String>);

impl Row {
    /// A column, as text.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }

    /// A column of dollars.
    #[must_use]
    pub fn money(&self, column: &str) -> Option<NanoUsd> {
        self.text(column)?.parse().ok()
    }
}

impl KeyInfo {
    /// Reads the answer of `GET /key`, with or without its envelope; `None` when it says nothing of a key.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let key = Fields::data(body)?;
        if !["usage", "limit", "label"].iter().any(|name| key.has(name)) {
            return None;
        }
        Some(Self {
            label: key.text("label"),
            limit: key.money("limit"),
            limit_remaining: key.money("limit_remaining"),
            limit_reset: key.text("limit_reset"),
            usage: Usage::of(&key, "usage"),
            byok: Usage::of(&key, "byok_usage"),
            include_byok_in_limit: key.is("include_byok_in_limit"),
            is_free_tier: key.is("is_free_tier"),
            is_management_key: key.is("is_management_key") || key.is("is_provisioning_key"),
            expires_at: key.time("expires_at"),
            free_requests: key.object("free_model_daily_requests").and_then(|free| {
                let (used, limit) = (free.count("used")?, free.count("limit")?);
                Some(FreeRequests { used, limit })
            }),
        })
    }
}

impl Usage {
    fn of(fields: &Fields<'_>, name: &str) -> Self {
        let window = |ending: &str| fields.money(&format!("{name}_{ending}"));
        Self { total: fields.money(name), daily: window("daily"), weekly: window("weekly"), monthly: window("monthly") }
    }
}

impl Credits {
    /// Reads the answer of `GET /credits`; `None` when it names no amounts.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let credits = Fields::data(body)?;
        Some(Self { bought: credits.money("total_credits")?, used: credits.money("total_usage")? })
    }
}

/// The items of `{"data": […]}`; `None` when there is no such list.
#[must_use]
fn items(body: &[u8]) -> Option<Vec<&RawValue>> {
    parse(parse::<BTreeMap<String, &RawValue>>(std::str::from_utf8(body).ok()?)?.get("data")?.get())
}

impl ListedKey {
    /// Reads a page of `GET /keys`: how many items it has, and those of them that can be read.
    #[must_use]
    pub fn page(body: &[u8]) -> Option<(usize, Vec<Self>)> {
        let items = items(body)?;
        Some((items.len(), items.into_iter().filter_map(Self::read).collect()))
    }

    fn read(item: &RawValue) -> Option<Self> {
        let key = Fields::of(item)?;
        Some(Self {
            hash: key.text("hash")?,
            name: key.text("name"),
            label: key.text("label"),
            is_disabled: key.is("disabled"),
            limit: key.money("limit"),
            limit_remaining: key.money("limit_remaining"),
            usage: Usage::of(&key, "usage"),
            byok: Usage::of(&key, "byok_usage"),
            created_at: key.time("created_at"),
            expires_at: key.time("expires_at"),
        })
    }
}

impl Activity {
    /// Reads the answer of `GET /activity`; `None` when it is none, or an item of it cannot be read: a sum of a part
    /// would be taken for the whole.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Vec<Self>> {
        items(body)?.into_iter().map(Self::read).collect()
    }

    fn read(item: &RawValue) -> Option<Self> {
        let row = Fields::of(item)?;
        let date = row.text("date")?;
        Some(Self {
            // Written as a day, or as the midnight that it begins with.
            date: date.get(..10)?.parse().ok()?,
            model: row.text("model").or_else(|| row.text("model_permaslug")).unwrap_or_default(),
            usage: row.money("usage")?,
            byok: row.money("byok_usage_inference").unwrap_or_default(),
            requests: row.count("requests").unwrap_or_default(),
        })
    }
}

impl Report {
    /// Reads the answer of `POST /analytics/query`; `None` when it is none.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let answer = Fields::data(body)?;
        let rows: Vec<BTreeMap<String, &RawValue>> = answer.list("data")?;
        let row = |row: BTreeMap<String, &RawValue>| {
            Row(row.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
        };
        let is_truncated = answer.object("metadata").is_some_and(|metadata| metadata.is("truncated"));
        Some(Self { rows: rows.into_iter().map(row).collect(), is_truncated })
    }
}

/// Ids of the answer of `GET /workspaces`; `None` when it is none.
#[must_use]
pub fn workspaces(body: &[u8]) -> Option<Vec<String>> {
    Some(items(body)?.into_iter().filter_map(|item| Fields::of(item)?.text("id")).collect())
}

#[cfg(test)]
#[path = "account/tests.rs"]
mod tests;
