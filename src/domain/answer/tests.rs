//! Small answers of every kind, and what is to be read off them.

mod wrapped;

use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::outcome::Outcome;
use crate::domain::reading::Verdict;

fn verdict(input: &str, hints: &Hints) -> Option<Verdict> {
    read(input, hints).verdict
}

/// Without hints.
fn check(input: &str, expected: Outcome) {
    check_hinted(input, &Hints::default(), expected);
}

fn check_status(status: u16, input: &str, expected: Outcome) {
    check_hinted(input, &Hints { status: Some(status), ..Hints::default() }, expected);
}

fn check_hinted(input: &str, hints: &Hints, expected: Outcome) {
    let outcome = verdict(input, hints).map(|verdict| verdict.outcome);
    assert_eq!(outcome, Some(expected), "{hints:?}\n{input}");
}

/// An error body with a code, a message and metadata.
fn error(code: u16, message: &str, metadata: &Value) -> String {
    json!({"error": {"code": code, "message": message, "metadata": metadata}}).to_string()
}

fn said(code: u16, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

#[test]
fn words_decide_first() {
    let check = |metadata: Value, expected| check(&error(402, "?", &metadata), expected);
    check(json!({"limit_source": "openrouter_credits"}), Outcome::NoBalance);
    check(json!({"limit_source": "openrouter_key_limit"}), Outcome::KeyLimit);
    check(json!({"limit_source": "openrouter_workspace_budget"}), Outcome::WorkspaceBudget);
    check(json!({"limit_source": "openrouter_in_flight_budget"}), Outcome::InFlight);
    check(json!({"limit_source": "openrouter_credits", "reason": "weight_exceeds_budget"}), Outcome::TooLarge);
    check(json!({"limit_source": "of a later day"}), Outcome::NoBalance);
}

#[test]
fn an_error_type_is_as_good_as_a_status() {
    let check = |kind: &str, expected| check(&error(400, "?", &json!({"error_type": kind})), expected);
    check("context_length_exceeded", Outcome::InvalidRequest);
    check("content_policy_violation", Outcome::Moderated);
    check("refusal", Outcome::Moderated);
    check("image_not_found", Outcome::InvalidRequest);
    check("authentication", Outcome::Unauthorized);
    check("payment_required", Outcome::NoBalance);
    check("permission_denied", Outcome::Forbidden);
    check("not_found", Outcome::NoEndpoints);
    check("rate_limit_exceeded", Outcome::RateLimitedAccount);
    check("provider_overloaded", Outcome::Overloaded);
    check("provider_unavailable", Outcome::UpstreamError);
    check("timeout", Outcome::Timeout);
    check("unmapped", Outcome::InvalidRequest);
    check("of a later day", Outcome::InvalidRequest);
}

#[test]
fn availability_says_why_a_model_is_not_to_be_had() {
    let check = |code: &str, retryable: bool, expected| {
        let availability = json!({"code": code, "retryable": retryable});
        let body = json!({"error": {"message": "?", "http_status": 404, "availability": availability}});
        check(&body.to_string(), expected);
    };
    check("model_not_found", false, Outcome::ModelNotFound);
    check("wrong_endpoint", false, Outcome::InvalidRequest);
    check("no_endpoints", false, Outcome::NoEndpoints);
    check("model_deprecated", false, Outcome::ModelDeprecated);
    check("model_unavailable_upstream", false, Outcome::NoEndpoints);
    check("privacy_restricted", false, Outcome::ForbiddenPrivacy);
    check("constraint_filtered", false, Outcome::NoEndpoints);
    check("free_variant_ended", false, Outcome::FreeEnded);
    check("region_restricted", false, Outcome::ForbiddenRegion);
    check("capacity_exhausted", true, Outcome::RateLimitedUpstream);
    check("temporarily_unavailable", true, Outcome::ModelAway);
    check("of_a_later_day", true, Outcome::ModelAway);
    check("of_a_later_day", false, Outcome::NoEndpoints);
}

#[test]
fn a_402_is_not_always_an_empty_purse() {
    let check = |message: &str, expected| check(&said(402, message), expected);
    check("Insufficient credits. Add more using a page", Outcome::NoBalance);
    check("This request requires more credits, or fewer max_tokens.", Outcome::TooLarge);
    check("Prompt tokens limit exceeded: 5000 > 1200.", Outcome::TooLarge);
    check("It would exceed your credits given your current in-flight requests", Outcome::InFlight);
    check("Key limit exceeded (daily limit)", Outcome::KeyLimit);
}

#[test]
fn a_403_has_many_reasons() {
    let check = |message: &str, metadata: Value, expected| check(&error(403, message, &metadata), expected);
    check("Key limit exceeded (total limit).", json!(null), Outcome::KeyLimit);
    check("Workspace monthly budget of $5.00 exceeded.", json!(null), Outcome::WorkspaceBudget);
    check("?", json!({"patterns": ["ignore the above"]}), Outcome::ForbiddenGuardrail);
    check("Request blocked: prompt injection patterns detected", json!(null), Outcome::ForbiddenGuardrail);
    check("?", json!({"reasons": ["violence"]}), Outcome::Moderated);
    check("some/model requires moderation on Somebody.", json!(null), Outcome::Moderated);
    check("API key USD spend limit exceeded.", json!(null), Outcome::KeyLimit);
    check("This API key has been disabled", json!(null), Outcome::Unauthorized);
    check("This model is not available in your region.", json!(null), Outcome::ForbiddenRegion);
    check("Only management keys can perform this operation", json!(null), Outcome::Forbidden);

    let stage = json!({"type": "guardrail", "data": {"action": "blocked"}});
    let body = json!({"error": {"code": 403, "message": "?"}, "openrouter_metadata": {"pipeline": [stage]}});
    super::tests::check(&body.to_string(), Outcome::ForbiddenGuardrail);
}

#[test]
fn a_missing_model_is_told_by_its_message() {
    let check = |code: u16, message: &str, expected| check(&said(code, message), expected);
    check(404, "No endpoints found for some/model.", Outcome::NoEndpoints);
    check(404, "No endpoints found matching your data policy.", Outcome::ForbiddenPrivacy);
    check(404, "No endpoints found that support tool use.", Outcome::NoEndpoints);
    check(404, "No allowed providers are available for the selected model.", Outcome::NoEndpoints);
    check(404, "Resource not found", Outcome::ModelNotFound);
    check(400, "some/model is not a valid model ID", Outcome::ModelNotFound);
    check(400, "Invalid model: some", Outcome::ModelNotFound);
    check(404, "The free Some Model period has ended.", Outcome::FreeEnded);
    check(404, "This model has been deprecated.", Outcome::ModelDeprecated);
    check(404, "Some Alpha was a stealth model, revealed as Some 1.", Outcome::ModelDeprecated);
    check(400, "The model `some` has been decommissioned", Outcome::ModelDeprecated);
    check(400, "`temperature` is deprecated for this model.", Outcome::InvalidRequest);
    check(503, "There is no available model provider that meets your requirements", Outcome::NoEndpoints);
    check(503, "Service temporarily unavailable", Outcome::Overloaded);
}

#[test]
fn a_rate_limit_is_somebodys() {
    let check = |message: &str, metadata: Value, expected| check(&error(429, message, &metadata), expected);
    check("Rate limit exceeded", json!({"error_type": "rate_limit_exceeded"}), Outcome::RateLimitedAccount);
    check("Rate limit exceeded", json!({"provider_code": "rate_limited"}), Outcome::RateLimitedUpstream);
    check("Rate limit exceeded: free-models-per-day", json!(null), Outcome::RateLimitedFreeTier);
    check("Rate limit exceeded: free-models-per-min. ", json!(null), Outcome::RateLimitedFreeTier);
    check("Rate limit exceeded: limit_rpd/some/model:free/1", json!(null), Outcome::RateLimitedFreeTier);
    check("?", json!({"limit_source": "openrouter_free_tier_daily"}), Outcome::RateLimitedFreeTier);
    check("?", json!({"limit_source": "upstream_provider_shared_pool"}), Outcome::RateLimitedUpstream);
    check("?", json!({"provider_name": "Somebody"}), Outcome::RateLimitedUpstream);
    check(
        "?",
        json!({"provider_name": "Somebody", "headers": {"X-RateLimit-Limit": "80"}}),
        Outcome::RateLimitedAccount,
    );
    let raw = json!({"raw": "some/model:free is temporarily rate-limited upstream. Please retry shortly"});
    check("Provider returned error", raw, Outcome::RateLimitedUpstream);
}

#[test]
fn the_error_inside_counts_where_the_outer_one_is_vague() {
    let check = |code: u16, raw: Value, expected| {
        check(&error(code, "Provider returned error", &json!({"raw": raw})), expected);
    };
    let inside = |kind: &str, message: &str| json!({"error": {"type": kind, "message": message}}).to_string().into();
    check(400, inside("content_filter", "?"), Outcome::Moderated);
    check(400, inside("invalid_request_error", "Your credit balance is too low"), Outcome::NoBalance);
    check(400, inside("invalid_request_error", "prompt is too long"), Outcome::InvalidRequest);
    check(502, inside("rate_limit_error", "?"), Outcome::RateLimitedUpstream);
    check(502, inside("overloaded_error", "?"), Outcome::Overloaded);
    check(402, inside("overloaded_error", "?"), Outcome::NoBalance);
    check(500, json!("upstream request timed out"), Outcome::Timeout);
    check(502, json!({"error": {"status": "RESOURCE_EXHAUSTED", "message": "?"}}), Outcome::RateLimitedUpstream);
    check(502, json!([{"error": {"code": 503, "status": "UNAVAILABLE"}}]), Outcome::UpstreamError);
    check(502, json!("{not json"), Outcome::UpstreamError);
}

#[test]
fn the_last_attempt_speaks_for_a_wrapping() {
    let attempts = json!({"previous_errors": [{"code": 500, "message": "?"}, {"code": 503, "message": "?"}]});
    check(&error(502, "Provider returned error", &attempts), Outcome::Overloaded);
}

#[test]
fn anthropic_has_a_table_of_its_own() {
    let check = |status: u16, kind: &str, message: &str, expected| {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        check_status(status, &body.to_string(), expected);
        let provider = read(&body.to_string(), &Hints::default()).provider;
        assert_eq!(provider, Some(Provider::Anthropic));
    };
    check(400, "invalid_request_error", "max_tokens: required", Outcome::InvalidRequest);
    check(400, "invalid_request_error", "Your credit balance is too low to access the API.", Outcome::NoBalance);
    check(400, "invalid_request_error", "You have reached your specified API usage limits.", Outcome::WorkspaceBudget);
    check(400, "invalid_request_error", "Output blocked by content filtering policy", Outcome::Moderated);
    check(401, "authentication_error", "invalid x-api-key", Outcome::Unauthorized);
    check(402, "billing_error", "?", Outcome::NoBalance);
    check(403, "permission_error", "?", Outcome::Forbidden);
    check(404, "not_found_error", "model: some-model", Outcome::ModelNotFound);
    check(413, "request_too_large", "?", Outcome::InvalidRequest);
    check(429, "rate_limit_error", "?", Outcome::RateLimitedAccount);
    check(500, "api_error", "Internal server error", Outcome::UpstreamError);
    check(504, "timeout_error", "?", Outcome::Timeout);
    check(529, "overloaded_error", "Overloaded", Outcome::Overloaded);

    let details = json!({"error_code": "enforced_spend_limit_reached"});
    let capped = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "?", "details": details}});
    super::tests::check(&capped.to_string(), Outcome::WorkspaceBudget);
}

#[test]
fn errors_come_in_many_shapes() {
    check(r#"{"code": 402, "message": "Insufficient credits"}"#, Outcome::NoBalance);
    check(r#"{"error": {"code": "429", "message": "?"}}"#, Outcome::RateLimitedAccount);
    check(r#"{"error": {"code": "invalid_api_key", "message": "?"}}"#, Outcome::Unauthorized);
    check(r#"{"error": "Insufficient credits"}"#, Outcome::NoBalance);
    check(r#"[{"error": {"code": 503, "message": "The model is overloaded."}}]"#, Outcome::Overloaded);
    check(r#"{"error": {"code": 1301, "message": "?"}}"#, Outcome::Unknown);
    check(r#""The client has disconnected""#, Outcome::Cancelled);
    check("The client has disconnected", Outcome::Cancelled);
    check("HTTP 429: Too Many Requests", Outcome::RateLimitedAccount);
    check("<html><title>504 Gateway Time-out</title></html>", Outcome::Timeout);
    check(r#"API error (402): {"error": {"code": 403, "message": "Key limit exceeded"}}"#, Outcome::KeyLimit);
    check("upstream connect error. reset reason: connection timeout", Outcome::Timeout);
    check("what?", Outcome::Unknown);
    check_status(422, r#"{"detail": "bad field"}"#, Outcome::InvalidRequest);
    check_status(429, "", Outcome::RateLimitedAccount);
    check_status(503, "{}", Outcome::Overloaded);
    check_status(
        200,
        r#"{"id": "gen-1", "choices": [{"message": {"content": "it timed out, bad gateway"#,
        Outcome::Unknown,
    );
    check_status(200, "{}", Outcome::Success);
    assert_eq!(verdict("{}", &Hints::default()), None);
    assert_eq!(verdict("", &Hints::default()), None);
}

#[test]
fn a_body_with_status_200_may_hold_a_failure() {
    let chat = |choice: Value| json!({"choices": [choice]}).to_string();
    check(&chat(json!({"finish_reason": "stop", "message": {"content": "Hi"}})), Outcome::Success);
    check(&chat(json!({"finish_reason": "length", "message": {"content": "Hi"}})), Outcome::Success);
    check(&chat(json!({"finish_reason": "content_filter", "message": {"content": ""}})), Outcome::Moderated);
    check(&chat(json!({"finish_reason": "error", "message": {"content": "Hi"}})), Outcome::UpstreamError);
    check(&chat(json!({"finish_reason": null, "message": {"content": ""}})), Outcome::UpstreamError);
    check(&chat(json!({"text": "Hi", "finish_reason": null})), Outcome::Success);
    let overloaded = json!({"code": 503, "message": "?", "metadata": {"error_type": "provider_overloaded"}});
    check(&chat(json!({"finish_reason": "error", "error": overloaded})), Outcome::Overloaded);
    check(r#"{"type": "message", "id": "msg_1", "content": [], "stop_reason": "refusal"}"#, Outcome::Moderated);
    check(r#"{"object": "list", "data": [{"embedding": [0.5]}]}"#, Outcome::Success);

    let responses = |status: &str, extra: Value| {
        let mut body = json!({"id": "resp_1", "object": "response", "status": status, "output": []});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body.to_string()
    };
    check(&responses("completed", json!({"error": null})), Outcome::Success);
    check(&responses("incomplete", json!({"incomplete_details": {"reason": "max_output_tokens"}})), Outcome::Success);
    check(&responses("incomplete", json!({"incomplete_details": {"reason": "content_filter"}})), Outcome::Moderated);
    check(&responses("failed", json!({"error": null})), Outcome::UpstreamError);
    check(&responses("cancelled", json!({})), Outcome::Cancelled);
    let lossy = json!({"error": {"code": "server_error", "message": "?"}, "error_type": "authentication"});
    check(&responses("failed", lossy), Outcome::Unauthorized);
    assert_eq!(verdict(&responses("in_progress", json!({})), &Hints::default()), None);
}

/// A chat stream's chunks.
const START: &str = r#"data: {"id":"gen-1","provider":"P","model":"m","choices":[{"delta":{"content":""}}]}"#;
const HI: &str = r#"data: {"id":"gen-1","choices":[{"delta":{"content":"Hi"}}]}"#;
const STOP: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"cost":0.5}}"#;
const LIMITED: &str =
    r#"data: {"error":{"code":429,"message":"Rate limit exceeded"},"choices":[{"finish_reason":"error"}]}"#;

#[test]
fn a_stream_ends_in_order_or_breaks_off() {
    let check = |lines: &[&str], expected| {
        check(&lines.join("\n\n"), expected);
        check(&lines.join("\r\n\r\n"), expected);
        check(&lines.join("\n"), expected);
    };
    check(&[": OPENROUTER PROCESSING", START, HI, STOP, USAGE, "data: [DONE]"], Outcome::Success);
    check(&[START, HI, STOP], Outcome::Success);
    check(&[START, HI, "data:[DONE]"], Outcome::Success);
    check(&[START, HI], Outcome::StreamError);
    check(&[START, HI, r#"data: {"id":"gen-1","choi"#], Outcome::StreamError);
    check(&[": OPENROUTER PROCESSING"], Outcome::StreamError);
    check(&[START, "data: [DONE]"], Outcome::UpstreamError);
    check(&[START, LIMITED], Outcome::RateLimitedUpstream);
    check(&[LIMITED], Outcome::RateLimitedAccount);
    check(&[START, HI, LIMITED], Outcome::StreamError);
    check(&[START, HI, STOP, LIMITED], Outcome::StreamError);
    check(&[HI, r#"data: {"choices":[{"finish_reason":"error"}]}"#], Outcome::StreamError);
    check(&[HI, r#"data: {"choices":[{"finish_reason":"content_filter"}]}"#], Outcome::Moderated);
    check(&[HI, r#"data: {"error":{"code":499,"message":"?"}}"#], Outcome::Cancelled);
}

#[test]
fn transcripts_are_read_though_careless() {
    let check = |transcript: &str| {
        let reading = read(transcript, &Hints::default());
        assert_eq!(reading.usage.output_tokens, Some(1), "{transcript}");
        assert_eq!(reading.verdict.map(|verdict| verdict.outcome), Some(Outcome::Success), "{transcript}");
    };
    check(&format!("\u{feff}{HI}\n\n{STOP}\n\n{USAGE}"));
    check(&format!("id: 1\nretry: 5\n{HI}\r{STOP}\r\r{USAGE}\r"));
    check(&[HI, STOP, USAGE].join("\n").replace("data: ", ""));
    check(&format!("data: junk\n\n{HI}\n\n{STOP}\n\ndata: {{\"usage\":\ndata: {{\"output_tokens\":1}}}}\n"));
}

#[test]
fn messages_streams_are_merged() {
    let check = |events: &[Value], expected: Outcome| {
        let lines: Vec<_> = events.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect();
        let reading = read(&lines.concat(), &Hints::default());
        assert_eq!(reading.verdict.as_ref().map(|verdict| verdict.outcome), Some(expected));
        reading
    };
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1});
    let message = json!({"type": "message", "id": "msg_1", "model": "m", "content": [], "usage": usage});
    let start = json!({"type": "message_start", "message": message});
    let hi = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}});
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}});
    let stop = json!({"type": "message_stop"});
    let reading = check(&[start.clone(), hi.clone(), delta, stop], Outcome::Success);
    assert_eq!((reading.usage.input_tokens, reading.usage.output_tokens), (Some(100), Some(7)));
    assert_eq!((reading.generation.as_deref(), reading.model.as_deref()), (Some("msg_1"), Some("m")));
    assert_eq!(reading.provider, Some(Provider::Anthropic));

    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    check(&[start.clone(), overloaded.clone()], Outcome::Overloaded);
    check(&[start.clone(), hi, overloaded], Outcome::StreamError);
    check(&[start], Outcome::StreamError);
}

#[test]
fn responses_streams_wrap_the_body() {
    let check = |events: &[Value], expected| {
        let lines: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        check(&lines.concat(), expected);
    };
    let wrap = |event: &str, status: &str, error: Value| {
        let text = json!({"format": {"type": "text"}});
        let response = json!({"id": "gen-1", "status": status, "output": [], "text": text, "error": error});
        json!({"type": event, "response": response})
    };
    let created = wrap("response.created", "in_progress", json!(null));
    let delta = json!({"type": "response.output_text.delta", "delta": "Hi"});
    let limited = json!({"code": "rate_limit_exceeded", "message": "?"});
    let completed = wrap("response.completed", "completed", json!(null));
    let failed = wrap("response.failed", "failed", limited.clone());
    check(&[created.clone(), delta.clone(), completed], Outcome::Success);
    check(&[created.clone(), wrap("response.incomplete", "incomplete", json!(null))], Outcome::Success);
    check(&[created.clone(), failed.clone()], Outcome::RateLimitedAccount);
    check(&[created.clone(), delta.clone(), failed], Outcome::StreamError);
    check(&[created.clone(), json!({"type": "response.error", "error": limited})], Outcome::RateLimitedAccount);
    check(&[created.clone(), json!({"type": "error", "code": "server_error", "message": "?"})], Outcome::UpstreamError);
    let beside = json!({"type": "response.error", "error": {"code": "server_error"}, "error_type": "timeout"});
    check(&[created.clone(), beside], Outcome::Timeout);
    check(&[created, delta], Outcome::StreamError);
}

#[test]
fn who_answered_is_told_by_the_shape() {
    let check = |body: Value, provider: Option<Provider>| {
        assert_eq!(read(&body.to_string(), &Hints::default()).provider, provider, "{body}");
    };
    let native = json!({"type": "message", "id": "msg_1", "content": [], "usage": {"input_tokens": 1}});
    check(native.clone(), Some(Provider::Anthropic));
    let with = |key: &str, value: Value| {
        let mut skin = native.clone();
        skin[key] = value;
        skin
    };
    check(with("provider", json!("P")), Some(Provider::Openrouter));
    check(with("id", json!("gen-1")), Some(Provider::Openrouter));
    check(with("usage", json!({"cost": 0.1})), Some(Provider::Openrouter));
    check(with("openrouter_metadata", json!(null)), Some(Provider::Openrouter));
    check(json!({"error": {"code": 402, "message": "?"}}), Some(Provider::Openrouter));
    check(
        json!({"type": "error", "error": {"type": "api_error", "message": "?", "error_type": "server"}}),
        Some(Provider::Openrouter),
    );
    check(json!({"id": "chatcmpl-1", "choices": []}), None);
    let hinted = Hints { provider: Some(Provider::Openrouter), ..Hints::default() };
    assert_eq!(read(&native.to_string(), &hinted).provider, Some(Provider::Openrouter));
}

#[test]
fn who_served_it_is_named() {
    let check = |body: Value, name: Option<&str>| {
        assert_eq!(read(&body.to_string(), &Hints::default()).served_by.as_deref(), name, "{body}");
    };
    check(json!({"provider": "P", "choices": []}), Some("P"));
    check(json!({"error": {"code": 429, "message": "?", "metadata": {"provider_name": "P"}}}), Some("P"));
    let endpoints = json!([{"provider": "O"}, {"provider": "P", "selected": true}]);
    check(json!({"output": [], "openrouter_metadata": {"endpoints": {"available": endpoints}}}), Some("P"));
    check(json!({"choices": []}), None);
}

#[test]
fn waits_are_understood_in_every_notation() {
    let now = Utc.with_ymd_and_hms(2026, 3, 1, 22, 0, 0).unwrap();
    let check = |headers: &[(&str, &str)], body: &str, expected: Option<u64>| {
        let headers: Vec<_> = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let hints = Hints { headers: &headers, now: Some(now), ..Hints::default() };
        assert_eq!(verdict(body, &hints).unwrap().retry_after_s, expected, "{headers:?} {body}");
    };
    let plain = said(429, "Rate limit exceeded");
    check(&[("Retry-After", "40")], &plain, Some(40));
    check(&[("retry-after", "1.2")], &plain, Some(2));
    check(&[("Retry-After", "Sun, 01 Mar 2026 22:01:00 GMT")], &plain, Some(60));
    check(&[("Retry-After", "Sun, 01 Mar 2026 21:00:00 GMT")], &plain, Some(0));
    check(&[("Retry-After", "soon")], &plain, None);
    check(&[("X-RateLimit-Reset", "1772402430000")], &plain, Some(30));
    check(&[("X-RateLimit-Reset", "1772402430")], &plain, Some(30));
    check(&[], &plain, None);
    let again = error(429, "?", &json!({"headers": {"X-RateLimit-Reset": "1772402430000"}}));
    check(&[], &again, Some(30));
    check(&[], &said(429, "Rate limit exceeded: free-models-per-day"), Some(7200));
    check(&[], &said(429, "Rate limit exceeded: free-models-per-min"), None);
    check(&[], &said(429, "All are at capacity. Retry after 40 seconds."), Some(40));
    check(&[], &said(429, "Please try again in 6m0s."), Some(360));
    check(&[], &said(429, "Please try again in 20ms"), Some(1));
    check(&[], r#"{"error": {"availability": {"code": "capacity_exhausted", "retry_after": 9}}}"#, Some(9));
    check(&[("X-RateLimit-Reset", "1772402430000")], &said(402, "Insufficient credits"), None);
}

#[test]
fn particulars_are_kept() {
    let checked = |body: &str| verdict(body, &Hints::default()).unwrap();
    let afford = checked(&said(402, "You requested up to 900 tokens, but can only afford 123. Add more"));
    assert_eq!((afford.outcome, afford.affordable_tokens), (Outcome::TooLarge, Some(123)));

    let ended = checked(&said(404, "The free X period has ended, please migrate to the paid slug: some/x."));
    assert_eq!(ended.fallback_models, ["some/x"]);
    let listed = json!({"code": "model_deprecated", "fallback_models": ["some/y", 7]});
    let withdrawn = checked(&json!({"error": {"message": "?", "availability": listed}}).to_string());
    assert_eq!(withdrawn.fallback_models, ["some/y"]);

    let wrapped = checked(&error(502, "Provider returned error", &json!({"raw": "it broke"})));
    assert_eq!(wrapped.message.as_deref(), Some("it broke"));
    let long = checked(&said(500, &"ä".repeat(2000)));
    assert_eq!(long.message.map(|message| message.chars().count()), Some(500));
}

#[test]
fn a_status_alone_allows_a_verdict() {
    let check = |status: u16, expected: Outcome| {
        assert_eq!(verdict_of_status(status, Provider::Openrouter).outcome, expected, "{status}");
    };
    check(200, Outcome::Success);
    check(302, Outcome::Unknown);
    check(400, Outcome::InvalidRequest);
    check(404, Outcome::NoEndpoints);
    check(410, Outcome::ModelDeprecated);
    check(418, Outcome::InvalidRequest);
    check(429, Outcome::RateLimitedAccount);
    check(499, Outcome::Cancelled);
    check(500, Outcome::UpstreamError);
    check(524, Outcome::Timeout);
    check(529, Outcome::Overloaded);
    check(999, Outcome::Unknown);
    assert_eq!(verdict_of_status(404, Provider::Anthropic).outcome, Outcome::ModelNotFound);
}

/// Any JSON, with the keys that are looked at.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = "error|choices|usage|metadata|raw|code|message|type|status|response|delta|headers|previous_errors|id";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(value in any_json(), text in any::<String>(), status in any::<Option<u16>>()) {
        let hints = Hints { status, now: Some(DateTime::UNIX_EPOCH), ..Hints::default() };
        let quoted = format!("data: {value}\n\ndata: {text}\n{text}");
        for reading in [read_json(&value, &hints), read(&text, &hints), read(&quoted, &hints)] {
            let _ = reading.verdict.map(|verdict| advice(&verdict));
        }
    }

    #[test]
    fn a_cut_transcript_still_reads(end in 0..400_usize) {
        let transcript = [START, HI, STOP, USAGE, "data: [DONE]"].join("\n\n");
        prop_assert!(read(head(&transcript, end), &Hints::default()).model.is_none_or(|model| model == "m"));
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", r#"{"error":"#.repeat(50_000), "1");
    check_status(500, &deep, Outcome::UpstreamError);
    check(&format!("data: {}\n\n", "[".repeat(50_000)), Outcome::StreamError);
}

#[test]
fn a_plain_usage_is_read_as_any_other() {
    let check = |usage: serde_json::Value| {
        let wrapped = serde_json::json!({"choices": [], "usage": usage});
        let read = super::read_json(&wrapped, &super::Hints::default()).usage;
        assert_eq!(super::read_usage(&usage.to_string()), Ok(read), "{usage}");
    };
    check(serde_json::json!({"prompt_tokens": 5, "completion_tokens": 2}));
    check(
        serde_json::json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1}}),
    );
    check(serde_json::json!({"prompt_tokens": 5, "completion_tokens": 2, "cost": 0.5}));
    check(serde_json::json!({"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 4}));
    check(serde_json::json!({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": null}));
}
