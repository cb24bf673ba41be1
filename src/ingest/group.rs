//! One transaction for the rows of many requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Receipt;
use crate::directory::mail_token;
use crate::domain::execution::{Execution, day_of};
use crate::domain::model_id::ModelId;
use crate::domain::peak;
use crate::domain::rollup::{Key, Measures, Rollup};
use crate::job::Context;
use crate::store::executions::{self, Row};
use crate::store::names::{Fresh, Names};
use crate::store::{self, Tx, directory, offers, peaks, rollups};

/// How often a group is tried when others write the same rows at the same time.
const ATTEMPTS_MAX: usize = 5;
/// After a repeated row, so many groups look first what is there: who repeats one row mostly repeats many.
const CAREFUL_GROUPS: u32 = 20;

/// Writes groups, one after the other.
pub struct Groups {
    context: Arc<Context>,
    names: Names,
    peaks: peak::Known,
    careful: u32,
}

/// A row and the request it came with.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    row: Row<'a>,
    request: usize,
}

impl Groups {
    /// A writer to the store of a context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, names: Names::default(), peaks: peak::Known::default(), careful: 0 }
    }

    /// Writes the rows of some requests; gives what became of each request.
    ///
    /// A row that is there already is the exception. So all are inserted blindly, and only when fewer were written
    /// than given does the transaction begin anew, looking first.
    ///
    /// # Errors
    /// When the store fails; then none of the rows was written.
    pub async fn write(&mut self, requests: &[&[Execution]]) -> store::Result<Vec<Receipt>> {
        for _ in 0..ATTEMPTS_MAX {
            self.careful = self.careful.saturating_sub(1);
            if let Some(receipts) = self.attempt(requests).await? {
                return Ok(receipts);
            }
            self.careful = CAREFUL_GROUPS;
        }
        Err(store::Error::Lost { what: "a group of executions" })
    }

    /// `None` when a row turned out to be there already.
    async fn attempt(&mut self, requests: &[&[Execution]]) -> store::Result<Option<Vec<Receipt>>> {
        let mut tx = self.context.db.write().await?;
        let named: Vec<&str> = requests.iter().copied().flatten().flat_map(texts).collect();
        let fresh = self.names.resolve(&mut tx, &named).await?;
        self.create_users(&mut tx, requests, &fresh).await?;
        let mut rows = self.number(requests, &fresh)?;
        if self.careful > 0 {
            let keys: Vec<Row<'_>> = rows.iter().map(|numbered| numbered.row).collect();
            let known = executions::known(&mut tx, &keys).await?;
            rows.retain(|numbered| !known.contains(&(numbered.row.user, numbered.row.execution.id.clone())));
        }
        let new: Vec<Row<'_>> = rows.iter().map(|numbered| numbered.row).collect();
        if executions::insert(&mut tx, &new).await? != new.len() as u64 {
            tx.abandon();
            return Ok(None);
        }
        rollups::add(&mut tx, &rolled_up(&new)).await?;
        let higher = self.peaks.higher(new.iter().map(|row| (row.user, row.model, row.execution)));
        peaks::raise(&mut tx, &higher).await?;
        offers::put(&mut tx, &offered(&new), self.context.now()).await?;
        tx.commit().await?;
        self.names.keep(fresh);
        self.peaks.keep(higher);
        if new.iter().any(|row| row.execution.outcome.is_unavailable()) {
            self.context.doubts.raise();
        }
        self.context.metrics.usage.executed(new.iter().map(|row| row.execution));
        Ok(Some(receipts(requests, &rows)))
    }

    /// A user whom the directory does not know exists from their first execution on.
    async fn create_users(&self, tx: &mut Tx, requests: &[&[Execution]], fresh: &Fresh) -> store::Result<()> {
        let users = requests.iter().copied().flatten().map(|execution| execution.user.as_str());
        // In order, as names are: two who create the same users wait for each other and never in a circle.
        let unseen: BTreeSet<&str> = users.filter(|user| fresh.has(user)).collect();
        for user in unseen {
            let token = mail_token().map_err(|_| store::Error::Lost { what: "the system's randomness" })?;
            directory::ensure_user(tx, user, &token, self.context.now()).await?;
        }
        Ok(())
    }

    /// Each row once, in the order of its key.
    fn number<'a>(&self, requests: &[&'a [Execution]], fresh: &Fresh) -> store::Result<Vec<Numbered<'a>>> {
        let number = |text: &str| self.names.number(fresh, text);
        let or_none = |text: &Option<String>| text.as_deref().map_or(Ok(0), number);
        let mut rows = Vec::with_capacity(requests.iter().map(|request| request.len()).sum());
        for (request, executions) in requests.iter().enumerate() {
            for execution in *executions {
                let row = Row {
                    execution,
                    day: day_of(&execution.id),
                    user: number(&execution.user)?,
                    resource: or_none(&execution.resource)?,
                    key: or_none(&execution.key)?,
                    model: number(&execution.model)?,
                    served_model: or_none(&execution.served_model)?,
                    served_by: or_none(&execution.served_by)?,
                };
                rows.push(Numbered { row, request });
            }
        }
        rows.sort_by(|a, b| key(a).cmp(&key(b)));
        rows.dedup_by(|a, b| key(a) == key(b));
        Ok(rows)
    }
}

/// The key of a row, in the store's order.
fn key<'r>(numbered: &'r Numbered<'_>) -> (i32, &'r str, i64) {
    (numbered.row.day, numbered.row.execution.id.as_str(), numbered.row.user)
}

/// Every text of an execution that a number stands for.
fn texts(execution: &Execution) -> impl Iterator<Item = &str> {
    let optional = [&execution.resource, &execution.key, &execution.served_model, &execution.served_by];
    [execution.user.as_str(), execution.model.as_str()]
        .into_iter()
        .chain(optional.into_iter().filter_map(Option::as_deref))
}

fn rolled_up(rows: &[Row<'_>]) -> Rollup {
    let mut rollup = Rollup::default();
    for row in rows {
        let provider = executions::provider_code(row.execution.provider);
        let key = Key { slot: 0, user: row.user, resource: row.resource, key: row.key, model: row.model, provider };
        rollup.add(key, row.execution.at, Measures::of(row.execution));
    }
    rollup
}

/// What OpenRouter offered in place of each model that it refused.
fn offered(rows: &[Row<'_>]) -> BTreeMap<ModelId, Vec<String>> {
    let offering = rows.iter().filter(|row| !row.execution.offered.is_empty());
    let offers =
        offering.filter_map(|row| Some((ModelId::look_up(&row.execution.model)?, row.execution.offered.clone())));
    offers.collect()
}

fn receipts(requests: &[&[Execution]], new: &[Numbered<'_>]) -> Vec<Receipt> {
    let mut receipts = vec![Receipt::default(); requests.len()];
    for numbered in new {
        receipts[numbered.request].accepted += 1;
    }
    for (receipt, request) in receipts.iter_mut().zip(requests) {
        receipt.duplicates = request.len() - receipt.accepted;
    }
    receipts
}
