//! OTLP protobuf: the part of `opentelemetry/proto/trace/v1/trace.proto` that is read. Spans and values stay bytes
//! until they are looked at, so that a bad one costs no other and text is not copied.

use std::fmt::Write;

use prost::Message;
use prost::bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::attributes::Attributes;
use super::span::{self, Batch, Span, collect};
use super::{Malformed, keys};

/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    resource_spans: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    attributes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    spans: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "bytes", tag = "1")]
    trace_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    span_id: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    parent_span_id: Bytes,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    attributes: Vec<Bytes>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "2")]
    name: String,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    attributes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

/// A `KeyValue` whose value is left alone until its name is known.
#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Pairs(KeyValueList),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

/// A pair within a value: decoded with it, so that prost's limit on depth holds.
#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Reads a body. An empty one holds nothing.
pub(super) fn read(body: &[u8]) -> Result<Batch, Malformed> {
    let export = Export::decode(Bytes::copy_from_slice(body)).map_err(|error| {
        Malformed(format!("the body is no OTLP protobuf trace ({error}); send an ExportTraceServiceRequest, or JSON as application/json"))
    })?;
    let mut batch = Batch::default();
    for (index, element) in export.resource_spans.into_iter().enumerate() {
        let place = format!("resourceSpans[{index}]");
        match ResourceSpans::decode(element) {
            Ok(element) => read_element(element, &place, &mut batch),
            Err(error) => batch.rejected.push((place, error.to_string())),
        }
    }
    Ok(batch)
}

fn read_element(element: ResourceSpans, place: &str, batch: &mut Batch) {
    let shared = batch.shared(place, pairs(element.resource.unwrap_or_default().attributes));
    for (scope, spans) in element.scope_spans.into_iter().enumerate() {
        for (index, span) in spans.spans.into_iter().enumerate() {
            batch.take(read_span(span, &shared), || format!("{place}.scopeSpans[{scope}].spans[{index}]"));
        }
    }
}

/// The span, and what could not be read of it.
fn read_span(raw: Bytes, shared: &Attributes) -> Result<(Span, Vec<String>), String> {
    let raw = ProtoSpan::decode(raw).map_err(|error| error.to_string())?;
    let exceptions = raw.events.into_iter().filter(|event| event.name == "exception");
    let all = exceptions.flat_map(|event| pairs(event.attributes)).chain(pairs(raw.attributes));
    let mut attributes = shared.clone();
    let warnings = collect(&mut attributes, all);
    let status = raw.status.unwrap_or_default();
    let span = Span {
        trace: hex(&raw.trace_id),
        id: hex(&raw.span_id),
        parent: hex(&raw.parent_span_id),
        name: raw.name,
        start: nanos(raw.start_time_unix_nano),
        end: nanos(raw.end_time_unix_nano),
        failed: status.code == ERROR,
        message: status.message,
        attributes,
    };
    Ok((span, warnings))
}

/// The pairs whose names are read.
fn pairs(pairs: Vec<Bytes>) -> impl Iterator<Item = span::Pair> {
    pairs.into_iter().map(|raw| {
        let pair = Pair::decode(raw).map_err(|error| format!("an attribute: {error}"))?;
        if !keys::wanted(&pair.key) {
            return Ok(None);
        }
        let value = AnyValue::decode(pair.value).map_err(|error| format!("{}: {error}", pair.key))?;
        Ok(Some((pair.key, plain(value))))
    })
}

/// The value within an `AnyValue`; what is no finite number says nothing.
fn plain(any: AnyValue) -> Value {
    match any.kind {
        None => Value::Null,
        Some(Kind::String(text)) => Value::String(text),
        Some(Kind::Bool(flag)) => Value::Bool(flag),
        Some(Kind::Int(number)) => Value::from(number),
        Some(Kind::Double(number)) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Some(Kind::Array(list)) => list.values.into_iter().map(plain).collect(),
        Some(Kind::Pairs(list)) => {
            let members = list.values.into_iter().map(|pair| (pair.key, plain(pair.value.unwrap_or_default())));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A time no calendar has is not given.
fn nanos(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(0)
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(2 * id.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `ExportTraceServiceResponse`: empty when all was taken.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The answer to a delivery: how many spans were lost, and why or what else is to be said.
#[must_use]
pub fn answer(rejected_spans: i64, message: &str) -> Vec<u8> {
    let said = rejected_spans > 0 || !message.is_empty();
    let partial_success = said.then(|| PartialSuccess { rejected_spans, error_message: message.to_owned() });
    Response { partial_success }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Decoded, Encoding, decode};
    use super::*;

    fn pair(key: &str, kind: Kind) -> Bytes {
        let value = AnyValue { kind: Some(kind) }.encode_to_vec().into();
        Pair { key: key.to_owned(), value }.encode_to_vec().into()
    }

    fn text(text: &str) -> Kind {
        Kind::String(text.to_owned())
    }

    fn root() -> ProtoSpan {
        let list = ArrayValue { values: vec![AnyValue { kind: Some(text("stop")) }] };
        let user = KeyValue { key: "user".to_owned(), value: Some(AnyValue { kind: Some(text("u1")) }) };
        ProtoSpan {
            trace_id: Bytes::from_static(&[0xAB, 1]),
            span_id: Bytes::from_static(&[0xCD, 2]),
            name: "chat".to_owned(),
            start_time_unix_nano: 1_790_000_000_000_000_000,
            end_time_unix_nano: 1_790_000_001_500_000_000,
            attributes: vec![
                pair("gen_ai.request.model", text("m")),
                pair("gen_ai.prompt", text("secret")),
                pair("gen_ai.usage.input_tokens", Kind::Int(12)),
                pair("gen_ai.usage.total_cost", Kind::Double(0.00123)),
                pair("gen_ai.response.finish_reasons", Kind::Array(list)),
                pair("trace.metadata", Kind::Pairs(KeyValueList { values: vec![user] })),
            ],
            ..ProtoSpan::default()
        }
    }

    fn body(spans: &[Bytes]) -> Vec<u8> {
        let resource = Resource { attributes: vec![pair("service.name", text("app"))] };
        let element =
            ResourceSpans { resource: Some(resource), scope_spans: vec![ScopeSpans { spans: spans.to_vec() }] };
        Export { resource_spans: vec![element.encode_to_vec().into()] }.encode_to_vec()
    }

    #[test]
    fn both_encodings_say_the_same() {
        let json = r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]},
            "scopeSpans": [{"spans": [{"traceId": "AB01", "spanId": "CD02", "name": "chat",
                "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000001500000000",
                "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
                    {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
                    {"key": "gen_ai.usage.total_cost", "value": {"doubleValue": 0.00123}},
                    {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
                    {"key": "trace.metadata", "value": {"kvlistValue": {"values": [{"key": "user", "value": {"stringValue": "u1"}}]}}}]
            }]}]}]}"#;
        let ours = decode(Encoding::Protobuf, &body(&[root().encode_to_vec().into()])).unwrap();
        assert_eq!(ours.executions[0].user.as_deref(), Some("u1"));
        assert_eq!(ours, decode(Encoding::Json, json.as_bytes()).unwrap());
    }

    #[test]
    fn a_bad_span_or_value_costs_no_other() {
        let bad_value = Pair { key: "gen_ai.usage.input_tokens".to_owned(), value: Bytes::from_static(&[0xFF]) };
        let mut half = root();
        half.span_id = Bytes::from_static(&[3]);
        half.attributes[2] = bad_value.encode_to_vec().into();
        let spans = [root().encode_to_vec().into(), Bytes::from_static(&[0xFF, 0xFF]), half.encode_to_vec().into()];
        let Decoded { executions, rejected, warnings, ignored } = decode(Encoding::Protobuf, &body(&spans)).unwrap();
        assert_eq!((executions.len(), rejected.len(), warnings.len(), ignored), (2, 1, 1, 0));
        assert_eq!(executions[1].reading.usage.input_tokens, None);
        assert_eq!(rejected[0].0, "resourceSpans[0].scopeSpans[0].spans[1]");
    }

    #[test]
    fn an_error_is_read_with_its_exception() {
        let mut failed = root();
        failed.status = Some(Status { message: String::new(), code: ERROR });
        let attributes = vec![pair("exception.message", text("The client has disconnected"))];
        failed.events = vec![Event { name: "exception".to_owned(), attributes }];
        let decoded = decode(Encoding::Protobuf, &body(&[failed.encode_to_vec().into()])).unwrap();
        let verdict = decoded.executions[0].reading.verdict.clone().unwrap();
        assert_eq!(verdict.outcome, crate::domain::outcome::Outcome::Cancelled);
        assert_eq!(verdict.message.as_deref(), Some("The client has disconnected"));
    }

    #[test]
    fn values_within_values_have_an_end() {
        let within = |tag: u32, inner: &Vec<u8>| {
            let mut outer = Vec::new();
            prost::encoding::bytes::encode(tag, inner, &mut outer);
            outer
        };
        let value = (0..5_000).fold(Vec::new(), |value, _| within(5, &within(1, &value))).into();
        let mut deep = root();
        deep.attributes.push(Pair { key: "user.id".to_owned(), value }.encode_to_vec().into());
        let decoded = decode(Encoding::Protobuf, &body(&[deep.encode_to_vec().into()])).unwrap();
        assert_eq!((decoded.executions.len(), decoded.warnings.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn no_damage_breaks_the_decoder(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut body = body(&[root().encode_to_vec().into()]);
            for (place, byte) in damage {
                *place.get_mut(&mut body) = byte;
            }
            let _ = decode(Encoding::Protobuf, &body);
        }
    }
}
