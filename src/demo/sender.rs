//! The demo's platform as a sender: hands what its resources ran to the daemon's own way in.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::purses::Purses;
use super::traffic::Traffic;
use crate::ingest::Groups;
use crate::job::Context;
use crate::market::Market;
use crate::store;

/// Rows that are handed over at a time.
const ROWS: usize = 5_000;
/// How often the live platform sends.
const EVERY: Duration = Duration::from_secs(5);

/// Sends everything that ran, once and in order.
pub(super) struct Sender {
    context: Arc<Context>,
    traffic: Arc<Traffic>,
    purses: Arc<Purses>,
    groups: Groups,
    market: Market,
    sent_until: DateTime<Utc>,
}

impl Sender {
    pub(super) fn new(context: Arc<Context>, traffic: Arc<Traffic>, purses: Arc<Purses>, from: DateTime<Utc>) -> Self {
        let groups = Groups::new(Arc::clone(&context));
        Self { context, traffic, purses, groups, market: Market::default(), sent_until: from }
    }

    /// Sends what began before `until`.
    pub(super) async fn send_until(&mut self, until: DateTime<Utc>) -> store::Result<()> {
        if until <= self.sent_until {
            return Ok(());
        }
        self.market.refresh(&self.context).await?;
        let market = self.market.now();
        let mut executions = self.traffic.between(self.sent_until, until);
        for execution in &mut executions {
            market.prices.complete(execution);
        }
        self.purses.go_on(&executions, self.sent_until, until);
        for rows in executions.chunks(ROWS) {
            for receipt in self.groups.write(&[rows]).await? {
                self.context.metrics.usage.ingested("api", [receipt.accepted, receipt.duplicates, 0], until);
            }
        }
        self.sent_until = until;
        Ok(())
    }

    /// Goes on until the daemon stops.
    pub(super) async fn live(mut self) {
        while !self.context.stop.is_cancelled() {
            if let Err(error) = self.send_until(self.context.now()).await {
                tracing::warn!(%error, "the platform could not send what ran");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.context.stop.cancelled() => {}
            }
        }
    }
}
