//! Tells users whose own executions fail on a model that the list does not have: at once, whatever else is concluded.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::notices::{self, Due, Facts};
use super::{Context, Error};
use crate::domain::missing::{self, Failures, QUARTERS};
use crate::domain::model_id::ModelId;
use crate::domain::news;
use crate::domain::rollup::quarter_of;
use crate::store::told::Stake;
use crate::store::{self, Lock, Tx};

/// What failed in the last hour as on a model that is not there.
///
/// # Errors
/// When the store fails.
pub(super) async fn failures(tx: &mut Tx, now: DateTime<Utc>) -> store::Result<Vec<Failures>> {
    let quarter = quarter_of(now);
    store::rollups::unavailable(tx, (quarter + 1 - QUARTERS, quarter + 1)).await
}

/// Tells whom it concerns; gives the number of mails.
pub(crate) async fn tell(context: &Context, now: DateTime<Utc>) -> Result<usize, Error> {
    let mut tx = context.db.read().await?;
    let failures = failures(&mut tx, now).await?;
    if failures.is_empty() {
        return Ok(0);
    }
    let concerned = missing::concerned(&failures, &store::models::load(&mut tx).await?);
    drop(tx);
    let mut by_user: BTreeMap<String, Vec<(ModelId, i64)>> = BTreeMap::new();
    for ((user, model), failed) in concerned {
        by_user.entry(user).or_default().push((model, failed));
    }
    let mut told = 0;
    for (user, models) in by_user {
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        let kinds = tell_one(context, &mut tx, &user, &models, now).await?;
        tx.commit().await?;
        told += kinds.len();
        context.enqueued(kinds.into_iter());
    }
    Ok(told)
}

async fn tell_one(
    context: &Context,
    tx: &mut Tx,
    user: &String,
    models: &[(ModelId, i64)],
    now: DateTime<Utc>,
) -> Result<Vec<&'static str>, Error> {
    let mut stakes: Vec<(&ModelId, i64, Stake)> = Vec::new();
    for (model, failed) in models {
        let stake = store::told::stake(tx, user, model).await?;
        if stake.belief.gone_since.is_none() && stake.belief.missing_since.is_none() {
            stakes.push((model, *failed, stake));
        }
    }
    if stakes.is_empty() {
        return Ok(Vec::new());
    }
    let to = store::told::recipients(tx, std::slice::from_ref(user)).await?.pop();
    let Some(to) = to else { return Ok(Vec::new()) };
    let facts = Facts::load(tx, now).await?;
    let mut found = Vec::new();
    for (id, failed, stake) in &stakes {
        let news = facts.tracked(id).and_then(|tracked| news::failing(&stake.belief, tracked, *failed));
        if let Some(news) = news {
            let belief = news::learn(stake.belief.clone(), &news, now);
            found.push(Due { id, stake, news, belief });
        }
    }
    notices::post(context, tx, &to, found, &facts, now).await
}
