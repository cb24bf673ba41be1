//! What is known of models and prices, at hand for every request: read again when a new list is in force.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::lifecycle::{Known, State, Tracked};
use crate::domain::model_id::ModelId;
use crate::domain::price_book::PriceBook;
use crate::domain::replacement::{self, Candidate, Mix, Needs, Shelf};
use crate::domain::vendor_end::{self, VendorEnds};
use crate::job::Context;
use crate::store;

/// How often is looked whether another list is in force; another replica may have fetched it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Executions older than this are priced as the oldest known prices say.
const PRICES_KEPT: TimeDelta = TimeDelta::days(400);

/// Replacements that are kept at hand for a model.
const REPLACEMENTS_MAX: usize = 3;

/// What is known, as of one list.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Every model ever listed.
    pub known: Known,
    /// Their prices, now and before.
    pub prices: PriceBook,
    /// What could replace those that go or are gone, best first.
    pub replacements: BTreeMap<ModelId, Vec<Candidate>>,
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
        let replacements = replacements(&known, &store::feeds::ends(&mut tx).await?);
        let snapshot = Snapshot { known, prices, replacements, list_at };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }
}

/// Ranked once a list, so that asking costs nothing.
fn replacements(known: &Known, ends: &VendorEnds) -> BTreeMap<ModelId, Vec<Candidate>> {
    let (shelf, named) = (Shelf::of(known, ends), vendor_end::named(ends));
    let stays = |tracked: &Tracked| tracked.state == State::Listed && tracked.model.expires_on.date().is_none();
    let going = known
        .iter()
        .filter(|(id, tracked)| !stays(tracked) || tracked.model.alias_target.is_some() || ends.contains_key(*id));
    going
        .map(|(id, tracked)| {
            let vendor = named.get(id).map_or(&[][..], Vec::as_slice);
            let mut best = replacement::replacements(&shelf, tracked, vendor, Mix::default(), Needs::default());
            best.truncate(REPLACEMENTS_MAX);
            (id.clone(), best)
        })
        .collect()
}
