//! Sums of executions by quarter of an hour and by day (UTC), for each user, resource, key, model and provider.
//!
//! Every time zone in use is a whole number of quarters away from UTC, so a day of any of them is a sum of quarters.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::execution::Execution;
use super::money::NanoUsd;
use super::outcome::Outcome;

/// Seconds of a quarter of an hour.
pub const QUARTER_S: i64 = 15 * 60;
/// Quarters of a day.
pub const QUARTERS_PER_DAY: i64 = 96;

/// The quarter of an hour that a time lies in, counted from 1970.
#[must_use]
pub fn quarter_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(QUARTER_S)
}

/// What is summed apart. Numbers stand for names; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which quarter or day.
    pub slot: i64,
    /// Whose.
    pub user: i64,
    /// What ran.
    pub resource: i64,
    /// Which key paid.
    pub key: i64,
    /// What was asked for.
    pub model: i64,
    /// Who was called.
    pub provider: i64,
}

macro_rules! measures {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What is summed.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Measures { $($(#[$doc])* pub $field: i64,)* }

        impl Measures {
            /// The names, as the store's columns have them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field),)*];

            /// The sums in the order of [`Self::NAMES`].
            #[must_use]
            pub fn values(&self) -> [i64; Self::NAMES.len()] {
                [$(self.$field,)*]
            }

            /// The sums of values in the order of [`Self::NAMES`].
            #[must_use]
            pub fn from_values([$($field,)*]: [i64; Self::NAMES.len()]) -> Self {
                Self { $($field,)* }
            }
        }

        impl std::ops::AddAssign for Measures {
            fn add_assign(&mut self, other: Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }
        }
    };
}

measures! {
    /// How many there were.
    executions,
    /// Nano-dollars spent, estimates included.
    cost,
    /// Nano-dollars of it that are estimates.
    estimated_cost,
    /// Executions whose cost nobody knows.
    unpriced,
    /// Input tokens, cached ones included.
    input_tokens,
    /// Output tokens, reasoning included.
    output_tokens,
    /// Input tokens read from a cache.
    cached_tokens,
    /// Output tokens spent on reasoning.
    reasoning_tokens,
    /// 429 of the account or key.
    limited_account,
    /// 429 of the provider behind.
    limited_upstream,
    /// 429 of the free models' allowance.
    limited_free,
    /// Out of credit, in flight budgets aside.
    out_of_credit,
    /// The model was unavailable.
    unavailable,
    /// The provider failed: errors, overload, time-outs, broken streams.
    upstream_failures,
    /// What failed otherwise.
    other_failures,
    /// The platform could not use what came.
    bad_outputs,
    /// Failed and charged.
    charged_failures,
    /// Nano-dollars spent on those.
    charged_failure_cost,
    /// Milliseconds that the timed ones took.
    latency_ms,
    /// How many were timed.
    timed,
}

impl Measures {
    /// The sums of one execution.
    #[must_use]
    pub fn of(execution: &Execution) -> Self {
        let usage = &execution.usage;
        let cost = usage.cost.map_or(0, |cost| cost.0);
        let count = |tokens: Option<u64>| tokens.map_or(0, |tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
        let charged = execution.is_charged_failure();
        let mut measures = Self {
            executions: 1,
            cost,
            estimated_cost: if execution.is_estimated { cost } else { 0 },
            unpriced: i64::from(usage.cost.is_none() && execution.outcome == Outcome::Success),
            input_tokens: count(usage.input_tokens),
            output_tokens: count(usage.output_tokens),
            cached_tokens: count(usage.cached_tokens),
            reasoning_tokens: count(usage.reasoning_tokens),
            charged_failures: i64::from(charged),
            charged_failure_cost: if charged { cost } else { 0 },
            latency_ms: execution.latency_ms.map_or(0, i64::from),
            timed: i64::from(execution.latency_ms.is_some()),
            ..Self::default()
        };
        measures.count_outcome(execution.outcome);
        measures
    }

    fn count_outcome(&mut self, outcome: Outcome) {
        use Outcome as O;
        let counter = match outcome {
            O::Success => return,
            O::RateLimitedAccount => &mut self.limited_account,
            O::RateLimitedUpstream => &mut self.limited_upstream,
            O::RateLimitedFreeTier => &mut self.limited_free,
            O::NoBalance | O::KeyLimit | O::WorkspaceBudget | O::TooLarge => &mut self.out_of_credit,
            O::ModelDeprecated | O::ModelNotFound | O::NoEndpoints | O::FreeEnded | O::ModelAway => {
                &mut self.unavailable
            }
            O::UpstreamError | O::Overloaded | O::Timeout | O::StreamError => &mut self.upstream_failures,
            O::BadOutput => &mut self.bad_outputs,
            O::InFlight
            | O::Moderated
            | O::Unauthorized
            | O::ForbiddenRegion
            | O::ForbiddenGuardrail
            | O::ForbiddenPrivacy
            | O::Forbidden
            | O::InvalidRequest
            | O::Cancelled
            | O::Unknown => &mut self.other_failures,
        };
        *counter = 1;
    }

    /// What was spent.
    #[must_use]
    pub fn spent(&self) -> NanoUsd {
        NanoUsd(self.cost)
    }

    /// All that did not end well.
    #[must_use]
    pub fn failed(&self) -> i64 {
        let unserved = self.rate_limited() + self.out_of_credit + self.unavailable;
        unserved + self.upstream_failures + self.other_failures + self.bad_outputs
    }

    /// 429s of every kind.
    #[must_use]
    pub fn rate_limited(&self) -> i64 {
        self.limited_account + self.limited_upstream + self.limited_free
    }
}

/// Sums by quarter and by day. In order, so that two who write them take their locks in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// By quarter of an hour.
    pub quarters: BTreeMap<Key, Measures>,
}

impl Rollup {
    /// Adds an execution under the key that names it; its `slot` is taken from the time.
    pub fn add(&mut self, key: Key, at: DateTime<Utc>, measures: Measures) {
        *self.quarters.entry(Key { slot: quarter_of(at), ..key }).or_default() += measures;
    }

    /// The sums by day.
    #[must_use]
    pub fn days(&self) -> BTreeMap<Key, Measures> {
        let mut days = BTreeMap::<Key, Measures>::new();
        for (key, measures) in &self.quarters {
            *days.entry(Key { slot: key.slot.div_euclid(QUARTERS_PER_DAY), ..*key }).or_default() += *measures;
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quarter_is_counted_from_1970() {
        let at = |h, m, s| Utc.with_ymd_and_hms(1970, 1, 2, h, m, s).unwrap();
        assert_eq!((quarter_of(at(0, 0, 0)), quarter_of(at(0, 14, 59)), quarter_of(at(0, 15, 0))), (96, 96, 97));
        assert_eq!(quarter_of(DateTime::UNIX_EPOCH - TimeDelta::seconds(1)), -1);
    }

    #[test]
    fn values_and_names_are_in_one_order() {
        let measures = Measures { executions: 1, timed: 7, ..Measures::default() };
        assert_eq!(Measures::from_values(measures.values()), measures);
        assert_eq!((Measures::NAMES[0], Measures::NAMES[Measures::NAMES.len() - 1]), ("executions", "timed"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The sums of the parts are the sum of the whole, however it is divided, by quarter and by day.
        #[test]
        fn the_parts_make_the_whole(rows in prop::collection::vec((0_i64..200_000, 0_i64..3, 0_i64..1_000_000), 0..60), cut in 0_usize..60) {
            let roll = |rows: &[(i64, i64, i64)]| {
                let mut rollup = Rollup::default();
                for (second, user, cost) in rows {
                    let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(*second);
                    rollup.add(Key { user: *user, ..Key::default() }, at, Measures { executions: 1, cost: *cost, ..Measures::default() });
                }
                rollup
            };
            let (whole, cut) = (roll(&rows), std::cmp::min(cut, rows.len()));
            let mut parts = roll(&rows[..cut]);
            for (key, measures) in roll(&rows[cut..]).quarters {
                *parts.quarters.entry(key).or_default() += measures;
            }
            prop_assert_eq!(&parts.quarters, &whole.quarters);
            let sum = |sums: &BTreeMap<Key, Measures>| sums.values().map(|sum| sum.cost).sum::<i64>();
            prop_assert_eq!(sum(&whole.quarters), rows.iter().map(|(.., cost)| cost).sum::<i64>());
            prop_assert_eq!(sum(&whole.quarters), sum(&whole.days()));
        }
    }
}
