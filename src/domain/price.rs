//! Prices as a schedule: base prices, context tiers and time-of-day windows, compared by what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Prices by key (`prompt`, `completion`, `input_cache_read` …) in USD per single unit; a zero is left
/// out, because zero-valued keys come and go in the list without meaning anything.
pub type PriceTable = BTreeMap<String, Decimal>;

/// Digits that count when two prices are compared. OpenRouter's own float artefacts differ in the 16th
/// (`0.00000008333333333333334` beside `0.0000000833333333333333`), real prices use at most 9.
const SIGNIFICANT_DIGITS: u32 = 12;

const MINUTES_PER_DAY: u16 = 24 * 60;
/// Minutes of a week, which begins on Monday 00:00 UTC.
pub const MINUTES_PER_WEEK: u16 = 7 * MINUTES_PER_DAY;
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What a model costs, as its list entry says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prices {
    /// The entry does not say, or says it in a way that cannot be read.
    #[default]
    Unknown,
    /// `-1`: a router, whose price is that of the model it picks.
    Dynamic,
    /// Readable prices.
    Known(PriceSchedule),
}

/// Base prices and the conditions under which others hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSchedule {
    /// Prices when no override applies.
    pub base: PriceTable,
    /// Later entries win, key by key; missing keys inherit the base.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// Prices that hold while every one of its conditions does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Holds for requests of strictly more prompt tokens than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_prompt_tokens: Option<u64>,
    /// Minutes after midnight UTC, half open, may wrap midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<(u16, u16)>,
    /// Days of the week (0 = Monday), or all when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub days: BTreeSet<u8>,
    /// The prices that replace the base's.
    pub prices: PriceTable,
}

/// A price per token as a price per million tokens, the unit people compare.
#[must_use]
pub fn per_million(price: Decimal) -> String {
    price.checked_mul(Decimal::from(1_000_000)).unwrap_or(price).normalize().to_string()
}

impl Prices {
    /// Reads a list entry's `pricing` object.
    #[must_use]
    pub fn parse(pricing: Option<&Value>) -> Self {
        let Some(Value::Object(object)) = pricing else { return Self::Unknown };
        if ["prompt", "completion"]
            .iter()
            .any(|key| object.get(*key).and_then(decimal).is_some_and(|p| p.is_sign_negative()))
        {
            return Self::Dynamic;
        }
        if !object.contains_key("prompt") && !object.contains_key("completion") {
            return Self::Unknown;
        }
        let keep =
            Decimal::ONE - object.get("discount").and_then(decimal).filter(|d| *d < Decimal::ONE).unwrap_or_default();
        let base = price_table(object, keep);
        let overrides = match object.get("overrides") {
            Some(Value::Array(entries)) => entries.iter().filter_map(|entry| Override::parse(entry, keep)).collect(),
            _ => Vec::new(),
        };
        Self::Known(PriceSchedule { base, overrides })
    }

    /// The prices that hold at no particular time, for comparing models: without those of hours and days. `None`
    /// when they are not known or depend.
    #[must_use]
    pub fn untimed(&self) -> Option<PriceSchedule> {
        let Self::Known(schedule) = self else { return None };
        let mut schedule = schedule.clone();
        schedule.overrides.retain(|entry| entry.window.is_none() && entry.days.is_empty());
        Some(schedule)
    }

    /// Whether two schedules charge the same at every time and size; unknown prices are never news.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => a.same_as(b),
            _ => true,
        }
    }
}

impl PriceSchedule {
    /// The prices of a request of `prompt_tokens` at a minute of the week (0 = Monday 00:00 UTC).
    #[must_use]
    pub fn at(&self, minute_of_week: u16, prompt_tokens: u64) -> PriceTable {
        let mut prices = self.base.clone();
        for entry in self.overrides.iter().filter(|entry| entry.applies(minute_of_week, prompt_tokens)) {
            prices.extend(entry.prices.iter().map(|(key, price)| (key.clone(), *price)));
        }
        prices.retain(|_, price| !price.is_zero());
        prices
    }

    /// Compares what is charged cell by cell, so that another notation, or a list polled in another
    /// window (whose base then shows that window's prices), is no change.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let minutes = self.break_minutes().chain(other.break_minutes()).collect::<BTreeSet<_>>();
        let tiers = self.break_tokens().chain(other.break_tokens()).collect::<BTreeSet<_>>();
        minutes.iter().all(|minute| {
            tiers.iter().all(|tokens| same_table(&self.at(*minute, *tokens), &other.at(*minute, *tokens)))
        })
    }

    /// The minutes of the week at which prices may change, 0 among them.
    pub fn break_minutes(&self) -> impl Iterator<Item = u16> {
        let scheduled = self.overrides.iter().filter(|entry| entry.window.is_some() || !entry.days.is_empty());
        let edges = scheduled.flat_map(|entry| {
            let (start, end) = entry.window.unwrap_or((0, 0));
            (0..7).flat_map(move |day| {
                [day * MINUTES_PER_DAY, day * MINUTES_PER_DAY + start, day * MINUTES_PER_DAY + end]
            })
        });
        std::iter::once(0).chain(edges.map(|minute| minute % MINUTES_PER_WEEK))
    }

    /// The prompt tokens from which on prices may be others, 0 among them.
    pub fn break_tokens(&self) -> impl Iterator<Item = u64> {
        std::iter::once(0).chain(
            self.overrides.iter().filter_map(|entry| entry.min_prompt_tokens.map(|tokens| tokens.saturating_add(1))),
        )
    }
}

impl Override {
    /// `None` for an entry with a condition nobody here knows: OpenRouter's documentation says to skip it.
    fn parse(entry: &Value, keep: Decimal) -> Option<Self> {
        let object = entry.as_object()?;
        let mut parsed = Self { prices: price_table(object, keep), ..Self::default() };
        let mut bounds = (None, None);
        for (key, value) in object {
            match key.as_str() {
                "min_prompt_tokens" => parsed.min_prompt_tokens = Some(value.as_u64()?),
                "utc_start" => bounds.0 = Some(minute_of_day(value)?),
                "utc_end" => bounds.1 = Some(minute_of_day(value)?),
                "utc_days" => parsed.days = value.as_array()?.iter().map(weekday).collect::<Option<_>>()?,
                _ if value.is_string() && decimal(value).is_some() => {}
                _ => return None,
            }
        }
        parsed.window = match bounds {
            (None, None) => None,
            (start, end) => Some((start.unwrap_or(0), end.unwrap_or(MINUTES_PER_DAY) % MINUTES_PER_DAY)),
        };
        Some(parsed)
    }

    fn applies(&self, minute_of_week: u16, prompt_tokens: u64) -> bool {
        let minute = minute_of_week % MINUTES_PER_DAY;
        let in_window = self.window.is_none_or(|(start, end)| match start.cmp(&end) {
            std::cmp::Ordering::Less => start <= minute && minute < end,
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= start || minute < end,
        });
        let day = u8::try_from(minute_of_week / MINUTES_PER_DAY).unwrap_or(0);
        in_window
            && (self.days.is_empty() || self.days.contains(&day))
            && self.min_prompt_tokens.is_none_or(|tokens| prompt_tokens > tokens)
    }
}

/// Fields of an override that are no price.
const CONDITIONS: [&str; 4] = ["min_prompt_tokens", "utc_start", "utc_end", "utc_days"];

fn price_table(object: &Map<String, Value>, keep: Decimal) -> PriceTable {
    let is_price = |key: &str| key != "discount" && !CONDITIONS.contains(&key);
    let prices = object.iter().filter(|(key, _)| is_price(key));
    prices
        .filter_map(|(key, value)| Some((key.clone(), (decimal(value)? * keep).normalize())))
        .filter(|(_, price)| price.is_sign_positive())
        .collect()
}

fn same_table(a: &PriceTable, b: &PriceTable) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((ka, pa), (kb, pb))| ka == kb && significant(*pa) == significant(*pb))
}

fn significant(price: Decimal) -> Option<Decimal> {
    price.round_sf(SIGNIFICANT_DIGITS).map(|rounded| rounded.normalize())
}

/// A price as OpenRouter writes it (a decimal string), or as a careless server might (a number, an exponent).
fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn minute_of_day(hhmm: &Value) -> Option<u16> {
    let hhmm = hhmm.as_u64().or_else(|| hhmm.as_str()?.parse().ok())?;
    let (hours, minutes) = (hhmm / 100, hhmm % 100);
    (hours <= 24 && minutes < 60).then(|| u16::try_from(hours * 60 + minutes).ok()).flatten()
}

fn weekday(name: &Value) -> Option<u8> {
    let name = name.as_str()?.to_ascii_lowercase();
    WEEKDAYS.iter().position(|day| name.starts_with(day)).and_then(|day| u8::try_from(day).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prices(value: &Value) -> Prices {
        Prices::parse(Some(value))
    }

    fn check_same(a: &Value, b: &Value, same: bool) {
        assert_eq!(prices(a).same_as(&prices(b)), same, "{a} and {b}");
        assert_eq!(prices(b).same_as(&prices(a)), same, "{b} and {a}");
    }

    #[test]
    fn notation_is_not_news() {
        check_same(
            &json!({"prompt": "0.000001", "completion": "0"}),
            &json!({"prompt": "0.0000010", "completion": "0", "image": "0"}),
            true,
        );
        check_same(
            &json!({"prompt": "1e-6", "completion": "0"}),
            &json!({"prompt": "0.000001", "completion": "0"}),
            true,
        );
        check_same(
            &json!({"prompt": "0.00000008333333333333334"}),
            &json!({"prompt": "0.0000000833333333333333"}),
            true,
        );
        check_same(&json!({"prompt": "0.000001"}), &json!({"prompt": "0.000002"}), false);
        check_same(&json!({"prompt": "0.000002", "discount": 0.5}), &json!({"prompt": "0.000001"}), true);
    }

    #[test]
    fn a_dynamic_or_unreadable_price_is_not_compared() {
        check_same(&json!({"prompt": "-1", "completion": "-1"}), &json!({"prompt": "0.000001"}), true);
        check_same(&json!({"prompt": "0.000001"}), &json!(null), true);
        assert_eq!(Prices::parse(None), Prices::Unknown);
    }

    #[test]
    fn a_list_polled_in_another_window_is_the_same_schedule() {
        let windows = json!([
            {"utc_start": 1000, "utc_end": 100, "prompt": "0.00000066"}, {"utc_start": 100, "utc_end": 400, "prompt": "0.00000132"},
            {"utc_start": 400, "utc_end": 600, "prompt": "0.00000066"}, {"utc_start": 600, "utc_end": 1000, "prompt": "0.00000132"}]);
        check_same(
            &json!({"prompt": "0.00000066", "overrides": windows}),
            &json!({"prompt": "0.00000132", "overrides": windows}),
            true,
        );
        check_same(&json!({"prompt": "0.00000066", "overrides": windows}), &json!({"prompt": "0.00000066"}), false);
    }

    #[test]
    fn a_tier_holds_strictly_above_its_threshold() {
        let Prices::Known(schedule) =
            prices(&json!({"prompt": "0.000001", "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000002"}]}))
        else {
            panic!("readable prices")
        };
        let prompt = |tokens| schedule.at(0, tokens)["prompt"].to_string();
        assert_eq!((prompt(200_000).as_str(), prompt(200_001).as_str()), ("0.000001", "0.000002"));
    }

    #[test]
    fn an_override_with_an_unknown_condition_is_skipped() {
        check_same(
            &json!({"prompt": "0.000001", "overrides": [{"moon_phase": 3, "prompt": "0.000002"}]}),
            &json!({"prompt": "0.000001"}),
            true,
        );
    }

    #[test]
    fn days_of_the_week_are_part_of_the_schedule() {
        let weekend =
            json!({"prompt": "0.000002", "overrides": [{"utc_days": ["saturday", "Sun"], "prompt": "0.000001"}]});
        check_same(&weekend, &json!({"prompt": "0.000002"}), false);
        let Prices::Known(schedule) = prices(&weekend) else { panic!("readable prices") };
        assert_eq!(schedule.at(5 * MINUTES_PER_DAY, 0)["prompt"].to_string(), "0.000001");
        assert_eq!(schedule.at(4 * MINUTES_PER_DAY, 0)["prompt"].to_string(), "0.000002");
    }
}
