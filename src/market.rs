//! What is known of models and prices, at hand for every request: read again when a new list is in force.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lifecycle::Known;
use crate::domain::price_book::PriceBook;
use crate::job::Context;
use crate::store;

/// How often is looked whether another list is in force; another replica may have fetched it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Executions older than this are priced as the oldest known prices say.
const PRICES_KEPT: TimeDelta = TimeDelta::days(400);

/// What is known, as of one list.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every model ever listed.
    pub known: Known,
    /// Their prices, now and before.
    pub prices: PriceBook,
    list_at: Option<DateTime<Utc>>,
}

/// The snapshot in force.
#[derive(Debug, Default)]
pub struct Market(RwLock<Arc<Snapshot>>);

impl Market {
    /// The snapshot in force.
    #[must_use]
    pub fn now(&self) -> Arc<Snapshot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the snapshot fresh until asked to stop.
    pub async fn run(self: Arc<Self>, context: Arc<Context>) {
        while !context.stop.is_cancelled() {
            if let Err(error) = self.refresh(&context).await {
                tracing::warn!(%error, "models and prices could not be read");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = context.stop.cancelled() => {}
            }
        }
    }

    /// Reads what is known, unless that is at hand already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&self, context: &Context) -> store::Result<()> {
        let mut tx = context.db.read().await?;
        let list_at = store::lists::last_accepted(&mut tx).await?.map(|fetch| fetch.at);
        if list_at.is_none() || list_at == self.now().list_at {
            return Ok(());
        }
        let known = store::models::load(&mut tx).await?;
        let changes = store::changes::since(&mut tx, context.now() - PRICES_KEPT, None).await?;
        let prices = PriceBook::new(&known, &changes);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Snapshot { known, prices, list_at });
        Ok(())
    }
}
