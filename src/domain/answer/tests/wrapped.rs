//! Errors that stand in or beside something else: wrapped by clients, quoted in texts, on pages, beside their metadata.

use serde_json::json;

use super::*;

fn wait(status: u16, body: &Value) -> Option<u64> {
    let now = chrono::Utc.with_ymd_and_hms(2026, 6, 8, 12, 0, 0).single();
    let hints = Hints { status: Some(status), now, ..Hints::default() };
    verdict(&body.to_string(), &hints).and_then(|verdict| verdict.retry_after_s)
}

#[test]
fn metadata_may_stand_beside_the_error() {
    let check = |status: u16, metadata: Value, expected| {
        let error = json!({"type": "api_error", "message": "?"});
        check_status(status, &json!({"type": "error", "error": error, "metadata": metadata}).to_string(), expected);
    };
    check(402, json!({"limit_source": "openrouter_key_limit"}), Outcome::KeyLimit);
    check(402, json!({"reason": "weight_exceeds_budget"}), Outcome::TooLarge);
    let none = json!({"error": {"code": 402, "message": "?", "metadata": null}, "metadata": {"limit_source": "openrouter_key_limit"}});
    super::check(&none.to_string(), Outcome::KeyLimit);
    check(429, json!({"limit_source": "openrouter_free_tier_per_minute"}), Outcome::RateLimitedFreeTier);
    check(403, json!({"reasons": ["violence"]}), Outcome::Moderated);
    // A whole answer has the caller's own.
    let callers = json!({"object": "response", "status": "failed", "error": {"code": "server_error", "message": "?"},
        "metadata": {"reason": "in_flight_budget_exhausted"}});
    super::check(&callers.to_string(), Outcome::UpstreamError);
}

#[test]
fn a_client_may_have_wrapped_it_once_more() {
    let inside = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let overloaded = json!({"status": 529, "error": inside("overloaded_error", "Overloaded")});
    check(&overloaded.to_string(), Outcome::Overloaded);
    let empty = json!({"status": 400, "error": inside("invalid_request_error", "Your credit balance is too low")});
    check(&empty.to_string(), Outcome::NoBalance);
    check(&json!({"error": inside("rate_limit_error", "?")}).to_string(), Outcome::RateLimitedAccount);
    let outer = json!({"code": 402, "metadata": {"limit_source": "openrouter_key_limit"}, "error": {"message": "m"}});
    check(&json!({"error": outer}).to_string(), Outcome::KeyLimit);
    let problem = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "Slow down"});
    check(&problem.to_string(), Outcome::RateLimitedAccount);
    check(&json!({"statusCode": 503, "error": {"message": "?"}}).to_string(), Outcome::Overloaded);
}

#[test]
fn a_providers_purse_is_not_the_accounts() {
    let check = |code: u16, own_key: Option<bool>, raw: Value, expected| {
        let metadata = json!({"raw": raw.to_string(), "provider_name": "P", "is_byok": own_key});
        check(&error(code, "Provider returned error", &metadata), expected);
    };
    let limit = json!({"error": "API key USD spend limit exceeded"});
    let empty = json!({"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}});
    check(402, Some(false), limit.clone(), Outcome::UpstreamError);
    check(402, Some(true), limit, Outcome::KeyLimit);
    check(400, Some(false), empty.clone(), Outcome::UpstreamError);
    check(400, None, empty, Outcome::NoBalance);
}

#[test]
fn a_page_is_what_its_title_says() {
    let page = |title: &str| {
        format!(
            "<!DOCTYPE html><!--[if lt IE 7]> <html class=\"no-js ie6\"> <![endif]--><html><head><title>{title}</title>\
            </head><body><a href=\"/privacy\">Privacy</a></body></html>"
        )
    };
    check(&page("openrouter.ai | 520: Web server is returning an unknown error"), Outcome::UpstreamError);
    check(&page("openrouter.ai | 504: Gateway time-out"), Outcome::Timeout);
    check_status(403, &page("Just a moment..."), Outcome::Forbidden);
    check("<title>ERROR: The request could not be satisfied</title><h1>429 ERROR</h1>", Outcome::RateLimitedAccount);
    check("<html><style>\n    :root {}\n</style><title>502 Bad Gateway</title></html>", Outcome::UpstreamError);
    check_status(404, &page("Not Found"), Outcome::ModelNotFound);
}

#[test]
fn headers_may_stand_before_the_body() {
    let body = |head: &str, body: &str| format!("{head}\r\ncontent-type: application/json\r\n\r\n{body}");
    check(&body("HTTP/1.1 503 Service Unavailable", r#"{"message":"busy"}"#), Outcome::Overloaded);
    check(&body("HTTP/1.1 200 OK", r#"{"data":[{"embedding":[1]}],"model":"m"}"#), Outcome::Success);
    check(r#"Error code: 404 - {"detail":"Not Found"}"#, Outcome::ModelNotFound);
    let limited = body("HTTP/2 429\r\nretry-after: 17", r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#);
    assert_eq!(verdict(&limited, &Hints::default()).and_then(|verdict| verdict.retry_after_s), Some(17));
    let budget = r#"POST "/v1": 402 Payment Required {"metadata":{"reason":"in_flight_budget_exhausted"}}"#;
    check(budget, Outcome::InFlight);
    check(
        r#"[pid 512] {"id":"gen-1","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#,
        Outcome::Success,
    );
    check("13:07:06,429 - ERROR - Request timed out.", Outcome::Timeout);
}

#[test]
fn an_event_that_is_no_error_is_none() {
    let answer = [START, HI, STOP, USAGE];
    for event in [
        json!({"type": "info", "message": "Model is warming up"}),
        json!({"type": "response.warning", "message": "?", "code": "w"}),
    ] {
        let event = format!("data: {event}");
        let lines = [&answer[..2], &[&event], &answer[2..]].concat();
        check(&lines.join("\n\n"), Outcome::Success);
    }
    for event in [json!({"type": "image_generation.completed", "b64_json": "A"}), json!({"type": "speech.audio.done"})]
    {
        let delta = r#"data: {"type":"speech.audio.delta","audio":"A"}"#;
        check(&format!("{delta}\n\ndata: {event}\n\n"), Outcome::Success);
    }
    check(r#"data: {"type":"image_generation.completed","b64_json":"A","usage":{"cost":0.04}}"#, Outcome::Success);
}

#[test]
fn what_is_said_of_a_field_is_about_the_request() {
    for message in [
        "'temperature' is no longer supported with this model",
        "Unknown parameter: 'moderation'",
        "Field 'flagged_items' is not permitted",
        "Invalid tool name 'get_privacy_settings'",
        "Invalid schema: enum value 'aborted' not allowed",
    ] {
        check(&said(400, message), Outcome::InvalidRequest);
    }
    check(&said(400, "This model is not permitted in your region"), Outcome::ForbiddenRegion);
    check(&said(404, "inference profile was not found"), Outcome::ModelNotFound);
    check(&said(404, "Previous response with id 'x' not found"), Outcome::InvalidRequest);
    check(&said(502, "The operation was aborted due to timeout"), Outcome::Timeout);
}

#[test]
fn routing_tells_why_nobody_serves_it() {
    let check = |metadata: Value, expected| check(&error(404, "No endpoints found", &metadata), expected);
    check(json!({"failed_routing_step": "Filter by Guardrails"}), Outcome::ForbiddenGuardrail);
    check(json!({"ineligibility_reasons": [{"reason": "zdr-violation-by-account"}]}), Outcome::ForbiddenPrivacy);
    check(json!({}), Outcome::NoEndpoints);
}

#[test]
fn waits_are_read_wherever_they_stand() {
    let limited = |message: &str, metadata: Value| {
        wait(429, &json!({"error": {"code": 429, "message": message, "metadata": metadata}}))
    };
    let reset = |at: &str| limited("?", json!({"headers": {"X-RateLimit-Reset": at}}));
    assert_eq!(limited("?", json!({"retry_after_seconds": 30})), Some(30));
    assert_eq!(reset("1780920037000"), Some(37));
    assert_eq!(reset("30"), Some(30));
    assert_eq!(reset("9999999999999"), None, "no limit lasts for centuries");
    for (message, expected) in [
        ("try again in 1h2m3.5s", 3724),
        ("try again in 1m30s", 90),
        ("try again in 1 hour and 30 minutes", 5400),
        ("Please wait 45 seconds.", 45),
        ("retry in 850ms", 1),
    ] {
        assert_eq!(limited(message, json!(null)), Some(expected), "{message}");
    }
    let google = json!({"error": {"status": "RESOURCE_EXHAUSTED", "message": "?", "details": [{"retryDelay": "37s"}]}});
    assert_eq!(limited("Provider returned error", json!({"raw": google.to_string()})), Some(37));
    assert_eq!(limited("?", json!({"headers": {"retry-after-ms": "1500"}})), Some(2));
}
