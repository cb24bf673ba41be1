//! What to move to when a model goes away: ranked candidates and why, from the list and the ids alone.
//!
//! Who replaces what is read from names, not from a table of models. A successor is of the same maker and brand, of
//! the same size and speciality, and the newest of its line; only then do abilities, price, context and quality
//! decide. Each of these is a number from 0 to 1 ([`score::Likeness`]) and the score is their weighted sum, so that
//! the order can be explained line by line. What the vendor or OpenRouter itself names goes before all of it.
//!
//! Never offered: the model itself, aliases and routers, what is announced to go, a `:free` row in place of a paid
//! model, what cannot give what the lost one gave (an image, a vector), and what takes fewer tokens than are needed.

pub mod name;
mod reason;
mod score;
mod shelf;

use name::Name;
pub use score::Likeness;
pub use shelf::Shelf;
use shelf::{Book, Kin};

use super::lifecycle::Tracked;
use super::model::Model;
use super::model_id::ModelId;
use super::money::NanoUsd;
use super::price::Prices;
use super::pricing;
use super::reading::Usage;

/// The score of what is the same model under another id; what is only like it stays below.
const SAME_MODEL: f64 = 0.99;
/// Candidates that are given; nobody reads more.
pub const CANDIDATES_MAX: usize = 10;
/// The highest score of what is merely like the lost model.
const LIKENESS_MAX: f64 = 0.98;

/// What a candidate must take the place of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lost<'a> {
    /// The id, as the list had it or as anybody writes it.
    pub id: &'a str,
    /// Its last entry, where one is known.
    pub last: Option<&'a Model>,
    /// Who is named in its place, best first; they win.
    pub named: &'a [Named],
    /// What its executions need.
    pub needs: Needs,
    /// The tokens of a usual execution.
    pub mix: Mix,
}

/// A successor that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id, in OpenRouter's or the vendor's own notation.
    pub id: String,
    /// Who says so and how, as a sentence: `OpenAI names it as the successor`.
    pub says: String,
}

/// What the executions on the lost model need, where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The longest input and output together, in tokens.
    pub context: Option<u64>,
    /// The longest output, in tokens.
    pub output: Option<u64>,
}

/// The tokens of a usual execution, on which prices are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// All input tokens.
    pub input: u64,
    /// Those of them that a cache gives.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
}

/// Three tokens in for one out, none cached: the blend in which published price comparisons are made
/// (<https://artificialanalysis.ai/methodology>).
impl Default for Mix {
    fn default() -> Self {
        Self { input: 3_000, cached: 0, output: 1_000 }
    }
}

impl Mix {
    /// What an execution costs; `None` when the price is not known or depends.
    #[must_use]
    pub fn cost(self, prices: &Prices) -> Option<NanoUsd> {
        let usage = Usage {
            input_tokens: Some(self.input),
            cached_tokens: Some(self.cached),
            output_tokens: Some(self.output),
            ..Usage::default()
        };
        Some(pricing::cost(&prices.untimed()?, &usage, chrono::DateTime::UNIX_EPOCH))
    }
}

/// A model to move to.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its id.
    pub model: ModelId,
    /// From 0 to 1; 1 for who is named.
    pub score: f64,
    /// Why it is one, in plain words.
    pub why: Vec<String>,
    /// What changes with it: price, context, quality, abilities.
    pub effects: Vec<String>,
    /// By how much the bill changes on the mix, in tenths of a percent; unknown when a price is, or when the lost
    /// model cost nothing.
    pub price_change: Option<i64>,
    /// What the lost model could and this one cannot.
    pub lost_capabilities: Vec<String>,
}

impl Candidate {
    /// Why it is one and what changes with it.
    #[must_use]
    pub fn reasons(&self) -> Vec<&str> {
        self.why.iter().chain(&self.effects).map(String::as_str).collect()
    }

    /// By how much the bill changes, in percent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio of prices, shown with one digit")]
    pub fn price_change_pct(&self) -> Option<f64> {
        self.price_change.map(|tenths| tenths as f64 / 10.0)
    }
}

/// What could replace a model that was listed once: what the list itself names, then what `vendor` names, then what
/// is most like it, on the tokens of a usual execution.
#[must_use]
pub fn replacements(shelf: &Shelf, tracked: &Tracked, vendor: &[Named], mix: Mix, needs: Needs) -> Vec<Candidate> {
    let says = |id: &str, says: &str| Named { id: id.to_owned(), says: says.to_owned() };
    let renamed = tracked.successor.as_ref();
    let renamed = renamed.map(|id| says(id.as_str(), "OpenRouter lists the same model under this id now"));
    let target = tracked.model.alias_target.as_ref().map(|id| says(id, "the alias stood for this model"));
    let named: Vec<Named> = renamed.into_iter().chain(target).chain(vendor.iter().cloned()).collect();
    let model = &tracked.model;
    shelf.rank(&Lost { id: model.id.as_str(), last: Some(model), named: &named, mix, needs })
}

impl Shelf {
    /// The models to move to, at most [`CANDIDATES_MAX`], best first; empty when neither the id nor an entry says what
    /// the lost model was.
    #[must_use]
    pub fn rank(&self, lost: &Lost<'_>) -> Vec<Candidate> {
        let gone = self.gone(lost);
        let mut best: Vec<Candidate> = Vec::new();
        for named in lost.named {
            let book = self.resolve(&named.id).and_then(|model| self.find(&model.id));
            let is_new = |book: &&Book| best.iter().all(|candidate| candidate.model != book.model.id);
            if let Some(book) = book.filter(|book| book.stays && book.model.id.as_str() != lost.id).filter(is_new) {
                let mut candidate = gone.describe(book, 1.0, None);
                candidate.why.insert(0, named.says.clone());
                best.push(candidate);
            }
        }
        let others = self.books.iter().filter(|book| book.stays && gone.could_become(book));
        let others = others.filter(|book| best.iter().all(|candidate| candidate.model != book.model.id));
        let mut scored: Vec<_> = others.filter_map(|book| gone.score(book)).collect();
        scored.sort_by(|(a, one, _), (b, other, _)| b.total_cmp(a).then_with(|| one.model.id.cmp(&other.model.id)));
        best.extend(
            scored
                .iter()
                .take(CANDIDATES_MAX)
                .map(|(score, book, likeness)| gone.describe(book, *score, likeness.as_ref())),
        );
        best.truncate(CANDIDATES_MAX);
        best
    }

    fn gone<'a>(&self, lost: &Lost<'a>) -> Gone<'a> {
        let kin = self.kin(Name::parse(lost.id));
        let created = lost.last.and_then(|model| model.facts.created);
        Gone {
            id: lost.id,
            variant: lost.id.rsplit_once(':').map(|(_, variant)| variant),
            last: lost.last,
            kin: Kin { created, ..kin },
            needs: lost.needs,
            cost: lost.last.and_then(|model| lost.mix.cost(&model.prices)),
            mix: lost.mix,
        }
    }
}

/// The lost model, as far as it is known.
struct Gone<'a> {
    id: &'a str,
    variant: Option<&'a str>,
    last: Option<&'a Model>,
    kin: Kin,
    needs: Needs,
    cost: Option<NanoUsd>,
    mix: Mix,
}

impl Gone<'_> {
    /// The rules that no likeness outweighs.
    fn could_become(&self, book: &Book) -> bool {
        let model = &book.model;
        let variant = model.id.variant();
        let enough = |has: Option<u64>, needed: Option<u64>| has.zip(needed).is_none_or(|(has, needed)| has >= needed);
        model.id.as_str() != self.id
            && variant.is_none_or(|variant| Some(variant) == self.variant)
            && self.outputs_in(model)
            && enough(model.context, self.needs.context)
            && enough(model.facts.max_output, self.needs.output)
    }

    /// Whether it gives what the lost one gave. Of a model that no list describes, its name says whether it made
    /// anything but text.
    fn outputs_in(&self, model: &Model) -> bool {
        match self.last {
            Some(last) if !last.outputs.is_empty() && !model.outputs.is_empty() => {
                model.outputs.is_superset(&last.outputs)
            }
            _ => {
                let unusual = ["image", "audio", "video", "embedding", "rerank"];
                let text_only = !self.kin.traits.iter().any(|word| unusual.contains(&word.as_str()));
                !text_only || model.outputs.is_empty() || model.outputs.iter().all(|output| output == "text")
            }
        }
    }

    /// Whether the list has the same model under another id, a paid row of a free one included.
    fn is_same_model(&self, model: &Model) -> bool {
        let slug = |model: &Model| model.canonical_slug.clone();
        self.last.and_then(slug).is_some_and(|gone| slug(model) == Some(gone))
    }

    /// The score, and the likeness it comes from; `None` for what has nothing to do with it.
    fn score<'a>(&self, book: &'a Book) -> Option<(f64, &'a Book, Option<Likeness>)> {
        if self.is_same_model(&book.model) {
            return Some((SAME_MODEL, book, None));
        }
        let likeness = Likeness::of(self, book);
        let kindred = self.last.is_some() || likeness.lineage > 0.0;
        kindred.then(|| (likeness.score() * LIKENESS_MAX, book, Some(likeness)))
    }

    fn describe(&self, book: &Book, score: f64, likeness: Option<&Likeness>) -> Candidate {
        let cost = self.mix.cost(&book.model.prices);
        let price_change = self.cost.zip(cost).and_then(|(was, is)| change(was, is));
        let lost_capabilities = self.lost_capabilities(&book.model);
        Candidate {
            model: book.model.id.clone(),
            score,
            why: reason::why(self, book, likeness),
            effects: reason::effects(self, &book.model, (cost, price_change), &lost_capabilities),
            price_change,
            lost_capabilities,
        }
    }

    fn lost_capabilities(&self, model: &Model) -> Vec<String> {
        let Some(last) = self.last else { return Vec::new() };
        let (had, has) = (last.capabilities(), model.capabilities());
        let features_known = model.features.is_some();
        had.difference(&has).filter(|name| features_known || name.contains(':')).cloned().collect()
    }
}

/// The change from one cost to another in tenths of a percent; `None` from nothing.
fn change(was: NanoUsd, is: NanoUsd) -> Option<i64> {
    let (was, more) = (i128::from(was.0), i128::from(is.0) - i128::from(was.0));
    let half = was / 2 * more.signum();
    (was > 0).then(|| i64::try_from((more * 1_000 + half) / was).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "replacement/tests.rs"]
mod tests;
