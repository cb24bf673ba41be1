//! Silences: what matches is not told from one time to another. One that begins later is a maintenance window.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// What is not told, and when. An empty matcher matches anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The rule's name.
    #[serde(default)]
    pub rule: String,
    /// The kind of the subject: `user`, `resource`, `model`, `key`, `account`.
    #[serde(default)]
    pub subject_kind: String,
    /// The subject's id.
    #[serde(default)]
    pub subject: String,
    /// The user concerned.
    #[serde(default)]
    pub user: String,
    /// Why, for people.
    #[serde(default)]
    pub comment: String,
    /// From when.
    pub starts_at: DateTime<Utc>,
    /// Until when; nothing is silenced for ever.
    pub ends_at: DateTime<Utc>,
}

impl Silence {
    /// Whether it covers a finding at a time.
    #[must_use]
    pub fn covers(&self, finding: &Finding, now: DateTime<Utc>) -> bool {
        let matches = |matcher: &str, value: &str| matcher.is_empty() || matcher == value;
        (self.starts_at..self.ends_at).contains(&now)
            && matches(&self.rule, finding.rule.as_str())
            && matches(&self.subject_kind, finding.subject.kind())
            && matches(&self.subject, finding.subject.id())
            && matches(&self.user, finding.user.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::alert::{Rule, Severity, Subject};
    use crate::domain::finding::Evidence;

    #[test]
    fn a_silence_covers_what_it_names_while_it_lasts() {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let finding = Finding {
            rule: Rule::RateLimited,
            subject: Subject::User("u".to_owned()),
            aspect: String::new(),
            user: Some("u".to_owned()),
            severity: Severity::Warning,
            level: 1,
            value: 0.5,
            threshold: 0.1,
            evidence: Evidence::default(),
        };
        let any = Silence {
            rule: String::new(),
            subject_kind: String::new(),
            subject: String::new(),
            user: String::new(),
            comment: String::new(),
            starts_at: at(10),
            ends_at: at(20),
        };
        assert_eq!([9, 10, 19, 20].map(|minute| any.covers(&finding, at(minute))), [false, true, true, false]);
        let covers = |silence: Silence| silence.covers(&finding, at(10));
        assert!(covers(Silence { rule: "rate_limited".to_owned(), user: "u".to_owned(), ..any.clone() }));
        assert!(!covers(Silence { rule: "budget".to_owned(), ..any.clone() }));
        assert!(!covers(Silence { subject_kind: "model".to_owned(), ..any.clone() }));
        assert!(!covers(Silence { subject: "v".to_owned(), ..any }));
    }
}
