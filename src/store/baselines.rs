//! What is usual for somebody, as it was learnt from the slots that are over.

use std::collections::BTreeMap;

use sqlx::QueryBuilder;

use super::list::{push_list, runs};
use super::{Result, Tx, on};
use crate::domain::baseline::{Baseline, Grain};
use crate::domain::money::NanoUsd;
use crate::domain::rollup::Measures;

/// Rows that one statement reads or writes.
const ROWS_PER_STATEMENT: usize = 200;

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// What all spend together; the number is 0.
    Total,
    /// What a user spends.
    User,
    /// What a resource costs.
    Resource,
}

impl Whose {
    fn code(self) -> i64 {
        match self {
            Self::Total => 0,
            Self::User => 1,
            Self::Resource => 2,
        }
    }
}

/// What was learnt of somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Learnt {
    /// By hour.
    pub hours: Baseline,
    /// By day.
    pub days: Baseline,
    /// The month of the last day that was learnt, counted from year 0.
    pub month: i64,
    /// Nano-dollars of its days that were learnt.
    pub month_cost: i64,
}

impl Default for Learnt {
    fn default() -> Self {
        Self { hours: Baseline::new(Grain::Hour), days: Baseline::new(Grain::Day), month: 0, month_cost: 0 }
    }
}

/// Number, hours, days, month and its cost.
type Row = (i64, Vec<u8>, Vec<u8>, i64, i64);

/// What is kept of some. What cannot be read is learnt anew.
///
/// # Errors
/// When the database fails.
pub async fn load(tx: &mut Tx, whose: Whose, numbers: &[i64]) -> Result<BTreeMap<i64, Learnt>> {
    let mut found = BTreeMap::new();
    for numbers in numbers.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<Row> = on!(tx, |conn| {
            let mut select = QueryBuilder::new(
                "SELECT subject_no, hours, days, month, month_cost FROM baselines WHERE subject_kind = ",
            );
            select.push_bind(whose.code()).push(" AND subject_no IN ");
            push_list(&mut select, numbers.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        for (number, hours, days, month, month_cost) in rows {
            let fresh = Learnt::default();
            let hours = Baseline::from_bytes(&hours).unwrap_or(fresh.hours);
            let days = Baseline::from_bytes(&days).unwrap_or(fresh.days);
            found.insert(number, Learnt { hours, days, month, month_cost });
        }
    }
    Ok(found)
}

/// Keeps what was learnt of some.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, whose: Whose, learnt: &BTreeMap<i64, Learnt>) -> Result<()> {
    let learnt: Vec<(&i64, &Learnt)> = learnt.iter().collect();
    for learnt in runs(&learnt, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert =
                QueryBuilder::new("INSERT INTO baselines (subject_kind, subject_no, hours, days, month, month_cost) ");
            insert.push_values(learnt, |mut row, (number, learnt)| {
                row.push_bind(whose.code()).push_bind(**number);
                row.push_bind(learnt.hours.to_bytes()).push_bind(learnt.days.to_bytes());
                row.push_bind(learnt.month).push_bind(learnt.month_cost);
            });
            insert.push(
                " ON CONFLICT (subject_kind, subject_no) DO UPDATE SET hours = excluded.hours, days = excluded.days, \
                    month = excluded.month, month_cost = excluded.month_cost",
            );
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// What all users spent on a day that is over.
///
/// # Errors
/// When the database fails.
pub async fn put_day(tx: &mut Tx, day: i64, cost: NanoUsd, users: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO active_days (day, cost, users) VALUES ($1, $2, $3) \
        ON CONFLICT (day) DO UPDATE SET cost = excluded.cost, users = excluded.users";
    on!(tx, |conn| sqlx::query(SQL).bind(day).bind(cost.0).bind(users).execute(conn).await.map(drop))?;
    Ok(())
}

/// What all users spent on the days from `first` to `last`, and on how many days a user was active, all together.
///
/// # Errors
/// When the database fails.
pub async fn spent_on(tx: &mut Tx, first: i64, last: i64) -> Result<(NanoUsd, i64)> {
    const SQL: &str = "SELECT COALESCE(CAST(SUM(cost) AS BIGINT), 0), COALESCE(CAST(SUM(users) AS BIGINT), 0) \
        FROM active_days WHERE day BETWEEN $1 AND $2";
    let (cost, users) = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_one(conn).await)?;
    Ok((NanoUsd(cost), users))
}

/// Keeps how many outputs of each model could not be used on a day that is over, and of how many.
///
/// # Errors
/// When the database fails.
pub async fn put_models(tx: &mut Tx, day: i64, models: &BTreeMap<i64, Measures>) -> Result<()> {
    const SQL: &str = "INSERT INTO model_days (day, model_no, executions, bad_outputs) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (day, model_no) DO UPDATE SET executions = excluded.executions, bad_outputs = excluded.bad_outputs";
    for (model, sums) in models {
        on!(tx, |conn| {
            let query = sqlx::query(SQL).bind(day).bind(*model).bind(sums.executions).bind(sums.bad_outputs);
            query.execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// How many outputs of a model could not be used on the days from `first` to `last`, and of how many.
///
/// # Errors
/// When the database fails.
pub async fn bad_outputs(tx: &mut Tx, model: i64, first: i64, last: i64) -> Result<(i64, i64)> {
    const SQL: &str = "SELECT COALESCE(CAST(SUM(bad_outputs) AS BIGINT), 0), COALESCE(CAST(SUM(executions) AS BIGINT), 0) \
        FROM model_days WHERE day BETWEEN $1 AND $2 AND model_no = $3";
    Ok(on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).bind(model).fetch_one(conn).await)?)
}
