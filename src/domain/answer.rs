//! Reads any answer of a provider: a JSON body, an error, a raw event stream, or whatever came instead of one.
//!
//! Structure decides first (`limit_source`, `error_type`, `availability.code`), then the status, then the text. Nothing
//! here fails: what nobody understands is `Unknown`.

mod advice;
mod anthropic;
mod ending;
mod fault;
mod gather;
mod json;
mod loose;
mod meaning;
mod openrouter;
mod retry;
mod stream;
mod upstream;
mod usage;
mod verdict;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use self::advice::{Advice, advice};
use self::fault::Fault;
use self::gather::Gathered;
use self::json::head;
use self::loose::{object_within, status_within};
use self::usage::Tally;
pub use self::verdict::verdict_of_status;
use super::provider::Provider;
use super::reading::{Reading, Usage};

/// How much of a text that is no JSON is looked at.
const LONGEST_TEXT: usize = 4096;
/// Where in half a body its first field stands.
const LONGEST_PREFIX: usize = 64;

/// What is known beside the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Whose API was called.
    pub provider: Option<Provider>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The HTTP headers, as far as they are known; names in any case.
    pub headers: &'a [(String, String)],
    /// When the answer came: for waits that are given as a time.
    pub now: Option<DateTime<Utc>>,
}

impl Hints<'_> {
    /// The status, if it is one of an error.
    fn error_status(&self) -> Option<u16> {
        self.status.filter(|status| (400..600).contains(status))
    }
}

/// Reads an answer: a JSON body, an error's body or the error object alone, an event stream, or another text.
#[must_use]
pub fn read(input: &str, hints: &Hints) -> Reading {
    let input = input.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str(input) {
        Ok(value) => read_json(&value, hints),
        Err(_) => stream::read(input, hints).unwrap_or_else(|| read_text(input, hints)),
    }
}

/// Reads a usage object alone, of any skin.
///
/// # Errors
/// When it is no JSON object.
pub fn read_usage(usage: &str) -> Result<Usage, String> {
    if let Some(plain) = usage::plain(usage) {
        return Ok(plain);
    }
    let value: Value = serde_json::from_str(usage).map_err(|error| error.to_string())?;
    if !value.is_object() {
        return Err("it is not an object".to_owned());
    }
    let mut tally = Tally::default();
    tally.add(&value);
    Ok(tally.usage())
}

/// Reads an answer that is JSON already.
#[must_use]
pub fn read_json(value: &Value, hints: &Hints) -> Reading {
    let mut gathered = Gathered::new(hints, false);
    match value {
        Value::Object(_) => gathered.absorb(value, None),
        Value::Array(documents) => documents.iter().for_each(|document| gathered.absorb(document, None)),
        Value::String(text) => return stream::read(text, hints).unwrap_or_else(|| read_text(text, hints)),
        _ => {}
    }
    gathered.read()
}

/// Reads what is neither JSON nor an event stream: a page of some proxy, a line of a log, half a body.
fn read_text(text: &str, hints: &Hints) -> Reading {
    let page = loose::page(text);
    if let Some((before, value)) = object_within(text).filter(|_| page.is_none()) {
        let status = hints.status.or_else(|| loose::announced_status(before));
        let headers = [hints.headers, &loose::waits(before)].concat();
        return read_json(&value, &Hints { status, headers: &headers, ..*hints });
    }
    let said = page.as_deref().unwrap_or(text);
    let status = hints.status.or_else(|| match &page {
        Some(page) => page.lines().find_map(status_within),
        None => status_within(text),
    });
    let hints = Hints { status, ..*hints };
    let mut gathered = Gathered::new(&hints, false);
    if !text.is_empty() {
        // Half a body may hold what the model wrote, which must not be taken for an error.
        let is_half = text.starts_with(['{', '[']) && !head(text, LONGEST_PREFIX).contains("\"error\"");
        let said = if is_half { Value::Null } else { head(said, LONGEST_TEXT).into() };
        gathered.fault(&Fault::said(&said));
    }
    gathered.read()
}
