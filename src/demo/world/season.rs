//! What sixty days bring: launches, announced and sudden ends, outages, oddities. Prices are in `repricing`.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::What;
use super::catalogue::{batch_twin, free_twin, launch};
use super::family::{FAMILIES, Family, Skill};
use super::plan::Plan;
use super::row::{END_OF_TIME, Kind, Row};

/// The length of a season.
pub(super) const DAYS: i64 = 60;
/// Days into the season before which the outage of the batch twins is over.
const OUTAGE_OVER: i64 = 36;
const FLAPS: usize = 8;
/// Days between an announcement and its date; the first four belong to the fates of [`FATES`].
const NOTICES: [u32; 12] = [7, 14, 21, 9, 40, 2, 30, 3, 5, 12, 18, 7];
const FATES: [Fate; 4] = [Fate::Moved, Fate::Cleared, Fate::Flickers, Fate::Late];
/// What a model loses when its provider changes.
const LOSSES: [&str; 3] = ["structured_outputs", "tools", "structured_outputs"];
const DAY: TimeDelta = TimeDelta::days(1);

/// How much a season adds to the list.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// New models, about.
    pub(super) models: usize,
    /// New free twins.
    pub(super) free_twins: usize,
    /// New batch twins.
    pub(super) batch_twins: usize,
}

/// How an announced end comes about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    OnTheDay,
    Late,
    Moved,
    Cleared,
    Flickers,
}

/// Whose sudden end it is.
#[derive(Clone, Copy)]
enum Leaver {
    Outgrown,
    LastOfItsLine,
    Free,
    Batch,
}

impl Plan {
    /// Plans the season that begins at `base`.
    pub(super) fn season(&mut self, base: DateTime<Utc>, pace: Pace) {
        self.launches(base, pace.models);
        self.twins(base, pace);
        self.outage(base);
        self.announcements(base);
        self.removals(base);
        self.flaps(base);
        self.long_absence(base);
        self.rename(base);
        self.unlist(base);
        self.losses(base);
        self.prices(base);
    }

    /// New generations, first of the families that an alias follows.
    fn launches(&mut self, base: DateTime<Utc>, rows: usize) {
        let mut families: Vec<&'static Family> = FAMILIES.iter().filter(|family| !family.is(Skill::Sentinel)).collect();
        self.rng.shuffle(&mut families);
        families.sort_by_key(|family| !family.is(Skill::Alias));
        let mut planned = 0;
        families.retain(|family| {
            let is_wanted = planned < rows;
            planned += if is_wanted { family.sizes.len() } else { 0 };
            is_wanted
        });
        let mut slots = self.slots(families.len(), base, 1..DAYS - 3);
        self.rng.shuffle(&mut slots);
        for (family, at) in families.into_iter().zip(slots) {
            let of_family = self.rows.iter().filter(|row| row.family.slug == family.slug);
            let generation = of_family.map(|row| row.generation).fold(family.newest, std::cmp::max) + 1;
            for row in launch(family, generation, at, &mut self.rng) {
                let is_largest = row.is_largest();
                let row = self.add(row);
                if is_largest && family.is(Skill::Alias) {
                    self.retarget(family, row, at);
                }
            }
        }
    }

    fn retarget(&mut self, family: &Family, target: usize, launched: DateTime<Utc>) {
        let at = launched + TimeDelta::minutes(self.rng.i64(120..1200));
        let slug = self.rows[target].id.clone();
        for row in 0..self.rows.len() {
            let alias = &mut self.rows[row];
            if let Kind::Alias(targets) = &mut alias.kind
                && alias.family.slug == family.slug
            {
                targets.set(at, target);
                self.note(at, row, What::AliasRetargeted(slug.clone()));
            }
        }
    }

    /// Free twins all the time, batch twins only once the outage is over.
    fn twins(&mut self, base: DateTime<Utc>, pace: Pace) {
        for at in self.slots(pace.free_twins, base, 2..DAYS - 3) {
            let is_new = |plan: &Self, row: usize| {
                let model = &plan.rows[row];
                let has_twin = plan.rows.iter().any(|other| other.kind == Kind::Free(row));
                model.kind == Kind::Plain && model.family.is(Skill::Open) && !has_twin
            };
            if let Some(model) = self.pick(at - DAY..at + DAY, is_new) {
                self.add(free_twin(&self.rows, model, at));
            }
        }
        for at in self.slots(pace.batch_twins, base, OUTAGE_OVER..DAYS - 3) {
            let is_new = |plan: &Self, row: usize| {
                let model = &plan.rows[row];
                model.kind == Kind::Plain && model.family.is(Skill::Batch) && plan.batch_twin(row).is_none()
            };
            if let Some(model) = self.pick(at - DAY..at + DAY, is_new) {
                self.add(batch_twin(&self.rows, model, at));
            }
        }
    }

    /// All batch twins are away for five days.
    fn outage(&mut self, base: DateTime<Utc>) {
        let from = self.moment(base, 22..OUTAGE_OVER - 6);
        let until = from + TimeDelta::days(5) - TimeDelta::hours(self.rng.i64(0..5));
        let is_batch = |plan: &Self, row: usize| matches!(plan.rows[row].kind, Kind::Batch(_));
        while let Some(row) = self.pick(from - DAY..until + DAY, is_batch) {
            self.hide(row, from, until, false);
            self.note(from, row, What::BulkGone { until });
        }
    }

    fn announcements(&mut self, base: DateTime<Utc>) {
        let count = self.rng.usize(10..=NOTICES.len());
        for (place, notice) in NOTICES.into_iter().take(count).enumerate() {
            let fate = FATES.get(place).copied().unwrap_or(Fate::OnTheDay);
            let longest = i64::from(notice) + if fate == Fate::Moved { 14 } else { 2 };
            let at = self.moment(base, 1..DAYS - 1 - longest);
            let is_outgrown = |plan: &Self, row: usize| plan.rows[row].born <= base && plan.is_outgrown(row, at);
            if let Some(row) = self.pick(at - DAY..END_OF_TIME, is_outgrown) {
                let date = at.date_naive() + Days::new(notice.into());
                self.announce(row, at, Some(date));
                self.meet(row, at, date, fate);
            }
        }
    }

    fn announce(&mut self, row: usize, at: DateTime<Utc>, date: Option<NaiveDate>) {
        self.rows[row].expiry.set(at, date);
        self.note(at, row, date.map_or(What::Cleared, What::Announced));
    }

    /// What becomes of an announced end.
    fn meet(&mut self, row: usize, announced: DateTime<Utc>, date: NaiveDate, fate: Fate) {
        match fate {
            Fate::OnTheDay => {}
            Fate::Late => return self.remove_on(row, date + Days::new(2)),
            Fate::Moved => {
                let (at, later) = (announced + TimeDelta::days(4), date + Days::new(14));
                self.rows[row].expiry.set(at, Some(later));
                self.note(at, row, What::Moved(date, later));
                return self.remove_on(row, later);
            }
            Fate::Cleared => {
                let at = self.during(date);
                return self.announce(row, at, None);
            }
            Fate::Flickers => {
                for (turn, at) in self.slots(6, announced, 2..3).into_iter().enumerate() {
                    self.announce(row, at, (turn % 2 == 1).then_some(date));
                }
            }
        }
        self.remove_on(row, date);
    }

    fn remove_on(&mut self, row: usize, date: NaiveDate) {
        let at = self.during(date);
        self.remove(row, at);
    }

    /// A moment of the day.
    fn during(&mut self, date: NaiveDate) -> DateTime<Utc> {
        date.and_time(NaiveTime::MIN).and_utc() + TimeDelta::minutes(self.rng.i64(10..22 * 60))
    }

    /// Ends that nobody announced; batch twins go late, clear of their outage.
    fn removals(&mut self, base: DateTime<Utc>) {
        let mut leavers = vec![Leaver::Outgrown; self.rng.usize(6..=8)];
        leavers.extend([Leaver::Free, Leaver::Free, Leaver::LastOfItsLine]);
        self.rng.shuffle(&mut leavers);
        leavers.extend([Leaver::Batch, Leaver::Batch]);
        let slots = self.slots(leavers.len(), base, 2..DAYS - 1);
        for (leaver, at) in leavers.into_iter().zip(slots) {
            let fits = |plan: &Self, row: usize| {
                let known = &plan.rows[row];
                known.born <= base
                    && match leaver {
                        Leaver::Outgrown => plan.is_outgrown(row, at),
                        Leaver::LastOfItsLine => plan.is_single(row, at),
                        Leaver::Free => matches!(known.kind, Kind::Free(_)),
                        Leaver::Batch => matches!(known.kind, Kind::Batch(_)),
                    }
            };
            if let Some(row) = self.pick(at - DAY..END_OF_TIME, fits) {
                self.remove(row, at);
            }
        }
    }

    /// Outages of some hours; in half of them only the list is wrong.
    fn flaps(&mut self, base: DateTime<Utc>) {
        for (turn, at) in self.slots(FLAPS, base, 2..DAYS - 3).into_iter().enumerate() {
            let hours = self.rng.u32(5..=22);
            let fits = |plan: &Self, row: usize| {
                let kind = &plan.rows[row].kind;
                let suits = if turn % 4 == 3 { matches!(kind, Kind::Free(_)) } else { *kind == Kind::Plain };
                suits && plan.rows[row].born <= base && !plan.is_followed(row, at)
            };
            if let Some(row) = self.pick(at - DAY..at + DAY * 3, fits) {
                self.hide(row, at, at + TimeDelta::hours(hours.into()), turn % 2 == 0);
                self.note(at, row, What::Flap { hours });
            }
        }
    }

    /// One model is really gone and comes back after twelve days.
    fn long_absence(&mut self, base: DateTime<Utc>) {
        let from = self.moment(base, 6..40);
        let until = from + DAY * 12 + TimeDelta::hours(self.rng.i64(0..20));
        let fits = |plan: &Self, row: usize| plan.rows[row].born <= base && plan.is_single(row, from);
        if let Some(row) = self.pick(from - DAY..until + DAY * 3, fits) {
            self.hide(row, from, until, false);
            self.note(from, row, What::Removed);
            self.note(until, row, What::Returned);
        }
    }

    /// One model moves to another author and keeps its permanent slug.
    fn rename(&mut self, base: DateTime<Utc>) {
        let at = self.moment(base, 10..45);
        let fits = |plan: &Self, row: usize| {
            let known = &plan.rows[row];
            known.born <= base && !known.id.contains("-research/") && plan.is_single(row, at)
        };
        let Some(old) = self.pick(at - DAY..END_OF_TIME, fits) else { return };
        let known = self.rows[old].clone();
        let id = known.id.replacen('/', "-research/", 1);
        let new = self.push(Row { id: id.clone(), born: at, gaps: Vec::new(), ..known });
        self.hide(old, at, END_OF_TIME, true);
        self.rows[old].renamed = Some((at, new));
        self.note(at, old, What::Renamed(id));
    }

    /// One model leaves the list and goes on answering.
    fn unlist(&mut self, base: DateTime<Utc>) {
        let at = self.moment(base, 8..50);
        let fits = |plan: &Self, row: usize| plan.rows[row].born <= base && plan.is_outgrown(row, at);
        if let Some(row) = self.pick(at - DAY..END_OF_TIME, fits) {
            self.hide(row, at, END_OF_TIME, true);
            self.note(at, row, What::Unlisted);
        }
    }

    fn losses(&mut self, base: DateTime<Utc>) {
        let slots = self.slots(LOSSES.len(), base, 3..DAYS - 3);
        for (parameter, at) in LOSSES.into_iter().zip(slots) {
            let fits = |plan: &Self, row: usize| {
                let known = &plan.rows[row];
                let is_whole =
                    known.kind == Kind::Plain && known.family.is(Skill::Tools) && known.lost.at(at).is_none();
                is_whole && known.born <= base && !plan.is_followed(row, at)
            };
            if let Some(row) = self.pick(at - DAY..at + DAY * 2, fits) {
                self.rows[row].lost.set(at, Some(parameter));
                self.note(at, row, What::CapabilityLost(parameter.to_owned()));
            }
        }
    }
}
