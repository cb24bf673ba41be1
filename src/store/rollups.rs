//! Sums by quarter and by day: kept up with every execution, read by whoever asks what was spent.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row as _};

use super::executions::provider_code;
use super::list::{push_list, runs};
use super::{Engine, Error, Result, Tx, on};
use crate::domain::missing::Failures;
use crate::domain::model_id::ModelId;
use crate::domain::money::NanoUsd;
use crate::domain::period::{Part, Period};
use crate::domain::provider::Provider;
use crate::domain::rollup::{Key, Measures, Rollup};

/// Rows of a statement: 26 columns each.
const ROWS_PER_STATEMENT: usize = 64;
/// The columns of a key of which only slot and user are told apart.
const USER_KEY: &str = "slot, user_no, 0, 0, 0, 0";
/// What [`Detail::Costs`] sums.
const COSTS: &str = "SUM(executions), SUM(unpriced), SUM(cost), SUM(charged_failures), SUM(charged_failure_cost)";
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
            for sums in runs(&sums, ROWS_PER_STATEMENT) {
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
                select.push("slot IN ");
                push_list(&mut select, query.slots.0..query.slots.1);
                select.push(" AND user_no = ").push_bind(user);
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

/// What some users cost on some days, by day and user alone: the rest of each key is 0, and so are all sums but
/// executions, those without a price, costs, and failures that were charged.
///
/// # Errors
/// When the database fails.
pub async fn user_days(tx: &mut Tx, days: (i64, i64), users: &[i64]) -> Result<Vec<(Key, Measures)>> {
    let mut lines = Vec::new();
    for users in users.chunks(USERS_PER_STATEMENT) {
        lines_of(tx, Grain::Days, days, Some(users), Detail::Costs, &mut lines).await?;
    }
    Ok(lines)
}

/// What users spent in periods of their own, in nano-dollars, in the order of the periods. Users of one zone have the
/// same days and months, and those of all zones most of a month: each part is looked up once, for all whose it is.
///
/// # Errors
/// When the database fails.
pub async fn costs(tx: &mut Tx, periods: &[(i64, Period)]) -> Result<Vec<NanoUsd>> {
    let mut parts: BTreeMap<Part, BTreeMap<i64, i64>> = BTreeMap::new();
    for (user, period) in periods {
        for part in period.parts() {
            parts.entry(part).or_default().insert(*user, 0);
        }
    }
    for (part, costs) in &mut parts {
        let (grain, slots) = slots_of(*part);
        let users: Vec<i64> = costs.keys().copied().collect();
        for users in users.chunks(USERS_PER_STATEMENT) {
            let rows: Vec<(i64, i64)> = on!(tx, |conn| {
                let sql = format!("SELECT user_no, CAST(SUM(cost) AS BIGINT) FROM {} WHERE slot IN ", grain.table());
                let mut select = QueryBuilder::new(sql);
                push_list(&mut select, slots.0..slots.1);
                select.push(" AND user_no IN ");
                push_list(&mut select, users.iter().copied());
                select.push(" GROUP BY user_no").build_query_as().fetch_all(conn).await
            })?;
            costs.extend(rows);
        }
    }
    let cost = |(user, period): &(i64, Period)| {
        period.parts().iter().map(|part| NanoUsd(parts[part].get(user).copied().unwrap_or(0))).sum()
    };
    Ok(periods.iter().map(cost).collect())
}

fn slots_of(part: Part) -> (Grain, (i64, i64)) {
    match part {
        Part::Quarters(from, until) => (Grain::Quarters, (from, until)),
        Part::Days(from, until) => (Grain::Days, (from, until)),
    }
}

/// How finely lines are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// As they are kept.
    Full,
    /// By slot and user, and only what they cost.
    Costs,
}

/// Users that one statement looks up.
const USERS_PER_STATEMENT: usize = 500;

/// Reads the lines of a slot as one text: a row for each, with a value for each column, would cost ten times as much as
/// the reading itself.
async fn lines_of(
    tx: &mut Tx,
    grain: Grain,
    slots: (i64, i64),
    users: Option<&[i64]>,
    detail: Detail,
    lines: &mut Vec<(Key, Measures)>,
) -> Result<()> {
    let rows: Vec<(String,)> = on!(tx, |conn| {
        let (key, columns, grouped) = match detail {
            Detail::Full => (KEY, Measures::NAMES.join(", "), ""),
            Detail::Costs => (USER_KEY, COSTS.to_owned(), " GROUP BY slot, user_no"),
        };
        let mut select = QueryBuilder::new(format!(
            "SELECT string_agg(line, ';') FROM (SELECT slot, concat_ws(' ', {key}, {columns}) AS line FROM {} \
            WHERE slot IN ",
            grain.table()
        ));
        push_list(&mut select, slots.0..slots.1);
        if let Some(users) = users {
            select.push(" AND user_no IN ");
            push_list(&mut select, users.iter().copied());
        }
        select.push(grouped).push(") AS lines GROUP BY slot");
        select.build_query_as().fetch_all(conn).await
    })?;
    for line in rows.iter().flat_map(|(slot,)| slot.split(';')) {
        lines.push(read_line(line, detail).ok_or_else(|| Error::Corrupt { what: "sums", value: line.to_owned() })?);
    }
    Ok(())
}

fn read_line(line: &str, detail: Detail) -> Option<(Key, Measures)> {
    let mut numbers = line.split(' ').map_while(|number| number.parse::<i64>().ok());
    let mut next = || numbers.next();
    let (slot, user, resource, key, model, provider) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let key = Key { slot, user, resource, key, model, provider };
    let measures = match detail {
        Detail::Full => {
            let mut values = [0; Measures::NAMES.len()];
            for value in &mut values {
                *value = next()?;
            }
            Measures::from_values(values)
        }
        Detail::Costs => Measures {
            executions: next()?,
            unpriced: next()?,
            cost: next()?,
            charged_failures: next()?,
            charged_failure_cost: next()?,
            ..Measures::default()
        },
    };
    Some((key, measures))
}

/// What ran in each of some quarters for each user and model of which something was unavailable.
///
/// # Errors
/// When the database fails.
pub async fn unavailable(tx: &mut Tx, slots: (i64, i64)) -> Result<Vec<Failures>> {
    const SQL: &str = "SELECT q.slot, u.text, m.text, q.executions, q.unavailable FROM (SELECT slot, user_no, model_no, \
            CAST(SUM(executions) AS BIGINT) AS executions, CAST(SUM(unavailable) AS BIGINT) AS unavailable \
            FROM usage_quarters WHERE slot >= $1 AND slot < $2 AND provider = $3 \
            GROUP BY slot, user_no, model_no HAVING SUM(unavailable) > 0) q \
        JOIN names u ON u.id = q.user_no JOIN names m ON m.id = q.model_no";
    let provider = provider_code(Provider::Openrouter);
    let rows: Vec<(i64, String, String, i64, i64)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(slots.0).bind(slots.1).bind(provider).fetch_all(conn).await)?;
    let failures = rows.into_iter().filter_map(|(slot, user, model, executions, unavailable)| {
        Some(Failures { slot, user, model: ModelId::look_up(&model)?, executions, unavailable })
    });
    Ok(failures.collect())
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
            let mut select = QueryBuilder::new("SELECT id, text FROM names WHERE id IN ");
            push_list(&mut select, numbers.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// The first quarter that something ran in.
///
/// # Errors
/// When the database fails.
pub async fn first_quarter(tx: &mut Tx) -> Result<Option<i64>> {
    const SQL: &str = "SELECT MIN(slot) FROM usage_quarters";
    let (first,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(first)
}

/// The last quarter that something ran in.
///
/// # Errors
/// When the database fails.
pub async fn last_quarter(tx: &mut Tx) -> Result<Option<i64>> {
    const SQL: &str = "SELECT MAX(slot) FROM usage_quarters";
    let (last,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(last)
}
