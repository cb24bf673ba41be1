//! What one key, and the account of a management key, say.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Timelike, Utc};
use secrecy::SecretString;

use super::super::Context;
use crate::domain::money::NanoUsd;
use crate::domain::poll::Answer;
use crate::openrouter::account;
use crate::store::polls::Poll;

/// A day's activity is complete so many hours after its end (UTC).
const ACTIVITY_AFTER_H: u32 = 2;

/// What was said.
#[derive(Debug)]
pub(super) struct Said {
    /// Which key.
    pub(super) poll: Poll,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// Of the key itself.
    pub(super) answer: Answer,
    /// What its account has left, where it may know.
    pub(super) balance: Option<NanoUsd>,
    /// What its account was charged on a day, where that was asked.
    pub(super) charged: Option<(NaiveDate, NanoUsd)>,
}

/// Asks a key what it is, and a management key what its account has.
pub(super) async fn ask(context: Arc<Context>, poll: Poll, secret: SecretString) -> Said {
    let answer = context.openrouter.key(&secret).await;
    let at = context.now();
    let mut said = Said { poll, at, answer: Answer::None(None), balance: None, charged: None };
    said.answer = match answer {
        Ok(info) => Answer::Good(Box::new(info)),
        Err(account::Error::Refused) => Answer::Refused,
        Err(error) => {
            tracing::debug!(user = said.poll.user, label = said.poll.label, %error, "a key was asked in vain");
            Answer::None(error.retry_after())
        }
    };
    if let Answer::Good(info) = &said.answer
        && info.is_management_key
    {
        match context.openrouter.credits(&secret).await {
            Ok(credits) => said.balance = credits.balance(),
            Err(error) => tracing::warn!(user = said.poll.user, %error, "the credit of an account is not known"),
        }
        said.charged = charged(&context, &said.poll, &secret, at).await;
    }
    said
}

/// What an account was charged yesterday, once a day.
async fn charged(
    context: &Context,
    poll: &Poll,
    secret: &SecretString,
    now: DateTime<Utc>,
) -> Option<(NaiveDate, NanoUsd)> {
    let day = now.date_naive().checked_sub_days(Days::new(1))?;
    if now.hour() < ACTIVITY_AFTER_H || poll.state.captured_on.is_some_and(|captured| captured >= day) {
        return None;
    }
    match context.openrouter.activity(secret, day, None).await {
        Ok(rows) => Some((day, rows.iter().map(|row| row.usage + row.byok).sum())),
        Err(error) => {
            tracing::warn!(user = poll.user, %error, "what an account was charged is not known");
            None
        }
    }
}
