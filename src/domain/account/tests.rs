//! What keys and accounts say of themselves is read exactly, with all its oddities.

use serde_json::json;

use super::*;

fn key(data: &str) -> Option<KeyInfo> {
    KeyInfo::parse(data.as_bytes())
}

#[test]
fn a_key_says_what_it_may_spend_and_spent() {
    let said = json!({"data": {
        "label": "sk-or-v1-au7...890", "limit": 100, "limit_remaining": 74.5, "limit_reset": "monthly",
        "usage": 25.5, "usage_daily": 0.32, "usage_weekly": 1.5, "usage_monthly": 25.5,
        "byok_usage": 17.38, "include_byok_in_limit": true, "is_free_tier": false, "is_provisioning_key": true,
        "expires_at": "2027-12-31T23:59:59Z", "free_model_daily_requests": {"used": 52, "limit": 50, "remaining": 0},
        "something_of_tomorrow": {"a": [1]},
    }});
    let key = key(&said.to_string()).unwrap();
    assert_eq!((key.limit, key.limit_remaining), (Some(NanoUsd::dollars(100)), Some(NanoUsd(74_500_000_000))));
    assert_eq!(key.limit_reset.as_deref(), Some("monthly"));
    assert_eq!((key.usage.total, key.usage.daily), (Some(NanoUsd(25_500_000_000)), Some(NanoUsd(320_000_000))));
    assert_eq!((key.byok.total, key.byok.daily), (Some(NanoUsd(17_380_000_000)), None));
    assert!(key.is_management_key && key.include_byok_in_limit && !key.is_free_tier);
    assert_eq!(key.expires_at.unwrap().to_rfc3339(), "2027-12-31T23:59:59+00:00");
    assert_eq!(key.free_requests, Some(FreeRequests { used: 52, limit: 50 }));
}

#[test]
fn a_field_of_another_type_costs_only_itself() {
    let odd = key(r#"{"data":{"limit":"many","limit_remaining":[],"usage":"2.5","is_free_tier":null,"expires_at":7,
        "label":3,"free_model_daily_requests":[1]}}"#)
    .unwrap();
    assert_eq!(odd, KeyInfo { usage: Usage { total: "2.5".parse().ok(), ..Usage::default() }, ..KeyInfo::default() });
}

#[test]
fn money_is_read_from_its_digits() {
    for (written, nanos) in [
        ("0.65017511", Some(650_175_110)),
        ("12345678.123456789", Some(12_345_678_123_456_789)),
        ("1.5e-7", Some(150)),
        ("-0.25", Some(-250_000_000)),
        ("1e400", None),
        ("true", None),
        ("null", None),
    ] {
        let info = key(&format!(r#"{{"data":{{"usage":{written}}}}}"#)).unwrap();
        assert_eq!(info.usage.total, nanos.map(NanoUsd), "{written}");
    }
}

#[test]
fn the_older_answer_without_an_envelope_is_read_too() {
    let old = key(r#"{"label":"sk-or-v1-0fa...240","limit":null,"usage":0.65017511,"rate_limit":{"requests":40}}"#);
    assert_eq!(old.unwrap().usage.total, Some(NanoUsd(650_175_110)));
}

#[test]
fn what_is_no_answer_is_none() {
    for body in ["", "<html>", "{}", "[]", "null", r#"{"data":null}"#, r#"{"error":{"code":401}}"#, "{\"data\":"] {
        assert_eq!(key(body), None, "{body}");
        assert_eq!(Credits::parse(body.as_bytes()), None, "{body}");
        assert_eq!(ListedKey::page(body.as_bytes()), None, "{body}");
        assert_eq!(Activity::parse(body.as_bytes()), None, "{body}");
        assert_eq!(Report::parse(body.as_bytes()), None, "{body}");
        assert_eq!(workspaces(body.as_bytes()), None, "{body}");
    }
    assert_eq!(key("\u{0}"), None);
    assert_eq!(KeyInfo::parse(&[0xff, 0xfe]), None);
}

#[test]
fn nothing_of_nothing_says_nothing() {
    for (body, balance) in [
        (r#"{"data":{"total_credits":100.5,"total_usage":25.75}}"#, Some(NanoUsd(74_750_000_000))),
        (r#"{"data":{"total_credits":10,"total_usage":10.5}}"#, Some(NanoUsd(-500_000_000))),
        (r#"{"data":{"total_credits":0,"total_usage":0.0}}"#, None),
        (r#"{"data":{"total_credits":0,"total_usage":0.1}}"#, Some(NanoUsd(-100_000_000))),
    ] {
        assert_eq!(Credits::parse(body.as_bytes()).unwrap().balance(), balance, "{body}");
    }
    assert_eq!(Credits::parse(br#"{"data":{"total_credits":5}}"#), None);
}

#[test]
fn a_page_counts_what_cannot_be_read() {
    let body = r#"{"data":[{"hash":"a","name":"one","disabled":true,"usage":1.5,"created_at":"2026-08-24T10:30:00Z"},
        {"name":"without a hash"}, 7]}"#;
    let (count, keys) = ListedKey::page(body.as_bytes()).unwrap();
    assert_eq!((count, keys.len()), (3, 1));
    assert_eq!((keys[0].hash.as_str(), keys[0].is_disabled), ("a", true));
}

#[test]
fn an_activity_with_an_item_that_cannot_be_read_is_none() {
    let good = r#"{"date":"2026-06-03 00:00:00","model_permaslug":"a/b","usage":0.015,"requests":274}"#;
    let read = Activity::parse(format!(r#"{{"data":[{good}]}}"#).as_bytes()).unwrap();
    assert_eq!((read[0].date.to_string(), read[0].model.as_str()), ("2026-06-03".to_owned(), "a/b"));
    assert_eq!((read[0].usage, read[0].byok, read[0].requests), (NanoUsd(15_000_000), NanoUsd::ZERO, 274));
    assert_eq!(Activity::parse(format!(r#"{{"data":[{good},{{"date":"soon"}}]}}"#).as_bytes()), None);
}

#[test]
fn a_report_has_its_counts_as_numbers_or_as_strings() {
    let body = r#"{"data":{"data":[{"external_user":"u-1","total_usage":"1.25","request_count":7},{"x":null}],
        "metadata":{"truncated":true,"row_count":2,"query_time_ms":1.5}}}"#;
    let report = Report::parse(body.as_bytes()).unwrap();
    assert!(report.is_truncated && report.rows.len() == 2);
    assert_eq!(report.rows[0].text("request_count"), Some("7"));
    assert_eq!(report.rows[0].money("total_usage"), Some(NanoUsd(1_250_000_000)));
    assert_eq!((report.rows[1].text("x"), report.rows[1].money("external_user")), (None, None));
}
