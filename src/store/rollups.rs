//! Sums by quarter and by day: kept up with every execution, read by whoever asks what was spent.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row as _};

use super::{Engine, Result, Tx, on};
use crate::domain::rollup::{Key, Measures, Rollup};

/// Rows of a statement: 26 columns each.
const ROWS_PER_STATEMENT: usize = 64;
/// The columns of a key of which only slot and user are told apart; integers as wide as the others.
const USER_KEY: &str = "slot, user_no, CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT)";
/// The columns of a key.
const KEY: &str = "slot, user_no, resource_no, key_no, model_no, provider";

/// Which sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// By quarter of an hour.
    Quarters,
    /// By day (UTC).
    Days,
}

impl Grain {
    fn table(self) -> &'static str {
        match self {
            Self::Quarters => "usage_quarters",
            Self::Days => "usage_days",
        }
    }
}

/// What sums are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The user.
    User,
    /// The resource.
    Resource,
    /// The key.
    Key,
    /// The model asked for.
    Model,
    /// Who was called.
    Provider,
}

impl Group {
    fn column(self) -> &'static str {
        match self {
            Self::User => "user_no",
            Self::Resource => "resource_no",
            Self::Key => "key_no",
            Self::Model => "model_no",
            Self::Provider => "provider",
        }
    }
}

/// Adds sums to those that are there.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, rollup: &Rollup) -> Result<()> {
    add_to(tx, Grain::Quarters, &rollup.quarters).await?;
    add_to(tx, Grain::Days, &rollup.days()).await
}

async fn add_to(tx: &mut Tx, grain: Grain, sums: &BTreeMap<Key, Measures>) -> Result<()> {
    let sums: Vec<Vec<i64>> = sums.iter().map(|(key, measures)| columns(key, measures)).collect();
    if sums.is_empty() {
        return Ok(());
    }
    match tx.engine() {
        Engine::Sqlite(tx) => {
            for sums in sums.chunks(ROWS_PER_STATEMENT) {
                let mut insert = QueryBuilder::new(insert_into(grain));
                insert.push_values(sums, |mut row, values| {
                    for value in values {
                        row.push_bind(*value);
                    }
                });
                insert.push(on_conflict(grain));
                insert.build().execute(&mut **tx).await?;
            }
        }
        // One array a column: planned once, however many rows there are.
        Engine::Postgres(tx) => {
            let width = sums.first().map_or(0, Vec::len);
            let arrays: Vec<String> = (1..=width).map(|n| format!("${n}::int8[]")).collect();
            let (insert, arrays) = (insert_into(grain), arrays.join(", "));
            let sql = format!("{insert} SELECT * FROM UNNEST({arrays}) {}", on_conflict(grain));
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
            for column in 0..width {
                query = query.bind(sums.iter().map(|values| values[column]).collect::<Vec<i64>>());
            }
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// The measures, summed.
fn summed() -> String {
    let sum = |name: &&str| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT)");
    Measures::NAMES.iter().map(sum).collect::<Vec<_>>().join(", ")
}

fn columns(key: &Key, measures: &Measures) -> Vec<i64> {
    let key = [key.slot, key.user, key.resource, key.key, key.model, key.provider];
    key.into_iter().chain(measures.values()).collect()
}

fn insert_into(grain: Grain) -> String {
    format!("INSERT INTO {} ({KEY}, {}) ", grain.table(), Measures::NAMES.join(", "))
}

fn on_conflict(grain: Grain) -> String {
    let table = grain.table();
    let added: Vec<String> =
        Measures::NAMES.iter().map(|name| format!("{name} = {table}.{name} + excluded.{name}")).collect();
    format!(" ON CONFLICT ({KEY}) DO UPDATE SET {}", added.join(", "))
}

/// Which sums are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// By quarter or by day.
    pub grain: Grain,
    /// Slots, the last one not included.
    pub slots: (i64, i64),
    /// Only of this user.
    pub user: Option<i64>,
    /// What is summed apart.
    pub by: &'a [Group],
}

/// Sums over the slots, grouped; each with the numbers it is grouped by, in order.
///
/// # Errors
/// When the database fails.
pub async fn sums(tx: &mut Tx, query: Query<'_>) -> Result<Vec<(Vec<i64>, Measures)>> {
    let columns: Vec<&str> = query.by.iter().map(|group| group.column()).collect();
    let selected = columns.iter().map(|column| (*column).to_owned()).chain([summed()]).collect::<Vec<_>>().join(", ");
    let grouped = if columns.is_empty() { String::new() } else { format!(" GROUP BY {}", columns.join(", ")) };
    let width = columns.len();
    macro_rules! read {
        ($row:expr) => {{
            let mut numbers = Vec::with_capacity(width);
            for column in 0..width {
                numbers.push($row.try_get::<i64, _>(column)?);
            }
            let mut values = [0; Measures::NAMES.len()];
            for (place, value) in values.iter_mut().enumerate() {
                *value = $row.try_get::<i64, _>(width + place)?;
            }
            Ok((numbers, Measures::from_values(values)))
        }};
    }
    on!(tx, |conn| {
        let mut select = QueryBuilder::new(format!("SELECT {selected} FROM {} WHERE ", query.grain.table()));
        match query.user {
            // Each slot is looked up by the whole beginning of the key, whoever else was active in it.
            Some(user) if query.slots.1 - query.slots.0 <= SLOTS_LISTED_MAX => {
                select.push("slot IN (");
                let mut list = select.separated(", ");
                for slot in query.slots.0..query.slots.1 {
                    list.push_bind(slot);
                }
                select.push(") AND user_no = ").push_bind(user);
            }
            user => {
                select.push("slot >= ").push_bind(query.slots.0).push(" AND slot < ").push_bind(query.slots.1);
                if let Some(user) = user {
                    select.push(" AND user_no = ").push_bind(user);
                }
            }
        }
        select.push(grouped.as_str());
        let rows = select.build().fetch_all(conn).await?;
        rows.iter().map(|row| read!(row)).collect()
    })
}

/// The sums of some slots as they are kept: of all who were active, or of some users.
///
/// # Errors
/// When the database fails.
pub async fn lines(
    tx: &mut Tx,
    grain: Grain,
    slots: (i64, i64),
    users: Option<&[i64]>,
) -> Result<Vec<(Key, Measures)>> {
    let mut lines = Vec::new();
    match users {
        None => lines_of(tx, grain, slots, None, Detail::Full, &mut lines).await?,
        Some(users) => {
            for users in users.chunks(USERS_PER_STATEMENT) {
                lines_of(tx, grain, slots, Some(users), Detail::Full, &mut lines).await?;
            }
        }
    }
    Ok(lines)
}

/// The sums of some users on some days, by day and user alone: the rest of each key is 0.
///
/// # Errors
/// When the database fails.
pub async fn user_days(tx: &mut Tx, days: (i64, i64), users: &[i64]) -> Result<Vec<(Key, Measures)>> {
    let mut lines = Vec::new();
    for users in users.chunks(USERS_PER_STATEMENT) {
        lines_of(tx, Grain::Days, days, Some(users), Detail::Users, &mut lines).await?;
    }
    Ok(lines)
}

/// What a user spent in some slots, in nano-dollars.
///
/// # Errors
/// When the database fails.
pub async fn cost_of(tx: &mut Tx, grain: Grain, slots: (i64, i64), user: i64) -> Result<i64> {
    let (cost,): (i64,) = on!(tx, |conn| {
        let table = grain.table();
        let mut select =
            QueryBuilder::new(format!("SELECT COALESCE(CAST(SUM(cost) AS BIGINT), 0) FROM {table} WHERE slot IN ("));
        let mut list = select.separated(", ");
        for slot in slots.0..slots.1 {
            list.push_bind(slot);
        }
        select.push(") AND user_no = ").push_bind(user);
        select.build_query_as().fetch_one(conn).await
    })?;
    Ok(cost)
}

/// How finely lines are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// As they are kept.
    Full,
    /// By slot and user.
    Users,
}

/// Users that one statement looks up.
const USERS_PER_STATEMENT: usize = 500;

async fn lines_of(
    tx: &mut Tx,
    grain: Grain,
    slots: (i64, i64),
    users: Option<&[i64]>,
    detail: Detail,
    lines: &mut Vec<(Key, Measures)>,
) -> Result<()> {
    macro_rules! read {
        ($row:expr) => {{
            let mut values = [0_i64; 6 + Measures::NAMES.len()];
            for (place, value) in values.iter_mut().enumerate() {
                *value = $row.try_get::<i64, _>(place)?;
            }
            let [slot, user, resource, key, model, provider, measures @ ..] = values;
            lines.push((Key { slot, user, resource, key, model, provider }, Measures::from_values(measures)));
        }};
    }
    on!(tx, |conn| {
        let (key, columns, grouped) = match detail {
            Detail::Full => (KEY, Measures::NAMES.join(", "), ""),
            Detail::Users => (USER_KEY, summed(), " GROUP BY slot, user_no"),
        };
        let mut select = QueryBuilder::new(format!("SELECT {key}, {columns} FROM {} WHERE slot IN (", grain.table()));
        let mut list = select.separated(", ");
        for slot in slots.0..slots.1 {
            list.push_bind(slot);
        }
        select.push(")");
        if let Some(users) = users {
            select.push(" AND user_no IN (");
            let mut list = select.separated(", ");
            for user in users {
                list.push_bind(*user);
            }
            select.push(")");
        }
        select.push(grouped);
        let rows = select.build().fetch_all(conn).await?;
        for row in &rows {
            read!(row);
        }
        Ok(())
    })
}

/// The users who spent most over some days, with what they spent in nano-dollars, and what all spent together.
///
/// # Errors
/// When the database fails.
pub async fn top_users(tx: &mut Tx, days: (i64, i64), limit: i64) -> Result<(Vec<(i64, i64)>, i64)> {
    const TOP: &str = "SELECT user_no, CAST(SUM(cost) AS BIGINT) FROM usage_days WHERE slot >= $1 AND slot < $2 \
        GROUP BY user_no ORDER BY 2 DESC, 1 LIMIT $3";
    const ALL: &str = "SELECT COALESCE(CAST(SUM(cost) AS BIGINT), 0) FROM usage_days WHERE slot >= $1 AND slot < $2";
    let top = on!(tx, |conn| sqlx::query_as(TOP).bind(days.0).bind(days.1).bind(limit).fetch_all(conn).await)?;
    let (all,): (i64,) = on!(tx, |conn| sqlx::query_as(ALL).bind(days.0).bind(days.1).fetch_one(conn).await)?;
    Ok((top, all))
}

/// Slots that are listed one by one.
const SLOTS_LISTED_MAX: i64 = 3_200;

/// The text that a number stands for, of each that has one.
///
/// # Errors
/// When the database fails.
pub async fn texts(tx: &mut Tx, numbers: &[i64]) -> Result<BTreeMap<i64, String>> {
    let mut found = BTreeMap::new();
    for numbers in numbers.chunks(500) {
        let rows: Vec<(i64, String)> = on!(tx, |conn| {
            let mut select = QueryBuilder::new("SELECT id, text FROM names WHERE id IN (");
            let mut list = select.separated(", ");
            for number in numbers {
                list.push_bind(*number);
            }
            select.push(")");
            select.build_query_as().fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// The first and the last quarter that something ran in.
///
/// # Errors
/// When the database fails.
pub async fn extent(tx: &mut Tx) -> Result<Option<(i64, i64)>> {
    const FIRST: &str = "SELECT MIN(slot) FROM usage_quarters";
    const LAST: &str = "SELECT MAX(slot) FROM usage_quarters";
    let (first,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(FIRST).fetch_one(conn).await)?;
    let (last,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(LAST).fetch_one(conn).await)?;
    Ok(first.zip(last))
}
