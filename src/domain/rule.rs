//! The rules that are evaluated: when each holds, and with how much patience.
//!
//! Every rule is a pure function from sums to a [`Finding`](super::finding::Finding), if it holds. Below its floors in
//! dollars and samples it says nothing, whatever the share: three failures of four say little, and a bill that
//! trebled from a cent is nobody's trouble.

pub mod account;
pub mod credit;
pub mod failures;
pub mod keys;
pub mod spend;

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::alert::{Rule, Severity};
use super::incident::Timing;
use super::money::NanoUsd;

/// What can be set of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether it is evaluated.
    pub enabled: bool,
    /// What must be exceeded, in the rule's own unit: a score, a factor, a share, hours or minutes.
    pub threshold: f64,
    /// Dollars below which nothing is said; for credit, the balance below which it is.
    pub usd: Decimal,
    /// Executions below which nothing is said; for outliers, active users.
    pub samples: u32,
    /// Minutes that it must hold before it fires.
    pub for_minutes: u32,
    /// Minutes that it must not hold before it is over.
    pub keep_firing_minutes: u32,
    /// Hours after which it is told again while it lasts; 0: never.
    pub remind_hours: u32,
    /// How bad it is at first.
    pub severity: Severity,
}

/// Minutes of an hour and of a day.
const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

impl Settings {
    /// What a careful person would choose for a rule; `None` for what is not evaluated but reported.
    #[must_use]
    pub fn default_of(rule: Rule) -> Option<Self> {
        use Severity::{Critical, Info, Warning};
        // threshold, dollars, samples, for, keep firing, remind, severity
        let (threshold, usd, samples, for_minutes, keep_firing_minutes, remind_hours, severity) = match rule {
            // What goes on from day to day is one incident until it is accepted as usual.
            Rule::UserSpendSpike | Rule::ResourceSpendSpike => (0.5, 5, 0, 0, DAY, 72, Warning),
            Rule::TotalSpendSpike => (0.5, 20, 0, 0, DAY, 72, Critical),
            // A large customer stays one: who is told of once is told of again only after a week below.
            Rule::UserSpendOutlier => (10.0, 20, 5, 0, 7 * DAY, 0, Warning),
            Rule::RateLimited => (0.1, 0, 20, 5, HOUR, 24, Warning),
            Rule::OutOfCredit => (0.0, 0, 1, 0, DAY, 72, Critical),
            Rule::CreditRefused => (0.05, 0, 20, 5, HOUR, 6, Critical),
            Rule::ModelFailing => (0.25, 0, 20, 10, HOUR, 24, Warning),
            Rule::ChargedFailures => (0.1, 5, 20, 10, DAY, 0, Warning),
            Rule::BadOutput => (0.1, 0, 50, 10, 6 * HOUR, 0, Info),
            Rule::LowCredit => (72.0, 5, 0, 0, 0, 7 * 24, Warning),
            Rule::PlatformCredit => (72.0, 20, 0, 0, 0, 24, Critical),
            Rule::Budget => (0.5, 0, 0, 0, 0, 0, Info),
            Rule::Margin => (1.0, 1, 0, 0, 0, 0, Info),
            // What is old spend that nothing explains stays in the span for a week: it needs no patience of its own.
            Rule::UnaccountedSpend => (0.05, 1, 0, 0, 0, 72, Critical),
            Rule::DormantKeyUsed => (30.0, 0, 0, 0, 0, 0, Critical),
            Rule::KeyOld => (90.0, 0, 0, 0, 0, 0, Info),
            Rule::KeyRefused => (2.0, 0, 0, 0, 0, 0, Warning),
            Rule::CaptureDrift => (0.02, 1, 0, 0, 0, 0, Warning),
            Rule::IngestSilent => (2.0, 0, 20, 0, 0, 24, Critical),
            Rule::MailStuck => (60.0, 0, 0, 0, 0, 24, Warning),
            Rule::JobStale | Rule::ListImplausible | Rule::BulkEvent => return None,
        };
        let usd = Decimal::from(usd);
        Some(Self { enabled: true, threshold, usd, samples, for_minutes, keep_firing_minutes, remind_hours, severity })
    }

    /// The floor in dollars.
    #[must_use]
    pub fn floor(&self) -> NanoUsd {
        NanoUsd::from_decimal(self.usd).unwrap_or_default()
    }

    /// The rule's patience.
    #[must_use]
    pub fn timing(&self, rule: Rule) -> Timing {
        let remind = (self.remind_hours > 0).then(|| TimeDelta::hours(i64::from(self.remind_hours)));
        Timing {
            hold: TimeDelta::minutes(i64::from(self.for_minutes)),
            keep_firing: TimeDelta::minutes(i64::from(self.keep_firing_minutes)),
            remind_after: remind,
            tells_end: !matches!(
                rule,
                Rule::Budget | Rule::Margin | Rule::UserSpendOutlier | Rule::DormantKeyUsed | Rule::KeyOld
            ),
        }
    }
}

/// A share of counts, 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
fn share(part: i64, whole: i64) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

/// Dollars as statistics have them; what is compared with a floor or told stays exact.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "statistics, not money")]
pub fn dollars(amount: NanoUsd) -> f64 {
    amount.0 as f64 / 1e9
}

#[cfg(test)]
mod fixtures {
    //! Settings and sums of the tests beside the rules.

    use super::super::rollup::Measures;
    use super::{Rule, Settings};

    pub(super) fn settings(rule: Rule) -> Settings {
        Settings::default_of(rule).expect("a rule that is evaluated")
    }

    pub(super) fn executions(executions: i64) -> Measures {
        Measures { executions, ..Measures::default() }
    }
}
