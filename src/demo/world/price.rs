//! What a model costs, in whole picodollars per token, and how the list writes it. No floats.

use chrono::{DateTime, Timelike, Utc};
use fastrand::Rng;
use serde_json::{Map, Value, json};

/// A million tokens at one cent, per token.
pub(super) const CENT_PER_MILLION: u64 = 10_000;
/// The hours (UTC, as `HHMM`) at which the model with windows is dear; they cover Asia's working day.
const DEAR_HOURS: [(u32, u32); 2] = [(100, 400), (600, 1000)];
/// How much dearer it is then.
const DEAR_PERCENT: u64 = 200;
/// Picodollars in a dollar, and how many digits they take.
const PICO: u64 = 1_000_000_000_000;
const PICO_DIGITS: usize = 12;

/// The price of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tariff {
    /// A router's: that of the model it picks.
    Dynamic,
    /// Served for nothing.
    Free,
    /// A price.
    Paid(Paid),
}

/// A price that is not nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    /// What applies when nothing else does.
    pub(super) base: Rates,
    /// A web search, or 0.
    pub(super) search: u64,
    /// What applies to long prompts.
    pub(super) tier: Option<Tier>,
    /// Whether the price follows the hour.
    pub(super) hourly: bool,
}

/// Prices per token in picodollars; 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    /// Prompt tokens.
    pub(super) prompt: u64,
    /// Completion tokens.
    pub(super) completion: u64,
    /// Prompt tokens read from the cache.
    pub(super) cache_read: u64,
    /// Prompt tokens written to it.
    pub(super) cache_write: u64,
}

/// Other prices for prompts above a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tier {
    /// Applies to prompts of more tokens than this.
    pub(super) above: u64,
    /// The prices against the base.
    pub(super) percent: u64,
}

impl Rates {
    fn scaled(&self, percent: u64) -> Self {
        let scale = |price: u64| plain(price * percent / 100);
        Self {
            prompt: scale(self.prompt),
            completion: scale(self.completion),
            cache_read: scale(self.cache_read),
            cache_write: scale(self.cache_write),
        }
    }

    fn write(&self, into: &mut Map<String, Value>) {
        into.insert("prompt".to_owned(), Value::from(dollars(self.prompt)));
        into.insert("completion".to_owned(), Value::from(dollars(self.completion)));
        for (key, price) in [("input_cache_read", self.cache_read), ("input_cache_write", self.cache_write)] {
            if price > 0 {
                into.insert(key.to_owned(), Value::from(dollars(price)));
            }
        }
    }
}

impl Tariff {
    /// The same at a percentage of the price.
    pub(super) fn scaled(&self, percent: u64) -> Self {
        match self {
            Self::Paid(paid) => Self::Paid(Paid { base: paid.base.scaled(percent), ..paid.clone() }),
            Self::Dynamic | Self::Free => self.clone(),
        }
    }

    /// The price after one of the changes vendors make: mostly cuts, by simple shares.
    pub(super) fn changed(&self, rng: &mut Rng) -> Self {
        self.scaled([50, 60, 67, 75, 80, 90, 90, 110, 125, 150][rng.usize(..10)])
    }

    /// The price with a tier for long prompts that was not there or was another.
    pub(super) fn with_other_tier(&self) -> Self {
        let Self::Paid(paid) = self else { return self.clone() };
        let tier = match &paid.tier {
            Some(Tier { above, percent: 200 }) => Tier { above: *above, percent: 150 },
            Some(Tier { above, .. }) => Tier { above: above + 56_000, percent: 200 },
            None => Tier { above: 128_000, percent: 200 },
        };
        Self::Paid(Paid { tier: Some(tier), ..paid.clone() })
    }

    /// The `pricing` object as a list fetched at that moment shows it.
    pub(super) fn json(&self, at: DateTime<Utc>) -> Value {
        match self {
            Self::Dynamic => json!({"prompt": "-1", "completion": "-1"}),
            Self::Free => json!({"prompt": "0", "completion": "0"}),
            Self::Paid(paid) => paid.json(at),
        }
    }
}

impl Paid {
    fn json(&self, at: DateTime<Utc>) -> Value {
        let mut pricing = Map::new();
        let now = at.hour() * 100 + at.minute();
        let is_dear = self.hourly && DEAR_HOURS.iter().any(|(from, until)| (*from..*until).contains(&now));
        self.base.scaled(if is_dear { DEAR_PERCENT } else { 100 }).write(&mut pricing);
        if self.search > 0 {
            pricing.insert("web_search".to_owned(), Value::from(dollars(self.search)));
        }
        let overrides: Vec<Value> = self.tier.iter().map(|tier| self.tier_json(tier)).chain(self.windows()).collect();
        if !overrides.is_empty() {
            pricing.insert("overrides".to_owned(), Value::from(overrides));
        }
        Value::Object(pricing)
    }

    fn tier_json(&self, tier: &Tier) -> Value {
        let mut entry = Map::from_iter([("min_prompt_tokens".to_owned(), Value::from(tier.above))]);
        self.base.scaled(tier.percent).write(&mut entry);
        Value::Object(entry)
    }

    /// The whole day in windows, so that the schedule reads the same whatever the base shows.
    fn windows(&self) -> impl Iterator<Item = Value> {
        let [(first, first_end), (second, second_end)] = DEAR_HOURS;
        let day = [
            (second_end, first, 100),
            (first, first_end, DEAR_PERCENT),
            (first_end, second, 100),
            (second, second_end, DEAR_PERCENT),
        ];
        day.into_iter().filter(|_| self.hourly).map(|(from, until, percent)| {
            let mut entry = Map::from_iter([
                ("utc_start".to_owned(), Value::from(from)),
                ("utc_end".to_owned(), Value::from(until)),
            ]);
            self.base.scaled(percent).write(&mut entry);
            Value::Object(entry)
        })
    }
}

/// A price with three digits at most, as vendors set them.
pub(super) fn plain(price: u64) -> u64 {
    let mut unit = 1;
    while price / unit >= 1000 {
        unit *= 10;
    }
    (price + unit / 2) / unit * unit
}

/// Picodollars as the decimal string that the list shows.
fn dollars(pico: u64) -> String {
    let (whole, mut fraction, mut width) = (pico / PICO, pico % PICO, PICO_DIGITS);
    if fraction == 0 {
        return whole.to_string();
    }
    while fraction.is_multiple_of(10) {
        (fraction, width) = (fraction / 10, width - 1);
    }
    format!("{whole}.{fraction:0width$}")
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn picodollars_are_written_as_plain_decimals() {
        assert_eq!(dollars(0), "0");
        assert_eq!(dollars(150_000), "0.00000015");
        assert_eq!(dollars(10_000_000_000), "0.01");
        assert_eq!(dollars(2_500_000_000_000), "2.5");
        assert_eq!(dollars(3_000_000_000_000), "3");
        assert_eq!(dollars(1), "0.000000000001");
    }

    #[test]
    fn a_price_keeps_three_digits() {
        assert_eq!([plain(0), plain(999), plain(1234), plain(1235), plain(99_960)], [0, 999, 1230, 1240, 100_000]);
    }

    #[test]
    fn the_base_follows_the_window_and_the_windows_stay() {
        let base = Rates { prompt: 440_000, completion: 880_000, cache_read: 0, cache_write: 0 };
        let tariff = Tariff::Paid(Paid { base, search: 0, tier: None, hourly: true });
        let at =
            |hour, minute| tariff.json(Utc.with_ymd_and_hms(2026, 3, 1, hour, minute, 0).single().expect("a time"));
        assert_eq!(at(5, 59)["prompt"], "0.00000044");
        assert_eq!(at(6, 0)["prompt"], "0.00000088");
        assert_eq!(at(9, 59)["prompt"], "0.00000088");
        assert_eq!(at(10, 0)["prompt"], "0.00000044");
        assert_eq!(at(5, 0)["overrides"], at(7, 0)["overrides"]);
        assert_eq!(at(5, 0)["overrides"].as_array().map(Vec::len), Some(4));
    }
}
