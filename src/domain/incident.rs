//! An incident: a condition that lasts, told in one thread: first, escalated, reminder, resolved.
//!
//! [`step`] is the whole of it: what an evaluation makes of an incident, and which mail that calls for.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::alert::{Rule, Subject};
use super::finding::Finding;

/// A condition that lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Unique, safe in an address, and the root of the mail thread: rule, subject and time of opening.
    pub id: String,
    /// What was found last while it held; with the highest level so far.
    pub finding: Finding,
    /// Where it stands.
    pub phase: Phase,
    /// The first evaluation that found it.
    pub pending_since: DateTime<Utc>,
    /// Since when it fires.
    pub fired_at: Option<DateTime<Utc>>,
    /// The last evaluation that found it.
    pub last_found_at: DateTime<Utc>,
    /// The last mail about it.
    pub told: Option<Told>,
    /// When somebody said that they look after it: no reminders from then on.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// A condition that is not evaluated: whoever sees it begin opens it, whoever sees it end resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Unique, as an incident's.
    pub id: String,
    /// Which rule.
    pub rule: Rule,
    /// What it is about.
    pub subject: Subject,
    /// Since when.
    pub opened_at: DateTime<Utc>,
}

impl Occurrence {
    /// Begins now.
    #[must_use]
    pub fn open(rule: Rule, subject: Subject, now: DateTime<Utc>) -> Self {
        Self { id: id_of(rule, &subject, "", now), rule, subject, opened_at: now }
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It holds, but not for long enough.
    Pending,
    /// It holds, or held until a moment ago.
    Firing,
    /// It is over.
    Resolved,
}

impl Phase {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What was last told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: DateTime<Utc>,
    /// The level that it had then.
    pub level: u16,
    /// How many mails there were: numbers the next one.
    pub times: u32,
}

/// The patience of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long it must hold before it fires.
    pub hold: TimeDelta,
    /// How long it must not hold before it is over.
    pub keep_firing: TimeDelta,
    /// After how long it is told again; `None`: never.
    pub remind_after: Option<TimeDelta>,
    /// Whether its end is told: that a new month began is no news.
    pub tells_end: bool,
}

/// Why a mail is due, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It fires, and nobody was told.
    First,
    /// It is worse than what was told.
    Escalated,
    /// It still fires, and nobody looks after it.
    Reminder,
    /// It is over, and somebody was told that it began.
    Resolved,
    /// Nothing is due.
    Nothing,
}

impl Step {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Escalated => "escalated",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Nothing => "nothing",
        }
    }
}

/// The id of an incident: the same for the same rule, subject and second, and free of what people put into names.
#[must_use]
pub fn id_of(rule: Rule, subject: &Subject, aspect: &str, opened_at: DateTime<Utc>) -> String {
    let digest = Sha256::digest(format!("{} {aspect} {}", subject.kind(), subject.id()));
    let short = digest.iter().take(6).fold(0_u64, |short, byte| short << 8 | u64::from(*byte));
    format!("{}-{short:012x}-{}", rule.as_str(), opened_at.format("%Y%m%dT%H%M%SZ"))
}

/// What an evaluation makes of an incident. `found`: what the rule found of the subject now; `muted`: a silence or a
/// maintenance window covers it, so it goes its way and nothing is told. Gives the incident afterwards (`None`: there
/// is none, or it vanished before it fired) and why a mail is due.
#[must_use]
pub fn step(
    current: Option<Incident>,
    found: Option<Finding>,
    timing: Timing,
    muted: bool,
    now: DateTime<Utc>,
) -> (Option<Incident>, Step) {
    let (mut incident, found) = match (current, found) {
        (None, None) => return (None, Step::Nothing),
        (None, Some(found)) => (Incident::begin(found, now), true),
        (Some(mut incident), Some(found)) => {
            incident.take_in(found, now);
            (incident, true)
        }
        (Some(incident), None) => (incident, false),
    };
    let due = match incident.phase {
        Phase::Pending if !found => return (None, Step::Nothing),
        Phase::Pending if now - incident.pending_since < timing.hold => Step::Nothing,
        Phase::Pending => {
            (incident.phase, incident.fired_at) = (Phase::Firing, Some(now));
            incident.due(timing, now)
        }
        Phase::Firing if !found && now - incident.last_found_at >= timing.keep_firing => {
            (incident.phase, incident.resolved_at) = (Phase::Resolved, Some(now));
            if incident.told.is_some() && timing.tells_end { Step::Resolved } else { Step::Nothing }
        }
        // In the quiet before the end nothing is told: it may be over.
        Phase::Firing if !found => Step::Nothing,
        Phase::Firing => incident.due(timing, now),
        Phase::Resolved => Step::Nothing,
    };
    if muted || due == Step::Nothing {
        return (Some(incident), Step::Nothing);
    }
    let times = incident.told.map_or(0, |told| told.times) + 1;
    incident.told = Some(Told { at: now, level: incident.finding.level, times });
    (Some(incident), due)
}

impl Incident {
    /// Begins when a rule first finds it.
    fn begin(finding: Finding, now: DateTime<Utc>) -> Self {
        Self {
            id: id_of(finding.rule, &finding.subject, &finding.aspect, now),
            finding,
            phase: Phase::Pending,
            pending_since: now,
            fired_at: None,
            last_found_at: now,
            told: None,
            acknowledged_at: None,
            resolved_at: None,
        }
    }

    /// The level only rises: what was told of once is not told again because it sank in between.
    fn take_in(&mut self, found: Finding, now: DateTime<Utc>) {
        let level = std::cmp::max(self.finding.level, found.level);
        self.finding = Finding { level, ..found };
        self.last_found_at = now;
    }

    fn due(&self, timing: Timing, now: DateTime<Utc>) -> Step {
        match self.told {
            None => Step::First,
            Some(told) if self.finding.level > told.level => Step::Escalated,
            Some(told) => {
                let waited = timing.remind_after.is_some_and(|wait| now - told.at >= wait);
                if waited && self.acknowledged_at.is_none() { Step::Reminder } else { Step::Nothing }
            }
        }
    }
}

#[cfg(test)]
#[path = "incident/tests.rs"]
mod tests;
