//! What accounts hold, as it was read: a user's under their id, the platform's under the empty one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::push_list;
use super::{Result, Tx, on, time};
use crate::domain::money::NanoUsd;

/// What an account held at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The user's id, or nothing for the platform.
    pub account: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How much.
    pub left: NanoUsd,
}

/// Keeps a reading.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, reading: &Reading) -> Result<()> {
    const SQL: &str = "INSERT INTO balances (account, at, balance) VALUES ($1, $2, $3) \
        ON CONFLICT (account, at) DO UPDATE SET balance = excluded.balance";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&reading.account).bind(reading.at.timestamp_micros());
        query.bind(reading.left.0).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// The accounts that were read at or after a time.
///
/// # Errors
/// When the database fails.
pub async fn read_since(tx: &mut Tx, since: DateTime<Utc>) -> Result<BTreeSet<String>> {
    // Asked for each but once, SQLite would walk all that was ever read, account by account.
    const SQL: &str = "SELECT account FROM balances WHERE at >= $1";
    let rows: Vec<(String,)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(since.timestamp_micros()).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(account,)| account).collect())
}

/// The last reading of each of some accounts that has one.
///
/// # Errors
/// When the database fails.
pub async fn last_of(tx: &mut Tx, accounts: &[&str]) -> Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for accounts in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
        let rows: Vec<(String, i64, i64)> = on!(tx, |conn| {
            let mut select = QueryBuilder::new(
                "SELECT b.account, b.at, b.balance FROM (SELECT account, MAX(at) AS at FROM balances WHERE account IN ",
            );
            push_list(&mut select, accounts.iter().copied());
            select.push(" GROUP BY account) l JOIN balances b ON b.account = l.account AND b.at = l.at");
            select.build_query_as().fetch_all(conn).await
        })?;
        let reading = |(account, at, left)| Reading { account, at: time(at), left: NanoUsd(left) };
        readings.extend(rows.into_iter().map(reading));
    }
    Ok(readings)
}

/// Accounts that one statement looks up.
const ACCOUNTS_PER_STATEMENT: usize = 500;
