//! What is known of each model.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::QueryBuilder;

use super::list::runs;
use super::{Error, Result, Tx, day, json, on, time};
use crate::domain::lifecycle::{Absence, Known, State, Tracked};
use crate::domain::model_id::ModelId;

const COLUMNS: &str = "id, state, entry, expires_on, expiry_since, first_seen_at, last_seen_at, missing_since, \
    missing_fetches, bulk, removed_at, successor, settled";
/// Thirteen columns a row, well below the 32,766 parameters that SQLite takes.
const ROWS_PER_STATEMENT: usize = 500;

type Row = ((String, String, String), (i64, i64, i64), (Option<i64>, i64, bool, Option<i64>), Option<String>);

/// Everything known, by id.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn load(tx: &mut Tx) -> Result<Known> {
    const SQL: &str = "SELECT entry, state, expiry_since, first_seen_at, last_seen_at, missing_since, missing_fetches, \
        bulk, removed_at, successor, settled FROM models";
    type Flat = (String, String, i64, i64, i64, Option<i64>, i64, bool, Option<i64>, Option<String>, String);
    let rows: Vec<Flat> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let tracked = rows.into_iter().map(
        |(entry, state, expiry, first, last, since, fetches, bulk, removed, successor, settled)| {
            tracked(((entry, state, settled), (expiry, first, last), (since, fetches, bulk, removed), successor))
        },
    );
    tracked.map(|tracked| tracked.map(|tracked| (tracked.model.id.clone(), tracked))).collect()
}

fn tracked(
    ((entry, state, settled), (expiry_since, first, last), (since, fetches, bulk, removed_at), successor): Row,
) -> Result<Tracked> {
    let absence =
        Absence { since: time(since.unwrap_or_default()), fetches: u32::try_from(fetches).unwrap_or(u32::MAX), bulk };
    let state = match (state.as_str(), removed_at) {
        ("listed", _) => State::Listed,
        ("missing", _) => State::Missing(absence),
        ("unlisted", _) => State::Unlisted(absence),
        ("removed", Some(at)) => State::Removed(absence, time(at)),
        _ => return Err(Error::Corrupt { what: "models.state", value: state }),
    };
    Ok(Tracked {
        model: json("models.entry", &entry)?,
        state,
        first_seen: time(first),
        last_seen: time(last),
        expiry_since: time(expiry_since),
        successor: successor.map(ModelId::new),
        settled: json("models.settled", &settled)?,
    })
}

/// Writes what is new or differs from `before`.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, before: &Known, after: &Known) -> Result<()> {
    let differing: Vec<&Tracked> =
        after.values().filter(|tracked| before.get(&tracked.model.id) != Some(*tracked)).collect();
    for rows in runs(&differing, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert = QueryBuilder::new(format!("INSERT INTO models ({COLUMNS}) "));
            insert.push_values(rows, |mut row, tracked| {
                let absence = tracked.state.absence();
                row.push_bind(tracked.model.id.as_str())
                    .push_bind(tracked.state.as_str())
                    .push_bind(serde_json::to_string(&tracked.model).unwrap_or_default())
                    .push_bind(tracked.model.expires_on.date().map(|day| day.to_string()))
                    .push_bind(tracked.expiry_since.timestamp_micros())
                    .push_bind(tracked.first_seen.timestamp_micros())
                    .push_bind(tracked.last_seen.timestamp_micros())
                    .push_bind(absence.map(|absence| absence.since.timestamp_micros()))
                    .push_bind(absence.map_or(0, |absence| i64::from(absence.fetches)))
                    .push_bind(absence.is_some_and(|absence| absence.bulk))
                    .push_bind(if let State::Removed(_, at) = tracked.state {
                        Some(at.timestamp_micros())
                    } else {
                        None
                    })
                    .push_bind(tracked.successor.as_ref().map(ModelId::as_str))
                    .push_bind(serde_json::to_string(&tracked.settled).unwrap_or_default());
            });
            insert.push(
                " ON CONFLICT (id) DO UPDATE SET state = excluded.state, entry = excluded.entry, \
                 expires_on = excluded.expires_on, expiry_since = excluded.expiry_since, \
                 last_seen_at = excluded.last_seen_at, missing_since = excluded.missing_since, \
                 missing_fetches = excluded.missing_fetches, bulk = excluded.bulk, removed_at = excluded.removed_at, \
                 successor = excluded.successor, settled = excluded.settled",
            );
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// How many models there are in each state, and how many of them some resource uses; a listed model with a date, of
/// OpenRouter's or ahead of `today` of its vendor's, counts as `deprecated`, one without as `active`.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, today: NaiveDate) -> Result<BTreeMap<String, (i64, i64)>> {
    const SQL: &str = "SELECT CASE WHEN state <> 'listed' THEN state WHEN expires_on IS NULL AND NOT EXISTS \
        (SELECT 1 FROM vendor_ends WHERE model_id = models.id AND vendor_ends.expires_on >= $1) THEN 'active' ELSE 'deprecated' END, \
        COUNT(*), CAST(SUM(CASE WHEN EXISTS (SELECT 1 FROM resource_rows WHERE model_id = models.id) THEN 1 ELSE 0 END) AS BIGINT) \
        FROM models GROUP BY 1";
    let rows: Vec<(String, i64, i64)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(today.to_string()).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(state, all, used)| (state, (all, used))).collect())
}

/// What is in doubt that a resource uses, or whose users were told of it: missing models, for which the list is fetched
/// every hour.
///
/// # Errors
/// When the database fails.
pub async fn in_doubt(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM models WHERE state = 'missing' \
        AND (EXISTS (SELECT 1 FROM resource_rows WHERE model_id = models.id) \
            OR EXISTS (SELECT 1 FROM told_models WHERE model_id = models.id AND missing_since IS NOT NULL))";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(count)
}

/// Models in use with an announced end that are not gone, the soonest first; at most so many. OpenRouter's day leads; a
/// vendor's counts from `today` on, for behind it the model may live from elsewhere.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn ending_in_use(tx: &mut Tx, today: NaiveDate, limit: usize) -> Result<Vec<(ModelId, NaiveDate)>> {
    const SQL: &str = "SELECT id, expires_on FROM ( \
        SELECT id, expires_on FROM models WHERE state <> 'removed' AND expires_on IS NOT NULL \
        UNION ALL SELECT v.model_id, v.expires_on FROM vendor_ends v LEFT JOIN models m ON m.id = v.model_id \
            WHERE v.expires_on >= $1 AND m.expires_on IS NULL AND (m.id IS NULL OR m.state <> 'removed') \
        ) e WHERE EXISTS (SELECT 1 FROM resource_rows WHERE model_id = e.id) ORDER BY expires_on, id LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows: Vec<(String, String)> =
        on!(tx, |conn| sqlx::query_as(SQL).bind(today.to_string()).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(|(id, text)| Ok((ModelId::new(id), day(&text)?))).collect()
}

/// Users and resources that depend on each model that has any.
///
/// # Errors
/// When the database fails.
pub async fn usage(tx: &mut Tx) -> Result<BTreeMap<ModelId, (i64, i64)>> {
    const SQL: &str =
        "SELECT model_id, COUNT(DISTINCT user_id), COUNT(DISTINCT resource_id) FROM resource_rows GROUP BY model_id";
    let rows: Vec<(String, i64, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id, users, resources)| (ModelId::new(id), (users, resources))).collect())
}
