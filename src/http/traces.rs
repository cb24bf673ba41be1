//! `POST|PUT /v1/traces`: OpenRouter's Broadcast and any OpenTelemetry sender.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Error, Site, access, body};
use crate::domain::execution::is_keepable;
use crate::otlp::{self, Encoding};
use crate::store::tokens::Scope;

/// Who sends traces without saying whose they are.
const NOBODY: &str = "unattributed";
/// OpenRouter marks the test that it makes when a destination is saved.
const TEST_HEADER: &str = "x-test-connection";

pub(super) async fn post(State(site): State<Site>, headers: HeaderMap, sent: Body) -> Result<Response, Error> {
    access::require(&site, &headers, &[Scope::Ingest]).await?;
    let encoding = encoding(&headers)?;
    let bytes = body::read(&headers, sent).await?;
    if headers.contains_key(TEST_HEADER) || bytes.is_empty() {
        return Ok(answer(encoding, 0, ""));
    }
    let decode = move |bytes: Bytes| {
        otlp::decode(encoding, &bytes).map_err(|malformed| Error::unreadable(malformed.to_string()))
    };
    let decoded = body::work(bytes, decode).await?;
    let market = site.market.now();
    let (now, mut rejected, mut executions) = (site.context.now(), decoded.rejected, Vec::new());
    for traced in decoded.executions {
        let mut execution = traced.into_execution(NOBODY);
        execution.served_model = execution.served_model.filter(|text| is_keepable(text));
        execution.served_by = execution.served_by.filter(|text| is_keepable(text));
        match execution.check(now) {
            Ok(()) => {
                market.prices.complete(&mut execution);
                executions.push(execution);
            }
            Err(reason) => rejected.push((execution.id, reason)),
        }
    }
    let receipt = site.ingest.submit(executions).await?;
    let counts = [receipt.accepted, receipt.duplicates, rejected.len()];
    site.context.metrics.usage.ingested("traces", counts, now);
    let reasons: Vec<String> =
        rejected.iter().chain(&decoded.warnings).take(20).map(|(what, reason)| format!("{what}: {reason}")).collect();
    Ok(answer(encoding, rejected.len(), &reasons.join("; ")))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Error> {
    match body::media_type(headers).as_deref() {
        None | Some("application/json") => Ok(Encoding::Json),
        Some("application/x-protobuf" | "application/protobuf") => Ok(Encoding::Protobuf),
        Some(_) => Err(Error::UnsupportedMedia("Content-Type: send application/json or application/x-protobuf")),
    }
}

/// `ExportTraceServiceResponse`, in the encoding of the request.
fn answer(encoding: Encoding, rejected: usize, message: &str) -> Response {
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    match encoding {
        Encoding::Json if rejected == 0 && message.is_empty() => Json(json!({})).into_response(),
        Encoding::Json => {
            Json(json!({ "partialSuccess": { "rejectedSpans": rejected.to_string(), "errorMessage": message } }))
                .into_response()
        }
        Encoding::Protobuf => {
            ([(CONTENT_TYPE, "application/x-protobuf")], otlp::protobuf_answer(rejected, message)).into_response()
        }
    }
}
