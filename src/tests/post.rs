//! When a user's mail is due: quiet hours, the daily number, the digest of what exceeds it, and addresses that bounce.

use chrono::{DateTime, TimeDelta, Utc};
use openrouter_monitor::domain::channel::Channel;
use openrouter_monitor::domain::directory::Entry;
use openrouter_monitor::store::outbox::{self, About, Mail};
use openrouter_monitor::store::preferences::{self, Preferences};
use openrouter_monitor::store::prune::{What, step};
use openrouter_monitor::store::{Tx, directory, post, suppressions};
use serde_json::{Value, json};

use crate::harness::database::on_every_db;
use crate::harness::smtp::{Fault, SmtpServer};
use crate::harness::{World, at, user};

const DAILY_MAX: u32 = 2;

async fn apply(tx: &mut Tx, line: Value) {
    let entry = Entry::parse(&line.to_string()).unwrap();
    directory::apply(tx, &entry, &format!("token {line}"), at("2026-06-08T01:00:00Z")).await.unwrap();
}

fn mail(key: &str, kind: &str) -> Mail {
    Mail {
        dedup_key: key.to_owned(),
        kind: kind.to_owned(),
        user: Some("u".to_owned()),
        recipient: "u@x.org".to_owned(),
        subject: format!("subject {key}"),
        text: format!("Hello u,\n\ntext {key}\n\n-- \nend"),
        about: About { models: vec![format!("a/{key}")], why: vec![format!("why {key}")], ..About::default() },
        ..Mail::default()
    }
}

/// Posts and says where the row stands.
async fn placed(tx: &mut Tx, key: &str, kind: &str, now: DateTime<Utc>) -> String {
    if !post::post(tx, &mail(key, kind), DAILY_MAX, now).await.unwrap() {
        return "none".to_owned();
    }
    outbox::list(tx, None, None, 1).await.unwrap().remove(0).state
}

async fn due(tx: &mut Tx, now: DateTime<Utc>) -> usize {
    outbox::claim(tx, Channel::Mail, 99, now, now + TimeDelta::minutes(5)).await.unwrap().len()
}

on_every_db! {
    async fn what_is_not_urgent_waits_for_the_end_of_quiet_hours(test) {
        let mut tx = test.db.write().await.unwrap();
        apply(&mut tx, json!({"user": {"id": "u", "email": "u@x.org", "timezone": "Europe/Berlin"}})).await;
        let quiet = "22:00-07:00".parse().ok();
        preferences::put(&mut tx, "u", &Preferences { quiet, zone: None }, at("2026-06-08T01:00:00Z")).await.unwrap();
        let night = at("2026-06-08T23:00:00Z");
        assert_eq!(placed(&mut tx, "1", "model_removed", night).await, "pending");
        assert_eq!(placed(&mut tx, "2", "model_deprecated", night).await, "held");
        assert_eq!(placed(&mut tx, "2", "model_deprecated", night).await, "none");
        assert_eq!(due(&mut tx, night).await, 1);
        assert_eq!(due(&mut tx, at("2026-06-09T04:59:59Z")).await, 1, "the urgent one, whose lease ran out");
        let queue = outbox::queue(&mut tx).await.unwrap();
        assert_eq!((queue.held, queue.sending), (1, 1));
        // The zone of one's own choice counts, for what comes from then on.
        preferences::put(&mut tx, "u", &Preferences { quiet, zone: Some(chrono_tz::Tz::Asia__Tokyo) }, night).await.unwrap();
        assert_eq!(preferences::get(&mut tx, "u").await.unwrap().zone, Some(chrono_tz::Tz::Asia__Tokyo));
        let morning = at("2026-06-09T05:00:00Z");
        let released = outbox::claim(&mut tx, Channel::Mail, 9, morning, morning).await.unwrap();
        assert_eq!(released.iter().map(|row| (row.created_at, row.waits_since)).collect::<Vec<_>>(), [(night, morning)]);
        assert_eq!(placed(&mut tx, "3", "model_deprecated", at("2026-06-10T04:00:00Z")).await, "pending");
    }

    async fn what_a_clock_ahead_held_is_not_held_for_years(test) {
        let mut tx = test.db.write().await.unwrap();
        apply(&mut tx, json!({"user": {"id": "u", "email": "u@x.org"}})).await;
        let quiet = "22:00-07:00".parse().ok();
        preferences::put(&mut tx, "u", &Preferences { quiet, zone: None }, at("2026-06-08T01:00:00Z")).await.unwrap();
        assert_eq!(placed(&mut tx, "1", "budget", at("2031-06-08T23:00:00Z")).await, "held");
        assert_eq!(due(&mut tx, at("2026-06-08T12:00:00Z")).await, 1);
    }

    async fn what_exceeds_a_day_is_folded_into_one_digest(test) {
        let mut tx = test.db.write().await.unwrap();
        apply(&mut tx, json!({"user": {"id": "u", "email": "u@x.org", "timezone": "Asia/Kolkata"}})).await;
        let noon = at("2026-06-08T06:30:00Z");
        let mut states = Vec::new();
        for (key, kind) in [("1", "budget"), ("2", "out_of_credit"), ("3", "budget"), ("4", "low_credit"), ("5", "model_removed"), ("6", "budget")] {
            states.push(placed(&mut tx, key, kind, noon).await);
        }
        assert_eq!(states, ["pending", "pending", "folded", "folded", "pending", "folded"]);
        preferences::stop(&mut tx, "u", "low_credit", noon).await.unwrap();
        assert_eq!(placed(&mut tx, "7", "low_credit", noon).await, "none", "not wanted");
        assert_eq!(post::folded_for(&mut tx, noon).await.unwrap().get("u"), Some(&chrono_tz::Tz::Asia__Kolkata));
        let parts = post::folded(&mut tx, "u", noon).await.unwrap();
        assert_eq!(parts.iter().map(|part| part.subject.as_str()).collect::<Vec<_>>(), ["subject 3", "subject 6"]);
        let digest = Mail { dedup_key: "digest".to_owned(), ..mail("digest", "budget") };
        assert!(post::post_digest(&mut tx, &digest, &parts, noon).await.unwrap());
        assert!(!post::post_digest(&mut tx, &digest, &parts, noon).await.unwrap(), "one a day");
        assert!(post::folded(&mut tx, "u", noon).await.unwrap().is_empty());
        assert_eq!(outbox::list(&mut tx, Some("digested"), None, 9).await.unwrap().len(), 2);
        // A new day of theirs begins at half past six in the evening in UTC.
        assert_eq!(placed(&mut tx, "8", "budget", at("2026-06-08T18:29:00Z")).await, "folded");
        assert_eq!(placed(&mut tx, "9", "budget", at("2026-06-08T18:30:00Z")).await, "pending");
        assert!(post::folded(&mut tx, "u", noon + TimeDelta::days(8)).await.unwrap().is_empty(), "old news");
        assert_eq!(step(&mut tx, What::Mails, at("2026-06-10T00:00:00Z")).await.unwrap(), 4, "what is never sent is forgotten");
    }

    async fn an_address_that_bounced_gets_nothing_until_it_is_mended(test) {
        let now = at("2026-06-08T06:30:00Z");
        let mut tx = test.db.write().await.unwrap();
        apply(&mut tx, json!({"user": {"id": "u", "email": "u@x.org"}})).await;
        suppressions::suppress(&mut tx, "U <u@X.org>", "5.1.1 unknown", now).await.unwrap();
        suppressions::suppress(&mut tx, "u@x.org", "5.1.1 still unknown", now).await.unwrap();
        assert_eq!(suppressions::count(&mut tx).await.unwrap(), 1);
        assert_eq!(suppressions::newest(&mut tx, 9).await.unwrap()[0].reason, "5.1.1 still unknown");
        assert_eq!(placed(&mut tx, "1", "out_of_credit", now).await, "suppressed");
        assert_eq!(due(&mut tx, now).await, 0);
        // The same address is no news, another one is.
        apply(&mut tx, json!({"user": {"id": "u", "email": "u@x.org", "name": "U"}})).await;
        assert!(suppressions::covers(&mut tx, "u@x.org").await.unwrap());
        apply(&mut tx, json!({"user": {"id": "u", "email": "v@x.org"}})).await;
        assert!(!suppressions::covers(&mut tx, "u@x.org").await.unwrap());
        // Whoever sends one mail again vouches for its address.
        suppressions::suppress(&mut tx, "u@x.org", "5.1.1", now).await.unwrap();
        let id = outbox::list(&mut tx, Some("suppressed"), None, 1).await.unwrap()[0].id;
        assert_eq!(outbox::retry(&mut tx, Some(id), now).await.unwrap(), 1);
        assert_eq!((due(&mut tx, now).await, suppressions::count(&mut tx).await.unwrap()), (1, 0));
        suppressions::suppress(&mut tx, "v@x.org", "5.1.1", now).await.unwrap();
        assert!(suppressions::lift(&mut tx, "V@x.org").await.unwrap());
        assert!(!suppressions::lift(&mut tx, "v@x.org").await.unwrap());
    }
}

#[tokio::test]
async fn the_digest_comes_once_in_the_evening_also_over_a_crash() {
    let mut world = World::with(|config| config.mail.per_user_daily = 1).await;
    world.directory(&[user("u")]).await;
    let mut tx = world.context.db.write().await.unwrap();
    for key in ["1", "2", "3"] {
        world.context.post(&mut tx, &mail(key, "budget"), world.context.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(world.run("user_digest").await, "0 digests");
    world.clock.set(at("2026-06-08T18:05:00Z"));
    assert_eq!(world.run("user_digest").await, "1 digests");
    world.restart().await;
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(world.run("user_digest").await, "0 digests");
    let mut tx = world.context.db.write().await.unwrap();
    world.context.post(&mut tx, &mail("4", "budget"), world.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.set(at("2026-06-08T20:05:00Z"));
    assert_eq!(world.run("user_digest").await, "0 digests", "what comes later waits for tomorrow's");
    world.deliver().await;
    let sent: Vec<String> =
        world.outlet.lock().unwrap().iter().map(|(claimed, _)| claimed.mail.subject.clone()).collect();
    assert_eq!(sent, ["subject 1", "2 more things of 8 June 2026"]);
    let text = world.outlet.lock().unwrap()[1].0.mail.text.clone();
    for line in ["subject 2", "text 3", "- Why: why 3"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let digest = world.mails().await.into_iter().find(|row| row.subject.starts_with("2 more")).unwrap();
    assert_eq!((digest.kind.as_str(), digest.about.models), ("budget", vec!["a/2".to_owned(), "a/3".to_owned()]));
    world.clock.set(at("2026-06-09T18:05:00Z"));
    assert_eq!(world.run("user_digest").await, "1 digests");
}

#[tokio::test]
async fn a_hard_bounce_suppresses_its_address_and_no_other_refusal_does() {
    let (server, url) = SmtpServer::start().await;
    let world = World::with(|config| config.mail.connections = 1).await;
    let mut config = (*world.context.settings.get()).clone();
    config.mail.smtp_url = Some(url.into());
    *world.context.mailer.write().unwrap() = openrouter_monitor::mail::transport::Mailer::new(&config).unwrap();
    let mut tx = world.context.db.write().await.unwrap();
    for name in ["a", "b", "c", "d"] {
        let mail = Mail {
            user: None,
            recipient: format!("{name}@platform.example"),
            message_id: format!("<{name}@x>"),
            ..mail(name, "budget")
        };
        assert!(world.context.post(&mut tx, &mail, world.context.now()).await.unwrap());
    }
    tx.commit().await.unwrap();
    server.fail(&[
        Fault::Rcpt("550 5.1.1 user unknown"),
        Fault::Rcpt("550 5.7.1 blocked by policy"),
        Fault::Rcpt("530 authentication required"),
        Fault::Data("552 5.3.4 too large"),
    ]);
    world.deliver().await;
    let mut tx = world.context.db.read().await.unwrap();
    let suppressed = suppressions::newest(&mut tx, 9).await.unwrap();
    assert_eq!(suppressed.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["a@platform.example"]);
    assert!(suppressed[0].reason.contains("user unknown"), "{suppressed:?}");
}
