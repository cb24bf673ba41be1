//! One error as a body, an event or a choice carries it, and the upstream error that may be inside it.

use serde_json::Value;

use super::json::{count, gives, head, items, object, text};
use super::loose::object_within;
use super::meaning::of_word;
use super::{anthropic, verdict};

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
    "/metadata/failed_routing_step",
    "/code",
    "/type",
    "/status",
    "/name",
];
/// Where statuses stand: some errors have `http_status` in place of `code`.
const STATUSES: &[&str] = &["/code", "/http_status", "/status", "/status_code", "/statusCode"];
/// What says why, whether or not there is a message.
const REASONS: &[&str] = &["/metadata/reason", "/metadata/limit_source", "/availability/code"];
/// Where the provider's own word for it stands.
const PROVIDER_WORDS: &[&str] = &["/metadata/provider_code", "/metadata/provider_error_code"];
/// So deep is an error looked for in errors: clients wrap a body once more.
const WRAPS_MAX: usize = 3;
/// What says that a message is but a wrapping.
const WRAPPING: &str = "provider returned error";

/// An error: its object (or its text alone), and the document and body it came in.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    error: &'a Value,
    /// The error's, or that beside it: the skins of Responses and Messages have it there.
    metadata: Option<&'a Value>,
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
        let error = unwrapped(errors.chain(itself).find(|error| gives(error))?);
        // A whole answer of the Responses skin has the caller's own.
        let beside = || document.get("metadata").filter(|_| document.get("object").is_none());
        let own = error.get("metadata").filter(|metadata| metadata.is_object());
        let metadata = own.or_else(beside).filter(|metadata| metadata.is_object());
        Some(Self { error, metadata, around: [document, body], inner: metadata.and_then(|found| inner(error, found)) })
    }

    /// A bare text.
    pub(super) fn said(text: &'a Value) -> Self {
        Self { error: text, metadata: None, around: [text, text], inner: None }
    }

    /// The machine words of the error itself, the most telling first.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        words(|place| self.at(place)).chain(self.around.iter().filter_map(|value| text(value, "error_type")))
    }

    /// The machine words of the upstream error.
    pub(super) fn inner_words(&self) -> impl Iterator<Item = &str> {
        let provider = PROVIDER_WORDS.iter().filter_map(|place| self.at(place)?.as_str());
        provider.chain(self.inner.iter().flat_map(|inner| words(|place| inner.pointer(place))))
    }

    /// The HTTP status that the error itself gives, or what it came in.
    pub(super) fn status(&self) -> Option<u16> {
        status(self.error).or_else(|| status(self.around[0]))
    }

    /// The HTTP status that the upstream error gives.
    pub(super) fn inner_status(&self) -> Option<u16> {
        self.inner.as_ref().and_then(status)
    }

    /// All that it says, words included (an unknown word still has parts that tell), in lower case.
    pub(super) fn text(&self) -> String {
        let messages = [message(self.error), self.raw(), self.inner.as_ref().and_then(message)];
        let ineligible = self.metadata.map_or(&[][..], |metadata| items(metadata, "ineligibility_reasons"));
        let ineligible = ineligible.iter().filter_map(|endpoint| text(endpoint, "reason"));
        let said = messages.into_iter().flatten().chain(self.words()).chain(self.inner_words()).chain(ineligible);
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
        text(self.metadata?, "provider_name")
    }

    /// A field of the error.
    pub(super) fn at(&self, place: &str) -> Option<&Value> {
        match place.strip_prefix("/metadata") {
            Some(within) => self.metadata?.pointer(within),
            None => self.error.pointer(place),
        }
    }

    /// The upstream error.
    pub(super) fn inner(&self) -> Option<&Value> {
        self.inner.as_ref()
    }

    /// Whether it quotes a provider that OpenRouter pays from its own purse.
    pub(super) fn is_at_openrouters_expense(&self) -> bool {
        let theirs = self.at("/metadata/is_byok").is_some_and(|own_key| *own_key == Value::Bool(false));
        theirs && is_wrapping(self.error) && self.at("/metadata/raw").is_some_and(gives)
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
        let places = PROVIDER_WORDS.iter().chain(&["/metadata/raw", "/metadata/previous_errors"]);
        let quotes = places.into_iter().any(|place| self.at(place).is_some_and(gives));
        let names = self.provider_name().is_some() || self.at("/metadata/is_byok").is_some();
        let headers = self.at("/metadata/headers").and_then(Value::as_object);
        let is_limit = |name: &String| name.to_ascii_lowercase().starts_with("x-ratelimit");
        (quotes || names) && !headers.is_some_and(|headers| headers.keys().any(is_limit))
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
        text(self.metadata?, "raw")
    }
}

/// The error that clients wrapped in others.
fn unwrapped(error: &Value) -> &Value {
    fn deeper(outer: &Value) -> Option<&Value> {
        let says_nothing = message(outer).is_none() && status(outer).is_none() && outer.get("metadata").is_none();
        object(outer, "error").filter(|_| says_nothing)
    }
    std::iter::successors(Some(error), |outer| deeper(outer)).take(WRAPS_MAX).last().unwrap_or(error)
}

/// Whether an object without an `error` is one: an error event, an error object alone or, if it is known to have
/// failed, whatever has a message. Events of other names are none, whatever they say.
fn is_error(document: &Value, failed: bool) -> bool {
    let has = |marks: &[&str]| marks.iter().any(|mark| document.pointer(mark).is_some_and(|mark| !mark.is_null()));
    if message(document).is_none() {
        return has(REASONS) && !has(&["/object", "/choices"]);
    }
    let kind = text(document, "type");
    let is_event = kind.is_some_and(|kind| kind.contains('.') && !names_error(kind));
    let marked = has(&["/code", "/error_type", "/metadata", "/availability"]) || status(document).is_some();
    failed || !is_event && (marked || kind.is_some_and(names_error))
}

fn names_error(kind: &str) -> bool {
    let lower = kind.to_lowercase();
    ["error", "exception", "failed"].iter().any(|part| lower.contains(part)) || of_word(verdict::WORDS, kind).is_some()
}

fn message(error: &Value) -> Option<&str> {
    let said = error.as_str().map(str::trim).filter(|said| !said.is_empty());
    said.or_else(|| ["message", "detail", "msg", "error"].iter().find_map(|key| text(error, key)))
}

fn is_wrapping(error: &Value) -> bool {
    message(error).is_none_or(|message| message.to_lowercase().contains(WRAPPING))
}

fn words<'v>(at: impl Fn(&str) -> Option<&'v Value>) -> impl Iterator<Item = &'v str> {
    let retryable = at("/availability/retryable").and_then(Value::as_bool).unwrap_or(false);
    let said: Vec<&str> = WORDS.iter().filter_map(|place| at(place)?.as_str()).collect();
    // New availability codes come without notice; `retryable` holds for them too.
    said.into_iter().chain(retryable.then_some("temporarily_unavailable"))
}

fn status(error: &Value) -> Option<u16> {
    let statuses = STATUSES.iter().filter_map(|place| error.pointer(place).and_then(count));
    statuses.filter_map(|status| u16::try_from(status).ok()).find(|status| (400..600).contains(status))
}

/// The upstream error behind a wrapping: quoted as JSON in `metadata.raw`, else the last attempt's.
fn inner(error: &Value, metadata: &Value) -> Option<Value> {
    let raw = match metadata.get("raw") {
        Some(Value::String(raw)) if raw.len() <= LONGEST_RAW => quoted(raw),
        Some(Value::Object(_)) => metadata.get("raw").cloned(),
        _ => None,
    };
    let raw = raw.map(|raw| raw.get(0).cloned().unwrap_or(raw)).filter(Value::is_object);
    let raw = raw.map(|raw| unwrapped(object(&raw, "error").unwrap_or(&raw)).clone());
    let attempt = || items(metadata, "previous_errors").last().filter(|_| is_wrapping(error)).cloned();
    raw.or_else(attempt)
}

/// JSON in a text: all of it, quoted once more, or behind words or the fields of an event stream.
fn quoted(raw: &str) -> Option<Value> {
    match serde_json::from_str(raw.trim()) {
        Ok(Value::String(again)) => serde_json::from_str(&again).ok(),
        Ok(value) => Some(value),
        Err(_) => object_within(raw).map(|(_, object)| object),
    }
}
