//! A timeline in the making: rows, truth, and reservations, so that no two things happen to a row at once.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;

use super::family::Skill;
use super::price::{Paid, Tariff};
use super::row::{END_OF_TIME, Gap, Kind, Row};
use super::{Event, What, catalogue};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// An alias has followed a new generation, and people have heard of it, before the one before may go.
const SETTLED: TimeDelta = TimeDelta::days(3);

/// The timeline so far.
pub(super) struct Plan {
    /// Where all chance comes from.
    pub(super) rng: Rng,
    /// All rows there will ever be.
    pub(super) rows: Vec<Row>,
    /// What happens to them.
    pub(super) events: Vec<Event>,
    busy: Vec<Vec<Range<DateTime<Utc>>>>,
}

impl Plan {
    /// The rows that stand at `start`, with those of the last `history` as events.
    pub(super) fn new(seed: u64, start: DateTime<Utc>, history: TimeDelta) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rows = catalogue::initial(start, &mut rng);
        let busy = rows.iter().map(|row| if is_fixed(row) { vec![always()] } else { Vec::new() }).collect();
        let recent = rows.iter().filter(|row| row.born >= start - history);
        let events = recent.map(|row| Event { at: row.born, model: row.id.clone(), what: What::Added }).collect();
        Self { rng, rows, events, busy }
    }

    /// Writes down the truth about a row.
    pub(super) fn note(&mut self, at: DateTime<Utc>, row: usize, what: What) {
        self.events.push(Event { at, model: self.rows[row].id.clone(), what });
    }

    /// Takes in a row under which something known continues.
    pub(super) fn push(&mut self, row: Row) -> usize {
        self.rows.push(row);
        self.busy.push(Vec::new());
        self.rows.len() - 1
    }

    /// Takes in a row that is new to everyone.
    pub(super) fn add(&mut self, row: Row) -> usize {
        let born = row.born;
        let row = self.push(row);
        self.note(born, row, What::Added);
        row
    }

    /// Chooses a row to which nothing else happens in the time, and reserves it.
    pub(super) fn pick(&mut self, time: Range<DateTime<Utc>>, fits: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        self.rng.shuffle(&mut order);
        let row = order.into_iter().find(|&row| self.is_idle(row, &time) && fits(self, row))?;
        self.busy[row].push(time);
        Some(row)
    }

    /// Whether the row is there and nothing is planned for it in the time.
    pub(super) fn is_idle(&self, row: usize, time: &Range<DateTime<Utc>>) -> bool {
        let overlaps = |other: &Range<DateTime<Utc>>| other.start < time.end && time.start < other.end;
        self.rows[row].born <= time.start && !self.busy[row].iter().any(overlaps)
    }

    /// Takes the row out of the list.
    pub(super) fn hide(&mut self, row: usize, from: DateTime<Utc>, until: DateTime<Utc>, is_served: bool) {
        self.rows[row].gaps.push(Gap { from, until, is_served });
    }

    /// Takes the row away for good.
    pub(super) fn remove(&mut self, row: usize, at: DateTime<Utc>) {
        self.hide(row, at, END_OF_TIME, false);
        self.note(at, row, What::Removed);
    }

    /// Moments spread evenly, each at a random place in its share of the days.
    pub(super) fn slots(&mut self, count: usize, base: DateTime<Utc>, days: Range<i64>) -> Vec<DateTime<Utc>> {
        let share = (days.end - days.start) * DAY_SECONDS / i64::try_from(count).unwrap_or(i64::MAX);
        let first = base + TimeDelta::days(days.start);
        (0..).take(count).map(|slot| first + TimeDelta::seconds(slot * share + self.rng.i64(0..share))).collect()
    }

    /// A moment in the days.
    pub(super) fn moment(&mut self, base: DateTime<Utc>, days: Range<i64>) -> DateTime<Utc> {
        base + TimeDelta::seconds(self.rng.i64(days.start * DAY_SECONDS..days.end * DAY_SECONDS))
    }

    /// Whether the row is a model that no variant depends on and no alias stands for.
    pub(super) fn is_single(&self, row: usize, at: DateTime<Utc>) -> bool {
        let has_twin = self.rows.iter().any(|other| other.twin_of() == Some(row) && !other.is_gone(at));
        self.rows[row].kind == Kind::Plain && !has_twin && !self.is_followed(row, at)
    }

    /// Whether a newer generation of the same size can take over from the single row.
    pub(super) fn is_outgrown(&self, row: usize, at: DateTime<Utc>) -> bool {
        let old = &self.rows[row];
        let succeeds = |new: &Row| {
            new.kind == Kind::Plain
                && (new.family.slug, new.size.suffix) == (old.family.slug, old.size.suffix)
                && new.generation > old.generation
                && new.born + SETTLED <= at
                && !new.is_gone(at)
        };
        self.is_single(row, at) && self.rows.iter().any(succeeds)
    }

    /// Whether an alias stands for the row then or soon after.
    pub(super) fn is_followed(&self, row: usize, at: DateTime<Utc>) -> bool {
        let follows = |alias: &Row| match &alias.kind {
            Kind::Alias(target) => *target.at(at) == row || *target.at(at + SETTLED) == row,
            Kind::Plain | Kind::Free(_) | Kind::Batch(_) | Kind::Router => false,
        };
        self.rows.iter().any(follows)
    }

    /// The twin of a row for batches, if there is one.
    pub(super) fn batch_twin(&self, row: usize) -> Option<usize> {
        self.rows.iter().position(|other| other.kind == Kind::Batch(row))
    }
}

fn always() -> Range<DateTime<Utc>> {
    DateTime::<Utc>::MIN_UTC..END_OF_TIME
}

/// Rows to which nothing ever happens, beyond an alias' following its family.
fn is_fixed(row: &Row) -> bool {
    let is_hourly = matches!(row.tariff.at(row.born), Tariff::Paid(Paid { hourly: true, .. }));
    is_hourly || row.family.is(Skill::Sentinel) || matches!(row.kind, Kind::Alias(_) | Kind::Router)
}
