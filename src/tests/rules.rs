//! Every rule: it fires, it is told once, a restart in any state neither repeats nor forgets, it ends; and below its
//! floors it says nothing.

use std::sync::Arc;

use chrono::TimeDelta;
use openrouter_monitor::domain::execution::{Execution, parse};
use openrouter_monitor::domain::incident::Phase;
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::domain::silence::Silence;
use openrouter_monitor::ingest::Groups;
use openrouter_monitor::store::balances::{self, Reading};
use openrouter_monitor::store::{incidents, silences};
use serde_json::{Value, json};

use crate::harness::{World, at, resource, user};

/// A Wednesday noon after five weeks.
const NOON: &str = "2026-07-15T12:00:00Z";
const HISTORY_DAYS: i64 = 35;

/// What ran in the world of a test.
struct Runs<'a> {
    world: &'a World,
    rows: Vec<Execution>,
}

impl<'a> Runs<'a> {
    fn of(world: &'a World) -> Self {
        Self { world, rows: Vec::new() }
    }

    /// `count` executions of a user, spread over the minutes before now.
    fn ran(mut self, user: &str, count: i64, minutes: i64, more: &Value) -> Self {
        let now = self.world.context.now();
        for n in 0..count {
            let time = now - TimeDelta::seconds(minutes * 60 * (n + 1) / (count + 1));
            let mut row = json!({"id": format!("{user} {n} {time} {more}"), "at": time, "user": user, "resource": format!("r-{user}"),
                "model": "a/m", "status": 200, "cost_usd": "0"});
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            self.rows.push(parse(&row.to_string(), now).unwrap());
        }
        self
    }

    async fn take(self) {
        Groups::new(Arc::clone(&self.world.context)).write(&[&self.rows]).await.unwrap();
    }
}

fn usd(dollars: f64) -> Value {
    json!({"cost_usd": format!("{dollars:.9}")})
}

fn limited() -> Value {
    json!({"status": 429, "error": {"code": 429, "message": "Rate limit exceeded"}})
}

fn refused() -> Value {
    json!({"status": 402, "error": {"code": 402, "message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits"}})
}

fn unavailable() -> Value {
    json!({"status": 503, "error": {"code": 503, "message": "Provider returned error"}})
}

/// A world in which `u` has worked for five weeks at a dollar and more an hour from eight to six.
async fn working() -> World {
    let world = World::new().await;
    let people: Vec<Value> = ["u", "v", "w", "x", "y"].iter().map(|id| user(id)).collect();
    world.directory(&people).await;
    world.directory(&[resource("r-u", "u", "a/m")]).await;
    for day in 0..=HISTORY_DAYS {
        for hour in 8..18 {
            let hours = (HISTORY_DAYS - day) * 24 - hour + 12;
            if hours <= 0 {
                continue;
            }
            world.clock.set(at(NOON) - TimeDelta::hours(hours) + TimeDelta::minutes(50));
            let cents = 1.0 + 0.1 * f64::from(u8::try_from((day * 7 + hour * 3) % 5).unwrap());
            Runs::of(&world).ran("u", 30, 45, &usd(cents / 30.0)).ran("v", 30, 45, &usd(0.01)).take().await;
        }
    }
    world.clock.set(at(NOON));
    world.run("rules").await;
    world.clock.advance(TimeDelta::minutes(1));
    world
}

/// Alerts that fire, as `rule subject`.
async fn firing(world: &World) -> Vec<String> {
    let mut tx = world.context.db.read().await.unwrap();
    let open = incidents::all_open(&mut tx).await.unwrap();
    let mut firing: Vec<String> = open
        .iter()
        .filter(|row| row.phase == Phase::Firing)
        .map(|row| format!("{} {}", row.rule.as_str(), row.subject.id()))
        .collect();
    firing.sort();
    firing
}

/// Mails that were enqueued since the last time, as `kind recipient`.
async fn told(world: &World, seen: &mut usize) -> Vec<String> {
    let mut mails: Vec<String> =
        world.mails().await.iter().skip(*seen).map(|mail| format!("{} {}", mail.kind, mail.recipient)).collect();
    *seen += mails.len();
    mails.sort();
    mails
}

/// Evaluates after some minutes, with a restart before.
async fn evaluate_after(world: &mut World, minutes: i64) {
    world.deliver().await;
    world.clock.advance(TimeDelta::minutes(minutes));
    world.restart().await;
    world.run("rules").await;
}

/// Something goes wrong; `alert` fires and `mails` are sent, once; after `calm` minutes it is over, and said to be.
async fn goes_its_way(mut world: World, alert: &str, mails: &[&str], calm: i64) {
    let mut seen = world.mails().await.len();
    for _ in 0..3 {
        evaluate_after(&mut world, 6).await;
    }
    assert!(firing(&world).await.contains(&alert.to_owned()), "{alert} is not in {:?}", firing(&world).await);
    let first = told(&world, &mut seen).await;
    for mail in mails {
        assert_eq!(first.iter().filter(|told| *told == mail).count(), 1, "{mail} is not once in {first:?}");
    }
    evaluate_after(&mut world, 1).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0], "told again after a restart");
    // Over the hour in which it was measured, and over the calm that the rule wants.
    for _ in 0..4 {
        evaluate_after(&mut world, calm / 3).await;
    }
    assert!(!firing(&world).await.contains(&alert.to_owned()), "{alert} is not over");
    let last = told(&world, &mut seen).await;
    for mail in mails {
        assert_eq!(last.iter().filter(|told| *told == mail).count(), 1, "{mail} is not once in {last:?}");
    }
    evaluate_after(&mut world, 5).await;
    let after = told(&world, &mut seen).await;
    assert!(!after.iter().any(|told| mails.contains(&told.as_str())), "told again: {after:?}");
}

async fn stays_silent(mut world: World, rule: &str) {
    let mut seen = world.mails().await.len();
    for _ in 0..4 {
        evaluate_after(&mut world, 5).await;
    }
    let firing = firing(&world).await;
    assert!(!firing.iter().any(|alert| alert.starts_with(rule)), "{rule} fires: {firing:?}");
    assert_eq!(told(&world, &mut seen).await, [""; 0]);
}

const ADMIN: &str = "admin@platform.example";

fn to_user(kind: &str) -> String {
    format!("{kind} u@platform.example")
}

fn to_admin(kind: &str) -> String {
    format!("{kind} {ADMIN}")
}

#[tokio::test]
async fn a_spike_of_a_user() {
    let world = working().await;
    Runs::of(&world).ran("u", 100, 10, &usd(0.5)).take().await;
    let mails = [to_user("spend_spike"), to_admin("spend_anomaly")];
    goes_its_way(world, "user_spend_spike u", &mails.each_ref().map(String::as_str), 45 * 60).await;
}

#[tokio::test]
async fn a_little_more_than_usual_is_no_spike() {
    let world = working().await;
    Runs::of(&world).ran("u", 30, 10, &usd(0.1)).take().await;
    stays_silent(world, "user_spend_spike").await;
    let world = working().await;
    Runs::of(&world).ran("w", 100, 10, &usd(0.5)).take().await;
    stays_silent_but(world, "user_spend_spike w").await;
}

#[tokio::test]
async fn limits_that_many_executions_run_into() {
    let world = working().await;
    Runs::of(&world).ran("u", 30, 20, &limited()).take().await;
    goes_its_way(world, "rate_limited u", &[&to_user("rate_limited")], 150).await;
    let world = working().await;
    Runs::of(&world).ran("x", 19, 20, &limited()).take().await;
    stays_silent(world, "rate_limited").await;
}

#[tokio::test]
async fn the_first_402() {
    let world = working().await;
    Runs::of(&world).ran("u", 1, 5, &refused()).take().await;
    goes_its_way(world, "out_of_credit u", &[&to_user("out_of_credit")], 28 * 60).await;
}

#[tokio::test]
async fn an_empty_purse_of_the_platform() {
    let world = working().await;
    let runs = Runs::of(&world).ran("w", 8, 10, &refused()).ran("x", 8, 10, &refused()).ran("y", 8, 10, &refused());
    runs.take().await;
    goes_its_way(world, "credit_refused platform", &[&to_admin("platform_credit")], 150).await;
    let world = working().await;
    Runs::of(&world).ran("w", 12, 10, &refused()).ran("x", 12, 10, &refused()).take().await;
    stays_silent_but(world, "credit_refused").await;
}

/// Other rules may fire; this one does not.
async fn stays_silent_but(mut world: World, rule: &str) {
    for _ in 0..4 {
        evaluate_after(&mut world, 5).await;
    }
    let firing = firing(&world).await;
    assert!(!firing.iter().any(|alert| alert.starts_with(rule)), "{rule} fires: {firing:?}");
}

#[tokio::test]
async fn a_model_that_fails_for_several() {
    let world = working().await;
    Runs::of(&world).ran("w", 15, 10, &unavailable()).ran("x", 15, 10, &unavailable()).take().await;
    goes_its_way(world, "model_failing a/m", &[&to_admin("model_failing")], 150).await;
    let world = working().await;
    Runs::of(&world).ran("w", 30, 10, &unavailable()).take().await;
    stays_silent(world, "model_failing").await;
}

#[tokio::test]
async fn failures_that_are_paid_for() {
    let charged = json!({"status": 502, "cost_usd": "0.001", "error": {"code": 502, "message": "broken"}});
    let world = working().await;
    Runs::of(&world).ran("w", 20, 10, &json!({})).ran("w", 6, 8, &charged).take().await;
    goes_its_way(world, "charged_failures w", &[&to_admin("charged_failures")], 50 * 60).await;
    let world = working().await;
    Runs::of(&world).ran("w", 13, 10, &json!({})).ran("w", 4, 8, &charged).take().await;
    stays_silent(world, "charged_failures").await;
}

#[tokio::test]
async fn a_user_who_spends_many_times_the_average() {
    let world = working().await;
    Runs::of(&world).ran("w", 50, 10, &usd(4.0)).take().await;
    stays_silent_but(world, "user_spend_spike w").await;
    let world = working().await;
    Runs::of(&world).ran("w", 50, 10, &usd(4.0)).take().await;
    let mut world = world;
    let mut seen = world.mails().await.len();
    let mut outlier = 0;
    for minutes in [5, 5, 24 * 60, 24 * 60, 8 * 24 * 60] {
        evaluate_after(&mut world, minutes).await;
        outlier += told(&world, &mut seen).await.iter().filter(|told| **told == to_admin("spend_outlier")).count();
    }
    assert_eq!((outlier, firing(&world).await.iter().any(|alert| alert.starts_with("user_spend_outlier"))), (1, false));
}

#[tokio::test]
async fn unusable_outputs() {
    let world = working().await;
    Runs::of(&world).ran("w", 300, 10, &json!({"output_valid": false})).take().await;
    goes_its_way(world, "bad_output a/m", &[&to_admin("bad_output")], 40 * 60).await;
}

#[tokio::test]
async fn a_cap_is_told_once_a_level_and_a_day() {
    let mut world = working().await;
    world.directory(&[json!({"user": {"id": "w", "email": "u@platform.example", "daily_limit_usd": 10, "timezone": "Asia/Kolkata"}})]).await;
    let mut seen = world.mails().await.len();
    let budget = [to_user("budget")];
    for (spends, expected) in
        [(0.3, &[][..]), (0.3, &budget[..]), (0.1, &[]), (0.2, &budget[..]), (0.2, &budget[..]), (0.5, &[])]
    {
        Runs::of(&world).ran("w", 10, 3, &usd(spends)).take().await;
        evaluate_after(&mut world, 5).await;
        assert_eq!(told(&world, &mut seen).await, expected, "after {spends}");
    }
    // The day of the user's own zone ends at half past six in the evening of UTC.
    evaluate_after(&mut world, 7 * 60).await;
    assert!(!firing(&world).await.contains(&"budget w".to_owned()), "{:?}", firing(&world).await);
    let mut seen = world.mails().await.len();
    Runs::of(&world).ran("w", 10, 3, &usd(0.6)).take().await;
    evaluate_after(&mut world, 5).await;
    assert!(told(&world, &mut seen).await.contains(&budget[0]), "another day");
}

#[tokio::test]
async fn a_cap_of_a_month_is_told_once_a_level_whoever_rests_between() {
    let mut world = World::new().await;
    let limits =
        json!({"id": "u", "email": "u@platform.example", "monthly_limit_usd": 100, "timezone": "America/Los_Angeles"});
    world.directory(&[json!({"user": limits})]).await;
    // The last is spent in the night after the month's last day of UTC, which is its evening there.
    world.clock.set(at("2026-06-24T12:00:00Z"));
    let mut seen = 0;
    let budget = [to_user("budget")];
    for (wait_hours, spends, expected) in [
        (1, 48.0, &[][..]),
        (1, 3.0, &budget[..]),
        (24, 0.0, &[]),
        (48, 0.0, &[]),
        (24 + 61, 1.0, &[]),
        (3, 30.0, &budget[..]),
        (3, 0.0, &[]),
    ] {
        if spends > 0.0 {
            Runs::of(&world).ran("u", 1, 3, &usd(spends)).take().await;
        }
        evaluate_after(&mut world, 5).await;
        let told: Vec<String> =
            told(&world, &mut seen).await.into_iter().filter(|told| told.starts_with("budget")).collect();
        assert_eq!(told, expected, "after {spends} at {}", world.context.now());
        world.clock.advance(TimeDelta::hours(wait_hours));
        world.run("rules").await;
    }
}

#[tokio::test]
async fn a_cap_counts_what_is_reported_late() {
    let mut world = World::new().await;
    world.directory(&[json!({"user": {"id": "u", "email": "u@platform.example", "daily_limit_usd": 100}})]).await;
    world.clock.set(at("2026-06-24T12:00:00Z"));
    let mut seen = 0;
    for (minutes, spends) in [(3, 60.0), (180, 25.0), (180, 20.0)] {
        // The only one of so many minutes ran in the middle of them.
        Runs::of(&world).ran("u", 1, minutes, &usd(spends)).take().await;
        evaluate_after(&mut world, 5).await;
        assert!(told(&world, &mut seen).await.contains(&to_user("budget")), "{spends}, {minutes} minutes late");
    }
}

#[tokio::test]
async fn a_month_that_costs_more_than_it_brings() {
    let mut world = working().await;
    let w = json!({"user": {"id": "w", "email": "w@platform.example", "plan_usd_per_month": 9}});
    world.directory(&[w]).await;
    let mut seen = world.mails().await.len();
    Runs::of(&world).ran("w", 10, 3, &usd(0.95)).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0], "by less than a dollar");
    Runs::of(&world).ran("w", 10, 3, &usd(0.1)).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!(told(&world, &mut seen).await, [to_admin("margin")]);
    Runs::of(&world).ran("w", 1, 3, &usd(0.1)).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0]);
}

async fn holds(world: &World, user: &str, dollars: i64) {
    let reading = Reading { account: user.to_owned(), at: world.context.now(), left: NanoUsd::dollars(dollars) };
    let mut tx = world.context.db.write().await.unwrap();
    balances::put(&mut tx, &reading).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn credit_that_ends() {
    let mut world = working().await;
    let mut seen = world.mails().await.len();
    for (dollars, expected) in [(500, 0), (20, 1), (19, 0), (4, 1), (-1, 1), (500, 1), (490, 0)] {
        holds(&world, "u", dollars).await;
        evaluate_after(&mut world, 5).await;
        let mails = told(&world, &mut seen).await;
        assert_eq!(mails, vec![to_user("low_credit"); expected], "at {dollars}");
    }
}

#[tokio::test]
async fn executions_that_no_longer_come() {
    let mut world = working().await;
    let mut seen = world.mails().await.len();
    evaluate_after(&mut world, 60).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0]);
    evaluate_after(&mut world, 90).await;
    assert_eq!(told(&world, &mut seen).await, [to_admin("monitor_trouble")]);
    evaluate_after(&mut world, 30).await;
    assert_eq!(told(&world, &mut seen).await, [""; 0]);
    Runs::of(&world).ran("u", 10, 3, &json!({})).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!(told(&world, &mut seen).await, [to_admin("monitor_trouble")], "they come again");
}

#[tokio::test]
async fn what_is_silenced_is_told_when_it_outlasts_the_silence() {
    let mut world = working().await;
    let mut seen = world.mails().await.len();
    let silence = Silence {
        rule: "out_of_credit".to_owned(),
        subject_kind: String::new(),
        subject: String::new(),
        user: "u".to_owned(),
        comment: String::new(),
        starts_at: world.context.now(),
        ends_at: world.context.now() + TimeDelta::minutes(20),
    };
    let mut tx = world.context.db.write().await.unwrap();
    silences::put(&mut tx, &silence).await.unwrap();
    tx.commit().await.unwrap();
    Runs::of(&world).ran("u", 2, 3, &refused()).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!((told(&world, &mut seen).await.len(), firing(&world).await.len()), (0, 1));
    evaluate_after(&mut world, 20).await;
    assert_eq!(told(&world, &mut seen).await, [to_user("out_of_credit")]);
}

#[tokio::test]
async fn who_stopped_a_kind_does_not_get_it() {
    let mut world = working().await;
    let mut tx = world.context.db.write().await.unwrap();
    openrouter_monitor::store::preferences::stop(&mut tx, "u", "out_of_credit", at(NOON)).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = world.mails().await.len();
    Runs::of(&world).ran("u", 2, 3, &refused()).take().await;
    evaluate_after(&mut world, 5).await;
    assert_eq!((told(&world, &mut seen).await.len(), firing(&world).await.len()), (0, 1));
}
