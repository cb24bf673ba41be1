//! How prices move in a season: changes that hold, tiers for long prompts, and two that are no news.

use chrono::{DateTime, TimeDelta, Utc};

use super::What;
use super::plan::Plan;
use super::price::Tariff;
use super::row::Kind;
use super::season::DAYS;

/// Four to five a week.
const CHANGES: usize = 38;
/// Every so many changes it is only the price of long prompts that changes.
const TIERS_EVERY: usize = 6;
const DAY: TimeDelta = TimeDelta::days(1);
/// No two changes of a price that are meant to hold come closer.
const HOLDS: TimeDelta = TimeDelta::days(3);

impl Plan {
    /// Plans the prices of a season; call it last, when it is known which rows are there.
    pub(super) fn prices(&mut self, base: DateTime<Utc>) {
        for (turn, at) in self.slots(CHANGES, base, 0..DAYS).into_iter().enumerate() {
            let Some(row) = self.pick_priced(at) else { continue };
            let old = self.rows[row].tariff.at(at).clone();
            let is_tier = turn % TIERS_EVERY == TIERS_EVERY - 1;
            let new = if is_tier { old.with_other_tier() } else { old.changed(&mut self.rng) };
            self.reprice(row, at, new);
        }
        self.glitch(base);
        self.wobble(base);
    }

    /// For a day a paid model is shown as if it cost nothing.
    fn glitch(&mut self, base: DateTime<Utc>) {
        let at = self.moment(base, 8..50);
        let Some(row) = self.pick_priced(at) else { return };
        let old = self.rows[row].tariff.at(at).clone();
        self.reprice(row, at, Tariff::Free);
        self.reprice(row, at + DAY, old);
    }

    /// For a day and a half two servers disagree about a price.
    fn wobble(&mut self, base: DateTime<Utc>) {
        let at = self.moment(base, 8..50);
        let Some(row) = self.pick_priced(at) else { return };
        let old = self.rows[row].tariff.at(at).clone();
        let other = old.scaled(140);
        for (turn, hours) in [0, 9, 20, 34].into_iter().enumerate() {
            let shown = if turn % 2 == 0 { &other } else { &old };
            self.reprice(row, at + TimeDelta::hours(hours), shown.clone());
        }
    }

    fn pick_priced(&mut self, at: DateTime<Utc>) -> Option<usize> {
        let time = at - DAY..at + HOLDS;
        self.pick(time.clone(), |plan, row| {
            let known = &plan.rows[row];
            let is_paid = known.kind == Kind::Plain && matches!(known.tariff.at(at), Tariff::Paid(_));
            let twin = plan.batch_twin(row);
            is_paid && !plan.is_followed(row, at) && twin.is_none_or(|twin| plan.is_idle(twin, &time))
        })
    }

    /// Changes a price, and that of the batch twin with it.
    fn reprice(&mut self, row: usize, at: DateTime<Utc>, tariff: Tariff) {
        if let Some(twin) = self.batch_twin(row) {
            self.rows[twin].tariff.set(at, tariff.scaled(50));
            self.note(at, twin, What::Repriced);
        }
        self.rows[row].tariff.set(at, tariff);
        self.note(at, row, What::Repriced);
    }
}
