//! The weekly reports: to users what they spent and on what, to admins how it all stands.

use serde::Serialize;

use super::admin::Desk;
use super::alert::Names;
use super::figures::{days_between, many, number, percent, times, usd, usd_about};
use super::notice::{Fact, Footer, Sender, message_id, unsubscribe_url};
use super::parts::{Column, Row, columns, model_url};
use super::render::{Error, Renderer};
use super::text::harmless;
use crate::domain::money::NanoUsd;
use crate::domain::rollup::Measures;
use crate::domain::rule::dollars;
use crate::domain::week::{DAYS, Week};
use crate::store::outbox::{About, Mail};
use crate::store::told::Recipient;

/// The kind of users' reports.
pub const USERS: &str = "weekly_report";
/// The kind of admins' reports.
pub const ADMINS: &str = "admin_report";
/// Below so many parts of a hundred, this week is as the one before.
const STEADY_PERCENT: f64 = 1.0;
/// From this share on, estimates are worth a word.
const ESTIMATED_SHARE: f64 = 0.01;
/// From how many dollars on failures that were charged are worth a word.
const CHARGED_USD: NanoUsd = NanoUsd::dollars(1);

/// What somebody, or all together, did in a week, with names.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What each day cost.
    pub days: [NanoUsd; DAYS],
    /// The sums of the week.
    pub sums: Measures,
    /// The sums of the week before.
    pub before: Measures,
    /// The models that cost most, by id.
    pub models: Vec<(String, Measures)>,
    /// The resources that cost most, by id; for a user alone.
    pub resources: Vec<(String, Measures)>,
}

/// What admins hear of a week beside.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// Users who ran something.
    pub active: i64,
    /// The same of the week before.
    pub active_before: i64,
    /// Users who spent more than twice the average of these.
    pub dear: i64,
    /// The users who spent most.
    pub users: Vec<TopUser>,
    /// What this month cost so far.
    pub month: NanoUsd,
    /// What it costs in the end if the days to come are as those of the week.
    pub projected: NanoUsd,
    /// What all users pay a month.
    pub paid: NanoUsd,
}

/// A user who spent much.
#[derive(Clone, Debug, Default)]
pub struct TopUser {
    /// The platform's id.
    pub id: String,
    /// What the week cost.
    pub spent: NanoUsd,
    /// What this month cost so far.
    pub month: NanoUsd,
    /// What they pay a month, where it is known.
    pub paid: Option<NanoUsd>,
}

impl TopUser {
    fn costs_more_than_paid(&self) -> bool {
        self.paid.is_some_and(|paid| self.month > paid)
    }
}

#[derive(Serialize)]
struct View {
    greeting: Option<String>,
    page_url: Option<String>,
    footer: Footer,
    week: String,
    subject: String,
    heading: String,
    lead: String,
    days: Vec<Column>,
    facts: Vec<Fact>,
    hints: Vec<String>,
    models: Vec<Row>,
    resources: Vec<Row>,
    users: Vec<Row>,
}

/// The report of a user.
///
/// # Errors
/// When a template does not fit its view.
pub fn to_user(
    renderer: &Renderer,
    sender: &Sender,
    to: &Recipient,
    week: Week,
    told: &Told,
    names: &Names,
) -> Result<Mail, Error> {
    let unsubscribe_url = unsubscribe_url(sender, to, USERS);
    let (spent, trend) = (usd(told.sums.spent()), trend(told));
    let view = View {
        greeting: to.name.as_deref().map(harmless).filter(|name| !name.is_empty()),
        page_url: None,
        footer: Footer {
            reason: "You get this mail once a week because you ran something.".to_owned(),
            unsubscribe_url: unsubscribe_url.clone(),
            sender: "openrouter-monitor",
        },
        week: period(week),
        subject: format!("Your week: {spent} spent, {trend}"),
        heading: format!("You spent {spent}"),
        lead: format!("That is {trend}, on {}.", many(told.sums.executions, "execution")),
        days: columns(week.days(), &told.days),
        facts: user_facts(told),
        hints: Vec::new(),
        models: models(told, names, &sender.model_link),
        resources: resources(told, names),
        users: Vec::new(),
    };
    let parts = renderer.render(USERS, &view)?;
    let dedup_key = format!("{USERS}/{}/{}", to.id, week.name());
    Ok(Mail {
        message_id: message_id(&dedup_key, &sender.domain),
        dedup_key,
        kind: USERS.to_owned(),
        user: Some(to.id.clone()),
        recipient: to.email.clone(),
        subject: parts.subject,
        text: parts.text,
        html: parts.html,
        unsubscribe_url,
        about: about(week, told, &view),
        ..Mail::default()
    })
}

/// The report of the platform, one for each admin.
///
/// # Errors
/// When a template does not fit its view.
pub fn to_admins(
    desk: &Desk<'_>,
    week: Week,
    told: &Told,
    platform: &Platform,
    names: &Names,
) -> Result<Vec<Mail>, Error> {
    let sender = desk.sender;
    let (spent, trend) = (usd(told.sums.spent()), trend(told));
    let users = many(platform.active, "user");
    let view = View {
        greeting: None,
        page_url: sender.public_url.clone(),
        footer: Footer {
            reason: "You get this mail once a week because you are an admin of this openrouter-monitor.".to_owned(),
            unsubscribe_url: None,
            sender: "openrouter-monitor",
        },
        week: period(week),
        subject: format!("The week: {spent} spent by {users}, {trend}"),
        heading: format!("{users} spent {spent}"),
        lead: format!("That is {trend}, on {}.", many(told.sums.executions, "execution")),
        days: columns(week.days(), &told.days),
        facts: platform_facts(told, platform),
        hints: hints(told, platform),
        models: models(told, names, &sender.model_link),
        resources: Vec::new(),
        users: platform.users.iter().map(|user| user_row(user, told, names)).collect(),
    };
    let parts = desk.renderer.render(ADMINS, &view)?;
    let mail = |admin: &String| {
        let dedup_key = format!("{ADMINS}/{}/{admin}", week.name());
        Mail {
            message_id: message_id(&dedup_key, &sender.domain),
            dedup_key,
            kind: ADMINS.to_owned(),
            recipient: admin.clone(),
            subject: parts.subject.clone(),
            text: parts.text.clone(),
            html: parts.html.clone(),
            about: about(week, told, &view),
            ..Mail::default()
        }
    };
    Ok(desk.admins.iter().map(mail).collect())
}

fn period(week: Week) -> String {
    let last = week.days().last().unwrap_or(week.monday);
    format!("Week of {} (days in UTC)", days_between(week.monday, last))
}

fn about(week: Week, told: &Told, view: &View) -> About {
    About {
        models: told.models.iter().map(|(id, _)| id.clone()).collect(),
        resources: told.resources.iter().map(|(id, _)| id.clone()).collect(),
        incident: format!("week/{}", week.name()),
        why: vec![format!("{}: {}", week.name(), view.subject)],
    }
}

/// `12% more than the week before`
fn trend(told: &Told) -> String {
    let (now, before) = (dollars(told.sums.spent()), dollars(told.before.spent()));
    if before <= 0.0 {
        let nothing = if told.before.executions > 0 { "free of charge" } else { "without executions" };
        return format!("after a week {nothing}");
    }
    let change = (now - before) / before * 100.0;
    if change.abs() < STEADY_PERCENT {
        return "as much as the week before".to_owned();
    }
    if let Some(times) = times(now, before).filter(|_| change >= 200.0) {
        return format!("{times} the week before");
    }
    let way = if change > 0.0 { "more" } else { "less" };
    format!("{} {way} than the week before", percent(change.abs() / 100.0))
}

fn fact(label: &'static str, value: String) -> Fact {
    Fact { label, value }
}

/// Figures that both readers get.
fn facts(told: &Told) -> Vec<Fact> {
    let (sums, before) = (&told.sums, &told.before);
    let mut facts = vec![
        fact("Spent", usd(sums.spent())),
        fact("Week before", usd(before.spent())),
        fact("Executions", format!("{} ({} the week before)", number(sums.executions), number(before.executions))),
    ];
    if sums.failed() > 0 {
        facts.push(fact("Failed", format!("{} ({})", number(sums.failed()), share(sums.failed(), sums.executions))));
    }
    if sums.charged_failure_cost > 0 {
        let cost = usd(NanoUsd(sums.charged_failure_cost));
        facts.push(fact("Failures cost", format!("{cost} on {}", many(sums.charged_failures, "execution"))));
    }
    facts
}

/// How executions failed, with how many did.
fn failures(sums: &Measures) -> Vec<Fact> {
    let kinds = [
        ("Rate limits", sums.rate_limited()),
        ("No credit", sums.out_of_credit),
        ("Model away", sums.unavailable),
        ("Provider failed", sums.upstream_failures),
        ("Bad output", sums.bad_outputs),
        ("Other failures", sums.other_failures),
    ];
    let failed = kinds.into_iter().filter(|(_, count)| *count > 0);
    failed.map(|(label, count)| fact(label, format!("{} ({})", number(count), share(count, sums.executions)))).collect()
}

fn user_facts(told: &Told) -> Vec<Fact> {
    let mut all = facts(told);
    all.extend(failures(&told.sums));
    all.extend(estimated(told));
    all
}

/// How much of it is estimated, if that is worth a word.
fn estimated(told: &Told) -> Option<Fact> {
    let share = share_of(told.sums.estimated_cost, told.sums.cost);
    let cost = usd(NanoUsd(told.sums.estimated_cost));
    (share >= ESTIMATED_SHARE).then(|| fact("Estimated", format!("{cost} of it ({})", percent(share))))
}

fn platform_facts(told: &Told, platform: &Platform) -> Vec<Fact> {
    let average = average(told, platform);
    let mut all = facts(told);
    all.extend([
        fact(
            "Active users",
            format!("{} ({} the week before)", number(platform.active), number(platform.active_before)),
        ),
        fact("Average user", usd_about(average)),
        fact("Above twice that", many(platform.dear, "user")),
        fact("Month so far", usd(platform.month)),
        fact("Month expected", usd(platform.projected)),
    ]);
    if platform.paid.is_positive() {
        all.push(fact("Plans pay", format!("{} a month", usd(platform.paid))));
    }
    all.extend(failures(&told.sums));
    let sums = &told.sums;
    let billed = NanoUsd(sums.cost.saturating_sub(sums.estimated_cost));
    all.push(fact("Billed", format!("{}, and {} estimated", usd(billed), usd(NanoUsd(sums.estimated_cost)))));
    all
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn average(told: &Told, platform: &Platform) -> f64 {
    if platform.active > 0 { dollars(told.sums.spent()) / platform.active as f64 } else { 0.0 }
}

fn share(part: i64, whole: i64) -> String {
    percent(share_of(part, whole))
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of sums")]
fn share_of(part: i64, whole: i64) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

/// What an admin could do.
fn hints(told: &Told, platform: &Platform) -> Vec<String> {
    let sums = &told.sums;
    let mut hints = Vec::new();
    let losses = platform.users.iter().filter(|user| user.costs_more_than_paid()).count();
    if losses > 0 {
        let cost = if losses == 1 { "costs" } else { "cost" };
        hints.push(format!(
            "{losses} of the users below {cost} more this month than they pay: offer a larger plan, or set a cap."
        ));
    }
    if platform.paid.is_positive() && platform.projected > platform.paid {
        hints.push("At this rate the month costs more than all plans pay. The models below are where a cheaper one saves most.".to_owned());
    }
    if NanoUsd(sums.charged_failure_cost) >= CHARGED_USD {
        hints.push(format!("{} went into executions that failed. See which model fails most, and do not repeat such failures without end.", usd(NanoUsd(sums.charged_failure_cost))));
    }
    if share_of(sums.estimated_cost, sums.cost) >= ESTIMATED_SHARE {
        hints.push("Part of the spend is estimated because no cost was reported: let the platform send it (cost_usd), or connect OpenRouter's Broadcast.".to_owned());
    }
    if sums.unpriced > 0 {
        hints.push(format!(
            "Nobody knows what {} cost: neither a cost nor a price is known.",
            many(sums.unpriced, "execution")
        ));
    }
    hints
}

fn models(told: &Told, names: &Names, link: &str) -> Vec<Row> {
    let row = |(id, sums): &(String, Measures)| {
        let name = names.models.get(id).map_or(id, |name| name);
        part_row(harmless(name), model_url(link, id), sums)
    };
    told.models.iter().map(row).collect()
}

fn resources(told: &Told, names: &Names) -> Vec<Row> {
    let row = |(id, sums): &(String, Measures)| {
        let called = names.resources.get(id);
        let name = called.map(|called| harmless(&called.name)).filter(|name| !name.is_empty());
        part_row(name.unwrap_or_else(|| harmless(id)), called.and_then(|called| called.url.clone()), sums)
    };
    told.resources.iter().map(row).collect()
}

fn part_row(name: String, url: Option<String>, sums: &Measures) -> Row {
    let failed = if sums.failed() > 0 { format!(", {} failed", number(sums.failed())) } else { String::new() };
    let detail = format!("{}{failed}", many(sums.executions, "execution"));
    Row { name, url, figure: usd(sums.spent()), detail }
}

fn user_row(user: &TopUser, told: &Told, names: &Names) -> Row {
    let name = names.users.get(&user.id).map(|name| harmless(name)).filter(|name| !name.is_empty());
    let id = harmless(&user.id);
    let part = format!("{} of all", percent(share_of(user.spent.0, told.sums.cost)));
    let paid = user.paid.map_or_else(String::new, |paid| {
        let costs = if user.costs_more_than_paid() { "more than" } else { "of" };
        format!("; this month {}, {costs} the {} they pay", usd(user.month), usd(paid))
    });
    Row {
        name: name.map_or_else(|| id.clone(), |name| format!("{name} ({id})")),
        url: None,
        figure: usd(user.spent),
        detail: format!("{part}{paid}"),
    }
}
