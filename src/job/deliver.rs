//! Delivers mails: claims some under a lease, sends them outside any transaction, records what became of each.
//!
//! A mail is sent again only if the daemon died between the server's acceptance and our record of it; its stable
//! Message-ID then lets the receiver tell.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Context;
use crate::domain::schedule::retry_delay;
use crate::store::outbox::{self, Claimed, Outcome};
use crate::store::{self};

/// Mails that are claimed at a time, for each connection.
const CLAIM_PER_CONNECTION: i64 = 8;
/// Outcomes that are recorded in one transaction at most.
const SETTLE_MAX: usize = 64;
/// How often outcomes are offered to a store that fails, and how long is waited in between at most: about as long
/// as leases last, for nobody else sends these mails before.
const SETTLE_TRIES: u32 = 100;
const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How much longer a lease lasts than a delivery may take, for the queue before it.
const LEASE_FACTOR: i32 = 10;
/// How often the outbox is looked at when nobody said that a mail waits.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a mail is tried: mail servers give up after four or five days, and news of a model is stale by then.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);

/// What became of a mail.
type Settled = (Claimed, Outcome);

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

/// Delivers until nothing is due; gives how many mails that were. Each outcome is recorded as soon as it is known,
/// in one transaction with those that come while the one before is written: who waits for a slow server holds up
/// nobody's mark.
///
/// # Errors
/// When the store fails. What was claimed is tried again when its lease ends.
pub async fn drain(context: &Arc<Context>) -> store::Result<usize> {
    let (done, outcomes) = mpsc::channel(SETTLE_MAX);
    let (total, settled) = tokio::join!(send_all(context, done), settle_all(context, outcomes));
    context.mailer().hang_up().await;
    settled.and(total)
}

/// Keeps all connections busy until nothing is due. An error of the store ends the claiming and nothing else: a
/// delivery that is dropped half way is one that happens twice.
async fn send_all(context: &Arc<Context>, done: mpsc::Sender<Settled>) -> store::Result<usize> {
    let (mut waiting, mut sending) = (VecDeque::new(), JoinSet::new());
    let (mut total, mut look, mut failed) = (0, true, None);
    loop {
        let connections = usize::try_from(context.settings.get().mail.connections).unwrap_or(1);
        while sending.len() < connections && !context.stop.is_cancelled() {
            if waiting.is_empty() && look && failed.is_none() {
                waiting = claim(context).await.unwrap_or_else(|error| {
                    failed = Some(error);
                    VecDeque::new()
                });
                (look, total) = (!waiting.is_empty(), total + waiting.len());
            }
            let Some(claimed) = waiting.pop_front() else { break };
            sending.spawn(attempt(Arc::clone(context), claimed, done.clone()));
        }
        // Asked to stop, what is in hand is finished and the rest handed back.
        if context.stop.is_cancelled() {
            for claimed in waiting.drain(..) {
                done.send((claimed, Outcome::Released)).await.ok();
            }
        }
        if sending.is_empty() {
            return failed.map_or(Ok(total), Err);
        }
        tokio::select! {
            _ = sending.join_next() => {}
            () = context.mail_waits.notified() => look = true,
            () = tokio::time::sleep(LOOK_EVERY) => look = true,
            () = context.stop.cancelled(), if !waiting.is_empty() => {}
        }
    }
}

async fn claim(context: &Context) -> store::Result<VecDeque<Claimed>> {
    let (config, now) = (context.settings.get(), context.now());
    let lease = TimeDelta::seconds(i64::try_from(config.mail.timeout_seconds).unwrap_or(60)) * LEASE_FACTOR;
    let limit = i64::from(config.mail.connections) * CLAIM_PER_CONNECTION;
    let mut tx = context.db.write().await?;
    let claimed = outbox::claim(&mut tx, limit, now, now + lease).await?;
    tx.commit().await?;
    Ok(claimed.into())
}

async fn attempt(context: Arc<Context>, claimed: Claimed, done: mpsc::Sender<Settled>) {
    let outcome = match context.mailer().deliver(&claimed).await {
        Ok(()) => Outcome::Sent,
        Err(error) if error.permanent => Outcome::Dead(error.reason),
        Err(error) => later(&claimed, context.now(), error.reason),
    };
    done.send((claimed, outcome)).await.ok();
}

fn later(claimed: &Claimed, now: DateTime<Utc>, reason: String) -> Outcome {
    if now - claimed.created_at >= GIVE_UP_AFTER {
        return Outcome::Dead(format!("given up after {} days: {reason}", GIVE_UP_AFTER.num_days()));
    }
    let attempt = u32::try_from(claimed.attempt).unwrap_or(u32::MAX);
    Outcome::Retry(now + retry_delay(attempt, claimed.id.unsigned_abs()), reason)
}

/// Records outcomes until nobody can have another.
async fn settle_all(context: &Context, mut outcomes: mpsc::Receiver<Settled>) -> store::Result<()> {
    let (mut ready, mut result) = (Vec::new(), Ok(()));
    while outcomes.recv_many(&mut ready, SETTLE_MAX).await > 0 {
        if let Err(error) = settle_patiently(context, &ready).await {
            let ids: Vec<i64> = ready.iter().map(|(claimed, _)| claimed.id).collect();
            tracing::error!(%error, mails = ?ids, "what became of these mails could not be recorded; they may be sent again");
            result = Err(error);
        }
        ready.clear();
    }
    result
}

/// What was sent is sent: a store that fails is asked again.
async fn settle_patiently(context: &Context, settled: &[Settled]) -> store::Result<()> {
    let mut pause = Duration::from_millis(100);
    for _ in 1..SETTLE_TRIES {
        match settle(context, settled).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, mails = settled.len(), "what became of mails could not be recorded yet");
            }
            decided => return decided,
        }
        tokio::time::sleep(pause).await;
        pause = std::cmp::min(pause * 2, SETTLE_PAUSE_MAX);
    }
    settle(context, settled).await
}

async fn settle(context: &Context, settled: &[Settled]) -> store::Result<()> {
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
