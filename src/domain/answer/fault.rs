//! One error as a body, an event or a choice carries it, and the upstream error that may be inside it.

use serde_json::Value;

use super::anthropic;
use super::json::{count, gives, head, items, object, text};
use super::meaning::of_word;

/// How much of a text is looked at: errors are short, and what is long is a prompt that they repeat.
const LONGEST: usize = 4096;
/// Upstream errors quoted as JSON are not read beyond this size.
const LONGEST_RAW: usize = 65_536;
/// Where machine words stand, the most telling first.
const WORDS: &[&str] = &[
    "/metadata/reason",
    "/metadata/limit_source",
    "/availability/code",
    "/details/error_code",
    "/innererror/code",
    "/error_type",
    "/metadata/error_type",
    "/code",
    "/type",
    "/status",
    "/name",
];
/// Where statuses stand: some errors have `http_status` in place of `code`.
const STATUSES: &[&str] = &["/code", "/http_status", "/status", "/status_code"];
/// What says that a message is but a wrapping.
const WRAPPING: &str = "provider returned error";

/// An error: its object (or its text alone), and the document and body it came in.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    error: &'a Value,
    around: [&'a Value; 2],
    inner: Option<Value>,
}

impl<'a> Fault<'a> {
    /// The error of a document: under `error`, in a choice, in a list, or the document itself if it looks like one.
    /// `failed` says that the status or the event already calls it an error.
    pub(super) fn find(document: &'a Value, body: &'a Value, failed: bool) -> Option<Self> {
        let holders = [document, body].into_iter().chain(items(document, "choices"));
        let errors = holders.filter_map(|holder| holder.get("error")).chain(items(document, "errors"));
        let itself = Some(document).filter(|document| is_error(document, failed));
        let error = errors.chain(itself).find(|error| gives(error))?;
        Some(Self { error, around: [document, body], inner: inner(error) })
    }

    /// A bare text.
    pub(super) fn said(text: &'a Value) -> Self {
        Self { error: text, around: [text, text], inner: None }
    }

    /// The machine words of the error itself, the most telling first.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        words(self.error).chain(self.around.iter().filter_map(|value| text(value, "error_type")))
    }

    /// The machine words of the upstream error.
    pub(super) fn inner_words(&self) -> impl Iterator<Item = &str> {
        let provider_code = self.error.pointer("/metadata/provider_code").and_then(Value::as_str);
        provider_code.into_iter().chain(self.inner.iter().flat_map(words))
    }

    /// The HTTP status that the error itself gives.
    pub(super) fn status(&self) -> Option<u16> {
        status(self.error)
    }

    /// The HTTP status that the upstream error gives.
    pub(super) fn inner_status(&self) -> Option<u16> {
        self.inner.as_ref().and_then(status)
    }

    /// All that it says, words included (an unknown word still has parts that tell), in lower case.
    pub(super) fn text(&self) -> String {
        let messages = [message(self.error), self.raw(), self.inner.as_ref().and_then(message)];
        let said = messages.into_iter().flatten().chain(self.words()).chain(self.inner_words());
        said.map(|part| head(part, LONGEST).to_lowercase()).collect::<Vec<_>>().join("\n")
    }

    /// The message for people: the upstream one where the outer one is but a wrapping.
    pub(super) fn message(&self) -> Option<&str> {
        let inner = || self.inner.as_ref().and_then(message).or_else(|| self.raw());
        let outer = message(self.error);
        if is_wrapping(self.error) { inner().or(outer) } else { outer }
    }

    /// Who failed, by name.
    pub(super) fn provider_name(&self) -> Option<&str> {
        self.error.get("metadata").and_then(|metadata| text(metadata, "provider_name"))
    }

    /// A field of the error.
    pub(super) fn at(&self, place: &str) -> Option<&Value> {
        self.error.pointer(place)
    }

    /// Whether the input was flagged by moderation.
    pub(super) fn is_moderation(&self) -> bool {
        ["/metadata/reasons", "/metadata/flagged_input"].iter().any(|place| self.at(place).is_some_and(gives))
    }

    /// Whether a guardrail matched: it names its patterns, or the routing metadata names it.
    pub(super) fn is_guardrail(&self) -> bool {
        let routing = self.around.iter().filter_map(|value| value.get("openrouter_metadata"));
        let mut stages = routing.flat_map(|routing| items(routing, "pipeline"));
        let blocks = |stage: &Value| {
            text(stage, "type") == Some("guardrail")
                && stage.pointer("/data/action").is_some_and(|action| action == "blocked")
        };
        self.at("/metadata/patterns").is_some_and(gives) || stages.any(blocks)
    }

    /// Whether it speaks of a provider behind OpenRouter. Rate-limit headers accompany its own limits only.
    pub(super) fn is_upstream(&self) -> bool {
        let places = ["/metadata/provider_code", "/metadata/raw", "/metadata/previous_errors"];
        let quotes = places.iter().any(|place| self.at(place).is_some_and(gives));
        let names = self.provider_name().is_some() || self.at("/metadata/is_byok").is_some();
        (quotes || names) && self.at("/metadata/headers").is_none()
    }

    /// Whether it has what only OpenRouter puts into errors.
    pub(super) fn is_openrouters(&self) -> bool {
        let marks = ["/metadata", "/availability", "/error_type", "/http_status"];
        marks.iter().any(|mark| self.at(mark).is_some()) || self.at("/code").is_some_and(Value::is_number)
    }

    /// Whether it is Anthropic's: by its `type`, which `OpenAI` has too, but never without a `code`.
    pub(super) fn is_anthropics(&self) -> bool {
        let kind = text(self.error, "type").and_then(|kind| of_word(&[anthropic::WORDS], kind));
        kind.is_some() && self.at("/code").is_none()
    }

    fn raw(&self) -> Option<&str> {
        self.error.get("metadata").and_then(|metadata| text(metadata, "raw"))
    }
}

/// Whether an object without an `error` is one: an error event, an error object alone or, if it is known to have
/// failed, whatever has a message.
fn is_error(document: &Value, failed: bool) -> bool {
    let marks = ["code", "type", "error_type", "http_status", "metadata", "availability"];
    let said = message(document).is_some();
    said && (failed || marks.iter().any(|mark| document.get(mark).is_some()))
}

fn message(error: &Value) -> Option<&str> {
    let said = error.as_str().map(str::trim).filter(|said| !said.is_empty());
    said.or_else(|| ["message", "detail", "msg", "error"].iter().find_map(|key| text(error, key)))
}

fn is_wrapping(error: &Value) -> bool {
    message(error).is_none_or(|message| message.to_lowercase().contains(WRAPPING))
}

fn words(error: &Value) -> impl Iterator<Item = &str> {
    let retryable = error.pointer("/availability/retryable").and_then(Value::as_bool).unwrap_or(false);
    let said = WORDS.iter().filter_map(|place| error.pointer(place).and_then(Value::as_str));
    // New availability codes come without notice; `retryable` holds for them too.
    said.chain(retryable.then_some("temporarily_unavailable"))
}

fn status(error: &Value) -> Option<u16> {
    let statuses = STATUSES.iter().filter_map(|place| error.pointer(place).and_then(count));
    statuses.filter_map(|status| u16::try_from(status).ok()).find(|status| (400..600).contains(status))
}

/// The upstream error behind a wrapping: quoted as JSON in `metadata.raw`, else the last attempt's.
fn inner(error: &Value) -> Option<Value> {
    let metadata = error.get("metadata")?;
    let raw = match metadata.get("raw") {
        Some(Value::String(raw)) if raw.len() <= LONGEST_RAW => {
            serde_json::from_str(raw.trim().trim_start_matches("data:")).ok()
        }
        Some(Value::Object(_)) => metadata.get("raw").cloned(),
        _ => None,
    };
    let raw = raw.map(|raw| raw.get(0).cloned().unwrap_or(raw)).filter(Value::is_object);
    let raw = raw.map(|raw| object(&raw, "error").cloned().unwrap_or(raw));
    let attempt = || items(metadata, "previous_errors").last().filter(|_| is_wrapping(error)).cloned();
    raw.or_else(attempt)
}
