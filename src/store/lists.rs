//! Every fetch, and every distinct list as it was fetched.

use std::io::{Read, Write};

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{Result, Tx, on, time};

/// One fetch of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// When.
    pub at: DateTime<Utc>,
    /// Readable entries.
    pub listed: i64,
    /// Entries that could not be read.
    pub rejected: i64,
    /// Why it was not believed, if it was not.
    pub refused: Option<String>,
}

/// Records a believed fetch and keeps its list unless the same was there before.
///
/// # Errors
/// When the database fails.
pub async fn accept(tx: &mut Tx, fetch: &Fetch, digest: &str, body: &[u8]) -> Result<()> {
    const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM lists WHERE digest = $1)";
    const KEEP: &str = "INSERT INTO lists (digest, body) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    let (known,): (bool,) = on!(tx, |conn| sqlx::query_as(KNOWN).bind(digest).fetch_one(conn).await)?;
    if !known {
        let packed = pack(body);
        on!(tx, |conn| sqlx::query(KEEP).bind(digest).bind(&packed).execute(conn).await.map(drop))?;
    }
    insert(tx, fetch, Some(digest)).await
}

/// Records a fetch that was not believed.
///
/// # Errors
/// When the database fails.
pub async fn refuse(tx: &mut Tx, fetch: &Fetch) -> Result<()> {
    insert(tx, fetch, None).await
}

async fn insert(tx: &mut Tx, fetch: &Fetch, digest: Option<&str>) -> Result<()> {
    const SQL: &str = "INSERT INTO fetches (at, digest, listed, rejected, refused) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (at) DO NOTHING";
    on!(tx, |conn| {
        let query = sqlx::query(SQL).bind(fetch.at.timestamp_micros()).bind(digest);
        query.bind(fetch.listed).bind(fetch.rejected).bind(&fetch.refused).execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// The last believed fetch.
///
/// # Errors
/// When the database fails.
pub async fn last_accepted(tx: &mut Tx) -> Result<Option<Fetch>> {
    const SQL: &str = "SELECT at, listed, rejected FROM fetches WHERE digest IS NOT NULL ORDER BY at DESC LIMIT 1";
    let row: Option<(i64, i64, i64)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_optional(conn).await)?;
    Ok(row.map(|(at, listed, rejected)| Fetch { at: time(at), listed, rejected, refused: None }))
}

/// Forgets fetches from after a time, as a clock that was ahead leaves them.
///
/// # Errors
/// When the database fails.
pub async fn forget_after(tx: &mut Tx, after: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "DELETE FROM fetches WHERE at > $1";
    on!(tx, |conn| sqlx::query(SQL).bind(after.timestamp_micros()).execute(conn).await.map(drop))?;
    Ok(())
}

/// The times of all believed fetches, for an export.
///
/// # Errors
/// When the database fails.
pub async fn accepted(tx: &mut Tx) -> Result<Vec<(DateTime<Utc>, String)>> {
    const SQL: &str = "SELECT at, digest FROM fetches WHERE digest IS NOT NULL ORDER BY at";
    let rows: Vec<(i64, String)> = on!(tx, |conn| sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(at, digest)| (time(at), digest)).collect())
}

/// A kept list, as it was fetched.
///
/// # Errors
/// When the database fails or holds no such list.
pub async fn body(tx: &mut Tx, digest: &str) -> Result<Vec<u8>> {
    const SQL: &str = "SELECT body FROM lists WHERE digest = $1";
    let (packed,): (Vec<u8>,) = on!(tx, |conn| sqlx::query_as(SQL).bind(digest).fetch_one(conn).await)?;
    let mut body = Vec::new();
    let unpacked = GzDecoder::new(packed.as_slice()).read_to_end(&mut body);
    unpacked.map_err(|error| super::Error::Corrupt { what: "lists.body", value: error.to_string() })?;
    Ok(body)
}

fn pack(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

/// How many fetches in a row, up to the last, were not believed.
///
/// # Errors
/// When the database fails.
pub async fn refused_in_a_row(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM fetches WHERE digest IS NULL \
        AND at > COALESCE((SELECT MAX(at) FROM fetches WHERE digest IS NOT NULL), 0)";
    let (count,): (i64,) = on!(tx, |conn| sqlx::query_as(SQL).fetch_one(conn).await)?;
    Ok(count)
}
