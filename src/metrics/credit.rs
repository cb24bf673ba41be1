//! The metrics of credit: what accounts have left, how long it lasts, how much of their spend was recorded, and how old
//! keys are.

use prometheus::{GaugeVec, IntGaugeVec};

use super::{Maker, OTHER};

/// The platform's own account among the users'.
pub const PLATFORM: &str = "platform";
/// Accounts that have series of their own: those with the least left, or of which the least was recorded.
pub const ACCOUNT_SERIES_MAX: usize = 50;
/// Ages of keys: of what a rule tells, and what not.
pub const KEY_AGES: [&str; 3] = ["under_75_days", "under_90_days", "older"];

/// The metrics.
#[expect(missing_docs, reason = "each metric's help text stands where it is made")]
pub struct Credit {
    pub balance: GaugeVec,
    pub runway: GaugeVec,
    pub capture: GaugeVec,
    pub keys: IntGaugeVec,
}

impl Credit {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            balance: make.gauges(
                "openrouter_credit_balance_dollars",
                "What is left: to the platform, to the 50 users with the least, and to all others together.",
                &["account"],
            ),
            runway: make.gauges(
                "openrouter_credit_runway_seconds",
                "How long that lasts at the usual rate; infinite where nobody can tell.",
                &["account"],
            ),
            capture: make.gauges(
                "openrouter_spend_capture_ratio",
                "Recorded spend by what OpenRouter charged on the last whole day; the 50 accounts that differ most.",
                &["account"],
            ),
            keys: make.int_gauges("openrouter_keys", "Stored keys, by age.", &["age"]),
        }
    }

    /// Makes every series of a closed set exist. Of a platform that nobody asked nothing is known, which is not 0.
    pub(super) fn begin_at_zero(&self) {
        self.balance.with_label_values(&[OTHER]);
        self.runway.with_label_values(&[PLATFORM]).set(f64::INFINITY);
        self.capture.with_label_values(&[PLATFORM]).set(f64::NAN);
        for age in KEY_AGES {
            self.keys.with_label_values(&[age]);
        }
    }

    /// Forgets the series of those who no longer have one.
    pub(crate) fn begin_anew(&self) {
        self.balance.reset();
        self.runway.reset();
        self.capture.reset();
        self.begin_at_zero();
    }
}
