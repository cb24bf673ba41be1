//! What a platform of a million users costs who asks often: `/metrics`, and what a user may still spend, both beside
//! `/livez`, which does nothing, on the same daemon; and what the rules cost, with history and with ten times as much.
//!
//! `cargo bench --bench scale`; `BENCH_USERS=100000` for fewer.

mod daemon;
mod evaluate;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::domain::rollup::{Key, Measures, Rollup};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::tokens::Scope;
use openrouter_monitor::store::{Db, rollups};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use daemon::Daemon;

const USERS: i64 = 1_000_000;
/// So many of them were active today.
const ACTIVE: i64 = 50_000;
/// Models that are in use: more than have series of their own.
const MODELS: i64 = 200;
const SCRAPES: usize = 12;
/// Figures are read off the store at most every five seconds: scrapes are further apart, as Prometheus' are.
const SCRAPE_EVERY: Duration = Duration::from_millis(5_100);
const CALLS: usize = 20_000;
/// Users whose allowance is watched while an execution of theirs comes in.
const WATCHED: usize = 20;
/// Statuses of what is sent, so that most series there can be exist.
const STATUSES: [u16; 9] = [200, 400, 401, 402, 403, 404, 429, 502, 503];

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the result")]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let users = std::env::var("BENCH_USERS").ok().and_then(|users| users.parse().ok()).unwrap_or(USERS);
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("scale.db").display());
    let began = Instant::now();
    populate(&url, users).await;
    println!("{users} users, {} active today, made in {:.0} s", active(users), began.elapsed().as_secs_f64());
    let daemon = Daemon::start(&url, &[Scope::Ingest, Scope::Read]).await;
    let mut line = Line::to(&daemon).await;
    send(&mut line).await;
    let idle = median(line.times("/livez", CALLS).await);
    scrapes(&mut line, idle).await;
    allowances(&mut line, users, idle).await;
    daemon.end().await;
    evaluate::evaluate(&url, active(users), (users + 1, MODELS)).await;
}

fn active(users: i64) -> i64 {
    std::cmp::min(users, ACTIVE)
}

/// Users with a resource each, and what they spent today.
async fn populate(url: &str, users: i64) {
    let db = Db::open(url, Metrics::default()).await.expect("a store");
    let mut connection = SqliteConnection::connect(url).await.expect("a store");
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {users})");
    for sql in [
        "INSERT INTO users (id, email, admin, mail_token, updated_at, daily_limit_usd) \
         SELECT 'user-' || i, 'user-' || i || '@platform.example', 0, 'token-' || i, 0, '1000' FROM n"
            .to_owned(),
        "INSERT INTO names (id, text) SELECT i, 'user-' || i FROM n".to_owned(),
        format!(
            "INSERT INTO resources (id, user_id, provider, model, fallbacks, updated_at) \
         SELECT 'resource-' || i, 'user-' || i, 'openrouter', 'vendor/model-' || i % {MODELS}, '[]', 0 FROM n"
        ),
        format!(
            "INSERT INTO resource_rows (resource_id, position, user_id, model_id) \
         SELECT 'resource-' || i, 0, 'user-' || i, 'vendor/model-' || i % {MODELS} FROM n"
        ),
    ] {
        // The recursive part stands between the target and the rows.
        let (target, rows) = sql.split_once(" SELECT").expect("a statement of two parts");
        let sql = sqlx::AssertSqlSafe(format!("{target} {numbers} SELECT{rows}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("a store");
    }
    let (now, mut rollup) = (SystemClock.now(), Rollup::default());
    for user in 1..=active(users) {
        let key = Key { user, model: users + 1 + user % MODELS, provider: 1, ..Key::default() };
        let sums = Measures { executions: 40, cost: 1_000_000 * user, limited_upstream: 2, ..Measures::default() };
        rollup.add(key, now, sums);
    }
    let mut tx = db.write().await.expect("a store");
    rollups::add(&mut tx, &rollup).await.expect("a store");
    tx.commit().await.expect("a store");
    db.close().await;
}

/// Executions on more models than have series of their own, which end in many ways.
async fn send(line: &mut Line) {
    let rows = (0..MODELS * 9).zip(STATUSES.iter().cycle()).map(|(n, status)| {
        let mut row = execution(&format!("bench-{n}"), &format!("user-{}", n + 1), SystemClock.now());
        row["model"] = json!(format!("vendor/model-{}", n / 9));
        row["status"] = json!(status);
        row
    });
    let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    line.post("/v1/executions", &rows.join("\n")).await;
}

fn execution(id: &str, user: &str, at: DateTime<Utc>) -> Value {
    json!({"id": id, "at": at - TimeDelta::seconds(1), "user": user, "model": "vendor/model-1", "cost_usd": "0.5"})
}

#[expect(clippy::print_stdout, reason = "the result")]
async fn scrapes(line: &mut Line, idle: Duration) {
    let (mut times, mut series) = (Vec::new(), 0);
    for _ in 0..SCRAPES {
        tokio::time::sleep(SCRAPE_EVERY).await;
        let began = Instant::now();
        let text = line.get("/metrics").await;
        times.push(began.elapsed());
        series = text.lines().filter(|line| line.starts_with("openrouter") || line.starts_with("process")).count();
    }
    let most = times.iter().max().copied().unwrap_or_default();
    let usual = median(times);
    println!(
        "/metrics: {series} series; each scrape {:.1} ms, at most {:.1} ms, {:.0} times /livez at {:.3} ms",
        milliseconds(usual),
        milliseconds(most),
        usual.as_secs_f64() / idle.as_secs_f64(),
        milliseconds(idle)
    );
}

#[expect(clippy::print_stdout, reason = "the result")]
async fn allowances(line: &mut Line, users: i64, idle: Duration) {
    let mut first = Vec::new();
    for user in 1..=200 {
        first.extend(line.times(&format!("/v1/users/user-{}/allowance", user * active(users) / 200), 1).await);
    }
    let again = median(line.times("/v1/users/user-7/allowance", CALLS).await);
    println!(
        "allowance: {:.3} ms at first, then {:.3} ms, {:.1} times /livez",
        milliseconds(median(first)),
        milliseconds(again),
        again.as_secs_f64() / idle.as_secs_f64()
    );
    let mut delays = Vec::new();
    for n in 1..=WATCHED {
        let (user, path) = (format!("user-{n}"), format!("/v1/users/user-{n}/allowance"));
        let before = line.get(&path).await;
        line.post("/v1/executions", &execution(&format!("watched-{n}"), &user, SystemClock.now()).to_string()).await;
        let taken = Instant::now();
        while line.get(&path).await == before {
            assert!(taken.elapsed() < Duration::from_secs(5), "an execution is not seen");
        }
        delays.push(taken.elapsed());
    }
    let most = delays.iter().max().copied().unwrap_or_default();
    println!("allowance: an execution counts within {:.0} ms of its acknowledgement at most", milliseconds(most));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A connection that is kept.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Line {
    async fn to(daemon: &Daemon) -> Self {
        let stream = TcpStream::connect(daemon.address).await.expect("a daemon that listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, answer: Vec::new() }
    }

    async fn get(&mut self, path: &str) -> String {
        self.exchange(&format!("GET {path}"), "read", "").await
    }

    async fn post(&mut self, path: &str, body: &str) {
        self.exchange(&format!("POST {path}"), "ingest", body).await;
    }

    /// How long each of so many calls takes.
    async fn times(&mut self, path: &str, calls: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let began = Instant::now();
            self.get(path).await;
            times.push(began.elapsed());
        }
        times
    }

    /// The body of the answer.
    async fn exchange(&mut self, request: &str, token: &str, body: &str) -> String {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all((head + body).as_bytes()).await.expect("a connection");
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await.expect("a connection");
            assert!(read > 0, "the daemon hung up");
            let text = String::from_utf8_lossy(&self.answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                assert!(head.starts_with("HTTP/1.1 200"), "{request}: {text}");
                return body.to_owned();
            }
        }
    }
}
