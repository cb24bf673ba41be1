//! One row of the list through time: what it is, when it is there, and what changes about it.

use chrono::{DateTime, NaiveDate, Utc};

use super::family::{Family, Size};
use super::price::Tariff;

/// Until when something lasts that is for good.
pub(super) const END_OF_TIME: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// A row. Its place in the world's vector is its key.
#[derive(Clone)]
pub(super) struct Row {
    /// The id.
    pub(super) id: String,
    /// The permanent slug, which variants share and a rename keeps.
    pub(super) slug: String,
    /// The display name.
    pub(super) name: String,
    /// What kind of row it is.
    pub(super) kind: Kind,
    /// The family it belongs to.
    pub(super) family: &'static Family,
    /// Its size in the family.
    pub(super) size: &'static Size,
    /// Its generation in the family.
    pub(super) generation: u32,
    /// What the list says of its beginning.
    pub(super) created: DateTime<Utc>,
    /// When the list shows it first.
    pub(super) born: DateTime<Utc>,
    /// When it is away, for a while or for good.
    pub(super) gaps: Vec<Gap>,
    /// Its announced end.
    pub(super) expiry: Steps<Option<NaiveDate>>,
    /// Its price.
    pub(super) tariff: Steps<Tariff>,
    /// The parameter it loses, once it has.
    pub(super) lost: Steps<Option<&'static str>>,
    /// From when on it has another id, and which row that is.
    pub(super) renamed: Option<(DateTime<Utc>, usize)>,
}

/// The kinds of row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A model.
    Plain,
    /// A model's free twin.
    Free(usize),
    /// A model's batch twin.
    Batch(usize),
    /// An alias and the row it stands for.
    Alias(Steps<usize>),
    /// A router.
    Router,
}

/// A time during which the list lacks the row.
#[derive(Clone)]
pub(super) struct Gap {
    /// The first moment without.
    pub(super) from: DateTime<Utc>,
    /// The first moment with it again; the end of time when it is gone for good.
    pub(super) until: DateTime<Utc>,
    /// Whether the single-model call goes on answering.
    pub(super) is_served: bool,
}

impl Gap {
    fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.until
    }
}

impl Row {
    /// Whether the list shows it.
    pub(super) fn is_listed(&self, at: DateTime<Utc>) -> bool {
        self.born <= at && !self.gaps.iter().any(|gap| gap.holds(at))
    }

    /// Whether the single-model call finds it.
    pub(super) fn is_served(&self, at: DateTime<Utc>) -> bool {
        self.born <= at && !self.gaps.iter().any(|gap| gap.holds(at) && !gap.is_served)
    }

    /// Whether the list has lost it for good by then.
    pub(super) fn is_gone(&self, at: DateTime<Utc>) -> bool {
        self.gaps.iter().any(|gap| gap.from <= at && gap.until == END_OF_TIME)
    }

    /// Whether it is the size that gives its family the name.
    pub(super) fn is_largest(&self) -> bool {
        self.family.sizes.first().is_some_and(|size| size.suffix == self.size.suffix)
    }

    /// Whether it is the size that may be had for nothing.
    pub(super) fn is_smallest(&self) -> bool {
        self.family.sizes.last().is_some_and(|size| size.suffix == self.size.suffix)
    }

    /// The model whose variant it is.
    pub(super) fn twin_of(&self) -> Option<usize> {
        match self.kind {
            Kind::Free(model) | Kind::Batch(model) => Some(model),
            Kind::Plain | Kind::Alias(_) | Kind::Router => None,
        }
    }
}

/// A value that changes at certain moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Steps<T> {
    first: T,
    later: Vec<(DateTime<Utc>, T)>,
}

impl<T> Steps<T> {
    /// A value that has not changed yet.
    pub(super) fn new(first: T) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Changes it from a moment until the next change already known.
    pub(super) fn set(&mut self, at: DateTime<Utc>, value: T) {
        let place = self.later.partition_point(|(when, _)| *when <= at);
        self.later.insert(place, (at, value));
    }

    /// The value at a moment.
    pub(super) fn at(&self, at: DateTime<Utc>) -> &T {
        let passed = self.later.partition_point(|(when, _)| *when <= at);
        self.later[..passed].last().map_or(&self.first, |(_, value)| value)
    }
}
