//! What a rule found of one subject, with the evidence that a person needs to judge it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::alert::{Rule, Severity, Subject};
use super::money::NanoUsd;

/// A condition that holds now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// What it is about.
    pub subject: Subject,
    /// Tells apart what one rule finds of one subject at a time: `daily` and `monthly` caps. Mostly empty.
    #[serde(default)]
    pub aspect: String,
    /// The user whom it concerns, where it concerns one.
    pub user: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// How far it went, from 1: what is told again is a higher level. For caps: 50, 80, 100.
    pub level: u16,
    /// What was measured, in the unit of the rule: dollars, a share from 0 to 1, days, seconds.
    pub value: f64,
    /// What it may be, in the same unit.
    pub threshold: f64,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a finding rests on. What a rule does not know is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Over which time it was measured.
    pub window: Window,
    /// What is usual, in the unit of the value.
    pub expected: Option<f64>,
    /// Since when it is measured, where the window does not tell.
    pub since: Option<DateTime<Utc>>,
    /// What was spent in the window.
    pub spent: Option<NanoUsd>,
    /// Executions in the window.
    pub executions: i64,
    /// How many of them failed, by what the rule looks at: `account`, `upstream`, `free_tier` of a 429, and so on.
    pub failures: Vec<(String, i64)>,
    /// The models that the most was spent on, or that fail most.
    pub models: Vec<Share>,
    /// The resources likewise.
    pub resources: Vec<Share>,
    /// Users concerned.
    pub users: i64,
    /// Which cap: `daily` or `monthly`.
    pub cap: Option<String>,
    /// The cap, the plan or the balance that the value is measured against.
    pub limit: Option<NanoUsd>,
    /// Seconds until the balance is used up at the usual rate.
    pub runway_s: Option<i64>,
    /// Executions that the balance is sufficient for.
    pub sufficient_for: Option<i64>,
    /// What people should know beside.
    pub note: Option<String>,
}

/// A part of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which model or resource.
    pub name: String,
    /// What was spent on it in the window.
    pub spent: NanoUsd,
    /// Executions of it in the window.
    pub executions: i64,
    /// How many of those failed as the rule looks at.
    pub failed: i64,
}

/// The time over which something was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// At a moment.
    #[default]
    Now,
    /// The hour of the clock so far, or the last hour.
    Hour,
    /// The day so far.
    Day,
    /// The month so far.
    Month,
}
