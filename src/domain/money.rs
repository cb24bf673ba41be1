//! Money: costs as whole nano-dollars, prices as decimals; never a float.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::RoundingStrategy::MidpointNearestEven;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Nano-dollars in a dollar. The cheapest token costs about five nano-dollars, and 2^63 of them are nine billion
/// dollars.
const PER_DOLLAR: i64 = 1_000_000_000;

/// An amount of US dollars in whole billionths. Sums saturate: nine billion dollars are an error of somebody else's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole dollars.
    #[must_use]
    pub const fn dollars(dollars: i64) -> Self {
        Self(dollars.saturating_mul(PER_DOLLAR))
    }

    /// The nearest amount to a decimal number of dollars (half to even); `None` beyond nine billion.
    #[must_use]
    pub fn from_decimal(dollars: Decimal) -> Option<Self> {
        let nanos = dollars.checked_mul(Decimal::from(PER_DOLLAR))?;
        nanos.round_dp_with_strategy(0, MidpointNearestEven).to_i64().map(Self)
    }

    /// As a decimal number of dollars, exactly.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, 9).normalize()
    }

    /// Reads dollars from a JSON number or decimal string, exponents included.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
}

/// Reads a decimal, with or without an exponent.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

impl FromStr for NanoUsd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let amount = decimal(text).and_then(Self::from_decimal);
        amount.ok_or_else(|| format!("{text:?} is not an amount of dollars"))
    }
}

/// Dollars as a plain decimal, such as `0.000123`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dollars_are_read_exactly_and_rounded_half_to_even() {
        let check = |text: &str, nanos: i64| assert_eq!(text.parse(), Ok(NanoUsd(nanos)), "{text}");
        check("0.1", 100_000_000);
        check("0.0000000015", 2);
        check("0.0000000025", 2);
        check("1.5e-7", 150);
        check(" 12 ", 12_000_000_000);
        check("-0.000000001", -1);
        for text in ["", "NaN", "1,5", "99999999999999"] {
            assert!(text.parse::<NanoUsd>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_gives_numbers_and_strings() {
        assert_eq!(NanoUsd::from_json(&json!(0.000_123)), Some(NanoUsd(123_000)));
        assert_eq!(NanoUsd::from_json(&json!(1e-6)), Some(NanoUsd(1000)));
        assert_eq!(NanoUsd::from_json(&json!("0.25")), Some(NanoUsd(250_000_000)));
        assert_eq!(NanoUsd::from_json(&json!(null)), None);
    }

    #[test]
    fn an_amount_is_shown_as_plain_dollars() {
        assert_eq!(NanoUsd(123_000).to_string(), "0.000123");
        assert_eq!(NanoUsd::dollars(5).to_string(), "5");
    }
}
