//! Takes the findings into their incidents, and tells what is due, in one transaction each time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::config::Config;
use crate::domain::alert::{Rule, Subject};
use crate::domain::finding::Finding;
use crate::domain::incident::{self, Incident, Step, Timing};
use crate::domain::silence::Silence;
use crate::job::{Context, Error, notices};
use crate::mail::admin::Desk;
use crate::mail::alert::{self, Named, Names, Telling};
use crate::notify::{self, Notice};
use crate::store::outbox::Mail;
use crate::store::{Lock, Tx, directory, incidents, silences, told};

/// Incidents that are taken a step further in one transaction.
const INCIDENTS_PER_TRANSACTION: usize = 200;

/// What tells incidents apart.
type Key = (Rule, Subject, String);

fn key(finding: &Finding) -> Key {
    (finding.rule, finding.subject.clone(), finding.aspect.clone())
}

/// Takes every incident a step further: those that were open, and those that begin. Gives the number of mails.
pub(super) async fn tell(
    context: &Context,
    findings: Vec<Finding>,
    open: &[Incident],
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let mut found: BTreeMap<Key, Finding> = findings.into_iter().map(|finding| (key(&finding), finding)).collect();
    let keys: BTreeSet<Key> = open.iter().map(|open| key(&open.finding)).chain(found.keys().cloned()).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let mut told = 0;
    for keys in keys.chunks(INCIDENTS_PER_TRANSACTION) {
        let findings = keys.iter().map(|key| (key.clone(), found.remove(key))).collect();
        let mut tx = context.db.write().await?;
        tx.lock(Lock::Telling).await?;
        let kinds = advance(context, &mut tx, findings, now).await?;
        tx.commit().await?;
        told += kinds.len();
        context.enqueued(kinds.iter().map(String::as_str));
    }
    Ok(told)
}

/// Takes some incidents a step further. They are read anew under the lock: somebody else may have.
async fn advance(
    context: &Context,
    tx: &mut Tx,
    findings: Vec<(Key, Option<Finding>)>,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Error> {
    let config = context.settings.get();
    let mut open: BTreeMap<Key, Incident> =
        incidents::evaluated(tx).await?.into_iter().map(|open| (key(&open.finding), open)).collect();
    let silences: Vec<Silence> = silences::not_ended(tx, now).await?.into_iter().map(|(_, silence)| silence).collect();
    let mut kinds = Vec::new();
    for (key, found) in findings {
        let (before, timing) = (open.remove(&key), timing(&config, key.0));
        let is_muted = found
            .as_ref()
            .or(before.as_ref().map(|before| &before.finding))
            .is_some_and(|finding| silences.iter().any(|silence| silence.covers(finding, now)));
        let (after, step) = incident::step(before.clone(), found, timing, is_muted, now);
        match (&before, &after) {
            (Some(before), None) => incidents::forget(tx, &before.id).await?,
            (before, Some(after)) if step != Step::Nothing || is_worth_saving(before.as_ref(), after) => {
                incidents::save(tx, after).await?;
            }
            _ => {}
        }
        if let Some(incident) = after.filter(|_| step != Step::Nothing) {
            let names = names(tx, &incident.finding).await?;
            kinds.extend(enqueue(context, tx, &Telling { incident: &incident, step, names: &names, now }).await?);
        }
    }
    Ok(kinds)
}

/// What only goes on is kept every quarter of an hour: rules are no more exact than that about how long it is over.
const KEPT_EVERY: TimeDelta = TimeDelta::minutes(15);

fn is_worth_saving(before: Option<&Incident>, after: &Incident) -> bool {
    before.is_none_or(|before| {
        before.phase != after.phase
            || before.finding.level != after.finding.level
            || after.last_found_at - before.last_found_at >= KEPT_EVERY
    })
}

/// A rule that was switched off ends its incidents at once.
fn timing(config: &Config, rule: Rule) -> Timing {
    let zero = TimeDelta::zero();
    let off = Timing { hold: zero, keep_firing: zero, remind_after: None, tells_end: true };
    config.rules.on(rule).map_or(off, |settings| settings.timing(rule))
}

/// Enqueues what a step tells to the user concerned, to the admins, and to the channels that are on.
async fn enqueue(context: &Context, tx: &mut Tx, telling: &Telling<'_>) -> Result<Vec<String>, Error> {
    let (rule, sender) = (telling.incident.finding.rule, context.sender());
    let mut mails: Vec<Mail> = Vec::new();
    if let (Some(_), Some(user)) = (rule.user_mail(), telling.incident.finding.user.as_deref())
        && let Some(to) = told::recipients(tx, &[user.to_owned()]).await?.into_iter().next()
    {
        let zone = directory::user(tx, user).await?.and_then(|user| user.timezone).unwrap_or(Tz::UTC);
        mails.push(alert::to_user(&context.renderer, &sender, &to, zone, telling)?);
    }
    if rule.admin_mail().is_some() {
        let admins = notices::admins(context, tx).await?;
        let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
        mails.extend(alert::to_admins(&desk, telling)?);
    }
    mails.extend(notify::rows(&context.settings.get().notify, &notice(telling, sender.public_url)));
    let mut kinds = Vec::new();
    for mail in mails {
        if context.post(tx, &mail, telling.now).await? {
            kinds.push(mail.kind);
        }
    }
    Ok(kinds)
}

fn notice(telling: &Telling<'_>, url: Option<String>) -> Notice {
    let Telling { incident, step, .. } = telling;
    let finding = &incident.finding;
    Notice {
        incident: incident.id.clone(),
        step: step.as_str(),
        number: incident.told.map_or(1, |told| told.times),
        rule: finding.rule.as_str().to_owned(),
        severity: finding.severity.as_str().to_owned(),
        subject_kind: finding.subject.kind().to_owned(),
        subject: finding.subject.id().to_owned(),
        title: alert::headline(incident, telling.now),
        text: alert::summary(incident, *step, telling.now),
        value: Some(finding.value),
        threshold: Some(finding.threshold),
        started_at: incident.fired_at.unwrap_or(incident.pending_since),
        ended_at: incident.resolved_at,
        url,
    }
}

/// What people call what a finding names.
async fn names(tx: &mut Tx, finding: &Finding) -> Result<Names, Error> {
    let mut names = Names::default();
    let subject = match &finding.subject {
        Subject::Resource(id) => Some(id),
        _ => None,
    };
    let resources = finding.evidence.resources.iter().map(|share| &share.name).chain(subject);
    for id in resources {
        if let Some(resource) = directory::resource(tx, id).await? {
            let name = resource.name.unwrap_or_else(|| id.clone());
            names.resources.insert(id.clone(), Named { name, url: resource.url });
        }
    }
    if let Some(id) = &finding.user
        && let Some(name) = directory::user(tx, id).await?.and_then(|user| user.name)
    {
        names.users.insert(id.clone(), name);
    }
    Ok(names)
}
