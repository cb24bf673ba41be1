//! Reads the feeds of what vendors announced, and finds out which models that ends.

use std::sync::Arc;

use anyhow::anyhow;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Error, Spec};
use crate::domain::vendor_end::{self, VendorEnds};
use crate::feeds::{Feed, Reading};
use crate::store::feeds::Good;
use crate::store::{self, Lock, Tx};

/// Reads every feed that is not off.
pub(super) const SPEC: Spec = Spec {
    name: "feeds",
    what: "Reads what vendors announced of their models",
    timeout: TimeDelta::minutes(10),
    attempts: 6,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// Each feed stands alone: one that fails leaves in force what it said last. The job fails with it, so that it is tried
/// again, and admins are told once.
async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let (now, config) = (context.now(), context.settings.get());
    let (mut read, mut failed) = (Vec::new(), Vec::new());
    for feed in Feed::ALL {
        let places = config.feeds.places(feed);
        if places.is_empty() {
            continue;
        }
        let reading = context.feeds.read(feed, &places).await;
        let result = if reading.is_ok() { "ok" } else { "error" };
        context.metrics.feeds.reads.with_label_values(&[feed.as_str(), result]).inc();
        match reading {
            Ok(reading) => read.push(take(context, feed, reading, now).await?),
            Err(error) => failed.push(error.to_string()),
        }
    }
    match (failed.is_empty(), read.is_empty()) {
        (true, true) => Ok("every feed is off".to_owned()),
        (true, false) => Ok(read.join(", ")),
        (false, _) => Err(Error::Retry(anyhow!(failed.join("; ")), None)),
    }
}

/// Takes in what a feed says.
async fn take(context: &Context, feed: Feed, reading: Reading, now: DateTime<Utc>) -> Result<String, Error> {
    for reason in reading.rejected.iter().take(5) {
        tracing::warn!(feed = feed.as_str(), reason, "an entry of the feed was left out");
    }
    let rejected = i64::try_from(reading.rejected.len()).unwrap_or(i64::MAX);
    let found = reading.distinct();
    let summary = format!("{}: {} announcements", feed.as_str(), found.len());
    let good = Good { at: now, announcements: i64::try_from(found.len()).unwrap_or(i64::MAX), rejected };
    let mut tx = context.db.write().await?;
    let kept = store::feeds::load(&mut tx, &[feed.as_str()]).await?;
    store::feeds::save(&mut tx, feed.as_str(), &vendor_end::merge(kept, found, now), good).await?;
    tx.commit().await?;
    Ok(summary)
}

/// Finds out anew which models end: an announcement may have come of age, a model may be new, a feed may be off now.
pub(super) async fn settle(context: &Context, now: DateTime<Utc>) -> Result<(), Error> {
    let mut tx = context.db.read().await?;
    let (before, after) = ends(context, &mut tx, now).await?;
    drop(tx);
    if before == after {
        return Ok(());
    }
    let mut tx = context.db.write().await?;
    tx.lock(Lock::Models).await?;
    let (before, after) = ends(context, &mut tx, now).await?;
    let known = store::models::load(&mut tx).await?;
    let changes = vendor_end::changes(&before, &after, &known, now);
    store::feeds::save_ends(&mut tx, &before, &after).await?;
    store::changes::insert(&mut tx, &changes).await?;
    tx.commit().await?;
    for change in &changes {
        context.metrics.model_changes.with_label_values(&[change.kind.as_str()]).inc();
    }
    Ok(())
}

/// Which models end: what is kept, and what is so.
async fn ends(context: &Context, tx: &mut Tx, now: DateTime<Utc>) -> Result<(VendorEnds, VendorEnds), Error> {
    let feeds = &context.settings.get().feeds;
    let on: Vec<&str> =
        Feed::ALL.into_iter().filter(|feed| !feeds.places(*feed).is_empty()).map(Feed::as_str).collect();
    let before = store::feeds::ends(tx).await?;
    let kept = store::feeds::load(tx, &on).await?;
    if kept.is_empty() {
        return Ok((before, VendorEnds::new()));
    }
    let (known, direct) = (store::models::load(tx).await?, store::feeds::direct(tx).await?);
    let after = vendor_end::resolve(&kept, &known, &direct, now);
    Ok((before, after))
}
