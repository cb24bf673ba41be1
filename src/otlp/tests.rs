//! Whole deliveries, small and written by hand.

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::money::NanoUsd;
use crate::domain::outcome::Outcome;

/// Attributes in OTLP JSON, from plain JSON: an array of pairs stays one, an object becomes a list of pairs.
fn attributes(plain: &Value) -> Value {
    let pairs = plain.as_object().unwrap().iter();
    pairs.map(|(key, value)| json!({"key": key, "value": any_value(value)})).collect()
}

fn any_value(plain: &Value) -> Value {
    match plain {
        Value::String(text) => json!({"stringValue": text}),
        Value::Bool(flag) => json!({"boolValue": flag}),
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Array(values) => json!({"arrayValue": {"values": values.iter().map(any_value).collect::<Value>()}}),
        Value::Object(_) => json!({"kvlistValue": {"values": attributes(plain)}}),
        Value::Null => json!({}),
    }
}

/// A span of trace `aa`, two seconds long. `fields` are its own, beside what every span has.
fn span(id: &str, plain: &Value, fields: &Value) -> Value {
    let mut span = json!({"traceId": "aa", "spanId": id, "name": "chat", "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000002000000000", "attributes": attributes(plain)});
    span.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    span
}

/// A delivery with one element for each span, as OpenRouter writes it.
fn delivery(service: &str, spans: &[Value]) -> Value {
    let resource = json!({"attributes": attributes(&json!({"service.name": service}))});
    let element = |span: &Value| json!({"resource": resource, "scopeSpans": [{"spans": [span]}]});
    json!({"resourceSpans": spans.iter().map(element).collect::<Value>()})
}

fn read(delivery: &Value) -> Decoded {
    decode(Encoding::Json, delivery.to_string().as_bytes()).unwrap()
}

fn read_one(service: &str, span: Value) -> Traced {
    let mut decoded = read(&delivery(service, &[span]));
    assert_eq!((decoded.executions.len(), &*decoded.rejected, &*decoded.warnings), (1, &[][..], &[][..]));
    decoded.executions.remove(0)
}

fn outcome_of(service: &str, plain: &Value, fields: &Value) -> Outcome {
    let mut plain = plain.clone();
    plain.as_object_mut().unwrap().entry("gen_ai.request.model").or_insert(json!("m"));
    read_one(service, span("01", &plain, fields)).reading.verdict.unwrap().outcome
}

#[test]
fn the_root_of_a_broadcast_delivery_is_read_whole() {
    let root = json!({
        "user.id": "u1", "trace.metadata.resource": "workflow-7", "trace.metadata.openrouter.api_key_name": "production",
        "trace.metadata.openrouter.provider_name": "Amazon Bedrock", "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "anthropic/claude-haiku-4.5", "gen_ai.response.model": "anthropic/claude-4.5-haiku",
        "gen_ai.response.id": "gen-1", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.input_tokens.cached": 60, "gen_ai.usage.input_tokens.cache_write": 30,
        "gen_ai.usage.output_tokens.reasoning": 5, "gen_ai.usage.total_cost": 1e-06, "gen_ai.prompt": "secret",
        "trace.metadata.provider_responses": r#"[{"provider_name":"Google","status":429},{"provider_name":"Amazon Bedrock","status":200}]"#,
    });
    let traced = read_one("openrouter", span("0A", &root, &json!({"status": {"code": 1}})));
    assert_eq!(traced.id, "gen-1");
    assert_eq!(traced.at, DateTime::from_timestamp(1_790_000_000, 0).unwrap());
    assert_eq!((traced.user.as_deref(), traced.resource.as_deref()), (Some("u1"), Some("workflow-7")));
    assert_eq!((traced.key.as_deref(), traced.provider), (Some("production"), Provider::Openrouter));
    assert_eq!((&*traced.model, traced.latency_ms), ("anthropic/claude-haiku-4.5", Some(2000)));
    let reading = traced.reading;
    assert_eq!(reading.generation.as_deref(), Some("gen-1"));
    assert_eq!(reading.model.as_deref(), Some("anthropic/claude-4.5-haiku"));
    assert_eq!(reading.served_by.as_deref(), Some("Amazon Bedrock"));
    let usage = reading.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.reasoning_tokens), (Some(100), Some(20), Some(5)));
    assert_eq!((usage.cached_tokens, usage.cache_write_tokens), (Some(60), Some(30)));
    assert_eq!(usage.cost, Some(NanoUsd(1000)));
    assert_eq!(reading.verdict.unwrap().outcome, Outcome::Success);
    assert_eq!(traced.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), [429, 200]);
}

#[test]
fn what_was_tried_is_known_by_its_status() {
    let tried = json!([200, 429, 503, 504, 500, 402, 404, 302])
        .as_array()
        .unwrap()
        .iter()
        .map(|status| json!({"status": status}))
        .collect::<Value>();
    let root = json!({"gen_ai.request.model": "m", "gen_ai.response.id": "gen-1", "trace.metadata.provider_responses": tried.to_string()});
    let execution = read_one("openrouter", span("0A", &root, &json!({}))).into_execution("nobody");
    let names: Vec<&str> = execution.attempts.iter().map(|outcome| outcome.name()).collect();
    let expected = [
        "success",
        "rate_limited",
        "overloaded",
        "timeout",
        "upstream_error",
        "out_of_credit",
        "model_unavailable",
        "unknown",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_parts_of_a_request_are_never_counted_wherever_they_stand() {
    let root = |id: &str, generation: &str| {
        span(
            id,
            &json!({"gen_ai.request.model": "m", "gen_ai.response.id": generation, "gen_ai.usage.input_tokens": 1}),
            &json!({}),
        )
    };
    let attempt = |id: &str, generation: &str, index: u64, status: u64| {
        let plain = json!({"span.type": "span", "gen_ai.operation.name": "chat", "gen_ai.response.id": format!("{generation}:attempt-{index}"),
            "span.metadata.attempt_index": index, "span.metadata.status_code": status});
        span(id, &plain, &json!({"name": "provider attempt 1: Azure"}))
    };
    let timing = json!({"span.type": "span", "gen_ai.operation.name": "chat"});
    let decoded = read(&delivery(
        "openrouter",
        &[
            attempt("11", "gen-2", 1, 200),
            root("01", "gen-1"),
            attempt("12", "gen-2", 0, 503),
            attempt("13", "gen-9", 0, 429),
            root("02", "gen-2"),
            span("14", &timing, &json!({"parentSpanId": "02", "name": "generation"})),
        ],
    ));
    assert_eq!(decoded.executions.iter().map(|traced| &*traced.id).collect::<Vec<_>>(), ["gen-1", "gen-2"]);
    assert_eq!((decoded.ignored, decoded.rejected.len()), (1, 0));
    let azure = |status| Attempt { served_by: Some("Azure".to_owned()), status };
    assert_eq!(decoded.executions[1].attempts, [azure(503), azure(200)]);
    assert_eq!(decoded.executions[1].reading.served_by.as_deref(), Some("Azure"));
}

#[test]
fn a_call_seen_by_two_libraries_is_one_execution() {
    let outer = |plain: &Value| span("01", plain, &json!({}));
    let inner = |plain: &Value| span("02", plain, &json!({"parentSpanId": "01"}));
    let seen = json!({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5});
    let bare = json!({"gen_ai.request.model": "m"});
    let answer = |id: &str| json!({"gen_ai.request.model": "m", "gen_ai.response.id": id});
    let check = |outer: Value, inner: Value, ids: &[&str]| {
        let decoded = read(&delivery("app", &[inner, outer]));
        assert_eq!(decoded.executions.iter().map(|traced| &*traced.id).collect::<Vec<_>>(), ids);
    };
    check(outer(&seen), inner(&seen), &["aa-01"]);
    check(outer(&bare), inner(&seen), &["aa-02"]);
    check(outer(&answer("a")), inner(&answer("a")), &["a"]);
    check(outer(&answer("a")), inner(&answer("b")), &["b", "a"]);
    let agent =
        json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 9});
    check(outer(&agent), inner(&seen), &["aa-02"]);
}

#[test]
fn spans_in_a_circle_end() {
    let circle = json!({"span.type": "span"});
    let decoded = read(&delivery(
        "openrouter",
        &[
            span("01", &circle, &json!({"parentSpanId": "02"})),
            span("02", &circle, &json!({"parentSpanId": "01"})),
            span("03", &circle, &json!({"parentSpanId": "03"})),
        ],
    ));
    assert_eq!(decoded, Decoded { ignored: 3, ..Decoded::default() });
}

#[test]
fn a_connection_test_gives_nothing() {
    let ids = json!({"traceId": "00000000000000000000000000000001", "spanId": "0000000000000001"});
    for body in [
        json!({}),
        json!({"resourceSpans": []}),
        json!({"resourceSpans": null}),
        delivery("openrouter", &[span("01", &json!({}), &json!({"name": "openrouter-connection-test"}))]),
        delivery("openrouter", &[span("01", &json!({"gen_ai.request.model": "m"}), &ids)]),
    ] {
        assert_eq!(Decoded { ignored: 0, ..read(&body) }, Decoded::default(), "{body}");
    }
    assert_eq!(decode(Encoding::Json, b" "), Ok(Decoded::default()));
    assert_eq!(decode(Encoding::Protobuf, b""), Ok(Decoded::default()));
}

#[test]
fn other_notations_are_read_too() {
    let pair = |key: &str, value: Value| json!({"key": key, "value": value});
    let old = json!({"resource_spans": [{"scope_spans": [{"spans": [{
        "trace_id": "AB", "span_id": "CD", "start_time_unix_nano": 1_790_000_000_000_000_000_u64, "end_time_unix_nano": null,
        "attributes": [
            {"value": {"string_value": "m"}, "key": "gen_ai.request.model"},
            pair("gen_ai.usage.prompt_tokens", json!({"int_value": "7"})),
            pair("gen_ai.usage.completion_tokens", json!({"doubleValue": 3})),
            pair("gen_ai.usage.total_cost", json!({"doubleValue": "0.00123"})),
            pair("trace.metadata", any_value(&json!({"user_id": 42, "other": {"deep": true}}))),
            pair("gen_ai.response.finish_reasons", any_value(&json!(["stop"]))),
            pair("gen_ai.system", json!({})),
        ],
        "status": {"code": "STATUS_CODE_UNSET"},
    }]}]}]});
    let decoded = read(&old);
    let traced = &decoded.executions[0];
    assert_eq!((&*traced.id, traced.user.as_deref(), traced.latency_ms), ("ab-cd", Some("42"), None));
    let usage = traced.reading.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost), (Some(7), Some(3), Some(NanoUsd(1_230_000))));
    assert_eq!(traced.reading.verdict.as_ref().unwrap().outcome, Outcome::Success);
    let two = format!("\u{feff}{old}\n{old}\n");
    assert_eq!(decode(Encoding::Json, two.as_bytes()).unwrap().executions.len(), 2);
}

#[test]
fn a_plain_sender_of_anthropic_is_told_from_openrouter() {
    let check = |service: &str, plain: &Value, provider: Provider| {
        let mut all = json!({"gen_ai.request.model": "claude-haiku-4-5"});
        all.as_object_mut().unwrap().extend(plain.as_object().unwrap().clone());
        assert_eq!(read_one(service, span("01", &all, &json!({}))).provider, provider, "{service} {plain}");
    };
    check("app", &json!({"gen_ai.provider.name": "anthropic"}), Provider::Anthropic);
    check("app", &json!({"gen_ai.system": "anthropic"}), Provider::Anthropic);
    check("app", &json!({"gen_ai.provider.name": "openai"}), Provider::Openrouter);
    check("openrouter", &json!({"gen_ai.provider.name": "anthropic"}), Provider::Openrouter);
    check("app", &json!({"gen_ai.system": "anthropic", "server.address": "openrouter.ai"}), Provider::Openrouter);
    check(
        "app",
        &json!({"gen_ai.system": "anthropic", "gen_ai.request.model": "anthropic/claude"}),
        Provider::Openrouter,
    );
    check("app", &json!({"gen_ai.system": "anthropic", "gen_ai.response.id": "gen-1"}), Provider::Openrouter);
}

#[test]
fn input_includes_what_was_cached() {
    let check = |input: u64, read: u64, written: u64, whole: u64| {
        let plain = json!({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": input,
            "gen_ai.usage.cache_read.input_tokens": read, "gen_ai.usage.cache_creation.input_tokens": written});
        assert_eq!(read_one("app", span("01", &plain, &json!({}))).reading.usage.input_tokens, Some(whole));
    };
    check(100, 60, 40, 100);
    check(3, 60, 40, 103);
}

#[test]
fn the_cost_is_the_charge_and_that_of_a_provider_key() {
    let check = |plain: &Value, cost: Option<i64>| {
        let mut all = json!({"gen_ai.request.model": "m"});
        all.as_object_mut().unwrap().extend(plain.as_object().unwrap().clone());
        let usage = read_one("openrouter", span("01", &all, &json!({}))).reading.usage;
        assert_eq!(usage.cost, cost.map(NanoUsd), "{plain}");
    };
    let byok = "trace.metadata.openrouter_generation.byok_usage_inference";
    let own_key = "trace.metadata.openrouter_generation.is_byok";
    check(&json!({}), None);
    check(&json!({"gen_ai.usage.total_cost": 0}), Some(0));
    check(&json!({"gen_ai.usage.total_cost": -1}), None);
    check(&json!({"gen_ai.usage.input_cost": 0.25, "gen_ai.usage.output_cost": 0.5}), Some(750_000_000));
    check(&json!({"trace.metadata.openrouter_generation.usage": 0.25}), Some(250_000_000));
    check(&json!({"gen_ai.usage.total_cost": 0.000_01, byok: 0.000_2, own_key: true}), Some(210_000));
    check(&json!({"gen_ai.usage.total_cost": 0.000_01, byok: 0.000_2, own_key: false}), Some(10_000));
}

#[test]
fn failures_are_told_apart() {
    let failed = |message: &str| json!({"status": {"code": 2, "message": message}});
    let last = |status: u64| json!({"trace.metadata.provider_responses": format!(r#"[{{"status":200}},{{"status":{status}}}]"#)});
    let check = |plain: &Value, fields: &Value, outcome: Outcome| {
        assert_eq!(outcome_of("openrouter", plain, fields), outcome, "{plain} {fields}");
    };
    check(&json!({}), &failed("The client has disconnected"), Outcome::Cancelled);
    check(&last(429), &failed("The client has disconnected"), Outcome::Cancelled);
    check(&last(429), &failed("Provider returned error"), Outcome::RateLimitedUpstream);
    check(&last(529), &failed("Provider returned error"), Outcome::Overloaded);
    check(&last(503), &failed(""), Outcome::Overloaded);
    check(&last(404), &failed(""), Outcome::ModelNotFound);
    check(&last(502), &failed(""), Outcome::UpstreamError);
    check(&last(200), &failed("who knows"), Outcome::UpstreamError);
    check(&json!({}), &failed("Model is rate-limited upstream"), Outcome::RateLimitedUpstream);
    check(&json!({}), &failed("Request timed out"), Outcome::Timeout);
    check(&json!({"gen_ai.response.finish_reason": "error"}), &json!({}), Outcome::StreamError);
    check(
        &json!({"gen_ai.response.finish_reasons": "[\"error\"]"}),
        &failed("rate limit exceeded"),
        Outcome::RateLimitedUpstream,
    );
    check(&json!({"gen_ai.response.finish_reason": "content_filter"}), &json!({}), Outcome::Moderated);
    check(
        &json!({"span.level": "ERROR", "span.status_message": "No endpoints found"}),
        &json!({}),
        Outcome::NoEndpoints,
    );
    check(&json!({"trace.metadata.openrouter_generation.cancelled": true}), &json!({}), Outcome::Cancelled);
    let exception = json!([{"name": "exception", "attributes": attributes(&json!({"exception.message": "The client has disconnected"}))}]);
    check(&json!({}), &json!({"status": {"code": "STATUS_CODE_ERROR"}, "events": exception}), Outcome::Cancelled);
}

#[test]
fn the_conventions_error_types_are_understood() {
    let check = |error: &str, outcome: Outcome| {
        assert_eq!(outcome_of("app", &json!({"error.type": error}), &json!({})), outcome, "{error}");
    };
    check("429", Outcome::RateLimitedUpstream);
    check("rate_limit_exceeded", Outcome::RateLimitedUpstream);
    check("openai.RateLimitError", Outcome::RateLimitedUpstream);
    check("timeout", Outcome::Timeout);
    check("APITimeoutError", Outcome::Timeout);
    check("java.net.SocketTimeoutException", Outcome::Timeout);
    check("500", Outcome::UpstreamError);
    check("529", Outcome::Overloaded);
    check("AuthenticationError", Outcome::Unauthorized);
    check("NotFoundError", Outcome::ModelNotFound);
    check("context_length_exceeded", Outcome::InvalidRequest);
    check("APIConnectionError", Outcome::UpstreamError);
    check("CancelledError", Outcome::Cancelled);
    check("ValueError", Outcome::Unknown);
    check("_OTHER", Outcome::Unknown);
    let anthropic = json!({"error.type": "429", "gen_ai.provider.name": "anthropic"});
    assert_eq!(outcome_of("app", &anthropic, &json!({})), Outcome::RateLimitedAccount);
    let message = json!({"status": {"code": 2, "message": "Error code: 503 - try later"}});
    assert_eq!(outcome_of("app", &json!({}), &message), Outcome::Overloaded);
    let limit = json!({"status": {"code": 2, "message": "at most 429 tokens"}});
    assert_eq!(outcome_of("app", &json!({}), &limit), Outcome::Unknown);
}

#[test]
fn what_is_wrong_with_one_span_costs_no_other() {
    let good = span("01", &json!({"gen_ai.request.model": "m"}), &json!({}));
    let nameless = span("02", &json!({"gen_ai.usage.input_tokens": 1}), &json!({}));
    let timeless = span("03", &json!({"gen_ai.request.model": "m"}), &json!({"startTimeUnixNano": "soon"}));
    let long = span("04", &json!({"gen_ai.request.model": "m", "user.id": "u".repeat(600)}), &json!({}));
    let garbled = json!([{"key": "gen_ai.request.model", "value": {"stringValue": "m"}}, {"key": "gen_ai.usage.input_tokens",
        "value": {"intValue": "many"}}, {"key": "gen_ai.prompt", "value": 5}, 17]);
    let half = span("05", &json!({}), &json!({"attributes": garbled, "events": [null, 5, {"name": 1}]}));
    let mut body = delivery("app", &[good, nameless, timeless, long, half]);
    body["resourceSpans"].as_array_mut().unwrap().extend([json!(7), json!({"scopeSpans": [{"spans": ["x"]}]})]);
    let decoded = read(&body);
    assert_eq!(decoded.executions.iter().map(|traced| &*traced.id).collect::<Vec<_>>(), ["aa-01", "aa-05"]);
    let rejected = decoded.rejected.iter().map(|(id, _)| &**id).collect::<Vec<_>>();
    let places =
        ["resourceSpans[2].scopeSpans[0].spans[0]", "resourceSpans[5]", "resourceSpans[6].scopeSpans[0].spans[0]"];
    assert_eq!(rejected, [&places[..], &["02", "04"]].concat());
    assert_eq!(decoded.warnings.len(), 2, "{:?}", decoded.warnings);
    assert_eq!(
        decoded.warnings[0],
        ("05".to_owned(), "gen_ai.usage.input_tokens: intValue \"many\" is no integer".to_owned())
    );
}

#[test]
fn a_body_of_another_kind_is_malformed() {
    for body in ["nothing", "[]", r#"{"resourceMetrics": []}"#, r#"{"resourceSpans": 5}"#, "{} {"] {
        let Malformed(reason) = decode(Encoding::Json, body.as_bytes()).unwrap_err();
        assert!(reason.contains("; send "), "{reason}");
    }
    assert!(decode(Encoding::Protobuf, b"{\"resourceSpans\": []}").is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "resourceSpans",
        "scopeSpans",
        "spans",
        "attributes",
        "key",
        "value",
        "values",
        "stringValue",
        "kvlistValue",
        "arrayValue",
        "gen_ai.request.model",
        "trace.metadata",
        "user",
        "traceId",
        "spanId",
        "parentSpanId",
        "status",
        "code",
        "events",
        "name",
        "é0",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(12, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_break_the_decoder(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(Encoding::Json, &body);
        let _ = decode(Encoding::Protobuf, &body);
    }

    #[test]
    fn no_json_breaks_the_decoder(inner in any_json()) {
        let span = json!({"attributes": inner, "status": inner, "events": [inner]});
        let pair = json!({"traceId": "00", "attributes": [{"key": "trace.metadata", "value": inner}, {"key": "gen_ai.request.model", "value": inner}]});
        for body in [&inner, &json!({"resourceSpans": inner}), &delivery("app", &[inner.clone(), span, pair])] {
            let _ = decode(Encoding::Json, body.to_string().as_bytes());
        }
    }
}
