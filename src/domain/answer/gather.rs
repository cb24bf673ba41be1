//! What the documents of an answer (one body, or a stream's events) say together.

use serde_json::Value;

use super::Hints;
use super::ending::Ending;
use super::fault::Fault;
use super::json::{gives, items, object, text};
use super::usage::Tally;
use super::verdict::{bare, of_fault, verdict_of_status};
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::reading::{Reading, Verdict};

/// Events that end a stream. (`….completed` alone does not: tool calls inside an answer have such events.)
const LAST_EVENTS: &[&str] = &[
    "message_stop",
    "response.completed",
    "response.incomplete",
    "response.done",
    "image_generation.completed",
    "image_edit.completed",
    "transcript.text.done",
    "speech.audio.done",
];
/// Events that are errors, whatever they hold.
const ERROR_EVENTS: &[&str] = &["error", "response.error", "response.failed"];
/// Where a message or a delta of one has what the model produced.
const PRODUCE: &[&str] = &[
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "images",
];
/// Where a body has it, as a text or a list: Messages, Responses, embeddings and images, rerank, transcriptions,
/// videos; and the events that end the streams of images and speech.
const ANSWERS: &[&str] = &["content", "output", "data", "results", "text", "unsigned_urls", "b64_json", "audio"];

/// The documents so far.
#[derive(Debug)]
pub(super) struct Gathered<'a> {
    hints: &'a Hints<'a>,
    reading: Reading,
    usage: Tally,
    ending: Ending,
    /// Whether the documents are a stream's events.
    streamed: bool,
    /// Whether the model produced anything.
    content: bool,
    /// Whether the stream was closed in order.
    closed: bool,
}

impl<'a> Gathered<'a> {
    /// Nothing so far.
    pub(super) fn new(hints: &'a Hints<'a>, streamed: bool) -> Self {
        let reading = Reading { provider: hints.provider, ..Reading::default() };
        let (usage, ending) = (Tally::default(), Ending::default());
        Self { hints, reading, usage, ending, streamed, content: false, closed: false }
    }

    /// Takes in a whole body, or an event of a stream with the name that its `event:` line gave.
    pub(super) fn absorb(&mut self, document: &Value, event: Option<&str>) {
        let event = text(document, "type").or(event).unwrap_or_default();
        // Events of Responses and Messages wrap the object that a whole body would be.
        let body = ["response", "message"].iter().find_map(|key| object(document, key)).unwrap_or(document);
        for usage in [document.get("usage"), body.get("usage")].into_iter().flatten() {
            self.usage.add(usage);
        }
        self.identity(document, body);
        self.content |= produces(document, body, event);
        self.ending.hear(document, body);
        self.closed |= LAST_EVENTS.contains(&event);
        let failed = ERROR_EVENTS.contains(&event) || self.hints.error_status().is_some();
        if let Some(fault) = Fault::find(document, body, failed) {
            self.fault(&fault);
        }
    }

    /// Closes the stream: `[DONE]`.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Takes in an error.
    pub(super) fn fault(&mut self, fault: &Fault) {
        self.mark(fault.is_openrouters(), fault.is_anthropics());
        let served = self.reading.served_by.is_some();
        let mut verdict = of_fault(fault, self.hints, self.reading.provider.unwrap_or_default(), served);
        verdict.outcome = self.broken_off(verdict.outcome);
        self.reading.verdict = Some(verdict);
        if !served {
            self.reading.served_by = fault.provider_name().map(str::to_owned);
        }
        if self.reading.model.is_none() {
            let model = fault.at("/metadata/model_slug").and_then(Value::as_str);
            self.reading.model = model.map(str::to_owned);
        }
    }

    /// What it all comes to.
    pub(super) fn read(mut self) -> Reading {
        self.reading.usage = self.usage.usage();
        if self.reading.verdict.is_none() {
            self.reading.verdict = self.ended();
        }
        self.reading
    }

    fn identity(&mut self, document: &Value, body: &Value) {
        let request = text(document, "request_id");
        let generation = text(body, "generation_id").or_else(|| text(body, "id"));
        let generation = generation.or(request.filter(|id| id.starts_with("gen-")));
        let reading = &mut self.reading;
        reading.generation = reading.generation.take().or_else(|| generation.map(str::to_owned));
        if let Some(model) = text(body, "model") {
            reading.model = Some(model.to_owned());
        }
        let provider = text(body, "provider").or_else(|| selected_provider(body));
        if let Some(name) = provider {
            reading.served_by = Some(name.to_owned());
        }
        let additions = ["user_id", "openrouter_metadata"].iter().any(|key| document.get(key).is_some());
        let named = generation.is_some_and(|id| id.starts_with("gen-"));
        let openrouters = additions || named || provider.is_some() || self.usage.is_openrouters();
        let anthropics = text(body, "type") == Some("message") || request.is_some_and(|id| id.starts_with("req_"));
        self.mark(openrouters, anthropics);
    }

    /// Concludes whose answer it is, unless that was hinted: OpenRouter's Messages skin looks like Anthropic's
    /// answers but for its additions, which may come late in a stream.
    fn mark(&mut self, openrouters: bool, anthropics: bool) {
        let told = &mut self.reading.provider;
        if self.hints.provider.is_none() && openrouters {
            *told = Some(Provider::Openrouter);
        } else if anthropics {
            *told = told.or(Some(Provider::Anthropic));
        }
    }

    /// How it ended where no error says so.
    fn ended(&self) -> Option<Verdict> {
        let provider = self.reading.provider.unwrap_or_default();
        if let Some(status) = self.hints.error_status() {
            return Some(verdict_of_status(status, provider));
        }
        let outcome = match self.ending {
            Ending::Said(outcome) => self.broken_off(outcome),
            // Nothing closed it: it broke off, or its last part was lost. Either way nobody can rely on it.
            _ if self.streamed && !self.closed => Outcome::StreamError,
            _ if self.content => Outcome::Success,
            // The model gave nothing and no reason, which OpenRouter does not charge either.
            _ if self.streamed || self.ending == Ending::Blank => Outcome::UpstreamError,
            Ending::Pending => return None,
            _ => return self.hints.status.map(|status| verdict_of_status(status, provider)),
        };
        Some(bare(outcome))
    }

    /// An error after the first content of a stream is a broken stream whatever its cause: that part was delivered, and
    /// nobody could fall back any more. But a moderated output and a client that left remain what they are.
    fn broken_off(&self, outcome: Outcome) -> Outcome {
        let own = matches!(outcome, Outcome::Success | Outcome::Moderated | Outcome::Cancelled);
        if self.streamed && self.content && !own { Outcome::StreamError } else { outcome }
    }
}

/// Whether the model produced anything in a document.
fn produces(document: &Value, body: &Value, event: &str) -> bool {
    let choices = items(document, "choices").iter();
    let messages = choices.clone().flat_map(|choice| ["message", "delta"].map(|key| choice.get(key))).flatten();
    let made = messages.flat_map(|message| PRODUCE.iter().filter_map(|key| message.get(key)));
    let made = made.chain(choices.filter_map(|choice| choice.get("text")));
    // The `text` of a Responses object is its configuration.
    let answers = ANSWERS.iter().filter_map(|key| body.get(key)).filter(|answer| !answer.is_object());
    let delta = document.get("delta").filter(|_| event.ends_with("delta"));
    made.chain(answers).chain(delta).any(gives)
}

/// Who served it, by the routing metadata that a request can ask for.
fn selected_provider(body: &Value) -> Option<&str> {
    let endpoints = items(body.pointer("/openrouter_metadata/endpoints")?, "available");
    let selected = |endpoint: &&Value| endpoint.get("selected").and_then(Value::as_bool).unwrap_or(false);
    endpoints.iter().find(selected).and_then(|endpoint| text(endpoint, "provider"))
}
