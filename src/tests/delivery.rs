//! Delivery: what a server refuses, what it puts off, and what a crash in between costs.

use std::sync::Arc;

use chrono::TimeDelta;
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::channel::Channel;
use openrouter_monitor::job::deliver;
use openrouter_monitor::mail::transport::Mailer;
use openrouter_monitor::store::outbox::{self, Mail, Row};
use secrecy::SecretString;

use crate::harness::World;
use crate::harness::smtp::{Fault, SmtpServer};

/// A daemon that delivers to a server, with `count` mails that wait.
async fn waiting(count: usize) -> (World, SmtpServer) {
    waiting_for(count, 1, 1).await
}

/// The same over some connections, each of which waits for the server for some seconds.
async fn waiting_for(count: usize, connections: u32, timeout_seconds: u64) -> (World, SmtpServer) {
    let (server, url) = SmtpServer::start().await;
    let world = World::with(|config| {
        (config.mail.connections, config.mail.timeout_seconds) = (connections, timeout_seconds);
    })
    .await;
    let config = Config {
        mail: openrouter_monitor::config::Mail {
            smtp_url: Some(SecretString::from(url)),
            connections,
            timeout_seconds,
            ..Config::default().mail
        },
        ..Config::default()
    };
    *world.context.mailer.write().unwrap() = Mailer::new(&config).unwrap();
    let mut tx = world.context.db.write().await.unwrap();
    for n in 0..count {
        let mail = Mail {
            dedup_key: format!("key {n}"),
            kind: "model_removed".to_owned(),
            recipient: "u@platform.example".to_owned(),
            subject: "s".to_owned(),
            text: "t".to_owned(),
            html: "<p>t</p>".to_owned(),
            message_id: format!("<m{n}@x>"),
            ..Mail::default()
        };
        assert!(outbox::enqueue(&mut tx, &mail, world.context.now()).await.unwrap());
        assert!(!outbox::enqueue(&mut tx, &mail, world.context.now()).await.unwrap(), "the same news are one row");
    }
    tx.commit().await.unwrap();
    (world, server)
}

async fn rows(world: &World) -> Vec<(String, i64)> {
    world.mails().await.iter().map(|Row { state, attempts, .. }| (state.clone(), *attempts)).collect()
}

#[tokio::test]
async fn what_the_server_takes_is_sent_once() {
    let (world, server) = waiting(3).await;
    assert_eq!((world.deliver().await, world.deliver().await), (3, 0));
    let mut ids = server.message_ids();
    ids.sort();
    assert_eq!((ids.len(), server.pipelined()), (3, 3));
    assert_eq!(ids, ["<m0@x>", "<m1@x>", "<m2@x>"]);
    assert!(rows(&world).await.iter().all(|row| *row == ("sent".to_owned(), 1)));
}

#[tokio::test]
async fn a_server_that_takes_one_command_at_a_time_is_given_one() {
    let (world, server) = waiting(3).await;
    server.wants_one_by_one();
    server.fail(&[Fault::Rcpt("550 no such user")]);
    assert_eq!(world.deliver().await, 3);
    assert_eq!((server.message_ids(), server.pipelined()), (vec!["<m1@x>".to_owned(), "<m2@x>".to_owned()], 0));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_between_mails_costs_no_attempt() {
    let (world, server) = waiting(4).await;
    server.fail(&[Fault::Leave, Fault::Leave]);
    assert_eq!(world.deliver().await, 4);
    assert!(rows(&world).await.iter().all(|row| *row == ("sent".to_owned(), 1)));
    assert_eq!(server.message_ids().len(), 4);
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_later_and_one_for_good_is_not() {
    let (world, server) = waiting(3).await;
    server.fail(&[Fault::Rcpt("451 try later"), Fault::Rcpt("550 no such user"), Fault::Data("552 5.3.4 too large")]);
    assert_eq!(world.deliver().await, 3);
    assert_eq!(rows(&world).await, [("pending".to_owned(), 1), ("dead".to_owned(), 1), ("dead".to_owned(), 1)]);
    assert!(world.mails().await[1].last_error.as_deref().is_some_and(|error| error.contains("no such user")));
    assert_eq!(world.deliver().await, 0, "not before its time");
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.deliver().await, 1);
    assert_eq!(server.message_ids(), ["<m0@x>"]);
}

#[tokio::test]
async fn a_refusal_of_us_kills_no_mail() {
    let (world, server) = waiting(3).await;
    let refusals = ["530 authentication required", "550 5.7.1 blocked by policy", "552 5.2.2 mailbox full"];
    server.fail(&refusals.map(Fault::Rcpt));
    world.deliver().await;
    assert!(rows(&world).await.iter().all(|row| *row == ("pending".to_owned(), 1)));
}

#[tokio::test]
async fn an_address_beyond_ascii_is_mailed_by_its_domain_and_else_given_up_with_a_reason() {
    let (world, server) = waiting(0).await;
    let mut tx = world.context.db.write().await.unwrap();
    for (n, recipient) in ["u@bücher.example", "jürgen@b.example"].into_iter().enumerate() {
        let (dedup_key, message_id) = (format!("key {n}"), format!("<m{n}@x>"));
        let mail = Mail { dedup_key, recipient: recipient.to_owned(), message_id, ..Mail::default() };
        assert!(outbox::enqueue(&mut tx, &mail, world.context.now()).await.unwrap());
    }
    tx.commit().await.unwrap();
    world.deliver().await;
    assert_eq!(server.message_ids(), ["<m0@x>"]);
    let mails = world.mails().await;
    assert_eq!((mails[0].state.as_str(), mails[1].state.as_str()), ("sent", "dead"));
    assert!(mails[1].last_error.as_deref().unwrap().contains("takes no letters beyond ASCII"));
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up_and_the_repetition_has_the_same_id() {
    let (world, server) = waiting(1).await;
    server.fail(&[Fault::Hang, Fault::AcceptAndClose]);
    world.deliver().await;
    assert_eq!(rows(&world).await, [("pending".to_owned(), 1)]);
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    world.clock.advance(TimeDelta::minutes(10));
    world.deliver().await;
    assert_eq!(server.message_ids(), ["<m0@x>", "<m0@x>"], "taken, unsaid, and sent again under its id");
    assert_eq!(rows(&world).await, [("sent".to_owned(), 3)]);
}

/// Waits until the outbox is in a state that a test expects.
async fn until(world: &World, what: &str, expected: impl Fn(&[(String, i64)]) -> bool) {
    for _ in 0..3000 {
        if expected(&rows(world).await) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}: {:?}", rows(world).await);
}

fn count(rows: &[(String, i64)], state: &str) -> usize {
    rows.iter().filter(|row| row.0 == state).count()
}

#[tokio::test]
async fn a_server_that_hangs_at_one_mail_delays_no_mark_and_no_other_mail() {
    let (world, server) = waiting_for(20, 2, 60).await;
    server.fail(&[Fault::Hang]);
    let delivery = tokio::spawn(deliver::run(Arc::clone(&world.context)));
    until(&world, "all but one are marked", |rows| count(rows, "sent") == 19 && count(rows, "sending") == 1).await;
    let mut tx = world.context.db.write().await.unwrap();
    let late = Mail { dedup_key: "late".to_owned(), recipient: "u@platform.example".to_owned(), ..Mail::default() };
    outbox::enqueue(&mut tx, &late, world.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.context.mail_waits.notify_one();
    until(&world, "what comes later is sent meanwhile", |rows| count(rows, "sent") == 20).await;
    delivery.abort();
}

#[tokio::test]
async fn asked_to_stop_what_has_not_begun_is_handed_back_at_once() {
    let (world, server) = waiting_for(10, 2, 60).await;
    server.fail(&[Fault::Hang, Fault::Hang]);
    let delivery = tokio::spawn(deliver::run(Arc::clone(&world.context)));
    let begun = |rows: &[(String, i64)]| count(rows, "sending") == 10 && server.has_met_every_fault();
    until(&world, "all are claimed and two begun", begun).await;
    world.context.stop.cancel();
    until(&world, "eight are handed back", |rows| {
        rows.iter().filter(|row| **row == ("pending".to_owned(), 0)).count() == 8 && count(rows, "sending") == 2
    })
    .await;
    delivery.abort();
}

#[tokio::test]
async fn nobody_who_answers_is_waited_for_days_and_then_given_up() {
    let (world, _server) = waiting(1).await;
    let mut config = Config::default();
    config.mail.smtp_url = Some(SecretString::from("smtp://127.0.0.1:1"));
    *world.context.mailer.write().unwrap() = Mailer::new(&config).unwrap();
    for _ in 0..72 {
        world.clock.advance(TimeDelta::minutes(90));
        world.deliver().await;
    }
    let (state, attempts) = rows(&world).await.remove(0);
    assert_eq!(state, "dead");
    assert!(attempts > 40, "{attempts}");
}

#[tokio::test]
async fn a_crash_between_claim_and_record_loses_nothing() {
    let (mut world, server) = waiting(2).await;
    let now = world.context.now();
    let mut tx = world.context.db.write().await.unwrap();
    let claimed = outbox::claim(&mut tx, Channel::Mail, 10, now, now + TimeDelta::minutes(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claimed.len(), 2);
    let mailer = world.context.mailer();
    world.restart().await;
    *world.context.mailer.write().unwrap() = mailer;
    assert_eq!(world.deliver().await, 0, "the lease holds");
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.deliver().await, 2);
    assert_eq!(server.message_ids().len(), 2);
    // The holder of the old lease comes back: it may no longer decide.
    let mut tx = world.context.db.write().await.unwrap();
    assert!(
        !outbox::settle(&mut tx, claimed[0].id, claimed[0].attempt, &outbox::Outcome::Dead("x".to_owned()), now)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn files_are_whole_messages() {
    let (world, _server) = waiting(1).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.mail.directory = Some(folder.path().to_owned());
    *world.context.mailer.write().unwrap() = Mailer::new(&config).unwrap();
    assert_eq!(world.deliver().await, 1);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let message = std::fs::read(&files[0]).unwrap();
    let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
    assert_eq!((files.len(), parsed.message_id()), (1, Some("m0@x")));
}

#[tokio::test]
async fn a_server_behind_tls_is_believed_by_its_ca_alone() {
    let (world, _) = waiting(1).await;
    let (server, url, ca) = SmtpServer::start_tls().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca).unwrap();
    let mut config = Config::default();
    config.mail.smtp_url = Some(SecretString::from(url));
    *world.context.mailer.write().unwrap() = Mailer::new(&config).unwrap();
    world.deliver().await;
    assert_eq!(rows(&world).await, [("pending".to_owned(), 1)], "nobody vouches for it");
    assert!(server.message_ids().is_empty());
    config.mail.smtp_ca_file = Some(file.path().to_owned());
    *world.context.mailer.write().unwrap() = Mailer::new(&config).unwrap();
    world.clock.advance(TimeDelta::minutes(5));
    assert_eq!(world.deliver().await, 1);
    assert_eq!(server.message_ids(), ["<m0@x>"]);
}
