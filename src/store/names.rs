//! Numbers for texts that many rows repeat.

use std::collections::{BTreeSet, HashMap};

use sqlx::QueryBuilder;

use super::list::{push_list, runs};
use super::{Error, Result, Tx, on};

/// Texts that one statement looks up.
const TEXTS_PER_STATEMENT: usize = 500;
/// Numbers that are kept at hand. A user's, a resource's and a key's make three, so this is a hundred thousand active
/// users in about 30 MB; beyond that all are forgotten and looked up anew.
const KEPT_MAX: usize = 300_000;

/// Numbers at hand. What a transaction assigned is kept only once it is committed.
#[derive(Debug, Default)]
pub struct Names {
    kept: HashMap<String, i64>,
}

/// Numbers that one transaction looked up or assigned.
#[derive(Debug, Default)]
pub struct Fresh(HashMap<String, i64>);

impl Names {
    /// Looks up what is not at hand, and assigns numbers to what has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resolve(&self, tx: &mut Tx, texts: &[&str]) -> Result<Fresh> {
        // In order, so that two who assign numbers wait for each other and never in a circle.
        let unknown: BTreeSet<&str> = texts.iter().copied().filter(|text| !self.kept.contains_key(*text)).collect();
        let unknown: Vec<&str> = unknown.into_iter().collect();
        let mut fresh = Fresh::default();
        for texts in runs(&unknown, TEXTS_PER_STATEMENT) {
            on!(tx, |conn| {
                let mut insert = QueryBuilder::new("INSERT INTO names (text) ");
                insert.push_values(texts, |mut row, text| {
                    row.push_bind(*text);
                });
                insert.push(" ON CONFLICT (text) DO NOTHING");
                insert.build().execute(conn).await.map(drop)
            })?;
            fresh.0.extend(find_all(tx, texts).await?);
        }
        Ok(fresh)
    }

    /// Keeps what a committed transaction looked up.
    pub fn keep(&mut self, fresh: Fresh) {
        if self.kept.len() + fresh.0.len() > KEPT_MAX {
            self.kept.clear();
        }
        self.kept.extend(fresh.0);
    }

    /// The number of a resolved text.
    ///
    /// # Errors
    /// When it was not resolved.
    pub fn number(&self, fresh: &Fresh, text: &str) -> Result<i64> {
        let found = self.kept.get(text).or_else(|| fresh.0.get(text)).copied();
        found.ok_or_else(|| Error::Corrupt { what: "names", value: text.to_owned() })
    }
}

impl Fresh {
    /// Whether a text was not at hand: it may be new.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.0.contains_key(text)
    }
}

/// The numbers of those texts that have one.
///
/// # Errors
/// When the database fails.
pub async fn find_all(tx: &mut Tx, texts: &[&str]) -> Result<Vec<(String, i64)>> {
    let mut found = Vec::new();
    for texts in texts.chunks(TEXTS_PER_STATEMENT) {
        let rows: Vec<(String, i64)> = on!(tx, |conn| {
            let mut select = QueryBuilder::new("SELECT text, id FROM names WHERE text IN ");
            push_list(&mut select, texts.iter().copied());
            select.build_query_as().fetch_all(conn).await
        })?;
        found.extend(rows);
    }
    Ok(found)
}

/// The number of a text, if it has one.
///
/// # Errors
/// When the database fails.
pub async fn find(tx: &mut Tx, text: &str) -> Result<Option<i64>> {
    const SQL: &str = "SELECT id FROM names WHERE text = $1";
    let row: Option<(i64,)> = on!(tx, |conn| sqlx::query_as(SQL).bind(text).fetch_optional(conn).await)?;
    Ok(row.map(|(id,)| id))
}
