//! On PostgreSQL executions lie in one partition a day, so that forgetting a day costs nothing. SQLite has none.

use chrono::{DateTime, Utc};

use super::{Engine, Lock, Result, Tx};
use crate::domain::execution::Day;

/// Days before today for which partitions are made: whoever begins may send what ran since yesterday.
const DAYS_BEHIND: Day = 2;
/// Days ahead: a daemon that was down for a week finds them made.
const DAYS_AHEAD: Day = 14;
/// What PostgreSQL says when rows of that day lie in the partition for all others already; they stay there.
const CHECK_VIOLATION: &str = "23514";

/// The day of a time.
#[must_use]
pub fn day_at(at: DateTime<Utc>) -> Day {
    Day::try_from(at.timestamp().div_euclid(86_400)).unwrap_or(0)
}

/// Makes the partitions of the days around today that are not there yet.
///
/// # Errors
/// When the database fails.
pub async fn prepare(tx: &mut Tx, now: DateTime<Utc>) -> Result<()> {
    tx.lock(Lock::Partitions).await?;
    let Engine::Postgres(tx) = tx.engine() else { return Ok(()) };
    let today = day_at(now);
    for day in today - DAYS_BEHIND..=today + DAYS_AHEAD {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS executions_{day} PARTITION OF executions FOR VALUES FROM ({day}) TO ({})",
            day + 1
        );
        sqlx::query("SAVEPOINT day").execute(&mut **tx).await?;
        match sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **tx).await {
            Ok(_) => {
                sqlx::query("RELEASE SAVEPOINT day").execute(&mut **tx).await?;
            }
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CHECK_VIOLATION) => {
                sqlx::query("ROLLBACK TO SAVEPOINT day").execute(&mut **tx).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Drops the partitions of days before `before` that hold nothing newer. Says how many.
///
/// # Errors
/// When the database fails.
pub async fn drop_before(tx: &mut Tx, before: DateTime<Utc>) -> Result<u64> {
    const CHILDREN: &str = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
        WHERE i.inhparent = 'executions'::regclass ORDER BY c.relname";
    let Engine::Postgres(tx) = tx.engine() else { return Ok(0) };
    let names: Vec<(String,)> = sqlx::query_as(CHILDREN).fetch_all(&mut **tx).await?;
    let mut dropped = 0;
    for (name,) in names {
        let day = name.strip_prefix("executions_").and_then(|day| day.parse::<Day>().ok());
        if day.is_none_or(|day| day >= day_at(before)) {
            continue;
        }
        let newer = format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE at >= $1)");
        let newer = sqlx::query_as(sqlx::AssertSqlSafe(newer)).bind(before.timestamp_micros());
        let (newer,): (bool,) = newer.fetch_one(&mut **tx).await?;
        if !newer {
            sqlx::query(sqlx::AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut **tx).await?;
            dropped += 1;
        }
    }
    Ok(dropped)
}
