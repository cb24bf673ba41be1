//! Which mails users want, and at which hours.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::list::push_list;
use super::{Error, Result, Tx, on};
use crate::domain::quiet::QuietHours;

/// How a user wants their mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// When what is not urgent waits.
    pub quiet: Option<QuietHours>,
    /// The zone of their choice; `None`: the directory's.
    pub zone: Option<Tz>,
}

/// How a kind of mail goes to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// They do not want it.
    pub is_stopped: bool,
    /// When it waits, unless it is urgent.
    pub quiet: Option<QuietHours>,
    /// The zone whose clocks are theirs: of their choice, else the directory's, else UTC.
    pub zone: Tz,
}

/// The user whose mails carry a token.
///
/// # Errors
/// When the database fails.
pub async fn user_of(tx: &mut Tx, mail_token: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT id FROM users WHERE mail_token = $1";
    let row: Option<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(mail_token).fetch_optional(conn).await)?;
    Ok(row.map(|(id,)| id))
}

/// User and kind of what some users do not want.
///
/// # Errors
/// When the database fails.
pub async fn stopped(tx: &mut Tx, users: &[String]) -> Result<BTreeSet<(String, String)>> {
    let rows: Vec<(String, String)> = on!(tx, |conn| {
        let mut select = sqlx::QueryBuilder::new("SELECT user_id, kind FROM mail_stops WHERE user_id IN ");
        push_list(&mut select, users.iter().map(String::as_str));
        select.build_query_as().fetch_all(conn).await
    })?;
    Ok(rows.into_iter().collect())
}

/// A user does not want a kind of mail from now on.
///
/// # Errors
/// When the database fails.
pub async fn stop(tx: &mut Tx, user: &str, kind: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO mail_stops (user_id, kind, stopped_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(user).bind(kind).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// A user wants a kind of mail again.
///
/// # Errors
/// When the database fails.
pub async fn resume(tx: &mut Tx, user: &str, kind: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM mail_stops WHERE user_id = $1 AND kind = $2";
    on!(tx, |conn| sqlx::query(SQL).bind(user).bind(kind).execute(conn).await.map(drop))?;
    Ok(())
}

/// How a user wants their mails.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn get(tx: &mut Tx, user: &str) -> Result<Preferences> {
    const SQL: &str = "SELECT quiet_hours, timezone FROM mail_preferences WHERE user_id = $1";
    let row: Option<(Option<String>, Option<String>)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(user).fetch_optional(conn).await)?;
    let (quiet, zone) = row.unwrap_or_default();
    Ok(Preferences {
        quiet: quiet.map(|text| hours(&text)).transpose()?,
        zone: zone.and_then(|zone| zone.parse().ok()),
    })
}

/// Keeps how a user wants their mails.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, user: &str, preferences: &Preferences, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO mail_preferences (user_id, quiet_hours, timezone, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id) DO UPDATE SET quiet_hours = excluded.quiet_hours, timezone = excluded.timezone, \
        updated_at = excluded.updated_at";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(user).bind(preferences.quiet.map(|quiet| quiet.to_string()));
        let query = query.bind(preferences.zone.map(Tz::name)).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// How a kind of mail goes to a user. One whom nobody knows has no wishes.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn manner(tx: &mut Tx, user: &str, kind: &str) -> Result<Manner> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM mail_stops s WHERE s.user_id = u.id AND s.kind = $2), \
        p.quiet_hours, p.timezone, u.timezone FROM users u LEFT JOIN mail_preferences p ON p.user_id = u.id WHERE u.id = $1";
    type Row = (bool, Option<String>, Option<String>, Option<String>);
    let row: Option<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(user).bind(kind).fetch_optional(conn).await)?;
    let (is_stopped, quiet, own, given) = row.unwrap_or_default();
    Ok(Manner { is_stopped, quiet: quiet.map(|text| hours(&text)).transpose()?, zone: zone_of(own, given) })
}

/// The zone of a user's choice, else the directory's, else UTC.
pub(super) fn zone_of(own: Option<String>, given: Option<String>) -> Tz {
    own.or(given).and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC)
}

fn hours(text: &str) -> Result<QuietHours> {
    text.parse().map_err(|_| Error::Corrupt { what: "mail_preferences.quiet_hours", value: text.to_owned() })
}
