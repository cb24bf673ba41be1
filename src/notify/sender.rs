//! Posts notices, and says what an answer means.

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;

use super::{alertmanager, webhook};
use crate::config::notify::Notify;
use crate::domain::channel::Channel;
use crate::store::outbox::Claimed;

/// A server that answers is connected to in far less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So much of a refusal is told; the rest is not read.
const REASON_BYTES_MAX: usize = 300;
/// Nobody is left alone for longer, whatever they ask for.
const RETRY_AFTER_MAX_S: i64 = 60 * 60;

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Accepted.
    Taken,
    /// Accepted, and to be posted again at a time while it is so.
    Repeat(DateTime<Utc>),
    /// Not accepted now, for a reason; with a wait if one was asked for.
    Later(String, Option<TimeDelta>),
    /// Not accepted, for a reason that stays.
    Never(String),
}

/// Posts notices.
#[derive(Debug, Default)]
pub struct Sender {
    /// Made when it is first needed: most daemons post nothing.
    http: OnceLock<reqwest::Client>,
}

impl Sender {
    /// Posts a notice to where its channel goes now. The time limit covers the whole call.
    pub async fn post(&self, config: &Notify, claimed: &Claimed, now: DateTime<Utc>) -> Answer {
        let channel = claimed.mail.channel;
        let Some(url) = config.url(channel) else {
            return Answer::Never(format!("notify.{}_url is not set any more", channel.as_str()));
        };
        match self.request(config, url, claimed, now) {
            Ok((request, fires)) => match call(request).await {
                Answer::Taken if fires => Answer::Repeat(now + alertmanager::REPEAT_AFTER),
                answer => answer,
            },
            Err(reason) => Answer::Later(reason, None),
        }
    }

    /// The request, and whether it must be made again while its alert fires.
    fn request(
        &self,
        config: &Notify,
        url: &str,
        claimed: &Claimed,
        now: DateTime<Utc>,
    ) -> Result<(reqwest::RequestBuilder, bool), String> {
        let (id, body) = (&claimed.mail.message_id, &claimed.mail.text);
        let post = |url: &str| {
            let request = self.client()?.post(url).timeout(Duration::from_secs(config.timeout_seconds));
            Ok::<_, String>(request.header(CONTENT_TYPE, "application/json"))
        };
        match claimed.mail.channel {
            Channel::Alertmanager => {
                let (body, fires) = alertmanager::body(body, now).map_err(|error| error.to_string())?;
                Ok((post(&format!("{}/api/v2/alerts", url.trim_end_matches('/')))?.body(body), fires))
            }
            Channel::Webhook => {
                let key = config.signing_key().ok_or("notify.webhook_secret is not set")?;
                let timestamp = now.timestamp();
                let request = post(url)?.header(webhook::ID, id).header(webhook::TIMESTAMP, timestamp);
                let signature = webhook::signature(&key, id, timestamp, body);
                Ok((request.header(webhook::SIGNATURE, signature).body(body.clone()), false))
            }
            Channel::Slack | Channel::Mail => Ok((post(url)?.body(body.clone()), false)),
        }
    }

    fn client(&self) -> Result<&reqwest::Client, String> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        // A redirect would carry what is signed, or a secret address, to somebody else.
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        let builder = builder.user_agent(concat!("openrouter-monitor/", env!("CARGO_PKG_VERSION")));
        let made = builder.build().map_err(|error| error.to_string())?;
        Ok(self.http.get_or_init(|| made))
    }
}

async fn call(request: reqwest::RequestBuilder) -> Answer {
    let response = match request.send().await {
        Ok(response) => response,
        // The address is a secret.
        Err(error) => return Answer::Later(explained(&error.without_url()), None),
    };
    let status = response.status();
    if status.is_success() {
        return Answer::Taken;
    }
    let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse::<i64>().ok());
    let wait = wait.map(|seconds| TimeDelta::seconds(seconds.clamp(0, RETRY_AFTER_MAX_S)));
    let reason = format!("answered {} {}", status.as_u16(), beginning(response).await);
    // These refuse what is said; all else (a login, an address, the moment) may be mended while it waits.
    match status.as_u16() {
        400 | 413 | 422 => Answer::Never(reason),
        _ => Answer::Later(reason, wait),
    }
}

/// The beginning of an answer, on one line.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < REASON_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend(chunk.iter().take(REASON_BYTES_MAX - bytes.len())),
            _ => break,
        }
    }
    crate::mail::text::harmless(&String::from_utf8_lossy(&bytes))
}

fn explained(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        reason = format!("{reason}: {source}");
        cause = source;
    }
    reason
}
