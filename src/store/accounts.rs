//! What is known of each account's credit: the last reading and how long it lasts, and how much of what OpenRouter
//! charged was recorded.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::QueryBuilder;

use super::list::{push_list, runs};
use super::{Result, Tx, balances, day, on, time};
use crate::domain::money::NanoUsd;

/// By what a balance is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `GET /credits`, by a management key.
    Credits,
    /// What is left of a key's limit.
    KeyLimit,
    /// The platform said so.
    Platform,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::KeyLimit => "key_limit",
            Self::Platform => "platform",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "credits" => Self::Credits,
            "key_limit" => Self::KeyLimit,
            _ => Self::Platform,
        }
    }
}

/// An account's credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user, or nobody for the platform.
    pub account: String,
    /// By what it is known.
    pub source: Source,
    /// When it was read last.
    pub at: DateTime<Utc>,
    /// What was left.
    pub left: NanoUsd,
    /// The whole limit of which it is left, where it is left of one.
    pub purse: Option<NanoUsd>,
    /// Seconds that it lasts, where anybody can tell.
    pub runway_s: Option<i64>,
}

/// What was asked and did not change is kept again only after so long: the history needs no more.
const REPEATED_AFTER_S: i64 = 60 * 60;

/// Takes a reading in: the account has it, and the history where it changed. A reading older than the last is history
/// only.
///
/// # Errors
/// When the database fails.
pub async fn read(tx: &mut Tx, reading: &balances::Reading, source: Source, purse: Option<NanoUsd>) -> Result<()> {
    const SQL: &str = "INSERT INTO accounts (account, source, at, balance, purse) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (account) DO UPDATE SET source = excluded.source, at = excluded.at, balance = excluded.balance, \
        purse = excluded.purse WHERE excluded.at >= accounts.at";
    if source == Source::Platform || is_news(tx, reading).await? {
        balances::put(tx, reading).await?;
    }
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&reading.account).bind(source.as_str()).bind(reading.at.timestamp_micros());
        query.bind(reading.left.0).bind(purse.map(|purse| purse.0)).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Whether a reading is not the last one over again.
async fn is_news(tx: &mut Tx, reading: &balances::Reading) -> Result<bool> {
    let last = balances::last_of(tx, &[&reading.account]).await?.pop();
    Ok(last.is_none_or(|last| {
        last.left != reading.left || reading.at < last.at || (reading.at - last.at).num_seconds() >= REPEATED_AFTER_S
    }))
}

type Row = (String, String, i64, i64, Option<i64>, Option<i64>);

fn account((account, source, at, left, purse, runway_s): Row) -> Account {
    let purse = purse.map(NanoUsd);
    Account { account, source: Source::named(&source), at: time(at), left: NanoUsd(left), purse, runway_s }
}

/// What is known of an account.
///
/// # Errors
/// When the database fails.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<Account>> {
    const SQL: &str = "SELECT account, source, at, balance, purse, runway_s FROM accounts WHERE account = $1";
    let row: Option<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(account))
}

/// The whole limits of which accounts have something left, of those that are known by one.
///
/// # Errors
/// When the database fails.
pub async fn purses(tx: &mut Tx, accounts: &[&str]) -> Result<BTreeMap<String, NanoUsd>> {
    let mut purses = BTreeMap::new();
    for accounts in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
        let rows: Vec<(String, i64)> = on!(tx, |conn| {
            let mut select =
                QueryBuilder::new("SELECT account, purse FROM accounts WHERE purse IS NOT NULL AND account IN ");
            push_list(&mut select, accounts.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        purses.extend(rows.into_iter().map(|(account, purse)| (account, NanoUsd(purse))));
    }
    Ok(purses)
}

/// Accounts that one statement looks up.
const ACCOUNTS_PER_STATEMENT: usize = 500;

/// Users' accounts with the least left, and how much the others have together. The platform's is not among them.
///
/// # Errors
/// When the database fails.
pub async fn lowest(tx: &mut Tx, limit: i64) -> Result<(Vec<Account>, NanoUsd)> {
    const LOWEST: &str = "SELECT account, source, at, balance, purse, runway_s FROM accounts WHERE account <> '' \
        ORDER BY balance, account LIMIT $1";
    const ALL: &str = "SELECT COALESCE(CAST(SUM(balance) AS BIGINT), 0) FROM accounts WHERE account <> ''";
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(LOWEST).bind(limit).fetch_all(conn).await)?;
    let (all,): (i64,) = on!(tx, |conn| sqlx::query_as(ALL).fetch_one(conn).await)?;
    let lowest: Vec<Account> = rows.into_iter().map(account).collect();
    let theirs: NanoUsd = lowest.iter().map(|account| account.left).sum();
    Ok((lowest, NanoUsd(all.saturating_sub(theirs.0))))
}

/// Runways that one statement writes.
const RUNWAYS_PER_STATEMENT: usize = 128;

/// Keeps how long accounts last.
///
/// # Errors
/// When the database fails.
pub async fn keep_runways(tx: &mut Tx, runways: &[(String, Option<i64>)]) -> Result<()> {
    for runways in runs(runways, RUNWAYS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut update = QueryBuilder::new("UPDATE accounts SET runway_s = new.column2 FROM (");
            update.push_values(runways, |mut row, (account, runway)| {
                row.push_bind(account).push_bind(*runway);
            });
            update.push(") AS new WHERE account = new.column1");
            update.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// What was recorded of an account on a day, and what OpenRouter charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The user, or nobody for the platform.
    pub account: String,
    /// The day (UTC).
    pub day: NaiveDate,
    /// What executions cost.
    pub recorded: NanoUsd,
    /// What OpenRouter charged.
    pub charged: NanoUsd,
}

/// Keeps what a day of an account was.
///
/// # Errors
/// When the database fails.
pub async fn keep_capture(tx: &mut Tx, capture: &Capture) -> Result<()> {
    const SQL: &str = "INSERT INTO captures (account, day, recorded, charged) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (account, day) DO UPDATE SET recorded = excluded.recorded, charged = excluded.charged";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&capture.account).bind(capture.day.to_string());
        query.bind(capture.recorded.0).bind(capture.charged.0).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// The last day of each account since a day.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn captures_since(tx: &mut Tx, since: NaiveDate) -> Result<Vec<Capture>> {
    // Asked for an order, SQLite would walk all days of all accounts in it.
    const SQL: &str = "SELECT account, day, recorded, charged FROM captures c WHERE day >= $1 AND NOT EXISTS \
        (SELECT 1 FROM captures l WHERE l.account = c.account AND l.day > c.day)";
    let rows: Vec<(String, String, i64, i64)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(since.to_string()).fetch_all(conn).await)?;
    let capture = |(account, on, recorded, charged): (String, String, i64, i64)| {
        Ok(Capture { account, day: day(&on)?, recorded: NanoUsd(recorded), charged: NanoUsd(charged) })
    };
    let mut captures = rows.into_iter().map(capture).collect::<Result<Vec<Capture>>>()?;
    captures.sort_by(|a, b| a.account.cmp(&b.account));
    Ok(captures)
}
