//! What to do about a verdict: who can mend it, whether and when to try again, and what to tell the end user.

use crate::domain::outcome::{Category, Outcome};
use crate::domain::reading::Verdict;

/// What to do about a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Who can mend it; `None` for a success.
    pub category: Option<Category>,
    /// Whether the same request may work later.
    pub retryable: bool,
    /// The wait before that, in seconds: as asked for, else a sensible one.
    pub retry_after_s: Option<u64>,
    /// A sentence or two for an end user of the platform.
    pub user_message: String,
}

/// What to do about a verdict.
#[must_use]
pub fn advice(verdict: &Verdict) -> Advice {
    let wait = default_wait(verdict.outcome).map(|wait| verdict.retry_after_s.unwrap_or(wait));
    let sentence = sentence(verdict.outcome);
    Advice {
        category: category(verdict.outcome),
        retryable: wait.is_some(),
        retry_after_s: wait,
        user_message: wait.map_or_else(|| sentence.to_owned(), |wait| format!("{sentence} {}", when(wait))),
    }
}

fn category(outcome: Outcome) -> Option<Category> {
    match outcome {
        Outcome::Success => None,
        Outcome::NoBalance
        | Outcome::KeyLimit
        | Outcome::WorkspaceBudget
        | Outcome::TooLarge
        | Outcome::Moderated
        | Outcome::Unauthorized
        | Outcome::ForbiddenGuardrail
        | Outcome::ForbiddenPrivacy
        | Outcome::Forbidden
        | Outcome::InvalidRequest
        | Outcome::Cancelled => Some(Category::User),
        Outcome::ModelDeprecated
        | Outcome::ModelNotFound
        | Outcome::NoEndpoints
        | Outcome::FreeEnded
        | Outcome::ForbiddenRegion => Some(Category::Fatal),
        Outcome::RateLimitedAccount
        | Outcome::RateLimitedUpstream
        | Outcome::RateLimitedFreeTier
        | Outcome::InFlight
        | Outcome::ModelAway
        | Outcome::Timeout
        | Outcome::UpstreamError
        | Outcome::Overloaded
        | Outcome::StreamError
        | Outcome::BadOutput
        | Outcome::Unknown => Some(Category::Transient),
    }
}

/// Seconds to wait where nobody says how long; `None` where waiting does not help.
fn default_wait(outcome: Outcome) -> Option<u64> {
    match outcome {
        Outcome::BadOutput | Outcome::StreamError => Some(1),
        Outcome::InFlight | Outcome::Timeout | Outcome::UpstreamError => Some(5),
        Outcome::RateLimitedUpstream | Outcome::Overloaded => Some(20),
        Outcome::RateLimitedAccount | Outcome::Unknown => Some(30),
        // The free models' shorter limit is by the minute.
        Outcome::RateLimitedFreeTier | Outcome::ModelAway => Some(60),
        _ => None,
    }
}

fn sentence(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "All went well.",
        Outcome::RateLimitedAccount => "Too many requests were made in a short time.",
        Outcome::RateLimitedUpstream => "This model is very busy right now.",
        Outcome::RateLimitedFreeTier => "The free requests are used up for now.",
        Outcome::NoBalance => "The credit is used up. Please add credit to continue.",
        Outcome::KeyLimit => "The spending limit of this key is reached. Please raise it or wait until it starts anew.",
        Outcome::WorkspaceBudget => "The spending budget is used up. Please ask whoever manages it.",
        Outcome::TooLarge => "This request could cost more than the credit left. Please shorten it or add credit.",
        Outcome::InFlight => "Other requests are still running and hold the credit.",
        Outcome::ModelDeprecated => "This model has been withdrawn. Please choose another one.",
        Outcome::ModelNotFound => "This model does not exist. Please choose another one.",
        Outcome::NoEndpoints => "Nobody offers this model with these settings. Please choose another one.",
        Outcome::FreeEnded => "This model is no longer free. Please choose its paid version or another model.",
        Outcome::ModelAway => "This model is temporarily unavailable.",
        Outcome::Moderated => "This was held back for its content. Please rephrase the request.",
        Outcome::Unauthorized => "The access key was not accepted. Please check it.",
        Outcome::ForbiddenRegion => "This model is not available in your region. Please choose another one.",
        Outcome::ForbiddenGuardrail => "A safety rule of your workspace blocked this request. Please rephrase it.",
        Outcome::ForbiddenPrivacy => {
            "Your privacy settings exclude this model. Please choose another one or change them."
        }
        Outcome::Forbidden => "This is not permitted with the access at hand. Please ask whoever manages it.",
        Outcome::InvalidRequest => "The request could not be processed as it is. Please shorten or change it.",
        Outcome::Timeout => "The answer took too long.",
        Outcome::UpstreamError => "The model's provider has a problem.",
        Outcome::Overloaded => "The model's provider is overloaded.",
        Outcome::StreamError => "The answer broke off.",
        Outcome::Cancelled => "The request was cancelled.",
        Outcome::BadOutput => "The answer could not be used.",
        Outcome::Unknown => "Something went wrong.",
    }
}

fn when(wait_s: u64) -> String {
    match wait_s {
        ..=15 => "Please try again in a moment.".to_owned(),
        16..=90 => "Please try again in about a minute.".to_owned(),
        91..=5400 => format!("Please try again in about {} minutes.", wait_s.div_ceil(60)),
        5401..=129_600 => format!("Please try again in about {} hours.", wait_s.div_ceil(3600)),
        _ => format!("Please try again in about {} days.", wait_s.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::answer::verdict::bare;

    #[test]
    fn what_waiting_mends_is_retryable() {
        let check = |outcome: Outcome, category: Option<Category>, wait: Option<u64>| {
            let advice = advice(&bare(outcome));
            assert_eq!((advice.category, advice.retryable, advice.retry_after_s), (category, wait.is_some(), wait));
        };
        check(Outcome::Success, None, None);
        check(Outcome::NoBalance, Some(Category::User), None);
        check(Outcome::InFlight, Some(Category::Transient), Some(5));
        check(Outcome::ModelDeprecated, Some(Category::Fatal), None);
        check(Outcome::StreamError, Some(Category::Transient), Some(1));
    }

    #[test]
    fn a_category_agrees_with_the_advice_to_wait() {
        for &outcome in Outcome::ALL {
            let advice = advice(&bare(outcome));
            assert_eq!(advice.category == Some(Category::Transient), advice.retryable, "{outcome:?}");
            assert!(advice.user_message.ends_with('.'), "{outcome:?}");
        }
    }

    #[test]
    fn the_wait_asked_for_goes_before_the_default() {
        let check = |wait: u64, message: &str| {
            let verdict = Verdict { retry_after_s: Some(wait), ..bare(Outcome::RateLimitedFreeTier) };
            let advice = advice(&verdict);
            assert_eq!(advice.retry_after_s, Some(wait));
            assert_eq!(advice.user_message, format!("The free requests are used up for now. {message}"));
        };
        check(0, "Please try again in a moment.");
        check(40, "Please try again in about a minute.");
        check(600, "Please try again in about 10 minutes.");
        check(50_000, "Please try again in about 14 hours.");
        check(200_000, "Please try again in about 3 days.");

        let spent = Verdict { retry_after_s: Some(9), ..bare(Outcome::NoBalance) };
        assert_eq!(advice(&spent).retry_after_s, None);
    }
}
