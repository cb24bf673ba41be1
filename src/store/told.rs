//! Who uses the models that there is news of, and what each of them was told before.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::QueryBuilder;

use super::list::push_list;
use super::{Result, Tx, day, json, on, time};
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
    /// Since when it depends on the model.
    pub since: DateTime<Utc>,
    /// All models of the resource, by position.
    pub chain: Vec<ModelId>,
}

/// What one user has to do with one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// Their resources on it.
    pub uses: Vec<Use>,
    /// What they were told of it.
    pub belief: Belief,
}

impl Stake {
    /// Since when they use it; `None` when they do not.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.uses.iter().map(|used| used.since).min()
    }
}

/// Reads what concerns some users: the statement is given up to the list of their ids, and from there on.
macro_rules! of_users {
    ($tx:expr, $users:expr, $before:expr, $after:expr) => {
        on!($tx, |conn| {
            let mut select = QueryBuilder::new($before);
            select.push(" IN ");
            push_list(&mut select, $users.iter().map(String::as_str));
            select.push(" ").push($after);
            select.build_query_as().fetch_all(conn).await
        })
    };
}

/// The ids of all users who may have to be told something, in order: those with a resource on a model that is gone,
/// that OpenRouter or its vendor dated, or of which something else has changed and held; and those whose last mail on a
/// model is no longer true, or not the last word.
///
/// # Errors
/// When the database fails.
pub async fn concerned(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "SELECT u.id FROM users u JOIN ( \
        SELECT r.user_id FROM resource_rows r JOIN models m ON m.id = r.model_id \
            WHERE m.state = 'removed' OR m.expires_on IS NOT NULL \
        UNION SELECT r.user_id FROM resource_rows r JOIN vendor_ends v ON v.model_id = r.model_id \
        UNION SELECT r.user_id FROM resource_rows r JOIN settled_changes s ON s.model_id = r.model_id \
            WHERE s.judged_at IS NULL \
        UNION SELECT t.user_id FROM told_models t LEFT JOIN models m ON m.id = t.model_id \
            LEFT JOIN vendor_ends v ON v.model_id = t.model_id \
            WHERE (m.state = 'listed' OR m.id IS NULL) AND (t.gone_since IS NOT NULL OR t.missing_since IS NOT NULL \
                OR t.expires_on IS NOT NULL AND t.expires_on <> COALESCE(m.expires_on, v.expires_on, '')) \
            OR m.state = 'removed' AND t.missing_since IS NOT NULL \
        ) c ON c.user_id = u.id WHERE u.email IS NOT NULL ORDER BY u.id";
    let rows: Vec<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Those of some users who have an address.
///
/// # Errors
/// When the database fails.
pub async fn recipients(tx: &mut Tx, users: &[String]) -> Result<Vec<Recipient>> {
    type Row = (String, String, Option<String>, String);
    const SQL: &str = "SELECT id, email, name, mail_token FROM users WHERE email IS NOT NULL AND id";
    let rows: Vec<Row> = of_users!(tx, users, SQL, "ORDER BY id")?;
    Ok(rows.into_iter().map(|(id, email, name, mail_token)| Recipient { id, email, name, mail_token }).collect())
}

/// What some users have to do with the models that there may be news of.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn stakes(tx: &mut Tx, users: &[String]) -> Result<BTreeMap<(String, ModelId), Stake>> {
    let mut stakes: BTreeMap<(String, ModelId), Stake> = BTreeMap::new();
    for (user, model, used) in uses(tx, users, None).await? {
        stakes.entry((user, model)).or_default().uses.push(used);
    }
    for (user, model, belief) in beliefs(tx, users).await? {
        stakes.entry((user, model)).or_default().belief = belief;
    }
    for (user, model, date, milestone) in milestones(tx, users).await? {
        if let Some(stake) = stakes.get_mut(&(user, model)) {
            stake.belief.milestones.insert(date, milestone);
        }
    }
    Ok(stakes)
}

/// What a user has to do with one model.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn stake(tx: &mut Tx, user: &String, model: &ModelId) -> Result<Stake> {
    let users = std::slice::from_ref(user);
    let mut stake = Stake {
        uses: uses(tx, users, Some(model)).await?.into_iter().map(|(.., used)| used).collect(),
        ..Stake::default()
    };
    if let Some((.., belief)) = beliefs(tx, users).await?.into_iter().find(|(_, told, _)| told == model) {
        stake.belief = belief;
    }
    let milestones = milestones(tx, users).await?.into_iter().filter(|(_, told, ..)| told == model);
    stake.belief.milestones.extend(milestones.map(|(.., date, milestone)| (date, milestone)));
    Ok(stake)
}

/// The uses of models that there may be news of, or of one model.
async fn uses(tx: &mut Tx, users: &[String], model: Option<&ModelId>) -> Result<Vec<(String, ModelId, Use)>> {
    const ROWS: &str = "SELECT w.user_id, w.model_id, w.position, w.since, r.id, r.name, r.url \
        FROM resource_rows w JOIN resources r ON r.id = w.resource_id \
        LEFT JOIN models m ON m.id = w.model_id LEFT JOIN vendor_ends v ON v.model_id = w.model_id WHERE w.user_id";
    const OF_NEWS: &str = "AND (m.state = 'removed' OR m.expires_on IS NOT NULL OR v.model_id IS NOT NULL \
        OR w.model_id IN (SELECT model_id FROM settled_changes WHERE judged_at IS NULL)) \
        ORDER BY w.user_id, w.model_id, w.position, r.id";
    const OF_ALL: &str = "ORDER BY w.user_id, w.model_id, w.position, r.id";
    type Row = (String, String, i64, i64, String, Option<String>, Option<String>);
    let rows: Vec<Row> = of_users!(tx, users, ROWS, if model.is_some() { OF_ALL } else { OF_NEWS })?;
    let chains = chains(tx, users).await?;
    let used = |(user, model, position, since, resource, name, url): Row| {
        let chain = chains.get(&resource).cloned().unwrap_or_default();
        (user, ModelId::new(model), Use { resource, name, url, position, since: time(since), chain })
    };
    let found = rows.into_iter().map(used);
    Ok(found.filter(|(_, used, _)| model.is_none_or(|model| used == model)).collect())
}

/// The models of each resource of some users, by position.
async fn chains(tx: &mut Tx, users: &[String]) -> Result<BTreeMap<String, Vec<ModelId>>> {
    const SQL: &str = "SELECT resource_id, model_id FROM resource_rows WHERE user_id";
    let rows: Vec<(String, String)> = of_users!(tx, users, SQL, "ORDER BY resource_id, position")?;
    let mut chains: BTreeMap<String, Vec<ModelId>> = BTreeMap::new();
    for (resource, model) in rows {
        chains.entry(resource).or_default().push(ModelId::new(model));
    }
    Ok(chains)
}

async fn beliefs(tx: &mut Tx, users: &[String]) -> Result<Vec<(String, ModelId, Belief)>> {
    const SQL: &str = "SELECT user_id, model_id, expires_on, gone_since, price_since, lost, missing_since \
        FROM told_models WHERE user_id";
    type Row = (String, String, Option<String>, Option<i64>, Option<i64>, String, Option<i64>);
    let rows: Vec<Row> = of_users!(tx, users, SQL, "")?;
    let belief = |(user, model, date, gone, price, lost, missing): Row| {
        let belief = Belief {
            expires_on: date.as_deref().map(day).transpose()?,
            gone_since: gone.map(time),
            milestones: BTreeMap::new(),
            price_since: price.map(time),
            lost: json("told_models.lost", &lost)?,
            missing_since: missing.map(time),
        };
        Ok((user, ModelId::new(model), belief))
    };
    rows.into_iter().map(belief).collect()
}

async fn milestones(tx: &mut Tx, users: &[String]) -> Result<Vec<(String, ModelId, NaiveDate, u16)>> {
    const SQL: &str = "SELECT user_id, model_id, expires_on, milestone FROM told_dates WHERE user_id";
    type Row = (String, String, String, i64);
    let rows: Vec<Row> = of_users!(tx, users, SQL, "")?;
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
    const MODEL: &str = "INSERT INTO told_models (user_id, model_id, expires_on, gone_since, price_since, lost, missing_since) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (user_id, model_id) DO UPDATE SET expires_on = excluded.expires_on, gone_since = excluded.gone_since, \
        price_since = excluded.price_since, lost = excluded.lost, missing_since = excluded.missing_since";
    const DATE: &str = "INSERT INTO told_dates (user_id, model_id, expires_on, milestone) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (user_id, model_id, expires_on) DO UPDATE SET milestone = excluded.milestone";
    let micros = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
    on!(tx, |conn| {
        let date = belief.expires_on.map(|date| date.to_string());
        let query = sqlx::query(MODEL).bind(user).bind(model.as_str()).bind(date).bind(micros(belief.gone_since));
        let query =
            query.bind(micros(belief.price_since)).bind(serde_json::to_string(&belief.lost).unwrap_or_default());
        query.bind(micros(belief.missing_since)).execute(conn).await.map(drop)
    })?;
    if let Some((date, milestone)) = belief.expires_on.and_then(|date| Some((date, belief.milestones.get(&date)?))) {
        on!(tx, |conn| {
            let query = sqlx::query(DATE).bind(user).bind(model.as_str()).bind(date.to_string());
            query.bind(i64::from(*milestone)).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}
