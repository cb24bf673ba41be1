//! Forgets what is older than it is kept for, in small steps.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Error, Spec};
use crate::store::executions::Cursor;
use crate::store::prune::{What, step};
use crate::store::{self, partitions};

/// The forgetting.
pub(super) const SPEC: Spec = Spec {
    name: "prune",
    what: "Forgets mails, lists and runs that are older than they are kept for",
    timeout: TimeDelta::hours(1),
    attempts: 3,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// The span before the current one is the last that anybody asks for.
const PEAKS_DAYS: u32 = 30;

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let (now, retention) = (context.now(), context.settings.get().retention.clone());
    let mut parts = Vec::new();
    for (what, name, days) in [
        (What::Mails, "mails", retention.mails_days),
        (What::Fetches, "fetches", retention.lists_days),
        (What::Runs, "runs", retention.runs_days),
        (What::Quarters, "sums by quarter", retention.quarters_days),
        (What::Incidents, "incidents", retention.incidents_days),
        (What::Silences, "silences", retention.incidents_days),
        (What::Balances, "balances", retention.balances_days),
        (What::Peaks, "longest executions", PEAKS_DAYS),
        (What::KeyAccess, "accesses to keys", retention.key_access_days),
        (What::KeyUsage, "counts of keys", retention.key_usage_days),
    ] {
        let before = now.checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut gone = 0;
        while !context.stop.is_cancelled() {
            let mut tx = context.db.write().await?;
            let some = step(&mut tx, what, before).await?;
            tx.commit().await?;
            gone += some;
            if some == 0 {
                break;
            }
        }
        parts.push(format!("{gone} {name}"));
    }
    parts.push(executions(context, now - TimeDelta::days(i64::from(retention.executions_days))).await?);
    Ok(format!("forgot {}", parts.join(", ")))
}

/// Makes the partitions of the days to come, drops those of days long gone, and forgets what is old in the others.
async fn executions(context: &Arc<Context>, before: DateTime<Utc>) -> Result<String, Error> {
    let mut tx = context.db.write().await?;
    partitions::prepare(&mut tx, context.now()).await?;
    let days = partitions::drop_before(&mut tx, before).await?;
    tx.commit().await?;
    let (mut gone, mut next) = (0, Some(Cursor::default()));
    while let Some(cursor) = next.filter(|_| !context.stop.is_cancelled()) {
        let mut tx = context.db.write().await?;
        let (some, cursor) = store::executions::forget(&mut tx, before, &cursor).await?;
        tx.commit().await?;
        (gone, next) = (gone + some, cursor);
    }
    Ok(if days > 0 { format!("{gone} executions and {days} days of them") } else { format!("{gone} executions") })
}
