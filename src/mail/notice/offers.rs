//! What a mail offers to move to, and on whose tokens it compares prices.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Item;
use crate::domain::lifecycle::Known;
use crate::domain::model_id::ModelId;
use crate::domain::news::News;
use crate::domain::replacement::{self, Candidate, Mix, Named, Needs, Shelf};
use crate::domain::settled::CONTEXT;
use crate::domain::vendor_end::VendorEnds;
use crate::mail::text::{harmless, sentence};

/// Models to move to that a mail shows for one model.
const REPLACEMENTS_MAX: usize = 3;

/// What a recipient can move to.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    /// Every model ever listed.
    pub known: &'a Known,
    /// Those that are listed now.
    pub shelf: &'a Shelf,
    /// Whom vendors, or OpenRouter, name in place of a model.
    pub named: &'a BTreeMap<ModelId, Vec<Named>>,
    /// What vendors end.
    pub ends: &'a VendorEnds,
    /// The recipient's usual execution on a model, where it is known.
    pub mixes: &'a BTreeMap<ModelId, Mix>,
    /// What the recipient's executions on a model need, where it is known.
    pub needs: &'a BTreeMap<ModelId, Needs>,
}

#[derive(Serialize)]
pub(super) struct Replacement {
    id: String,
    name: String,
    why: String,
    effects: String,
}

/// Whether the recipient has to look for another model.
fn has_to_move(news: &News) -> bool {
    match news {
        News::Deprecated { .. } | News::Removed { .. } | News::Missing { .. } => true,
        News::DateChanged { is, .. } => is.is_some(),
        News::Repriced(repricing) => repricing.difference().is_positive(),
        News::Ability(news) => !news.lost.is_empty(),
        News::Returned { .. } => false,
    }
}

/// The best to move to; only the new id when the model merely has another one.
pub(super) fn replacements(item: &Item<'_>, choices: Choices<'_>) -> Vec<Replacement> {
    if !has_to_move(&item.news) {
        return Vec::new();
    }
    let id = &item.tracked.model.id;
    let named = choices.named.get(id).map_or(&[][..], Vec::as_slice);
    if id.is_vendors_own() {
        return named.iter().map(vendors_own).collect();
    }
    let mix = choices.mixes.get(id).copied().unwrap_or_default();
    let needs = choices.needs.get(id).copied().unwrap_or_default();
    let mut best = replacement::replacements(choices.shelf, item.tracked, named, mix, needs);
    best.retain(|candidate| helps(candidate, &item.news, choices.known));
    let renamed = item.tracked.successor.is_some() && best.first().is_some_and(|best| best.score >= 1.0);
    let shown = if renamed { 1 } else { REPLACEMENTS_MAX };
    best.iter().take(shown).map(|candidate| replacement_view(candidate, choices.known)).collect()
}

/// Whether a candidate is better in what the news are about: cheaper, or able.
fn helps(candidate: &Candidate, news: &News, known: &Known) -> bool {
    match news {
        News::Repriced(_) => candidate.price_change.is_some_and(|change| change < 0),
        News::Ability(news) => {
            let Some(model) = known.get(&candidate.model).map(|tracked| &tracked.model) else { return false };
            let able = model.capabilities();
            news.lost.iter().all(|lost| match lost.tokens {
                Some((before, _)) if lost.what == CONTEXT => model.context.is_none_or(|tokens| tokens >= before),
                _ => able.contains(&lost.what),
            })
        }
        _ => true,
    }
}

/// What a vendor names to those who call it directly: its own id, for OpenRouter's are of no use there.
fn vendors_own(named: &Named) -> Replacement {
    let id = harmless(&named.id);
    Replacement { name: id.clone(), id, why: named.says.clone(), effects: String::new() }
}

fn replacement_view(candidate: &Candidate, known: &Known) -> Replacement {
    let id = candidate.model.as_str();
    let name = known.get(&candidate.model).map_or(id, |tracked| &tracked.model.name);
    let (why, effects) = (sentence(&candidate.why, ", "), sentence(&candidate.effects, "; "));
    Replacement { id: harmless(id), name: harmless(name), why, effects }
}

/// On whose tokens prices are compared.
pub(super) fn basis(items: &[Item<'_>], choices: Choices<'_>) -> Option<&'static str> {
    let is_ranked = |item: &&Item<'_>| has_to_move(&item.news) && !item.tracked.model.id.is_vendors_own();
    let moved = || items.iter().filter(is_ranked);
    let own = |item: &Item<'_>| choices.mixes.contains_key(&item.tracked.model.id);
    moved().next()?;
    Some(match (moved().all(own), moved().any(own)) {
        (true, _) => "Prices are compared on the tokens that you used in the last 30 days.",
        (false, true) => {
            "Prices are compared on the tokens that you used in the last 30 days; \
             where those are too few, on 3,000 tokens in and 1,000 out."
        }
        (false, false) => {
            "Prices are compared on 3,000 tokens in and 1,000 out, for you used too few in the last 30 days."
        }
    })
}
