//! A span as both encodings give it, and the batch of them that a body holds.

use serde_json::Value;

use super::attributes::Attributes;

/// What is read of a span.
#[derive(Debug, Default)]
pub(super) struct Span {
    /// In lower-case hex.
    pub(super) trace: String,
    /// In lower-case hex.
    pub(super) id: String,
    /// In lower-case hex; empty without a parent.
    pub(super) parent: String,
    pub(super) name: String,
    /// Nanoseconds since 1970; 0 if not given.
    pub(super) start: i64,
    /// Nanoseconds since 1970; 0 if not given.
    pub(super) end: i64,
    /// Whether the status is an error.
    pub(super) failed: bool,
    /// The status in words.
    pub(super) message: String,
    /// Its own, its exception's, and its resource's where it has none of that name.
    pub(super) attributes: Attributes,
}

/// The spans of a body, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) spans: Vec<Span>,
    pub(super) rejected: Vec<(String, String)>,
    pub(super) warnings: Vec<(String, String)>,
}

impl Batch {
    /// The attributes that all spans of one resource share.
    pub(super) fn shared(&mut self, place: &str, pairs: impl IntoIterator<Item = Pair>) -> Attributes {
        let mut shared = Attributes::default();
        let warnings = collect(&mut shared, pairs);
        self.warnings.extend(warnings.into_iter().map(|reason| (place.to_owned(), reason)));
        shared
    }

    /// Takes a span and what could not be read of it, or notes at which place there is none and why.
    pub(super) fn take(&mut self, span: Result<(Span, Vec<String>), String>, place: impl FnOnce() -> String) {
        match span {
            Ok((span, warnings)) => {
                self.warnings.extend(warnings.into_iter().map(|reason| (span.id.clone(), reason)));
                self.spans.push(span);
            }
            Err(reason) => self.rejected.push((place(), reason)),
        }
    }
}

/// An attribute: `None` if its name is not read, or why it cannot be.
pub(super) type Pair = Result<Option<(String, Value)>, String>;

/// Adds pairs to attributes and gives back why some could not be.
pub(super) fn collect(attributes: &mut Attributes, pairs: impl IntoIterator<Item = Pair>) -> Vec<String> {
    let add = |pair: Pair| pair?.map_or(Ok(()), |(key, value)| attributes.insert(&key, value));
    pairs.into_iter().map(add).filter_map(Result::err).collect()
}
