//! `[credit]`: how often OpenRouter is asked what keys and accounts hold and spent.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::in_range;

/// How keys and accounts are asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Credit {
    /// Whether they are asked at all.
    pub enabled: bool,
    /// Minutes from one time that a key is asked to the next.
    pub poll_minutes: u32,
    /// Keys that are asked at a time.
    pub concurrency: u32,
    /// Minutes that an execution may be reported late: younger spend is held against no executions yet.
    pub late_minutes: u32,
}

impl Default for Credit {
    fn default() -> Self {
        Self { enabled: true, poll_minutes: 15, concurrency: 16, late_minutes: 60 }
    }
}

impl Credit {
    /// From one time that a key is asked to the next.
    #[must_use]
    pub fn interval(&self) -> TimeDelta {
        TimeDelta::minutes(self.poll_minutes.into())
    }

    /// How late an execution may be reported.
    #[must_use]
    pub fn lateness(&self) -> TimeDelta {
        TimeDelta::minutes(self.late_minutes.into())
    }

    /// What is wrong, by path.
    pub(super) fn problems(&self) -> [(&'static str, Result<(), String>); 3] {
        [
            ("credit.poll_minutes", in_range(self.poll_minutes.into(), 1, 24 * 60)),
            ("credit.concurrency", in_range(self.concurrency.into(), 1, 1000)),
            ("credit.late_minutes", in_range(self.late_minutes.into(), 1, 24 * 60)),
        ]
    }
}
