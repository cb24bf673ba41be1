//! Executions, each once.

use std::collections::HashSet;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::runs;
use super::partitions::day_at;
use super::{Engine, Result, Tx, on};
use crate::domain::execution::{Day, Execution};
use crate::domain::provider::Provider;

/// Columns of a row.
const COLUMNS: &str = "day, id, user_no, at, resource_no, key_no, model_no, served_model_no, served_by_no, provider, \
    outcome, status, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost, estimated, \
    latency_ms";
/// How many columns those are.
const WIDTH: usize = 20;
/// Rows of a full SQLite statement: 2,560 parameters of the 32,766 that it takes; more brings nothing.
const ROWS_PER_STATEMENT: usize = 128;
/// Powers of two up to that.
const LENGTHS: usize = ROWS_PER_STATEMENT.ilog2() as usize + 1;
/// Rows that one step of a walk looks at.
const ROWS_PER_WALK: i64 = 2_000;
/// Keys that one statement looks up.
const KEYS_PER_STATEMENT: usize = 300;

/// An execution with the numbers of its names.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What is kept.
    pub execution: &'a Execution,
    /// The day that its id names.
    pub day: Day,
    /// The user's number.
    pub user: i64,
    /// The resource's, or 0.
    pub resource: i64,
    /// The key's, or 0.
    pub key: i64,
    /// The model's.
    pub model: i64,
    /// The served model's, or 0.
    pub served_model: i64,
    /// The server's, or 0.
    pub served_by: i64,
}

/// What the store keeps for a provider.
#[must_use]
pub fn provider_code(provider: Provider) -> i64 {
    match provider {
        Provider::Openrouter => 1,
        Provider::Anthropic => 2,
    }
}

/// The provider of a stored code.
#[must_use]
pub fn provider_of(code: i64) -> Provider {
    if code == 2 { Provider::Anthropic } else { Provider::Openrouter }
}

/// Inserts rows of which none should be there; says how many were written. When those are fewer than given, the
/// transaction can only be abandoned.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx, rows: &[Row<'_>]) -> Result<u64> {
    match tx.engine() {
        Engine::Sqlite(tx) => insert_sqlite(tx, rows).await,
        Engine::Postgres(tx) => insert_postgres(tx, rows).await,
    }
}

async fn insert_sqlite(tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>, rows: &[Row<'_>]) -> Result<u64> {
    static SQL: [OnceLock<String>; LENGTHS] = [const { OnceLock::new() }; LENGTHS];
    let mut inserted = 0;
    for rows in runs(rows, ROWS_PER_STATEMENT) {
        let sql = SQL[rows.len().ilog2() as usize].get_or_init(|| statement(rows.len()));
        let query = rows.iter().fold(sqlx::query(sql.as_str()), bind);
        inserted += query.execute(&mut **tx).await?.rows_affected();
    }
    Ok(inserted)
}

fn statement(rows: usize) -> String {
    let row = format!("({})", vec!["?"; WIDTH].join(", "));
    format!("INSERT INTO executions ({COLUMNS}) VALUES {} ON CONFLICT DO NOTHING", vec![row; rows].join(", "))
}

type SqliteQuery<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind<'q>(query: SqliteQuery<'q>, row: &Row<'_>) -> SqliteQuery<'q> {
    let (execution, usage) = (row.execution, &row.execution.usage);
    query
        .bind(row.day)
        .bind(execution.id.clone())
        .bind(row.user)
        .bind(execution.at.timestamp_micros())
        .bind(or_null(row.resource))
        .bind(or_null(row.key))
        .bind(row.model)
        .bind(or_null(row.served_model))
        .bind(or_null(row.served_by))
        .bind(provider_code(execution.provider))
        .bind(execution.outcome.code())
        .bind(execution.status.map(i64::from))
        .bind(tokens(usage.input_tokens))
        .bind(tokens(usage.output_tokens))
        .bind(tokens(usage.cached_tokens))
        .bind(tokens(usage.cache_write_tokens))
        .bind(tokens(usage.reasoning_tokens))
        .bind(usage.cost.map(|cost| cost.0))
        .bind(execution.is_estimated)
        .bind(milliseconds(execution.latency_ms))
}

/// What has no name takes no room.
fn or_null(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

/// No request has two billion tokens: what says so is kept as the most that a column takes.
fn tokens(count: Option<u64>) -> Option<i32> {
    count.map(|count| i32::try_from(count).unwrap_or(i32::MAX))
}

fn milliseconds(latency: Option<u32>) -> Option<i32> {
    tokens(latency.map(u64::from))
}

/// One column of all rows.
fn column<T>(rows: &[Row<'_>], of: impl FnMut(&Row<'_>) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// One array a column: PostgreSQL plans the statement once. Without `ON CONFLICT`, which would take twice as long: a
/// row that is there, or that another transaction has just written, fails them all.
async fn insert_postgres(tx: &mut sqlx::Transaction<'static, sqlx::Postgres>, rows: &[Row<'_>]) -> Result<u64> {
    static SQL: OnceLock<&str> = OnceLock::new();
    let sql = *SQL.get_or_init(|| {
        let types = [
            "int4", "text", "int4", "int8", "int4", "int4", "int4", "int4", "int4", "int2", "int2", "int2", "int4",
            "int4", "int4", "int4", "int4", "int8", "bool", "int4",
        ];
        let arrays: Vec<String> = (1..).zip(types).map(|(n, kind)| format!("${n}::{kind}[]")).collect();
        format!("INSERT INTO executions ({COLUMNS}) SELECT * FROM UNNEST({})", arrays.join(", ")).leak()
    });
    if rows.is_empty() {
        return Ok(0);
    }
    let number = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let small = |number: i64| i16::try_from(number).unwrap_or(i16::MAX);
    let query = sqlx::query(sql)
        .bind(column(rows, |row| row.day))
        .bind(column(rows, |row| row.execution.id.clone()))
        .bind(column(rows, |row| number(row.user)))
        .bind(column(rows, |row| row.execution.at.timestamp_micros()))
        .bind(column(rows, |row| or_null(row.resource).map(number)))
        .bind(column(rows, |row| or_null(row.key).map(number)))
        .bind(column(rows, |row| number(row.model)))
        .bind(column(rows, |row| or_null(row.served_model).map(number)))
        .bind(column(rows, |row| or_null(row.served_by).map(number)))
        .bind(column(rows, |row| small(provider_code(row.execution.provider))))
        .bind(column(rows, |row| small(row.execution.outcome.code())))
        .bind(column(rows, |row| row.execution.status.map(|status| small(i64::from(status)))))
        .bind(column(rows, |row| tokens(row.execution.usage.input_tokens)))
        .bind(column(rows, |row| tokens(row.execution.usage.output_tokens)))
        .bind(column(rows, |row| tokens(row.execution.usage.cached_tokens)))
        .bind(column(rows, |row| tokens(row.execution.usage.cache_write_tokens)))
        .bind(column(rows, |row| tokens(row.execution.usage.reasoning_tokens)))
        .bind(column(rows, |row| row.execution.usage.cost.map(|cost| cost.0)))
        .bind(column(rows, |row| row.execution.is_estimated))
        .bind(column(rows, |row| milliseconds(row.execution.latency_ms)));
    match query.execute(&mut **tx).await {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(0),
        done => Ok(done?.rows_affected()),
    }
}

/// Which of the rows are there already, as number of the user and id.
///
/// # Errors
/// When the database fails.
pub async fn known(tx: &mut Tx, rows: &[Row<'_>]) -> Result<HashSet<(i64, String)>> {
    let mut known = HashSet::new();
    for rows in runs(rows, KEYS_PER_STATEMENT) {
        let found: Vec<(i64, String)> = on!(tx, |conn| {
            let mut select =
                QueryBuilder::new("SELECT CAST(user_no AS BIGINT), id FROM executions WHERE (day, id, user_no) IN (");
            if rows.is_empty() {
                break;
            }
            select.push("VALUES ");
            let mut list = select.separated(", ");
            for row in rows {
                list.push("(").push_bind_unseparated(row.day).push_unseparated(", ");
                list.push_bind_unseparated(row.execution.id.as_str()).push_unseparated(", ");
                list.push_bind_unseparated(i32::try_from(row.user).unwrap_or(i32::MAX)).push_unseparated(")");
            }
            select.push(")");
            select.build_query_as().fetch_all(conn).await
        })?;
        known.extend(found);
    }
    Ok(known)
}

/// Where a walk through the executions in the order of their keys stands.
pub type Cursor = (Day, String, i64);

/// Forgets what began before a time, among the next rows behind the cursor whose ids name no later day. Says how many
/// that were, and where to go on; `None` at the end.
///
/// Ids that name no day lie among all others of their kind, so the walk passes those that are kept, once.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, before: DateTime<Utc>, after: &Cursor) -> Result<(u64, Option<Cursor>)> {
    const NEXT: &str = "SELECT CAST(day AS BIGINT), id, CAST(user_no AS BIGINT), at FROM executions \
        WHERE (day, id, user_no) > ($1, $2, $3) AND day <= $4 ORDER BY day, id, user_no LIMIT $5";
    let rows: Vec<(i64, String, i64, i64)> = on!(tx, |conn| {
        let query = sqlx::query_as(NEXT).bind(after.0).bind(&after.1).bind(i32::try_from(after.2).unwrap_or(i32::MAX));
        query.bind(day_at(before)).bind(ROWS_PER_WALK).fetch_all(conn).await
    })?;
    let is_last = i64::try_from(rows.len()).unwrap_or(0) < ROWS_PER_WALK;
    let cursor = rows.last().map(|(day, id, user, _)| (Day::try_from(*day).unwrap_or(0), id.clone(), *user));
    let old: Vec<&(i64, String, i64, i64)> = rows.iter().filter(|row| row.3 < before.timestamp_micros()).collect();
    let mut gone = 0;
    for keys in runs(&old, KEYS_PER_STATEMENT) {
        gone += on!(tx, |conn| {
            let mut delete = QueryBuilder::new("DELETE FROM executions WHERE (day, id, user_no) IN (VALUES ");
            let mut list = delete.separated(", ");
            for (day, id, user, _) in keys {
                list.push("(").push_bind_unseparated(Day::try_from(*day).unwrap_or(0)).push_unseparated(", ");
                list.push_bind_unseparated(id.as_str()).push_unseparated(", ");
                list.push_bind_unseparated(i32::try_from(*user).unwrap_or(i32::MAX)).push_unseparated(")");
            }
            delete.push(")");
            delete.build().execute(conn).await.map(|done| done.rows_affected())
        })?;
    }
    Ok((gone, cursor.filter(|_| !is_last)))
}

/// How many executions are kept.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM executions";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(count)
}
