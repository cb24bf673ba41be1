//! Delivers mails: claims some under a lease, sends them outside any transaction, records what became of each.
//!
//! A mail is sent again only if the daemon died between the server's acceptance and our record of it; its stable
//! Message-ID then lets the receiver tell.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;

use super::Context;
use crate::domain::schedule::retry_delay;
use crate::store::outbox::{self, Claimed, Outcome};
use crate::store::{self};

/// Mails that are claimed at a time, for each connection.
const CLAIM_PER_CONNECTION: i64 = 8;
/// Outcomes that are recorded in one transaction at most.
const SETTLE_MAX: usize = 64;
/// How much longer a lease lasts than a delivery may take, for the queue before it.
const LEASE_FACTOR: i32 = 10;
/// How often the outbox is looked at when nobody said that a mail waits.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a mail is tried: mail servers give up after four or five days, and news of a model is stale by then.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);

/// Delivers until asked to stop.
pub async fn run(context: Arc<Context>) {
    while !context.stop.is_cancelled() {
        match drain(&context).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "the outbox could not be read or written"),
        }
        tokio::select! {
            () = context.mail_waits.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = context.stop.cancelled() => {}
        }
    }
}

/// Delivers what is due now; gives how many attempts that were.
///
/// # Errors
/// When the store fails. What was claimed is tried again when its lease ends.
pub async fn drain(context: &Arc<Context>) -> store::Result<usize> {
    let config = context.settings.get();
    let connections = usize::try_from(config.mail.connections).unwrap_or(1);
    let lease = TimeDelta::seconds(i64::try_from(config.mail.timeout_seconds).unwrap_or(60)) * LEASE_FACTOR;
    let now = context.now();
    let mut tx = context.db.write().await?;
    let claimed =
        outbox::claim(&mut tx, i64::from(config.mail.connections) * CLAIM_PER_CONNECTION, now, now + lease).await?;
    tx.commit().await?;

    let (total, mut waiting) = (claimed.len(), claimed.into_iter());
    let (mut sending, mut settled) = (JoinSet::new(), Vec::new());
    loop {
        while sending.len() < connections {
            let Some(claimed) = waiting.next() else { break };
            sending.spawn(attempt(Arc::clone(context), claimed));
        }
        let Some(outcome) = sending.join_next().await else { break };
        settled.extend(outcome.ok());
        if settled.len() >= SETTLE_MAX {
            settle(context, &std::mem::take(&mut settled)).await?;
        }
    }
    settle(context, &settled).await?;
    Ok(total)
}

async fn attempt(context: Arc<Context>, claimed: Claimed) -> (Claimed, Outcome) {
    // Asked to stop, what is in hand is finished and the rest handed back.
    if context.stop.is_cancelled() {
        return (claimed, Outcome::Released);
    }
    let outcome = match context.mailer().deliver(&claimed).await {
        Ok(()) => Outcome::Sent,
        Err(error) if error.permanent => Outcome::Dead(error.reason),
        Err(error) => later(&claimed, context.now(), error.reason),
    };
    (claimed, outcome)
}

fn later(claimed: &Claimed, now: DateTime<Utc>, reason: String) -> Outcome {
    if now - claimed.created_at >= GIVE_UP_AFTER {
        return Outcome::Dead(format!("given up after {} days: {reason}", GIVE_UP_AFTER.num_days()));
    }
    let attempt = u32::try_from(claimed.attempt).unwrap_or(u32::MAX);
    Outcome::Retry(now + retry_delay(attempt, claimed.id.unsigned_abs()), reason)
}

async fn settle(context: &Context, settled: &[(Claimed, Outcome)]) -> store::Result<()> {
    if settled.is_empty() {
        return Ok(());
    }
    let now = context.now();
    let mut tx = context.db.write().await?;
    for (claimed, outcome) in settled {
        if !outbox::settle(&mut tx, claimed.id, claimed.attempt, outcome, now).await? {
            tracing::warn!(mail.id = claimed.id, "the lease ran out during the delivery; another holder decides");
        }
    }
    tx.commit().await?;
    for (claimed, outcome) in settled {
        report(context, claimed, outcome);
    }
    Ok(())
}

fn report(context: &Context, claimed: &Claimed, outcome: &Outcome) {
    let (id, kind) = (claimed.id, claimed.mail.kind.as_str());
    let result = match outcome {
        Outcome::Sent => {
            tracing::info!(mail.id = id, mail.kind = kind, "mail sent");
            "sent"
        }
        Outcome::Retry(at, error) => {
            tracing::warn!(mail.id = id, mail.kind = kind, error, next_attempt = %at, "mail not delivered, will be tried again");
            "retried"
        }
        Outcome::Dead(error) => {
            tracing::error!(mail.id = id, mail.kind = kind, error, "mail given up");
            "dead"
        }
        Outcome::Released => return,
    };
    context.metrics.mail.with_label_values(&[kind, result]).inc();
}
