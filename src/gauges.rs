//! The metrics that are read off the store: set when somebody scrapes, at most every few seconds.

mod credit;
pub mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use crate::domain::alert::Rule;
use crate::domain::incident::Phase;
use crate::domain::key::KeyStatus;
use crate::feeds::Feed;
use crate::job::{Context, JOBS};
use crate::metrics::{EXPIRY_SERIES_MAX, MODEL_STATES};
use crate::store::{self, Tx};

/// Figures younger than this are good enough for another scrape.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// A scrape does not wait longer for the store: it then gets the former figures.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Keeps the gauges fresh.
#[derive(Debug, Default)]
pub struct Gauges {
    read_at: Mutex<Option<Instant>>,
}

impl Gauges {
    /// Reads the figures unless they are fresh. A store that fails or is slow leaves the former ones.
    pub async fn refresh(&self, context: &Arc<Context>) {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_some_and(|at| at.elapsed() < FRESH_FOR) {
            return;
        }
        match tokio::time::timeout(WAIT_MAX, read(context)).await {
            Ok(Ok(())) => *read_at = Some(Instant::now()),
            Ok(Err(error)) => tracing::warn!(%error, "the gauges could not be read"),
            Err(_) => tracing::warn!("the gauges could not be read in time"),
        }
    }
}

async fn read(context: &Context) -> store::Result<()> {
    let now = context.now();
    let mut tx = context.db.read().await?;
    read_models(context, &mut tx, now).await?;
    read_feeds(context, &mut tx).await?;
    read_mails(context, &mut tx, now).await?;
    read_keys(context, &mut tx).await?;
    read_jobs(context, &mut tx, now).await?;
    context.metrics.store_size.set(tx.size().await?);
    Ok(())
}

async fn read_models(context: &Context, tx: &mut Tx, now: DateTime<Utc>) -> store::Result<()> {
    let metrics = &context.metrics;
    let counts = store::models::count(tx, now.date_naive()).await?;
    for state in MODEL_STATES {
        let (all, used) = counts.get(state).copied().unwrap_or_default();
        metrics.models.with_label_values(&[state]).set(all);
        metrics.models_in_use.with_label_values(&[state]).set(used);
    }
    // A model that is no longer dated would keep its last value.
    metrics.model_expiry.reset();
    for (id, day) in store::models::ending_in_use(tx, now.date_naive(), EXPIRY_SERIES_MAX).await? {
        let at = day.and_time(chrono::NaiveTime::MIN).and_utc();
        metrics.model_expiry.with_label_values(&[id.as_str()]).set(seconds(at));
    }
    let open = store::incidents::all_open(tx).await?;
    for rule in Rule::ALL {
        for phase in [Phase::Pending, Phase::Firing] {
            let count = open.iter().filter(|open| open.rule == *rule && open.phase == phase).count();
            metrics.alerts.with_label_values(&[rule.as_str(), phase.as_str()]).set(i64::try_from(count).unwrap_or(0));
        }
    }
    if let Some(fetch) = store::lists::last_accepted(tx).await? {
        metrics.list_accepted.set(seconds(fetch.at));
        metrics.list_models.set(fetch.listed);
        metrics.list_rejected.set(fetch.rejected);
    }
    Ok(())
}

async fn read_feeds(context: &Context, tx: &mut Tx) -> store::Result<()> {
    let (feeds, good) = (&context.settings.get().feeds, store::feeds::last_good(tx).await?);
    for feed in Feed::ALL {
        let good = good.get(feed.as_str()).filter(|_| !feeds.places(feed).is_empty());
        let label = &[feed.as_str()];
        context.metrics.feeds.last_success.with_label_values(label).set(good.map_or(0.0, |good| seconds(good.at)));
        context.metrics.feeds.announcements.with_label_values(label).set(good.map_or(0, |good| good.announcements));
        context.metrics.feeds.rejected.with_label_values(label).set(good.map_or(0, |good| good.rejected));
    }
    Ok(())
}

async fn read_mails(context: &Context, tx: &mut Tx, now: DateTime<Utc>) -> store::Result<()> {
    let queue = store::outbox::queue(tx).await?;
    let states = [
        ("pending", queue.pending),
        ("held", queue.held),
        ("folded", queue.folded),
        ("sending", queue.sending),
        ("dead", queue.dead),
    ];
    for (state, count) in states {
        context.metrics.mail_queue.with_label_values(&[state]).set(count);
    }
    let age = queue.oldest_pending.map_or(0.0, |oldest| seconds(now) - seconds(oldest));
    context.metrics.mail_oldest_pending.set(age);
    context.metrics.mail_suppressed.set(store::suppressions::count(tx).await?);
    Ok(())
}

async fn read_keys(context: &Context, tx: &mut Tx) -> store::Result<()> {
    let counts = store::keys::in_doubt(tx).await?;
    for status in KeyStatus::IN_DOUBT.map(KeyStatus::as_str) {
        let count = counts.get(status).copied().unwrap_or_default();
        context.metrics.keys_in_doubt.with_label_values(&[status]).set(count);
    }
    Ok(())
}

async fn read_jobs(context: &Context, tx: &mut Tx, now: DateTime<Utc>) -> store::Result<()> {
    for (job, at) in store::runs::last_success(tx).await? {
        if JOBS.iter().any(|spec| spec.name == job) {
            context.metrics.job_last_success.with_label_values(&[&job]).set(seconds(at));
        }
    }
    let config = context.settings.get();
    for spec in JOBS {
        let period = config.schedule(spec.name).and_then(|schedule| schedule.period(now));
        let period = period.map_or(0.0, chrono::TimeDelta::as_seconds_f64);
        context.metrics.job_period.with_label_values(&[spec.name]).set(period);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until the year 2255")]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}
