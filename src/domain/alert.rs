//! Rules, and the incidents that they open.

use chrono::{DateTime, Utc};

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The rules. The names are part of the contract of metrics, `replay` and the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[$doc])* $variant,)* }

        impl Rule {
            /// All rules, for what must be exported as zero.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

rules! {
    /// A fetched list was refused.
    ListImplausible = "list_implausible",
    /// Many models vanished in one step.
    BulkEvent = "bulk_event",
    /// A job failed in every attempt of a slot.
    JobStale = "job_stale",
}

/// A condition that lasts: opened once, told once, resolved once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Unique, and the root of the mail thread: rule, subject and time of opening.
    pub id: String,
    /// Which rule.
    pub rule: Rule,
    /// What it is about: a job, a family of models, the list.
    pub subject: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}

impl Incident {
    /// Opens an incident.
    #[must_use]
    pub fn open(rule: Rule, subject: &str, now: DateTime<Utc>) -> Self {
        let id = format!("{}/{subject}/{}", rule.as_str(), now.format("%Y%m%dT%H%M%SZ"));
        Self { id, rule, subject: subject.to_owned(), opened_at: now }
    }
}
