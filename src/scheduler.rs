//! Wakes the runner. Cron lines, zones, overlaps and missed runs are not the scheduler's business: the runner asks
//! the slots in the database what is due.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};

/// Every five seconds, in UTC: how late a job may begin.
const TICK: &str = "*/5 * * * * *";

/// Starts the ticking.
///
/// # Errors
/// When the scheduler cannot start.
pub async fn start(tick: Arc<Notify>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new(TICK, move |_, _| tick.notify_one())?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
