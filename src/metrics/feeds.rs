//! The metrics about feeds of vendors' announcements.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::Maker;
use crate::feeds::Feed;

/// What each feed had, and how reading it goes.
#[expect(missing_docs, reason = "each metric's help text stands where it is made")]
pub struct Feeds {
    pub reads: IntCounterVec,
    pub last_success: GaugeVec,
    pub announcements: IntGaugeVec,
    pub rejected: IntGaugeVec,
}

impl Feeds {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            reads: make.counters(
                "openrouter_monitor_feed_reads_total",
                "Attempts to read a feed of vendors' announcements.",
                &["feed", "result"],
            ),
            last_success: make.gauges(
                "openrouter_monitor_feed_last_success_timestamp_seconds",
                "When a feed was last good; 0 for never, and for one that is off.",
                &["feed"],
            ),
            announcements: make.int_gauges(
                "openrouter_monitor_feed_announcements",
                "Announcements in a feed when it was last good.",
                &["feed"],
            ),
            rejected: make.int_gauges(
                "openrouter_monitor_feed_rejected_entries",
                "Unreadable entries in a feed when it was last good.",
                &["feed"],
            ),
        }
    }

    /// Makes every series exist.
    pub(super) fn begin_at_zero(&self) {
        for feed in Feed::ALL.map(Feed::as_str) {
            for result in ["ok", "error"] {
                self.reads.with_label_values(&[feed, result]);
            }
            self.last_success.with_label_values(&[feed]);
            self.announcements.with_label_values(&[feed]);
            self.rejected.with_label_values(&[feed]);
        }
    }
}
