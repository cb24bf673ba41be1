//! Forgets what is older than it is kept for, in small steps.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Context, Error, Spec};
use crate::store::prune::{What, step};

/// The forgetting.
pub(super) const SPEC: Spec = Spec {
    name: "prune",
    what: "Forgets mails, lists and runs that are older than they are kept for",
    timeout: TimeDelta::hours(1),
    attempts: 3,
    run: |context| Box::pin(async move { run(&context).await }),
};

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let (now, retention) = (context.now(), context.settings.get().retention.clone());
    let mut parts = Vec::new();
    for (what, name, days) in [
        (What::Mails, "mails", retention.mails_days),
        (What::Fetches, "fetches", retention.lists_days),
        (What::Runs, "runs", retention.runs_days),
    ] {
        let before = now.checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut gone = 0;
        while !context.stop.is_cancelled() {
            let mut tx = context.db.write().await?;
            let some = step(&mut tx, what, before).await?;
            tx.commit().await?;
            gone += some;
            if some == 0 {
                break;
            }
        }
        parts.push(format!("{gone} {name}"));
    }
    Ok(format!("forgot {}", parts.join(", ")))
}
