//! Delivers mails and notices: claims some under a lease, sends them outside any transaction, records what became of
//! each. Every channel is delivered by itself: one that hangs holds up no other.
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
use crate::domain::channel::Channel;
use crate::domain::schedule::retry_delay;
use crate::notify::Answer;
use crate::store::outbox::{self, Claimed, Outcome};
use crate::store::{self, suppressions};

/// Mails that are claimed at a time, for each connection.
const CLAIM_PER_CONNECTION: i64 = 8;
/// Calls to a notice's channel at a time: alerts are few, and most webhooks are limited to one a second.
const NOTICES_AT_ONCE: u32 = 2;
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
    let by = |channel| Box::pin(run_channel(&context, channel));
    tokio::join!(by(Channel::Mail), by(Channel::Webhook), by(Channel::Slack), by(Channel::Alertmanager));
}

async fn run_channel(context: &Arc<Context>, channel: Channel) {
    while !context.stop.is_cancelled() {
        match drain_channel(context, channel).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "the outbox could not be read or written"),
        }
        tokio::select! {
            () = context.waits(channel).notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = context.stop.cancelled() => {}
        }
    }
}

/// Delivers until nothing is due; gives how many rows that were.
///
/// # Errors
/// When the store fails. What was claimed is tried again when its lease ends.
pub async fn drain(context: &Arc<Context>) -> store::Result<usize> {
    let by = |channel| Box::pin(drain_channel(context, channel));
    let all = tokio::join!(by(Channel::Mail), by(Channel::Webhook), by(Channel::Slack), by(Channel::Alertmanager));
    Ok(all.0? + all.1? + all.2? + all.3?)
}

/// The same for one channel. Each outcome is recorded as soon as it is known, in one transaction with those that come
/// while the one before is written: who waits for a slow server holds up nobody's mark.
async fn drain_channel(context: &Arc<Context>, channel: Channel) -> store::Result<usize> {
    let (done, outcomes) = mpsc::channel(SETTLE_MAX);
    let (total, settled) = tokio::join!(send_all(context, channel, done), settle_all(context, outcomes));
    context.mailer().hang_up().await;
    settled.and(total)
}

/// How many deliveries by a channel go on at a time, and how long one may take, in seconds.
fn capacity(context: &Context, channel: Channel) -> (u32, u64) {
    let config = context.settings.get();
    match channel {
        Channel::Mail => (config.mail.connections, config.mail.timeout_seconds),
        _ => (NOTICES_AT_ONCE, config.notify.timeout_seconds),
    }
}

/// Keeps all connections busy until nothing is due. An error of the store ends the claiming and nothing else: a
/// delivery that is dropped half way is one that happens twice.
async fn send_all(context: &Arc<Context>, channel: Channel, done: mpsc::Sender<Settled>) -> store::Result<usize> {
    let (mut waiting, mut sending) = (VecDeque::new(), JoinSet::new());
    let (mut total, mut look, mut failed) = (0, true, None);
    loop {
        let connections = usize::try_from(capacity(context, channel).0).unwrap_or(1);
        while sending.len() < connections && !context.stop.is_cancelled() {
            if waiting.is_empty() && look && failed.is_none() {
                waiting = claim(context, channel).await.unwrap_or_else(|error| {
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
            () = context.waits(channel).notified() => look = true,
            () = tokio::time::sleep(LOOK_EVERY) => look = true,
            () = context.stop.cancelled(), if !waiting.is_empty() => {}
        }
    }
}

async fn claim(context: &Context, channel: Channel) -> store::Result<VecDeque<Claimed>> {
    let (now, (connections, timeout_seconds)) = (context.now(), capacity(context, channel));
    let lease = TimeDelta::seconds(i64::try_from(timeout_seconds).unwrap_or(60)) * LEASE_FACTOR;
    let limit = i64::from(connections) * CLAIM_PER_CONNECTION;
    let mut tx = context.db.write().await?;
    let claimed = outbox::claim(&mut tx, channel, limit, now, now + lease).await?;
    tx.commit().await?;
    Ok(claimed.into())
}

async fn attempt(context: Arc<Context>, claimed: Claimed, done: mpsc::Sender<Settled>) {
    let outcome = if claimed.mail.channel == Channel::Mail {
        mail(&context, &claimed).await
    } else {
        notice(&context, &claimed).await
    };
    done.send((claimed, outcome)).await.ok();
}

async fn mail(context: &Context, claimed: &Claimed) -> Outcome {
    match context.mailer().deliver(claimed).await {
        Ok(()) => Outcome::Sent,
        Err(error) if error.is_bounce => Outcome::Bounced(error.reason),
        Err(error) if error.permanent => Outcome::Dead(error.reason),
        Err(error) => later(claimed, context.now(), error.reason, None),
    }
}

async fn notice(context: &Context, claimed: &Claimed) -> Outcome {
    match context.notifier.post(&context.settings.get().notify, claimed, context.now()).await {
        Answer::Taken => Outcome::Sent,
        Answer::Repeat(at) => Outcome::Repeat(at),
        Answer::Never(reason) => Outcome::Dead(reason),
        Answer::Later(reason, wait) => later(claimed, context.now(), reason, wait),
    }
}

fn later(claimed: &Claimed, now: DateTime<Utc>, reason: String, asked: Option<TimeDelta>) -> Outcome {
    if now - claimed.waits_since >= GIVE_UP_AFTER {
        return Outcome::Dead(format!("given up after {} days: {reason}", GIVE_UP_AFTER.num_days()));
    }
    let attempt = u32::try_from(claimed.attempt).unwrap_or(u32::MAX);
    let delay = retry_delay(attempt, claimed.id.unsigned_abs());
    Outcome::Retry(now + std::cmp::max(delay, asked.unwrap_or_default()), reason)
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
        if let Outcome::Bounced(reason) = outcome {
            suppressions::suppress(&mut tx, &claimed.mail.recipient, reason, now).await?;
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
        Outcome::Sent | Outcome::Repeat(_) => {
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
        Outcome::Bounced(error) => {
            tracing::error!(
                mail.id = id,
                mail.kind = kind,
                error,
                "mail given up; nothing more is sent to its address"
            );
            "dead"
        }
        Outcome::Released => return,
    };
    context.metrics.mail.with_label_values(&[kind, result]).inc();
}
