//! What Alertmanager's `POST /api/v2/alerts` takes.
//!
//! An alert that fires carries an end of its own, a little ahead, and is posted again before it: so it ends by itself
//! when the daemon does, whatever Alertmanager's `resolve_timeout` is.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Notice;

/// How often an alert that fires is posted again; below Alertmanager's default `resolve_timeout` of five minutes.
pub(super) const REPEAT_AFTER: TimeDelta = TimeDelta::minutes(2);
/// How long it is good for: four attempts may fail, and a restart of the daemon does not end it.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(10);

/// The alert; while it fires, its end is set when it is posted.
pub(super) fn alert(notice: &Notice) -> Value {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let mut alert = json!({
        "labels": {
            "alertname": camel(&notice.rule),
            "rule": notice.rule,
            "severity": notice.severity,
            "subject_kind": notice.subject_kind,
            "subject": notice.subject,
            "service": "openrouter-monitor",
        },
        "annotations": {
            "summary": notice.title,
            "description": notice.text,
            "incident": notice.incident,
            "value": number(notice.value),
            "threshold": number(notice.threshold),
        },
        "startsAt": time(notice.started_at),
    });
    if let Some(at) = notice.ended_at {
        alert["endsAt"] = json!(time(at));
    }
    if let Some(url) = &notice.url {
        alert["generatorURL"] = json!(url);
    }
    alert
}

/// What is posted now of an alert, and whether it must be posted again.
pub(super) fn body(alert: &str, now: DateTime<Utc>) -> serde_json::Result<(String, bool)> {
    let mut alert: Value = serde_json::from_str(alert)?;
    let fires = alert["endsAt"].is_null();
    if fires {
        alert["endsAt"] = json!(time(now + GOOD_FOR));
    }
    Ok((json!([alert]).to_string(), fires))
}

/// `user_spend_spike` as alerts are named: `UserSpendSpike`.
fn camel(rule: &str) -> String {
    rule.split('_')
        .flat_map(|word| {
            word.chars().next().map(|first| first.to_ascii_uppercase()).into_iter().chain(word.chars().skip(1))
        })
        .collect()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::super::tests::spike;
    use super::*;

    #[test]
    fn an_alert_that_fires_is_good_for_a_while_and_one_that_ended_has_its_end() {
        let now = "2026-06-08T04:00:00Z".parse().unwrap();
        let sent = |notice: &Notice| {
            let (body, fires) = body(&alert(notice).to_string(), now).unwrap();
            (serde_json::from_str::<Value>(&body).unwrap()[0]["endsAt"].as_str().unwrap().to_owned(), fires)
        };
        assert_eq!(sent(&spike()), ("2026-06-08T04:10:00.000Z".to_owned(), true));
        let over = Notice { ended_at: Some("2026-06-08T03:59:00Z".parse().unwrap()), ..spike() };
        assert_eq!(sent(&over), ("2026-06-08T03:59:00.000Z".to_owned(), false));
        assert!(REPEAT_AFTER * 4 < GOOD_FOR);
    }

    #[test]
    fn the_same_incident_has_the_same_labels_in_every_step() {
        let labels = |notice: &Notice| alert(notice)["labels"].clone();
        let later = Notice { step: "reminder", number: 2, value: None, text: String::new(), url: None, ..spike() };
        assert_eq!(labels(&spike()), labels(&later));
        assert_eq!(labels(&spike())["alertname"], "UserSpendSpike");
    }
}
