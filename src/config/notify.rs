//! `[notify]`: where alerts go beside mail.

use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{in_range, masked};
use crate::domain::channel::Channel;

/// What a signing secret begins with, as <https://www.standardwebhooks.com> has it; the rest is base64.
const SECRET_PREFIX: &str = "whsec_";
/// A shorter secret can be guessed; that page asks for as many bytes.
const SECRET_BYTES_MIN: usize = 24;

/// `[notify]`. An address may carry a token or a password, so each is a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Takes each alert as a signed JSON object; off when not set.
    #[serde(serialize_with = "masked")]
    pub webhook_url: Option<SecretString>,
    /// What signs it: `whsec_` and base64 of 24 bytes or more.
    #[serde(serialize_with = "masked")]
    pub webhook_secret: Option<SecretString>,
    /// A Slack incoming webhook, or what takes the same; off when not set.
    #[serde(serialize_with = "masked")]
    pub slack_url: Option<SecretString>,
    /// An Alertmanager; off when not set.
    #[serde(serialize_with = "masked")]
    pub alertmanager_url: Option<SecretString>,
    /// How long a call may take, in seconds.
    pub timeout_seconds: u64,
}

impl Default for Notify {
    fn default() -> Self {
        Self { webhook_url: None, webhook_secret: None, slack_url: None, alertmanager_url: None, timeout_seconds: 10 }
    }
}

impl Notify {
    /// The address of a channel, if it is on.
    #[must_use]
    pub fn url(&self, channel: Channel) -> Option<&str> {
        let url = match channel {
            Channel::Mail => return None,
            Channel::Webhook => &self.webhook_url,
            Channel::Slack => &self.slack_url,
            Channel::Alertmanager => &self.alertmanager_url,
        };
        url.as_ref().map(SecretString::expose_secret)
    }

    /// The bytes of the signing secret.
    #[must_use]
    pub fn signing_key(&self) -> Option<Vec<u8>> {
        let text = self.webhook_secret.as_ref()?.expose_secret().strip_prefix(SECRET_PREFIX)?;
        base64::engine::general_purpose::STANDARD.decode(text).ok().filter(|key| key.len() >= SECRET_BYTES_MIN)
    }

    /// What is wrong, by setting.
    pub(super) fn check(&self) -> Vec<(String, Result<(), String>)> {
        let mut checks = vec![("notify.timeout_seconds".to_owned(), in_range(self.timeout_seconds, 1, 600))];
        for channel in Channel::NOTICES {
            let path = format!("notify.{}_url", channel.as_str());
            checks.push((path, self.url(channel).map_or(Ok(()), check_secret_http)));
        }
        let secret = match (&self.webhook_url, &self.webhook_secret) {
            (Some(_), None) => {
                Err("is not set: without it, whoever gets the webhook cannot tell who sent it".to_owned())
            }
            (_, Some(_)) if self.signing_key().is_none() => {
                Err(format!("is not {SECRET_PREFIX} and base64 of {SECRET_BYTES_MIN} bytes or more"))
            }
            _ => Ok(()),
        };
        checks.push(("notify.webhook_secret".to_owned(), secret));
        checks
    }
}

/// Never repeats the address: it may carry a token.
fn check_secret_http(url: &str) -> Result<(), String> {
    let parsed = url::Url::parse(url).ok();
    let known = parsed.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    if known { Ok(()) } else { Err("is not an http or https address".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_signed_by_a_secret_of_the_right_form() {
        let problems = |url: Option<&str>, secret: Option<&str>| {
            let (webhook_url, webhook_secret) = (url.map(SecretString::from), secret.map(SecretString::from));
            let notify = Notify { webhook_url, webhook_secret, ..Notify::default() };
            notify.check().into_iter().filter(|(_, result)| result.is_err()).map(|(path, _)| path).collect::<Vec<_>>()
        };
        let good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(problems(None, None), Vec::<String>::new());
        assert_eq!(problems(Some("https://x.example"), Some(good)), Vec::<String>::new());
        assert_eq!(problems(Some("https://x.example"), None), ["notify.webhook_secret"]);
        assert_eq!(problems(Some("ftp://x.example"), Some(good)), ["notify.webhook_url"]);
        for bad in ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert_eq!(problems(Some("https://x.example"), Some(bad)), ["notify.webhook_secret"], "{bad}");
        }
    }
}
