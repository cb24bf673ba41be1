//! Slots: each is run once, among replicas, after downtime, after failures, whatever the clock does.

use std::sync::Arc;

use chrono::TimeDelta;
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::channel::Channel;
use openrouter_monitor::job::JOBS;
use openrouter_monitor::job::runner::Runner;
use openrouter_monitor::store::outbox::{self, Mail};
use openrouter_monitor::store::runs::{self, Ended};

use crate::harness::database::on_every_db;
use crate::harness::openrouter::Answer;
use crate::harness::{World, at, model};

#[test]
fn jobs_and_settings_name_each_other() {
    let config = Config::default();
    let mut names: Vec<&str> = JOBS.iter().map(|spec| spec.name).collect();
    names.sort_unstable();
    assert_eq!(names, config.jobs.all().keys().copied().collect::<Vec<_>>());
    assert!(names.iter().all(|name| config.jobs.all()[name].schedule().is_some()));
}

#[tokio::test]
async fn a_slot_is_run_once_and_a_missed_one_is_made_up_for_once() {
    let world = World::new().await;
    world.openrouter.list(&[model("a/a")]);
    let ran = |reports: Vec<openrouter_monitor::job::runner::Report>| {
        reports.iter().filter(|report| report.job == "models").count()
    };
    assert_eq!(ran(world.runner.run_due().await), 1);
    assert_eq!(ran(world.runner.run_due().await), 0);
    // Another replica on the same store finds nothing to do.
    assert_eq!(ran(Runner::new(Arc::clone(&world.context)).run_due().await), 0);
    world.clock.advance(TimeDelta::days(5));
    assert_eq!(ran(world.runner.run_due().await), 1, "five missed days are one run");
}

#[tokio::test]
async fn a_clock_that_jumps_back_repeats_nothing() {
    let world = World::new().await;
    world.openrouter.list(&[model("a/a")]);
    world.runner.run_due().await;
    let runs = |world: &World| world.openrouter.asked().len();
    let before = runs(&world);
    world.clock.advance(TimeDelta::minutes(-30));
    world.clock.advance(TimeDelta::minutes(30));
    world.runner.run_due().await;
    assert_eq!(runs(&world), before);
}

#[tokio::test]
async fn a_failure_is_tried_again_after_a_while_that_doubles() {
    let world = World::new().await;
    let runner = Runner::of(Arc::clone(&world.context), &["models"]);
    world.openrouter.list_is(503, "");
    let mut waits = Vec::new();
    runner.run_due().await;
    for _ in 0..4 {
        let next = runner.next_due(world.context.now()).expect("another attempt");
        waits.push((next - world.context.now()).num_seconds());
        world.clock.set(next);
        runner.run_due().await;
    }
    for (wait, base) in waits.iter().zip([60, 120, 240, 480]) {
        assert!((base..=base + base / 10).contains(wait), "{waits:?}");
    }
    world.openrouter.list(&[model("a/a")]);
    world.clock.set(runner.next_due(world.context.now()).unwrap());
    assert!(runner.run_due().await.iter().any(|report| matches!(report.ended, Ended::Ok(_))));
}

#[tokio::test]
async fn an_attempt_that_broke_off_is_taken_up_when_its_lease_ends() {
    let world = World::new().await;
    world.openrouter.list(&[model("a/a")]);
    let broken = tokio::time::timeout(std::time::Duration::ZERO, world.runner.run_due()).await;
    assert!(broken.is_err());
    world.clock.advance(TimeDelta::minutes(12));
    let jobs: Vec<&str> = world.runner.run_due().await.iter().map(|report| report.job).collect();
    assert!(jobs.contains(&"models"), "{jobs:?}");
}

#[tokio::test]
async fn a_job_that_fails_for_good_is_told_once_and_so_is_its_success() {
    let world = World::new().await;
    let told = async |days: i64| {
        for _ in 0..days * 48 {
            world.clock.advance(TimeDelta::minutes(30));
            world.runner.run_due().await;
            world.deliver().await;
        }
        world.mails().await.iter().map(|mail| mail.subject.clone()).collect::<Vec<_>>()
    };
    world.openrouter.list_is(503, "");
    let failed = told(1).await;
    assert!(failed.len() == 1 && failed[0].contains("The job models fails"), "{failed:?}");
    assert_eq!(told(2).await, failed);
    world.openrouter.list(&[model("a/a")]);
    let over = told(2).await;
    assert!(over.len() == 2 && over[1].contains("The job models works again"), "{over:?}");
}

#[tokio::test]
async fn a_run_outside_the_schedule_is_tried_once_and_told_to_who_asked() {
    let world = World::new().await;
    world.openrouter.list_is(503, "");
    assert!(matches!(world.run_report("models").await.ended, Ended::Failed(_)));
    let mut tx = world.context.db.read().await.unwrap();
    assert_eq!(runs::latest(&mut tx).await.unwrap()[0].due_at, None);
    assert_eq!(world.mails().await, []);
}

#[tokio::test]
async fn a_wait_without_end_is_a_day_and_no_panic() {
    let world = World::new().await;
    world.openrouter.list_answers(Answer(429, vec![("retry-after", "9000000000000000")], String::new()));
    let report = world.runner.run_due().await.into_iter().find(|report| report.job == "models").unwrap();
    let Ended::Retry(at, _) = report.ended else { panic!("{report:?}") };
    assert_eq!(at - world.context.now(), TimeDelta::hours(24));
}

on_every_db! {
    async fn a_lease_from_a_clock_that_was_ahead_holds_nobody(test) {
        let (slot, now) = (at("2026-06-08T03:00:00Z"), at("2026-06-08T03:00:05Z"));
        let mut tx = test.db.write().await.unwrap();
        let ahead = now + TimeDelta::days(2000);
        let lease = |now| now + TimeDelta::minutes(5);
        assert_eq!(runs::claim(&mut tx, "models", slot, ahead, lease(ahead)).await.unwrap(), Some(1));
        assert_eq!(runs::claim(&mut tx, "models", slot, now, lease(now)).await.unwrap(), Some(2));
        assert_eq!(runs::claim(&mut tx, "models", slot, now, lease(now)).await.unwrap(), None);
        let mail = Mail { recipient: "a@b.org".to_owned(), ..Mail::default() };
        assert!(outbox::enqueue(&mut tx, &mail, ahead).await.unwrap());
        assert_eq!(outbox::claim(&mut tx, Channel::Mail, 9, now, lease(now)).await.unwrap().len(), 1);
        assert_eq!(outbox::claim(&mut tx, Channel::Mail, 9, now, lease(now)).await.unwrap().len(), 0);
    }

    async fn a_job_fails_since_the_first_failure_after_its_last_success(test) {
        let mut tx = test.db.write().await.unwrap();
        let slot = |day: i64| at("2026-06-08T03:00:00Z") + TimeDelta::days(day);
        let (failed, ok) = (Ended::Failed("x".to_owned()), Ended::Ok("x".to_owned()));
        for (day, ended, since) in [(0, &failed, Some(0)), (1, &ok, None), (2, &failed, Some(2)), (3, &failed, Some(2))] {
            runs::claim(&mut tx, "models", slot(day), slot(day), slot(day)).await.unwrap();
            assert!(runs::finish(&mut tx, "models", slot(day), 1, ended, slot(day)).await.unwrap());
            assert!(!runs::finish(&mut tx, "models", slot(day), 1, ended, slot(day)).await.unwrap());
            assert_eq!(runs::failing_since(&mut tx, "models").await.unwrap(), since.map(slot));
        }
    }

    async fn a_slot_is_claimed_by_one_until_its_lease_ends(test) {
        let (slot, now) = (at("2026-06-08T03:00:00Z"), at("2026-06-08T03:00:05Z"));
        let lease = now + TimeDelta::minutes(5);
        let claim = async |now, lease| {
            let mut tx = test.db.write().await.unwrap();
            let attempt = runs::claim(&mut tx, "models", slot, now, lease).await.unwrap();
            tx.commit().await.unwrap();
            attempt
        };
        assert_eq!(claim(now, lease).await, Some(1));
        assert_eq!(claim(now, lease).await, None);
        assert_eq!(claim(lease, lease + TimeDelta::minutes(5)).await, Some(2));
        let finish = async |attempt, ended: &Ended| {
            let mut tx = test.db.write().await.unwrap();
            runs::finish(&mut tx, "models", slot, attempt, ended, lease).await.unwrap();
            tx.commit().await.unwrap();
        };
        finish(1, &Ended::Failed("late".to_owned())).await;
        finish(2, &Ended::Ok("done".to_owned())).await;
        let mut tx = test.db.read().await.unwrap();
        let latest = runs::latest(&mut tx).await.unwrap();
        assert_eq!((latest[0].state.as_str(), latest[0].attempt), ("ok", 2));
        assert_eq!(runs::last_success(&mut tx).await.unwrap(), [("models".to_owned(), lease)]);
        drop(tx);
        assert_eq!(claim(lease + TimeDelta::days(1), lease + TimeDelta::days(2)).await, None, "what is done stays done");
    }
}
