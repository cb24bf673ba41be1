//! Tells users in the evening what exceeded their daily number of mails: one digest for each user and day.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::{Context, Error, Spec};
use crate::domain::period::day_in;
use crate::mail::user_digest;
use crate::store::{self, Lock, Tx, post};

/// The job.
pub(super) const SPEC: Spec = Spec {
    name: "user_digest",
    what: "Tells users what exceeded their daily number of mails",
    timeout: TimeDelta::minutes(10),
    attempts: 6,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// From this hour of a user's day on the digest is due: late enough for most of the day, early enough to be read.
const HOUR: u32 = 18;
/// Users who are told in one transaction.
const USERS_PER_TRANSACTION: usize = 100;

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let now = context.now();
    let mut tx = context.db.read().await?;
    let waiting = post::folded_for(&mut tx, now).await?;
    drop(tx);
    let due: Vec<(String, Tz)> =
        waiting.into_iter().filter(|(_, zone)| now.with_timezone(zone).hour() >= HOUR).collect();
    let mut told = 0;
    for users in due.chunks(USERS_PER_TRANSACTION) {
        if context.stop.is_cancelled() {
            return Err(Error::Retry(anyhow::anyhow!("stopped after {told} digests"), None));
        }
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        let mut kinds = Vec::new();
        for (user, zone) in users {
            kinds.extend(tell_one(context, &mut tx, user, *zone, now).await?);
        }
        tx.commit().await?;
        told += kinds.len();
        context.enqueued(kinds.iter().map(String::as_str));
    }
    Ok(format!("{told} digests"))
}

/// Enqueues the digest of a user's day, unless there is one: then what came later waits for tomorrow's. Gives its kind.
async fn tell_one(
    context: &Context,
    tx: &mut Tx,
    user: &str,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<String>, Error> {
    let Some(to) = store::told::recipients(tx, &[user.to_owned()]).await?.pop() else { return Ok(None) };
    let parts = post::folded(tx, user, now).await?;
    if parts.is_empty() {
        return Ok(None);
    }
    let day = day_in(now, zone);
    let mail = user_digest::compose(&context.renderer, &context.sender(), &to, &parts, day)?;
    Ok(post::post_digest(tx, &mail, &parts, now).await?.then_some(mail.kind))
}
