//! Runs of jobs: a slot is claimed by one runner at a time, also among replicas and after a crash.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Result, Tx, on, time};

/// A run, as pages and commands show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The job.
    pub job: String,
    /// When it was due.
    pub slot: DateTime<Utc>,
    /// `running`, `retry`, `ok` or `failed`.
    pub state: String,
    /// How many times it was begun.
    pub attempt: i64,
    /// End of the lease, or the next attempt.
    pub due_at: Option<DateTime<Utc>>,
    /// When the last attempt began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it did, or why it failed.
    pub summary: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Done, with a summary.
    Ok(String),
    /// Failed, to be tried again at a time.
    Retry(DateTime<Utc>, String),
    /// Failed for good.
    Failed(String),
}

/// No lease and no wait between attempts lasts longer; what is due later was written by a clock that was ahead.
const WAIT_MAX: TimeDelta = TimeDelta::hours(25);

/// Claims a slot: gives the number of the attempt (from 1), or `None` when it is done, held, or not yet due again.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    tx: &mut Tx,
    job: &str,
    slot: DateTime<Utc>,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<i64>> {
    const SQL: &str = "INSERT INTO job_runs (job, slot, state, attempt, due_at, started_at) VALUES ($1, $2, 'running', 1, $4, $3) \
        ON CONFLICT (job, slot) DO UPDATE SET state = 'running', attempt = job_runs.attempt + 1, due_at = excluded.due_at, \
        started_at = excluded.started_at, finished_at = NULL WHERE job_runs.due_at <= $3 OR job_runs.due_at > $5 RETURNING attempt";
    let row: Option<(i64,)> = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(job).bind(slot.timestamp_micros()).bind(now.timestamp_micros());
        let query = query.bind(lease_until.timestamp_micros()).bind((now + WAIT_MAX).timestamp_micros());
        query.fetch_optional(conn).await
    })?;
    Ok(row.map(|(attempt,)| attempt))
}

/// Records how an attempt ended, unless another runner has taken the slot over since. Says whether it did.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    tx: &mut Tx,
    job: &str,
    slot: DateTime<Utc>,
    attempt: i64,
    ended: &Ended,
    now: DateTime<Utc>,
) -> Result<bool> {
    const SQL: &str = "UPDATE job_runs SET state = $4, due_at = $5, finished_at = $6, summary = $7 \
        WHERE job = $1 AND slot = $2 AND attempt = $3 AND state = 'running'";
    let (state, due_at, summary) = match ended {
        Ended::Ok(summary) => ("ok", None, summary),
        Ended::Retry(at, error) => ("retry", Some(at.timestamp_micros()), error),
        Ended::Failed(error) => ("failed", None, error),
    };
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(job).bind(slot.timestamp_micros()).bind(attempt).bind(state).bind(due_at);
        query.bind(now.timestamp_micros()).bind(summary).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// The last run of each job.
///
/// # Errors
/// When the database fails.
pub async fn latest(tx: &mut Tx) -> Result<Vec<Run>> {
    const SQL: &str = "SELECT job, slot, state, attempt, due_at, started_at, finished_at, summary FROM job_runs \
        WHERE (job, started_at) IN (SELECT job, MAX(started_at) FROM job_runs GROUP BY job) ORDER BY job";
    type Row = (String, i64, String, i64, Option<i64>, i64, Option<i64>, Option<String>);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let run = |(job, slot, state, attempt, due_at, started_at, finished_at, summary): Row| {
        let (due_at, finished_at) = (due_at.map(time), finished_at.map(time));
        Run { job, slot: time(slot), state, attempt, due_at, started_at: time(started_at), finished_at, summary }
    };
    Ok(rows.into_iter().map(run).collect())
}

/// When each job last succeeded.
///
/// # Errors
/// When the database fails.
pub async fn last_success(tx: &mut Tx) -> Result<Vec<(String, DateTime<Utc>)>> {
    const SQL: &str = "SELECT job, MAX(finished_at) FROM job_runs WHERE state = 'ok' GROUP BY job";
    let rows: Vec<(String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(job, at)| (job, time(at))).collect())
}

/// The first slot that failed for good since the job last succeeded; `None` when none did.
///
/// # Errors
/// When the database fails.
pub async fn failing_since(tx: &mut Tx, job: &str) -> Result<Option<DateTime<Utc>>> {
    const SQL: &str = "SELECT MIN(slot) FROM job_runs WHERE job = $1 AND state = 'failed' \
        AND slot > COALESCE((SELECT MAX(slot) FROM job_runs WHERE job = $1 AND state = 'ok'), 0)";
    let (since,): (Option<i64>,) = on!(tx, |conn| sqlx::query_as(SQL).bind(job).fetch_one(conn).await)?;
    Ok(since.map(time))
}

/// When a slot is looked at next; `None` when it has ended or was never begun.
///
/// # Errors
/// When the database fails.
pub async fn due_at(tx: &mut Tx, job: &str, slot: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    const SQL: &str = "SELECT due_at FROM job_runs WHERE job = $1 AND slot = $2";
    let row: Option<(Option<i64>,)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(job).bind(slot.timestamp_micros()).fetch_optional(conn).await)?;
    Ok(row.and_then(|(at,)| at).map(time))
}
