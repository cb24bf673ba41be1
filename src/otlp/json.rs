//! OTLP/HTTP JSON: strict about shape span by span, lenient in notation. A value whose name is not read is stepped
//! over where it stands in the body and never copied.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::attributes::{self, Attributes};
use super::span::{self, Batch, Span, collect};
use super::{Malformed, keys};
use crate::domain::money::decimal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, alias = "scope_spans", alias = "instrumentationLibrarySpans")]
    scope_spans: Option<Vec<ScopeSpans<'a>>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: List<'a>,
}

#[derive(Deserialize)]
struct ScopeSpans<'a> {
    #[serde(borrow)]
    spans: List<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan<'a> {
    #[serde(alias = "trace_id")]
    trace_id: Option<String>,
    #[serde(alias = "span_id")]
    span_id: Option<String>,
    #[serde(alias = "parent_span_id")]
    parent_span_id: Option<String>,
    name: Option<String>,
    #[serde(borrow, alias = "start_time_unix_nano")]
    start_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, alias = "end_time_unix_nano")]
    end_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: List<'a>,
    #[serde(borrow)]
    events: List<'a>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    name: Option<String>,
    #[serde(borrow)]
    attributes: List<'a>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    message: Option<String>,
}

/// A list whose elements are looked at one by one.
type List<'a> = Option<Vec<&'a RawValue>>;

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// Reads a body, or several one after another (a line each, as collectors write files). An empty one holds nothing.
pub(super) fn read(body: &str) -> Result<Batch, Malformed> {
    let body = body.trim_start_matches('\u{feff}');
    let mut batch = Batch::default();
    for export in serde_json::Deserializer::from_str(body).into_iter::<BTreeMap<String, &RawValue>>() {
        let export = export.map_err(|error| {
            Malformed(format!(
                "the body is not a JSON object ({error}); send OTLP JSON, or protobuf as application/x-protobuf"
            ))
        })?;
        let elements = match export.get("resourceSpans").or_else(|| export.get("resource_spans")) {
            Some(list) => serde_json::from_str::<List>(list.get()).map_err(|error| {
                Malformed(format!("\"resourceSpans\" cannot be read ({error}); send a list, as OTLP JSON has it"))
            })?,
            None if export.is_empty() => None,
            None => {
                return Err(Malformed(
                    "the body has no \"resourceSpans\"; send OTLP traces, not metrics, logs or another format"
                        .to_owned(),
                ));
            }
        };
        for (index, element) in elements.into_iter().flatten().enumerate() {
            read_element(element, &format!("resourceSpans[{index}]"), &mut batch);
        }
    }
    Ok(batch)
}

fn read_element(element: &RawValue, place: &str, batch: &mut Batch) {
    let element = match serde_json::from_str::<ResourceSpans>(element.get()) {
        Ok(element) => element,
        Err(error) => return batch.rejected.push((place.to_owned(), error.to_string())),
    };
    let shared = batch.shared(place, pairs(element.resource.and_then(|resource| resource.attributes)));
    for (scope, spans) in element.scope_spans.into_iter().flatten().enumerate() {
        for (index, span) in spans.spans.into_iter().flatten().enumerate() {
            batch.take(read_span(span, &shared), || format!("{place}.scopeSpans[{scope}].spans[{index}]"));
        }
    }
}

/// The span, and what could not be read of it.
fn read_span(raw: &RawValue, shared: &Attributes) -> Result<(Span, Vec<String>), String> {
    let raw = serde_json::from_str::<JsonSpan>(raw.get()).map_err(|error| error.to_string())?;
    let events = raw.events.into_iter().flatten().filter_map(|event| serde_json::from_str::<Event>(event.get()).ok());
    let exceptions = events.filter(|event| event.name.as_deref() == Some("exception"));
    let all = exceptions.flat_map(|event| pairs(event.attributes)).chain(pairs(raw.attributes));
    let mut attributes = shared.clone();
    let warnings = collect(&mut attributes, all);
    let (code, message) = raw.status.map_or((None, None), |status| (status.code, status.message));
    let span = Span {
        trace: id(raw.trace_id),
        id: id(raw.span_id),
        parent: id(raw.parent_span_id),
        name: raw.name.unwrap_or_default(),
        start: nanos(raw.start_time_unix_nano, "startTimeUnixNano")?,
        end: nanos(raw.end_time_unix_nano, "endTimeUnixNano")?,
        failed: code.is_some_and(|code| matches!(unquoted(code), "2" | "STATUS_CODE_ERROR" | "ERROR")),
        message: message.unwrap_or_default(),
        attributes,
    };
    Ok((span, warnings))
}

/// The pairs whose names are read; of the others not even the shape matters.
fn pairs(pairs: List<'_>) -> impl Iterator<Item = span::Pair> + use<'_> {
    pairs.into_iter().flatten().map(|raw| {
        let pair = serde_json::from_str::<Pair>(raw.get()).map_err(|error| format!("an attribute: {error}"))?;
        let Some(value) = pair.value.filter(|_| keys::wanted(&pair.key)) else { return Ok(None) };
        let value = serde_json::from_str(value.get()).map_err(|error| error.to_string()).and_then(plain);
        let value = value.map_err(|reason| format!("{}: {reason}", pair.key))?;
        Ok(Some((pair.key.into_owned(), value)))
    })
}

/// The value within an `AnyValue`; a bare one is taken as it is.
fn plain(any: Value) -> Result<Value, String> {
    let Value::Object(kinds) = any else { return Ok(any) };
    let Some((kind, value)) = kinds.into_iter().find(|(_, value)| !value.is_null()) else { return Ok(Value::Null) };
    match (kind.as_str(), value) {
        ("stringValue" | "string_value" | "bytesValue" | "bytes_value", text @ Value::String(_)) => Ok(text),
        ("boolValue" | "bool_value", flag @ Value::Bool(_)) => Ok(flag),
        ("intValue" | "int_value", value) => {
            whole(&value).map(Value::from).ok_or(format!("{kind} {value} is no integer"))
        }
        ("doubleValue" | "double_value", value) => double(value),
        ("arrayValue" | "array_value", list) => members(list)?.map(plain).collect::<Result<_, _>>().map(Value::Array),
        ("kvlistValue" | "kvlist_value", list) => {
            members(list)?.map(member).collect::<Result<_, _>>().map(Value::Object)
        }
        (_, value) => Err(format!("{kind} {value:.20} is no value")),
    }
}

/// The `values` of a list.
fn members(mut list: Value) -> Result<impl Iterator<Item = Value>, String> {
    match list.get_mut("values").map(Value::take) {
        Some(Value::Array(values)) => Ok(values.into_iter()),
        None | Some(Value::Null) if list.is_object() => Ok(Vec::new().into_iter()),
        _ => Err("a list without values".to_owned()),
    }
}

fn member(mut pair: Value) -> Result<(String, Value), String> {
    let value = pair.get_mut("value").map(Value::take).unwrap_or_default();
    let key = pair.get("key").and_then(Value::as_str).ok_or("a pair without a key")?;
    Ok((key.to_owned(), plain(value)?))
}

/// An `int64`: OTLP writes a string, OpenRouter a number.
fn whole(value: &Value) -> Option<i64> {
    let number = attributes::text(value).and_then(|text| decimal(&text)).filter(|number| number.fract().is_zero())?;
    number.to_i64()
}

/// A `double`: a number, or a text. What is no finite number says nothing.
fn double(value: Value) -> Result<Value, String> {
    match &value {
        Value::Number(_) => Ok(value),
        Value::String(text) if decimal(text).is_some() => Ok(value),
        Value::String(text) if text.parse::<f64>().is_ok() => Ok(Value::Null),
        _ => Err(format!("doubleValue {value:.20} is no number")),
    }
}

/// Nanoseconds since 1970, as a text or a number.
fn nanos(raw: Option<&RawValue>, field: &str) -> Result<i64, String> {
    let Some(text) = raw.map(unquoted).filter(|text| !matches!(*text, "" | "null")) else { return Ok(0) };
    let nanos = decimal(text).and_then(|number| number.to_i64()).filter(|nanos| *nanos >= 0);
    nanos.ok_or_else(|| format!("{field} {text:.40} is no time in nanoseconds"))
}

fn unquoted(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

/// Hex in lower case; what is no hex stays as it is.
fn id(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) { text.to_ascii_lowercase() } else { text }
}
