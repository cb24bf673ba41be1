//! What a month costs, and when a change of prices is worth a mail.

use chrono::{TimeDelta, TimeZone};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::price::Prices;
use super::*;

fn schedule(pricing: &Value) -> PriceSchedule {
    let Prices::Known(schedule) = Prices::parse(Some(pricing)) else { panic!("readable prices") };
    schedule
}

fn flat(prompt: &str) -> PriceSchedule {
    schedule(&json!({"prompt": prompt, "completion": "0"}))
}

fn day(days: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 0, 0, 0).unwrap() + TimeDelta::days(days)
}

const THRESHOLD: Threshold = Threshold { percent: 20, amount: NanoUsd::dollars(1) };

/// A hundred executions of a thousand tokens in and a hundred out each.
fn load() -> Load {
    Load { executions: 100, input: 100_000, cached: 0, output: 10_000, reasoning: 0, is_assumed: false }
}

#[test]
fn a_month_costs_what_its_tokens_do() {
    let check = |load: Load, pricing: &Value, dollars: &str| {
        assert_eq!(load.cost(&schedule(pricing)).to_string(), dollars, "{pricing}");
    };
    let plain = json!({"prompt": "0.00001", "completion": "0.0001"});
    check(load(), &plain, "2");
    check(
        Load { cached: 50_000, ..load() },
        &json!({"prompt": "0.00001", "completion": "0.0001", "input_cache_read": "0.000001"}),
        "1.55",
    );
    check(load(), &json!({"prompt": "0", "completion": "0", "request": "0.01"}), "1");
    let tier =
        json!({"prompt": "0.00001", "completion": "0", "overrides": [{"min_prompt_tokens": 999, "prompt": "0.00002"}]});
    check(load(), &tier, "2");
    check(Load { executions: 200, ..load() }, &tier, "1");
    let half_the_day = json!({"prompt": "0.00001", "completion": "0", "overrides": [{"utc_start": 1000, "utc_end": 2200, "prompt": "0.00003"}]});
    check(load(), &half_the_day, "2");
    let sundays =
        json!({"prompt": "0.00001", "completion": "0", "overrides": [{"utc_days": ["sunday"], "prompt": "0.00008"}]});
    check(load(), &sundays, "2");
    check(Load::assumed(2, 10_000_000, 2_000_000), &json!({"prompt": "0.000001", "completion": "0.000002"}), "28");
    check(Load::default(), &plain, "0");
}

fn due(changes: &[(i64, &str, &str)], known: i64) -> Option<(i64, String)> {
    let changes: Vec<PriceChange> =
        changes.iter().map(|(at, before, after)| (day(*at), flat(before), flat(after))).collect();
    let load = Load { executions: 1_000, input: 10_000_000, ..Load::default() };
    let found = Repricing::due(&changes, day(known), load, THRESHOLD)?;
    Some(((found.since - day(0)).num_days(), found.difference().to_string()))
}

#[test]
fn a_change_is_worth_a_mail_when_it_moves_the_bill() {
    let told = |at: i64, difference: &str| Some((at, difference.to_owned()));
    assert_eq!(due(&[(5, "0.000001", "0.0000012")], 0), told(5, "2"));
    assert_eq!(due(&[(5, "0.000001", "0.00000119")], 0), None, "19 percent");
    assert_eq!(due(&[(5, "0.0000001", "0.00000019")], 0), None, "90 cents");
    assert_eq!(due(&[(5, "0.000001", "0.0000005")], 0), told(5, "-5"), "a drop is news too");
    assert_eq!(due(&[(5, "0", "0.0000005")], 0), told(5, "5"), "from nothing");
    assert_eq!(due(&[(5, "0.000001", "0.0000012")], 5), None, "they began with it");
    let twice = [(5, "0.000001", "0.00000112"), (9, "0.00000112", "0.00000125")];
    assert_eq!(due(&twice[..1], 0), None);
    assert_eq!(due(&twice, 0), told(9, "2.5"), "small ones add up");
    assert_eq!(due(&twice, 5), None, "for who knows the first");
    let back = [(5, "0.000001", "0.000002"), (9, "0.000002", "0.000001")];
    assert_eq!(due(&back, 0), None);
    assert_eq!(due(&back, 5), told(9, "-10"), "who was told of the first hears of the second");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Prices that rise never make a month cheaper, and the same prices in another notation cost the same.
    #[test]
    fn a_bill_follows_its_prices(prices in prop::array::uniform3(0_u32..5_000), more in prop::array::uniform3(0_u32..500), input in 0_u64..1_000_000_000, output in 0_u64..100_000_000, hours in 1_u64..23) {
        let text = |nanos: u32| Decimal::new(i64::from(nanos), 9).to_string();
        let of = |[a, b, c]: [u32; 3]| {
            let window = json!([{"utc_start": hours * 100, "utc_end": 2300, "prompt": text(c)}]);
            schedule(&json!({"prompt": text(a), "completion": text(b), "overrides": window}))
        };
        let load = Load { executions: 1_000, input, output, ..Load::default() };
        let dearer = std::array::from_fn(|n| prices[n] + more[n]);
        prop_assert!(load.cost(&of(dearer)) >= load.cost(&of(prices)));
        let mut same = of(prices);
        same.overrides.push(same.overrides[0].clone());
        prop_assert_eq!(load.cost(&same), load.cost(&of(prices)));
    }
}
