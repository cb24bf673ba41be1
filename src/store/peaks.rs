//! The longest executions of each user on each model: what a model must take that serves them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::runs;
use super::{Result, Tx, on};
use crate::domain::model_id::ModelId;
use crate::domain::peak::{Peaks, span_of};
use crate::domain::replacement::Needs;

/// Five parameters a row, far below the limit of either engine.
const ROWS_PER_STATEMENT: usize = 1000;

/// Raises what is kept to what is longer, in the order of the keys.
///
/// # Errors
/// When the database fails.
pub async fn raise(tx: &mut Tx, peaks: &Peaks) -> Result<()> {
    let rows: Vec<_> = peaks.iter().collect();
    for rows in runs(&rows, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert =
                QueryBuilder::new("INSERT INTO usage_peaks (user_no, model_no, span, tokens, output_tokens) ");
            insert.push_values(rows, |mut row, ((user, model, span), peak)| {
                row.push_bind(*user).push_bind(*model).push_bind(*span).push_bind(peak.tokens).push_bind(peak.output);
            });
            insert.push(
                " ON CONFLICT (user_no, model_no, span) DO UPDATE SET \
                 tokens = CASE WHEN excluded.tokens > usage_peaks.tokens THEN excluded.tokens ELSE usage_peaks.tokens END, \
                 output_tokens = CASE WHEN excluded.output_tokens > usage_peaks.output_tokens \
                 THEN excluded.output_tokens ELSE usage_peaks.output_tokens END",
            );
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// What a user's executions of the last month needed, and of the rest of the span before it.
///
/// # Errors
/// When the database fails.
pub async fn of_user(tx: &mut Tx, user: &str, now: DateTime<Utc>) -> Result<BTreeMap<ModelId, Needs>> {
    const SQL: &str = "SELECT m.text, p.tokens, p.output_tokens FROM usage_peaks p JOIN names u ON u.id = p.user_no \
        JOIN names m ON m.id = p.model_no WHERE u.text = $1 AND p.span >= $2";
    let rows: Vec<(String, i64, i64)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(user).bind(span_of(now) - 1).fetch_all(conn).await)?;
    let mut needs: BTreeMap<ModelId, Needs> = BTreeMap::new();
    for (model, tokens, output) in rows {
        let Some(model) = ModelId::look_up(&model) else { continue };
        let most = |known: Option<u64>, found: i64| std::cmp::max(known, u64::try_from(found).ok().filter(|n| *n > 0));
        let kept = needs.entry(model).or_default();
        *kept = Needs { context: most(kept.context, tokens), output: most(kept.output, output) };
    }
    Ok(needs)
}
