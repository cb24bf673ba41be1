//! How an answer ended by its own account: finish reasons and statuses.

use std::cmp::max;

use serde_json::Value;

use super::json::{items, text};
use crate::domain::outcome::Outcome;

/// What the documents so far say, in rising order: what says more replaces what says less, and of many choices one
/// that failed counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// Nothing.
    #[default]
    Unsaid,
    /// That it has not ended.
    Pending,
    /// There are choices, none of them with a finish reason.
    Blank,
    /// That it ended so.
    Said(Outcome),
}

impl Ending {
    /// Takes in what a document and the body in it say.
    pub(super) fn hear(&mut self, document: &Value, body: &Value) {
        if document.get("choices").is_some() {
            self.note(Self::Blank);
        }
        let finishes = items(document, "choices").iter().filter_map(|choice| text(choice, "finish_reason"));
        let delta = document.get("delta").and_then(|delta| text(delta, "stop_reason"));
        for reason in finishes.chain(text(body, "stop_reason")).chain(delta) {
            self.note(Self::Said(of_reason(reason)));
        }
        self.note(text(body, "status").map_or(Self::Unsaid, |status| of_status(status, body)));
    }

    fn note(&mut self, new: Self) {
        *self = max(*self, new);
    }
}

/// What a finish or stop reason tells. A filtered answer is `moderated` though its HTTP status is 200: the output was
/// flagged and withheld, wholly or from there on. An answer cut by its length is what was asked for.
fn of_reason(reason: &str) -> Outcome {
    match reason.to_ascii_lowercase().as_str() {
        "content_filter" | "refusal" | "safety" | "prohibited_content" | "blocklist" => Outcome::Moderated,
        "error" => Outcome::UpstreamError,
        "abort" | "cancelled" | "canceled" => Outcome::Cancelled,
        _ => Outcome::Success,
    }
}

/// What the status of a Responses object or of a video job tells.
fn of_status(status: &str, body: &Value) -> Ending {
    let outcome = match status {
        "queued" | "pending" | "in_progress" => return Ending::Pending,
        "completed" => Outcome::Success,
        "incomplete" => {
            let reason = body.get("incomplete_details").and_then(|details| text(details, "reason"));
            reason.map_or(Outcome::Success, of_reason)
        }
        "failed" => Outcome::UpstreamError,
        "cancelled" | "canceled" => Outcome::Cancelled,
        "expired" => Outcome::Timeout,
        _ => return Ending::Unsaid,
    };
    Ending::Said(outcome)
}
