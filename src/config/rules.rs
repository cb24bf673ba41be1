//! `[rules.NAME]`: when each rule holds, and with how much patience.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::in_range;
use crate::domain::alert::Rule;
use crate::domain::rule::Settings;

/// Every rule that is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(BTreeMap<Rule, Settings>);

impl Default for Rules {
    fn default() -> Self {
        let settings = Rule::ALL.iter().filter_map(|rule| Some((*rule, Settings::default_of(*rule)?)));
        Self(settings.collect())
    }
}

/// Longest times that can be set: 90 days.
const DAYS_MAX: u64 = 90;

impl Rules {
    /// The settings of a rule that is on.
    #[must_use]
    pub fn on(&self, rule: Rule) -> Option<&Settings> {
        self.of(rule).filter(|settings| settings.enabled)
    }

    /// The settings of a rule; `None` for one that is not evaluated.
    #[must_use]
    pub fn of(&self, rule: Rule) -> Option<&Settings> {
        self.0.get(&rule)
    }

    /// Switches a rule off.
    pub fn switch_off(&mut self, rule: Rule) {
        if let Some(settings) = self.0.get_mut(&rule) {
            settings.enabled = false;
        }
    }

    /// What is wrong, by path.
    pub(super) fn problems(&self) -> Vec<(String, Result<(), String>)> {
        let mut checks = Vec::new();
        for (rule, settings) in &self.0 {
            let mut check = |key: &str, result| checks.push((format!("rules.{}.{key}", rule.as_str()), result));
            let threshold = settings.threshold.is_finite() && settings.threshold >= 0.0;
            check("threshold", if threshold { Ok(()) } else { Err("is not a number from 0 on".to_owned()) });
            let usd = !settings.usd.is_sign_negative();
            check("usd", if usd { Ok(()) } else { Err("is negative".to_owned()) });
            check("for_minutes", in_range(u64::from(settings.for_minutes), 0, DAYS_MAX * 24 * 60));
            check("keep_firing_minutes", in_range(u64::from(settings.keep_firing_minutes), 0, DAYS_MAX * 24 * 60));
            check("remind_hours", in_range(u64::from(settings.remind_hours), 0, DAYS_MAX * 24));
        }
        checks
    }
}
