//! The outbox: mails and notices that a change of state made necessary, until they are delivered.
//!
//! [`super::post`] decides when a mail to a user is due; what is here takes its word for it.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, Result, Tx, json, on, time};
use crate::domain::channel::Channel;
use crate::domain::quiet::QUIET_MAX;

/// Where a row can stand. `held`: until a user's quiet hours end. `repeating`: sent, and to be sent again. `folded`: waits
/// for the user's digest of the day; `digested`: that digest tells it. `suppressed`: its address takes no mail.
/// `superseded`: a later notice says more.
pub const STATES: [&str; 10] =
    ["pending", "held", "sending", "sent", "repeating", "dead", "folded", "digested", "suppressed", "superseded"];

/// A rendered mail, or a notice to a channel of the admins'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// By which way it travels.
    pub channel: Channel,
    /// The same for the same news to the same recipient: who tries twice writes one row.
    pub dedup_key: String,
    /// What it tells, as preferences, metrics and `replay` name it; a notice's is the name of its channel.
    pub kind: String,
    /// The user it goes to; admins' mails have none.
    pub user: Option<String>,
    /// The address; a notice's is the name of its channel, whose address only the configuration has.
    pub recipient: String,
    /// One line.
    pub subject: String,
    /// The text part; of a notice, the JSON to post.
    pub text: String,
    /// The HTML part; a notice has none.
    pub html: String,
    /// Stable over attempts, so that a receiver can tell a repeated delivery.
    pub message_id: String,
    /// The roots of the threads it belongs to; of a notice, its incident.
    pub threads: Vec<String>,
    /// Where the recipient stops this kind of mail.
    pub unsubscribe_url: Option<String>,
    /// What it is about.
    pub about: About,
}

/// What a mail is about, for `replay` and the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The models it names.
    pub models: Vec<String>,
    /// The recipient's resources on them.
    pub resources: Vec<String>,
    /// The incident or news it belongs to.
    pub incident: String,
    /// Why it was sent: model and reason of each item.
    pub why: Vec<String>,
}

/// A row of the outbox without its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub id: i64,
    /// See [`Mail::kind`].
    pub kind: String,
    /// See [`Mail::user`].
    pub user: Option<String>,
    /// See [`Mail::recipient`].
    pub recipient: String,
    /// See [`Mail::subject`].
    pub subject: String,
    /// One of [`STATES`].
    pub state: String,
    /// Deliveries tried.
    pub attempts: i64,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// What the last attempt said.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was delivered, or a digest told it.
    pub sent_at: Option<DateTime<Utc>>,
    /// See [`Mail::about`].
    pub about: About,
}

/// A mail that somebody holds the lease of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The row.
    pub id: i64,
    /// Which attempt this is, from 1; also what fences a late holder off.
    pub attempt: i64,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Since when it is to be delivered.
    pub waits_since: DateTime<Utc>,
    /// What is to be delivered; without `user`, `dedup_key` and `about`, which the delivery does not need.
    pub mail: Mail,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted by the server.
    Sent,
    /// To be tried again at a time, because of an error.
    Retry(DateTime<Utc>, String),
    /// Accepted, and to be sent again at a time while its incident is open.
    Repeat(DateTime<Utc>),
    /// Given up, because of an error.
    Dead(String),
    /// Given up, because the server knows nobody at the address: nothing more is sent there.
    Bounced(String),
    /// Not tried: given back.
    Released,
}

/// When a row is looked at first, and what it counts for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// At once.
    Now,
    /// When a user's quiet hours end.
    Held(DateTime<Utc>),
    /// With the user's digest of the day.
    Folded,
    /// Never: its address takes no mail.
    Suppressed,
}

/// Enqueues a mail or a notice, due at once. Says whether it is new: the same news to the same recipient are enqueued
/// once. What goes to a user is [`super::post::post`]'s to enqueue.
///
/// # Errors
/// When the database fails.
pub async fn enqueue(tx: &mut Tx, mail: &Mail, now: DateTime<Utc>) -> Result<bool> {
    insert(tx, mail, Due::Now, None, now).await
}

/// Writes a row. `counts_on`: the user's day whose number of mails it adds to.
pub(super) async fn insert(
    tx: &mut Tx,
    mail: &Mail,
    due: Due,
    counts_on: Option<NaiveDate>,
    now: DateTime<Utc>,
) -> Result<bool> {
    const SQL: &str = "INSERT INTO outbox (dedup_key, kind, user_id, recipient, subject, text_body, html_body, message_id, \
        thread_ids, unsubscribe_url, about, channel, state, attempts, due_at, waits_since, counts_on, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $16, $17) \
        ON CONFLICT (dedup_key) DO NOTHING";
    let (state, due_at, waits_since) = match due {
        Due::Now => ("pending", Some(now), None),
        Due::Held(until) => ("held", None, Some(until)),
        Due::Folded => ("folded", None, None),
        Due::Suppressed => ("suppressed", None, None),
    };
    let micros = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
    let written = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&mail.dedup_key).bind(&mail.kind).bind(&mail.user).bind(&mail.recipient);
        let query = query.bind(&mail.subject).bind(&mail.text).bind(&mail.html).bind(&mail.message_id);
        let query = query.bind(mail.threads.join(" ")).bind(&mail.unsubscribe_url);
        let query = query.bind(serde_json::to_string(&mail.about).unwrap_or_default()).bind(mail.channel.as_str());
        let query = query.bind(state).bind(micros(due_at)).bind(micros(waits_since));
        let query = query.bind(counts_on.map(|day| day.to_string())).bind(now.timestamp_micros());
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(written == 1)
}

/// No lease and no wait between attempts lasts longer; what is due later was written by a clock that was ahead.
const WAIT_MAX: TimeDelta = TimeDelta::hours(3);

/// Takes the lease of up to `limit` rows of a channel that are due, the longest due first.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    tx: &mut Tx,
    channel: Channel,
    limit: i64,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Vec<Claimed>> {
    const SQLITE: &str = "UPDATE outbox SET state = 'sending', attempts = attempts + 1, due_at = $2 WHERE id IN \
        (SELECT id FROM outbox WHERE channel = $4 AND due_at <= $1 ORDER BY due_at, id LIMIT $3) \
        RETURNING id, attempts, created_at, waits_since, kind, recipient, subject, text_body, html_body, message_id, thread_ids, unsubscribe_url";
    const POSTGRES: &str = "UPDATE outbox SET state = 'sending', attempts = attempts + 1, due_at = $2 WHERE id IN \
        (SELECT id FROM outbox WHERE channel = $4 AND due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) \
        RETURNING id, attempts, created_at, waits_since, kind, recipient, subject, text_body, html_body, message_id, thread_ids, unsubscribe_url";
    const AHEAD: &str = "UPDATE outbox SET due_at = $1 WHERE channel = $3 AND due_at > $2";
    type Flat = (i64, i64, i64, Option<i64>, String, String, String, String, String, String, String, Option<String>);
    let sql = if matches!(tx.engine(), super::Engine::Sqlite(_)) { SQLITE } else { POSTGRES };
    if channel == Channel::Mail {
        release(tx, now).await?;
    }
    on!(tx, |conn| {
        let query = sqlx::query(AHEAD).bind(now.timestamp_micros()).bind((now + WAIT_MAX).timestamp_micros());
        query.bind(channel.as_str()).execute(conn).await.map(drop)
    })?;
    let rows: Vec<Flat> = on!(tx, |conn| {
        let query = sqlx::query_as(sql).bind(now.timestamp_micros()).bind(lease_until.timestamp_micros());
        query.bind(limit).bind(channel.as_str()).fetch_all(conn).await
    })?;
    let mut claimed: Vec<Claimed> = rows
        .into_iter()
        .map(|(id, attempt, created, since, kind, recipient, subject, text, html, message_id, threads, url)| {
            let threads = threads.split_whitespace().map(str::to_owned).collect();
            let mail = Mail {
                channel,
                kind,
                recipient,
                subject,
                text,
                html,
                message_id,
                threads,
                unsubscribe_url: url,
                ..Mail::default()
            };
            Claimed { id, attempt, created_at: time(created), waits_since: time(since.unwrap_or(created)), mail }
        })
        .collect();
    claimed.sort_by_key(|claimed| claimed.id);
    Ok(claimed)
}

/// Makes due what was held until now. What is held for longer than any night lasts was written by a clock ahead.
async fn release(tx: &mut Tx, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET state = 'pending', due_at = $1, waits_since = $1 \
        WHERE state = 'held' AND (waits_since <= $1 OR waits_since > $2)";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(now.timestamp_micros()).bind((now + QUIET_MAX).timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Records what became of an attempt. Says whether the lease was still held: if not, another holder decides.
///
/// # Errors
/// When the database fails.
pub async fn settle(tx: &mut Tx, id: i64, attempt: i64, outcome: &Outcome, now: DateTime<Utc>) -> Result<bool> {
    const SQL: &str = "UPDATE outbox SET state = $3, attempts = $4, due_at = $5, last_error = COALESCE($6, last_error), sent_at = $7 \
        WHERE id = $1 AND state = 'sending' AND attempts = $2";
    let micros = |at: DateTime<Utc>| Some(at.timestamp_micros());
    let (state, attempts, due_at, error, sent_at) = match outcome {
        Outcome::Sent => ("sent", attempt, None, None, micros(now)),
        Outcome::Repeat(at) => return settle_repeated(tx, id, attempt, *at, now).await,
        Outcome::Retry(at, error) => ("pending", attempt, micros(*at), Some(error), None),
        Outcome::Dead(error) | Outcome::Bounced(error) => ("dead", attempt, None, Some(error), None),
        Outcome::Released => ("pending", attempt - 1, micros(now), None, None),
    };
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(attempt).bind(state).bind(attempts).bind(due_at).bind(error);
        query.bind(sent_at).execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Records that a notice was accepted, and makes it due again if its incident is still open.
async fn settle_repeated(
    tx: &mut Tx,
    id: i64,
    attempt: i64,
    again_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool> {
    const SQL: &str = "UPDATE outbox SET state = $3, attempts = 0, due_at = $4, waits_since = COALESCE($4, waits_since), sent_at = $5 \
        WHERE id = $1 AND state = 'sending' AND attempts = $2";
    const IS_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM incidents WHERE resolved_at IS NULL \
        AND id = (SELECT thread_ids FROM outbox WHERE id = $1))";
    let (is_open,): (bool,) = on!(tx, |conn| sqlx::query_as(IS_OPEN).bind(id).fetch_one(conn).await)?;
    let (state, due_at, sent_at) = if is_open {
        ("repeating", Some(again_at.timestamp_micros()), None)
    } else {
        ("sent", None, Some(now.timestamp_micros()))
    };
    let changed = on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(attempt).bind(state).bind(due_at).bind(sent_at);
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Ends what a channel was to be told of an incident before a notice, be it again or for the first time: it has one
/// state, and the newest notice says it. What is being posted ends when that is settled and something newer comes.
pub(super) async fn supersede(tx: &mut Tx, notice: &Mail, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET state = CASE WHEN state = 'repeating' THEN 'sent' ELSE 'superseded' END, \
        due_at = NULL, sent_at = $4 WHERE channel = $1 AND due_at IS NOT NULL AND thread_ids = $2 AND dedup_key <> $3 \
        AND state IN ('repeating', 'pending')";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(notice.channel.as_str()).bind(notice.threads.join(" "));
        query.bind(&notice.dedup_key).bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Makes dead, suppressed or waiting mails due at once: one, or all dead ones. Says how many. Whoever names one vouches
/// for its address: it is suppressed no longer.
///
/// # Errors
/// When the database fails.
pub async fn retry(tx: &mut Tx, id: Option<i64>, now: DateTime<Utc>) -> Result<u64> {
    const ONE: &str = "UPDATE outbox SET state = 'pending', due_at = $1, waits_since = $1 \
        WHERE id = $2 AND state IN ('dead', 'pending', 'held', 'suppressed')";
    const ALL: &str =
        "UPDATE outbox SET state = 'pending', due_at = $1, waits_since = $1 WHERE state = 'dead' AND $2 = 0";
    const RECIPIENT: &str = "SELECT recipient FROM outbox WHERE id = $1 AND channel = 'mail'";
    let sql = if id.is_some() { ONE } else { ALL };
    if let Some(id) = id {
        let row: Option<(String,)> = on!(tx, |conn| sqlx::query_as(RECIPIENT).bind(id).fetch_optional(conn).await)?;
        if let Some((recipient,)) = row {
            super::suppressions::lift(tx, &recipient).await?;
        }
    }
    let changed = on!(tx, |conn| {
        let query = sqlx::query(sql).bind(now.timestamp_micros()).bind(id.unwrap_or(0));
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed)
}

/// How the queue stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Waiting for an attempt.
    pub pending: i64,
    /// Leased.
    pub sending: i64,
    /// Given up.
    pub dead: i64,
    /// Held until their users' quiet hours end.
    pub held: i64,
    /// Waiting for their users' digests of the day.
    pub folded: i64,
    /// Since when the longest waiting of those that are pending or leased waits.
    pub oldest_pending: Option<DateTime<Utc>>,
}

/// Counts the queue; what is delivered is not counted, so this costs what the queue is long.
///
/// # Errors
/// When the database fails.
pub async fn queue(tx: &mut Tx) -> Result<Queue> {
    const SQL: &str = "SELECT state, COUNT(*), MIN(COALESCE(waits_since, created_at)) FROM outbox \
        WHERE state IN ('pending', 'sending', 'dead', 'held', 'folded') GROUP BY state";
    let rows: Vec<(String, i64, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let mut queue = Queue::default();
    for (state, count, oldest) in rows {
        let place = match state.as_str() {
            "dead" => &mut queue.dead,
            "held" => &mut queue.held,
            "folded" => &mut queue.folded,
            waiting => {
                let oldest = time(oldest);
                queue.oldest_pending = Some(queue.oldest_pending.map_or(oldest, |other| std::cmp::min(other, oldest)));
                if waiting == "pending" { &mut queue.pending } else { &mut queue.sending }
            }
        };
        *place = count;
    }
    Ok(queue)
}

/// A page of rows, newest first: those before `before`, of one state if it is named.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn list(tx: &mut Tx, state: Option<&str>, before: Option<i64>, limit: i64) -> Result<Vec<Row>> {
    const SQL: &str = "SELECT id, kind, user_id, recipient, subject, state, attempts, \
        CASE WHEN state = 'held' THEN waits_since ELSE due_at END, last_error, created_at, sent_at, about \
        FROM outbox WHERE (state = $1 OR $1 = '') AND id < $2 ORDER BY id DESC LIMIT $3";
    let rows: Vec<Flat> = on!(tx, |conn| {
        let query = sqlx::query_as(SQL).bind(state.unwrap_or_default()).bind(before.unwrap_or(i64::MAX));
        query.bind(limit).fetch_all(conn).await
    })?;
    rows.into_iter().map(row).collect()
}

/// The rows after `after` in the order they were written, for `replay`.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn written_after(tx: &mut Tx, after: i64) -> Result<Vec<Row>> {
    const SQL: &str = "SELECT id, kind, user_id, recipient, subject, state, attempts, \
        CASE WHEN state = 'held' THEN waits_since ELSE due_at END, last_error, created_at, sent_at, about \
        FROM outbox WHERE id > $1 ORDER BY id";
    let rows: Vec<Flat> = on!(tx, |conn| sqlx::query_as(SQL).bind(after).fetch_all(conn).await)?;
    rows.into_iter().map(row).collect()
}

/// One row with its bodies.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn get(tx: &mut Tx, id: i64) -> Result<Option<(Row, Mail)>> {
    type Bodies = (String, String, String, String, String, Option<String>, String);
    const SQL: &str = "SELECT dedup_key, message_id, text_body, html_body, thread_ids, unsubscribe_url, channel \
        FROM outbox WHERE id = $1";
    let Some(row) = list(tx, None, Some(id.saturating_add(1)), 1).await?.into_iter().find(|row| row.id == id) else {
        return Ok(None);
    };
    let bodies: Option<Bodies> = on!(tx, |conn| sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    let Some((dedup_key, message_id, text, html, threads, unsubscribe_url, channel)) = bodies else { return Ok(None) };
    let threads = threads.split_whitespace().map(str::to_owned).collect();
    let mail = Mail {
        channel: Channel::named(&channel).unwrap_or_default(),
        dedup_key,
        kind: row.kind.clone(),
        user: row.user.clone(),
        recipient: row.recipient.clone(),
        subject: row.subject.clone(),
        text,
        html,
        message_id,
        threads,
        unsubscribe_url,
        about: row.about.clone(),
    };
    Ok(Some((row, mail)))
}

type Flat =
    (i64, String, Option<String>, String, String, String, i64, Option<i64>, Option<String>, i64, Option<i64>, String);

fn row(
    (id, kind, user, recipient, subject, state, attempts, due_at, last_error, created_at, sent_at, about): Flat,
) -> Result<Row> {
    let about = json("outbox.about", &about)?;
    let (due_at, sent_at, created_at) = (due_at.map(time), sent_at.map(time), time(created_at));
    Ok(Row { id, kind, user, recipient, subject, state, attempts, due_at, last_error, created_at, sent_at, about })
}

/// Fails unless a settled mail was still ours.
///
/// # Errors
/// [`Error::Lost`].
pub fn ensure_held(held: bool) -> Result<()> {
    if held { Ok(()) } else { Err(Error::Lost { what: "a mail's lease" }) }
}

/// Whether the admins were told that an incident began.
///
/// # Errors
/// When the database fails.
pub async fn was_told(tx: &mut Tx, incident: &str) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = 'monitor_trouble' AND dedup_key LIKE $1)";
    let prefix = format!("monitor_trouble/{incident}/firing/%");
    let (told,): (bool,) = on!(tx, |conn| sqlx::query_as(SQL).bind(prefix).fetch_one(conn).await)?;
    Ok(told)
}

/// How many users got a mail since a time.
///
/// # Errors
/// When the database fails.
pub async fn users_told_since(tx: &mut Tx, since: DateTime<Utc>) -> Result<usize> {
    const SQL: &str = "SELECT COUNT(DISTINCT user_id) FROM outbox WHERE created_at >= $1 AND user_id IS NOT NULL \
        AND state <> 'suppressed'";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).bind(since.timestamp_micros()).fetch_one(conn).await)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// How many mails of those kept were delivered.
///
/// # Errors
/// When the database fails.
pub async fn sent(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM outbox WHERE state = 'sent'";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(count)
}
