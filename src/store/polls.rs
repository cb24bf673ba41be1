//! When keys are asked what they spent, what they said, and how that grew.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{Result, Tx, json, on, time};
use crate::domain::key::Slot;
use crate::domain::money::NanoUsd;
use crate::domain::poll::KeyState;
use crate::domain::reconcile::Count;

/// A key that is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// Whose it is; nobody's is the platform's.
    pub user: String,
    /// Its label.
    pub label: String,
    /// Since when the label has this key.
    pub replaced_at: DateTime<Utc>,
    /// What is known of it.
    pub state: KeyState,
}

impl Poll {
    /// Where the key is kept.
    #[must_use]
    pub fn slot(&self) -> Slot<'_> {
        Slot { user: &self.user, label: &self.label }
    }

    /// Whether it is the platform's own management key, which is in the configuration.
    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.user.is_empty()
    }
}

/// Keys that are not asked yet, or not since they were replaced; up to `limit`.
///
/// # Errors
/// When the database fails.
pub async fn strangers(tx: &mut Tx, limit: i64) -> Result<Vec<(String, String, DateTime<Utc>)>> {
    const SQL: &str = "SELECT k.user_id, k.label, k.replaced_at FROM keys k WHERE NOT EXISTS (SELECT 1 FROM key_polls p \
        WHERE p.user_id = k.user_id AND p.label = k.label AND p.replaced_at = k.replaced_at) \
        ORDER BY k.user_id, k.label LIMIT $1";
    let rows: Vec<(String, String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(user, label, replaced)| (user, label, time(replaced))).collect())
}

/// Begins to ask a key, with nothing known of it.
///
/// # Errors
/// When the database fails.
pub async fn enrol(tx: &mut Tx, slot: Slot<'_>, replaced_at: DateTime<Utc>, due_at: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO key_polls (user_id, label, replaced_at, due_at, is_notable, state) \
        VALUES ($1, $2, $3, $4, 0, '{}') ON CONFLICT (user_id, label) DO UPDATE SET replaced_at = excluded.replaced_at, \
        due_at = excluded.due_at, is_notable = 0, state = '{}', answered_at = NULL WHERE key_polls.replaced_at <> excluded.replaced_at";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(slot.user).bind(slot.label).bind(replaced_at.timestamp_micros());
        query.bind(due_at.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// No longer asks keys that are gone; the platform's only where it `has_platform` key.
///
/// # Errors
/// When the database fails.
pub async fn dismiss(tx: &mut Tx, has_platform: bool) -> Result<()> {
    const SQL: &str = "DELETE FROM key_polls WHERE (user_id <> '' OR $1 = 0) AND NOT EXISTS (SELECT 1 FROM keys k \
        WHERE k.user_id = key_polls.user_id AND k.label = key_polls.label)";
    on!(tx, |conn| sqlx::query(SQL).bind(i64::from(has_platform)).execute(conn).await.map(drop))?;
    Ok(())
}

/// No longer asks a key.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, slot: Slot<'_>) -> Result<()> {
    const SQL: &str = "DELETE FROM key_polls WHERE user_id = $1 AND label = $2";
    on!(tx, |conn| sqlx::query(SQL).bind(slot.user).bind(slot.label).execute(conn).await.map(drop))?;
    Ok(())
}

type Row = (String, String, i64, String);

fn read((user, label, replaced, state): Row) -> Result<Poll> {
    Ok(Poll { user, label, replaced_at: time(replaced), state: json("key_polls.state", &state)? })
}

fn read_all(rows: Vec<Row>) -> Result<Vec<Poll>> {
    rows.into_iter().map(read).collect()
}

/// Takes the keys that have been due for longest, up to `limit`; nobody else takes them before `until`. Two replicas
/// take turns by [`Lock::Polls`](super::Lock::Polls).
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn claim(tx: &mut Tx, limit: i64, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Poll>> {
    const DUE: &str = "SELECT user_id, label, replaced_at, state FROM key_polls WHERE due_at <= $1 \
        ORDER BY due_at LIMIT $2";
    let rows: Vec<Row> =
        on!(tx, |conn| sqlx::query_as(DUE).bind(now.timestamp_micros()).bind(limit).fetch_all(conn).await)?;
    let polls = read_all(rows)?;
    for poll in &polls {
        put_off(tx, poll, until).await?;
    }
    Ok(polls)
}

/// Asks a key at another time, and changes nothing else.
///
/// # Errors
/// When the database fails.
pub async fn put_off(tx: &mut Tx, poll: &Poll, due_at: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE key_polls SET due_at = $4 WHERE user_id = $1 AND label = $2 AND replaced_at = $3";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&poll.user).bind(&poll.label).bind(poll.replaced_at.timestamp_micros());
        query.bind(due_at.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Keeps what became of a key, unless it was replaced in the meantime.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, poll: &Poll, due_at: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE key_polls SET due_at = $4, is_notable = $5, state = $6, answered_at = $7 \
        WHERE user_id = $1 AND label = $2 AND replaced_at = $3";
    let state = serde_json::to_string(&poll.state).unwrap_or_default();
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&poll.user).bind(&poll.label).bind(poll.replaced_at.timestamp_micros());
        let query = query.bind(due_at.timestamp_micros()).bind(i64::from(poll.state.is_notable())).bind(state.as_str());
        query.bind(poll.state.answered_at.map(|at| at.timestamp_micros())).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Whether any other key had a good answer after a time.
///
/// # Errors
/// When the database fails.
pub async fn others_answered(tx: &mut Tx, slot: Slot<'_>, after: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "SELECT 1 FROM key_polls WHERE answered_at > $1 AND NOT (user_id = $2 AND label = $3) LIMIT 1";
    let row: Option<(i32,)> = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(after.timestamp_micros()).bind(slot.user).bind(slot.label);
        query.fetch_optional(conn).await
    })?;
    Ok(row.is_some())
}

/// The keys of some user.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn of(tx: &mut Tx, user: &str) -> Result<Vec<Poll>> {
    const SQL: &str = "SELECT user_id, label, replaced_at, state FROM key_polls WHERE user_id = $1 ORDER BY label";
    read_all(on!(tx, |conn| sqlx::query_as(SQL).bind(user).fetch_all(conn).await)?)
}

/// Users' keys that a rule may tell something of, if they are still there.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn notable(tx: &mut Tx) -> Result<Vec<Poll>> {
    const SQL: &str = "SELECT p.user_id, p.label, p.replaced_at, p.state FROM key_polls p JOIN keys k \
        ON k.user_id = p.user_id AND k.label = p.label AND k.replaced_at = p.replaced_at \
        WHERE p.is_notable = 1 ORDER BY p.user_id, p.label";
    read_all(on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?)
}

/// Keeps what OpenRouter counted on a key: anew, or that it is still so.
///
/// # Errors
/// When the database fails.
pub async fn keep_count(tx: &mut Tx, slot: Slot<'_>, count: &Count) -> Result<()> {
    const SQL: &str = "INSERT INTO key_usage (user_id, label, at, until, usage) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (user_id, label, at) DO UPDATE SET until = excluded.until";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(slot.user).bind(slot.label).bind(count.at.timestamp_micros());
        query.bind(count.until.timestamp_micros()).bind(count.usage.0).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// What OpenRouter counted on a key from one time to another, in the order of time; the last that was seen before it
/// too.
///
/// # Errors
/// When the database fails.
pub async fn counts(tx: &mut Tx, slot: Slot<'_>, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Count>> {
    const SQL: &str = "SELECT at, until, usage FROM key_usage WHERE user_id = $1 AND label = $2 AND at <= $4 \
        AND at >= COALESCE((SELECT MAX(l.at) FROM key_usage l WHERE l.user_id = $1 AND l.label = $2 AND l.at <= $3), $3) \
        ORDER BY at";
    let rows: Vec<(i64, i64, i64)> = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(slot.user).bind(slot.label);
        query.bind(from.timestamp_micros()).bind(until.timestamp_micros()).fetch_all(conn).await
    })?;
    let count = |(at, until, usage)| Count { at: time(at), until: time(until), usage: NanoUsd(usage) };
    Ok(rows.into_iter().map(count).collect())
}

/// What a user's executions at OpenRouter cost in each of some quarters, those with some keys aside.
///
/// # Errors
/// When the database fails.
pub async fn recorded(
    tx: &mut Tx,
    user: i64,
    without_keys: &[i64],
    quarters: (i64, i64),
) -> Result<BTreeMap<i64, NanoUsd>> {
    let rows: Vec<(i64, i64)> = on!(tx, |conn| {
        let mut select =
            QueryBuilder::new("SELECT slot, CAST(SUM(cost) AS BIGINT) FROM usage_quarters WHERE slot IN (");
        let mut list = select.separated(", ");
        for slot in quarters.0..quarters.1 {
            list.push_bind(slot);
        }
        select.push(") AND user_no = ").push_bind(user).push(" AND provider = ").push_bind(OPENROUTER);
        if !without_keys.is_empty() {
            select.push(" AND key_no NOT IN (");
            let mut list = select.separated(", ");
            for key in without_keys {
                list.push_bind(*key);
            }
            select.push(")");
        }
        select.push(" GROUP BY slot");
        select.build_query_as().fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(slot, cost)| (slot, NanoUsd(cost))).collect())
}

/// What executions at OpenRouter cost on a day, in nano-dollars: a user's, or of all who have no key of their own.
///
/// # Errors
/// When the database fails.
pub async fn recorded_on(tx: &mut Tx, account: &str, day: i64) -> Result<NanoUsd> {
    const OF: &str = "SELECT COALESCE(CAST(SUM(cost) AS BIGINT), 0) FROM usage_days WHERE slot = $1 AND provider = $2 \
        AND user_no = (SELECT id FROM names WHERE text = $3)";
    const PLATFORM: &str = "SELECT COALESCE(CAST(SUM(cost) AS BIGINT), 0) FROM usage_days WHERE slot = $1 AND provider = $2 \
        AND user_no NOT IN (SELECT n.id FROM names n JOIN keys k ON k.user_id = n.text) AND $3 = ''";
    let sql = if account.is_empty() { PLATFORM } else { OF };
    let (cost,): (i64,) =
        on!(tx, |conn| sqlx::query_as(sql).bind(day).bind(OPENROUTER).bind(account).fetch_one(conn).await)?;
    Ok(NanoUsd(cost))
}

/// OpenRouter, as sums name it: see [`provider_code`](super::executions::provider_code).
const OPENROUTER: i64 = 1;
