//! `kill -9` while executions come in: what was acknowledged is there, and nothing is counted twice.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use openrouter_monitor::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::process::{program, run, terminate};

/// Executions, each sent twice; `INGEST_ROWS=1000000` takes a few minutes in a release build.
const ROWS: usize = 20_000;
const CONNECTIONS: usize = 8;
const KILLS: usize = 6;

/// One row, and what it comes to: user, time, nano-dollars.
type Sent = (String, (String, DateTime<Utc>, i64));

fn rows(count: usize) -> Vec<Sent> {
    let mut random = fastrand::Rng::with_seed(3);
    let now = SystemClock.now();
    let row = |n: usize| {
        let at = now - TimeDelta::seconds(random.i64(3600..20 * 86_400));
        let (user, nanos) = (format!("u{}", random.u32(0..50)), random.i64(0..90_000_000));
        let id = if n.is_multiple_of(3) { format!("own-{n}") } else { format!("gen-{}-{n}", at.timestamp()) };
        let row = json!({"id": id, "at": at, "user": user, "resource": format!("r{}", n % 90), "model": format!("a/m{}", n % 7),
            "cost_usd": format!("0.{nanos:09}"), "usage": {"prompt_tokens": 10, "completion_tokens": 1}});
        (row.to_string(), (user, at, nanos))
    };
    (0..count).map(row).collect()
}

/// A daemon that is killed and started again on the same port.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(folder: &Path, port: u16) -> Self {
        let mut command = program(folder, &["serve"]);
        command.env("OPENROUTER_MONITOR__HTTP__LISTEN", format!("127.0.0.1:{port}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, port }
    }

    fn kill_and_restart(&mut self, folder: &Path) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        *self = Self::start(folder, self.port);
    }
}

/// Posts a batch once; true when it was acknowledged.
fn post(port: u16, token: &str, batch: &str) -> bool {
    let send = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let head = format!(
            "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n",
            batch.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(batch.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200") && answer.contains("\"rejected\":[]"))
    };
    send().unwrap_or(false)
}

fn send_all(
    port: u16,
    token: &str,
    batches: Vec<String>,
    acknowledged: &Arc<AtomicUsize>,
) -> Vec<std::thread::JoinHandle<()>> {
    let waiting = Arc::new(Mutex::new(batches));
    let sender = |_| {
        let (waiting, token, acknowledged) = (Arc::clone(&waiting), token.to_owned(), Arc::clone(acknowledged));
        std::thread::spawn(move || {
            loop {
                let Some(batch) = waiting.lock().unwrap().pop() else { return };
                while !post(port, &token, &batch) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    (0..CONNECTIONS).map(sender).collect()
}

/// What the command says was spent by user and day of a zone.
fn spent(folder: &Path, zone: Tz, since: &str) -> BTreeMap<(String, String), (i64, String)> {
    let (code, out, err) =
        run(folder, &["spend", "--by", "user", "--per-day", "--tz", zone.name(), "--since", since, "--format", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let lines: Vec<Value> = serde_json::from_str(&out).unwrap();
    let line = |row: &Value| {
        ((text(row, "user"), text(row, "day")), (row["executions"].as_i64().unwrap(), text(row, "spent_usd")))
    };
    lines.iter().map(line).collect()
}

#[test]
fn executions_sent_twice_between_kills_are_counted_once_to_the_nano_dollar() {
    let count = std::env::var("INGEST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS);
    let folder = tempfile::tempdir().unwrap();
    let (code, token, err) = run(folder.path(), &["token", "create", "--scope", "ingest"]);
    assert_eq!(code, Some(0), "{err}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rows = rows(count);
    let mut order: Vec<usize> = (0..count).chain(0..count).collect();
    fastrand::Rng::with_seed(4).shuffle(&mut order);
    let line = |n: &usize| rows[*n].0.as_str();
    let batches: Vec<String> =
        order.chunks(500).map(|batch| batch.iter().map(line).collect::<Vec<_>>().join("\n")).collect();
    let (total, acknowledged) = (batches.len(), Arc::new(AtomicUsize::new(0)));

    let mut daemon = Daemon::start(folder.path(), port);
    let began = Instant::now();
    let senders = send_all(port, token.trim(), batches, &acknowledged);
    for kill in 1..=KILLS {
        while acknowledged.load(Ordering::SeqCst) < total * kill / (KILLS + 1) {
            std::thread::sleep(Duration::from_millis(2));
        }
        daemon.kill_and_restart(folder.path());
    }
    for sender in senders {
        sender.join().unwrap();
    }
    let took = began.elapsed();
    terminate(daemon.child.id());
    assert!(daemon.child.wait().unwrap().success());

    let since = (SystemClock.now() - TimeDelta::days(22)).date_naive().to_string();
    for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::America__New_York] {
        let mut expected: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        for (_, (user, at, nanos)) in &rows {
            let day = at.with_timezone(&zone).date_naive().to_string();
            let sum = expected.entry((user.clone(), day)).or_default();
            *sum = (sum.0 + 1, sum.1 + nanos);
        }
        let dollars = |nanos: i64| rust_decimal::Decimal::new(nanos, 9).normalize().to_string();
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(key, (count, nanos))| (key, (count, dollars(nanos)))).collect();
        assert_eq!(spent(folder.path(), zone, &since), expected, "{zone}");
    }
    println!(
        "{count} executions sent twice over {CONNECTIONS} connections with {KILLS} kills in {:.0} s: exact in three zones",
        took.as_secs_f64()
    );
}
