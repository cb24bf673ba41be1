//! Weekly reports: to whom they concern, once, with the sums that the executions make.

use std::sync::Arc;

use chrono::TimeDelta;
use chrono_tz::Tz;
use openrouter_monitor::app;
use openrouter_monitor::clock::{Clock, ManualClock};
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::directory::Entry;
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::job::find;
use openrouter_monitor::job::runner::Runner;
use openrouter_monitor::mail::figures::usd;
use openrouter_monitor::mail::transport::{Mailer, Outlet};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::openrouter::Client;
use openrouter_monitor::store::outbox::Row;
use openrouter_monitor::store::{Db, directory, outbox, preferences};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::executions::{NOW, execution, expected, rows, writing_to};
use crate::harness::at;
use crate::harness::database::on_every_db;

async fn know(db: &Db, users: &[Value]) {
    let mut tx = db.write().await.unwrap();
    for user in users {
        let entry: Entry = serde_json::from_value(json!({"user": user})).unwrap();
        directory::apply(&mut tx, &entry, &format!("token {}", user["id"]), at(NOW)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// What the reports of a fresh process add, so many minutes after noon.
async fn reported(db: &Db, minutes: i64) -> Vec<Row> {
    let config = Config::default();
    let mailer = Mailer::in_memory(&config, Outlet::default()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(at(NOW) + TimeDelta::minutes(minutes)));
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let context = Arc::new(app::with_parts(config, db.clone(), metrics, clock, stop, Client::captured(), mailer));
    let mut tx = db.read().await.unwrap();
    let before = outbox::written_after(&mut tx, 0).await.unwrap().len();
    drop(tx);
    Runner::of(context, &["reports"]).run_now(find("reports").unwrap()).await.unwrap();
    let mut tx = db.read().await.unwrap();
    outbox::written_after(&mut tx, 0).await.unwrap().split_off(before)
}

on_every_db! {
    async fn who_ran_something_hears_once_what_the_week_cost(test) {
        let (ingest, _context) = writing_to(&test.db);
        // Two weeks from Monday 19 October on; it is Monday 2 November.
        let rows = rows(3000, 5);
        ingest.submit(rows.iter().map(execution).collect()).await.unwrap();
        let user = |id: &str| json!({"id": id, "email": format!("{id}@platform.example")});
        let mut known: Vec<Value> = ["u0", "u1", "u2", "idle"].map(user).into();
        known.push(json!({"id": "u3"}));
        known.push(json!({"id": "boss", "email": "boss@platform.example", "admin": true}));
        know(&test.db, &known).await;
        let mut tx = test.db.write().await.unwrap();
        preferences::stop(&mut tx, "u2", "weekly_report", at(NOW)).await.unwrap();
        tx.commit().await.unwrap();

        let mails = reported(&test.db, 0).await;
        let told: Vec<(&str, &str)> = mails.iter().map(|mail| (mail.kind.as_str(), mail.recipient.as_str())).collect();
        assert_eq!(told, [
            ("admin_report", "boss@platform.example"),
            ("weekly_report", "u0@platform.example"),
            ("weekly_report", "u1@platform.example"),
        ]);
        let days = expected(&rows, Tz::UTC);
        let spent = |who: &str| {
            let week = days.iter().filter(|((user, day), _)| user.starts_with(who) && day.as_str() >= "2026-10-26" && day.as_str() < "2026-11-02");
            usd(NanoUsd(week.map(|(_, (_, cost))| cost).sum()))
        };
        for (mail, who) in mails.iter().zip(["u", "u0", "u1"]) {
            assert!(mail.subject.contains(&spent(who)), "{} of {who}: {}", mail.subject, spent(who));
            assert_eq!(mail.about.incident, "week/2026-W44");
        }
        assert!(reported(&test.db, 1).await.is_empty(), "nobody hears twice");
        // Whose address comes late is told then; the others are not told again.
        know(&test.db, &[user("u3")]).await;
        assert_eq!(reported(&test.db, 2).await.len(), 1);
    }

    async fn nobody_is_told_of_nothing(test) {
        know(&test.db, &[json!({"id": "boss", "email": "boss@platform.example", "admin": true})]).await;
        assert!(reported(&test.db, 0).await.is_empty());
    }
}
