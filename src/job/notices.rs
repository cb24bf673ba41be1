//! Tells users what is due to be told of the models they use: once each, one mail per user and kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Error, Spec, feeds};
use crate::domain::lifecycle::{Known, Tracked};
use crate::domain::model_id::ModelId;
use crate::domain::news::{self, News};
use crate::domain::replacement::{Named, Shelf};
use crate::domain::vendor_end::{self, VendorEnds};
use crate::mail::notice::{self, Choices, Item};
use crate::spend;
use crate::store::told::{Recipient, Stake};
use crate::store::{self, Lock, Tx};

/// Tells what the calendar makes due, whether or not the list could be fetched.
pub(super) const SPEC: Spec = Spec {
    name: "notices",
    what: "Tells users what is due by the calendar",
    timeout: TimeDelta::minutes(30),
    attempts: 12,
    run: |context| {
        Box::pin(async move {
            let now = context.now();
            Ok(format!("{} mails", tell(&context, now).await?))
        })
    },
};

/// Users who are told in one transaction.
const USERS_PER_TRANSACTION: usize = 100;

/// Brings what users believe in line with what is so; gives the number of mails. What was told and the mail that
/// tells it are one transaction, so a crash anywhere means that nothing is lost and nothing is told twice.
pub(super) async fn tell(context: &Arc<Context>, now: DateTime<Utc>) -> Result<usize, Error> {
    feeds::settle(context, now).await?;
    let mut tx = context.db.read().await?;
    let concerned = store::told::concerned(&mut tx).await?;
    drop(tx);
    let mut told = 0;
    for users in concerned.chunks(USERS_PER_TRANSACTION) {
        if context.stop.is_cancelled() {
            return Err(Error::Retry(anyhow::anyhow!("stopped after {told} mails"), None));
        }
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        let kinds = tell_some(context, &mut tx, users, now).await?;
        tx.commit().await?;
        told += kinds.len();
        context.enqueued(kinds.into_iter());
    }
    Ok(told)
}

async fn tell_some(
    context: &Context,
    tx: &mut Tx,
    users: &[String],
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, Error> {
    let (Some(first), Some(last)) = (users.first(), users.last()) else { return Ok(Vec::new()) };
    let facts = Facts::load(tx, now).await?;
    let recipients = store::told::recipients(tx, first, last).await?;
    let mut stakes: BTreeMap<String, Vec<(ModelId, Stake)>> = BTreeMap::new();
    for ((user, model), stake) in store::told::stakes(tx, first, last).await? {
        stakes.entry(user).or_default().push((model, stake));
    }
    let stopped = store::preferences::stopped(tx, first, last).await?;
    let mut kinds = Vec::new();
    for to in recipients {
        if let Some(stakes) = stakes.get(&to.id) {
            let wants = |kind: &str| !stopped.contains(&(to.id.clone(), kind.to_owned()));
            kinds.extend(tell_one(context, tx, &to, &wants, stakes, &facts, now).await?);
        }
    }
    Ok(kinds)
}

/// What is so of the models.
struct Facts {
    known: Known,
    shelf: Shelf,
    ends: VendorEnds,
    named: BTreeMap<ModelId, Vec<Named>>,
    /// What runs at a vendor directly has no row in the list; its vendor's end is all that is known of it.
    direct: Known,
}

impl Facts {
    async fn load(tx: &mut Tx, now: DateTime<Utc>) -> Result<Self, Error> {
        let (known, ends) = (store::models::load(tx).await?, store::feeds::ends(tx).await?);
        let direct = store::feeds::direct(tx).await?;
        let direct = direct.into_iter().map(|id| (id.clone(), Tracked::at_vendor(id, now))).collect();
        Ok(Self { shelf: Shelf::of(&known), named: vendor_end::named(&ends), known, ends, direct })
    }
}

async fn tell_one(
    context: &Context,
    tx: &mut Tx,
    to: &Recipient,
    wants: &(impl Fn(&str) -> bool + Sync),
    stakes: &[(ModelId, Stake)],
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, Error> {
    let mut by_kind: BTreeMap<&'static str, Vec<Item<'_>>> = BTreeMap::new();
    for (id, stake) in stakes {
        let Some(tracked) = facts.known.get(id).or_else(|| facts.direct.get(id)) else { continue };
        let end = facts.ends.get(id);
        let Some(news) = news::due(&stake.belief, tracked, end, !stake.uses.is_empty(), now) else { continue };
        store::told::save(tx, &to.id, id, &news::learn(stake.belief.clone(), &news, now)).await?;
        by_kind.entry(news.kind()).or_default().push(Item { tracked, end, news, uses: &stake.uses });
    }
    let mut kinds = Vec::new();
    // What a user does not want to hear they know all the same: resuming floods nobody with old news.
    by_kind.retain(|kind, _| wants(kind));
    let mixes = if by_kind.is_empty() { BTreeMap::new() } else { spend::mixes(tx, &to.id, now).await? };
    let choices = Choices { known: &facts.known, shelf: &facts.shelf, named: &facts.named, mixes: &mixes };
    for (kind, mut items) in by_kind {
        items.sort_by_key(|item| (end_of(&item.news), item.tracked.model.id.clone()));
        let mail = notice::compose(&context.renderer, &context.sender(), to, &items, choices, now)?;
        if context.post(tx, &mail, now).await? {
            kinds.push(kind);
        } else {
            // The belief says that it was never told, the outbox that it was: one of the two keys is wrong.
            tracing::error!(
                mail.key = mail.dedup_key,
                mail.kind = kind,
                "news of a user were taken for old ones and not sent"
            );
        }
    }
    Ok(kinds)
}

/// What ends first is read first.
fn end_of(news: &News) -> Option<chrono::NaiveDate> {
    match news {
        News::Deprecated { on, .. } => Some(*on),
        News::DateChanged { is, .. } => *is,
        News::Removed { since, .. } | News::Returned { since, .. } => Some(since.date_naive()),
    }
}

/// Everybody who gets what admins get.
pub(crate) async fn admins(context: &Context, tx: &mut Tx) -> Result<Vec<String>, Error> {
    let mut admins = context.settings.get().mail.admins.clone();
    admins.extend(store::directory::admins(tx).await?);
    admins.sort_by_key(|address| address.to_lowercase());
    admins.dedup_by_key(|address| address.to_lowercase());
    Ok(admins)
}
