//! The simulated side of the demo: what the list of models says at any moment, and the truth behind it.
//!
//! All of it is settled by the seed and the start when the world is made: there is no I/O, no clock and no
//! state. Vendors and models are invented; their habits (how often models come and go, how much notice is
//! given, what flickers, what is an outage) are those of the real list.

mod catalogue;
mod family;
mod plan;
mod price;
mod render;
mod repricing;
mod row;
mod season;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use plan::Plan;
use render::Noise;
use row::Row;
use season::Pace;

/// How far before the start the additions are events too.
const HISTORY: TimeDelta = TimeDelta::days(45);
/// How long things go on after the played days.
const AFTERWARDS_DAYS: i64 = 400;
/// The list grows in the first season, by about one row a day, as the real one does.
const GROWING: Pace = Pace { models: 50, free_twins: 6, batch_twins: 4 };
/// Later about as many come as leave.
const STEADY: Pace = Pace { models: 16, free_twins: 2, batch_twins: 2 };
/// Rows of the same age change places between fetches.
const SHUFFLED_EVERY_SECONDS: i64 = 60 * 60;

/// A list of models and everything that happens to it.
pub struct World {
    seed: u64,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    rows: Vec<Row>,
    outlines: Vec<Map<String, Value>>,
    places: HashMap<String, usize>,
    events: Vec<Event>,
}

/// Something that happens to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it begins.
    pub at: DateTime<Utc>,
    /// The id of the row; for a rename the old one.
    pub model: String,
    /// What it is.
    pub what: What,
}

/// What happens to models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The list shows it for the first time.
    Added,
    /// Its end is announced for a day.
    Announced(NaiveDate),
    /// The day is moved from one to another.
    Moved(NaiveDate, NaiveDate),
    /// The announcement is taken back.
    Cleared,
    /// It is no longer served, for good unless it has [`Returned`](What::Returned) later.
    Removed,
    /// An outage takes it out of the list.
    Flap {
        /// How long.
        hours: u32,
    },
    /// An outage takes it out of the list, together with all of its kind.
    BulkGone {
        /// When it is over.
        until: DateTime<Utc>,
    },
    /// It is listed and served again after a removal.
    Returned,
    /// Its price schedule changes.
    Repriced,
    /// It goes on under this id, with the same permanent slug.
    Renamed(String),
    /// It leaves the list for good and is still served.
    Unlisted,
    /// The alias stands for this model from now on, and shows its price and context.
    AliasRetargeted(String),
    /// It no longer supports this parameter.
    CapabilityLost(String),
}

impl World {
    /// Settles what happens from shortly before `start` to long after the played `days`.
    #[must_use]
    pub fn new(seed: u64, start: DateTime<Utc>, days: u32) -> Self {
        let end = start + TimeDelta::days(days.into());
        let horizon = end + TimeDelta::days(AFTERWARDS_DAYS);
        let mut plan = Plan::new(seed, start, HISTORY);
        let (mut base, mut pace) = (start, GROWING);
        while base < horizon {
            plan.season(base, pace);
            (base, pace) = (base + TimeDelta::days(season::DAYS), STEADY);
        }
        let Plan { rows, mut events, .. } = plan;
        events.sort_by(|a, b| (a.at, &a.model).cmp(&(b.at, &b.model)));
        let outlines = rows.iter().map(render::outline).collect();
        let places = rows.iter().enumerate().map(|(place, row)| (row.id.clone(), place)).collect();
        Self { seed, start, end, rows, outlines, places, events }
    }

    /// The same world, of which only the days from `start` on are played.
    #[must_use]
    pub fn played_from(self, start: DateTime<Utc>) -> Self {
        Self { start, ..self }
    }

    /// When the played days begin.
    #[must_use]
    pub fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// The body of `GET /api/v1/models` at a moment.
    #[must_use]
    pub fn list(&self, at: DateTime<Utc>) -> Value {
        let noise = Noise { seed: self.seed, at };
        let mut listed: Vec<usize> = (0..self.rows.len()).filter(|&row| self.rows[row].is_listed(at)).collect();
        listed.sort_by_cached_key(|&row| (Reverse(self.rows[row].created), noise.of(row, SHUFFLED_EVERY_SECONDS)));
        let data: Vec<Value> = listed.into_iter().map(|row| self.entry(row, at)).collect();
        let mut body = json!({"total_count": data.len(), "links": {"next": null}});
        body["data"] = data.into();
        body
    }

    /// The body of `GET /api/v1/model/{id}` at a moment, which knows old ids too; `None` stands for 404.
    #[must_use]
    pub fn model(&self, id: &str, at: DateTime<Utc>) -> Option<Value> {
        let mut place = *self.places.get(id)?;
        while let Some((_, renamed)) = self.rows[place].renamed.filter(|(when, _)| *when <= at) {
            place = renamed;
        }
        let is_served = self.rows[place].is_served(at);
        is_served.then(|| Value::Object(Map::from_iter([("data".to_owned(), self.entry(place, at))])))
    }

    fn entry(&self, row: usize, at: DateTime<Utc>) -> Value {
        render::entry(&self.rows, &self.outlines[row], row, Noise { seed: self.seed, at })
    }

    /// The truth behind the lists, in the order of time.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The ids listed at the start to which something happens during the played days, those that end or fail first.
    #[must_use]
    pub fn interesting(&self) -> Vec<String> {
        let played = self.events.iter().filter(|event| self.start <= event.at && event.at < self.end);
        let mut ranked: Vec<(u8, &str)> = played.map(|event| (event.what.rank(), event.model.as_str())).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut seen = HashSet::new();
        let is_listed = |id: &str| self.places.get(id).is_some_and(|&row| self.rows[row].is_listed(self.start));
        ranked.into_iter().map(|(_, id)| id).filter(|id| is_listed(id) && seen.insert(*id)).map(str::to_owned).collect()
    }
}

impl What {
    /// How much it matters to those who use the model: the lower the more.
    fn rank(&self) -> u8 {
        match self {
            Self::Announced(_)
            | Self::Moved(..)
            | Self::Cleared
            | Self::Removed
            | Self::Returned
            | Self::Flap { .. } => 0,
            Self::Renamed(_) | Self::Unlisted | Self::AliasRetargeted(_) | Self::CapabilityLost(_) => 1,
            Self::Repriced => 2,
            Self::Added | Self::BulkGone { .. } => 3,
        }
    }
}
