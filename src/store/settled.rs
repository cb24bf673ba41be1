//! Changes that held, and whether the users of their models have been gone through.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::runs;
use super::{Result, Tx, json, on, time};
use crate::domain::model_id::ModelId;
use crate::domain::settled::Settlement;

/// Five parameters a row, far below the limit of either engine.
const ROWS_PER_STATEMENT: usize = 1000;

/// Everything that held of the models of which something is not judged yet.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    /// By model, oldest first; what was judged before is there too, for small changes add up.
    pub changes: BTreeMap<ModelId, Vec<Settlement>>,
    /// How many are not judged.
    pub unjudged: usize,
}

/// Records what held.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, settled: &[Settlement]) -> Result<()> {
    for rows in runs(settled, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert = QueryBuilder::new("INSERT INTO settled_changes (model_id, what, since, before, after) ");
            insert.push_values(rows, |mut row, change| {
                row.push_bind(change.model.as_str())
                    .push_bind(change.what.as_str())
                    .push_bind(change.since.timestamp_micros())
                    .push_bind(change.before.to_string())
                    .push_bind(change.after.to_string());
            });
            insert.push(" ON CONFLICT (model_id, what, since) DO NOTHING");
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// What is not judged, with all that held of the same models before.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn waiting(tx: &mut Tx) -> Result<Waiting> {
    const SQL: &str = "SELECT model_id, what, since, before, after, judged_at FROM settled_changes WHERE model_id IN \
        (SELECT model_id FROM settled_changes WHERE judged_at IS NULL) ORDER BY model_id, since, what";
    type Row = (String, String, i64, String, String, Option<i64>);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let mut waiting = Waiting::default();
    for (model, what, since, before, after, judged) in rows {
        let model = ModelId::new(model);
        let (before, after) = (json("settled_changes.before", &before)?, json("settled_changes.after", &after)?);
        let change = Settlement { model: model.clone(), what, since: time(since), before, after };
        waiting.changes.entry(model).or_default().push(change);
        waiting.unjudged += usize::from(judged.is_none());
    }
    Ok(waiting)
}

/// Marks as judged what was waiting when its users were gone through.
///
/// # Errors
/// When the database fails.
pub async fn judged(tx: &mut Tx, waiting: &Waiting, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE settled_changes SET judged_at = $4 \
        WHERE model_id = $1 AND what = $2 AND since = $3 AND judged_at IS NULL";
    for change in waiting.changes.values().flatten() {
        on!(tx, |conn| {
            let query = sqlx::query(SQL).bind(change.model.as_str()).bind(&change.what);
            query.bind(change.since.timestamp_micros()).bind(now.timestamp_micros()).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}
