//! What the users spent and how often they failed, and what accounts have left: read beside the scrapes, because it costs with who was active.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{Datelike, NaiveDate};

use crate::domain::money::NanoUsd;
use crate::domain::rollup::{Measures, quarter_of};
use crate::job::Context;
use crate::metrics::{ERROR_KINDS, OTHER, USER_SERIES_MAX, dollars};
use crate::store::partitions::day_at;
use crate::store::rollups::{self, Grain, Group, Query};
use crate::store::{self, Tx};

/// How often the figures are read anew.
const EVERY: Duration = Duration::from_secs(30);
/// Reading takes no more than this share of the time: on a large platform it is done less often.
const SHARE: u32 = 20;
/// Fewer executions in an hour say nothing about a user.
const EXECUTIONS_MIN: i64 = 20;

/// Keeps the figures fresh until asked to stop.
pub async fn run(context: Arc<Context>) {
    while !context.stop.is_cancelled() {
        let began = Instant::now();
        if let Err(error) = read(&context).await {
            tracing::warn!(%error, "what users spent could not be read");
        }
        tokio::select! {
            () = tokio::time::sleep(std::cmp::max(EVERY, began.elapsed() * SHARE)) => {}
            () = context.stop.cancelled() => {}
        }
    }
}

async fn read(context: &Context) -> store::Result<()> {
    let now = context.now();
    let mut tx = context.db.read().await?;
    let today = i64::from(day_at(now));
    let first = now.date_naive().with_day(1).unwrap_or(NaiveDate::MIN);
    let month = today - (now.date_naive() - first).num_days();
    context.metrics.usage.user_spend.reset();
    for (window, from) in [("today", today), ("month", month)] {
        spend(context, &mut tx, window, (from, today + 1)).await?;
    }
    failures(context, &mut tx, quarter_of(now)).await?;
    super::credit::read(context, &mut tx).await
}

async fn spend(context: &Context, tx: &mut Tx, window: &str, days: (i64, i64)) -> store::Result<()> {
    let limit = i64::try_from(USER_SERIES_MAX).unwrap_or(i64::MAX);
    let (top, all) = rollups::top_users(tx, days, limit).await?;
    let names = rollups::texts(tx, &top.iter().map(|(user, _)| *user).collect::<Vec<_>>()).await?;
    let mut rest = all;
    for (user, cost) in &top {
        // Whoever is called as the rest is part of it.
        if let Some(name) = names.get(user).filter(|name| *name != OTHER) {
            context.metrics.usage.user_spend.with_label_values(&[name.as_str(), window]).set(dollars(NanoUsd(*cost)));
            rest -= cost;
        }
    }
    context.metrics.usage.user_spend.with_label_values(&[OTHER, window]).set(dollars(NanoUsd(rest)));
    Ok(())
}

async fn failures(context: &Context, tx: &mut Tx, quarter: i64) -> store::Result<()> {
    let query = Query { grain: Grain::Quarters, slots: (quarter - 3, quarter + 1), user: None, by: &[Group::User] };
    let failed = |sums: &Measures| ERROR_KINDS.iter().map(|(_, count)| count(sums)).sum::<i64>();
    let mut users = rollups::sums(tx, query).await?;
    users.retain(|(_, sums)| sums.executions >= EXECUTIONS_MIN && failed(sums) > 0);
    users.sort_by_key(|(_, sums)| std::cmp::Reverse(failed(sums)));
    users.truncate(USER_SERIES_MAX);
    let numbers: Vec<i64> = users.iter().filter_map(|(numbers, _)| numbers.first().copied()).collect();
    let names = rollups::texts(tx, &numbers).await?;
    context.metrics.usage.user_error_ratio.reset();
    for (outcome, _) in ERROR_KINDS {
        context.metrics.usage.user_error_ratio.with_label_values(&[OTHER, outcome, "1h"]);
    }
    for (number, (_, sums)) in numbers.iter().zip(&users) {
        let Some(name) = names.get(number) else { continue };
        for (outcome, count) in ERROR_KINDS {
            #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
            let ratio = count(sums) as f64 / sums.executions as f64;
            context.metrics.usage.user_error_ratio.with_label_values(&[name.as_str(), outcome, "1h"]).set(ratio);
        }
    }
    Ok(())
}
