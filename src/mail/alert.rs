//! Mails about incidents: one row for each incident, step and recipient, in one thread; the rules say what they tell.

mod credit;
mod errors;
mod keys;
mod platform;
mod spend;
mod story;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use self::story::{Case, Reader, Story};
use super::admin::Desk;
use super::notice::{Footer, Sender, message_id, unsubscribe_url};
use super::parts::Row;
use super::render::{Error, Rendered, Renderer};
use super::text::{harmless, span};
use crate::domain::alert::{Severity, Subject};
use crate::domain::finding::{Finding, Share};
use crate::domain::incident::{Incident, Step};
use crate::store::outbox::{About, Mail};
use crate::store::told::Recipient;

/// A step of an incident that is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The incident after the step: `told.times` numbers the mail.
    pub incident: &'a Incident,
    /// Why it is told.
    pub step: Step,
    /// What is named in it, as far as it is known.
    pub names: &'a Names,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What people call what a finding names by id. Whatever is missing is called by its id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Resources by id.
    pub resources: BTreeMap<String, Named>,
    /// Names of users by id.
    pub users: BTreeMap<String, String>,
    /// Names of models by id.
    pub models: BTreeMap<String, String>,
    /// Ids of models that can be used in place of a model, best first.
    pub instead: BTreeMap<String, Vec<String>>,
}

/// A resource as its owner knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// What they call it.
    pub name: String,
    /// Where they change it.
    pub url: Option<String>,
}

#[derive(Serialize)]
struct View {
    greeting: Option<String>,
    page_url: Option<String>,
    footer: Footer,
    step: &'static str,
    label: &'static str,
    tone: &'static str,
    subject: String,
    heading: String,
    since: String,
    opening: Option<String>,
    note: Option<String>,
    models: Vec<Row>,
    resources: Vec<Row>,
    parts_label: &'static str,
    #[serde(flatten)]
    story: Story,
}

/// The mail that tells a step to the user concerned. Its kind is [`Rule::user_mail`](crate::domain::alert::Rule::user_mail).
///
/// # Errors
/// When a template does not fit its view.
pub fn to_user(
    renderer: &Renderer,
    sender: &Sender,
    to: &Recipient,
    zone: Tz,
    telling: &Telling<'_>,
) -> Result<Mail, Error> {
    let kind = telling.incident.finding.rule.user_mail().unwrap_or_default();
    let unsubscribe_url = unsubscribe_url(sender, to, kind);
    let footer = Footer {
        reason: "You get this mail because it is about what you run.".to_owned(),
        unsubscribe_url: unsubscribe_url.clone(),
        sender: "openrouter-monitor",
    };
    let case = telling.case(Reader::User, zone);
    let greeting = to.name.as_deref().map(harmless).filter(|name| !name.is_empty());
    let parts = renderer.render("alert", &telling.view(&case, sender, greeting, footer))?;
    let mail = telling.mail(kind, &to.id, &to.email, parts, &sender.domain);
    Ok(Mail { user: Some(to.id.clone()), unsubscribe_url, ..mail })
}

/// The mails that tell a step to the admins, one for each. Their kind is [`Rule::admin_mail`](crate::domain::alert::Rule::admin_mail).
///
/// # Errors
/// When a template does not fit its view.
pub fn to_admins(desk: &Desk<'_>, telling: &Telling<'_>) -> Result<Vec<Mail>, Error> {
    let kind = telling.incident.finding.rule.admin_mail().unwrap_or_default();
    let footer = Footer {
        reason: "You get this mail because you are an admin of this openrouter-monitor.".to_owned(),
        unsubscribe_url: None,
        sender: "openrouter-monitor",
    };
    let case = telling.case(Reader::Admin, Tz::UTC);
    let parts = desk.renderer.render("alert", &telling.view(&case, desk.sender, None, footer))?;
    let mail = |admin: &String| telling.mail(kind, admin, admin, parts.clone(), &desk.sender.domain);
    Ok(desk.admins.iter().map(mail).collect())
}

/// What an incident is about, in one line.
#[must_use]
pub fn headline(incident: &Incident, now: DateTime<Utc>) -> String {
    let names = Names::default();
    Case { incident, step: Step::First, names: &names, reader: Reader::Admin, zone: Tz::UTC, now }.story().title
}

/// What is told at a step, in a few sentences on one line.
#[must_use]
pub fn summary(incident: &Incident, step: Step, now: DateTime<Utc>) -> String {
    let names = Names::default();
    let case = Case { incident, step, names: &names, reader: Reader::Admin, zone: Tz::UTC, now };
    let story = case.story();
    let subject = subject(&case, &story);
    if case.is_over() {
        return format!("{subject}. {}", opening(&case).unwrap_or_default());
    }
    let action = story.actions.first().map_or_else(String::new, |action| format!(" What to do: {action}"));
    format!("{subject}. {}{action}", story.lead)
}

impl Telling<'_> {
    fn case(&self, reader: Reader, zone: Tz) -> Case<'_> {
        Case { incident: self.incident, step: self.step, names: self.names, reader, zone, now: self.now }
    }

    fn view(&self, case: &Case<'_>, sender: &Sender, greeting: Option<String>, footer: Footer) -> View {
        let story = case.story();
        let is_over = case.is_over();
        let (label, tone) = label(case);
        View {
            greeting,
            page_url: sender.public_url.clone().filter(|_| case.reader == Reader::Admin),
            footer,
            step: self.step.as_str(),
            label,
            tone,
            subject: subject(case, &story),
            heading: if is_over { story.over.clone() } else { story.title.clone() },
            since: case.moment(case.began()),
            opening: opening(case),
            note: self.incident.finding.evidence.note.as_deref().map(harmless).filter(|_| !is_over),
            models: case.models(&sender.model_link),
            resources: case.resources(),
            parts_label: if story::tells_failures(self.incident.finding.rule) { "fails most" } else { "costs most" },
            story,
        }
    }

    /// The row of the outbox. All mails of an incident to a recipient answer the first one.
    fn mail(&self, kind: &str, recipient: &str, address: &str, parts: Rendered, domain: &str) -> Mail {
        let times = self.incident.told.map_or(1, |told| told.times);
        let key = |times: u32| format!("{kind}/{}/{times}/{recipient}", self.incident.id);
        let root = message_id(&key(1), domain);
        let dedup_key = key(times);
        let Finding { subject, evidence, .. } = &self.incident.finding;
        Mail {
            message_id: message_id(&dedup_key, domain),
            dedup_key,
            kind: kind.to_owned(),
            recipient: address.to_owned(),
            subject: parts.subject,
            text: parts.text,
            html: parts.html,
            threads: if times > 1 { vec![root] } else { Vec::new() },
            about: About {
                models: named(&evidence.models, if let Subject::Model(id) = subject { Some(id) } else { None }),
                resources: named(
                    &evidence.resources,
                    if let Subject::Resource(id) = subject { Some(id) } else { None },
                ),
                incident: self.incident.id.clone(),
                why: vec![summary(self.incident, self.step, self.now)],
            },
            ..Mail::default()
        }
    }
}

/// The ids that a mail names: what it is about, then the parts of it.
fn named(shares: &[Share], subject: Option<&String>) -> Vec<String> {
    let parts = shares.iter().map(|share| &share.name).filter(|name| Some(*name) != subject);
    subject.into_iter().chain(parts).cloned().collect()
}

/// The subject says which step it is.
fn subject(case: &Case<'_>, story: &Story) -> String {
    use crate::domain::alert::Rule::{Budget, KeyOld};
    match case.step {
        Step::Resolved => story.over.clone(),
        // Another share of a limit and another age of a key are steps of their own, and no worsening.
        Step::Escalated if !matches!(case.finding().rule, Budget | KeyOld) => format!("Getting worse: {}", story.title),
        Step::Reminder => format!("Still: {}", story.title),
        Step::First | Step::Escalated | Step::Nothing => story.title.clone(),
    }
}

/// The line above the heading, and its colour.
fn label(case: &Case<'_>) -> (&'static str, &'static str) {
    match (case.step, case.finding().severity) {
        (Step::Resolved, _) => ("Over", "good"),
        (Step::Reminder, Severity::Info) => ("Still so", "m"),
        (Step::Reminder, _) => ("Still so", "bad"),
        (_, Severity::Critical) => ("Needs a look now", "bad"),
        (_, Severity::Warning) => ("Needs a look", "warn"),
        (_, Severity::Info) => ("Good to know", "m"),
    }
}

/// What a later mail says first: how it went on since the last one.
fn opening(case: &Case<'_>) -> Option<String> {
    use crate::domain::alert::Rule::{Budget, KeyOld};
    let (began, incident) = (case.began(), case.incident);
    match case.step {
        Step::Resolved => {
            let ended = incident.resolved_at.unwrap_or(incident.last_found_at);
            let told = case.story().title;
            Some(format!(
                "This is over. It began on {} and lasted for {}. When it was last so: {told}.",
                case.moment(began),
                span(ended - began)
            ))
        }
        Step::Escalated if !matches!(case.finding().rule, Budget | KeyOld) => {
            Some("This is worse than when we last wrote to you.".to_owned())
        }
        Step::Reminder => {
            Some(format!("This is still so, for {} now. We wrote to you before.", span(incident.last_found_at - began)))
        }
        Step::First | Step::Escalated | Step::Nothing => None,
    }
}

#[cfg(test)]
#[path = "alert/tests.rs"]
mod tests;
