//! Tells the admins once a day what changed, and for how many users.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Context, Error, Spec, notices};
use crate::mail::admin::{Desk, Digest, SUPPRESSED_MAX};
use crate::spend;
use crate::store::{self, Lock};

/// The digest.
pub(super) const SPEC: Spec = Spec {
    name: "digest",
    what: "Tells the admins what changed",
    timeout: TimeDelta::minutes(5),
    attempts: 12,
    run: |context| Box::pin(async move { run(&context).await }),
};

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let now = context.now();
    let mut tx = context.db.write().await?;
    tx.lock(Lock::Telling).await?;
    let (changes, last) = store::changes::undigested(&mut tx).await?;
    let Some(first) = changes.first() else {
        tx.abandon();
        return Ok("nothing changed".to_owned());
    };
    let admins = notices::admins(context, &mut tx).await?;
    let usage = store::models::usage(&mut tx).await?;
    let used = spend::recent(&mut tx, None, now).await?;
    let users_told = store::outbox::users_told_since(&mut tx, first.at).await?;
    let models_listed = store::lists::last_accepted(&mut tx).await?.map_or(0, |fetch| fetch.listed);
    let sender = context.sender();
    let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
    let suppressed = store::suppressions::newest(&mut tx, SUPPRESSED_MAX).await?;
    let suppressed = (suppressed.as_slice(), store::suppressions::count(&mut tx).await?);
    let digest = Digest { changes: &changes, usage: &usage, used: &used, models_listed, users_told, suppressed, last };
    let mut kinds = Vec::new();
    for mail in desk.digest(&digest, now)? {
        if context.post(&mut tx, &mail, now).await? {
            kinds.push("admin_digest");
        }
    }
    store::changes::mark_digested(&mut tx, last, now).await?;
    tx.commit().await?;
    context.enqueued(kinds.iter().copied());
    Ok(format!("{} changes to {} admins", changes.len(), admins.len()))
}
