//! What a mail says of prices: old and new, by tier and hour, and what that makes on the recipient's own month.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::{Fact, Item, Words, short};
use crate::domain::bill::{Load, Repricing};
use crate::domain::model::Model;
use crate::domain::money::NanoUsd;
use crate::domain::news::News;
use crate::domain::price::{PriceSchedule, per_million};
use crate::mail::figures::{monthly, number, percent, usd};
use crate::mail::text::{harmless, short_day};

/// The prices that a bill is made of: key, label, and what holds where there is none.
const KEYS: [(&str, &str, &str); 5] = [
    ("prompt", "Input", "nothing"),
    ("completion", "Output", "nothing"),
    ("input_cache_read", "Cached input", "as input"),
    ("internal_reasoning", "Reasoning", "as output"),
    ("request", "Each request", "nothing"),
];
/// What is priced by the request, and not by the token.
const PER_REQUEST: &str = "request";

/// `costs 30% more since 3 August 2026, about $12.30 more a month for you`
pub(super) fn headline(repricing: &Repricing) -> String {
    let since = short_day(repricing.since.date_naive());
    format!("{} since {since}, {} for you", change(repricing), monthly(repricing.difference()))
}

/// `costs 30% more`, `costs half`, `is no longer free`
fn change(repricing: &Repricing) -> String {
    if repricing.was == NanoUsd::ZERO {
        return "is no longer free".to_owned();
    }
    let difference = repricing.difference();
    #[expect(clippy::cast_precision_loss, reason = "a share, shown in whole percent")]
    let share = percent(difference.0.unsigned_abs() as f64 / repricing.was.0 as f64);
    format!("costs {share} {}", if difference.is_positive() { "more" } else { "less" })
}

pub(super) fn facts(repricing: &Repricing, model: &Model) -> Vec<Fact> {
    let fact = |label, value| Fact { label, value };
    let mut facts = price_facts(repricing);
    if let Some(target) = &model.alias_target {
        facts.push(fact("Stands for", harmless(target)));
    }
    let (was, is) = (usd(repricing.was), usd(repricing.is));
    facts.push(fact("Your month", format!("{was} → {is}, on {}", month(&repricing.load))));
    facts.push(fact("Holds since", short_day(repricing.since.date_naive())));
    facts
}

fn month(load: &Load) -> String {
    let tokens = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    let (input, output) = (tokens(load.input), tokens(load.output));
    if load.is_assumed {
        return format!("{input} tokens in and {output} out, which is assumed, for no execution of yours is known");
    }
    #[expect(clippy::cast_precision_loss, reason = "a share, shown in whole percent")]
    let cached = match load.cached {
        0 => String::new(),
        cached => format!(" ({} of them cached)", percent(cached as f64 / load.input as f64)),
    };
    format!("the {input} tokens in{cached} and {output} out that you used in the last 30 days")
}

/// The prices that differ: for each tier, over the hours of the week.
fn price_facts(repricing: &Repricing) -> Vec<Fact> {
    let (before, after) = (&repricing.before, &repricing.after);
    let tiers: BTreeSet<u64> = before.break_tokens().chain(after.break_tokens()).collect();
    let mut facts = Vec::new();
    for (key, label, without) in KEYS {
        let matters = match key {
            "input_cache_read" => repricing.load.cached > 0,
            "internal_reasoning" => repricing.load.reasoning > 0,
            _ => true,
        };
        let lines = tiers.iter().filter(|_| matters).filter_map(|tier| {
            let (old, new) = (shown(before, key, *tier, without), shown(after, key, *tier, without));
            let unit = if key == PER_REQUEST { "" } else { " per million tokens" };
            (old != new).then(|| format!("{old} → {new}{unit}{}", tier_name(*tier, &tiers)))
        });
        facts.extend(lines.map(|value| Fact { label, value }));
    }
    facts
}

/// `$1.25`, or `$0.66 to $1.32 by the hour`
fn shown(prices: &PriceSchedule, key: &str, tokens: u64, without: &str) -> String {
    let price = |minute| prices.at(minute, tokens).get(key).copied();
    let over: BTreeSet<Option<Decimal>> = prices.break_minutes().map(price).collect();
    let text = |price: &Option<Decimal>| match price {
        Some(price) if key == PER_REQUEST => format!("${}", price.normalize()),
        Some(price) => format!("${}", per_million(*price)),
        None => without.to_owned(),
    };
    match (over.first(), over.last()) {
        (Some(least), Some(most)) if least != most => format!("{} to {} by the hour", text(least), text(most)),
        (Some(price), _) => text(price),
        _ => without.to_owned(),
    }
}

/// `, for prompts of over 200,000 tokens`, where there are tiers.
fn tier_name(tier: u64, tiers: &BTreeSet<u64>) -> String {
    let tokens = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    match (tier, tiers.range(tier + 1..).next()) {
        (0, None) => String::new(),
        (0, Some(next)) => format!(", for prompts of up to {} tokens", tokens(next - 1)),
        (tier, _) => format!(", for prompts of over {} tokens", tokens(tier - 1)),
    }
}

pub(super) fn because(repricing: &Repricing) -> String {
    let since = repricing.since.format("%Y-%m-%dT%H:%MZ");
    let assumed = if repricing.load.is_assumed { " on assumed use" } else { "" };
    let prices: Vec<String> =
        price_facts(repricing).iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    format!(
        "{}; {} → {} a month{assumed}; held since {since}",
        prices.join(", "),
        usd(repricing.was),
        usd(repricing.is)
    )
}

/// The words of a mail about prices.
pub(super) fn words(items: &[Item<'_>]) -> Words {
    let changes =
        || items.iter().filter_map(|item| if let News::Repriced(change) = &item.news { Some(change) } else { None });
    let total = NanoUsd(changes().map(|change| change.difference().0).fold(0, i64::saturating_add));
    let dearer = changes().any(|change| change.difference().is_positive());
    let title = match items {
        [item] => {
            let said = changes().next().map_or_else(String::new, |repricing| change(repricing));
            format!("{} {said}: {}", short(&item.tracked.model.name), monthly(total))
        }
        _ => format!("{} models you use have other prices: {}", items.len(), monthly(total)),
    };
    let opening = if items.len() == 1 {
        "A model that you use has other prices on OpenRouter. The change has held for days, so it is no mistake of an hour."
    } else {
        "Models that you use have other prices on OpenRouter. The changes have held for days, so they are no mistakes of an hour."
    };
    let to_do = if dearer {
        "Nothing has to be done. If it is too much, what could be cheaper stands below."
    } else {
        "Nothing. What you run costs less."
    };
    Words {
        title,
        opening: opening.to_owned(),
        to_do: to_do.to_owned(),
        offers: "What could be cheaper",
        ..Words::default()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use crate::domain::price::Prices;

    use super::*;

    fn schedule(pricing: &Value) -> PriceSchedule {
        let Prices::Known(schedule) = Prices::parse(Some(pricing)) else { panic!("readable prices") };
        schedule
    }

    fn check(before: &Value, after: &Value, expected: &[&str]) {
        let (before, after) = (schedule(before), schedule(after));
        let load = Load { executions: 100, input: 1_000_000, cached: 400_000, output: 100_000, ..Load::default() };
        let (was, is) = (load.cost(&before), load.cost(&after));
        let repricing = Repricing { since: DateTime::UNIX_EPOCH, before, after, was, is, load };
        let mut told: Vec<String> =
            price_facts(&repricing).iter().map(|fact| format!("{}: {}", fact.label, fact.value)).collect();
        told.push(headline(&repricing));
        assert_eq!(told, expected);
    }

    #[test]
    fn prices_are_told_per_million_by_tier_and_hour() {
        check(
            &json!({"prompt": "0.00001", "completion": "0.00002"}),
            &json!({"prompt": "0.000015", "completion": "0.00002"}),
            &[
                "Input: $10 → $15 per million tokens",
                "costs 42% more since 1 January 1970, about $5.00 more a month for you",
            ],
        );
        check(
            &json!({"prompt": "0.00001", "completion": "0.00002", "input_cache_read": "0.000001", "request": "0.01"}),
            &json!({"prompt": "0.00001", "completion": "0.00001"}),
            &[
                "Output: $20 → $10 per million tokens",
                "Cached input: $1 → as input per million tokens",
                "Each request: $0.01 → nothing",
                "costs 17% more since 1 January 1970, about $1.60 more a month for you",
            ],
        );
        check(
            &json!({"prompt": "0", "completion": "0"}),
            &json!({"prompt": "0.00001", "completion": "0", "overrides": [
                {"min_prompt_tokens": 200_000, "prompt": "0.00002"}, {"utc_start": 100, "utc_end": 900, "prompt": "0.000005"}]}),
            &[
                "Input: nothing → $5 to $10 by the hour per million tokens, for prompts of up to 200,000 tokens",
                "Input: nothing → $5 to $20 by the hour per million tokens, for prompts of over 200,000 tokens",
                "is no longer free since 1 January 1970, about $8.33 more a month for you",
            ],
        );
    }
}
