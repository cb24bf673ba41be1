//! Users' keys as they are sealed, what seals them, and who had one in hand.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Error, Result, Tx, on, time};
use crate::domain::key::{Access, KeyKind, KeyStatus, Purpose, Slot};

/// What is known of a key without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whose it is.
    pub user: String,
    /// What its owner, and executions, call it.
    pub label: String,
    /// Its last characters.
    pub last_four: String,
    /// What it is good for.
    pub kind: KeyKind,
    /// What OpenRouter last said to it.
    pub status: KeyStatus,
    /// When the label was first used.
    pub added_at: DateTime<Utc>,
    /// Since when the label has this key: its age counts from here.
    pub replaced_at: DateTime<Utc>,
    /// When OpenRouter last answered for it.
    pub checked_at: Option<DateTime<Utc>>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What OpenRouter said to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it is good.
    pub status: KeyStatus,
    /// What it is good for.
    pub kind: KeyKind,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A sealed key, with what seals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The key, sealed by the user's data key.
    pub sealed: Vec<u8>,
    /// The data key, wrapped by the master key.
    pub wrapped: Vec<u8>,
}

/// The master key that wraps all data keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its id.
    pub master: String,
    /// What only it opens.
    pub check_value: Vec<u8>,
}

/// That somebody had a key in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accessed {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose it was; nobody's when all data keys were wrapped anew.
    pub user: String,
    /// Which.
    pub label: String,
    /// What for.
    pub purpose: Purpose,
    /// Who.
    pub who: String,
}

/// The master key that the store is bound to: any at all while nothing is sealed.
///
/// # Errors
/// When the database fails.
pub async fn binding(tx: &mut Tx) -> Result<Option<Binding>> {
    const SQL: &str = "SELECT master, check_value FROM vault WHERE EXISTS (SELECT 1 FROM data_keys)";
    let row: Option<(String, Vec<u8>)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_optional(conn).await)?;
    Ok(row.map(|(master, check_value)| Binding { master, check_value }))
}

/// Binds the store to a master key.
///
/// # Errors
/// When the database fails.
pub async fn bind(tx: &mut Tx, binding: &Binding, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO vault (id, master, check_value, bound_at) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE \
        SET master = excluded.master, check_value = excluded.check_value, bound_at = excluded.bound_at";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&binding.master).bind(&binding.check_value);
        query.bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// A user's wrapped data key.
///
/// # Errors
/// When the database fails.
pub async fn data_key(tx: &mut Tx, user: &str) -> Result<Option<Vec<u8>>> {
    const SQL: &str = "SELECT wrapped FROM data_keys WHERE user_id = $1";
    let row: Option<(Vec<u8>,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(user).fetch_optional(conn).await)?;
    Ok(row.map(|(wrapped,)| wrapped))
}

/// Gives a user a data key, or another one.
///
/// # Errors
/// When the database fails.
pub async fn put_data_key(tx: &mut Tx, user: &str, wrapped: &[u8], now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO data_keys (user_id, wrapped, created_at) VALUES ($1, $2, $3) \
        ON CONFLICT (user_id) DO UPDATE SET wrapped = excluded.wrapped, created_at = excluded.created_at";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(user).bind(wrapped).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Keeps the same data key, wrapped anew.
///
/// # Errors
/// When the database fails.
pub async fn rewrap(tx: &mut Tx, user: &str, wrapped: &[u8]) -> Result<()> {
    const SQL: &str = "UPDATE data_keys SET wrapped = $2 WHERE user_id = $1";
    on!(tx, |conn| sqlx::query(SQL).bind(user).bind(wrapped).execute(conn).await.map(drop))?;
    Ok(())
}

/// Some wrapped data keys in the order of their users, after a user.
///
/// # Errors
/// When the database fails.
pub async fn data_keys_after(tx: &mut Tx, user: &str, limit: i64) -> Result<Vec<(String, Vec<u8>)>> {
    const SQL: &str = "SELECT user_id, wrapped FROM data_keys WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    Ok(on!(tx, |conn| sqlx::query_as(SQL).bind(user).bind(limit).fetch_all(conn).await)?)
}

/// A key as it is sealed.
///
/// # Errors
/// When the database fails.
pub async fn sealed(tx: &mut Tx, slot: Slot<'_>) -> Result<Option<Sealed>> {
    const SQL: &str = "SELECT k.sealed, d.wrapped FROM keys k JOIN data_keys d ON d.user_id = k.user_id \
        WHERE k.user_id = $1 AND k.label = $2";
    let row: Option<(Vec<u8>, Vec<u8>)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(slot.user).bind(slot.label).fetch_optional(conn).await)?;
    Ok(row.map(|(sealed, wrapped)| Sealed { sealed, wrapped }))
}

/// Label and sealed key of all that a user has.
///
/// # Errors
/// When the database fails.
pub async fn sealed_of(tx: &mut Tx, user: &str) -> Result<Vec<(String, Vec<u8>)>> {
    const SQL: &str = "SELECT label, sealed FROM keys WHERE user_id = $1 ORDER BY label";
    Ok(on!(tx, |conn| sqlx::query_as(SQL).bind(user).fetch_all(conn).await)?)
}

/// Puts a new key in a slot, unchecked as it is.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, slot: Slot<'_>, sealed: &[u8], last_four: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO keys (user_id, label, sealed, last_four, kind, status, added_at, replaced_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (user_id, label) DO UPDATE SET sealed = excluded.sealed, \
        last_four = excluded.last_four, kind = excluded.kind, status = excluded.status, \
        replaced_at = excluded.replaced_at, checked_at = NULL, expires_at = NULL";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(slot.user).bind(slot.label).bind(sealed).bind(last_four);
        let query = query.bind(KeyKind::Unknown.as_str()).bind(KeyStatus::Unchecked.as_str());
        query.bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Keeps the same key, sealed anew.
///
/// # Errors
/// When the database fails.
pub async fn reseal(tx: &mut Tx, slot: Slot<'_>, sealed: &[u8]) -> Result<()> {
    const SQL: &str = "UPDATE keys SET sealed = $3 WHERE user_id = $1 AND label = $2";
    on!(tx, |conn| sqlx::query(SQL).bind(slot.user).bind(slot.label).bind(sealed).execute(conn).await.map(drop))?;
    Ok(())
}

/// Keeps what OpenRouter said to the key that a slot has had since `replaced_at`; says whether it still has that one.
///
/// # Errors
/// When the database fails.
pub async fn checked(tx: &mut Tx, slot: Slot<'_>, replaced_at: DateTime<Utc>, checked: &Checked) -> Result<bool> {
    const SQL: &str = "UPDATE keys SET checked_at = $4, status = $5, kind = $6, expires_at = $7 \
        WHERE user_id = $1 AND label = $2 AND replaced_at = $3";
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(slot.user).bind(slot.label).bind(replaced_at.timestamp_micros());
        let query = query.bind(checked.at.timestamp_micros()).bind(checked.status.as_str()).bind(checked.kind.as_str());
        let query = query.bind(checked.expires_at.map(|at| at.timestamp_micros()));
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Forgets a key, and with a user's last one their data key. Says whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, slot: Slot<'_>) -> Result<bool> {
    const KEY: &str = "DELETE FROM keys WHERE user_id = $1 AND label = $2";
    const DATA_KEY: &str =
        "DELETE FROM data_keys WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.user_id = $1)";
    let gone = on!(tx, |conn| {
        let query = sqlx::query(KEY).bind(slot.user).bind(slot.label);
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    on!(tx, |conn| sqlx::query(DATA_KEY).bind(slot.user).execute(conn).await.map(drop))?;
    Ok(gone > 0)
}

/// What [`Stored`] is read from.
type Row = (String, String, String, String, String, i64, i64, Option<i64>, Option<i64>);

const STORED: &str =
    "SELECT user_id, label, last_four, kind, status, added_at, replaced_at, checked_at, expires_at FROM keys";

fn read((user, label, last_four, kind, status, added, replaced, checked, expires): Row) -> Result<Stored> {
    let corrupt = |what, value: &str| Error::Corrupt { what, value: value.to_owned() };
    Ok(Stored {
        user,
        label,
        last_four,
        kind: KeyKind::from_name(&kind).ok_or_else(|| corrupt("keys.kind", &kind))?,
        status: KeyStatus::from_name(&status).ok_or_else(|| corrupt("keys.status", &status))?,
        added_at: time(added),
        replaced_at: time(replaced),
        checked_at: checked.map(time),
        expires_at: expires.map(time),
    })
}

/// What is known of a key.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn get(tx: &mut Tx, slot: Slot<'_>) -> Result<Option<Stored>> {
    let sql = format!("{STORED} WHERE user_id = $1 AND label = $2");
    let row: Option<Row> = on!(tx, |conn| {
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(slot.user).bind(slot.label);
        query.fetch_optional(conn).await
    })?;
    row.map(read).transpose()
}

/// What is known of a user's keys.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn of(tx: &mut Tx, user: &str) -> Result<Vec<Stored>> {
    let sql = format!("{STORED} WHERE user_id = $1 ORDER BY label");
    let rows: Vec<Row> =
        on!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(user).fetch_all(conn).await)?;
    rows.into_iter().map(read).collect()
}

/// Some keys in the order of their slots, after one; all come after the slot of no name.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn after(tx: &mut Tx, slot: Slot<'_>, limit: i64) -> Result<Vec<Stored>> {
    let sql = format!("{STORED} WHERE (user_id, label) > ($1, $2) ORDER BY user_id, label LIMIT $3");
    let rows: Vec<Row> = on!(tx, |conn| {
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(slot.user).bind(slot.label);
        query.bind(limit).fetch_all(conn).await
    })?;
    rows.into_iter().map(read).collect()
}

/// Keys that have been in their slots since a time or longer, or that end until another.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn ageing(tx: &mut Tx, replaced_until: DateTime<Utc>, ends_until: DateTime<Utc>) -> Result<Vec<Stored>> {
    let sql = format!("{STORED} WHERE replaced_at <= $1 OR expires_at <= $2 ORDER BY user_id, label");
    let rows: Vec<Row> = on!(tx, |conn| {
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(replaced_until.timestamp_micros());
        query.bind(ends_until.timestamp_micros()).fetch_all(conn).await
    })?;
    rows.into_iter().map(read).collect()
}

/// How many keys are younger than the first of two times, than the second, and older.
///
/// # Errors
/// When the database fails.
pub async fn count_by_age(tx: &mut Tx, [first, second]: [DateTime<Utc>; 2]) -> Result<[i64; 3]> {
    const SQL: &str = "SELECT COALESCE(SUM(CASE WHEN replaced_at > $1 THEN 1 ELSE 0 END), 0), \
        COALESCE(SUM(CASE WHEN replaced_at > $2 THEN 1 ELSE 0 END), 0), COUNT(*) FROM keys";
    let (young, middle, all): (i64, i64, i64) = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(first.timestamp_micros()).bind(second.timestamp_micros());
        query.fetch_one(conn).await
    })?;
    Ok([young, middle - young, all - middle])
}

/// How many keys there are of each status that is not good.
///
/// # Errors
/// When the database fails.
pub async fn in_doubt(tx: &mut Tx) -> Result<BTreeMap<String, i64>> {
    const SQL: &str = "SELECT status, COUNT(*) FROM keys WHERE status <> 'ok' GROUP BY status";
    let rows: Vec<(String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().collect())
}

/// Records that somebody had a key in hand.
///
/// # Errors
/// When the database fails.
pub async fn record(tx: &mut Tx, slot: Slot<'_>, access: Access<'_>, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO key_access (at, user_id, label, purpose, who) VALUES ($1, $2, $3, $4, $5)";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(now.timestamp_micros()).bind(slot.user).bind(slot.label);
        query.bind(access.purpose.as_str()).bind(access.who).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Who last had keys in hand, latest first; of one user, or of all.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn accesses(tx: &mut Tx, user: Option<&str>, limit: i64) -> Result<Vec<Accessed>> {
    const ALL: &str = "SELECT at, user_id, label, purpose, who FROM key_access ORDER BY at DESC, id DESC LIMIT $1";
    const OF: &str = "SELECT at, user_id, label, purpose, who FROM key_access WHERE user_id = $2 \
        ORDER BY at DESC, id DESC LIMIT $1";
    type Row = (i64, String, String, String, String);
    let rows: Vec<Row> = on!(tx, |conn| match user {
        Some(user) => sqlx::query_as(OF).bind(limit).bind(user).fetch_all(conn).await,
        None => sqlx::query_as(ALL).bind(limit).fetch_all(conn).await,
    })?;
    let accessed = |(at, user, label, purpose, who): Row| match Purpose::from_name(&purpose) {
        Some(purpose) => Ok(Accessed { at: time(at), user, label, purpose, who }),
        None => Err(Error::Corrupt { what: "key_access.purpose", value: purpose }),
    };
    rows.into_iter().map(accessed).collect()
}
