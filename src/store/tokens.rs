//! Access tokens: only their hashes are kept.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{Result, Tx, on, time};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Sending executions, traces and the directory, and what a platform asks before it runs something.
    Ingest,
    /// Reading what is known and what was spent.
    Read,
    /// Everything, pages and alerts included.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Read, Self::Admin];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// The scope of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A token in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// What it is good for.
    pub scope: Scope,
    /// Whose it is.
    pub label: String,
    /// What is kept of it.
    pub hash: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// What is kept of a token. Tokens are random, so one round of SHA-256 is enough.
#[must_use]
pub fn hash(token: &str) -> String {
    format!("{:x}", Sha256::digest(token.as_bytes()))
}

/// Keeps the hash of a new token.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, scope: Scope, label: &str, hash: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO tokens (scope, label, hash, created_at) VALUES ($1, $2, $3, $4)";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(scope.as_str()).bind(label).bind(hash);
        query.bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// The tokens in force, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn in_force(tx: &mut Tx) -> Result<Vec<Token>> {
    const SQL: &str = "SELECT id, scope, label, hash, created_at FROM tokens WHERE revoked_at IS NULL ORDER BY id";
    type Row = (i64, String, String, String, i64);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let token = |(id, scope, label, hash, at): Row| {
        Some(Token { id, scope: Scope::from_name(&scope)?, label, hash, created_at: time(at) })
    };
    Ok(rows.into_iter().filter_map(token).collect())
}

/// Revokes a token. Says whether it was in force.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, id: i64, now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(now.timestamp_micros());
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}
