//! Fetches a feed: every read has a time limit and a size limit.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::{Error, Feed, Reading};
use crate::config::feeds::Place;

/// The largest feed, `LiteLLM`'s, has 3 MB; ten times as much would still fit.
const BODY_BYTES_MAX: u64 = 32 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody waits for a feed: a slow one is tried again later.
const TIMEOUT: Duration = Duration::from_mins(1);
const USER_AGENT: &str = concat!("openrouter-monitor/", env!("CARGO_PKG_VERSION"));

/// What reads feeds.
#[derive(Clone, Debug)]
pub struct Client(Option<reqwest::Client>);

impl Client {
    /// Reads addresses and files.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn live() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().user_agent(USER_AGENT).connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
        Ok(Self(Some(http.build()?)))
    }

    /// Reads files; there is no network.
    #[must_use]
    pub fn offline() -> Self {
        Self(None)
    }

    /// Reads a feed from all of its places. One that fails makes the whole fail: a vendor whose file is away took
    /// nothing back.
    ///
    /// # Errors
    /// When a place cannot be had, or holds something else than the feed.
    pub async fn read(&self, feed: Feed, places: &[Place]) -> Result<Reading, Error> {
        let mut reading = Reading::default();
        for place in places {
            let (body, name) = match place {
                Place::Url(url) => (self.get(url).await, host(url)),
                Place::File(file) => (read_file(file).await, file.display().to_string()),
            };
            let body = body.map_err(|reason| Error::Unreachable { feed: feed.as_str(), place: name, reason })?;
            reading.append(feed.parse(&body)?);
        }
        Ok(reading)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let Some(http) = &self.0 else { return Err("there is no network".to_owned()) };
        let mut response = http.get(url).send().await.map_err(|error| reason(&error))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
            if (body.len() + chunk.len()) as u64 > BODY_BYTES_MAX {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

async fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    let opened = tokio::fs::File::open(file).await.map_err(|error| error.to_string())?;
    let mut body = Vec::new();
    opened.take(BODY_BYTES_MAX + 1).read_to_end(&mut body).await.map_err(|error| error.to_string())?;
    if body.len() as u64 > BODY_BYTES_MAX { Err(too_large()) } else { Ok(body) }
}

fn too_large() -> String {
    format!("it is larger than {BODY_BYTES_MAX} bytes")
}

/// Never the whole address: what a user writes into it may be secret.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "it".to_owned())
}

/// The innermost cause, which names neither address nor query.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) { "it broke off".to_owned() } else { cause.to_string() }
}
