//! Addresses that a mail server knows nobody at: nothing is sent there until somebody mends them.

use chrono::{DateTime, Utc};

use super::{Result, Tx, on, time};

/// An address that takes no mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The address, in lower case.
    pub address: String,
    /// What the server said.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// The bare address of a recipient, in the one form in which it is compared: `Jo <Jo@Example.org>` is `jo@example.org`.
fn bare(recipient: &str) -> String {
    let inner = recipient.rsplit_once('<').map_or(recipient, |(_, rest)| rest.trim_end().trim_end_matches('>'));
    inner.trim().to_ascii_lowercase()
}

/// Sends nothing more to a recipient.
///
/// # Errors
/// When the database fails.
pub async fn suppress(tx: &mut Tx, recipient: &str, reason: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO mail_suppressions (address, reason, suppressed_at) VALUES ($1, $2, $3) \
        ON CONFLICT (address) DO UPDATE SET reason = excluded.reason";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(bare(recipient)).bind(reason).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Sends to a recipient again, from the next mail on. Says whether they were suppressed.
///
/// # Errors
/// When the database fails.
pub async fn lift(tx: &mut Tx, recipient: &str) -> Result<bool> {
    const SQL: &str = "DELETE FROM mail_suppressions WHERE address = $1";
    let gone = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(bare(recipient));
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(gone > 0)
}

/// Whether nothing is sent to a recipient.
///
/// # Errors
/// When the database fails.
pub async fn covers(tx: &mut Tx, recipient: &str) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM mail_suppressions WHERE address = $1)";
    let (covered,): (bool,) = on!(tx, |conn| sqlx::query_as(SQL).bind(bare(recipient)).fetch_one(conn).await)?;
    Ok(covered)
}

/// How many addresses are suppressed.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM mail_suppressions";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(count)
}

/// The latest suppressions, newest first.
///
/// # Errors
/// When the database fails.
pub async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<Suppression>> {
    const SQL: &str =
        "SELECT address, reason, suppressed_at FROM mail_suppressions ORDER BY suppressed_at DESC, address LIMIT $1";
    let rows: Vec<(String, String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(address, reason, at)| Suppression { address, reason, at: time(at) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_bare() {
        for written in ["jo@example.org", " Jo@Example.ORG ", "Jo <jo@example.org>", "\"<x>\" <JO@example.org> "] {
            assert_eq!(bare(written), "jo@example.org");
        }
    }
}
