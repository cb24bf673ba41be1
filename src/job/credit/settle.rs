//! Writes what keys said: their state, their spend as it grew, what executions do not explain of it, and what accounts
//! have left.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};

use super::super::Context;
use super::ask::Said;
use crate::domain::alert::Rule;
use crate::domain::key::{KeyKind, KeyStatus};
use crate::domain::money::NanoUsd;
use crate::domain::poll::{self, Answer};
use crate::domain::reconcile::{self, Count, Unexplained};
use crate::domain::rule::{Settings, dollars};
use crate::store::accounts::{self, Capture, Source};
use crate::store::balances::Reading;
use crate::store::keys::{self, Checked};
use crate::store::polls::{self, Poll};
use crate::store::{self, Tx, names};

/// An account without any activity may be one whose activity comes late; from this hour on (UTC) it is believed.
const SILENCE_BELIEVED_H: u32 = 12;
/// What a key that woke spent was run no longer before than the longest wait between two questions.
const WOKE_SLACK: TimeDelta = TimeDelta::hours(4);

/// Takes in what keys said, and writes it in one transaction.
pub(super) async fn settle(context: &Context, said: Vec<Said>) -> store::Result<()> {
    if said.is_empty() {
        return Ok(());
    }
    let mut tx = context.db.read().await?;
    let mut settled = Vec::with_capacity(said.len());
    for said in said {
        settled.push(take_in(context, &mut tx, said).await?);
    }
    drop(tx);
    let mut tx = context.db.write().await?;
    for settled in &settled {
        write(context, &mut tx, settled).await?;
    }
    tx.commit().await
}

/// What is written of a key.
struct Settled {
    said: Said,
    capture: Option<Capture>,
}

async fn take_in(context: &Context, tx: &mut Tx, mut said: Said) -> store::Result<Settled> {
    said.poll.state.take(&said.answer, said.at);
    if let Some(since) = said.poll.state.doubts_refusal_since() {
        let (slot, ever) = (said.poll.slot(), DateTime::UNIX_EPOCH);
        let are_good =
            polls::others_answered(tx, slot, since).await? || !polls::others_answered(tx, slot, ever).await?;
        said.poll.state.believe(are_good, said.at);
    }
    let is_good = matches!(said.answer, Answer::Good(_));
    if is_good && !said.poll.state.is_management {
        said.poll.state.unexplained = unexplained(context, tx, &said.poll, said.at).await?;
        judge_woken(context, tx, &mut said).await?;
    }
    let mut capture = None;
    if let Some((day, charged)) = said.charged {
        let account = &said.poll.user;
        let recorded = polls::recorded_on(tx, account, days_since_1970(day)).await?;
        let is_believed = charged.is_positive() || said.at.hour() >= SILENCE_BELIEVED_H;
        if is_believed || recorded == NanoUsd::ZERO {
            said.poll.state.captured_on = Some(day);
            capture = Some(Capture { account: account.clone(), day, recorded, charged });
        }
    }
    Ok(Settled { said, capture })
}

/// What executions do not explain of what a key spent, as far as that is older than executions are late.
async fn unexplained(
    context: &Context,
    tx: &mut Tx,
    poll: &Poll,
    now: DateTime<Utc>,
) -> store::Result<Option<Unexplained>> {
    let config = context.settings.get();
    let Some(rule) = config.rules.on(Rule::UnaccountedSpend) else { return Ok(None) };
    let ripe = now - config.credit.lateness();
    let first = std::cmp::max(ripe - reconcile::LOOK_BACK, poll.replaced_at);
    if poll.state.grew_at.is_none_or(|grew_at| grew_at < first) {
        return Ok(None);
    }
    let counts = polls::counts(tx, poll.slot(), first, ripe).await?;
    // Since the key was replaced, it is another one that is counted; and what grew in a long silence of this daemon's is
    // nobody's to explain.
    let is_usable = |count: &Count| count.at >= poll.replaced_at && count.until >= first - reconcile::LOOK_BACK;
    let counts: Vec<Count> = counts.into_iter().filter(is_usable).collect();
    let (Some(from), Some(until)) = (counts.first(), counts.last()) else { return Ok(None) };
    if until.usage.0.saturating_sub(from.usage.0) < rule.floor().0 {
        return Ok(None);
    }
    let recorded = recorded(tx, poll, reconcile::quarters(std::cmp::min(from.until, first), ripe)).await?;
    Ok(reconcile::unexplained(&counts, &recorded, rule.floor(), rule.threshold))
}

/// What executions on a key cost by quarter: those that name it, and those that name none of its owner's other keys.
async fn recorded(tx: &mut Tx, poll: &Poll, quarters: (i64, i64)) -> store::Result<BTreeMap<i64, NanoUsd>> {
    let Some(user) = names::find(tx, &poll.user).await? else { return Ok(BTreeMap::new()) };
    let mut others = Vec::new();
    for key in keys::of(tx, &poll.user).await?.iter().filter(|key| key.label != poll.label) {
        others.extend(names::find(tx, &key.label).await?);
    }
    polls::recorded(tx, user, &others, quarters).await
}

/// A key that was silent for long and spends is suspect unless executions explain it; they may come late.
async fn judge_woken(context: &Context, tx: &mut Tx, said: &mut Said) -> store::Result<()> {
    let config = context.settings.get();
    let (Some(rule), Some(woke), Some(usage)) =
        (config.rules.on(Rule::DormantKeyUsed), said.poll.state.woke.clone(), said.poll.state.usage)
    else {
        return Ok(());
    };
    if said.at - woke.at < config.credit.lateness() {
        return Ok(());
    }
    let spent = NanoUsd(usage.0.saturating_sub(woke.before.0));
    let recorded = recorded(tx, &said.poll, reconcile::quarters(woke.at - WOKE_SLACK, said.at)).await?;
    let recorded = recorded.into_values().sum();
    if let Some(woke) = &mut said.poll.state.woke {
        woke.is_suspect = is_suspect(rule, spent, recorded, tolerance(&config.rules));
    }
    Ok(())
}

fn is_suspect(rule: &Settings, spent: NanoUsd, recorded: NanoUsd, share: f64) -> bool {
    let gap = NanoUsd(spent.0.saturating_sub(recorded.0));
    gap.is_positive() && gap >= rule.floor() && dollars(gap) > share * dollars(spent)
}

/// The share of spend that may stay unexplained.
fn tolerance(rules: &crate::config::rules::Rules) -> f64 {
    rules.of(Rule::UnaccountedSpend).map_or(0.0, |rule| rule.threshold)
}

async fn write(context: &Context, tx: &mut Tx, settled: &Settled) -> store::Result<()> {
    let Settled { said, capture } = settled;
    let (poll, slot) = (&said.poll, said.poll.slot());
    let due_at = poll::due(slot, &poll.state, &said.answer, context.settings.get().credit.interval(), said.at);
    polls::save(tx, poll, due_at).await?;
    if let Some(count) = poll.state.count().filter(|_| matches!(said.answer, Answer::Good(_))) {
        polls::keep_count(tx, slot, &count).await?;
    }
    if !poll.is_platform() {
        check(tx, said).await?;
    }
    balance(tx, said).await?;
    if let Some(capture) = capture {
        accounts::keep_capture(tx, capture).await?;
    }
    Ok(())
}

/// What the vault shows of the key.
async fn check(tx: &mut Tx, said: &Said) -> store::Result<()> {
    let state = &said.poll.state;
    let checked = match &said.answer {
        Answer::Good(info) => {
            let kind = if info.is_management_key { KeyKind::Management } else { KeyKind::Inference };
            Checked { at: said.at, status: KeyStatus::Good, kind, expires_at: info.expires_at }
        }
        Answer::Refused if state.is_refused => {
            let Some(known) = keys::get(tx, said.poll.slot()).await? else { return Ok(()) };
            Checked { at: said.at, status: KeyStatus::Refused, kind: known.kind, expires_at: known.expires_at }
        }
        Answer::Refused | Answer::None(_) => return Ok(()),
    };
    keys::checked(tx, said.poll.slot(), said.poll.replaced_at, &checked).await.map(drop)
}

/// What is left to the owner: what their management key says, else the least that is left of a limit.
async fn balance(tx: &mut Tx, said: &Said) -> store::Result<()> {
    let reading = |left| Reading { account: said.poll.user.clone(), at: said.at, left };
    if let Some(left) = said.balance {
        return accounts::read(tx, &reading(left), Source::Credits, None).await;
    }
    if said.poll.is_platform() || !matches!(said.answer, Answer::Good(_)) || said.poll.state.purse().is_none() {
        return Ok(());
    }
    let theirs = polls::of(tx, &said.poll.user).await?;
    if theirs.iter().any(|poll| poll.state.is_management && !poll.state.is_refused) {
        return Ok(());
    }
    match theirs.iter().filter_map(|poll| poll.state.purse()).min_by_key(|(left, _)| *left) {
        Some((left, purse)) => accounts::read(tx, &reading(left), Source::KeyLimit, Some(purse)).await,
        None => Ok(()),
    }
}

fn days_since_1970(day: NaiveDate) -> i64 {
    (day - NaiveDate::default()).num_days()
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    #[test]
    fn days_are_counted_as_sums_count_them() {
        let day: NaiveDate = "1970-02-01".parse().unwrap();
        assert_eq!((days_since_1970(day), days_since_1970(day - Days::new(32))), (31, -1));
    }
}
