//! What keys and accounts say, polled: a leaked key is told of and a late platform is not, a refused key once, a balance
//! that is low until it is topped up.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use openrouter_monitor::config::Config;
use openrouter_monitor::demo::bank::{Charge, Terms};
use openrouter_monitor::domain::alert::Rule;
use openrouter_monitor::domain::execution::parse;
use openrouter_monitor::domain::incident::Phase;
use openrouter_monitor::domain::key::{Access, KeyStatus, Purpose, Slot};
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::ingest::Groups;
use openrouter_monitor::job::runner::Report;
use openrouter_monitor::store::accounts::{self, Source};
use openrouter_monitor::store::balances::Reading;
use openrouter_monitor::store::runs::Ended;
use openrouter_monitor::store::{incidents, keys};
use secrecy::SecretString;
use serde_json::json;

use crate::harness::openrouter::Answer;
use crate::harness::{World, at, user};

const MINUTES: i64 = 15;
const MANAGEMENT: &str = "sk-or-v1-management-of-the-platform";

fn secret(user: &str, label: &str) -> String {
    format!("sk-or-v1-{user}-{label}-0123456789abcdef")
}

fn dollars(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

/// A user's key: OpenRouter has it on the user's account, and the daemon keeps it.
async fn keeps(world: &World, user: &str, label: &str, terms: Terms) {
    let text = secret(user, label);
    world.openrouter.bank.add_key(user, &text, terms);
    stores(world, user, label, &text).await;
}

async fn stores(world: &World, user: &str, label: &str, text: &str) {
    let (context, access) = (&world.context, Access { purpose: Purpose::Store, who: "cli" });
    let mut tx = context.db.write().await.unwrap();
    let slot = Slot { user, label };
    context.vault.put(&mut tx, slot, &SecretString::from(text), access, context.now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Somebody spends on a key.
fn spends(world: &World, user: &str, label: &str, cost: &str) {
    let cost = dollars(cost);
    let charge = Charge { at: world.context.now(), model: "a/m", user: Some(user), cost, byok: NanoUsd::ZERO };
    world.openrouter.bank.charge(&secret(user, label), &charge);
}

/// The platform reports an execution of some time ago.
async fn reports(world: &World, user: &str, key: Option<&str>, cost: &str, at: DateTime<Utc>) {
    let mut row = json!({"id": format!("{user} {key:?} {at} {cost}"), "at": at, "user": user, "model": "a/m", "status": 200,
        "cost_usd": cost});
    if let Some(key) = key {
        row["key"] = key.into();
    }
    let row = parse(&row.to_string(), world.context.now()).unwrap();
    Groups::new(Arc::clone(&world.context)).write(&[&[row]]).await.unwrap();
}

/// A quarter of an hour goes by; keys are asked and rules evaluated, by a daemon that has just started.
async fn quarter(world: &mut World) {
    world.clock.advance(TimeDelta::minutes(MINUTES));
    world.restart().await;
    world.run("credit").await;
    world.run("rules").await;
}

async fn firing(world: &World) -> Vec<String> {
    let mut tx = world.context.db.read().await.unwrap();
    let open = incidents::all_open(&mut tx).await.unwrap();
    let firing = open.iter().filter(|row| row.phase == Phase::Firing);
    firing.map(|row| format!("{} {}", row.rule.as_str(), row.subject.id())).collect()
}

/// Mails since the last time, as `kind recipient`.
async fn told(world: &World, seen: &mut usize) -> Vec<String> {
    let mails = world.mails().await;
    let new = mails.iter().skip(*seen).map(|mail| format!("{} {}", mail.kind, mail.recipient)).collect();
    *seen = mails.len();
    new
}

/// A world in which only keys and accounts are watched.
async fn world(set: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.rules.switch_off(Rule::MailStuck);
        config.rules.switch_off(Rule::IngestSilent);
        set(config);
    })
    .await
}

async fn managed() -> World {
    world(|config| config.openrouter.management_key = Some(MANAGEMENT.into())).await
}

async fn people(ids: &[&str]) -> World {
    let world = world(|_| {}).await;
    world.directory(&ids.iter().map(|id| user(id)).collect::<Vec<_>>()).await;
    world
}

/// Two users who spend the `usual` on each key each quarter, and whose executions are reported `late` minutes after they ran; somebody else uses the key of one from the
/// third hour on, `leak` dollars a quarter. Gives for each quarter the unexplained dollars that are older than an hour,
/// and what fires.
async fn play(late: i64, usual: &str, leak: &str, quarters: usize) -> Vec<(i64, Vec<String>, Vec<String>)> {
    let mut world = people(&["u", "v"]).await;
    keeps(&world, "u", "default", Terms::default()).await;
    keeps(&world, "u", "second", Terms::default()).await;
    keeps(&world, "v", "default", Terms::default()).await;
    let (mut seen, mut told_of) = (0, Vec::new());
    let mut reported = Vec::new();
    for number in 0..quarters {
        let now = world.context.now();
        for (user, label, named) in
            [("u", "default", Some("default")), ("u", "second", Some("second")), ("v", "default", None)]
        {
            spends(&world, user, label, usual);
            reported.push((now + TimeDelta::minutes(late), user, named, now));
        }
        if number >= 12 {
            spends(&world, "u", "default", leak);
        }
        quarter(&mut world).await;
        let due: Vec<_> = reported.extract_if(.., |(due, ..)| *due <= world.context.now()).collect();
        for (_, user, named, ran_at) in due {
            reports(&world, user, named, usual, ran_at).await;
        }
        let ripe = i64::try_from(number).unwrap() - 12 - 60 / MINUTES;
        told_of.push((ripe, firing(&world).await, told(&world, &mut seen).await));
    }
    told_of
}

#[tokio::test]
async fn a_leaked_key_is_told_of_once_within_a_poll_after_its_floor_is_old_enough() {
    let mut told = 0;
    // A dollar is passed by the third of the leaked quarters, and is an hour old four quarters later.
    for (ripe, firing, mails) in play(10, "0.02", "0.4", 30).await {
        let fires = firing.contains(&"unaccounted_spend default".to_owned());
        assert!(ripe >= 2 || !fires, "{ripe}: too early, {firing:?}");
        assert!(ripe < 3 || fires, "{ripe}: too late");
        assert_eq!(firing.len(), usize::from(fires), "{firing:?}");
        told += mails.len();
        assert!(mails.iter().all(|mail| mail == "unaccounted_spend u@platform.example"), "{mails:?}");
    }
    assert_eq!(told, 2, "first, and again at four dollars");
}

#[tokio::test]
async fn a_platform_that_reports_an_hour_late_raises_nothing() {
    for late in [0, 59] {
        for (_, firing, mails) in play(late, "0.8", "0", 30).await {
            assert!(firing.is_empty() && mails.is_empty(), "{late}: {firing:?} {mails:?}");
        }
    }
}

#[tokio::test]
async fn executions_that_come_in_the_end_end_it() {
    let mut world = people(&["u"]).await;
    keeps(&world, "u", "default", Terms::default()).await;
    quarter(&mut world).await;
    let ran_at = world.context.now();
    spends(&world, "u", "default", "3");
    let mut seen = 0;
    for _ in 0..8 {
        quarter(&mut world).await;
    }
    assert_eq!(told(&world, &mut seen).await, ["unaccounted_spend u@platform.example"]);
    assert!(world.mails().await[0].subject.contains("$3.00"), "{}", world.mails().await[0].subject);
    reports(&world, "u", None, "3", ran_at).await;
    quarter(&mut world).await;
    assert_eq!((firing(&world).await.len(), told(&world, &mut seen).await.len()), (0, 1), "its end is told");
}

#[tokio::test]
async fn a_refused_key_is_told_of_once_and_tried_once_a_day() {
    let mut world = people(&["u", "v"]).await;
    keeps(&world, "u", "default", Terms::default()).await;
    keeps(&world, "v", "default", Terms::default()).await;
    let mut seen = 0;
    quarter(&mut world).await;
    world.openrouter.bank.revoke(&secret("u", "default"));
    quarter(&mut world).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0], "once is no proof");
    for _ in 0..3 {
        quarter(&mut world).await;
    }
    assert_eq!(told(&world, &mut seen).await, ["key_refused u@platform.example"]);
    let asked = world.openrouter.asked().len();
    for _ in 0..20 {
        quarter(&mut world).await;
    }
    assert_eq!(told(&world, &mut seen).await, [""; 0]);
    assert!((19..=21).contains(&(world.openrouter.asked().len() - asked)), "only the other key is asked");
    let mut tx = world.context.db.read().await.unwrap();
    let key = keys::get(&mut tx, Slot { user: "u", label: "default" }).await.unwrap().unwrap();
    drop(tx);
    assert_eq!(key.status, KeyStatus::Refused);
    // Another key in its place is asked at its moment, and all is well.
    world.openrouter.bank.add_key("u", "sk-or-v1-another-0123456789abcdef", Terms::default());
    stores(&world, "u", "default", "sk-or-v1-another-0123456789abcdef").await;
    quarter(&mut world).await;
    quarter(&mut world).await;
    assert_eq!(firing(&world).await, [""; 0]);
    assert_eq!(told(&world, &mut seen).await, ["key_refused u@platform.example"], "its end is told");
}

#[tokio::test]
async fn an_outage_that_refuses_everybody_is_nobodys_fault() {
    fn outage(path: &str, _: &str) -> Option<Answer> {
        (path == "key")
            .then(|| Answer(401, Vec::new(), r#"{"error":{"code":401,"message":"User not found."}}"#.to_owned()))
    }
    let mut world = people(&["u"]).await;
    for number in 0..60 {
        keeps(&world, "u", &format!("k-{number}"), Terms::default()).await;
    }
    quarter(&mut world).await;
    quarter(&mut world).await;
    world.openrouter.account(outage);
    for _ in 0..6 {
        quarter(&mut world).await;
    }
    assert_eq!(firing(&world).await, [""; 0]);
    world.openrouter.account(|_, _| None);
    let before = world.openrouter.asked().len();
    for _ in 0..4 {
        quarter(&mut world).await;
    }
    assert!(world.openrouter.asked().len() - before > 200, "all are asked again within their interval");
}

#[tokio::test]
async fn credit_of_users_and_of_the_platform_is_told_of_until_it_is_topped_up() {
    let mut world = managed().await;
    world.directory(&[user("u"), user("w")]).await;
    let manager = || Terms { is_management: true, ..Terms::default() };
    let bank = Arc::clone(&world.openrouter.bank);
    bank.buy("us", NanoUsd::dollars(15));
    bank.add_key("us", MANAGEMENT, manager());
    bank.buy("u", NanoUsd::dollars(4));
    keeps(&world, "u", "manager", manager()).await;
    keeps(&world, "u", "default", Terms { limit: Some(NanoUsd::dollars(1)), ..Terms::default() }).await;
    keeps(&world, "w", "default", Terms { limit: Some(NanoUsd::dollars(2)), ..Terms::default() }).await;
    spends(&world, "w", "default", "1.5");
    let mut seen = 0;
    for _ in 0..2 {
        quarter(&mut world).await;
    }
    assert_eq!(
        told(&world, &mut seen).await,
        ["low_credit u@platform.example", "platform_credit admin@platform.example"],
        "a quarter of a small limit is left: that is enough"
    );
    spends(&world, "w", "default", "0.2");
    quarter(&mut world).await;
    quarter(&mut world).await;
    assert_eq!(told(&world, &mut seen).await, ["low_credit w@platform.example"]);
    bank.buy("us", NanoUsd::dollars(500));
    bank.buy("u", NanoUsd::dollars(500));
    quarter(&mut world).await;
    quarter(&mut world).await;
    let ends = told(&world, &mut seen).await;
    assert_eq!(ends, ["low_credit u@platform.example", "platform_credit admin@platform.example"]);
    assert_eq!(firing(&world).await, ["low_credit w"]);
    let mut tx = world.context.db.read().await.unwrap();
    let account = accounts::get(&mut tx, "u").await.unwrap().unwrap();
    assert_eq!((account.source, account.left), (Source::Credits, NanoUsd::dollars(504)));
}

#[tokio::test]
async fn a_floor_of_ones_own_holds_before_anything_ran() {
    let world = world(|_| {}).await;
    let with_floor = json!({"user": {"id": "u", "email": "u@platform.example", "low_credit_usd": "20"}});
    world.directory(&[with_floor, user("v")]).await;
    let reading =
        |user: &str| Reading { account: user.to_owned(), at: world.context.now(), left: NanoUsd::dollars(15) };
    openrouter_monitor::balances::keep(&world.context.db, &[reading("u"), reading("v")]).await.unwrap();
    world.run("rules").await;
    assert_eq!(told(&world, &mut 0).await, ["low_credit u@platform.example"]);
}

#[tokio::test]
async fn the_platforms_key_that_is_refused_fails_the_job() {
    let mut world = managed().await;
    for _ in 0..3 {
        world.clock.advance(TimeDelta::minutes(30));
        world.restart().await;
        world.run_report("credit").await;
    }
    world.clock.advance(TimeDelta::minutes(1));
    let Report { ended, .. } = world.run_report("credit").await;
    assert!(matches!(&ended, Ended::Failed(reason) if reason.contains("openrouter.management_key")), "{ended:?}");
}

#[tokio::test]
async fn keys_grow_old_and_are_told_of_in_steps() {
    let mut world = people(&["u"]).await;
    keeps(&world, "u", "default", Terms::default()).await;
    let mut seen = 0;
    for (days, mails) in [(74, 0), (1, 1), (14, 0), (1, 1), (29, 0), (1, 1), (30, 1)] {
        world.clock.advance(TimeDelta::days(days));
        world.restart().await;
        world.run("rules").await;
        world.clock.advance(TimeDelta::minutes(5));
        world.run("rules").await;
        assert_eq!(told(&world, &mut seen).await, vec!["key_age u@platform.example"; mails], "{days}");
    }
    world.clock.advance(TimeDelta::minutes(5));
    stores(&world, "u", "default", &secret("u", "another")).await;
    world.run("rules").await;
    assert_eq!((firing(&world).await.len(), told(&world, &mut seen).await.len()), (0, 0));
}

#[tokio::test]
async fn a_key_that_ends_soon_is_told_of() {
    let mut world = people(&["u"]).await;
    let ends = world.context.now() + TimeDelta::days(20);
    keeps(&world, "u", "default", Terms { expires_at: Some(ends), ..Terms::default() }).await;
    let mut seen = 0;
    for (day, mails) in [(1, 0), (4, 0), (7, 1), (11, 0), (14, 1), (18, 0), (19, 1)] {
        world.clock.set(ends - TimeDelta::days(20 - day));
        quarter(&mut world).await;
        assert_eq!(told(&world, &mut seen).await.len(), mails, "day {day}");
    }
    assert!(world.mails().await[2].subject.contains("expires"), "{}", world.mails().await[2].subject);
}

#[tokio::test]
async fn a_dormant_key_that_spends_is_told_of_unless_executions_explain_it() {
    for (is_explained, mails) in [(false, 1), (true, 0)] {
        let mut world = people(&["u"]).await;
        keeps(&world, "u", "default", Terms::default()).await;
        quarter(&mut world).await;
        world.clock.advance(TimeDelta::days(31));
        quarter(&mut world).await;
        spends(&world, "u", "default", "0.02");
        if is_explained {
            reports(&world, "u", None, "0.02", world.context.now()).await;
        }
        let mut seen = 0;
        for _ in 0..8 {
            quarter(&mut world).await;
        }
        assert_eq!(told(&world, &mut seen).await, vec!["unaccounted_spend u@platform.example"; mails]);
    }
}

#[tokio::test]
async fn a_day_of_which_too_little_was_recorded_is_told_to_admins() {
    let mut world = managed().await;
    world.directory(&[user("u"), user("own")]).await;
    let bank = Arc::clone(&world.openrouter.bank);
    bank.buy("us", NanoUsd::dollars(50_000));
    bank.add_key("us", MANAGEMENT, Terms { is_management: true, ..Terms::default() });
    bank.add_key("us", &secret("us", "default"), Terms::default());
    keeps(&world, "own", "default", Terms::default()).await;
    let mut seen = 0;
    let days: [(&str, &[&str]); 3] = [
        ("99", &[]),
        ("90", &["capture_drift admin@platform.example"]),
        ("100", &["capture_drift admin@platform.example"]),
    ];
    for (day, (recorded, mails)) in (8..).zip(days) {
        world.clock.set(at(&format!("2026-06-{day:02}T12:00:00Z")));
        spends(&world, "us", "default", "100");
        reports(&world, "u", None, recorded, world.context.now()).await;
        // What runs on a user's own key is not the platform's.
        reports(&world, "own", None, "50", world.context.now()).await;
        world.clock.set(at(&format!("2026-06-{:02}T01:30:00Z", day + 1)));
        quarter(&mut world).await;
        assert_eq!(told(&world, &mut seen).await, [""; 0], "the day may not be complete");
        world.clock.set(at(&format!("2026-06-{:02}T03:00:00Z", day + 1)));
        quarter(&mut world).await;
        let capture: Vec<String> =
            told(&world, &mut seen).await.into_iter().filter(|mail| mail.starts_with("capture")).collect();
        assert_eq!(capture, mails, "{recorded}");
    }
}
