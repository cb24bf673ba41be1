//! Who uses the models that there is news of, and what each of them was told before.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Result, Tx, day, on, time};
use crate::domain::model_id::ModelId;
use crate::domain::news::{ANNOUNCED, Belief};

/// Somebody a mail can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The platform's id of the user.
    pub id: String,
    /// Their address.
    pub email: String,
    /// How they are addressed.
    pub name: Option<String>,
    /// What their unsubscribe links carry.
    pub mail_token: String,
}

/// A resource that depends on a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The resource.
    pub resource: String,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Where they change it.
    pub url: Option<String>,
    /// 0: its model; from 1: its fallbacks.
    pub position: i64,
}

/// What one user has to do with one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// Their resources on it.
    pub uses: Vec<Use>,
    /// What they were told of it.
    pub belief: Belief,
}

/// The ids of all users who may have to be told something, in order: those with a resource on a model that is gone or
/// that OpenRouter or its vendor dated, and those whose last mail on a model that works is no longer true.
///
/// # Errors
/// When the database fails.
pub async fn concerned(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "SELECT u.id FROM users u JOIN ( \
        SELECT r.user_id FROM resource_rows r JOIN models m ON m.id = r.model_id \
            WHERE m.state = 'removed' OR m.expires_on IS NOT NULL \
        UNION SELECT r.user_id FROM resource_rows r JOIN vendor_ends v ON v.model_id = r.model_id \
        UNION SELECT t.user_id FROM told_models t LEFT JOIN models m ON m.id = t.model_id \
            LEFT JOIN vendor_ends v ON v.model_id = t.model_id \
            WHERE (m.state = 'listed' OR m.id IS NULL) AND (t.gone_since IS NOT NULL \
                OR t.expires_on IS NOT NULL AND t.expires_on <> COALESCE(m.expires_on, v.expires_on, '')) \
        ) c ON c.user_id = u.id WHERE u.email IS NOT NULL ORDER BY u.id";
    let rows: Vec<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// The users from `first` to `last` who have an address.
///
/// # Errors
/// When the database fails.
pub async fn recipients(tx: &mut Tx, first: &str, last: &str) -> Result<Vec<Recipient>> {
    const SQL: &str =
        "SELECT id, email, name, mail_token FROM users WHERE id BETWEEN $1 AND $2 AND email IS NOT NULL ORDER BY id";
    type Row = (String, String, Option<String>, String);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id, email, name, mail_token)| Recipient { id, email, name, mail_token }).collect())
}

/// What the users from `first` to `last` have to do with the models that there may be news of.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn stakes(tx: &mut Tx, first: &str, last: &str) -> Result<BTreeMap<(String, ModelId), Stake>> {
    let mut stakes: BTreeMap<(String, ModelId), Stake> = BTreeMap::new();
    for (user, model, used) in uses(tx, first, last).await? {
        stakes.entry((user, model)).or_default().uses.push(used);
    }
    for (user, model, belief) in beliefs(tx, first, last).await? {
        stakes.entry((user, model)).or_default().belief = belief;
    }
    for (user, model, date, milestone) in milestones(tx, first, last).await? {
        if let Some(stake) = stakes.get_mut(&(user, model)) {
            stake.belief.milestones.insert(date, milestone);
        }
    }
    Ok(stakes)
}

async fn uses(tx: &mut Tx, first: &str, last: &str) -> Result<Vec<(String, ModelId, Use)>> {
    const SQL: &str = "SELECT w.user_id, w.model_id, w.position, r.id, r.name, r.url \
        FROM resource_rows w JOIN resources r ON r.id = w.resource_id \
        LEFT JOIN models m ON m.id = w.model_id LEFT JOIN vendor_ends v ON v.model_id = w.model_id \
        WHERE w.user_id BETWEEN $1 AND $2 \
            AND (m.state = 'removed' OR m.expires_on IS NOT NULL OR v.model_id IS NOT NULL) \
        ORDER BY w.user_id, w.model_id, w.position, r.id";
    type Row = (String, String, i64, String, Option<String>, Option<String>);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_all(conn).await)?;
    let used = |(user, model, position, resource, name, url): Row| {
        (user, ModelId::new(model), Use { resource, name, url, position })
    };
    Ok(rows.into_iter().map(used).collect())
}

async fn beliefs(tx: &mut Tx, first: &str, last: &str) -> Result<Vec<(String, ModelId, Belief)>> {
    const SQL: &str =
        "SELECT user_id, model_id, expires_on, gone_since FROM told_models WHERE user_id BETWEEN $1 AND $2";
    type Row = (String, String, Option<String>, Option<i64>);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_all(conn).await)?;
    let belief = |(user, model, date, gone): Row| {
        let expires_on = date.as_deref().map(day).transpose()?;
        Ok((user, ModelId::new(model), Belief { expires_on, gone_since: gone.map(time), ..Belief::default() }))
    };
    rows.into_iter().map(belief).collect()
}

async fn milestones(tx: &mut Tx, first: &str, last: &str) -> Result<Vec<(String, ModelId, NaiveDate, u16)>> {
    const SQL: &str = "SELECT user_id, model_id, expires_on, milestone FROM told_dates WHERE user_id BETWEEN $1 AND $2";
    type Row = (String, String, String, i64);
    let rows: Vec<Row> = on!(tx, |conn| sqlx::query_as(SQL).bind(first).bind(last).fetch_all(conn).await)?;
    let told = |(user, model, date, milestone): Row| {
        Ok((user, ModelId::new(model), day(&date)?, u16::try_from(milestone).unwrap_or(ANNOUNCED)))
    };
    rows.into_iter().map(told).collect()
}

/// Keeps what a user knows of a model from now on.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, user: &str, model: &ModelId, belief: &Belief) -> Result<()> {
    const MODEL: &str = "INSERT INTO told_models (user_id, model_id, expires_on, gone_since) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id, model_id) DO UPDATE SET expires_on = excluded.expires_on, gone_since = excluded.gone_since";
    const DATE: &str = "INSERT INTO told_dates (user_id, model_id, expires_on, milestone) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id, model_id, expires_on) DO UPDATE SET milestone = excluded.milestone";
    on!(tx, |conn| {
        let date = belief.expires_on.map(|date| date.to_string());
        let gone = belief.gone_since.map(|at| at.timestamp_micros());
        sqlx::query(MODEL).bind(user).bind(model.as_str()).bind(date).bind(gone).execute(conn).await.map(drop)
    })?;
    if let Some((date, milestone)) = belief.expires_on.and_then(|date| Some((date, belief.milestones.get(&date)?))) {
        on!(tx, |conn| {
            let query = sqlx::query(DATE).bind(user).bind(model.as_str()).bind(date.to_string());
            query.bind(i64::from(*milestone)).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}
