//! What is not told for a while: silences, and maintenance windows to come.

use chrono::{DateTime, Utc};

use super::{Result, Tx, on, time};
use crate::domain::silence::Silence;

/// Keeps a silence; gives its number.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, silence: &Silence) -> Result<i64> {
    const SQL: &str = "INSERT INTO silences (rule, subject_kind, subject, user_id, comment, starts_at, ends_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let (id,): (i64,) = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(&silence.rule).bind(&silence.subject_kind).bind(&silence.subject);
        let query = query.bind(&silence.user).bind(&silence.comment).bind(silence.starts_at.timestamp_micros());
        query.bind(silence.ends_at.timestamp_micros()).fetch_one(conn).await
    })?;
    Ok(id)
}

/// The silences that have not ended, with their numbers, the next to end first.
///
/// # Errors
/// When the database fails.
pub async fn not_ended(tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<(i64, Silence)>> {
    const SQL: &str = "SELECT id, rule, subject_kind, subject, user_id, comment, starts_at, ends_at FROM silences \
        WHERE ends_at > $1 ORDER BY ends_at, id";
    type Row = (i64, String, String, String, String, String, i64, i64);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(now.timestamp_micros()).fetch_all(conn).await)?;
    let silence = |(id, rule, subject_kind, subject, user, comment, starts, ends): Row| {
        let (starts_at, ends_at) = (time(starts), time(ends));
        (id, Silence { rule, subject_kind, subject, user, comment, starts_at, ends_at })
    };
    Ok(rows.into_iter().map(silence).collect())
}

/// Ends a silence now. Says whether it had not ended.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut Tx, id: i64, now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE silences SET ends_at = $2 WHERE id = $1 AND ends_at > $2";
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(now.timestamp_micros());
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}
