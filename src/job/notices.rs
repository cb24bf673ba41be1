//! Tells users what is due to be told of the models they use: once each, one mail per user and kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Error, Spec, feeds};
use crate::config::Models;
use crate::domain::bill::Load;
use crate::domain::lifecycle::{Known, Tracked};
use crate::domain::model_id::ModelId;
use crate::domain::news::{self, News};
use crate::domain::replacement::{Named, Needs, Shelf};
use crate::domain::rollup::Measures;
use crate::domain::vendor_end::{self, VendorEnds};
use crate::mail::notice::{self, Choices, Item};
use crate::spend;
use crate::store::settled::Waiting;
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
    let waiting = store::settled::waiting(&mut tx).await?;
    drop(tx);
    let mut told = 0;
    for users in concerned.chunks(USERS_PER_TRANSACTION) {
        if context.stop.is_cancelled() {
            return Err(Error::Retry(anyhow::anyhow!("stopped after {told} mails"), None));
        }
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        let kinds = tell_some(context, &mut tx, users, &waiting, now).await?;
        tx.commit().await?;
        told += kinds.len();
        context.enqueued(kinds.into_iter());
    }
    if waiting.unjudged > 0 {
        let mut tx = context.db.write().await?;
        store::settled::judged(&mut tx, &waiting, now).await?;
        tx.commit().await?;
    }
    Ok(told)
}

async fn tell_some(
    context: &Context,
    tx: &mut Tx,
    users: &[String],
    waiting: &Waiting,
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, Error> {
    let facts = Facts::load(tx, now).await?;
    let recipients = store::told::recipients(tx, users).await?;
    let mut stakes: BTreeMap<String, Vec<(ModelId, Stake)>> = BTreeMap::new();
    for ((user, model), stake) in store::told::stakes(tx, users).await? {
        stakes.entry(user).or_default().push((model, stake));
    }
    let mut kinds = Vec::new();
    for to in recipients {
        if let Some(stakes) = stakes.get(&to.id) {
            let used = Used::of(tx, &to.id, stakes, waiting, now).await?;
            let found = due(&facts, stakes, waiting, &used, &context.settings.get().models, now);
            kinds.extend(post(context, tx, &to, found, &facts, now).await?);
        }
    }
    Ok(kinds)
}

/// What is so of the models.
pub(super) struct Facts {
    known: Known,
    shelf: Shelf,
    ends: VendorEnds,
    named: BTreeMap<ModelId, Vec<Named>>,
    /// What runs at a vendor directly has no row in the list; its vendor's end is all that is known of it.
    direct: Known,
}

impl Facts {
    pub(super) async fn load(tx: &mut Tx, now: DateTime<Utc>) -> Result<Self, Error> {
        let (known, ends) = (store::models::load(tx).await?, store::feeds::ends(tx).await?);
        let mut named = vendor_end::named(&ends);
        for (model, offered) in store::offers::recent(tx, now).await? {
            let says = |id| Named { id, says: "OpenRouter offers it in its place".to_owned() };
            named.entry(model).or_default().extend(offered.into_iter().map(says));
        }
        let direct = store::feeds::direct(tx).await?;
        let direct = direct.into_iter().map(|id| (id.clone(), Tracked::at_vendor(id, now))).collect();
        Ok(Self { shelf: Shelf::of(&known, &ends), named, known, ends, direct })
    }

    pub(super) fn tracked(&self, id: &ModelId) -> Option<&Tracked> {
        self.known.get(id).or_else(|| self.direct.get(id))
    }
}

/// What a user's executions of the last month say, as far as what waits to be judged concerns them.
#[derive(Default)]
struct Used {
    sums: BTreeMap<ModelId, Measures>,
    needs: BTreeMap<ModelId, Needs>,
}

impl Used {
    async fn of(
        tx: &mut Tx,
        user: &str,
        stakes: &[(ModelId, Stake)],
        waiting: &Waiting,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        if !stakes.iter().any(|(id, stake)| !stake.uses.is_empty() && waiting.changes.contains_key(id)) {
            return Ok(Self::default());
        }
        Ok(Self { sums: spend::recent(tx, Some(user), now).await?, needs: store::peaks::of_user(tx, user, now).await? })
    }

    /// What runs on a model in a month. A user whose executions are reported and never are on it pays nothing for it.
    fn load(&self, id: &ModelId, stake: &Stake, models: &Models) -> Load {
        match self.sums.get(id) {
            Some(sums) => Load::of(sums),
            None if self.sums.is_empty() => models.assumed(stake.uses.iter().filter(|used| used.position == 0).count()),
            None => Load::default(),
        }
    }
}

/// What a user is to be told of a model, and what they know of it afterwards.
pub(super) struct Due<'a> {
    pub(super) id: &'a ModelId,
    pub(super) stake: &'a Stake,
    pub(super) news: News,
    pub(super) belief: news::Belief,
}

fn due<'a>(
    facts: &Facts,
    stakes: &'a [(ModelId, Stake)],
    waiting: &Waiting,
    used: &Used,
    models: &Models,
    now: DateTime<Utc>,
) -> Vec<Due<'a>> {
    let mut found = Vec::new();
    for (id, stake) in stakes {
        let Some(tracked) = facts.tracked(id) else { continue };
        let mut belief = stake.belief.clone();
        let mut tell = |belief: &mut news::Belief, news: Option<News>| {
            if let Some(news) = news {
                *belief = news::learn(belief.clone(), &news, now);
                found.push(Due { id, stake, news, belief: belief.clone() });
            }
        };
        let news = news::due(&belief, tracked, facts.ends.get(id), !stake.uses.is_empty(), now);
        tell(&mut belief, news);
        if let (Some(began), Some(settled)) = (stake.since(), waiting.changes.get(id)) {
            let load = used.load(id, stake, models);
            let news = news::repriced(&belief, tracked, began, settled, load, models.threshold());
            tell(&mut belief, news);
            let context = used.needs.get(id).and_then(|needs| needs.context);
            let news = news::ability(&belief, tracked, began, settled, context);
            tell(&mut belief, news);
        }
    }
    found
}

/// Writes what a user knows now, and the mails that tell it.
pub(super) async fn post(
    context: &Context,
    tx: &mut Tx,
    to: &Recipient,
    found: Vec<Due<'_>>,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, Error> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_kind: BTreeMap<&'static str, Vec<Item<'_>>> = BTreeMap::new();
    for Due { id, stake, news, belief } in found {
        store::told::save(tx, &to.id, id, &belief).await?;
        if let Some(tracked) = facts.tracked(id) {
            let item = Item { tracked, end: facts.ends.get(id), news, uses: &stake.uses };
            by_kind.entry(item.news.kind()).or_default().push(item);
        }
    }
    // What a user does not want to hear they know all the same: resuming floods nobody with old news.
    let stopped = store::preferences::stopped(tx, std::slice::from_ref(&to.id)).await?;
    by_kind.retain(|kind, _| !stopped.contains(&(to.id.clone(), (*kind).to_owned())));
    if by_kind.is_empty() {
        return Ok(Vec::new());
    }
    let sums = spend::recent(tx, Some(&to.id), now).await?;
    let mixes = sums.iter().filter_map(|(id, sums)| Some((id.clone(), spend::mix(sums)?))).collect();
    let needs = store::peaks::of_user(tx, &to.id, now).await?;
    let Facts { known, shelf, named, ends, direct: _ } = facts;
    let choices = Choices { known, shelf, named, ends, mixes: &mixes, needs: &needs };
    let mut kinds = Vec::new();
    for (kind, mut items) in by_kind {
        items.sort_by_key(|item| (first(&item.news), item.tracked.model.id.clone()));
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

/// What is read first: what ends first, and what moves the bill most.
fn first(news: &News) -> (Option<chrono::NaiveDate>, i64) {
    match news {
        News::Deprecated { on, .. } => (Some(*on), 0),
        News::DateChanged { is, .. } => (*is, 0),
        News::Removed { since, .. } | News::Returned { since, .. } | News::Missing { since, .. } => {
            (Some(since.date_naive()), 0)
        }
        News::Repriced(repricing) => (None, -repricing.difference().0.saturating_abs()),
        News::Ability(_) => (None, 0),
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
