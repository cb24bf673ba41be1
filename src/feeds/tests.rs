//! What each feed says, how lenient it is read, and what is refused.

use super::*;

fn lines(feed: Feed, body: &str) -> Vec<String> {
    let reading = feed.parse(body.as_bytes()).unwrap();
    let line = |found: &Announcement| {
        let announced = found.announced.map_or_else(|| "?".to_owned(), |day| day.to_string());
        let replacement = found.replacement.as_deref().unwrap_or("-");
        format!("{} {} {announced} {} {replacement}", found.provider, found.vendor_model_id, found.shutdown)
    };
    reading.announcements.iter().map(line).collect()
}

const EOL: &str = r#"{"spec": "model-eol/0.1", "publisher": "anthropic", "models": [
    {"id": "claude-x-1-20250101", "aliases": ["claude-x-1", 7], "announced": "2026-01-01", "shutdown": "2026-03-01",
     "replacement": "claude-x-2", "source": "https://vendor.example/deprecations",
     "distributions": [{"via": "aws-bedrock", "shutdown": "2027-01-01"}]},
    {"id": "claude-x-2"},
    {"id": "claude-x-0", "shutdown": "soon"},
    {"aliases": ["nameless"]}]}"#;

#[test]
fn each_feed_is_read_entry_by_entry() {
    let array = r#"[{"provider": "OpenAI", "model_id": "gpt-x", "announcement_date": "2026-06-03", "shutdown_date": "2026-12-01",
        "replacement_models": ["gpt-y", "gpt-z"], "url": "https://vendor.example/#x"},
        {"provider": "Cohere", "model_id": "command", "shutdown_date": ""},
        {"provider": "OpenAI", "model_id": "gpt-w", "shutdown_date": "later"}, {"model_id": "gpt-v"}, 7,
        {"provider": "xAI", "model_id": "grok-x", "first_observed": "2026-06-04", "shutdown_date": "2026-07-01T00:00:00Z", "replacement_model": "grok-y"}]"#;
    assert_eq!(
        lines(Feed::DeprecationsInfo, array),
        ["OpenAI gpt-x 2026-06-03 2026-12-01 gpt-y", "xAI grok-x 2026-06-04 2026-07-01 grok-y"]
    );
    let reading = Feed::DeprecationsInfo.parse(array.as_bytes()).unwrap();
    assert_eq!((reading.readable, reading.rejected.len()), (3, 3), "{:?}", reading.rejected);
    let json_feed = r#"{"version": "https://jsonfeed.org/version/1.1", "items": [{"url": "https://vendor.example/", "_deprecation":
        {"provider": "OpenAI", "model_id": "gpt-x", "shutdown_date": "2026-12-01"}}]}"#;
    assert_eq!(lines(Feed::DeprecationsInfo, json_feed), ["OpenAI gpt-x ? 2026-12-01 -"]);
    assert_eq!(
        lines(Feed::ModelEol, EOL),
        [
            "anthropic claude-x-1-20250101 2026-01-01 2026-03-01 claude-x-2",
            "anthropic claude-x-1 2026-01-01 2026-03-01 claude-x-2"
        ]
    );
    let map = r#"{"sample_spec": {"litellm_provider": "one of", "deprecation_date": "date when"}, "gpt-x": {"litellm_provider": "openai",
        "deprecation_date": "2026-10-23"}, "gpt-y": {"litellm_provider": "openai"}, "gpt-z": {"deprecation_date": "2026-10-23"}, "odd": 7}"#;
    assert_eq!(lines(Feed::Litellm, map), ["openai gpt-x ? 2026-10-23 -"]);
}

#[test]
fn a_feed_that_is_something_else_is_refused_by_name() {
    for feed in Feed::ALL {
        for body in [
            "<!DOCTYPE html><html>",
            "",
            "[",
            "7",
            "null",
            "[]",
            "{}",
            r#"{"error": "x"}"#,
            "[1, 2]",
            r#"[{"id": "x"}]"#,
        ] {
            let error = feed.parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(feed.as_str()), "{body}: {error}");
        }
    }
    assert!(Feed::ModelEol.parse(br#"{"publisher": "x", "models": [{"id": 7}]}"#).is_err());
}

#[test]
fn of_two_days_for_one_id_the_later_counts() {
    let mut reading = Feed::ModelEol.parse(EOL.as_bytes()).unwrap();
    reading.append(Feed::ModelEol.parse(EOL.replace("2026-03-01", "2026-04-01").as_bytes()).unwrap());
    let days: Vec<String> = reading.distinct().values().map(|found| found.shutdown.to_string()).collect();
    assert_eq!(days, ["2026-04-01", "2026-04-01"]);
}
