//! Access tokens: only their hashes are kept.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{Result, Tx, on};

/// What is kept of a token. Tokens are random, so one round of SHA-256 is enough.
#[must_use]
pub fn hash(token: &str) -> String {
    format!("{:x}", Sha256::digest(token.as_bytes()))
}

/// Keeps the hash of a new token.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, scope: &str, label: &str, hash: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO tokens (scope, label, hash, created_at) VALUES ($1, $2, $3, $4)";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(scope).bind(label).bind(hash);
        query.bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// The hashes of the tokens in force that have a scope.
///
/// # Errors
/// When the database fails.
pub async fn hashes(tx: &mut Tx, scope: &str) -> Result<Vec<String>> {
    const SQL: &str = "SELECT hash FROM tokens WHERE scope = $1 AND revoked_at IS NULL";
    let rows: Vec<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(scope).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(hash,)| hash).collect())
}
