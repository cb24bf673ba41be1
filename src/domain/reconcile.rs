//! What a key spent by OpenRouter's count against what its executions cost: the rest is somebody else's use of the key,
//! or what the platform does not report.
//!
//! Neither is known to the second. OpenRouter counts a minute late, an execution takes a while and is then summed with
//! its quarter of an hour, and may be reported an hour late. So every doubt speaks for the key: spend is looked at only
//! when it is older than executions are late, and whatever ran near the ends of a span explains what was counted in it.
//! Of all spans of the last days the one is told in which the most is left over: no fixed span would show both a leak
//! of an hour in a busy week, and one of cents that goes on for days.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::money::NanoUsd;
use super::rollup::quarter_of;

/// How far back is looked.
pub const LOOK_BACK: TimeDelta = TimeDelta::days(7);
/// Executions so long before and after a span still explain what was counted in it: they took a while, or were counted
/// a while after.
const SLACK: TimeDelta = TimeDelta::minutes(10);
/// Shares are compared exactly, in millionths.
const WHOLE: i128 = 1_000_000;

/// What OpenRouter counted on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// When it was first seen so.
    pub at: DateTime<Utc>,
    /// When it was last seen so.
    pub until: DateTime<Utc>,
    /// Dollars ever spent, those at providers with their own keys included.
    pub usage: NanoUsd,
}

/// Spend that nothing explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexplained {
    /// How much it is, at least.
    pub amount: NanoUsd,
    /// Of how much that OpenRouter counted.
    pub reported: NanoUsd,
    /// What executions explain of it, at most.
    pub explained: NanoUsd,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The quarters of an hour whose executions may explain what was counted from one time to another; the last one not
/// included.
#[must_use]
pub fn quarters(from: DateTime<Utc>, until: DateTime<Utc>) -> (i64, i64) {
    (quarter_of(from - SLACK), quarter_of(until + SLACK) + 1)
}

/// What nothing explains of the counts, in the order of their times, by what executions cost in each quarter of an
/// hour: of the span in which it exceeds `share` of what was counted by most, if it is the floor or more. The floor
/// keeps cents from being anybody's trouble, the share differences of rounding and of estimates.
#[must_use]
pub fn unexplained(
    counts: &[Count],
    recorded: &BTreeMap<i64, NanoUsd>,
    floor: NanoUsd,
    share: f64,
) -> Option<Unexplained> {
    let recorded = Recorded::new(recorded);
    let kept = WHOLE - millionths(share);
    let excess = |usage: NanoUsd, explained: i64| i128::from(usage.0) * kept - i128::from(explained) * WHOLE;
    // The beginning of a span after which the most is left over, among those so far.
    let mut best: Option<(i128, &Count, i64)> = None;
    let mut found: Option<(i128, Unexplained)> = None;
    for count in counts {
        let (first, last) = quarters(count.until, count.at);
        if let Some((so_far, from, before)) = best {
            let explained = recorded.before(last);
            let over = excess(count.usage, explained) - so_far;
            let (reported, explained) = (count.usage.0.saturating_sub(from.usage.0), explained - before);
            let amount = NanoUsd(reported.saturating_sub(explained));
            if over > 0 && amount >= floor && found.is_none_or(|(most, _)| over > most) {
                let (reported, explained) = (NanoUsd(reported), NanoUsd(explained));
                found = Some((over, Unexplained { amount, reported, explained, since: from.until }));
            }
        }
        let before = recorded.before(first);
        let here = excess(count.usage, before);
        if best.is_none_or(|(so_far, ..)| here <= so_far) {
            best = Some((here, count, before));
        }
    }
    found.map(|(_, found)| found)
}

/// Sums of all quarters before one.
struct Recorded(Vec<(i64, i64)>);

impl Recorded {
    fn new(quarters: &BTreeMap<i64, NanoUsd>) -> Self {
        let mut sum = 0_i64;
        let summed = quarters.iter().map(|(quarter, cost)| {
            sum = sum.saturating_add(std::cmp::max(cost.0, 0));
            (*quarter, sum)
        });
        Self(summed.collect())
    }

    fn before(&self, quarter: i64) -> i64 {
        let place = self.0.partition_point(|(known, _)| *known < quarter);
        place.checked_sub(1).map_or(0, |place| self.0[place].1)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a share, clamped")]
fn millionths(share: f64) -> i128 {
    (share.clamp(0.0, 1.0) * 1e6) as i128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Polled every quarter at its seventh minute.
    fn count(quarter: i64, usage: i64) -> Count {
        let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(quarter * 15 + 7);
        Count { at, until: at, usage: NanoUsd(usage) }
    }

    fn found(counts: &[(i64, i64)], recorded: &[(i64, i64)]) -> Option<Unexplained> {
        let counts: Vec<Count> = counts.iter().map(|(quarter, usage)| count(*quarter, *usage)).collect();
        let recorded = recorded.iter().map(|(quarter, cost)| (*quarter, NanoUsd(*cost))).collect();
        unexplained(&counts, &recorded, NanoUsd(100), 0.05)
    }

    fn amount(counts: &[(i64, i64)], recorded: &[(i64, i64)]) -> Option<i64> {
        found(counts, recorded).map(|found| found.amount.0)
    }

    #[test]
    fn what_executions_do_not_explain_is_told_from_the_floor_and_the_share_on() {
        assert_eq!(amount(&[(10, 0), (20, 500)], &[]), Some(500));
        assert_eq!(amount(&[(10, 0), (20, 500)], &[(15, 400)]), Some(100));
        assert_eq!(amount(&[(10, 0), (20, 500)], &[(15, 401)]), None, "below the floor");
        assert_eq!(amount(&[(10, 0), (20, 10_000)], &[(15, 9_499)]), Some(501));
        assert_eq!(amount(&[(10, 0), (20, 10_000)], &[(15, 9_500)]), None, "no more than the share");
        assert_eq!(amount(&[(10, 0), (20, 500)], &[(15, 900)]), None);
        assert_eq!(amount(&[(10, 500)], &[]), None, "what was before the first count is nobody's to explain");
        assert_eq!(amount(&[], &[]), None);
    }

    #[test]
    fn what_ran_near_the_ends_explains_too() {
        for quarter in 9..=21 {
            assert_eq!(amount(&[(10, 0), (20, 500)], &[(quarter, 500)]), None, "{quarter}");
        }
        for quarter in [8, 22] {
            assert_eq!(amount(&[(10, 0), (20, 500)], &[(quarter, 500)]), Some(500), "{quarter}");
        }
    }

    #[test]
    fn a_leak_shows_in_a_busy_week_and_a_slow_one_adds_up() {
        let week: Vec<(i64, i64)> = (0..672).map(|quarter| (quarter, 10_000)).collect();
        let leak = |leaked: &dyn Fn(i64) -> i64| -> Vec<(i64, i64)> {
            (0..672).map(|quarter| (quarter, (quarter + 1) * 10_000 + leaked(quarter))).collect()
        };
        assert_eq!(amount(&leak(&|_| 0), &week), None);
        let fast = found(&leak(&|quarter| if quarter < 660 { 0 } else { (quarter - 659) * 8_000 }), &week).unwrap();
        assert!(fast.amount.0 > 70_000 && fast.since >= count(655, 0).at, "{fast:?}");
        assert_eq!(amount(&leak(&|quarter| quarter * 300), &week), None, "three in a hundred are estimates");
        let slow: Vec<(i64, i64)> = (0..672).map(|quarter| (quarter, quarter * 3)).collect();
        assert_eq!(amount(&slow, &[(300, 1_000)]), Some(1_107), "since what ran, which explains the time before");
    }

    #[test]
    fn a_count_that_stayed_is_a_better_beginning() {
        let counts = [Count { until: count(30, 0).at, ..count(10, 700) }, count(40, 1_200)];
        let recorded = [(10, NanoUsd(700)), (35, NanoUsd(100))].into();
        assert_eq!(unexplained(&counts, &recorded, NanoUsd(100), 0.05).unwrap().amount, NanoUsd(400));
    }

    #[test]
    fn a_refund_is_no_spend() {
        assert_eq!(amount(&[(10, 900), (20, 200), (30, 250)], &[]), None);
        assert_eq!(amount(&[(10, 900), (20, 200), (30, 400)], &[]), Some(200));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However executions fall into a week, and however late within the slack they are counted: what ran explains
        /// what was counted.
        #[test]
        fn what_is_recorded_is_never_told(rows in prop::collection::vec((0_i64..10_080, 0_i64..10, 0_i64..1 << 40), 0..80), phase in 0_i64..15) {
            let minute = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
            let mut recorded = BTreeMap::<i64, NanoUsd>::new();
            for (ran, _, cost) in &rows {
                *recorded.entry(quarter_of(minute(*ran))).or_default() += NanoUsd(*cost);
            }
            let counts: Vec<Count> = (0..672).map(|poll| {
                let at = minute(poll * 15 + phase);
                let counted = rows.iter().filter(|(ran, later, _)| minute(ran + later) <= at);
                Count { at, until: at, usage: counted.map(|(.., cost)| NanoUsd(*cost)).sum() }
            }).collect();
            prop_assert_eq!(unexplained(&counts, &recorded, NanoUsd(1), 0.0), None);
        }
    }
}
