//! Asks OpenRouter what keys and accounts hold and spent.
//!
//! Every minute those keys are asked whose moment has come ([`poll::next`]): never more than a hundred are in memory, a
//! few in flight, and what they said is written many at a time. An outage of OpenRouter ends the round, so that it costs
//! no key its turn.

mod ask;
mod settle;

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use self::ask::{Said, ask};
use super::{Context, Error, Spec};
use crate::domain::key::{Access, Purpose, Slot};
use crate::domain::poll::{self, Answer};
use crate::store::polls::{self, Poll};
use crate::store::{self, Lock, Tx};
use crate::vault;

/// The asking.
pub(super) const SPEC: Spec = Spec {
    name: "credit",
    what: "Asks OpenRouter what keys and accounts hold and spent",
    timeout: TimeDelta::minutes(15),
    attempts: 1,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// Keys that are opened and taken at a time: a few for each that is in flight, so that none waits for the store.
const CLAIM_PER_FLIGHT: i64 = 4;
const CLAIM_MAX: i64 = 128;
/// Whoever takes a key has it for so long; nobody else asks it.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// A round takes no further keys after so long; the next one does.
const ROUND_MAX: TimeDelta = TimeDelta::minutes(10);
/// Answers that are written in one transaction.
const SETTLE_AT: usize = 64;
/// So many keys in a row that never failed, and now do, are not their own trouble but OpenRouter's.
const OUTAGE: usize = 24;
/// Keys that are enrolled in one transaction.
const ENROL_STEP: i64 = 500;
/// So few new keys are asked at once; of more, each waits for its moment.
const FEW: usize = 50;

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    if !context.openrouter.is_live() {
        return Ok("nobody can be asked".to_owned());
    }
    enrol(context).await?;
    let summary = Round::new(context).run().await?;
    let mut tx = context.db.read().await?;
    if polls::of(&mut tx, "").await?.iter().any(|poll| poll.state.is_refused) {
        let reason =
            "OpenRouter refuses openrouter.management_key, so the platform's credit is not known; make a new one";
        return Err(Error::Fail(anyhow!("{reason}: https://openrouter.ai/settings/management-keys")));
    }
    Ok(summary)
}

/// Begins to ask every key that is new in its slot, the platform's too.
async fn enrol(context: &Context) -> Result<(), Error> {
    let (now, config) = (context.now(), context.settings.get());
    let interval = config.credit.interval();
    let platform = Slot { user: "", label: "" };
    loop {
        let mut tx = context.db.read().await?;
        let strangers = polls::strangers(&mut tx, ENROL_STEP).await?;
        let known = polls::of(&mut tx, "").await?.pop().map(|poll| poll.replaced_at);
        drop(tx);
        let own = config.openrouter.management_key.as_ref().map(mark);
        if strangers.is_empty() && known == own {
            return Ok(());
        }
        let mut tx = context.db.write().await?;
        polls::dismiss(&mut tx, own.is_some()).await?;
        if let Some(mark) = own {
            polls::enrol(&mut tx, platform, mark, now).await?;
        }
        for (user, label, replaced_at) in &strangers {
            let slot = Slot { user, label };
            let due_at = if strangers.len() <= FEW { now } else { poll::next(slot, interval, now) };
            polls::enrol(&mut tx, slot, *replaced_at, due_at).await?;
        }
        tx.commit().await?;
    }
}

/// Tells the platform's keys apart, as the time of their replacement tells users' keys: nobody knows when it was put
/// into the configuration, so a part of its hash stands for it.
fn mark(key: &SecretString) -> DateTime<Utc> {
    let digest = Sha256::digest(key.expose_secret());
    let number = digest.iter().take(6).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    DateTime::from_timestamp_micros(number).unwrap_or_default()
}

/// A key with its secret, to be asked.
struct Taken {
    poll: Poll,
    secret: SecretString,
}

/// Asks all keys whose moment has come.
struct Round<'a> {
    context: &'a Arc<Context>,
    began: DateTime<Utc>,
    taken: VecDeque<Taken>,
    asking: JoinSet<Said>,
    said: Vec<Said>,
    /// Keys in a row that had never failed before.
    in_vain: usize,
    is_over: bool,
    answered: usize,
    refused: usize,
    unanswered: usize,
}

impl<'a> Round<'a> {
    fn new(context: &'a Arc<Context>) -> Self {
        Self {
            context,
            began: context.now(),
            taken: VecDeque::new(),
            asking: JoinSet::new(),
            said: Vec::new(),
            in_vain: 0,
            is_over: false,
            answered: 0,
            refused: 0,
            unanswered: 0,
        }
    }

    async fn run(mut self) -> Result<String, Error> {
        let flights = usize::try_from(self.context.settings.get().credit.concurrency).unwrap_or(1);
        loop {
            self.is_over |= self.context.stop.is_cancelled() || self.context.now() - self.began > ROUND_MAX;
            while !self.is_over && self.asking.len() < flights {
                if self.taken.is_empty() {
                    self.take().await?;
                }
                let Some(taken) = self.taken.pop_front() else { break };
                self.asking.spawn(ask(Arc::clone(self.context), taken.poll, taken.secret));
            }
            let Some(said) = self.asking.join_next().await else { break };
            self.count(said.map_err(|error| Error::Fail(anyhow!("asking a key broke off: {error}")))?);
            if self.said.len() >= SETTLE_AT {
                self.settle().await?;
            }
        }
        self.settle().await?;
        self.give_back().await?;
        let asked = self.answered + self.refused + self.unanswered;
        let outage = if self.in_vain >= OUTAGE { "; OpenRouter seems to be down" } else { "" };
        Ok(format!(
            "{asked} keys asked, {} answered, {} refused, {} without an answer{outage}",
            self.answered, self.refused, self.unanswered
        ))
    }

    /// Takes the next keys, and opens them.
    async fn take(&mut self) -> Result<(), Error> {
        let (context, now) = (self.context, self.context.now());
        let limit = std::cmp::min(i64::from(context.settings.get().credit.concurrency) * CLAIM_PER_FLIGHT, CLAIM_MAX);
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Polls).await?;
        for poll in polls::claim(&mut tx, limit, now, now + LEASE).await? {
            if let Some(secret) = open(context, &mut tx, &poll, now).await? {
                self.taken.push_back(Taken { poll, secret });
            }
        }
        tx.commit().await?;
        self.is_over |= self.taken.is_empty();
        Ok(())
    }

    fn count(&mut self, said: Said) {
        // Keys that failed before are due together and fail together, and that says nothing of OpenRouter.
        let state = &said.poll.state;
        let in_vain = self.in_vain + usize::from(state.failures == 0 && state.refusals == 0);
        match said.answer {
            Answer::Good(_) => (self.answered, self.in_vain) = (self.answered + 1, 0),
            Answer::Refused => (self.refused, self.in_vain) = (self.refused + 1, in_vain),
            Answer::None(_) => (self.unanswered, self.in_vain) = (self.unanswered + 1, in_vain),
        }
        self.is_over |= self.in_vain >= OUTAGE;
        self.said.push(said);
    }

    async fn settle(&mut self) -> Result<(), Error> {
        let said = std::mem::take(&mut self.said);
        Ok(settle::settle(self.context, said).await?)
    }

    /// Keys that were taken and not asked are due as before.
    async fn give_back(&mut self) -> Result<(), Error> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let now = self.context.now();
        let mut tx = self.context.db.write().await?;
        for taken in self.taken.drain(..) {
            polls::put_off(&mut tx, &taken.poll, now).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// The secret of a key; `None` for one that is gone, or that cannot be opened.
async fn open(context: &Context, tx: &mut Tx, poll: &Poll, now: DateTime<Utc>) -> Result<Option<SecretString>, Error> {
    if poll.is_platform() {
        return Ok(context.settings.get().openrouter.management_key.clone());
    }
    let access = Access { purpose: Purpose::Poll, who: "daemon" };
    match context.vault.open(tx, poll.slot(), access, now).await {
        Ok(secret) => Ok(Some(secret)),
        Err(vault::Error::Unknown { .. }) => {
            polls::forget(tx, poll.slot()).await?;
            Ok(None)
        }
        Err(vault::Error::Damaged { user, fault }) => {
            tracing::error!(user, %fault, "a stored key cannot be opened, and is not asked");
            Ok(None)
        }
        Err(vault::Error::Store(error)) => Err(store::Error::into(error)),
        Err(error) => Err(Error::Fail(error.into())),
    }
}
