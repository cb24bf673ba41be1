//! What keys and accounts say of themselves. The secret goes into the `Authorization` header, marked as sensitive, and
//! nowhere else: no error, log or metric has it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use super::{Client, Live};
use crate::domain::account::{Activity, Credits, KeyInfo, ListedKey, Report, workspaces};

/// Items of a page of `GET /keys`; fewer: it is the last one.
const KEYS_PER_PAGE: usize = 100;
/// Bounds what an offset that is ignored can cause: a hundred thousand keys of one workspace.
const KEY_PAGES_MAX: usize = 1000;
/// Workspaces whose keys are listed: as many as one page of them has at most.
const WORKSPACES_PER_PAGE: usize = 100;
/// Rows of a report, at most (<https://openrouter.ai/docs/cookbook/administration/analytics-cost-control>).
const REPORT_ROWS_MAX: usize = 10_000;
/// What a key or an account says of itself has less than a kilobyte.
const SMALL_BYTES_MAX: u64 = 64 << 10;
/// Ten thousand rows of a report, or a day of every endpoint.
const LARGE_BYTES_MAX: u64 = 8 << 20;

/// Why a key or an account says nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 401: the key does not exist, is switched off or has expired.
    #[error("OpenRouter refuses the key")]
    Refused,
    /// 403: the key is good, but not for this question.
    #[error("the key may not ask this: only a management key may")]
    NotAllowed,
    /// 429: with how long it asks to wait.
    #[error("OpenRouter asks to be left alone for a while")]
    RateLimited(Option<TimeDelta>),
    /// 400, 404 or another status that says that the question is wrong.
    #[error("OpenRouter does not take the question: it answered {0}")]
    Rejected(u16),
    /// 408, 5xx, no answer at all or a broken one: another attempt may succeed.
    #[error(transparent)]
    Unanswered(super::Error),
    /// An answer, but to another question.
    #[error("the answer of OpenRouter cannot be read")]
    Unreadable,
    /// There is nobody to ask: captured lists are replayed.
    #[error("nobody can be asked")]
    Offline,
}

impl Error {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited(_) | Self::Unanswered(_) | Self::Unreadable)
    }

    /// How long OpenRouter asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<TimeDelta> {
        match self {
            Self::RateLimited(wait) => *wait,
            Self::Unanswered(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl From<super::Error> for Error {
    fn from(error: super::Error) -> Self {
        match error {
            super::Error::Status { status: 401, .. } => Self::Refused,
            super::Error::Status { status: 403, .. } => Self::NotAllowed,
            super::Error::Status { status: 429, retry_after, .. } => Self::RateLimited(retry_after),
            super::Error::Status { status, .. } if (400..500).contains(&status) && status != 408 => {
                Self::Rejected(status)
            }
            error => Self::Unanswered(error),
        }
    }
}

/// What a report is about. At most two dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is summed, such as `total_usage`.
    pub metrics: &'a [&'a str],
    /// What is told apart, such as `external_user`.
    pub dimensions: &'a [&'a str],
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

impl Client {
    /// What a key says of itself: `GET /key`. Any key may ask.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn key(&self, secret: &SecretString) -> Result<KeyInfo, Error> {
        let live = self.online()?;
        let body = live.ask("key", &live.address("key")?, secret, SMALL_BYTES_MAX).await?;
        KeyInfo::parse(&body).ok_or(Error::Unreadable)
    }

    /// What the account of a management key bought and spent: `GET /credits`.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::NotAllowed`] for a key that is no management key.
    pub async fn credits(&self, secret: &SecretString) -> Result<Credits, Error> {
        let live = self.online()?;
        let body = live.ask("credits", &live.address("credits")?, secret, SMALL_BYTES_MAX).await?;
        Credits::parse(&body).ok_or(Error::Unreadable)
    }

    /// All keys of the account of a management key, in every workspace, those switched off included: `GET /keys`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn keys(&self, secret: &SecretString) -> Result<Vec<ListedKey>, Error> {
        let live = self.online()?;
        let mut found = BTreeMap::new();
        for workspace in live.workspaces(secret).await? {
            live.keys_of(workspace.as_deref(), secret, &mut found).await?;
        }
        Ok(found.into_values().collect())
    }

    /// What ran on a completed day (UTC, of the last thirty), by model and endpoint: `GET /activity`; on one key where
    /// its hash is given.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn activity(
        &self,
        secret: &SecretString,
        date: NaiveDate,
        key_hash: Option<&str>,
    ) -> Result<Vec<Activity>, Error> {
        let live = self.online()?;
        let mut url = live.address("activity")?;
        url.query_pairs_mut().append_pair("date", &date.to_string());
        if let Some(hash) = key_hash {
            url.query_pairs_mut().append_pair("api_key_hash", hash);
        }
        let body = live.ask("activity", &url, secret, LARGE_BYTES_MAX).await?;
        let activity = Activity::parse(&body).ok_or(Error::Unreadable)?;
        Ok(activity.into_iter().filter(|row| row.date == date).collect())
    }

    /// A report: `POST /analytics/query`. OpenRouter takes 64 a minute.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn report(&self, secret: &SecretString, question: &Question<'_>) -> Result<Report, Error> {
        let live = self.online()?;
        let asked = json!({
            "metrics": question.metrics,
            "dimensions": question.dimensions,
            "time_range": { "start": question.from, "end": question.until },
            "limit": REPORT_ROWS_MAX,
        });
        let request = live.http.post(live.address("analytics/query")?).header(AUTHORIZATION, bearer(secret)?);
        let request = request.header(CONTENT_TYPE, "application/json").body(asked.to_string());
        let body = live.send("analytics", request, LARGE_BYTES_MAX).await?;
        Report::parse(&body).ok_or(Error::Unreadable)
    }

    fn online(&self) -> Result<&Live, Error> {
        match self {
            Self::Live(live) => Ok(live),
            Self::Captured(_) => Err(Error::Offline),
        }
    }
}

impl Live {
    fn address(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|error| Error::Unanswered(self.unusable(&error.to_string())))
    }

    async fn ask(&self, call: &str, url: &Url, secret: &SecretString, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let request = self.http.get(url.clone()).header(AUTHORIZATION, bearer(secret)?);
        Ok(self.send(call, request, bytes_max).await?)
    }

    /// The workspaces to list the keys of; only the default one where there are none to ask for.
    async fn workspaces(&self, secret: &SecretString) -> Result<Vec<Option<String>>, Error> {
        let mut url = self.address("workspaces")?;
        url.query_pairs_mut().append_pair("limit", &WORKSPACES_PER_PAGE.to_string());
        let ids = match self.ask("workspaces", &url, secret, LARGE_BYTES_MAX).await {
            Ok(body) => workspaces(&body).ok_or(Error::Unreadable)?,
            Err(Error::NotAllowed | Error::Rejected(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(if ids.is_empty() { vec![None] } else { ids.into_iter().map(Some).collect() })
    }

    /// The pages are cut by position, so a key that is made meanwhile moves others to the next page: known by their
    /// hash, they count once.
    async fn keys_of(
        &self,
        workspace: Option<&str>,
        secret: &SecretString,
        found: &mut BTreeMap<String, ListedKey>,
    ) -> Result<(), Error> {
        for page in 0..KEY_PAGES_MAX {
            let mut url = self.address("keys")?;
            url.query_pairs_mut()
                .append_pair("offset", &(page * KEYS_PER_PAGE).to_string())
                .append_pair("include_disabled", "true")
                .extend_pairs(workspace.map(|id| ("workspace_id", id)));
            let body = self.ask("keys", &url, secret, LARGE_BYTES_MAX).await?;
            let (count, keys) = ListedKey::page(&body).ok_or(Error::Unreadable)?;
            let before = found.len();
            found.extend(keys.into_iter().map(|key| (key.hash.clone(), key)));
            if count < KEYS_PER_PAGE || found.len() == before {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The header that carries a key. What cannot stand in a header is no key, and is refused without asking.
fn bearer(secret: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).map_err(|_| Error::Refused)?;
    value.set_sensitive(true);
    Ok(value)
}
