//! Takes the platform's users and resources in, good lines although others are bad.

use base64::Engine as _;
use chrono::{DateTime, Utc};

use crate::domain::directory::Entry;
use crate::store::{Db, directory};

/// Entries that are taken in one transaction.
const ENTRIES_PER_TRANSACTION: usize = 500;

/// What became of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries that are in force.
    pub accepted: usize,
    /// Number of a line, from 1, and what is wrong with it.
    pub rejected: Vec<(usize, String)>,
}

/// Takes NDJSON lines in; blank ones are left out.
///
/// # Errors
/// When the store fails; what was taken before stays taken, and the same file can be taken again.
pub async fn import(db: &Db, lines: &[impl AsRef<str>], now: DateTime<Utc>) -> anyhow::Result<Imported> {
    let mut imported = Imported::default();
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.as_ref().trim().is_empty()) {
        match Entry::parse(line.as_ref()) {
            Ok(entry) => entries.push(entry),
            Err(reason) => imported.rejected.push((number, reason)),
        }
    }
    for some in entries.chunks(ENTRIES_PER_TRANSACTION) {
        let mut tx = db.write().await?;
        for entry in some {
            directory::apply(&mut tx, entry, &mail_token()?, now).await?;
        }
        tx.commit().await?;
        imported.accepted += some.len();
    }
    Ok(imported)
}

/// 128 random bits for a user's unsubscribe links.
pub(crate) fn mail_token() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
