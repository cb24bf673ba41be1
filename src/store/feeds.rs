//! What vendors announced, and which models that ends.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::list::runs;
use super::{Result, Tx, json, on, time};
use crate::domain::model_id::ModelId;
use crate::domain::vendor_end::{Kept, VendorEnds};

/// Seven columns a row, well below the 32,766 parameters that SQLite takes.
const ROWS_PER_STATEMENT: usize = 500;

/// How a feed was when it was last good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Good {
    /// When.
    pub at: DateTime<Utc>,
    /// Announcements in it.
    pub announcements: i64,
    /// Entries that could not be read.
    pub rejected: i64,
}

/// What some feeds said, the most trusted first.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn load(tx: &mut Tx, feeds: &[&str]) -> Result<Vec<Kept>> {
    const SQL: &str = "SELECT entry, first_seen_at, dated_at, gone_since FROM announcements WHERE feed = $1 \
        ORDER BY provider, vendor_id";
    let mut all = Vec::new();
    for (rank, feed) in feeds.iter().enumerate() {
        let rows: Vec<(String, i64, i64, Option<i64>)> =
            on!(tx, |conn| sqlx::query_as(SQL).bind(*feed).fetch_all(conn).await)?;
        for (entry, first, dated, gone) in rows {
            let announcement = json("announcements.entry", &entry)?;
            let (first_seen, dated_at, gone_since) = (time(first), time(dated), gone.map(time));
            all.push(Kept { rank, announcement, first_seen, dated_at, gone_since });
        }
    }
    Ok(all)
}

/// Keeps what changed in a feed, and that it was good.
///
/// # Errors
/// When the database fails.
pub async fn save(tx: &mut Tx, feed: &str, changed: &[Kept], good: Good) -> Result<()> {
    const GOOD: &str = "INSERT INTO feeds (name, good_at, announcements, rejected) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (name) DO UPDATE SET good_at = excluded.good_at, announcements = excluded.announcements, \
        rejected = excluded.rejected";
    for rows in runs(changed, ROWS_PER_STATEMENT) {
        on!(tx, |conn| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO announcements (feed, provider, vendor_id, entry, first_seen_at, dated_at, gone_since) ",
            );
            insert.push_values(rows, |mut row, kept| {
                row.push_bind(feed)
                    .push_bind(kept.announcement.provider.as_str())
                    .push_bind(kept.announcement.vendor_model_id.as_str())
                    .push_bind(serde_json::to_string(&kept.announcement).unwrap_or_default())
                    .push_bind(kept.first_seen.timestamp_micros())
                    .push_bind(kept.dated_at.timestamp_micros())
                    .push_bind(kept.gone_since.map(|at| at.timestamp_micros()));
            });
            insert.push(
                " ON CONFLICT (feed, provider, vendor_id) DO UPDATE SET entry = excluded.entry, \
                 dated_at = excluded.dated_at, gone_since = excluded.gone_since",
            );
            insert.build().execute(conn).await.map(drop)
        })?;
    }
    on!(tx, |conn| {
        let query = sqlx::query(GOOD).bind(feed).bind(good.at.timestamp_micros());
        query.bind(good.announcements).bind(good.rejected).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// How each feed was when it was last good.
///
/// # Errors
/// When the database fails.
pub async fn last_good(tx: &mut Tx) -> Result<BTreeMap<String, Good>> {
    const SQL: &str = "SELECT name, good_at, announcements, rejected FROM feeds";
    let rows: Vec<(String, i64, i64, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    let good = |(name, at, announcements, rejected)| (name, Good { at: time(at), announcements, rejected });
    Ok(rows.into_iter().map(good).collect())
}

/// What runs, or whose user was told that it ends, on Anthropic directly: ids as they are written there.
///
/// # Errors
/// When the database fails.
pub async fn direct(tx: &mut Tx) -> Result<BTreeSet<ModelId>> {
    const SQL: &str = "SELECT w.model_id FROM resource_rows w JOIN resources r ON r.id = w.resource_id \
        WHERE r.provider = 'anthropic' \
        UNION SELECT model_id FROM told_models WHERE model_id NOT LIKE '%/%'";
    let rows: Vec<(String,)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id,)| ModelId::new(id)).filter(ModelId::is_vendors_own).collect())
}

/// Which announcement ends each model.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn ends(tx: &mut Tx) -> Result<VendorEnds> {
    const SQL: &str = "SELECT model_id, entry FROM vendor_ends";
    let rows: Vec<(String, String)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    rows.into_iter().map(|(id, entry)| Ok((ModelId::new(id), json("vendor_ends.entry", &entry)?))).collect()
}

/// Brings that from one state to another.
///
/// # Errors
/// When the database fails.
pub async fn save_ends(tx: &mut Tx, before: &VendorEnds, after: &VendorEnds) -> Result<()> {
    const PUT: &str = "INSERT INTO vendor_ends (model_id, expires_on, entry) VALUES ($1, $2, $3) \
        ON CONFLICT (model_id) DO UPDATE SET expires_on = excluded.expires_on, entry = excluded.entry";
    const CLEAR: &str = "DELETE FROM vendor_ends WHERE model_id = $1";
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        on!(tx, |conn| sqlx::query(CLEAR).bind(id.as_str()).execute(conn).await.map(drop))?;
    }
    let differing = after.iter().filter(|(id, end)| before.get(*id) != Some(*end));
    for (id, end) in differing {
        let entry = serde_json::to_string(end).unwrap_or_default();
        on!(tx, |conn| {
            let query = sqlx::query(PUT).bind(id.as_str()).bind(end.on.to_string());
            query.bind(&entry).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}
