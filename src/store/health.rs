//! Whether a database is sound: its schema, a write that leaves nothing, and SQLite's own check.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::sqlite::SqliteConnectOptions;

use super::{Engine, MIGRATIONS, Result, Tx, on};

/// The file of `sqlite:PATH`; `None` for another engine.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = url.starts_with("sqlite:").then(|| SqliteConnectOptions::from_str(url).ok())??;
    Some(options.get_filename().to_owned())
}

/// The number of the newest migration.
#[must_use]
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, ..)| *number)
}

/// The number of the last migration that was made; 0 for none.
///
/// # Errors
/// When the database fails.
pub async fn schema(tx: &mut Tx) -> Result<i64> {
    const SQLITE: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    const POSTGRES: &str = "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('_sqlx_migrations')";
    const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
    let (tables,): (i64,) = match tx.engine() {
        Engine::Sqlite(tx) => sqlx::query_as(SQLITE).fetch_one(&mut **tx).await?,
        Engine::Postgres(tx) => sqlx::query_as(POSTGRES).fetch_one(&mut **tx).await?,
    };
    if tables == 0 {
        return Ok(0);
    }
    let (version,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(VERSION).fetch_one(conn).await)?;
    Ok(version.unwrap_or(0))
}

/// Writes a row, and takes it back with the transaction.
///
/// # Errors
/// When the database cannot be written to.
pub async fn try_to_write(mut tx: Tx) -> Result<()> {
    const SQL: &str = "INSERT INTO cursors (name, value) VALUES ('doctor', $1) ON CONFLICT (name) DO NOTHING";
    // More than a page, so that a full disk shows.
    let value = "x".repeat(8192);
    on!(&mut tx, |conn| sqlx::query(SQL).bind(&value).execute(conn).await.map(drop))?;
    tx.abandon();
    Ok(())
}

/// What SQLite finds wrong with its file; it reads all of it. Nothing on PostgreSQL.
///
/// # Errors
/// When the database fails.
pub async fn damage(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "PRAGMA quick_check(20)";
    let Engine::Sqlite(tx) = tx.engine() else { return Ok(Vec::new()) };
    let rows: Vec<(String,)> = sqlx::query_as(SQL).fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(|(found,)| found).filter(|found| found != "ok").collect())
}
