//! Conditions that last: open until they are resolved, over restarts.

use chrono::{DateTime, Utc};

use super::{Result, Tx, json, on, time};
use crate::domain::alert::{Rule, Severity, Subject};
use crate::domain::finding::Finding;
use crate::domain::incident::{Incident, Occurrence, Phase, Told};

/// A row as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// Which rule.
    pub rule: Rule,
    /// What it is about.
    pub subject: Subject,
    /// Whom it concerns, where it concerns one user.
    pub user: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub phase: Phase,
    /// What was found, in words, of what is not evaluated.
    pub detail: String,
    /// What was found last, of what is evaluated.
    pub finding: Option<Finding>,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// Since when it fires.
    pub fired_at: Option<DateTime<Utc>>,
    /// When it was found last, of what is evaluated.
    pub last_found_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When somebody said that they look after it.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

impl Row {
    /// The incident, of what is evaluated; what was told of it is not part of the row.
    #[must_use]
    pub fn evaluated(&self) -> Option<Incident> {
        Some(Incident {
            id: self.id.clone(),
            finding: self.finding.clone()?,
            phase: self.phase,
            pending_since: self.opened_at,
            fired_at: self.fired_at,
            last_found_at: self.last_found_at.unwrap_or(self.opened_at),
            told: None,
            acknowledged_at: self.acknowledged_at,
            resolved_at: self.resolved_at,
        })
    }
}

const COLUMNS: &str = "id, rule, subject_kind, subject, user_id, severity, phase, detail, finding, opened_at, fired_at, \
    last_found_at, resolved_at, acknowledged_at";

type Flat = (
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// `None` for a rule that this version does not know: a later one wrote it.
fn row(flat: Flat) -> Result<Option<Row>> {
    let (id, rule, kind, subject, user, severity, phase, detail, finding, opened, fired, found, resolved, acknowledged) =
        flat;
    let (Some(rule), Some(subject)) = (Rule::named(&rule), Subject::of(&kind, subject)) else { return Ok(None) };
    Ok(Some(Row {
        id,
        rule,
        subject,
        user,
        severity: severity_of(&severity),
        phase: phase_of(&phase, resolved),
        detail,
        finding: finding.as_deref().map(|finding| json("incidents.finding", finding)).transpose()?,
        opened_at: time(opened),
        fired_at: fired.map(time),
        last_found_at: found.map(time),
        resolved_at: resolved.map(time),
        acknowledged_at: acknowledged.map(time),
    }))
}

fn rows(flat: Vec<Flat>) -> Result<Vec<Row>> {
    flat.into_iter().filter_map(|flat| row(flat).transpose()).collect()
}

/// Oldest first.
fn sorted(flat: Vec<Flat>) -> Result<Vec<Row>> {
    let mut rows = rows(flat)?;
    rows.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
    Ok(rows)
}

fn severity_of(text: &str) -> Severity {
    match text {
        "info" => Severity::Info,
        "critical" => Severity::Critical,
        _ => Severity::Warning,
    }
}

fn phase_of(text: &str, resolved: Option<i64>) -> Phase {
    match text {
        _ if resolved.is_some() => Phase::Resolved,
        "pending" => Phase::Pending,
        _ => Phase::Firing,
    }
}

/// Opens what is not evaluated, unless its rule is open on its subject. Says whether it did.
///
/// # Errors
/// When the database fails.
pub async fn open(tx: &mut Tx, occurrence: &Occurrence, detail: &str) -> Result<bool> {
    const SQL: &str = "INSERT INTO incidents (id, rule, subject_kind, subject, detail, opened_at, fired_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING";
    let written = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&occurrence.id).bind(occurrence.rule.as_str());
        let query = query.bind(occurrence.subject.kind()).bind(occurrence.subject.id()).bind(detail);
        query.bind(occurrence.opened_at.timestamp_micros()).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(written == 1)
}

/// Resolves what is not evaluated.
///
/// # Errors
/// When the database fails.
pub async fn resolve(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE incidents SET resolved_at = $2, phase = 'resolved' WHERE id = $1 AND resolved_at IS NULL";
    on!(tx, |conn| sqlx::query(SQL).bind(id).bind(now.timestamp_micros()).execute(conn).await.map(drop))?;
    Ok(())
}

/// What is open, pending included, oldest first.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn all_open(tx: &mut Tx) -> Result<Vec<Row>> {
    // Asked for an order, SQLite would walk all that ever was in it.
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE resolved_at IS NULL");
    let flat = on!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).fetch_all(conn).await)?;
    sorted(flat)
}

/// What began to fire or was resolved at or after a time, oldest first.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn touched_since(tx: &mut Tx, since: DateTime<Utc>) -> Result<Vec<Row>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM incidents WHERE resolved_at IS NULL AND fired_at >= $1 \
        UNION ALL SELECT {COLUMNS} FROM incidents WHERE resolved_at >= $1 AND fired_at IS NOT NULL"
    );
    let flat = on!(tx, |conn| {
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(since.timestamp_micros());
        query.fetch_all(conn).await
    })?;
    sorted(flat)
}

/// A page of what ever fired, newest first: opened before `before`; those still open alone if asked.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn page(tx: &mut Tx, open_only: bool, before: Option<DateTime<Utc>>, limit: i64) -> Result<Vec<Row>> {
    let open = if open_only { " AND resolved_at IS NULL" } else { "" };
    let sql = format!(
        "SELECT {COLUMNS} FROM incidents WHERE fired_at IS NOT NULL AND opened_at < $1{open} ORDER BY opened_at DESC, id LIMIT $2"
    );
    let flat = on!(tx, |conn| {
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str()));
        let query = query.bind(before.map_or(i64::MAX, |before| before.timestamp_micros())).bind(limit);
        query.fetch_all(conn).await
    })?;
    rows(flat)
}

/// One row.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE id = $1");
    let flat: Option<Flat> =
        on!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(id).fetch_optional(conn).await)?;
    flat.map_or(Ok(None), row)
}

/// Somebody looks after an incident. Says whether it is open.
///
/// # Errors
/// When the database fails.
pub async fn acknowledge(tx: &mut Tx, id: &str, by: &str, now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE incidents SET acknowledged_at = COALESCE(acknowledged_at, $2), acknowledged_by = COALESCE(acknowledged_by, $3) \
        WHERE id = $1 AND resolved_at IS NULL";
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(now.timestamp_micros()).bind(by);
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Every evaluated incident that is not resolved.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn evaluated(tx: &mut Tx) -> Result<Vec<Incident>> {
    const SQL: &str = "SELECT id, finding, phase, opened_at, fired_at, last_found_at, told_at, told_level, told_times, acknowledged_at \
        FROM incidents WHERE resolved_at IS NULL AND finding IS NOT NULL";
    type Flat =
        (String, String, String, i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let mut flat: Vec<Flat> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    flat.sort_by(|a, b| a.0.cmp(&b.0));
    let mut incidents = Vec::with_capacity(flat.len());
    for (id, finding, phase, opened, fired, found, told_at, level, times, acknowledged) in flat {
        // What a later version found is left to it.
        let Ok(finding) = json::<Finding>("incidents.finding", &finding) else { continue };
        let told = told_at.map(|at| Told {
            at: time(at),
            level: level.and_then(|level| u16::try_from(level).ok()).unwrap_or(0),
            times: times.and_then(|times| u32::try_from(times).ok()).unwrap_or(1),
        });
        incidents.push(Incident {
            id,
            finding,
            phase: phase_of(&phase, None),
            pending_since: time(opened),
            fired_at: fired.map(time),
            last_found_at: time(found.unwrap_or(opened)),
            told,
            acknowledged_at: acknowledged.map(time),
            resolved_at: None,
        });
    }
    Ok(incidents)
}

/// Keeps an evaluated incident as it stands.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, incident: &Incident) -> Result<()> {
    const SQL: &str = "INSERT INTO incidents (id, rule, subject_kind, subject, user_id, severity, phase, detail, finding, opened_at, \
        fired_at, last_found_at, told_at, told_level, told_times, resolved_at, aspect) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $10, $11, $12, $13, $14, $15, $16) \
        ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, phase = excluded.phase, finding = excluded.finding, \
        fired_at = excluded.fired_at, last_found_at = excluded.last_found_at, told_at = excluded.told_at, \
        told_level = excluded.told_level, told_times = excluded.told_times, resolved_at = excluded.resolved_at";
    let micros = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
    let finding = &incident.finding;
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&incident.id).bind(finding.rule.as_str());
        let query = query.bind(finding.subject.kind()).bind(finding.subject.id()).bind(&finding.user);
        let query = query.bind(finding.severity.as_str()).bind(incident.phase.as_str());
        let query = query.bind(serde_json::to_string(finding).unwrap_or_default());
        let query = query.bind(incident.pending_since.timestamp_micros()).bind(micros(incident.fired_at));
        let query = query.bind(incident.last_found_at.timestamp_micros());
        let query = query.bind(micros(incident.told.map(|told| told.at)));
        let query = query.bind(incident.told.map(|told| i64::from(told.level)));
        let query = query.bind(incident.told.map(|told| i64::from(told.times)));
        query.bind(micros(incident.resolved_at)).bind(&finding.aspect).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Forgets an incident that ended before it fired.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, id: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM incidents WHERE id = $1 AND fired_at IS NULL";
    on!(tx, |conn| sqlx::query(SQL).bind(id).execute(conn).await.map(drop))?;
    Ok(())
}
