//! The models that could take another's place, with what their names say and how they stand to each other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::name::{LOWEST, Name, UNMARKED, Version};
use crate::domain::lifecycle::{Known, State};
use crate::domain::model::Model;
use crate::domain::model_id::ModelId;
use crate::domain::price::Prices;
use crate::domain::vendor_end::VendorEnds;

/// A generation names its sizes with words of its own (`opus`, `sonnet`, `haiku`) where it has so many of them.
const LADDER_MIN: usize = 3;
/// Models of fewer than 4 billion parameters (in units of 100 million) are sold as nano and edge ones,
const TINY: u64 = 40;
/// and below 20 billion as mini and small ones.
const SMALL: u64 = 200;
/// Who sells no models but ways to others'.
const ROUTERS: &str = "openrouter";
/// Sizes that differ by less than this factor are one size.
const SAME_SIZE: u64 = 2;

/// A list, read for ranking.
#[derive(Debug, Default)]
pub struct Shelf {
    pub(super) books: Vec<Book>,
    ladders: Ladders,
}

/// The place that a maker's own words give: by maker, brand and word.
type Ladders = BTreeMap<(String, String, String), u8>;

/// One model on the shelf.
#[derive(Debug)]
pub(super) struct Book {
    pub model: Model,
    pub kin: Kin,
    /// Whether it could take another's place: it stays, is a model of its own and no alias or router.
    pub stays: bool,
    /// Models of the same line that came after it.
    pub outdone_by: usize,
    /// Days between it and its maker's newest model.
    pub days_behind: Option<i64>,
}

/// A name with the tier that its list gives it.
#[derive(Clone, Debug, Default)]
pub(super) struct Kin {
    pub name: Name,
    /// From 2 (smallest) to 10.
    pub tier: u8,
    pub traits: BTreeSet<String>,
    pub created: Option<DateTime<Utc>>,
}

impl Shelf {
    /// Reads a list. What it takes must be listed now; what has a date does not become a candidate.
    #[must_use]
    pub fn new<'a>(listed: impl IntoIterator<Item = &'a Model>) -> Self {
        let named: Vec<(&Model, Name)> =
            listed.into_iter().map(|model| (model, Name::parse(model.id.as_str()))).collect();
        let mut shelf = Self { ladders: ladders(&named), books: Vec::new() };
        shelf.books = named.into_iter().map(|(model, name)| shelf.book(model, name)).collect();
        for at in 0..shelf.books.len() {
            let book = &shelf.books[at];
            let later = shelf.books.iter().filter(|other| other.stays && other.outdoes(book)).count();
            let makers = shelf.books.iter().filter(|other| other.kin.name.author == book.kin.name.author);
            let newest = makers.filter_map(|other| other.kin.created).max();
            let behind = newest.zip(book.kin.created).map(|(newest, created)| (newest - created).num_days());
            (shelf.books[at].outdone_by, shelf.books[at].days_behind) = (later, behind);
        }
        shelf
    }

    /// What is listed of all that is known; nothing takes another's place that its own vendor ends.
    #[must_use]
    pub fn of(known: &Known, ends: &VendorEnds) -> Self {
        let listed = known.values().filter(|tracked| tracked.state == State::Listed);
        let mut shelf = Self::new(listed.map(|tracked| &tracked.model));
        for book in &mut shelf.books {
            book.stays &= !ends.contains_key(&book.model.id);
        }
        shelf
    }

    fn book(&self, model: &Model, name: Name) -> Book {
        let router = model.prices == Prices::Dynamic || name.author == ROUTERS;
        let stays = model.expires_on.date().is_none() && !model.id.is_alias() && !router;
        let kin = Kin { created: model.facts.created, ..self.kin(name) };
        Book { model: model.clone(), kin, stays, outdone_by: 0, days_behind: None }
    }

    /// Places a name among the makers' ladders. A maker's own word for a size is no trait.
    pub(super) fn kin(&self, mut name: Name) -> Kin {
        if name.author.is_empty() {
            let mut words = std::iter::once(&name.brand).chain(&name.traits);
            name.author = words.find_map(|word| self.author_of(word)).unwrap_or_default();
        }
        let rung = |word: &String| self.ladders.get(&(name.author.clone(), name.brand.clone(), word.clone())).copied();
        let (mut tier, mut traits) = (name.tier(), name.traits.clone());
        if let Some((word, place)) = name.traits.iter().find_map(|word| Some((word, rung(word)?))) {
            tier = place;
            traits.remove(word);
            traits.extend(name.tiers.iter().map(|word| (*word).to_owned()));
        }
        Kin { name, tier, traits, created: None }
    }

    /// Who makes most models of a brand: an id without its maker is one of theirs.
    fn author_of(&self, brand: &str) -> Option<String> {
        let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
        for book in self.books.iter().filter(|book| book.kin.name.brand == brand) {
            *makers.entry(&book.kin.name.author).or_default() += 1;
        }
        makers.into_iter().max_by_key(|(_, models)| *models).map(|(author, _)| author.to_owned())
    }

    /// The listed model that an id of somebody else's means: `claude-opus-4-8` is `anthropic/claude-opus-4.8`. Of
    /// several snapshots it is the one that is no preview, then the one of the shortest id.
    #[must_use]
    pub fn resolve(&self, id: &str) -> Option<&Model> {
        let exact = self.books.iter().find(|book| is_spelled(book.model.id.as_str(), id));
        let by_name = || {
            let name = Name::parse(id);
            let same = self.books.iter().filter(|book| {
                !book.model.id.is_alias() && book.model.id.variant().is_none() && book.kin.name.is_same(&name)
            });
            same.min_by_key(|book| (book.kin.name.preview != name.preview, book.model.id.as_str().len()))
        };
        exact.or_else(by_name).map(|book| &book.model)
    }

    /// The models on it, by id.
    pub(super) fn find(&self, id: &ModelId) -> Option<&Book> {
        self.books.iter().find(|book| book.model.id == *id)
    }
}

/// Whether two ids are one, written with points or dashes, with the maker or without.
fn is_spelled(listed: &str, id: &str) -> bool {
    let same = |a: &str, b: &str| a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| plain(a) == plain(b));
    same(listed, id) || listed.split_once('/').is_some_and(|(_, slug)| same(slug, id))
}

fn plain(byte: u8) -> u8 {
    if matches!(byte, b'.' | b'_') { b'-' } else { byte.to_ascii_lowercase() }
}

impl Book {
    /// Whether this one makes the other one the older of their line: it can do the same and came later. A line of its
    /// own (`-codex`) is outdone as well when the main line has gone on past it.
    fn outdoes(&self, other: &Self) -> bool {
        self.model.id.variant() == other.model.id.variant()
            && self.model.outputs.is_superset(&other.model.outputs)
            && self.model.inputs.is_superset(&other.model.inputs)
            && self.kin.is_line_of(&other.kin)
            && self.kin.is_after(&other.kin)
    }
}

impl Kin {
    /// The tier; of a name without a word for it, what its parameters say beside names that have one.
    pub(super) fn tier_or_size(&self) -> u8 {
        match self.name.size {
            Some(size) if self.tier == UNMARKED && size < TINY => LOWEST,
            Some(size) if self.tier == UNMARKED && size < SMALL => LOWEST.midpoint(UNMARKED),
            _ => self.tier,
        }
    }

    /// Whether it is the other one's line or the main line beside it: same maker, brand and size.
    fn is_line_of(&self, other: &Self) -> bool {
        (&self.name.author, &self.name.brand, self.tier) == (&other.name.author, &other.name.brand, other.tier)
            && self.traits.is_subset(&other.traits)
            && match (self.name.size, other.name.size) {
                (Some(a), Some(b)) => std::cmp::max(a, b) < std::cmp::min(a, b).saturating_mul(SAME_SIZE),
                (a, b) => a.is_some() == b.is_some(),
            }
    }

    /// Whether it came later: by the first number of the version, then by the day of its listing, then by the rest.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        let major = |kin: &Self| kin.name.version.map(|version: Version| version.major);
        if let (Some(a), Some(b)) = (major(self), major(other))
            && a != b
        {
            return a > b;
        }
        if let (Some(a), Some(b)) = (self.created, other.created)
            && a != b
        {
            return a > b;
        }
        matches!((self.name.version, other.name.version), (Some(a), Some(b)) if a > b)
    }
}

/// Finds generations that name every size with a word of its own, and places the words by price.
///
/// Where a maker's brand has, in one version, three or more models that are told apart by one unknown word each, and
/// none without such a word, the words are sizes: the dearest is the flagship.
fn ladders(named: &[(&Model, Name)]) -> Ladders {
    type Generation<'a> = (&'a str, &'a str, Version);
    let mut generations: BTreeMap<Generation<'_>, Vec<&(&Model, Name)>> = BTreeMap::new();
    for one in named.iter().filter(|(model, _)| model.id.variant().is_none() && !model.id.is_alias()) {
        if let Some(version) = one.1.version {
            generations.entry((&one.1.author, &one.1.brand, version)).or_default().push(one);
        }
    }
    let mut found = Ladders::new();
    for ((author, brand, _), members) in generations {
        let plain = members.iter().filter(|(_, name)| name.tiers.is_empty() && name.size.is_none());
        let mut rungs = Vec::new();
        for (model, name) in plain {
            match (name.traits.len(), name.traits.first(), model.prices.untimed()) {
                (1, Some(word), Some(prices)) => rungs.push((prices.base.get("completion").copied(), word)),
                _ => rungs.push((None, &name.brand)),
            }
        }
        let unclear = rungs.iter().any(|(price, _)| price.is_none());
        rungs.sort();
        rungs.dedup_by_key(|(price, _)| *price);
        if unclear || rungs.len() < LADDER_MIN {
            continue;
        }
        let steps = rungs.len() - 1;
        for (step, (_, word)) in rungs.into_iter().enumerate() {
            let above = usize::from(UNMARKED - LOWEST) * step / steps;
            let place = LOWEST + u8::try_from(above).unwrap_or_default();
            found.insert((author.to_owned(), brand.to_owned(), word.clone()), place);
        }
    }
    found
}
