//! Watches what the users run: learns what is usual, judges what happens now, tells what a careful person would.
//!
//! An evaluation costs with who was active in the last hour, not with users or history: it reads the sums of that hour,
//! the day of those who were active, and what was learnt of those who spent more than a rule's floor.

mod judge;
mod learn;
mod picture;
mod tell;

use std::sync::Arc;

use crate::job::{Context, Error};
use crate::store::accounts;

/// Evaluates all rules once; gives a summary.
///
/// # Errors
/// When the store fails. What was told is told, the rest is found again by the next evaluation.
pub async fn evaluate(context: &Arc<Context>) -> Result<String, Error> {
    let now = context.now();
    let learnt = learn::learn(context, now).await?;
    let judge::Judgement { findings, open, runways } = judge::judge(context, now).await?;
    if !runways.is_empty() {
        let mut tx = context.db.write().await?;
        accounts::keep_runways(&mut tx, &runways).await?;
        tx.commit().await?;
    }
    let found = findings.len();
    let told = tell::tell(context, findings, &open, now).await?;
    Ok(format!("{learnt} hours learnt, {found} findings, {told} told"))
}
