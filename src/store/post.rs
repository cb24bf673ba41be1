//! Enqueues what goes to somebody: at once, when their quiet hours end, or with their digest of the day; and gathers
//! that digest's parts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::outbox::{Due, Mail, insert};
use super::preferences::Manner;
use super::{Result, Tx, json, on, preferences, suppressions, time};
use crate::domain::channel::Channel;
use crate::domain::mail_kind::MailKind;
use crate::domain::period::day_in;

/// What is folded for longer is old news: no digest tells it any more.
const FOLDED_MAX: TimeDelta = TimeDelta::days(7);

/// Enqueues a mail to a user, if they want it: what is not urgent waits for the end of their quiet hours, and beyond
/// `daily_max` mails on one of their days for the day's digest. A mail to somebody else, or a notice, is due at once.
/// To an address that takes no mail nothing is sent; the row says so. Says whether a row is new.
///
/// Transactions that tell one user something at the same time may exceed `daily_max` by one mail each.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn post(tx: &mut Tx, mail: &Mail, daily_max: u32, now: DateTime<Utc>) -> Result<bool> {
    if mail.channel != Channel::Mail {
        let is_new = insert(tx, mail, Due::Now, None, now).await?;
        if is_new && mail.channel == Channel::Alertmanager {
            super::outbox::supersede(tx, mail, now).await?;
        }
        return Ok(is_new);
    }
    if suppressions::covers(tx, &mail.recipient).await? {
        return insert(tx, mail, Due::Suppressed, None, now).await;
    }
    let Some(user) = &mail.user else { return insert(tx, mail, Due::Now, None, now).await };
    let manner = preferences::manner(tx, user, &mail.kind).await?;
    if manner.is_stopped {
        return Ok(false);
    }
    let is_urgent = MailKind::is_urgent_name(&mail.kind);
    let (due, day) = due(&manner, is_urgent, now);
    if !is_urgent && counted(tx, user, day).await? >= i64::from(daily_max) {
        return insert(tx, mail, Due::Folded, None, now).await;
    }
    insert(tx, mail, due, Some(day), now).await
}

/// Enqueues a user's digest and marks the mails that it tells. Says whether it is new: there is one for a user and day,
/// and without it they stay folded.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn post_digest(tx: &mut Tx, mail: &Mail, parts: &[Part], now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE outbox SET state = 'digested', sent_at = $2 WHERE id = $1 AND state = 'folded'";
    let manner = preferences::manner(tx, mail.user.as_deref().unwrap_or_default(), &mail.kind).await?;
    let due =
        if suppressions::covers(tx, &mail.recipient).await? { Due::Suppressed } else { due(&manner, false, now).0 };
    if !insert(tx, mail, due, None, now).await? {
        return Ok(false);
    }
    for part in parts {
        on!(tx, |conn| {
            let query = sqlx::query(SQL).bind(part.id).bind(now.timestamp_micros());
            query.execute(conn).await.map(drop)
        })?;
    }
    Ok(true)
}

/// When a user's mail is due, and on which of their days that is.
fn due(manner: &Manner, is_urgent: bool, now: DateTime<Utc>) -> (Due, NaiveDate) {
    let quiet_until = manner.quiet.filter(|_| !is_urgent).and_then(|quiet| quiet.end_after(now, manner.zone));
    let day = day_in(quiet_until.unwrap_or(now), manner.zone);
    (quiet_until.map_or(Due::Now, Due::Held), day)
}

/// How many mails a user gets on a day of theirs.
async fn counted(tx: &mut Tx, user: &str, day: NaiveDate) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM outbox WHERE user_id = $1 AND counts_on = $2";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).bind(user).bind(day.to_string()).fetch_one(conn).await)?;
    Ok(count)
}

/// A mail that was not sent by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its row.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// When it was to be told.
    pub at: DateTime<Utc>,
    /// What it is about.
    pub about: super::outbox::About,
}

/// The users for whom something is folded, each with the zone whose clocks are theirs.
///
/// # Errors
/// When the database fails.
pub async fn folded_for(tx: &mut Tx, now: DateTime<Utc>) -> Result<BTreeMap<String, Tz>> {
    const SQL: &str = "SELECT DISTINCT o.user_id, p.timezone, u.timezone FROM outbox o JOIN users u ON u.id = o.user_id \
        LEFT JOIN mail_preferences p ON p.user_id = o.user_id \
        WHERE o.state = 'folded' AND o.created_at > $1 AND u.email IS NOT NULL";
    type Row = (String, Option<String>, Option<String>);
    let since = (now - FOLDED_MAX).timestamp_micros();
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(since).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(user, own, given)| (user, preferences::zone_of(own, given))).collect())
}

/// What is folded for a user and still wanted, oldest first.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn folded(tx: &mut Tx, user: &str, now: DateTime<Utc>) -> Result<Vec<Part>> {
    const SQL: &str = "SELECT id, kind, subject, text_body, created_at, about FROM outbox o \
        WHERE state = 'folded' AND user_id = $1 AND created_at > $2 \
        AND NOT EXISTS (SELECT 1 FROM mail_stops s WHERE s.user_id = $1 AND s.kind = o.kind) ORDER BY id";
    type Row = (i64, String, String, String, i64, String);
    let since = (now - FOLDED_MAX).timestamp_micros();
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(user).bind(since).fetch_all(conn).await)?;
    let part = |(id, kind, subject, text, at, about): Row| {
        Ok(Part { id, kind, subject, text, at: time(at), about: json("outbox.about", &about)? })
    };
    rows.into_iter().map(part).collect()
}
