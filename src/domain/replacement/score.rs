//! How like two models are, as numbers that are added up.

use super::Gone;
use super::shelf::{Book, Kin};
use crate::domain::model::Model;
use crate::domain::money::NanoUsd;

/// How like a candidate is to the lost model: each part from 0 (not at all) to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Same maker and brand.
    pub lineage: f64,
    /// Same place among its siblings, or a like number of parameters.
    pub tier: f64,
    /// Same speciality; one that the lost model had not weighs more than one that is given up.
    pub speciality: f64,
    /// Later than the lost model.
    pub later: f64,
    /// Nothing later in its own line.
    pub current: f64,
    /// Not long before the maker's newest model.
    pub fresh: f64,
    /// The share of the lost model's inputs and features that it has.
    pub abilities: f64,
    /// A like price; dearer weighs more than cheaper.
    pub price: f64,
    /// As much context.
    pub context: f64,
    /// As good in the list's benchmark.
    pub quality: f64,
}

/// How much each part counts; their sum is 1.
///
/// The order is design, the amounts were tuned on half of the successors that vendors named and checked on the other
/// (`tests/replacement.rs`): maker and brand, then size and speciality, then the newest of the line, and what the list
/// says of abilities, price, context and quality to decide among those.
const WEIGHTS: [f64; 10] = [0.28, 0.16, 0.14, 0.06, 0.10, 0.10, 0.05, 0.07, 0.02, 0.02];

/// A brand that the other name mentions (`llama-3.3-nemotron` and `nemotron-3`).
const MENTIONED: f64 = 0.9;
/// Another brand of the same maker (`o3` and `gpt-5`).
const SAME_AUTHOR: f64 = 0.7;
/// The same brand of another maker: what others make of an open model.
const SAME_BRAND: f64 = 0.35;
/// A place apart on the scale from 2 to 10 that makes two tiers wholly unlike.
const TIERS_APART: f64 = 6.0;
/// Twice the parameters take off so much.
const PER_DOUBLING: f64 = 0.3;
/// A word more than the lost model has takes off so much,
const PER_WORD_MORE: f64 = 0.4;
/// and a word less.
const PER_WORD_LESS: f64 = 0.2;
/// Days after which a model is old beside its maker's newest.
const OLD_DAYS: f64 = 730.0;
/// A third of the price is as far away as twice the price (log2 3 ≈ 1.6).
const CHEAPER_AS_DEARER: f64 = 1.6;
/// What a usual execution of a cheap model costs, in nano-dollars: 4,000 tokens at $0.025 a million.
const CHEAP_NANOS: u64 = 100_000;
/// What is not known counts half.
const UNKNOWN: f64 = 0.5;

impl Likeness {
    /// Compares a candidate with the lost model.
    pub(super) fn of(gone: &Gone<'_>, book: &Book) -> Self {
        Self {
            lineage: lineage(&gone.kin, &book.kin),
            tier: tier(&gone.kin, &book.kin),
            speciality: speciality(gone, book),
            later: later(&gone.kin, &book.kin),
            current: 1.0 / count(1 + book.outdone_by),
            fresh: book.days_behind.map_or(UNKNOWN, fresh),
            abilities: gone.last.map_or(UNKNOWN, |last| abilities(last, &book.model)),
            price: price(gone, book),
            context: gone.last.map_or(UNKNOWN, |last| at_least(book.model.context, last.context)),
            quality: gone.last.map_or(UNKNOWN, |last| {
                let quality = |model: &Model| model.facts.quality.map(u64::from);
                at_least(quality(&book.model), quality(last))
            }),
        }
    }

    /// The weighted sum, from 0 to 1.
    #[must_use]
    pub fn score(&self) -> f64 {
        let parts = [
            self.lineage,
            self.tier,
            self.speciality,
            self.later,
            self.current,
            self.fresh,
            self.abilities,
            self.price,
            self.context,
            self.quality,
        ];
        parts.iter().zip(WEIGHTS).map(|(part, weight)| part * weight).sum()
    }
}

fn lineage(gone: &Kin, kin: &Kin) -> f64 {
    let author = !gone.name.author.is_empty() && gone.name.author == kin.name.author;
    let brand = !gone.name.brand.is_empty() && gone.name.brand == kin.name.brand;
    match (author, brand) {
        (true, true) => 1.0,
        (true, false) if gone.traits.contains(&kin.name.brand) || kin.traits.contains(&gone.name.brand) => MENTIONED,
        (true, false) => SAME_AUTHOR,
        (false, true) => SAME_BRAND,
        (false, false) => 0.0,
    }
}

/// By parameters where both names tell them, else by the words of size.
fn tier(gone: &Kin, kin: &Kin) -> f64 {
    if let (Some(a), Some(b)) = (gone.name.size, kin.name.size) {
        let doublings = ratio(std::cmp::max(a, 1), std::cmp::max(b, 1)).log2().abs();
        return (1.0 - PER_DOUBLING * doublings).clamp(0.0, 1.0);
    }
    let apart = f64::from(gone.tier_or_size().abs_diff(kin.tier_or_size()));
    1.0 - apart.clamp(0.0, TIERS_APART) / TIERS_APART
}

fn speciality(gone: &Gone<'_>, book: &Book) -> f64 {
    let (was, is) = (&gone.kin.traits, &book.kin.traits);
    let more_words = is.difference(was).count();
    // What makes images as well is made for images.
    let more_outputs = gone.last.map_or(0, |last| book.model.outputs.difference(&last.outputs).count());
    let more = count(std::cmp::max(more_words, more_outputs));
    let less = count(was.difference(is).count());
    (1.0 - PER_WORD_MORE * more - PER_WORD_LESS * less).clamp(0.0, 1.0)
}

fn later(gone: &Kin, kin: &Kin) -> f64 {
    match (kin.is_after(gone), gone.is_after(kin)) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        (false, false) => UNKNOWN,
    }
}

fn fresh(days_behind: i64) -> f64 {
    let days = u32::try_from(days_behind).unwrap_or_default();
    (1.0 - f64::from(days) / OLD_DAYS).clamp(0.0, 1.0)
}

fn abilities(last: &Model, model: &Model) -> f64 {
    let (had, has) = (last.capabilities(), model.capabilities());
    if had.is_empty() { UNKNOWN } else { count(had.intersection(&has).count()) / count(had.len()) }
}

/// Half for twice the price, and for a third of it: cheaper is welcome and yet a sign of another class. In place of a
/// free model the cheapest is best.
fn price(gone: &Gone<'_>, book: &Book) -> f64 {
    let Some((was, is)) = gone.cost.zip(gone.mix.cost(&book.model.prices)) else { return UNKNOWN };
    let nanos = |cost: NanoUsd| cost.0.unsigned_abs();
    let like = |was: u64| {
        let doublings = ratio(nanos(is), was).log2();
        1.0 / (1.0 + if doublings > 0.0 { doublings } else { -doublings / CHEAPER_AS_DEARER })
    };
    match (was.is_positive(), is.is_positive()) {
        (false, false) => 1.0,
        (false, true) => UNKNOWN * like(CHEAP_NANOS),
        (true, false) => UNKNOWN,
        (true, true) => like(nanos(was)),
    }
}

/// 1 for as much or more, less in proportion.
fn at_least(has: Option<u64>, had: Option<u64>) -> f64 {
    has.zip(had).map_or(UNKNOWN, |(has, had)| ratio(has, std::cmp::max(had, 1)).clamp(0.0, 1.0))
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 52 bits")]
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}
