//! Conditions that last: open until they are resolved, over restarts.

use chrono::{DateTime, Utc};

use super::{Result, Tx, on, time};
use crate::domain::alert::{Incident, Rule};

/// An incident and what is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The incident.
    pub incident: Incident,
    /// What was found.
    pub detail: String,
}

/// Opens an incident, unless one of its rule is open on its subject. Says whether it did.
///
/// # Errors
/// When the database fails.
pub async fn open(tx: &mut Tx, incident: &Incident, detail: &str) -> Result<bool> {
    const SQL: &str = "INSERT INTO incidents (id, rule, subject, detail, opened_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let written = on!(tx, |conn| {
        let query =
            sqlx::query(SQL).bind(&incident.id).bind(incident.rule.as_str()).bind(&incident.subject).bind(detail);
        query.bind(incident.opened_at.timestamp_micros()).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(written == 1)
}

/// Resolves an incident.
///
/// # Errors
/// When the database fails.
pub async fn resolve(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE incidents SET resolved_at = $2 WHERE id = $1 AND resolved_at IS NULL";
    on!(tx, |conn| sqlx::query(SQL).bind(id).bind(now.timestamp_micros()).execute(conn).await.map(drop))?;
    Ok(())
}

/// What is open, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn all_open(tx: &mut Tx) -> Result<Vec<Open>> {
    const SQL: &str =
        "SELECT id, rule, subject, detail, opened_at FROM incidents WHERE resolved_at IS NULL ORDER BY opened_at, id";
    let rows: Vec<(String, String, String, String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let open = |(id, rule, subject, detail, at): (String, String, String, String, i64)| {
        let rule = Rule::ALL.iter().copied().find(|known| known.as_str() == rule)?;
        Some(Open { incident: Incident { id, rule, subject, opened_at: time(at) }, detail })
    };
    Ok(rows.into_iter().filter_map(open).collect())
}

/// Incidents that were opened or resolved at or after a time, with the time of the latter, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn touched_since(tx: &mut Tx, since: DateTime<Utc>) -> Result<Vec<(Open, Option<DateTime<Utc>>)>> {
    const SQL: &str = "SELECT id, rule, subject, detail, opened_at, resolved_at FROM incidents \
        WHERE opened_at >= $1 OR resolved_at >= $1 ORDER BY opened_at, id";
    type Row = (String, String, String, String, i64, Option<i64>);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(since.timestamp_micros()).fetch_all(conn).await)?;
    let touched = |(id, rule, subject, detail, at, resolved): Row| {
        let rule = Rule::ALL.iter().copied().find(|known| known.as_str() == rule)?;
        Some((Open { incident: Incident { id, rule, subject, opened_at: time(at) }, detail }, resolved.map(time)))
    };
    Ok(rows.into_iter().filter_map(touched).collect())
}
