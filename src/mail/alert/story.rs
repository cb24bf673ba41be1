//! What a mail about an incident says, before it is laid out; every rule tells its own.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::{Names, credit, errors, keys, platform, spend};
use crate::domain::alert::{Rule, Subject};
use crate::domain::finding::{Evidence, Finding, Share, Window};
use crate::domain::incident::{Incident, Step};
use crate::mail::figures::{many, moment_in, number, usd};
use crate::mail::notice::Fact;
use crate::mail::parts::{Bar, Row, model_url};
use crate::mail::text::{harmless, short_day};

/// Parts that a mail lists; evidence names the largest first.
const ROWS_MAX: usize = 5;
/// What was found so lately is of the last hour: that it still holds is kept every quarter of an hour.
const CURRENT_HOUR: TimeDelta = TimeDelta::minutes(75);
/// Models to use instead that a mail names.
const INSTEAD_MAX: usize = 3;

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The user concerned.
    User,
    /// An admin.
    Admin,
}

/// What is told.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Story {
    /// One line: who, what, how much. It reads as the subject, the heading, and a line of a page.
    pub(super) title: String,
    /// The same line when it is over.
    pub(super) over: String,
    /// What it means, expected and actual.
    pub(super) lead: String,
    /// The figures.
    pub(super) facts: Vec<Fact>,
    /// The figures that are to be seen beside each other.
    pub(super) bars: Vec<Bar>,
    /// What to do, the most helpful first.
    pub(super) actions: Vec<String>,
}

/// An incident as one reader sees it.
pub(super) struct Case<'a> {
    pub(super) incident: &'a Incident,
    pub(super) step: Step,
    pub(super) names: &'a Names,
    pub(super) reader: Reader,
    pub(super) zone: Tz,
    /// When it is read, or told.
    pub(super) now: DateTime<Utc>,
}

impl Case<'_> {
    pub(super) fn finding(&self) -> &Finding {
        &self.incident.finding
    }

    pub(super) fn evidence(&self) -> &Evidence {
        &self.incident.finding.evidence
    }

    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Resolved
    }

    /// Everything that is told.
    pub(super) fn story(&self) -> Story {
        match self.finding().rule {
            Rule::UserSpendSpike | Rule::ResourceSpendSpike | Rule::TotalSpendSpike => spend::spike(self),
            Rule::UserSpendOutlier => spend::outlier(self),
            Rule::RateLimited => errors::rate_limited(self),
            Rule::OutOfCredit => errors::out_of_credit(self),
            Rule::CreditRefused => errors::credit_refused(self),
            Rule::ModelFailing => errors::model_failing(self),
            Rule::ChargedFailures => errors::charged_failures(self),
            Rule::BadOutput => errors::bad_output(self),
            Rule::LowCredit | Rule::PlatformCredit => credit::low(self),
            Rule::Budget => credit::budget(self),
            Rule::Margin => credit::margin(self),
            Rule::UnaccountedSpend => keys::unaccounted_spend(self),
            Rule::DormantKeyUsed => keys::dormant_used(self),
            Rule::KeyOld => keys::old(self),
            Rule::KeyRefused => keys::refused(self),
            Rule::CaptureDrift => keys::capture_drift(self),
            Rule::IngestSilent => platform::ingest_silent(self),
            Rule::MailStuck => platform::mail_stuck(self),
            Rule::JobStale | Rule::ListImplausible | Rule::BulkEvent => platform::reported(self),
        }
    }

    /// `You`, or for admins the user's name and id.
    pub(super) fn who(&self) -> String {
        match self.reader {
            Reader::User => "You".to_owned(),
            Reader::Admin => self.named_user().unwrap_or_else(|id| format!("User {id}")),
        }
    }

    /// `Your balance`, or for admins `The balance of Invoice desk (u-17)`.
    pub(super) fn whose(&self, noun: &str) -> String {
        match self.reader {
            Reader::User => format!("Your {noun}"),
            Reader::Admin => format!("The {noun} of {}", self.user()),
        }
    }

    /// The same in the middle of a sentence.
    pub(super) fn whose_within(&self, noun: &str) -> String {
        match self.reader {
            Reader::User => format!("your {noun}"),
            Reader::Admin => format!("the {noun} of {}", self.user()),
        }
    }

    /// The user concerned, in the middle of a sentence.
    fn user(&self) -> String {
        self.named_user().unwrap_or_else(|id| format!("user {id}"))
    }

    /// Name and id of the user concerned, or the id alone.
    fn named_user(&self) -> Result<String, String> {
        let finding = self.finding();
        let id = finding.user.as_deref().unwrap_or_else(|| finding.subject.id());
        let name = self.names.users.get(id).map(|name| harmless(name)).filter(|name| !name.is_empty());
        name.map(|name| format!("{name} ({})", harmless(id))).ok_or_else(|| harmless(id))
    }

    /// What the subject is called.
    pub(super) fn subject(&self) -> String {
        let subject = &self.finding().subject;
        match subject {
            Subject::Resource(id) => self.resource(id).0,
            Subject::Model(id) => self.model_name(id),
            Subject::User(_) => self.user(),
            Subject::Key(id) | Subject::Account(id) => harmless(id),
        }
    }

    pub(super) fn is_platform(&self) -> bool {
        matches!(self.finding().subject, Subject::Account(_))
    }

    /// A model's name, or its id.
    pub(super) fn model_name(&self, id: &str) -> String {
        let name = self.names.models.get(id).map(|name| harmless(name)).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| harmless(id))
    }

    fn resource(&self, id: &str) -> (String, Option<String>) {
        let named = self.names.resources.get(id);
        let name = named.map(|named| harmless(&named.name)).filter(|name| !name.is_empty());
        (name.unwrap_or_else(|| harmless(id)), named.and_then(|named| named.url.clone()))
    }

    /// What was spent in the window.
    pub(super) fn spent(&self) -> String {
        usd(self.evidence().spent.unwrap_or_default())
    }

    /// How often a failure of a kind happened.
    pub(super) fn failed_as(&self, kind: &str) -> i64 {
        self.evidence().failures.iter().find(|(name, _)| name == kind).map_or(0, |(_, count)| *count)
    }

    pub(super) fn failed(&self) -> i64 {
        self.evidence().failures.iter().map(|(_, count)| *count).fold(0, i64::saturating_add)
    }

    /// The window in words: `today`; once it is over, the day that it was.
    pub(super) fn when(&self) -> String {
        let found = self.incident.last_found_at.with_timezone(&self.zone);
        let day = || short_day(found.date_naive());
        match (self.evidence().window, self.is_current()) {
            (Window::Now, true) => "now".to_owned(),
            (Window::Hour, true) => "in the last hour".to_owned(),
            (Window::Day, true) => "today".to_owned(),
            (Window::Month, true) => "this month".to_owned(),
            (Window::Hour, false) => format!("in an hour on {}", day()),
            (Window::Now | Window::Day, false) => format!("on {}", day()),
            (Window::Month, false) => format!("in {}", found.format("%B %Y")),
        }
    }

    /// Whether it was found in the hour, day or month in which it is read: incidents go on for a while after that.
    pub(super) fn is_current(&self) -> bool {
        let (found, now) = (self.incident.last_found_at.with_timezone(&self.zone), self.now.with_timezone(&self.zone));
        let is_same = match self.evidence().window {
            Window::Hour => now - found < CURRENT_HOUR,
            Window::Now | Window::Day => found.date_naive() == now.date_naive(),
            Window::Month => (found.year(), found.month()) == (now.year(), now.month()),
        };
        is_same && !self.is_over()
    }

    pub(super) fn moment(&self, at: DateTime<Utc>) -> String {
        moment_in(at, self.zone)
    }

    /// When it began to hold.
    pub(super) fn began(&self) -> DateTime<Utc> {
        self.incident.pending_since
    }

    /// Days are counted in UTC: the fact that says when today began where the reader is.
    pub(super) fn counted_from(&self) -> Option<Fact> {
        let seconds = match self.evidence().window {
            Window::Day => 86_400,
            Window::Hour => 3_600,
            Window::Now | Window::Month => return None,
        };
        let at = self.incident.last_found_at.timestamp();
        let begin = DateTime::from_timestamp(at - at.rem_euclid(seconds), 0)?;
        Some(fact("Since", self.moment(begin)))
    }

    /// The models that matter most; none if it is one model that this is about.
    pub(super) fn models(&self, link: &str) -> Vec<Row> {
        let row = |share: &Share| self.row(share, self.model_name(&share.name), model_url(link, &share.name));
        let shares = self.evidence().models.iter().filter(|_| !matches!(self.finding().subject, Subject::Model(_)));
        shares.take(ROWS_MAX).map(row).collect()
    }

    /// The resources likewise.
    pub(super) fn resources(&self) -> Vec<Row> {
        let row = |share: &Share| {
            let (name, url) = self.resource(&share.name);
            self.row(share, name, url)
        };
        let shares =
            self.evidence().resources.iter().filter(|_| !matches!(self.finding().subject, Subject::Resource(_)));
        shares.take(ROWS_MAX).map(row).collect()
    }

    /// What failed is shown by failures, what costs by cost.
    fn row(&self, share: &Share, name: String, url: Option<String>) -> Row {
        let executions = many(share.executions, "execution");
        let (figure, detail) = if tells_failures(self.finding().rule) {
            let detail = if share.spent.is_positive() { usd(share.spent) } else { String::new() };
            (format!("{} of {}", number(share.failed), number(share.executions)), detail)
        } else {
            (usd(share.spent), if share.executions > 0 { executions } else { String::new() })
        };
        Row { name, url, figure, detail }
    }

    /// The first of the parts that matter most, in words, such as `Summarise tickets ($48.10)`.
    pub(super) fn top_resource(&self) -> Option<String> {
        self.resources().first().map(|row| format!("{} ({})", row.name, row.figure))
    }

    pub(super) fn top_model(&self) -> Option<String> {
        self.models("").first().map(|row| format!("{} ({})", row.name, row.figure))
    }

    /// Where most of it lies, in a sentence.
    pub(super) fn mostly(&self) -> String {
        match (self.top_resource(), self.top_model()) {
            (Some(resource), Some(model)) => {
                format!(" Most of it went to {resource}; the model that cost most is {model}.")
            }
            (Some(part), None) | (None, Some(part)) => format!(" Most of it went to {part}."),
            (None, None) => String::new(),
        }
    }

    /// What to use in place of a model, in words.
    pub(super) fn instead_of(&self, model: &str) -> Option<String> {
        let instead = self.names.instead.get(model)?;
        let names: Vec<String> = instead.iter().take(INSTEAD_MAX).map(|id| self.model_name(id)).collect();
        (!names.is_empty()).then(|| names.join(", or "))
    }
}

/// Whether a rule is about executions that fail, and not about what they cost.
pub(super) fn tells_failures(rule: Rule) -> bool {
    use Rule::{BadOutput, ChargedFailures, CreditRefused, ModelFailing, OutOfCredit, RateLimited};
    matches!(rule, RateLimited | OutOfCredit | CreditRefused | ModelFailing | ChargedFailures | BadOutput)
}

pub(super) fn fact(label: &'static str, value: impl Into<String>) -> Fact {
    Fact { label, value: value.into() }
}
