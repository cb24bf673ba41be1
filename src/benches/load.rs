//! Rows to send, and senders.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use openrouter_monitor::clock::{Clock, SystemClock};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How the ids come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// `gen-<unix>-…`, as OpenRouter's.
    InTimeOrder,
    /// UUIDs of version 4.
    Random,
}

const USERS: u32 = 300;
const MODELS: u32 = 20;

/// The first `count` rows.
pub(crate) fn rows(ids: Ids, count: usize) -> Vec<String> {
    more_rows(ids, 0, count)
}

/// `count` rows from the `first` on: a day of a platform, as its users' habits are.
pub(crate) fn more_rows(ids: Ids, first: usize, count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(first as u64);
    let start = SystemClock.now() - TimeDelta::hours(12);
    let row = |n: usize| {
        let at: chrono::DateTime<Utc> = start + TimeDelta::milliseconds(i64::try_from(n).unwrap_or(0) * 80);
        let id = match ids {
            Ids::InTimeOrder => format!("gen-{}-{:012x}{n:08x}", at.timestamp(), random.u64(..1 << 48)),
            Ids::Random => format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                random.u32(..),
                random.u16(..),
                random.u16(..4096),
                random.u16(..4096),
                random.u64(..1 << 48)
            ),
        };
        let user = std::cmp::min(random.u32(..USERS), random.u32(..USERS));
        let resource = random.u32(..3);
        // A resource has its model; now and then its fallback answers.
        let model = (user * 7 + resource * 3 + u32::from(random.u32(..50) == 0)) % MODELS;
        let (input, output) = (random.u32(50..8000), random.u32(1..900));
        format!(
            r#"{{"id":"{id}","at":"{}","user":"user-{user}","resource":"resource-{user}-{}","model":"vendor/model-{}","served_by":"Provider {}","status":200,"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"prompt_tokens_details":{{"cached_tokens":0}}}},"cost_usd":"0.{:09}","latency_ms":{}}}"#,
            at.to_rfc3339(),
            resource,
            model,
            random.u32(..6),
            random.u32(1000..90_000_000),
            random.u32(200..30_000)
        )
    };
    (first..first + count).map(row).collect()
}

/// Sends bodies over so many connections; each waits for its answer before it sends the next.
pub(crate) async fn batches(address: SocketAddr, bodies: Vec<String>, connections: usize) {
    send(address, bodies, connections, "application/x-ndjson").await;
}

/// The same with one row a request; gives how long each answer took.
pub(crate) async fn singles(address: SocketAddr, rows: Vec<String>, connections: usize) -> Vec<Duration> {
    send(address, rows, connections, "application/json").await
}

async fn send(address: SocketAddr, bodies: Vec<String>, connections: usize, media: &'static str) -> Vec<Duration> {
    let waiting = Arc::new(Mutex::new(VecDeque::from(bodies)));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let waiting = Arc::clone(&waiting);
        senders.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("a daemon that listens");
            stream.set_nodelay(true).expect("a socket");
            let mut latencies = Vec::new();
            let (mut request, mut answer) = (Vec::new(), vec![0; 4096]);
            loop {
                let Some(body) = waiting.lock().expect("no panic").pop_front() else { return latencies };
                request.clear();
                request.extend_from_slice(format!("POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ingest\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
                request.extend_from_slice(body.as_bytes());
                let began = Instant::now();
                loop {
                    stream.write_all(&request).await.expect("a connection");
                    let read = stream.read(&mut answer).await.expect("a connection");
                    if answer[..read].starts_with(b"HTTP/1.1 200") {
                        break;
                    }
                    assert!(answer[..read].starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer[..read]));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                latencies.push(began.elapsed());
            }
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}

/// The address of a fresh database.
pub(crate) async fn fresh_postgres(server: &str) -> String {
    let server: PgConnectOptions = server.parse().expect("an address");
    let name = format!("bench{:016x}", fastrand::u64(..));
    let mut connection = PgConnection::connect_with(&server).await.expect("a server");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .expect("the right");
    server.database(&name).to_url_lossy().to_string()
}

/// `COPY` of the same rows into the same table, in one transaction for 10,000 of them; rows per second.
pub(crate) async fn copy(url: &str, rows: &[String]) -> f64 {
    use openrouter_monitor::domain::execution::{day_of, parse};
    let now = SystemClock.now();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let row = parse(row, now).expect("a good row");
            let (usage, number) =
                (row.usage, |text: &str| text.bytes().fold(7_u32, |sum, byte| sum * 31 % 4999 + u32::from(byte)));
            format!(
                "{}\t{}\t{}\t{}\t{}\t0\t{}\t0\t{}\t{}\t{}\t0\t\\N\t\\N\t{}\t1\t0\t200\tf\t{}\n",
                row.at.timestamp_micros(),
                usage.cost.map_or(0, |cost| cost.0),
                day_of(&row.id),
                number(&row.user),
                number(row.resource.as_deref().unwrap_or_default()),
                number(&row.model),
                number(row.served_by.as_deref().unwrap_or_default()),
                usage.input_tokens.unwrap_or(0),
                usage.output_tokens.unwrap_or(0),
                row.latency_ms.unwrap_or(0),
                row.id
            )
        })
        .collect();
    let mut connection = PgConnection::connect(url).await.expect("a server");
    let began = Instant::now();
    for lines in lines.chunks(10_000) {
        let mut copy = connection.copy_in_raw("COPY executions (at, cost, day, user_no, resource_no, key_no, model_no, served_model_no, served_by_no, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, latency_ms, provider, outcome, status, estimated, id) FROM STDIN").await.expect("a table");
        copy.send(lines.concat().as_bytes()).await.expect("a server");
        copy.finish().await.expect("rows of the right form");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = rows.len() as f64 / began.elapsed().as_secs_f64();
    rate
}
