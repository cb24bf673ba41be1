//! `[models]`: when a change of the list is believed, and when a change of prices is worth a mail.

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::bill::{Load, Threshold};
use crate::domain::lifecycle::Patience;
use crate::domain::money::NanoUsd;

use super::in_range;

/// A quarter of a year; who waits longer wants no mails.
const HOURS_MAX: u64 = 24 * 90;
/// No resource uses a trillion tokens a month.
const TOKENS_MAX: u64 = 1_000_000_000_000;

/// `[models]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Hours that a model must be absent before users hear that it is gone.
    pub removed_after_hours: u32,
    /// The same for models that vanished together with many others.
    pub bulk_removed_after_hours: u32,
    /// A list that has less than this share of the last good one's models is refused; 0 believes any.
    pub keep_percent_min: u8,
    /// Hours that other prices must hold before users hear of them.
    pub repriced_after_hours: u32,
    /// A user hears of them if they change their month on the model by this share,
    pub repriced_percent_min: u32,
    /// and by as many dollars.
    pub repriced_usd_min: Decimal,
    /// Input tokens a month of each resource of a user of whom no execution was reported.
    pub assumed_input_tokens: u64,
    /// The same for output tokens.
    pub assumed_output_tokens: u64,
}

impl Default for Models {
    fn default() -> Self {
        Self {
            removed_after_hours: 24,
            bulk_removed_after_hours: 7 * 24,
            keep_percent_min: 50,
            repriced_after_hours: 48,
            repriced_percent_min: 20,
            repriced_usd_min: Decimal::ONE,
            assumed_input_tokens: 10_000_000,
            assumed_output_tokens: 2_000_000,
        }
    }
}

impl Models {
    /// What is wrong, as path and reason.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let checks = [
            ("removed_after_hours", in_range(u64::from(self.removed_after_hours), 1, HOURS_MAX)),
            ("bulk_removed_after_hours", in_range(u64::from(self.bulk_removed_after_hours), 1, HOURS_MAX)),
            ("keep_percent_min", in_range(u64::from(self.keep_percent_min), 0, 100)),
            ("repriced_after_hours", in_range(u64::from(self.repriced_after_hours), 1, HOURS_MAX)),
            ("repriced_percent_min", in_range(u64::from(self.repriced_percent_min), 0, 1000)),
            ("repriced_usd_min", check_dollars(self.repriced_usd_min)),
            ("assumed_input_tokens", in_range(self.assumed_input_tokens, 0, TOKENS_MAX)),
            ("assumed_output_tokens", in_range(self.assumed_output_tokens, 0, TOKENS_MAX)),
        ];
        let failed = checks.into_iter().filter_map(|(key, result)| Some((key, result.err()?)));
        failed.map(|(key, reason)| (format!("models.{key}"), reason)).collect()
    }

    /// How long an absence must last, and a change hold.
    #[must_use]
    pub fn patience(&self) -> Patience {
        let hours = |hours: u32| TimeDelta::hours(i64::from(hours));
        Patience {
            removed_after: hours(self.removed_after_hours),
            bulk_removed_after: hours(self.bulk_removed_after_hours),
            repriced_after: hours(self.repriced_after_hours),
        }
    }

    /// By how much a bill must change.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        let amount = NanoUsd::from_decimal(self.repriced_usd_min).unwrap_or(NanoUsd(i64::MAX));
        Threshold { percent: self.repriced_percent_min, amount }
    }

    /// What is assumed of so many resources.
    #[must_use]
    pub fn assumed(&self, resources: usize) -> Load {
        Load::assumed(resources, self.assumed_input_tokens, self.assumed_output_tokens)
    }
}

fn check_dollars(amount: Decimal) -> Result<(), String> {
    let is_amount = !amount.is_sign_negative() && NanoUsd::from_decimal(amount).is_some();
    if is_amount { Ok(()) } else { Err(format!("{amount} is not an amount of dollars, such as 1 or 0.5")) }
}
