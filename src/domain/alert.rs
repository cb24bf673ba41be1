//! What can be alerted of: the rules, what they are about, how bad it is, and who hears of it.

use serde::{Deserialize, Serialize};

/// A kind of mail, as preferences, metrics and `replay` name it.
type MailKind = Option<&'static str>;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $user:expr, $admins:expr;)*) => {
        /// The rules. The names are part of the contract of metrics, `replay` and the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule { $($(#[$doc])* $variant,)* }

        impl Rule {
            /// All rules, for what must be exported as zero.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of mail by which the user concerned hears of it, if they do.
            #[must_use]
            pub fn user_mail(self) -> MailKind {
                match self { $(Self::$variant => $user,)* }
            }

            /// The kind of mail by which the admins hear of it, if they do.
            #[must_use]
            pub fn admin_mail(self) -> MailKind {
                match self { $(Self::$variant => $admins,)* }
            }
        }
    };
}

rules! {
    /// A user spends far more than they usually do.
    UserSpendSpike = "user_spend_spike", Some("spend_spike"), Some("spend_anomaly");
    /// A resource costs far more than it usually does.
    ResourceSpendSpike = "resource_spend_spike", Some("spend_spike"), None;
    /// All together spend far more than they usually do.
    TotalSpendSpike = "total_spend_spike", None, Some("spend_anomaly");
    /// A user spends many times what the average active user does.
    UserSpendOutlier = "user_spend_outlier", None, Some("spend_outlier");
    /// Many of a user's executions end in 429.
    RateLimited = "rate_limited", Some("rate_limited"), None;
    /// A user's executions end in 402 because credit or a limit is used up.
    OutOfCredit = "out_of_credit", Some("out_of_credit"), None;
    /// Executions of many users end in 402: the platform's own credit may be used up.
    CreditRefused = "credit_refused", None, Some("platform_credit");
    /// A model fails for several users.
    ModelFailing = "model_failing", None, Some("model_failing");
    /// A user pays for executions that failed.
    ChargedFailures = "charged_failures", None, Some("charged_failures");
    /// A model gives more unusable outputs than it usually does.
    BadOutput = "bad_output", None, Some("bad_output");
    /// A user's balance is low, or will not last.
    LowCredit = "low_credit", Some("low_credit"), None;
    /// The platform's balance is low, or will not last.
    PlatformCredit = "platform_credit", None, Some("platform_credit");
    /// A share of a cap is reached.
    Budget = "budget", Some("budget"), None;
    /// A user's month, or the platform's, costs more than is paid for it.
    Margin = "margin", None, Some("margin");
    /// OpenRouter reports more spend on a key than the executions explain.
    UnaccountedSpend = "unaccounted_spend", Some("unaccounted_spend"), None;
    /// A key that was silent for long spends.
    DormantKeyUsed = "dormant_key_used", Some("unaccounted_spend"), None;
    /// A key is old, or expires soon.
    KeyOld = "key_old", Some("key_age"), None;
    /// OpenRouter no longer takes a key.
    KeyRefused = "key_refused", Some("key_refused"), None;
    /// What was recorded and what OpenRouter charged differ.
    CaptureDrift = "capture_drift", None, Some("capture_drift");
    /// Executions that always came no longer come.
    IngestSilent = "ingest_silent", None, Some("monitor_trouble");
    /// A job failed in every attempt of a slot.
    JobStale = "job_stale", None, Some("monitor_trouble");
    /// Mails wait for long.
    MailStuck = "mail_stuck", None, Some("monitor_trouble");
    /// A fetched list was refused.
    ListImplausible = "list_implausible", None, Some("monitor_trouble");
    /// Many models vanished in one step.
    BulkEvent = "bulk_event", None, Some("admin_digest");
}

impl Rule {
    /// The rule of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == name)
    }
}

/// What an alert is about. Its JSON is what `replay` and the API show: `{"user":"u-1"}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A user, by the platform's id.
    User(String),
    /// A resource, by the platform's id.
    Resource(String),
    /// A model, by OpenRouter's id.
    Model(String),
    /// A key, by its label.
    Key(String),
    /// The platform as a whole, or a part of the daemon.
    Account(String),
}

impl Subject {
    /// The account that stands for the platform as a whole.
    pub const PLATFORM: &'static str = "platform";

    /// The kind's stable name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Resource(_) => "resource",
            Self::Model(_) => "model",
            Self::Key(_) => "key",
            Self::Account(_) => "account",
        }
    }

    /// Which one.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Resource(id) | Self::Model(id) | Self::Key(id) | Self::Account(id) => id,
        }
    }

    /// The user, where it is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id),
            _ => None,
        }
    }

    /// The subject of a kind and id; `None` for a kind that is none.
    #[must_use]
    pub fn of(kind: &str, id: String) -> Option<Self> {
        match kind {
            "user" => Some(Self::User(id)),
            "resource" => Some(Self::Resource(id)),
            "model" => Some(Self::Model(id)),
            "key" => Some(Self::Key(id)),
            "account" => Some(Self::Account(id)),
            _ => None,
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at today.
    #[default]
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for rule in Rule::ALL {
            assert_eq!(Rule::named(rule.as_str()), Some(*rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        let subject = Subject::Model("a/b".to_owned());
        assert_eq!(serde_json::to_string(&subject).unwrap(), r#"{"model":"a/b"}"#);
        assert_eq!(Subject::of(subject.kind(), subject.id().to_owned()), Some(subject));
    }

    #[test]
    fn every_rule_has_somebody_who_hears_of_it() {
        assert!(Rule::ALL.iter().all(|rule| rule.user_mail().is_some() || rule.admin_mail().is_some()));
    }
}
