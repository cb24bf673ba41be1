//! Why a candidate is one, and what changes with it, in plain words.

use std::cmp::Ordering;

use super::Gone;
use super::score::Likeness;
use super::shelf::Book;
use crate::domain::model::Model;
use crate::domain::money::NanoUsd;
use crate::domain::price::{PriceSchedule, Prices, per_million};

/// From this part on, a likeness is worth a sentence.
const CLEAR: f64 = 0.99;
/// From three times the price on (in tenths of a percent), times are easier to grasp than percents.
const TIMES_TENTHS: i64 = 2_000;

/// Why it is a candidate, the strongest reason first. `likeness` is missing where it is not why.
pub(super) fn why(gone: &Gone<'_>, book: &Book, likeness: Option<&Likeness>) -> Vec<String> {
    if gone.is_same_model(&book.model) {
        return vec!["it is the same model under another id".to_owned()];
    }
    let mut found = likeness.map(|likeness| kinship(gone, book, likeness)).unwrap_or_default();
    if gone.last.is_none() {
        found.push("no list describes the old model, so this rests on its name alone".to_owned());
    }
    found
}

/// What changes with it.
pub(super) fn effects(
    gone: &Gone<'_>,
    model: &Model,
    (cost, price_change): (Option<NanoUsd>, Option<i64>),
    lost_capabilities: &[String],
) -> Vec<String> {
    let Some(last) = gone.last else { return not_free(gone, model, cost).into_iter().collect() };
    let abilities = match lost_capabilities {
        [] => (!last.capabilities().is_empty()).then(|| "it can do all that the old one could".to_owned()),
        some => Some(format!("it lacks {}", some.iter().map(|name| ability(name)).collect::<Vec<_>>().join(", "))),
    };
    let price = not_free(gone, model, cost).or_else(|| price_change.map(price));
    [price, context(last, model), quality(last, model), abilities].into_iter().flatten().collect()
}

fn kinship(gone: &Gone<'_>, book: &Book, likeness: &Likeness) -> Vec<String> {
    let mut found = Vec::new();
    let (was, is) = (&gone.kin.name, &book.kin.name);
    let author = !is.author.is_empty() && was.author == is.author;
    found.push(match (author, was.brand == is.brand) {
        (true, true) => format!("same maker and family ({})", is.brand),
        (true, false) => format!("same maker ({})", is.author),
        (false, true) => format!("same family ({}) of another maker", is.brand),
        (false, false) => "a like model of another maker".to_owned(),
    });
    if likeness.later >= CLEAR && likeness.lineage > 0.0 {
        found.push("it is newer".to_owned());
    }
    if likeness.current >= CLEAR && likeness.lineage >= CLEAR {
        found.push("the newest of its line".to_owned());
    }
    if likeness.lineage > 0.0 && likeness.tier >= CLEAR && likeness.speciality >= CLEAR {
        found.push("same class and purpose".to_owned());
    }
    found
}

fn not_free(gone: &Gone<'_>, model: &Model, cost: Option<NanoUsd>) -> Option<String> {
    let was_free = gone.cost == Some(NanoUsd::ZERO) || gone.variant == Some("free");
    let Prices::Known(PriceSchedule { base, .. }) = &model.prices else { return None };
    let price = |key: &str| per_million(base.get(key).copied().unwrap_or_default());
    (was_free && cost.is_some_and(NanoUsd::is_positive))
        .then(|| format!("it is not free: ${} per million tokens in and ${} out", price("prompt"), price("completion")))
}

fn price(tenths: i64) -> String {
    let percent = (tenths.unsigned_abs() + 5) / 10;
    match tenths {
        -4..=4 => "it costs the same".to_owned(),
        TIMES_TENTHS.. => format!("it costs {} times as much", (percent + 150) / 100),
        5.. => format!("it costs {percent}% more"),
        _ => format!("it costs {percent}% less"),
    }
}

/// Said also when it stays: whoever moves wants to know.
fn context(last: &Model, model: &Model) -> Option<String> {
    let (had, has) = last.context.zip(model.context)?;
    Some(match has.cmp(&had) {
        Ordering::Less => format!("a smaller context: {} tokens, not {}", grouped(has), grouped(had)),
        Ordering::Equal => format!("the same context: {} tokens", grouped(has)),
        Ordering::Greater => format!("a larger context: {} tokens, not {}", grouped(has), grouped(had)),
    })
}

fn quality(last: &Model, model: &Model) -> Option<String> {
    let (had, has) = last.facts.quality.zip(model.facts.quality)?;
    let index = |tenths: u16| format!("{}.{}", tenths / 10, tenths % 10);
    (had != has).then(|| format!("intelligence index {}, not {}", index(has), index(had)))
}

/// A capability as people name it.
fn ability(name: &str) -> String {
    match name.split_once(':') {
        Some(("input", modality)) => format!("{modality} input"),
        Some(("output", modality)) => format!("{modality} output"),
        _ => name.replace('_', " "),
    }
}

/// 1,048,576.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let at_thousand = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits.chars().enumerate().flat_map(|(at, c)| at_thousand(at).then_some(',').into_iter().chain([c])).collect()
}
