//! How fast the outbox is emptied over SMTP, as a share of what a bare pool of as many connections sends of the same
//! message to the same sink, and of what postfix's `smtp-source` does where it is installed.
//!
//! `cargo bench --bench mail`; `BENCH_MAILS=100000` for more mails, `BENCH_SINK=127.0.0.1:2525` for another sink, such
//! as postfix's `smtp-sink 127.0.0.1:2525 1000`.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use openrouter_monitor::app;
use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::config::Config;
use openrouter_monitor::job::deliver;
use openrouter_monitor::mail::compose;
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::Db;
use openrouter_monitor::store::outbox::{self, Claimed, Mail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const MAILS: usize = 20_000;
const CONNECTIONS: u32 = 8;
/// The bare pool waits for the network at each mail; a part of them tells its rate as well.
const SLOWER: usize = 10;
const MAILS_PER_TRANSACTION: usize = 1_000;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the result")]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mails = std::env::var("BENCH_MAILS").ok().and_then(|mails| mails.parse().ok()).unwrap_or(MAILS);
    let sink = match std::env::var("BENCH_SINK") {
        Ok(sink) => sink.parse().expect("an address"),
        Err(_) => sink(),
    };
    let message = message();
    let pool = bare(sink, &message, mails / SLOWER).await;
    let source = smtp_source(sink, &message, mails);
    let (drained, grown_kb) = drained(sink, mails).await;
    println!(
        "{mails} mails of {} bytes over {CONNECTIONS} connections: outbox {drained:.0}/s; bare pool {pool:.0}/s, so {:.0} %; \
         memory grows by {grown_kb} kB",
        message.formatted().len(),
        100.0 * drained / pool
    );
    match source {
        Some(source) => println!("smtp-source {source:.0}/s, so {:.0} %", 100.0 * drained / source),
        None => println!("smtp-source is not installed"),
    }
}

fn mail(n: usize) -> Mail {
    let line = "A resource of yours uses a model that will be withdrawn soon; move it in time, for example to this.";
    Mail {
        dedup_key: format!("bench {n}"),
        kind: "model_deprecated".to_owned(),
        recipient: format!("user-{n}@platform.example"),
        subject: "A model will be withdrawn in 7 days: 1 resource to move".to_owned(),
        text: format!("{line}\n").repeat(12),
        html: format!("<p style=\"margin:0 0 12px;color:#1f2937\">{line}</p>\n").repeat(40),
        message_id: format!("<bench.{n}@platform.example>"),
        ..Mail::default()
    }
}

fn message() -> Message {
    let from = compose::mailbox(&Config::default().mail.from).expect("an address");
    let claimed =
        Claimed { id: 0, attempt: 1, created_at: SystemClock.now(), waits_since: SystemClock.now(), mail: mail(0) };
    compose::message(&claimed, &from).expect("a message")
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(mails: usize, took: Duration) -> f64 {
    mails as f64 / took.as_secs_f64()
}

/// The daemon's own delivery: from the outbox on SQLite, durable, marks included.
async fn drained(sink: SocketAddr, mails: usize) -> (f64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (metrics, mut config) = (Metrics::default(), Config::default());
    config.store.state_directory = Some(folder.path().to_owned());
    config.mail.smtp_url = Some(format!("smtp://{sink}").into());
    config.mail.connections = CONNECTIONS;
    let url = format!("sqlite:{}", folder.path().join("mail.db").display());
    let db = Db::open(&url, metrics.clone()).await.expect("a store");
    for first in (0..mails).step_by(MAILS_PER_TRANSACTION) {
        let mut tx = db.write().await.expect("a store");
        for n in first..std::cmp::min(first + MAILS_PER_TRANSACTION, mails) {
            outbox::enqueue(&mut tx, &mail(n), SystemClock.now()).await.expect("a store");
        }
        tx.commit().await.expect("a store");
    }
    let context = app::context(config, db, metrics, Arc::new(SystemClock), CancellationToken::new());
    let context = Arc::new(context.expect("a context"));
    let (before, most) = (resident_kb(), Arc::new(AtomicU64::new(0)));
    let watched = Arc::clone(&most);
    let watching = tokio::spawn(async move {
        loop {
            watched.fetch_max(resident_kb(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let began = Instant::now();
    assert_eq!(deliver::drain(&context).await.expect("a store"), mails);
    let took = began.elapsed();
    watching.abort();
    let mut tx = context.db.read().await.expect("a store");
    assert_eq!(usize::try_from(outbox::sent(&mut tx).await.expect("a store")), Ok(mails));
    (rate(mails, took), most.load(Ordering::Relaxed).saturating_sub(before))
}

/// The resident memory of this process.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The client that the daemon uses, with one message that is ready, and nothing around.
async fn bare(sink: SocketAddr, message: &Message, mails: usize) -> f64 {
    let url = format!("smtp://{sink}");
    let pool = PoolConfig::new().max_size(CONNECTIONS);
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url).expect("an address");
    let transport = builder.pool_config(pool).build();
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..CONNECTIONS as usize {
        let (transport, message) = (transport.clone(), message.clone());
        senders.spawn(async move {
            for _ in (sender..mails).step_by(CONNECTIONS as usize) {
                transport.send(message.clone()).await.expect("a sink that takes all");
            }
        });
    }
    senders.join_all().await;
    rate(mails, began.elapsed())
}

/// postfix's load generator with the same message.
fn smtp_source(sink: SocketAddr, message: &Message, mails: usize) -> Option<f64> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    // It ends each line as SMTP wants it by itself.
    let text = String::from_utf8(message.formatted()).expect("ASCII").replace('\r', "");
    std::fs::write(file.path(), text).expect("a file");
    let (connections, mails_text) = (CONNECTIONS.to_string(), mails.to_string());
    let mut command = Command::new("smtp-source");
    command.args(["-d", "-s", &connections, "-m", &mails_text, "-F"]).arg(file.path());
    command.args(["-f", "monitor@platform.example", "-t", "user@platform.example", &sink.to_string()]);
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).status().ok()?;
    assert!(status.success(), "smtp-source: {status}");
    Some(rate(mails, began.elapsed()))
}

/// A server on a thread of its own that takes everything.
fn sink() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { take(stream).await.ok() });
            }
        });
    });
    address
}

async fn take(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let (mut read, mut line, mut is_data) = (BufReader::with_capacity(64 << 10, read), Vec::new(), false);
    write.write_all(b"220 sink\r\n").await?;
    loop {
        line.clear();
        if read.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match line.get(..4) {
            _ if is_data && line != b".\r\n" => continue,
            Some(b"DATA" | b"data") if !is_data => b"354 go on\r\n",
            _ => b"250 ok\r\n",
        };
        is_data = reply.starts_with(b"354");
        write.write_all(reply).await?;
    }
}
