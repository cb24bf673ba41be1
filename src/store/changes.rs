//! What happened to the models, and what of it the admins have been told.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::runs;
use super::{Error, Result, Tx, json, on, time};
use crate::domain::change::{Change, ChangeKind};
use crate::domain::model_id::ModelId;

/// Six parameters a row, far below the limit of either engine.
const ROWS_PER_STATEMENT: usize = 1000;

type Row = (i64, i64, String, String, String, String);

/// Records changes.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, changes: &[Change]) -> Result<()> {
    for rows in runs(changes, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert = QueryBuilder::new("INSERT INTO changes (at, model_id, kind, before, after) ");
            insert.push_values(rows, |mut row, change| {
                row.push_bind(change.at.timestamp_micros())
                    .push_bind(change.model.as_str())
                    .push_bind(change.kind.as_str())
                    .push_bind(change.before.to_string())
                    .push_bind(change.after.to_string());
            });
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// The changes from `since` on, oldest first; of one model, if it is named.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn since(tx: &mut Tx, since: DateTime<Utc>, model: Option<&ModelId>) -> Result<Vec<Change>> {
    const SQL: &str = "SELECT id, at, model_id, kind, before, after FROM changes \
        WHERE at >= $1 AND (model_id = $2 OR $3) ORDER BY at, id";
    let rows: Vec<Row> = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(since.timestamp_micros());
        query.bind(model.map_or("", ModelId::as_str)).bind(model.is_none()).fetch_all(conn).await
    })?;
    rows.into_iter().map(change).collect()
}

/// The newest changes, newest first.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<Change>> {
    const SQL: &str = "SELECT id, at, model_id, kind, before, after FROM changes ORDER BY at DESC, id DESC LIMIT $1";
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(change).collect()
}

/// The changes that no digest has told yet, and the id of the last of them.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn undigested(tx: &mut Tx) -> Result<(Vec<Change>, i64)> {
    const SQL: &str = "SELECT id, at, model_id, kind, before, after FROM changes WHERE digested_at IS NULL ORDER BY id";
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let last = rows.last().map_or(0, |row| row.0);
    Ok((rows.into_iter().map(change).collect::<Result<_>>()?, last))
}

/// Marks the changes up to `last` as told.
///
/// # Errors
/// When the database fails.
pub async fn mark_digested(tx: &mut Tx, last: i64, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE changes SET digested_at = $2 WHERE digested_at IS NULL AND id <= $1";
    on!(tx, |conn| sqlx::query(SQL).bind(last).bind(now.timestamp_micros()).execute(conn).await.map(drop))?;
    Ok(())
}

fn change((_, at, model, kind, before, after): Row) -> Result<Change> {
    let kind = ChangeKind::from_name(&kind).ok_or(Error::Corrupt { what: "changes.kind", value: kind })?;
    let (before, after) = (json("changes.before", &before)?, json("changes.after", &after)?);
    Ok(Change { at: time(at), model: ModelId::new(model), kind, before, after })
}
