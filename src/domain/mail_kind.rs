//! The kinds of mail: their stable names, who gets them, what they tell, and which of them cannot wait.
//!
//! Preferences, metrics, pages and `replay` name kinds as they stand here; the names are part of the contract.

/// Who gets a kind of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Users, about what is theirs; they choose what they want.
    Users,
    /// Everybody who gets what admins get.
    Admins,
}

/// Whether a kind of mail can wait for a better hour, or for a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// What it tells costs money or stops work while nobody knows of it.
    Urgent,
    /// It is as true in the morning.
    Calm,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $audience:ident, $haste:ident, $what:literal;)*) => {
        /// A kind of mail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MailKind { $(#[doc = $what] $variant,)* }

        impl MailKind {
            /// All kinds, users' first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Who gets it.
            #[must_use]
            pub fn audience(self) -> Audience {
                match self { $(Self::$variant => Audience::$audience,)* }
            }

            /// What it tells, as a user's own page says it.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// Whether it is sent at once, at any hour, however many there were that day; admins' mails always are.
            #[must_use]
            pub fn is_urgent(self) -> bool {
                match self { $(Self::$variant => matches!(Haste::$haste, Haste::Urgent),)* }
            }
        }
    };
}

kinds! {
    ModelDeprecated = "model_deprecated", Users, Calm, "A model you use will be withdrawn";
    ModelDateChanged = "model_date_changed", Users, Calm, "The date of a withdrawal changed";
    ModelMissing = "model_missing", Users, Urgent, "A model that your executions need is missing";
    ModelRemoved = "model_removed", Users, Urgent, "A model you use is gone";
    ModelReturned = "model_returned", Users, Calm, "A model that was gone is back";
    ModelRepriced = "model_repriced", Users, Calm, "A model you use got dearer or cheaper";
    ModelCapability = "model_capability", Users, Calm, "A model you use lost or gained an ability";
    SpendSpike = "spend_spike", Users, Urgent, "You spend far more than you usually do";
    RateLimited = "rate_limited", Users, Calm, "Many of your executions are refused as too many";
    OutOfCredit = "out_of_credit", Users, Urgent, "Your executions are refused because credit is used up";
    LowCredit = "low_credit", Users, Calm, "Your credit is running low";
    Budget = "budget", Users, Calm, "A share of your spending limit is reached";
    UnaccountedSpend = "unaccounted_spend", Users, Urgent, "Your key spends more than your executions explain";
    KeyAge = "key_age", Users, Calm, "A key of yours is old or expires soon";
    KeyRefused = "key_refused", Users, Urgent, "A key of yours is refused";
    WeeklyReport = "weekly_report", Users, Calm, "Once a week: what you spent, and on what";
    AdminDigest = "admin_digest", Admins, Urgent, "What changed, and for how many users";
    AdminReport = "admin_report", Admins, Urgent, "Once a week: what all together spent, and who most";
    SpendAnomaly = "spend_anomaly", Admins, Urgent, "Spend is far above what is usual";
    SpendOutlier = "spend_outlier", Admins, Urgent, "A user spends many times what others do";
    Margin = "margin", Admins, Urgent, "A user or the platform costs more than is paid for it";
    ModelFailing = "model_failing", Admins, Urgent, "A model fails for several users";
    ChargedFailures = "charged_failures", Admins, Urgent, "Executions fail and are charged all the same";
    BadOutput = "bad_output", Admins, Urgent, "A model gives more unusable outputs than usual";
    PlatformCredit = "platform_credit", Admins, Urgent, "The platform's own credit is low or used up";
    CaptureDrift = "capture_drift", Admins, Urgent, "Recorded spend differs from the provider's";
    MonitorTrouble = "monitor_trouble", Admins, Urgent, "The monitor itself needs a look";
}

impl MailKind {
    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// What users can get, and choose not to.
    pub fn of_users() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.audience() == Audience::Users)
    }

    /// Whether mails of a name are sent at once. Nobody holds up a kind that this program does not know.
    #[must_use]
    pub fn is_urgent_name(name: &str) -> bool {
        Self::named(name).is_none_or(Self::is_urgent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::Rule;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::named(kind.as_str()), Some(*kind));
        }
        assert_eq!(MailKind::named("no_such_kind"), None);
        assert_eq!((MailKind::of_users().count(), MailKind::ALL.len()), (16, 27));
    }

    #[test]
    fn what_rules_tell_users_and_admins_is_theirs_to_get() {
        for rule in Rule::ALL {
            for (name, audience) in [(rule.user_mail(), Audience::Users), (rule.admin_mail(), Audience::Admins)] {
                let told = name.map(|name| MailKind::named(name).map(MailKind::audience));
                assert!(told.is_none_or(|told| told == Some(audience)), "{rule:?} {name:?}");
            }
        }
    }
}
