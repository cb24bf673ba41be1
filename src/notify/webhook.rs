//! The generic webhook: a JSON object, signed as <https://www.standardwebhooks.com> says, so that any of its libraries
//! checks it.
//!
//! `webhook-id` names the notice, the same in each attempt; `webhook-timestamp` is the time of the attempt in seconds
//! since 1970; `webhook-signature` is `v1,` and the base64 of HMAC-SHA256, keyed by the bytes of the secret, over
//! `id.timestamp.body`. Who refuses timestamps older than five minutes and ids seen before takes no notice twice.

use base64::Engine as _;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::hmac;
use serde_json::{Value, json};

use super::Notice;

/// Names the notice.
pub(super) const ID: &str = "webhook-id";
/// When it was posted.
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
/// Who posted it.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// What is posted.
pub(super) fn body(notice: &Notice) -> Value {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "type": format!("alert.{}", if notice.ended_at.is_some() { "resolved" } else { "firing" }),
        "incident": notice.incident,
        "step": notice.step,
        "number": notice.number,
        "rule": notice.rule,
        "severity": notice.severity,
        "subject": { "kind": notice.subject_kind, "id": notice.subject },
        "title": notice.title,
        "text": notice.text,
        "value": notice.value,
        "threshold": notice.threshold,
        "started_at": time(notice.started_at),
        "ended_at": notice.ended_at.map(time),
        "url": notice.url,
    })
}

/// Signs a notice that is posted now.
pub(super) fn signature(key: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standard() {
        // The example of the standard's reference libraries.
        let key = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_body_says_what_happened() {
        let spike = super::super::tests::spike();
        let expected = json!({
            "type": "alert.firing", "incident": spike.incident, "step": "first", "number": 1,
            "rule": "user_spend_spike", "severity": "warning", "subject": {"kind": "user", "id": "u-17 <&>"},
            "title": spike.title, "text": spike.text, "value": 55.0, "threshold": 16.5,
            "started_at": "2026-06-08T03:17:00Z", "ended_at": null, "url": "https://monitor.example/alerts/1",
        });
        assert_eq!(body(&spike), expected);
    }
}
