//! What a usage costs under a price schedule: exact decimals, rounded once. What a usage does not tell
//! (images, audio, searches) is not counted.

use std::cmp::min;

use chrono::{DateTime, Datelike, Timelike, Utc};
use rust_decimal::Decimal;

use super::money::NanoUsd;
use super::price::{PriceSchedule, PriceTable};
use super::reading::Usage;

const MINUTES_PER_DAY: u32 = 24 * 60;

/// What `usage` costs at `at`; nine billion dollars and more are `i64::MAX`.
///
/// - Input tokens include cached ones: what was neither read from a cache nor written to one costs `prompt`.
///   Cached tokens cost `input_cache_read` and written ones `input_cache_write`, or `prompt` where the model has no
///   such price.
/// - Output tokens include reasoning: that part costs `internal_reasoning` *in place of* `completion` where the model
///   has such a price. Nearly every model that lists it lists its `completion` price there, and the provider bills
///   reasoning as output, so that adding the two would charge it twice.
/// - `request` is charged once.
/// - The tier is that of all input tokens, the window that of the minute in UTC.
#[must_use]
pub fn cost(prices: &PriceSchedule, usage: &Usage, at: DateTime<Utc>) -> NanoUsd {
    let table = prices.at(minute_of_week(at), usage.input_tokens.unwrap_or(0));
    charged(&table, usage, 1).and_then(NanoUsd::from_decimal).unwrap_or(NanoUsd(i64::MAX))
}

/// What the usage of so many requests costs together at the same prices, in dollars; `None` when that is no number.
#[must_use]
pub fn charged(prices: &PriceTable, usage: &Usage, requests: u64) -> Option<Decimal> {
    let input = usage.input_tokens.unwrap_or(0);
    let output = usage.output_tokens.unwrap_or(0);
    let read = usage.cached_tokens.unwrap_or(0);
    let written = usage.cache_write_tokens.unwrap_or(0);
    let uncached = input.saturating_sub(read.saturating_add(written));
    let reasoning = min(usage.reasoning_tokens.unwrap_or(0), output);

    let price = |key: &str| prices.get(key).copied();
    let prompt = price("prompt").unwrap_or_default();
    let completion = price("completion").unwrap_or_default();
    let parts = [
        (uncached, prompt),
        (read, price("input_cache_read").unwrap_or(prompt)),
        (written, price("input_cache_write").unwrap_or(prompt)),
        (output - reasoning, completion),
        (reasoning, price("internal_reasoning").unwrap_or(completion)),
        (requests, price("request").unwrap_or_default()),
    ];
    let mut parts = parts.into_iter();
    parts.try_fold(Decimal::ZERO, |total, (units, price)| total.checked_add(price.checked_mul(Decimal::from(units))?))
}

/// What a request of so many tokens would cost if nothing of it were cached.
#[must_use]
pub fn estimate(prices: &PriceSchedule, input_tokens: u64, output_tokens: u64, at: DateTime<Utc>) -> NanoUsd {
    let usage = Usage { input_tokens: Some(input_tokens), output_tokens: Some(output_tokens), ..Usage::default() };
    cost(prices, &usage, at)
}

/// Minutes since Monday 00:00 UTC.
fn minute_of_week(at: DateTime<Utc>) -> u16 {
    let minute = at.weekday().num_days_from_monday() * MINUTES_PER_DAY + at.num_seconds_from_midnight() / 60;
    u16::try_from(minute).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::price::Prices;
    use super::*;

    fn schedule(pricing: &Value) -> PriceSchedule {
        let Prices::Known(schedule) = Prices::parse(Some(pricing)) else { panic!("readable prices") };
        schedule
    }

    /// Tuesday 2026-11-24, the given time.
    fn tuesday(hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 24, hour, minute, 0).unwrap()
    }

    /// Input, cached, written, output, reasoning.
    fn usage([input, cached, written, output, reasoning]: [u64; 5]) -> Usage {
        Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cached_tokens: Some(cached),
            cache_write_tokens: Some(written),
            reasoning_tokens: Some(reasoning),
            cost: None,
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let haiku = json!({"prompt": "0.000001", "completion": "0.000005", "input_cache_read": "0.0000001", "input_cache_write": "0.00000125"});
        let plain = json!({"prompt": "0.000001", "completion": "0.000005"});
        let research = json!({"prompt": "0.000002", "completion": "0.000008", "internal_reasoning": "0.000003"});
        let per_call = json!({"prompt": "0", "completion": "0", "request": "0.005"});
        let check = |pricing: &Value, tokens: [u64; 5], dollars: &str| {
            let cost = cost(&schedule(pricing), &usage(tokens), tuesday(12, 0));
            assert_eq!(cost.to_string(), dollars, "{pricing} {tokens:?}");
        };
        check(&haiku, [0, 0, 0, 0, 0], "0");
        check(&haiku, [1000, 0, 0, 100, 0], "0.0015");
        check(&haiku, [12_315, 0, 12_312, 213, 0], "0.016458");
        check(&haiku, [1000, 600, 300, 10, 0], "0.000585");
        check(&haiku, [5, 600, 0, 0, 0], "0.00006");
        check(&haiku, [45, 0, 0, 38, 12], "0.000235");
        check(&plain, [1000, 600, 300, 10, 0], "0.00105");
        check(&research, [100, 0, 0, 50, 40], "0.0004");
        check(&research, [100, 0, 0, 10, 40], "0.00023");
        check(&per_call, [100, 0, 0, 10, 0], "0.005");
    }

    #[test]
    fn the_sum_is_rounded_once_and_half_to_even() {
        let check = |price: &str, tokens: u64, nanos: i64| {
            let prices = schedule(&json!({"prompt": price, "completion": "0"}));
            assert_eq!(estimate(&prices, tokens, 0, tuesday(0, 0)), NanoUsd(nanos), "{tokens} at {price}");
        };
        check("0.0000000005", 1, 0);
        check("0.0000000005", 3, 2);
        check("0.0000000005", 1_000_000, 500_000);
        check("0.00000008333333333333334", 3_000_000, 250_000_000);
        check("0.00000008333333333333334", 1, 83);
        check("1000000", u64::MAX, i64::MAX);
        check("79228162514264337593543950335", u64::MAX, i64::MAX);
    }

    #[test]
    fn tiers_and_windows_choose_the_price() {
        let tiered = schedule(&json!({"prompt": "0.000001", "completion": "0.000001",
            "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000002"}]}));
        assert_eq!(estimate(&tiered, 200_000, 1, tuesday(0, 0)).to_string(), "0.200001");
        assert_eq!(estimate(&tiered, 200_001, 1, tuesday(0, 0)).to_string(), "0.400003");
        let nightly = schedule(&json!({"prompt": "0.000002", "completion": "0", "overrides": [
            {"utc_start": 2200, "utc_end": 600, "prompt": "0.000001"},
            {"utc_start": 300, "utc_end": 400, "utc_days": ["tuesday"], "prompt": "0.0000005"}]}));
        let check = |hour, minute, nanos| {
            assert_eq!(estimate(&nightly, 1, 0, tuesday(hour, minute)), NanoUsd(nanos), "{hour}:{minute}");
        };
        check(21, 59, 2000);
        check(22, 0, 1000);
        check(3, 0, 500);
        check(4, 0, 1000);
        check(6, 0, 2000);
    }

    prop_compose! {
        /// Base prices, dearer above a threshold.
        fn any_schedule()(prices in prop::array::uniform6(0_u64..5_000), threshold in 0_u64..2_000, dearer in 0_u64..5_000) -> PriceSchedule {
            let text = |nanos: u64| Decimal::new(i64::try_from(nanos).unwrap(), 10).to_string();
            schedule(&json!({
                "prompt": text(prices[0]), "completion": text(prices[1]), "input_cache_read": text(prices[2]),
                "input_cache_write": text(prices[3]), "internal_reasoning": text(prices[4]), "request": text(prices[5]),
                "overrides": [{"min_prompt_tokens": threshold, "prompt": text(prices[0] + dearer)}],
            }))
        }
    }

    proptest! {
        #[test]
        fn more_tokens_never_cost_less(
            prices in any_schedule(),
            tokens in prop::array::uniform5(prop_oneof![0_u64..4_000, any::<u64>()]),
            more in 0_u64..1_000,
        ) {
            let before = cost(&prices, &usage(tokens), tuesday(12, 0));
            prop_assert!(before >= NanoUsd::ZERO);
            let [input, cached, written, output, reasoning] = tokens;
            let grown = [
                [input.saturating_add(more), cached, written, output, reasoning],
                [input, cached, written, output.saturating_add(more), reasoning],
            ];
            for tokens in grown {
                prop_assert!(cost(&prices, &usage(tokens), tuesday(12, 0)) >= before, "{tokens:?}");
            }
        }
    }
}
