//! Forgetting, in small steps, what is older than it is kept for.

use chrono::{DateTime, Utc};

use super::{Result, Tx, on};
use crate::domain::peak::span_of;
use crate::domain::rollup::quarter_of;

/// Rows that one step deletes at most, so that nobody waits long for the write lock.
pub const STEP: i64 = 500;

/// What can grow old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Mails that were delivered, told in a digest, or never to be sent.
    Mails,
    /// Ended runs of jobs.
    Runs,
    /// Fetches; their lists go with the last of them, except the list in force.
    Fetches,
    /// Sums by quarter of an hour; those by day stay.
    Quarters,
    /// Incidents that are over.
    Incidents,
    /// Silences that are over.
    Silences,
    /// What accounts held, except the last that is known of each.
    Balances,
    /// The longest executions of users.
    Peaks,
    /// Who had keys in hand.
    KeyAccess,
    /// What OpenRouter counted on keys, except the last of each.
    KeyUsage,
}

/// Deletes up to [`STEP`] rows from before `before`; says how many it were.
///
/// # Errors
/// When the database fails.
pub async fn step(tx: &mut Tx, what: What, before: DateTime<Utc>) -> Result<u64> {
    const MAILS: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE sent_at < $1 \
        UNION ALL SELECT id FROM outbox WHERE state IN ('folded', 'suppressed') AND created_at < $1 LIMIT $2)";
    const RUNS: &str = "DELETE FROM job_runs WHERE (job, slot) IN \
        (SELECT job, slot FROM job_runs WHERE started_at < $1 AND state <> 'running' LIMIT $2)";
    const FETCHES: &str = "DELETE FROM fetches WHERE at IN (SELECT at FROM fetches WHERE at < $1 \
        AND at < (SELECT MAX(at) FROM fetches WHERE digest IS NOT NULL) ORDER BY at LIMIT $2)";
    const QUARTERS: &str = "DELETE FROM usage_quarters WHERE (slot, user_no, resource_no, key_no, model_no, provider) IN \
        (SELECT slot, user_no, resource_no, key_no, model_no, provider FROM usage_quarters WHERE slot < $1 LIMIT $2)";
    const INCIDENTS: &str =
        "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE resolved_at < $1 LIMIT $2)";
    const SILENCES: &str = "DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE ends_at < $1 LIMIT $2)";
    const BALANCES: &str = "DELETE FROM balances WHERE (account, at) IN (SELECT b.account, b.at FROM balances b WHERE b.at < $1 \
        AND EXISTS (SELECT 1 FROM balances l WHERE l.account = b.account AND l.at > b.at) LIMIT $2)";
    const PEAKS: &str = "DELETE FROM usage_peaks WHERE (user_no, model_no, span) IN \
        (SELECT user_no, model_no, span FROM usage_peaks WHERE span < $1 LIMIT $2)";
    const KEY_ACCESS: &str =
        "DELETE FROM key_access WHERE id IN (SELECT id FROM key_access WHERE at < $1 ORDER BY at LIMIT $2)";
    const KEY_USAGE: &str = "DELETE FROM key_usage WHERE (user_id, label, at) IN (SELECT u.user_id, u.label, u.at FROM key_usage u \
        WHERE u.at < $1 AND EXISTS (SELECT 1 FROM key_usage l WHERE l.user_id = u.user_id AND l.label = u.label \
        AND l.at > u.at) LIMIT $2)";
    const LISTS: &str =
        "DELETE FROM lists WHERE NOT EXISTS (SELECT 1 FROM fetches WHERE fetches.digest = lists.digest)";
    let sql = match what {
        What::Mails => MAILS,
        What::Runs => RUNS,
        What::Fetches => FETCHES,
        What::Quarters => QUARTERS,
        What::Incidents => INCIDENTS,
        What::Silences => SILENCES,
        What::Balances => BALANCES,
        What::Peaks => PEAKS,
        What::KeyAccess => KEY_ACCESS,
        What::KeyUsage => KEY_USAGE,
    };
    let before = match what {
        What::Quarters => quarter_of(before),
        What::Peaks => span_of(before),
        _ => before.timestamp_micros(),
    };
    let gone = on!(tx, |conn| {
        let query = sqlx::query(sql).bind(before).bind(STEP);
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    if what == What::Fetches && gone > 0 {
        on!(tx, |conn| sqlx::query(LISTS).execute(conn).await.map(drop))?;
    }
    Ok(gone)
}
