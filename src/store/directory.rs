//! The platform's users and resources.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::list::push_list;
use super::{Result, Tx, keys, on};
use crate::domain::directory::{Deletion, Entry, Limits, Resource, User};
use crate::domain::key::{Access, Purpose, Slot};
use crate::domain::money::NanoUsd;

/// Takes one entry of the directory; `mail_token` is the secret of a user who is new.
///
/// # Errors
/// When the database fails.
pub async fn apply(tx: &mut Tx, entry: &Entry, mail_token: &str, now: DateTime<Utc>) -> Result<()> {
    match entry {
        Entry::User(user) => put_user(tx, user, mail_token, now).await,
        Entry::Resource(resource) => put_resource(tx, resource, mail_token, now).await,
        Entry::Delete(Deletion::User(id)) => delete_user(tx, id, now).await,
        Entry::Delete(Deletion::Resource(id)) => delete_resource(tx, id).await,
    }
}

async fn put_user(tx: &mut Tx, user: &User, mail_token: &str, now: DateTime<Utc>) -> Result<()> {
    // A user with a new address is mended: what bounced was the old one.
    const MENDED: &str = "DELETE FROM mail_suppressions WHERE address IN \
        (SELECT LOWER(email) FROM users WHERE id = $1 AND email IS NOT NULL AND (email <> $2 OR $2 IS NULL))";
    const SQL: &str = "INSERT INTO users (id, email, name, timezone, plan_usd_per_month, daily_limit_usd, \
        monthly_limit_usd, admin, mail_token, updated_at, low_credit_usd) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
        ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, timezone = excluded.timezone, \
        plan_usd_per_month = excluded.plan_usd_per_month, daily_limit_usd = excluded.daily_limit_usd, \
        monthly_limit_usd = excluded.monthly_limit_usd, admin = excluded.admin, updated_at = excluded.updated_at, \
        low_credit_usd = excluded.low_credit_usd";
    let dollars = |amount: Option<rust_decimal::Decimal>| amount.map(|amount| amount.to_string());
    on!(tx, |conn| sqlx::query(MENDED).bind(&user.id).bind(&user.email).execute(conn).await.map(drop))?;
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&user.id).bind(&user.email).bind(&user.name);
        let query = query.bind(user.timezone.map(chrono_tz::Tz::name)).bind(dollars(user.plan_usd_per_month));
        let query = query.bind(dollars(user.daily_limit_usd)).bind(dollars(user.monthly_limit_usd));
        let query = query.bind(user.admin).bind(mail_token).bind(now.timestamp_micros());
        query.bind(dollars(user.low_credit_usd)).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// A user who is not known yet exists from now on, without an address.
///
/// # Errors
/// When the database fails.
pub async fn ensure_user(tx: &mut Tx, id: &str, mail_token: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str =
        "INSERT INTO users (id, admin, mail_token, updated_at) VALUES ($1, FALSE, $2, $3) ON CONFLICT (id) DO NOTHING";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(id).bind(mail_token).bind(now.timestamp_micros());
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

async fn put_resource(tx: &mut Tx, resource: &Resource, mail_token: &str, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO resources (id, user_id, name, provider, model, fallbacks, url, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, \
        name = excluded.name, provider = excluded.provider, model = excluded.model, fallbacks = excluded.fallbacks, \
        url = excluded.url, updated_at = excluded.updated_at";
    const CLEAR: &str = "DELETE FROM resource_rows WHERE resource_id = $1 AND position >= $2";
    // What stays as it was has been so since then.
    const ROW: &str = "INSERT INTO resource_rows (resource_id, position, user_id, model_id, since) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (resource_id, position) DO UPDATE SET user_id = excluded.user_id, model_id = excluded.model_id, \
        since = CASE WHEN resource_rows.model_id = excluded.model_id AND resource_rows.user_id = excluded.user_id \
            THEN resource_rows.since ELSE excluded.since END";
    ensure_user(tx, &resource.user, mail_token, now).await?;
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(&resource.id).bind(&resource.user).bind(&resource.name);
        let query = query.bind(resource.provider.as_str()).bind(&resource.model);
        let query = query.bind(serde_json::to_string(&resource.fallbacks).unwrap_or_default());
        query.bind(&resource.url).bind(now.timestamp_micros()).execute(conn).await.map(drop)
    })?;
    let rows = resource.rows();
    let kept = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    on!(tx, |conn| sqlx::query(CLEAR).bind(&resource.id).bind(kept).execute(conn).await.map(drop))?;
    for (position, row) in (0_i64..).zip(rows) {
        on!(tx, |conn| {
            let query = sqlx::query(ROW).bind(&resource.id).bind(position).bind(&resource.user);
            query.bind(row.as_str()).bind(now.timestamp_micros()).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// A user's keys go too, each on record as one is that is deleted by itself.
async fn delete_user(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> Result<()> {
    const GONE: Access<'_> = Access { purpose: Purpose::Delete, who: "directory" };
    const SQL: [&str; 8] = [
        "DELETE FROM mail_suppressions WHERE address IN (SELECT LOWER(email) FROM users WHERE id = $1)",
        "DELETE FROM mail_preferences WHERE user_id = $1",
        "DELETE FROM mail_stops WHERE user_id = $1",
        "DELETE FROM resource_rows WHERE user_id = $1",
        "DELETE FROM resources WHERE user_id = $1",
        "DELETE FROM told_models WHERE user_id = $1",
        "DELETE FROM told_dates WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ];
    for (label, _) in keys::sealed_of(tx, id).await? {
        let slot = Slot { user: id, label: &label };
        keys::delete(tx, slot).await?;
        keys::record(tx, slot, GONE, now).await?;
    }
    for sql in SQL {
        on!(tx, |conn| sqlx::query(sql).bind(id).execute(conn).await.map(drop))?;
    }
    Ok(())
}

async fn delete_resource(tx: &mut Tx, id: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM resources WHERE id = $1";
    on!(tx, |conn| sqlx::query(SQL).bind(id).execute(conn).await.map(drop))?;
    Ok(())
}

/// A user.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn user(tx: &mut Tx, id: &str) -> Result<Option<User>> {
    let sql = format!("SELECT {USER} FROM users u WHERE u.id = $1");
    let row: Option<UserRow> =
        on!(tx, |conn| sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(read_user))
}

/// The limits of the users whose executions have these numbers, by number.
///
/// # Errors
/// When the database fails.
pub async fn limits_of(tx: &mut Tx, numbers: &[i64]) -> Result<BTreeMap<i64, Limits>> {
    type Row = (i64, String, Option<String>, Option<String>, Option<String>, Option<String>);
    let mut limits = BTreeMap::new();
    for numbers in numbers.chunks(NUMBERS_PER_STATEMENT) {
        let rows: Vec<Row> = on!(tx, |conn| {
            let mut select = sqlx::QueryBuilder::new(
                "SELECT n.id, u.id, u.timezone, u.daily_limit_usd, u.monthly_limit_usd, u.plan_usd_per_month \
                FROM names n JOIN users u ON u.id = n.text WHERE n.id IN ",
            );
            push_list(&mut select, numbers.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        limits.extend(rows.into_iter().map(|(number, id, zone, daily, monthly, plan)| {
            let zone = zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
            let [daily, monthly, plan] = [daily, monthly, plan].map(|usd| usd.and_then(|usd| nano(&usd)));
            (number, Limits { id, zone, daily, monthly, plan })
        }));
    }
    Ok(limits)
}

fn nano(usd: &str) -> Option<NanoUsd> {
    usd.parse().ok().and_then(NanoUsd::from_decimal)
}

/// Below which the balance of each of some users is low, where they have a floor of their own.
///
/// # Errors
/// When the database fails.
pub async fn low_credit(tx: &mut Tx, ids: &[&str]) -> Result<BTreeMap<String, NanoUsd>> {
    let mut floors = BTreeMap::new();
    for ids in ids.chunks(NUMBERS_PER_STATEMENT) {
        let rows: Vec<(String, String)> = on!(tx, |conn| {
            let mut select = sqlx::QueryBuilder::new(
                "SELECT id, low_credit_usd FROM users WHERE low_credit_usd IS NOT NULL AND id IN ",
            );
            push_list(&mut select, ids.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        let floor = |(id, usd): (String, String)| Some((id, nano(&usd)?));
        floors.extend(rows.into_iter().filter_map(floor));
    }
    Ok(floors)
}

/// Users that one statement looks up.
const NUMBERS_PER_STATEMENT: usize = 500;
const USER: &str = "u.id, u.email, u.name, u.timezone, u.plan_usd_per_month, u.daily_limit_usd, u.monthly_limit_usd, \
    u.low_credit_usd, u.admin";

/// The columns of [`USER`].
type UserRow = (
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
);

fn read_user((id, email, name, zone, plan, daily, monthly, low_credit, admin): UserRow) -> User {
    let dollars = |text: Option<String>| text.and_then(|text| text.parse().ok());
    User {
        id,
        email,
        name,
        timezone: zone.and_then(|zone| zone.parse().ok()),
        plan_usd_per_month: dollars(plan),
        daily_limit_usd: dollars(daily),
        monthly_limit_usd: dollars(monthly),
        low_credit_usd: dollars(low_credit),
        admin,
    }
}

/// What all users together pay a month, in dollars.
///
/// # Errors
/// When the database fails.
pub async fn plans(tx: &mut Tx) -> Result<rust_decimal::Decimal> {
    const SQL: &str = "SELECT plan_usd_per_month, COUNT(*) FROM users WHERE plan_usd_per_month IS NOT NULL GROUP BY plan_usd_per_month";
    let rows: Vec<(String, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let plan = |(plan, users): (String, i64)| {
        plan.parse().ok().map(|plan: rust_decimal::Decimal| plan * rust_decimal::Decimal::from(users))
    };
    Ok(rows.into_iter().filter_map(plan).sum())
}

/// Name and address of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// What its owner calls it.
    pub name: Option<String>,
    /// Where they change it.
    pub url: Option<String>,
}

/// What a resource is called.
///
/// # Errors
/// When the database fails.
pub async fn resource(tx: &mut Tx, id: &str) -> Result<Option<Called>> {
    const SQL: &str = "SELECT name, url FROM resources WHERE id = $1";
    let row: Option<(Option<String>, Option<String>)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    Ok(row.map(|(name, url)| Called { name, url }))
}

/// The addresses of the users who are admins.
///
/// # Errors
/// When the database fails.
pub async fn admins(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "SELECT email FROM users WHERE admin AND email IS NOT NULL ORDER BY email";
    let rows: Vec<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(email,)| email).collect())
}

/// How many users there are, how many of them have no address, and how many resources.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx) -> Result<(i64, i64, i64)> {
    const SQL: &str = "SELECT COUNT(*), COUNT(*) - COUNT(email), (SELECT COUNT(*) FROM resources) FROM users";
    Ok(on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?)
}
