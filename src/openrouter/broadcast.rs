//! Registers this daemon as a destination of OpenRouter's Broadcast
//! (<https://openrouter.ai/docs/guides/features/broadcast>).

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{Client, Error};

/// What destinations are told apart by.
const NAME: &str = "openrouter-monitor";
/// Whoever refuses says why in so many characters at most.
const REASON_CHARS_MAX: usize = 300;

/// Why there is no destination.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// OpenRouter did not answer.
    #[error(transparent)]
    Unanswered(#[from] Error),
    /// It said no.
    #[error("OpenRouter answered {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// In its words.
        reason: String,
    },
}

impl Client {
    /// Makes a destination to which OpenRouter sends what it ran, without prompts and completions, as OTLP. Gives its
    /// id. OpenRouter first tries the address, so the daemon must be reachable there.
    ///
    /// # Errors
    /// When OpenRouter does not answer, or refuses.
    pub async fn register(&self, management_key: &SecretString, url: &Url, token: &str) -> Result<String, Refusal> {
        let Self::Live(live) = self else { return Ok(String::new()) };
        let request = json!({
            "type": "webhook",
            "name": NAME,
            "config": { "url": url.as_str(), "method": "POST", "headers": { "Authorization": format!("Bearer {token}") } },
            "enabled": true,
            "sampling_rate": 1,
            "privacy_mode": true,
            "broadcast_generation_cost": true,
        });
        let address =
            live.base.join("observability/destinations").map_err(|error| live.unusable(&error.to_string()))?;
        let sent = live.http.post(address).bearer_auth(management_key.expose_secret());
        let sent = sent.header("content-type", "application/json").body(request.to_string()).send().await;
        let response = sent.map_err(|error| live.failure(&error))?;
        let status = response.status().as_u16();
        live.metrics.openrouter_requests.with_label_values(&["destinations", &status.to_string()]).inc();
        let answer = response.bytes().await.map_err(|error| live.failure(&error))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(answer["data"]["id"].as_str().unwrap_or_default().to_owned());
        }
        let reason =
            answer["error"]["message"].as_str().unwrap_or("no reason").chars().take(REASON_CHARS_MAX).collect();
        Err(Refusal::Refused { status, reason })
    }
}
