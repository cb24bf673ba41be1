//! How error tables are written: what a machine word means, and what a phrase means under a status.

use crate::domain::outcome::Outcome;

/// What a machine word (`limit_source`, `error_type`, `availability.code` …) tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// Exactly how it ended.
    Is(Outcome),
    /// As much as this HTTP status: the text may say more.
    Status(u16),
    /// A catch-all that many things are mapped to, to be believed only where no status is given.
    Guess(u16),
}

impl Meaning {
    /// The outcome, if it is exact.
    pub(super) fn outcome(self) -> Option<Outcome> {
        if let Self::Is(outcome) = self { Some(outcome) } else { None }
    }

    /// The status, if it is as good as one.
    pub(super) fn status(self) -> Option<u16> {
        if let Self::Status(status) = self { Some(status) } else { None }
    }

    /// The status, if it is a catch-all.
    pub(super) fn guess(self) -> Option<u16> {
        if let Self::Guess(status) = self { Some(status) } else { None }
    }
}

/// A machine word and its meaning.
pub(super) type Word = (&'static str, Meaning);

/// Under one of these statuses (or none), a text with all of these parts (in lower case) means that outcome.
pub(super) type Phrase = (&'static [u16], &'static [&'static str], Outcome);

/// The meaning of a word, in any case.
pub(super) fn of_word(tables: &[&[Word]], word: &str) -> Option<Meaning> {
    let mut words = tables.iter().copied().flatten();
    words.find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// The meaning of the first phrase that the text, in lower case, has.
pub(super) fn of_text(tables: &[&[Phrase]], status: Option<u16>, text: &str) -> Option<Outcome> {
    let mut phrases = tables.iter().copied().flatten();
    let applies = |(statuses, parts, _): &&Phrase| {
        status.is_none_or(|status| statuses.contains(&status)) && parts.iter().all(|part| text.contains(part))
    };
    phrases.find(applies).map(|(_, _, outcome)| *outcome)
}
