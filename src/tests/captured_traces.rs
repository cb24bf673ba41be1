//! The trace decoder over deliveries that OpenRouter really made, where they are at hand; the expectations were read
//! off the raw files.

use std::fs;

use openrouter_monitor::domain::outcome::Outcome::{self, Cancelled, Success};
use openrouter_monitor::otlp::{Encoding, Traced, decode};

use crate::captured::captures;

struct Expected {
    id: &'static str,
    model: &'static str,
    /// Input, output, written to a cache, reasoning.
    tokens: [Option<u64>; 4],
    /// In nano-dollars.
    cost: Option<i64>,
    outcome: Outcome,
    latency_ms: u64,
    served_by: Option<&'static str>,
    key: Option<&'static str>,
    attempts: &'static [u16],
}

const SUCCESS: Expected = Expected {
    id: "gen-1790605504-cpHCKdt8gpR7ocyZa2Hv",
    model: "anthropic/claude-haiku-4.5",
    tokens: [Some(12_315), Some(213), Some(12_312), Some(0)],
    cost: Some(16_458_000),
    outcome: Success,
    latency_ms: 2443,
    served_by: Some("Amazon Bedrock"),
    key: Some("fixture key"),
    attempts: &[200],
};

const REASONING: Expected = Expected {
    id: "gen-1790606294-sdYHTGXUVyDKWCLqX5Op",
    tokens: [Some(2489), Some(569), Some(0), Some(145)],
    cost: Some(5_334_000),
    latency_ms: 3723,
    ..SUCCESS
};

const DISCONNECTED: Expected = Expected {
    id: "gen-1790606272-klALDjkN7Ke6rbM52aHZ",
    model: "openai/gpt-5.1-codex-mini",
    tokens: [None; 4],
    cost: None,
    outcome: Cancelled,
    latency_ms: 23_640,
    served_by: Some("Azure"),
    attempts: &[],
    ..SUCCESS
};

const DISCONNECTED_HEAD: Expected = Expected { served_by: None, key: None, ..DISCONNECTED };

const DOCUMENTED: Expected = Expected {
    id: "abc123...-def456...",
    model: "openai/gpt-4",
    tokens: [Some(100), Some(50), None, None],
    cost: None,
    outcome: Success,
    latency_ms: 1000,
    served_by: None,
    key: None,
    attempts: &[],
};

const FILES: &[(&str, &[Expected])] = &[
    ("broadcast-connection-test.otel-collector.json", &[]),
    ("connection-test.json", &[]),
    ("broadcast-delivery-success.json", &[SUCCESS]),
    ("broadcast-delivery-error.json", &[DISCONNECTED]),
    ("broadcast-webhook.docs-example.json", &[DOCUMENTED]),
    ("delivery_pi_1.trimmed.json", &[REASONING]),
    ("error_client_disconnected.trimmed_head.json", &[DISCONNECTED_HEAD]),
];

fn check(file: &str, traced: &Traced, expected: &Expected) {
    let reading = &traced.reading;
    let usage = reading.usage;
    assert_eq!((&*traced.id, &*traced.model, traced.user.as_deref()), (expected.id, expected.model, None), "{file}");
    let tokens = [usage.input_tokens, usage.output_tokens, usage.cache_write_tokens, usage.reasoning_tokens];
    assert_eq!(tokens, expected.tokens, "{file}");
    assert_eq!(usage.cost.map(|cost| cost.0), expected.cost, "{file}");
    assert_eq!(reading.verdict.as_ref().map(|verdict| verdict.outcome), Some(expected.outcome), "{file}");
    assert_eq!(traced.latency_ms, Some(expected.latency_ms), "{file}");
    assert_eq!((reading.served_by.as_deref(), traced.key.as_deref()), (expected.served_by, expected.key), "{file}");
    let statuses = traced.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>();
    assert_eq!(statuses, expected.attempts, "{file}");
    assert!(!format!("{traced:?}").contains("trimmed"), "{file} leaves content behind");
}

#[test]
fn captured_deliveries_are_read_exactly() {
    let Some(folder) = captures().map(|folder| folder.join("api/broadcast")) else { return };
    for (file, expected) in FILES {
        let body = fs::read(folder.join(file)).unwrap();
        let decoded = decode(Encoding::Json, &body).unwrap();
        assert_eq!(decoded.executions.len(), expected.len(), "{file}");
        assert_eq!((decoded.rejected.len(), decoded.warnings.len()), (0, 0), "{file}");
        assert_eq!(decoded.ignored, usize::from(expected.is_empty()), "{file}");
        for (traced, expected) in decoded.executions.iter().zip(*expected) {
            check(file, traced, expected);
        }
    }
}
