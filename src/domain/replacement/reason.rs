//! Why a candidate is one, and what changes with it, in plain words.

use super::score::Likeness;
use super::shelf::Book;
use super::{Gone, NanoUsd};
use crate::domain::model::Model;

/// From this part on, a likeness is worth a sentence.
const CLEAR: f64 = 0.99;
/// From three times the price on (in tenths of a percent), times are easier to grasp than percents.
const TIMES_TENTHS: i64 = 2_000;

/// The reasons for a candidate, the strongest first. `likeness` is missing where it is not why.
pub(super) fn reasons(
    gone: &Gone<'_>,
    book: &Book,
    likeness: Option<&Likeness>,
    (cost, price_change): (Option<NanoUsd>, Option<i64>),
    lost_capabilities: &[String],
) -> Vec<String> {
    let mut found = Vec::new();
    if gone.is_same_model(&book.model) {
        found.push("it is the same model under another id".to_owned());
    } else if let Some(likeness) = likeness {
        found.extend(kinship(gone, book, likeness));
    }
    found.extend(price(gone, cost, price_change));
    if let Some(last) = gone.last {
        found.extend(context(last, &book.model));
        found.extend(quality(last, &book.model));
        found.push(match lost_capabilities {
            [] if last.capabilities().is_empty() => return found,
            [] => "it can do all that the old one could".to_owned(),
            lost => format!("it lacks {}", lost.iter().map(|name| ability(name)).collect::<Vec<_>>().join(", ")),
        });
    } else {
        found.push("no list describes the old model, so this rests on its name alone".to_owned());
    }
    found
}

fn kinship(gone: &Gone<'_>, book: &Book, likeness: &Likeness) -> Vec<String> {
    let mut found = Vec::new();
    let (was, is) = (&gone.kin.name, &book.kin.name);
    let author = !is.author.is_empty() && was.author == is.author;
    found.push(match (author, was.brand == is.brand) {
        (true, true) => format!("same maker and family ({})", is.brand),
        (true, false) => format!("same maker ({})", is.author),
        (false, true) => format!("same family ({}) of another maker", is.brand),
        (false, false) => "another maker, like in what it is and costs".to_owned(),
    });
    if likeness.later >= CLEAR && likeness.lineage > 0.0 {
        found.push("it is newer".to_owned());
    }
    if likeness.current >= CLEAR && likeness.lineage >= CLEAR {
        found.push("the newest of its line".to_owned());
    }
    if likeness.tier >= CLEAR && likeness.speciality >= CLEAR {
        found.push("same class and purpose".to_owned());
    }
    found
}

fn price(gone: &Gone<'_>, cost: Option<NanoUsd>, price_change: Option<i64>) -> Option<String> {
    let was_free = gone.cost == Some(NanoUsd::ZERO) || gone.variant == Some("free");
    if was_free && cost.is_some_and(NanoUsd::is_positive) {
        return Some("it is not free, as the old one was".to_owned());
    }
    let tenths = price_change?;
    let percent = (tenths.unsigned_abs() + 5) / 10;
    Some(match tenths {
        -4..=4 => "it costs the same".to_owned(),
        TIMES_TENTHS.. => format!("it costs {} times as much", (percent + 150) / 100),
        5.. => format!("it costs {percent} % more"),
        _ => format!("it costs {percent} % less"),
    })
}

fn context(last: &Model, model: &Model) -> Option<String> {
    let (had, has) = last.context.zip(model.context)?;
    let size = if has < had { "smaller" } else { "larger" };
    (has != had).then(|| format!("a {size} context: {} tokens, not {}", grouped(has), grouped(had)))
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
