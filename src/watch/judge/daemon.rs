//! The daemon's own dead-man's switches.

use chrono::TimeDelta;

use super::{Judge, plain};
use crate::domain::alert::Rule;
use crate::domain::rollup::{QUARTERS_PER_DAY, quarter_of};
use crate::domain::rule::{Settings, account};
use crate::store::rollups::{self, Grain, Query};
use crate::store::{self, outbox};

const QUARTER_S: i64 = 900;

impl Judge<'_> {
    /// The daemon's own dead-man's switches.
    pub(super) async fn daemon(&mut self) -> store::Result<()> {
        let now = self.picture.now;
        if let Some(rule) = self.rules.on(Rule::IngestSilent)
            && let Some(silence) = self.silence(rule).await?
        {
            self.found.extend(account::ingest_silent(rule, &silence).map(plain));
        }
        if let Some(rule) = self.rules.on(Rule::MailStuck) {
            let queue = outbox::queue(&mut self.tx).await?;
            let waiting = queue.pending + queue.sending;
            self.found.extend(account::mail_stuck(rule, queue.oldest_pending, waiting, now).map(plain));
        }
        Ok(())
    }

    /// The time since the last execution, once it is long.
    async fn silence(&mut self, rule: &Settings) -> store::Result<Option<account::Silence>> {
        let Some(last) = rollups::last_quarter(&mut self.tx).await? else { return Ok(None) };
        let lasts = TimeDelta::seconds(self.picture.now.timestamp() - (last + 1) * QUARTER_S);
        if lasts.as_seconds_f64() < rule.threshold * 3600.0 {
            return Ok(None);
        }
        let (from, until) = (last + 1, quarter_of(self.picture.now));
        let mut came = [0; 2];
        for (came, days) in came.iter_mut().zip([1, 7]) {
            let ago = days * QUARTERS_PER_DAY;
            let query = Query { grain: Grain::Quarters, slots: (from - ago, until - ago), user: None, by: &[] };
            *came = rollups::sums(&mut self.tx, query).await?.iter().map(|(_, sums)| sums.executions).sum();
        }
        let [day_before, week_before] = came;
        Ok(Some(account::Silence { lasts, day_before, week_before }))
    }
}
