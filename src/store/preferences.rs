//! Which mails users want.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Result, Tx, on};

/// The user whose mails carry a token.
///
/// # Errors
/// When the database fails.
pub async fn user_of(tx: &mut Tx, mail_token: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT id FROM users WHERE mail_token = $1";
    let row: Option<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(mail_token).fetch_optional(conn).await)?;
    Ok(row.map(|(id,)| id))
}

/// User and kind of what the users from `first` to `last` do not want.
///
/// # Errors
/// When the database fails.
pub async fn stopped(tx: &mut Tx, first: &str, last: &str) -> Result<BTreeSet<(String, String)>> {
    const SQL: &str = "SELECT user_id, kind FROM mail_stops WHERE user_id BETWEEN $1 AND $2";
    let rows: Vec<(String, String)> = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_all(conn).await)?;
    Ok(rows.into_iter().collect())
}

/// A user does not want a kind of mail from now on.
///
/// # Errors
/// When the database fails.
pub async fn stop(tx: &mut Tx, user: &str, kind: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO mail_stops (user_id, kind, stopped_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(user).bind(kind).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// A user wants a kind of mail again.
///
/// # Errors
/// When the database fails.
pub async fn resume(tx: &mut Tx, user: &str, kind: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM mail_stops WHERE user_id = $1 AND kind = $2";
    on!(tx, |conn| sqlx::query(SQL).bind(user).bind(kind).execute(conn).await.map(drop))?;
    Ok(())
}
