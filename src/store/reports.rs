//! What weekly reports are made of, read in parts: a million users are never at hand together.

use std::collections::BTreeMap;

use sqlx::QueryBuilder;

use super::directory::Called;
use super::list::push_list;
use super::told::Recipient;
use super::{Result, Tx, on};

/// Texts that one statement looks up.
const TEXTS_PER_STATEMENT: usize = 500;

/// The numbers of users who ran something on some days, in order, from the first after `after` on.
///
/// Each day is looked up by the beginning of its key, so a part costs with its length and not with how many users there are.
///
/// # Errors
/// When the database fails.
pub async fn active_users(tx: &mut Tx, days: (i64, i64), after: i64, limit: i64) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = on!(tx, |conn| {
        let mut select = QueryBuilder::new("");
        for (place, day) in (days.0..days.1).enumerate() {
            select.push(if place == 0 { "" } else { " UNION " });
            select.push("SELECT user_no FROM (SELECT DISTINCT user_no FROM usage_days WHERE slot = ").push_bind(day);
            select.push(" AND user_no > ").push_bind(after).push(" ORDER BY user_no LIMIT ").push_bind(limit);
            select.push(format!(") AS d{place}"));
        }
        select.push(" ORDER BY 1 LIMIT ").push_bind(limit);
        select.build_query_as().fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}

/// Those of the users with these numbers who have an address, want this kind of mail, and have none of this week yet.
/// The `dedup_key` of such a mail is kind, user and week with slashes between.
///
/// # Errors
/// When the database fails.
pub async fn readers(tx: &mut Tx, numbers: &[i64], kind: &str, week: &str) -> Result<Vec<(i64, Recipient)>> {
    type Row = (i64, String, String, Option<String>, String);
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on!(tx, |conn| {
        let mut select = QueryBuilder::new(
            "SELECT n.id, u.id, u.email, u.name, u.mail_token FROM names n JOIN users u ON u.id = n.text \
            WHERE u.email IS NOT NULL AND NOT EXISTS (SELECT 1 FROM mail_stops s WHERE s.user_id = u.id AND s.kind = ",
        );
        select.push_bind(kind).push(") AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.dedup_key = ");
        select.push_bind(format!("{kind}/")).push(" || u.id || ").push_bind(format!("/{week}")).push(") AND n.id IN ");
        push_list(&mut select, numbers.iter().copied());
        select.push(" ORDER BY n.id");
        select.build_query_as().fetch_all(conn).await
    })?;
    let reader = |(number, id, email, name, mail_token)| (number, Recipient { id, email, name, mail_token });
    Ok(rows.into_iter().map(reader).collect())
}

/// What resources are called, of those that the directory knows.
///
/// # Errors
/// When the database fails.
pub async fn resources(tx: &mut Tx, ids: &[&str]) -> Result<BTreeMap<String, Called>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(TEXTS_PER_STATEMENT) {
        let rows: Vec<(String, Option<String>, Option<String>)> = on!(tx, |conn| {
            let mut select = QueryBuilder::new("SELECT id, name, url FROM resources WHERE id IN ");
            push_list(&mut select, ids.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        found.extend(rows.into_iter().map(|(id, name, url)| (id, Called { name, url })));
    }
    Ok(found)
}

/// How many users ran something on some days.
///
/// # Errors
/// When the database fails.
pub async fn active(tx: &mut Tx, days: (i64, i64)) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(DISTINCT user_no) FROM usage_days WHERE slot >= $1 AND slot < $2";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).bind(days.0).bind(days.1).fetch_one(conn).await)?;
    Ok(count)
}

/// How many users spent more than an amount on some days, in nano-dollars.
///
/// # Errors
/// When the database fails.
pub async fn spent_more(tx: &mut Tx, days: (i64, i64), than: i64) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM (SELECT user_no FROM usage_days WHERE slot >= $1 AND slot < $2 \
        GROUP BY user_no HAVING SUM(cost) > $3) AS dear";
    let (count,): (i64,) =
        on!(tx, |conn| sqlx::query_as(SQL).bind(days.0).bind(days.1).bind(than).fetch_one(conn).await)?;
    Ok(count)
}
