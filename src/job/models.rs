//! Fetches the list, takes it into what is known, and tells those concerned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;

use super::{Context, Error, Spec, missing, notices};
use crate::domain::alert::{Rule, Subject};
use crate::domain::catalog::{Catalog, Refusal};
use crate::domain::incident::Occurrence;
use crate::domain::lifecycle::{self, BulkEvent, Known, Presence, State, Step};
use crate::domain::missing::{asks_for_list, is_time_again};
use crate::domain::model_id::ModelId;
use crate::mail::admin::{Desk, Trouble};
use crate::mail::notice::Fact;
use crate::mail::text::moment;
use crate::openrouter::{self, Fetched};
use crate::store::lists::Fetch;
use crate::store::outbox::Mail;
use crate::store::{self, Lock, Tx};

/// Fetches every day.
pub(super) const SPEC: Spec = Spec {
    name: "models",
    what: "Fetches OpenRouter's list, compares it, tells those concerned",
    timeout: TimeDelta::minutes(10),
    attempts: 12,
    run: |context| Box::pin(async move { run(&context).await }),
};

/// Fetches again while something in use is in doubt, and as soon as executions fail on what may be gone.
pub(super) const RECHECK: Spec = Spec {
    name: "models_recheck",
    what: "Fetches the list again while a model in use is missing",
    timeout: TimeDelta::minutes(10),
    attempts: 3,
    run: |context| Box::pin(async move { recheck(&context).await }),
};

/// Calls of the single-model endpoint in one run; the rest is asked in the next.
const QUESTIONS_MAX: usize = 100;
/// How many of them are open at a time, and how long all may take together.
const QUESTIONS_AT_ONCE: usize = 4;
const QUESTIONS_TIME_MAX: Duration = Duration::from_mins(2);
/// After so many in a row without an answer, no more are asked.
const UNANSWERED_MAX: usize = 3;
/// A refused list is mailed when the next one was refused too: a cut connection is no news.
const REFUSALS_TO_TELL: i64 = 2;
/// A list from further ahead is no newer list: the clock was wrong when it was fetched.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// The subject of incidents about the list.
const LIST: &str = "openrouter";

async fn recheck(context: &Arc<Context>) -> Result<String, Error> {
    let mut tx = context.db.read().await?;
    let now = context.now();
    let doubtful = store::models::in_doubt(&mut tx).await?;
    let failures = missing::failures(&mut tx, now).await?;
    let fetched = store::lists::last_accepted(&mut tx).await?.map(|last| last.at);
    let known = if failures.is_empty() { Known::new() } else { store::models::load(&mut tx).await? };
    drop(tx);
    if doubtful > 0 && is_time_again(fetched, now) || asks_for_list(&failures, &known, fetched, now) {
        return Ok(format!("{doubtful} in doubt: {}", run(context).await?));
    }
    let told = missing::tell(context, now).await?;
    Ok(match (doubtful, told) {
        (0, 0) => "nothing in use is in doubt".to_owned(),
        _ => format!("{doubtful} in doubt, the list is fresh, {told} mails"),
    })
}

async fn run(context: &Arc<Context>) -> Result<String, Error> {
    let now = context.now();
    let mut tx = context.db.read().await?;
    let known = store::models::load(&mut tx).await?;
    drop(tx);
    let fetched = match fetch(context, &known, now).await {
        Ok(fetched) => fetched,
        Err(openrouter::Error::Refused(refusal)) => return Err(refuse(context, refusal, now).await?),
        Err(error) => {
            let wait = error.retry_after();
            return Err(Error::Retry(error.into(), wait));
        }
    };
    let answers = ask(context, &known, &fetched.catalog, now).await;
    let taken = take(context, &fetched, &answers, now).await?;
    let Some(taken) = taken else { return Ok("a newer list is already in force".to_owned()) };
    let told = notices::tell(context, now).await? + missing::tell(context, now).await?;
    Ok(summary(&fetched, &taken, told))
}

async fn fetch(context: &Context, known: &Known, now: DateTime<Utc>) -> Result<Fetched, openrouter::Error> {
    let fetched = context.openrouter.list(now).await?;
    let listed = known.values().filter(|tracked| tracked.state == State::Listed).map(|tracked| &tracked.model.id);
    let keep_percent = context.settings.get().models.keep_percent_min;
    fetched.catalog.check(fetched.total, listed, keep_percent).map_err(openrouter::Error::Refused)?;
    Ok(fetched)
}

/// Asks for each model whose end would be concluded whether it is still served. Nobody is waited for long: what is
/// not known in time is unanswered. Each run asks for others when there are more than it may ask for.
async fn ask(context: &Arc<Context>, known: &Known, list: &Catalog, now: DateTime<Utc>) -> BTreeMap<ModelId, Presence> {
    let mut ids = lifecycle::to_ask(known, list, now, context.settings.get().models.patience());
    fastrand::shuffle(&mut ids);
    ids.truncate(QUESTIONS_MAX);
    let mut answers: BTreeMap<_, _> = ids.iter().map(|id| (id.clone(), Presence::Unanswered)).collect();
    if tokio::time::timeout(QUESTIONS_TIME_MAX, ask_each(context, ids, &mut answers)).await.is_err() {
        tracing::warn!("the single-model calls take too long; the rest counts as unanswered");
    }
    answers
}

/// Asks a few at a time, until nobody answers.
async fn ask_each(context: &Arc<Context>, ids: Vec<ModelId>, answers: &mut BTreeMap<ModelId, Presence>) {
    let (mut asking, mut ids, mut unanswered) = (JoinSet::new(), ids.into_iter(), 0);
    loop {
        while asking.len() < QUESTIONS_AT_ONCE && unanswered < UNANSWERED_MAX {
            let Some(id) = ids.next() else { break };
            let context = Arc::clone(context);
            asking.spawn(async move { (context.openrouter.presence(&id).await, id) });
        }
        let Some(answered) = asking.join_next().await else { break };
        let Ok((answer, id)) = answered else { continue };
        unanswered = if answer == Presence::Unanswered { unanswered + 1 } else { 0 };
        answers.insert(id, answer);
    }
}

/// Takes a believed list in: one transaction for the list, the models, the changes and the admins' mails.
async fn take(
    context: &Context,
    fetched: &Fetched,
    answers: &BTreeMap<ModelId, Presence>,
    now: DateTime<Utc>,
) -> Result<Option<Step>, Error> {
    let mut tx = context.db.write().await?;
    tx.lock(Lock::Models).await?;
    let last = store::lists::last_accepted(&mut tx).await?.map(|last| last.at);
    if last.is_some_and(|last| last - now > CLOCK_TOLERANCE) {
        tracing::warn!(last = ?last, "the clock was ahead: lists of days that have not come yet are forgotten");
        store::lists::forget_after(&mut tx, now).await?;
    } else if last.is_some_and(|last| last >= now) {
        tx.abandon();
        return Ok(None);
    }
    let known = store::models::load(&mut tx).await?;
    let step = lifecycle::step(known.clone(), &fetched.catalog, answers, now, context.settings.get().models.patience());
    let fetch = Fetch {
        at: now,
        listed: count(fetched.catalog.models.len()),
        rejected: count(fetched.catalog.rejected.len()),
        refused: None,
    };
    store::lists::accept(&mut tx, &fetch, &fetched.catalog.digest(), &fetched.body).await?;
    store::models::save(&mut tx, &known, &step.tracked).await?;
    store::changes::insert(&mut tx, &step.changes).await?;
    store::settled::insert(&mut tx, &step.settled).await?;
    let mut mails = believe(context, &mut tx, now).await?;
    mails.extend(bulk_incidents(context, &mut tx, &step, now).await?);
    let kinds = enqueue_all(context, &mut tx, &mails, now).await?;
    tx.commit().await?;

    context.enqueued(kinds.iter().map(String::as_str));
    for change in &step.changes {
        context.metrics.model_changes.with_label_values(&[change.kind.as_str()]).inc();
    }
    for reason in fetched.catalog.rejected.iter().take(5) {
        tracing::warn!(reason, "an entry of the list was left out");
    }
    Ok(Some(step))
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

async fn enqueue_all(context: &Context, tx: &mut Tx, mails: &[Mail], now: DateTime<Utc>) -> Result<Vec<String>, Error> {
    let mut kinds = Vec::new();
    for mail in mails {
        if context.post(tx, mail, now).await? {
            kinds.push(mail.kind.clone());
        }
    }
    Ok(kinds)
}

/// A list was not believed: the last good one stays, an incident opens, and admins hear of it if it goes on.
async fn refuse(context: &Context, refusal: Refusal, now: DateTime<Utc>) -> Result<Error, Error> {
    context.metrics.list_refused.with_label_values(&[refusal.reason()]).inc();
    let mut tx = context.db.write().await?;
    let reason = refusal.to_string();
    store::lists::refuse(&mut tx, &Fetch { at: now, listed: 0, rejected: 0, refused: Some(reason.clone()) }).await?;
    let fresh = Occurrence::open(Rule::ListImplausible, Subject::Account(LIST.to_owned()), now);
    store::incidents::open(&mut tx, &fresh, &reason).await?;
    let incident = open_of(&mut tx, Rule::ListImplausible, LIST).await?.unwrap_or(fresh);
    let refusals = store::lists::refused_in_a_row(&mut tx).await?;
    let mut kinds = Vec::new();
    if refusals >= REFUSALS_TO_TELL || !context.openrouter.is_live() {
        let last = store::lists::last_accepted(&mut tx).await?;
        let admins = notices::admins(context, &mut tx).await?;
        let sender = context.sender();
        let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
        kinds = enqueue_all(
            context,
            &mut tx,
            &desk.trouble(refused(&incident, &reason, last.as_ref()), &incident.id)?,
            now,
        )
        .await?;
    }
    tx.commit().await?;
    context.enqueued(kinds.iter().map(String::as_str));
    Ok(Error::Retry(openrouter::Error::Refused(refusal).into(), None))
}

fn refused(incident: &Occurrence, reason: &str, last: Option<&Fetch>) -> Trouble {
    Trouble {
        title: "OpenRouter's list of models is not believed".to_owned(),
        resolved: false,
        since: moment(incident.opened_at),
        what: format!("The list was refused because {reason}."),
        effect: "The last good list stays in force. Nobody is told of removals until a list is believed again.".to_owned(),
        mend: "Nothing, if it passes: the list is fetched again soon. If OpenRouter really has so few models now, lower models.keep_percent_min."
            .to_owned(),
        details: vec![Fact { label: "Last good list", value: last.map_or_else(|| "none yet".to_owned(), |last| format!("{}, {} models", moment(last.at), last.listed)) }],
    }
}

async fn open_of(tx: &mut Tx, rule: Rule, subject: &str) -> Result<Option<Occurrence>, Error> {
    let open = store::incidents::all_open(tx).await?.into_iter();
    let mut open = open.filter(|open| open.rule == rule && open.subject.id() == subject);
    Ok(open.next().map(|open| occurrence(&open)))
}

fn occurrence(open: &store::incidents::Row) -> Occurrence {
    let (id, subject) = (open.id.clone(), open.subject.clone());
    Occurrence { id, rule: open.rule, subject, opened_at: open.opened_at }
}

/// A list was believed: the incident about refused ones ends, and so it is told to who was told of it.
async fn believe(context: &Context, tx: &mut Tx, now: DateTime<Utc>) -> Result<Vec<Mail>, Error> {
    let Some(incident) = open_of(tx, Rule::ListImplausible, LIST).await? else { return Ok(Vec::new()) };
    store::incidents::resolve(tx, &incident.id, now).await?;
    if !store::outbox::was_told(tx, &incident.id).await? {
        return Ok(Vec::new());
    }
    let admins = notices::admins(context, tx).await?;
    let sender = context.sender();
    let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
    let over = Trouble {
        title: "OpenRouter's list of models is believed again".to_owned(),
        resolved: true,
        since: moment(incident.opened_at),
        what: format!("A good list came on {}.", moment(now)),
        effect: "Models are watched as before; what happened meanwhile is told now.".to_owned(),
        mend: "Nothing.".to_owned(),
        details: Vec::new(),
    };
    Ok(desk.trouble(over, &incident.id)?)
}

/// Opens an incident for each bulk event that began, and closes those none of whose models is still in doubt.
async fn bulk_incidents(context: &Context, tx: &mut Tx, step: &Step, now: DateTime<Utc>) -> Result<Vec<Mail>, Error> {
    let mut mails = Vec::new();
    let admins = notices::admins(context, tx).await?;
    let sender = context.sender();
    let desk = Desk { renderer: &context.renderer, sender: &sender, admins: &admins };
    for open in store::incidents::all_open(tx).await? {
        if open.rule == Rule::BulkEvent && !is_in_doubt(&open.detail, step) {
            store::incidents::resolve(tx, &open.id, now).await?;
            mails.extend(desk.trouble(bulk_over(&occurrence(&open), &open.detail, step, now), &open.id)?);
        }
    }
    for event in &step.bulk {
        // Of its own, while an earlier one of the same family may still be open: each is settled on its own models.
        let family = event.family.as_deref().unwrap_or(LIST);
        let subject = Subject::Account(format!("{family} {}", now.format("%Y-%m-%d %H:%M")));
        let incident = Occurrence::open(Rule::BulkEvent, subject, now);
        if store::incidents::open(tx, &incident, &names(event)).await? {
            let usage = store::models::usage(tx).await?;
            let told_after = now + context.settings.get().models.patience().bulk_removed_after;
            mails.extend(desk.bulk_event(event, &incident, &usage, told_after)?);
        }
    }
    Ok(mails)
}

/// The models of a bulk event, as its incident keeps them.
fn names(event: &BulkEvent) -> String {
    event.models.iter().map(ModelId::as_str).collect::<Vec<_>>().join(" ")
}

fn states_of<'a>(names: &'a str, step: &'a Step) -> impl Iterator<Item = State> + 'a {
    names.split(' ').filter_map(|id| step.tracked.get(&ModelId::from(id))).map(|tracked| tracked.state)
}

fn is_in_doubt(names: &str, step: &Step) -> bool {
    states_of(names, step).any(|state| matches!(state, State::Missing(_) | State::Unlisted(_)))
}

fn bulk_over(incident: &Occurrence, names: &str, step: &Step, now: DateTime<Utc>) -> Trouble {
    let (back, gone): (Vec<State>, Vec<State>) = states_of(names, step).partition(|state| *state == State::Listed);
    Trouble {
        title: format!("The models that vanished together are settled: {} back, {} gone", back.len(), gone.len()),
        resolved: true,
        since: moment(incident.opened_at),
        what: format!("On {} none of them is in doubt any more.", moment(now)),
        effect: "Users of those that are gone have been told; nobody was told of the others.".to_owned(),
        mend: "Nothing.".to_owned(),
        details: Vec::new(),
    }
}

fn summary(fetched: &Fetched, step: &Step, told: usize) -> String {
    let mut parts = vec![format!("{} listed", fetched.catalog.models.len())];
    if !fetched.catalog.rejected.is_empty() {
        parts.push(format!("{} unreadable", fetched.catalog.rejected.len()));
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for change in &step.changes {
        *kinds.entry(change.kind.as_str()).or_default() += 1;
    }
    parts.extend(kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")));
    let missing = step.tracked.values().filter(|tracked| matches!(tracked.state, State::Missing(_))).count();
    parts.push(format!("{missing} missing"));
    parts.push(format!("{told} mails"));
    parts.join(", ")
}
