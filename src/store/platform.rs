//! The platform's own PostgreSQL, read by the queries that its operators wrote; and how far that has come.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{Error, Result, STATEMENT_TIMEOUT, Tx, on};

/// A row of a query: where to go on, and the row itself as JSON.
pub type Pulled = (String, String);

/// A connection that can only read.
#[derive(Debug)]
pub struct Platform(PgConnection);

impl Platform {
    /// Connects to `postgres://…`.
    ///
    /// # Errors
    /// When the address is none or the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::Url(error.to_string()))?
            .application_name("openrouter-monitor")
            .disable_statement_logging()
            .options([("statement_timeout", STATEMENT_TIMEOUT), ("default_transaction_read_only", "on")]);
        Ok(Self(PgConnection::connect_with(&options).await?))
    }

    /// The rows behind a cursor, which the query takes as its text parameter `$1` (empty at first).
    ///
    /// # Errors
    /// When the query fails or does not give two columns of text.
    pub async fn rows(&mut self, query: &str, cursor: &str) -> Result<Vec<Pulled>> {
        Ok(sqlx::query_as(AssertSqlSafe(query.to_owned())).bind(cursor).fetch_all(&mut self.0).await?)
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.0.close().await.ok();
    }
}

/// How far a pull has come.
///
/// # Errors
/// When the database fails.
pub async fn cursor(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM cursors WHERE name = $1";
    let row: Option<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(name).fetch_optional(conn).await)?;
    Ok(row.map(|(value,)| value))
}

/// Keeps how far a pull has come.
///
/// # Errors
/// When the database fails.
pub async fn keep_cursor(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    const SQL: &str =
        "INSERT INTO cursors (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    on!(tx, |conn| sqlx::query(SQL).bind(name).bind(value).execute(conn).await.map(drop))?;
    Ok(())
}
