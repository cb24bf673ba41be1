//! Executions: each counted once, whatever is sent how often, and the sums exact in every zone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use openrouter_monitor::app;
use openrouter_monitor::clock::{Clock, ManualClock};
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::execution::{Execution, parse};
use openrouter_monitor::domain::model_id::ModelId;
use openrouter_monitor::domain::period::day_in;
use openrouter_monitor::domain::replacement::Mix;
use openrouter_monitor::ingest::{self, Ingest, Receipt};
use openrouter_monitor::job::Context;
use openrouter_monitor::mail::transport::{Mailer, Outlet};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::openrouter::Client;
use openrouter_monitor::spend::{Moment, Question, ask, mix, recent};
use openrouter_monitor::store::rollups::Group;
use openrouter_monitor::store::{Db, executions, partitions, prune};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::at;
use crate::harness::database::on_every_db;

pub(crate) const NOW: &str = "2026-11-02T12:00:00Z";

/// The way in to a store, and the task that writes.
pub(crate) fn writing_to(db: &Db) -> (Ingest, Arc<Context>) {
    let (config, metrics) = (Config::default(), Metrics::default());
    let mailer = Mailer::in_memory(&config, Outlet::default()).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(at(NOW)));
    let stop = CancellationToken::new();
    let context = Arc::new(app::with_parts(config, db.clone(), metrics, clock, stop, Client::captured(), mailer));
    let (ingest, writer) = ingest::channel(&context);
    tokio::spawn(writer.run());
    (ingest, context)
}

pub(crate) fn execution(row: &Value) -> Execution {
    parse(&row.to_string(), at(NOW)).unwrap()
}

/// Rows of some users over two weeks in which the clocks of Europe and America change.
pub(crate) fn rows(count: usize, seed: u64) -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(seed);
    let start = at("2026-10-19T00:00:00Z");
    let row = |n: usize| {
        let second = random.i64(0..14 * 86_400);
        let time = start + TimeDelta::seconds(second);
        let user = random.u32(0..7);
        let id = if random.bool() { format!("gen-{}-{n}", time.timestamp()) } else { format!("own {n}") };
        let failed = random.u32(0..10) == 0;
        json!({"id": id, "at": time, "user": format!("u{user}"), "resource": format!("r{user}-{}", random.u32(0..3)),
            "model": format!("a/m{}", random.u32(0..5)), "status": if failed { 429 } else { 200 },
            "usage": {"prompt_tokens": random.u32(0..5000), "completion_tokens": random.u32(0..500)},
            "cost_usd": format!("0.{:09}", random.u32(0..99_999_999))})
    };
    (0..count).map(row).collect()
}

/// What the rows come to by user and day of a zone, in nano-dollars, computed without the program.
pub(crate) fn expected(rows: &[Value], zone: Tz) -> BTreeMap<(String, String), (i64, i64)> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let time: DateTime<Utc> = row["at"].as_str().unwrap().parse().unwrap();
        let day = time.with_timezone(&zone).date_naive().to_string();
        let nanos: i64 = row["cost_usd"].as_str().unwrap()[2..].parse().unwrap();
        let sum: &mut (i64, i64) = sums.entry((row["user"].as_str().unwrap().to_owned(), day)).or_default();
        *sum = (sum.0 + 1, sum.1 + nanos);
    }
    sums
}

async fn asked(db: &Db, zone: Tz) -> BTreeMap<(String, String), (i64, i64)> {
    let since = Moment::On(day_in(at("2026-10-17T00:00:00Z"), zone));
    let question = Question { by: Group::User, since: Some(since), until: None, zone, per_day: true, user: None };
    let mut tx = db.read().await.unwrap();
    let lines = ask(&mut tx, &question, at(NOW)).await.unwrap();
    let line = |line: openrouter_monitor::spend::Line| {
        ((line.name.unwrap(), line.day.unwrap().to_string()), (line.sums.executions, line.sums.cost))
    };
    lines.into_iter().map(line).collect()
}

on_every_db! {
    async fn shuffled_overlapping_batches_sent_twice_are_counted_once_in_any_zone(test) {
        let (ingest, context) = writing_to(&test.db);
        let rows = rows(3000, 5);
        let mut random = fastrand::Rng::with_seed(9);
        let mut order: Vec<usize> = (0..rows.len()).chain(0..rows.len()).collect();
        random.shuffle(&mut order);
        let mut sending = tokio::task::JoinSet::new();
        for batch in order.chunks(170) {
            let (ingest, batch) = (ingest.clone(), batch.iter().map(|n| execution(&rows[*n])).collect());
            sending.spawn(async move { ingest.submit(batch).await.unwrap() });
        }
        let receipts: Vec<Receipt> = sending.join_all().await;
        assert_eq!(receipts.iter().map(|receipt| receipt.accepted).sum::<usize>(), rows.len());
        assert_eq!(receipts.iter().map(|receipt| receipt.duplicates).sum::<usize>(), rows.len());
        for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::Asia__Kolkata, Tz::Asia__Kathmandu, Tz::America__New_York] {
            assert_eq!(asked(&test.db, zone).await, expected(&rows, zone), "{zone}");
        }
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(executions::count(&mut tx).await.unwrap(), i64::try_from(rows.len()).unwrap());
        assert!(context.metrics.render().unwrap().contains("openrouter_failures_total{detail=\"account\",outcome=\"rate_limited\"}"));
    }

    async fn the_same_id_of_two_users_is_two_executions_and_at_another_time_still_one(test) {
        let (ingest, _context) = writing_to(&test.db);
        let row = |user: &str, hour: u32| execution(&json!({"id": "x", "at": format!("2026-11-01T{hour:02}:00:00Z"), "user": user, "model": "a/b", "cost_usd": 1}));
        let first = ingest.submit(vec![row("u1", 1), row("u2", 1), row("u1", 2)]).await.unwrap();
        assert_eq!(first, Receipt { accepted: 2, duplicates: 1 });
        assert_eq!(ingest.submit(vec![row("u1", 3), row("u2", 9)]).await.unwrap(), Receipt { accepted: 0, duplicates: 2 });
        let spent: HashMap<_, _> = asked(&test.db, Tz::UTC).await.into_iter().map(|((user, _), sums)| (user, sums)).collect();
        assert_eq!(spent["u1"], (1, 1_000_000_000));
    }

    async fn a_habit_is_the_usual_execution_of_the_last_month_on_a_model(test) {
        let (ingest, _context) = writing_to(&test.db);
        let row = |n: usize, user: &str, model: &str, day: &str| execution(&json!({"id": format!("{model} {n}"), "at": format!("{day}T01:00:00Z"), "user": user, "model": model,
            "usage": {"prompt_tokens": 900 + 20 * (n % 11), "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 400}}}));
        let much = (0..11).flat_map(|n| [row(n, "u1", "a/b:nitro", "2026-11-01"), row(n, "u1", "a/b", "2026-10-10")]);
        let rest = (0..19).flat_map(|n| [row(n, "u1", "a/c", "2026-11-01"), row(n, "u2", "a/b", "2026-11-01")]);
        let old = (0..30).map(|n| row(n, "u1", "a/old", "2026-09-01"));
        ingest.submit(much.chain(rest).chain(old).collect()).await.unwrap();
        let mut tx = test.db.read().await.unwrap();
        let found = recent(&mut tx, Some("u1"), at(NOW)).await.unwrap();
        let mixes: BTreeMap<_, _> = found.iter().filter_map(|(id, sums)| Some((id.clone(), mix(sums)?))).collect();
        assert_eq!(mixes, BTreeMap::from([(ModelId::from("a/b"), Mix { input: 1000, cached: 400, output: 50 })]));
        assert_eq!(recent(&mut tx, Some("nobody"), at(NOW)).await.unwrap(), BTreeMap::new());
    }

    async fn an_unknown_user_exists_from_then_on(test) {
        let (ingest, _context) = writing_to(&test.db);
        ingest.submit(vec![execution(&json!({"id": "x", "at": "2026-11-01T01:00:00Z", "user": "new", "model": "a/b"}))]).await.unwrap();
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(openrouter_monitor::store::directory::count(&mut tx).await.unwrap(), (1, 1, 0));
    }

    async fn what_is_old_is_forgotten_and_its_sums_by_day_stay(test) {
        let now = at(NOW);
        let mut tx = test.db.write().await.unwrap();
        partitions::prepare(&mut tx, now).await.unwrap();
        partitions::prepare(&mut tx, now).await.unwrap();
        tx.commit().await.unwrap();
        let (ingest, _context) = writing_to(&test.db);
        let row = |id: String, days: i64| execution(&json!({"id": id, "at": now - TimeDelta::days(days), "user": "u1", "model": "a/b", "cost_usd": 1}));
        let timed = |days: i64| row(format!("gen-{}-x", (now - TimeDelta::days(days)).timestamp()), days);
        let late = row(format!("gen-{}-x", (now - TimeDelta::days(1)).timestamp()), 0);
        let rows = vec![timed(40), timed(31), late, row("own 40".to_owned(), 40), row("own 1".to_owned(), 1)];
        assert_eq!(ingest.submit(rows).await.unwrap().accepted, 5);
        let before = now - TimeDelta::days(30);
        let mut tx = test.db.write().await.unwrap();
        let (gone, next) = executions::forget(&mut tx, before, &executions::Cursor::default()).await.unwrap();
        assert_eq!((gone, next), (3, None));
        assert_eq!(executions::count(&mut tx).await.unwrap(), 2);
        assert_eq!(prune::step(&mut tx, prune::What::Quarters, before).await.unwrap(), 2);
        partitions::drop_before(&mut tx, now - TimeDelta::hours(12)).await.unwrap();
        assert_eq!(executions::count(&mut tx).await.unwrap(), 2, "a day that still holds something stays");
        tx.commit().await.unwrap();
        let question = Question { by: Group::User, since: Some(Moment::At(now - TimeDelta::days(50))), until: None, zone: Tz::UTC, per_day: false, user: None };
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(ask(&mut tx, &question, now).await.unwrap()[0].sums.executions, 5);
    }
}
