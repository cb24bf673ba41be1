//! The client of OpenRouter's API: every call has a time limit, a size limit and a count.

pub mod account;
mod broadcast;
mod date;

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::RequestBuilder;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use url::Url;

use crate::config;
use crate::domain::catalog::{Catalog, Page, Refusal};
use crate::domain::lifecycle::Presence;
use crate::domain::model_id::ModelId;
use crate::metrics::Metrics;

/// The list has 0.7 MB for 421 models; ten times as many would still fit four times.
const BODY_BYTES_MAX: u64 = 32 << 20;
/// The list comes in one page today; this bounds what a broken `next` link can cause.
const PAGES_MAX: usize = 20;
/// Nobody is left alone for longer than a day.
const RETRY_AFTER_MAX_S: i64 = 24 * 60 * 60;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("openrouter-monitor/", env!("CARGO_PKG_VERSION"));

/// Where lists come from.
#[derive(Debug)]
pub enum Client {
    /// OpenRouter's API.
    Live(Live),
    /// Captured lists, put in place one by one; nobody can be asked about a single model.
    Captured(Mutex<Vec<u8>>),
}

/// The live API.
#[derive(Debug)]
pub struct Live {
    http: reqwest::Client,
    base: Url,
    metrics: Metrics,
}

/// A fetched list that is believed so far: it has the right shape.
#[derive(Debug)]
pub struct Fetched {
    /// What it says.
    pub catalog: Catalog,
    /// How many entries it announces.
    pub total: Option<u64>,
    /// As it came.
    pub body: Vec<u8>,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answered in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// No connection.
    #[error("{host} cannot be reached: {reason}")]
    Connect {
        /// Who.
        host: String,
        /// Why.
        reason: String,
    },
    /// The answer broke off or could not be decoded.
    #[error("the answer of {0} broke off")]
    Body(String),
    /// Another status than 200.
    #[error("{host} answered {status}")]
    Status {
        /// Who.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<TimeDelta>,
    },
    /// An answer that cannot be the list.
    #[error("the list is not believed: {0}")]
    Refused(Refusal),
}

impl Error {
    /// How long OpenRouter asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<TimeDelta> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Client {
    /// Makes a client of the live API.
    ///
    /// # Errors
    /// When the address is none or TLS cannot be set up.
    pub fn live(config: &config::OpenRouter, metrics: Metrics) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(Duration::from_secs(config.timeout_seconds))
            .build()?;
        let base = Url::parse(&format!("{}/", config.base_url.trim_end_matches('/')))?;
        Ok(Self::Live(Live { http, base, metrics }))
    }

    /// Makes a client that gives what [`Client::put`] places.
    #[must_use]
    pub fn captured() -> Self {
        Self::Captured(Mutex::default())
    }

    /// Places the next captured list.
    pub fn put(&self, body: Vec<u8>) {
        if let Self::Captured(place) = self {
            *place.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = body;
        }
    }

    /// Whether the same question may have another answer in a minute.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Fetches the list, all pages of it.
    ///
    /// # Errors
    /// When there is no answer, another than 200, or one of the wrong shape.
    pub async fn list(&self, now: DateTime<Utc>) -> Result<Fetched, Error> {
        match self {
            Self::Live(live) => live.list(now).await,
            Self::Captured(place) => {
                let body = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                let page = Page::parse(&body, now).map_err(Error::Refused)?;
                Ok(Fetched { catalog: page.catalog, total: page.total, body })
            }
        }
    }

    /// Asks whether a single model is still served.
    pub async fn presence(&self, id: &ModelId) -> Presence {
        match self {
            Self::Live(live) => live.presence(id).await,
            Self::Captured(_) => Presence::CannotAsk,
        }
    }
}

impl Live {
    async fn list(&self, now: DateTime<Utc>) -> Result<Fetched, Error> {
        let first = self.base.join("models").map_err(|error| self.unusable(&error.to_string()))?;
        let mut body = self.get("models", first.clone()).await?;
        let mut page = Page::parse(&body, now).map_err(Error::Refused)?;
        let mut catalog = std::mem::take(&mut page.catalog);
        let mut pages = 1;
        while let Some(next) = page.next.take().filter(|_| pages < PAGES_MAX) {
            let next = first.join(&next).ok().filter(|next| next.origin() == first.origin());
            let Some(next) = next else { break };
            let more = self.get("models", next).await?;
            page = Page::parse(&more, now).map_err(Error::Refused)?;
            catalog.append(std::mem::take(&mut page.catalog));
            body = joined(&body, &more);
            pages += 1;
        }
        Ok(Fetched { catalog, total: page.total, body })
    }

    async fn presence(&self, id: &ModelId) -> Presence {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("model").extend(id.as_str().split('/'));
        }
        match self.get("model", url).await {
            Ok(body)
                if serde_json::from_slice::<Value>(&body)
                    .is_ok_and(|answer| answer.get("data").is_some_and(Value::is_object)) =>
            {
                Presence::Served
            }
            Err(Error::Status { status: 404, .. }) => Presence::Gone,
            Ok(_) | Err(_) => Presence::Unanswered,
        }
    }

    async fn get(&self, call: &str, url: Url) -> Result<Vec<u8>, Error> {
        self.send(call, self.http.get(url), BODY_BYTES_MAX).await
    }

    /// Sends a request, counts how it went, and gives the body of a 200.
    async fn send(&self, call: &str, request: RequestBuilder, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let answer = self.send_uncounted(request, bytes_max).await;
        let code = match &answer {
            Ok(_) => "200".to_owned(),
            Err(Error::Status { status, .. }) => status.to_string(),
            Err(Error::Timeout(_)) => "timeout".to_owned(),
            Err(Error::Connect { .. }) => "connect".to_owned(),
            Err(Error::Body(_) | Error::Refused(_)) => "body".to_owned(),
        };
        self.metrics.openrouter_requests.with_label_values(&[call, &code]).inc();
        answer
    }

    async fn send_uncounted(&self, request: RequestBuilder, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut response = request.send().await.map_err(|error| self.failure(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Error::Status { host: self.host(), status, retry_after: retry_after(response.headers()) });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            if (body.len() + chunk.len()) as u64 > bytes_max {
                return Err(Error::Refused(Refusal::TooLarge(bytes_max)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failure(&self, error: &reqwest::Error) -> Error {
        if error.is_timeout() {
            Error::Timeout(self.host())
        } else if error.is_connect() || error.is_request() {
            let mut cause: &dyn std::error::Error = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            self.unusable(&cause.to_string())
        } else {
            Error::Body(self.host())
        }
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Connect { host: self.host(), reason: reason.to_owned() }
    }

    fn host(&self) -> String {
        self.base.host_str().unwrap_or("OpenRouter").to_owned()
    }
}

/// What `Retry-After` asks for: seconds, or a moment on the clock that `Date` shows. Never more than a day, whatever
/// it says.
fn retry_after(headers: &HeaderMap) -> Option<TimeDelta> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text| DateTime::parse_from_rfc2822(text).ok();
    let asked = text(RETRY_AFTER)?;
    let seconds = if !asked.is_empty() && asked.bytes().all(|digit| digit.is_ascii_digit()) {
        asked.parse().unwrap_or(i64::MAX)
    } else {
        (date(asked)? - date(text(DATE)?)?).num_seconds()
    };
    Some(TimeDelta::seconds(seconds.clamp(0, RETRY_AFTER_MAX_S)))
}

/// Two pages as one body, for the store.
fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let entries = |body: &[u8]| match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut page)) => {
            page.remove("data").and_then(|data| data.as_array().cloned()).unwrap_or_default()
        }
        Ok(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    let mut data = entries(first);
    data.extend(entries(second));
    serde_json::json!({ "data": data }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retry_after_asks_for_is_between_nothing_and_a_day() {
        let now = "Mon, 08 Jun 2026 03:00:00 GMT";
        for (asked, seconds) in [
            ("17", Some(17)),
            ("0", Some(0)),
            ("9000000000000000", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Mon, 08 Jun 2026 03:10:00 GMT", Some(600)),
            ("Mon, 08 Jun 2026 02:00:00 GMT", Some(0)),
            ("Mon, 08 Jun 2099 02:00:00 GMT", Some(86_400)),
            ("-5", None),
            ("", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, now.parse().unwrap());
            headers.insert(RETRY_AFTER, asked.parse().unwrap());
            assert_eq!(retry_after(&headers).map(|wait| wait.num_seconds()), seconds, "{asked:?}");
        }
    }
}
