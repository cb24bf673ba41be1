//! Reads users, resources and executions from the platform's own database, for platforms that cannot push.
//!
//! Rows that were read twice are counted once, so the cursor is kept after them: a crash in between repeats, and loses
//! nothing.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::ExposeSecret;

use super::{Context, Error, Spec};
use crate::directory;
use crate::domain::execution::{Execution, parse};
use crate::ingest::Groups;
use crate::market::Market;
use crate::store::platform::{Platform, Pulled, cursor, keep_cursor};

/// The reading.
pub(super) const SPEC: Spec = Spec {
    name: "pull",
    what: "Reads executions, users and resources from the platform's database",
    timeout: TimeDelta::minutes(30),
    attempts: 3,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// Rows that are named in the log of one run.
const REJECTED_SHOWN: usize = 5;

/// What one query gave.
#[derive(Default)]
struct Taken {
    rows: usize,
    rejected: usize,
}

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let config = context.settings.get();
    let Some(url) = &config.pull.url else { return Ok("no database is named".to_owned()) };
    let mut platform = Platform::connect(url.expose_secret()).await?;
    let mut parts = Vec::new();
    for (name, query) in [("directory", &config.pull.directory), ("executions", &config.pull.executions)] {
        if let Some(query) = query {
            let taken = pull(context, &mut platform, name, query).await?;
            parts.push(format!("{} rows of {name}, {} of them not usable", taken.rows, taken.rejected));
        }
    }
    platform.close().await;
    Ok(if parts.is_empty() { "no query is given".to_owned() } else { parts.join("; ") })
}

/// Runs a query until it gives nothing more.
async fn pull(context: &Arc<Context>, platform: &mut Platform, name: &str, query: &str) -> Result<Taken, Error> {
    let mut tx = context.db.read().await?;
    let mut at = cursor(&mut tx, name).await?.unwrap_or_default();
    drop(tx);
    let (mut taken, mut groups) = (Taken::default(), Groups::new(Arc::clone(context)));
    while !context.stop.is_cancelled() {
        let rows = platform.rows(query, &at).await?;
        let Some((next, _)) = rows.last().filter(|(next, _)| *next != at) else { break };
        taken.rows += rows.len();
        taken.rejected += match name {
            "directory" => take_directory(context, &rows).await?,
            _ => take_executions(context, &mut groups, &rows).await?,
        };
        at.clone_from(next);
        let mut tx = context.db.write().await?;
        keep_cursor(&mut tx, name, &at).await?;
        tx.commit().await?;
    }
    Ok(taken)
}

async fn take_directory(context: &Context, rows: &[Pulled]) -> Result<usize, Error> {
    let lines: Vec<&str> = rows.iter().map(|(_, row)| row.as_str()).collect();
    let imported = directory::import(&context.db, &lines, context.now()).await;
    let imported = imported.map_err(|error| Error::Retry(error, None))?;
    for (line, reason) in imported.rejected.iter().take(REJECTED_SHOWN) {
        tracing::warn!(cursor = rows[line - 1].0, reason, "a row of the directory was not taken");
    }
    Ok(imported.rejected.len())
}

async fn take_executions(context: &Arc<Context>, groups: &mut Groups, rows: &[Pulled]) -> Result<usize, Error> {
    let market = Market::default();
    market.refresh(context).await?;
    let (now, market) = (context.now(), market.now());
    let (mut executions, mut rejected): (Vec<Execution>, _) = (Vec::with_capacity(rows.len()), 0);
    for (cursor, row) in rows {
        match parse(row, now) {
            Ok(mut execution) => {
                market.prices.complete(&mut execution);
                executions.push(execution);
            }
            Err(rejection) => {
                rejected += 1;
                if rejected <= REJECTED_SHOWN {
                    tracing::warn!(cursor, reason = rejection.reason, "an execution was not taken");
                }
            }
        }
    }
    let receipt = groups.write(&[&executions]).await?.first().copied().unwrap_or_default();
    context.metrics.usage.ingested("pull", [receipt.accepted, receipt.duplicates, rejected], now);
    Ok(rejected)
}
