//! How fast executions are taken in over HTTP, as a share of what the bare engine does with the same rows, keys and
//! sums in transactions of 10,000 rows. Both are measured in one run.
//!
//! `cargo bench --bench ingest`; with `TEST_POSTGRES_URL` also on PostgreSQL, beside `COPY` of the same rows.

mod daemon;
mod load;

use std::hint::black_box;
use std::time::{Duration, Instant};

use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::domain::execution::{Execution, day_of, parse};
use openrouter_monitor::domain::rollup::{Key, Measures, Rollup};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::executions::{self, Row, provider_code};
use openrouter_monitor::store::names::{Fresh, Names};
use openrouter_monitor::store::tokens::Scope;
use openrouter_monitor::store::{Db, rollups};

use daemon::Daemon;
use load::{Ids, batches, singles};

const ROWS: usize = 400_000;
const ROWS_PER_BATCH: usize = 1_000;
const ROWS_PER_TRANSACTION: usize = 10_000;
const SINGLES: usize = 60_000;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    reading();
    let folder = tempfile::tempdir().expect("a folder");
    for ids in [Ids::InTimeOrder, Ids::Random] {
        let url = format!("sqlite:{}", folder.path().join(format!("bare-{ids:?}.db")).display());
        let bare = bare(&Db::open(&url, Metrics::default()).await.expect("a store"), ids).await;
        let url = format!("sqlite:{}", folder.path().join(format!("http-{ids:?}.db")).display());
        let (batched, single) = over_http(&url, ids).await;
        say("SQLite, synchronous=FULL", ids, "bare engine", bare, batched, single);
    }
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        let url = load::fresh_postgres(&server).await;
        let db = Db::open(&url, Metrics::default()).await.expect("a store");
        db.close().await;
        let copied = load::copy(&url, &load::rows(Ids::InTimeOrder, ROWS)).await;
        let (batched, single) = over_http(&load::fresh_postgres(&server).await, Ids::InTimeOrder).await;
        say("PostgreSQL", Ids::InTimeOrder, "COPY", copied, batched, single);
    }
}

/// How fast rows are read, beside reading the same JSON into a generic value.
#[expect(clippy::print_stdout, reason = "the result")]
fn reading() {
    let (rows, now) = (load::rows(Ids::InTimeOrder, ROWS / 2), SystemClock.now());
    let timed = |read: &dyn Fn(&str)| {
        let began = Instant::now();
        for row in &rows {
            read(row);
        }
        rate(rows.len(), began.elapsed())
    };
    let generic = timed(&|row| drop(black_box(serde_json::from_str::<serde_json::Value>(row))));
    let read = timed(&|row| drop(black_box(parse(row, now))));
    println!(
        "reading on one core: as a generic value {generic:.0} rows/s, as an execution {read:.0} rows/s = {:.0} %",
        100.0 * read / generic
    );
}

#[expect(clippy::print_stdout, reason = "the result")]
fn say(engine: &str, ids: Ids, baseline: &str, bare: f64, batched: f64, (single, p99): (f64, Duration)) {
    println!(
        "{engine}, ids {ids:?}: {baseline} {bare:.0} rows/s; over HTTP in batches of {ROWS_PER_BATCH} on 8 connections \
         {batched:.0} rows/s = {:.0} %; single posts on 64 connections {single:.0}/s, p99 {:.1} ms",
        100.0 * batched / bare,
        p99.as_secs_f64() * 1000.0
    );
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(rows: usize, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}

/// The same rows, keys and sums, in transactions of 10,000 rows, with nothing around.
async fn bare(db: &Db, ids: Ids) -> f64 {
    let now = SystemClock.now();
    let parsed: Vec<Execution> = load::rows(ids, ROWS).iter().map(|row| parse(row, now).expect("a good row")).collect();
    let mut names = Names::default();
    let texts = parsed.iter().flat_map(|row| {
        [Some(row.user.as_str()), Some(row.model.as_str()), row.resource.as_deref(), row.served_by.as_deref()]
    });
    let mut tx = db.write().await.expect("a store");
    let fresh = names.resolve(&mut tx, &texts.flatten().collect::<Vec<_>>()).await.expect("a store");
    tx.commit().await.expect("a store");
    names.keep(fresh);
    let none = Fresh::default();
    let number = |text: &str| names.number(&none, text).expect("resolved");
    let numbered: Vec<Row<'_>> = parsed
        .iter()
        .map(|execution| Row {
            execution,
            day: day_of(&execution.id),
            user: number(&execution.user),
            resource: execution.resource.as_deref().map_or(0, number),
            key: 0,
            model: number(&execution.model),
            served_model: 0,
            served_by: execution.served_by.as_deref().map_or(0, number),
        })
        .collect();
    let began = Instant::now();
    for rows in numbered.chunks(ROWS_PER_TRANSACTION) {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| (a.day, &a.execution.id).cmp(&(b.day, &b.execution.id)));
        let mut rollup = Rollup::default();
        for row in &rows {
            let provider = provider_code(row.execution.provider);
            let key = Key { slot: 0, user: row.user, resource: row.resource, key: 0, model: row.model, provider };
            rollup.add(key, row.execution.at, Measures::of(row.execution));
        }
        let mut tx = db.write().await.expect("a store");
        executions::insert(&mut tx, &rows).await.expect("a store");
        rollups::add(&mut tx, &rollup).await.expect("a store");
        tx.commit().await.expect("a store");
    }
    rate(ROWS, began.elapsed())
}

/// A daemon on a port of its own: batches, then single posts.
async fn over_http(url: &str, ids: Ids) -> (f64, (f64, Duration)) {
    let daemon = Daemon::start(url, &[Scope::Ingest]).await;
    let sent = load::rows(ids, ROWS);
    let bodies: Vec<String> = sent.chunks(ROWS_PER_BATCH).map(|rows| rows.join("\n")).collect();
    let began = Instant::now();
    batches(daemon.address, bodies, 8).await;
    let batched = rate(ROWS, began.elapsed());
    let began = Instant::now();
    let mut latencies = singles(daemon.address, load::more_rows(ids, ROWS, SINGLES), 64).await;
    let took = began.elapsed();
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100];
    daemon.end().await;
    (batched, (rate(SINGLES, took), p99))
}
