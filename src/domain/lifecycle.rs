//! From lists to conclusions: a model is listed, missing, unlisted or removed.
//!
//! Absence is not removal. Outages of a provider take models off the list for 6 to 22 hours, and once took all
//! `:batch` rows off it for 139 (measured over 76 days of lists), so a removal is concluded from several fetches.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::catalog::Catalog;
use super::change::{Change, ChangeKind};
use super::diff;
use super::model::Model;
use super::model_id::ModelId;
use super::settled::{Settled, Settlement};

/// Fetches that must have missed a model before it counts as removed.
const FETCHES_MIN: u32 = 2;
/// A bulk event is more than this many ids …
const BULK_IDS: usize = 10;
/// … and more than this share of the list,
const BULK_PERCENT: usize = 5;
/// or this share of a variant's rows,
const FAMILY_PERCENT: usize = 80;
/// where the variant has at least so many.
const FAMILY_ROWS_MIN: usize = 5;
/// It is over when this share of what is still away of it returns in one step.
const BACK_PERCENT: usize = 80;
/// When the single-model call gives no usable answer for so long, the list alone decides.
const UNANSWERED_MAX: TimeDelta = TimeDelta::days(7);

/// How long an absence must last, and a change hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a model that vanished alone.
    pub removed_after: TimeDelta,
    /// For one that vanished in a bulk event.
    pub bulk_removed_after: TimeDelta,
    /// How long other prices must hold.
    pub repriced_after: TimeDelta,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            removed_after: TimeDelta::hours(24),
            bulk_removed_after: TimeDelta::days(7),
            repriced_after: TimeDelta::hours(48),
        }
    }
}

/// What is known of a model that was ever listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The last listed entry, completed by what was known before.
    pub model: Model,
    /// Where it stands.
    pub state: State,
    /// The first fetch that had it.
    pub first_seen: DateTime<Utc>,
    /// The last one.
    pub last_seen: DateTime<Utc>,
    /// The fetch since which `model.expires_on` is what it is.
    pub expiry_since: DateTime<Utc>,
    /// The id that took over its canonical slug when it vanished.
    pub successor: Option<ModelId>,
    /// What of its prices and abilities has held.
    pub settled: Settled,
}

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the last list.
    Listed,
    /// Not in it, and nothing is concluded yet.
    Missing(Absence),
    /// Not in it, but the single-model call still answers: it works.
    Unlisted(Absence),
    /// Gone, concluded at a time.
    Removed(Absence, DateTime<Utc>),
}

/// An absence from the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The first fetch without it.
    pub since: DateTime<Utc>,
    /// How many fetches in a row were without it.
    pub fetches: u32,
    /// Whether it vanished with many others.
    pub bulk: bool,
}

impl State {
    /// The stable name, as the metric's label and the store have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Missing(_) => "missing",
            Self::Unlisted(_) => "unlisted",
            Self::Removed(..) => "removed",
        }
    }

    /// The absence, unless it is listed.
    #[must_use]
    pub fn absence(self) -> Option<Absence> {
        match self {
            Self::Listed => None,
            Self::Missing(absence) | Self::Unlisted(absence) | Self::Removed(absence, _) => Some(absence),
        }
    }
}

/// What the single-model call said of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// 404.
    Gone,
    /// It is still served.
    Served,
    /// No usable answer.
    Unanswered,
    /// There is nobody to ask (a replay).
    CannotAsk,
}

/// Many models that vanished in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkEvent {
    /// The variant they share (`batch`), when it is a family that went.
    pub family: Option<String>,
    /// How many models the list had before.
    pub listed_before: usize,
    /// Who vanished.
    pub models: Vec<ModelId>,
}

/// What a list taught.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Everything known afterwards.
    pub tracked: BTreeMap<ModelId, Tracked>,
    /// What happened, by model.
    pub changes: Vec<Change>,
    /// Bulk events that began with this list.
    pub bulk: Vec<BulkEvent>,
    /// Changes that have held by now.
    pub settled: Vec<Settlement>,
}

/// Everything known, by id.
pub type Known = BTreeMap<ModelId, Tracked>;

/// The absent models whose end would be concluded from this list unless the single-model call still serves them.
#[must_use]
pub fn to_ask(known: &Known, list: &Catalog, now: DateTime<Utc>, patience: Patience) -> Vec<ModelId> {
    let absent = known.values().filter(|tracked| !list.models.contains_key(&tracked.model.id));
    absent
        .filter(|tracked| match tracked.state {
            State::Listed => day_has_come(tracked, now),
            State::Missing(absence) | State::Unlisted(absence) => {
                day_has_come(tracked, now)
                    || is_ripe(Absence { fetches: absence.fetches + 1, ..absence }, now, patience)
            }
            State::Removed(..) => false,
        })
        .map(|tracked| tracked.model.id.clone())
        .collect()
}

/// Takes a believed list into what is known. On the very first list nothing has happened yet: all is new.
///
/// `answers` are those of the single-model call for what [`to_ask`] named; who was not asked stays as it is.
#[must_use]
pub fn step(
    known: Known,
    list: &Catalog,
    answers: &BTreeMap<ModelId, Presence>,
    now: DateTime<Utc>,
    patience: Patience,
) -> Step {
    let mut known: Known = known.into_iter().map(|(id, tracked)| (id, tracked.not_ahead_of(now))).collect();
    end_bulk_events(&mut known, list);
    let first = known.is_empty();
    let bulk = bulk_events(&known, list, now);
    let in_bulk: BTreeSet<&ModelId> = bulk.iter().flat_map(|event| &event.models).collect();
    let renames = renames(&known, list);
    let mut step = Step { tracked: known, ..Step::default() };

    for model in list.models.values() {
        let taken_over = renames.values().any(|successor| *successor == model.id);
        step.see(model, now, (first, !first && !taken_over), patience);
    }
    let absent: Vec<ModelId> = step.tracked.keys().filter(|id| !list.models.contains_key(*id)).cloned().collect();
    for id in absent {
        step.miss(&id, now, in_bulk.contains(&id), renames.get(&id));
        step.conclude(&id, answers.get(&id), now, patience);
    }
    step.bulk = bulk;
    step.changes.sort_by(|a, b| (a.kind, &a.model).cmp(&(b.kind, &b.model)));
    step
}

impl Tracked {
    /// What runs at a vendor directly, by the vendor's own id: it counts as listed, for nobody lists it.
    #[must_use]
    pub fn at_vendor(id: ModelId, now: DateTime<Utc>) -> Self {
        let first_seen = DateTime::default();
        Self {
            model: Model::unlisted(id),
            state: State::Listed,
            first_seen,
            last_seen: now,
            expiry_since: first_seen,
            successor: None,
            settled: Settled::default(),
        }
    }

    /// Times that have not come yet are those of a clock that was ahead; they would hold up every conclusion.
    fn not_ahead_of(mut self, now: DateTime<Utc>) -> Self {
        self.expiry_since = std::cmp::min(self.expiry_since, now);
        self.settled.not_ahead_of(now);
        match &mut self.state {
            State::Listed => {}
            State::Missing(absence) | State::Unlisted(absence) | State::Removed(absence, _) => {
                absence.since = std::cmp::min(absence.since, now);
            }
        }
        self
    }
}

impl Step {
    fn record(&mut self, at: DateTime<Utc>, model: &ModelId, (kind, before, after): diff::Difference) {
        self.changes.push(Change { at, model: model.clone(), kind, before, after });
    }

    /// `is_first`: the list is the first ever; `is_news`: a new row in it is told.
    fn see(&mut self, listed: &Model, now: DateTime<Utc>, (is_first, is_news): (bool, bool), patience: Patience) {
        let Some(old) = self.tracked.get(&listed.id).cloned() else {
            self.begin(listed, now, if is_first { Settled::at_once } else { Settled::new });
            if is_news {
                self.record(now, &listed.id, (ChangeKind::Added, Value::Null, json!(listed.name)));
                if let Some(difference) = diff::expiry(super::model::Expiry::None, listed.expires_on) {
                    self.record(now, &listed.id, difference);
                }
            }
            return;
        };
        let model = listed.clone().carry_forward(&old.model);
        if let State::Removed(absence, _) = old.state {
            self.record(now, &listed.id, (ChangeKind::Returned, json!(absence.since), json!(listed.name)));
        }
        for difference in diff::differences(&old.model, &model) {
            self.record(now, &listed.id, difference);
        }
        let mut settled = old.settled;
        self.settled.extend(settled.observe(&old.model, &model, patience.repriced_after, now));
        let expiry_since = if model.expires_on == old.model.expires_on { old.expiry_since } else { now };
        let seen =
            Tracked { model, state: State::Listed, last_seen: now, expiry_since, successor: None, settled, ..old };
        self.tracked.insert(listed.id.clone(), seen);
    }

    fn begin(&mut self, listed: &Model, now: DateTime<Utc>, settled: fn(&Model, DateTime<Utc>) -> Settled) {
        let fresh = Tracked {
            model: listed.clone(),
            state: State::Listed,
            first_seen: now,
            last_seen: now,
            expiry_since: now,
            successor: None,
            settled: settled(listed, now),
        };
        self.tracked.insert(listed.id.clone(), fresh);
    }

    fn miss(&mut self, id: &ModelId, now: DateTime<Utc>, bulk: bool, successor: Option<&ModelId>) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        match &mut tracked.state {
            State::Listed => {
                tracked.state = State::Missing(Absence { since: now, fetches: 1, bulk });
                tracked.successor = successor.cloned();
                if let Some(successor) = successor {
                    self.record(now, id, (ChangeKind::Renamed, json!(id), json!(successor)));
                }
            }
            State::Missing(absence) | State::Unlisted(absence) => absence.fetches += 1,
            State::Removed(..) => {}
        }
    }

    fn conclude(&mut self, id: &ModelId, answer: Option<&Presence>, now: DateTime<Utc>, patience: Patience) {
        let Some(tracked) = self.tracked.get_mut(id) else { return };
        let (State::Missing(absence) | State::Unlisted(absence)) = tracked.state else { return };
        let (ripe, day_has_come) = (is_ripe(absence, now, patience), day_has_come(tracked, now));
        let gone = match answer {
            Some(Presence::Gone | Presence::CannotAsk) => ripe || day_has_come,
            Some(Presence::Unanswered) => day_has_come || ripe && now - absence.since >= UNANSWERED_MAX,
            Some(Presence::Served) => {
                tracked.state = State::Unlisted(absence);
                false
            }
            None => false,
        };
        if gone {
            tracked.state = State::Removed(absence, now);
            // A rename was already recorded when it happened; its old id ends without a second change.
            if tracked.successor.is_none() {
                let name = json!(tracked.model.name);
                self.record(now, id, (ChangeKind::Removed, name, Value::Null));
            }
        }
    }
}

fn is_ripe(absence: Absence, now: DateTime<Utc>, patience: Patience) -> bool {
    let wait = if absence.bulk { patience.bulk_removed_after } else { patience.removed_after };
    absence.fetches >= FETCHES_MIN && now - absence.since >= wait
}

fn day_has_come(tracked: &Tracked, now: DateTime<Utc>) -> bool {
    tracked.model.expires_on.date().is_some_and(|date| date <= now.date_naive())
}

/// Ids that vanished while exactly one new id of the same variant appeared under their canonical slug.
fn renames(known: &Known, list: &Catalog) -> BTreeMap<ModelId, ModelId> {
    type Slot<'a> = (&'a str, Option<&'a str>);
    fn slot(model: &Model) -> Option<Slot<'_>> {
        Some((model.canonical_slug.as_deref()?, model.id.variant()))
    }
    let mut arrived: BTreeMap<Slot<'_>, Vec<&ModelId>> = BTreeMap::new();
    for model in list.models.values().filter(|model| !known.contains_key(&model.id)) {
        if let Some(slot) = slot(model) {
            arrived.entry(slot).or_default().push(&model.id);
        }
    }
    let vanished =
        known.values().filter(|tracked| tracked.state == State::Listed && !list.models.contains_key(&tracked.model.id));
    let pairs = vanished.filter_map(|tracked| match arrived.get(&slot(&tracked.model)?)?.as_slice() {
        [successor] => Some((tracked.model.id.clone(), (*successor).clone())),
        _ => None,
    });
    pairs.collect()
}

/// Where nearly all that vanished together are back at once, whatever took them is over: the rest is gone like any other.
fn end_bulk_events(known: &mut Known, list: &Catalog) {
    fn bulk(tracked: &mut Tracked) -> Option<&mut Absence> {
        let (State::Missing(absence) | State::Unlisted(absence)) = &mut tracked.state else { return None };
        Some(absence).filter(|absence| absence.bulk)
    }
    let mut events: BTreeMap<DateTime<Utc>, (usize, usize)> = BTreeMap::new();
    for (id, tracked) in known.iter_mut() {
        if let Some(absence) = bulk(tracked) {
            let (back, all) = events.entry(absence.since).or_default();
            (*back, *all) = (*back + usize::from(list.models.contains_key(id)), *all + 1);
        }
    }
    for absence in known.values_mut().filter_map(bulk) {
        let (back, all) = events[&absence.since];
        absence.bulk = back * 100 < all * BACK_PERCENT;
    }
}

/// Finds what vanished together in this step. Who was announced for today or renamed is no part of it.
fn bulk_events(known: &Known, list: &Catalog, now: DateTime<Utc>) -> Vec<BulkEvent> {
    let renames = renames(known, list);
    let listed: Vec<&Tracked> = known.values().filter(|tracked| tracked.state == State::Listed).collect();
    let vanished = listed.iter().filter(|tracked| {
        let id = &tracked.model.id;
        !list.models.contains_key(id) && !renames.contains_key(id) && !day_has_come(tracked, now)
    });
    let vanished: Vec<&ModelId> = vanished.map(|tracked| &tracked.model.id).collect();
    let event = |family: Option<&str>, models: &[&ModelId]| BulkEvent {
        family: family.map(str::to_owned),
        listed_before: listed.len(),
        models: models.iter().copied().cloned().collect(),
    };
    let mut families: BTreeMap<&str, Vec<&ModelId>> = BTreeMap::new();
    for id in &vanished {
        if let Some(variant) = id.variant() {
            families.entry(variant).or_default().push(id);
        }
    }
    families.retain(|variant, gone| {
        let rows = listed.iter().filter(|tracked| tracked.model.id.variant() == Some(variant)).count();
        rows >= FAMILY_ROWS_MIN && gone.len() * 100 >= rows * FAMILY_PERCENT
    });
    let rest: Vec<&ModelId> =
        vanished.into_iter().filter(|id| !id.variant().is_some_and(|variant| families.contains_key(variant))).collect();
    let mut events: Vec<BulkEvent> = families.into_iter().map(|(variant, gone)| event(Some(variant), &gone)).collect();
    if rest.len() > BULK_IDS && rest.len() * 100 > listed.len() * BULK_PERCENT {
        events.push(event(None, &rest));
    }
    events
}

#[cfg(test)]
#[path = "lifecycle/tests.rs"]
mod tests;
