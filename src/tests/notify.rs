//! Alerts beside mail: signed, tried again, sent again while they fire, and in nobody's way.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::alert::{Rule, Subject};
use openrouter_monitor::domain::channel::Channel;
use openrouter_monitor::domain::incident::Occurrence;
use openrouter_monitor::notify::{Notice, rows};
use openrouter_monitor::store::outbox::{self, Mail, Outcome};
use openrouter_monitor::store::{Db, incidents, post};
use secrecy::SecretString;
use serde_json::Value;

use crate::harness::database::on_every_db;
use crate::harness::receiver::{Receiver, Reply};
use crate::harness::{World, at, install_tls};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn notice(step: &'static str, number: u32) -> Notice {
    Notice {
        incident: occurrence().id,
        step,
        number,
        rule: "bulk_event".to_owned(),
        severity: "warning".to_owned(),
        subject_kind: "account".to_owned(),
        subject: "batch".to_owned(),
        title: "Many models vanished".to_owned(),
        text: "28 models of :batch".to_owned(),
        value: Some(28.0),
        threshold: Some(10.0),
        started_at: at("2026-06-08T03:17:00Z"),
        ended_at: (step == "resolved").then(|| at("2026-06-08T04:00:00Z")),
        url: Some("https://monitor.example/".to_owned()),
    }
}

/// The incident that the notices tell.
fn occurrence() -> Occurrence {
    Occurrence::open(Rule::BulkEvent, Subject::Account("batch".to_owned()), at("2026-06-08T03:17:00Z"))
}

/// A daemon whose alerts go to a server by all channels.
async fn world(receiver: &Receiver) -> World {
    World::with(|config| on(config, &receiver.url(""))).await
}

fn on(config: &mut Config, url: &str) {
    config.notify.webhook_url = Some(format!("{url}/hook?token=t0ken").into());
    config.notify.webhook_secret = Some(SecretString::from(SECRET));
    config.notify.slack_url = Some(format!("{url}/slack/s3cret").into());
    config.notify.alertmanager_url = Some(format!("{url}/am/").into());
    config.notify.timeout_seconds = 1;
}

async fn tell(world: &World, notice: &Notice) {
    let config = world.context.settings.get();
    let mut tx = world.context.db.write().await.unwrap();
    incidents::open(&mut tx, &occurrence(), "").await.unwrap();
    for row in rows(&config.notify, notice) {
        assert!(world.context.post(&mut tx, &row, world.context.now()).await.unwrap());
        assert!(!world.context.post(&mut tx, &row, world.context.now()).await.unwrap(), "a step is told once");
    }
    tx.commit().await.unwrap();
}

async fn states(world: &World) -> Vec<String> {
    world.mails().await.into_iter().map(|row| format!("{} {}", row.kind, row.state)).collect()
}

#[tokio::test]
async fn a_notice_goes_to_every_channel_as_it_wants_it() {
    let receiver = Receiver::start().await;
    let world = world(&receiver).await;
    tell(&world, &notice("first", 1)).await;
    assert_eq!(world.deliver().await, 3);
    let mut posted = receiver.posted();
    posted.sort_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<&str> = posted.iter().map(|posted| posted.path.as_str()).collect();
    assert_eq!(paths, ["/am/api/v2/alerts", "/hook", "/slack/s3cret"]);
    let alerts: Value = serde_json::from_str(&posted[0].body).unwrap();
    assert_eq!(alerts[0]["labels"]["alertname"], "BulkEvent");
    assert_eq!(alerts[0]["endsAt"], "2026-06-08T03:27:00.000Z", "good for ten minutes from when it was posted");
    let hook = &posted[1];
    let header = |name: &str| hook.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), format!("{}/1-first", occurrence().id));
    assert_eq!(header("webhook-timestamp"), world.context.now().timestamp().to_string());
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), hook.body);
    assert_eq!(header("webhook-signature"), format!("v1,{}", hmac(&signed)));
    assert_eq!(serde_json::from_str::<Value>(&hook.body).unwrap()["type"], "alert.firing");
    assert!(serde_json::from_str::<Value>(&posted[2].body).unwrap()["text"].as_str().unwrap().starts_with("*Warning"));
    assert_eq!(states(&world).await, ["webhook sent", "slack sent", "alertmanager repeating"]);
}

/// What openssl says of the same text under the same key.
fn hmac(text: &str) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let key = engine.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    engine.encode(ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key), text.as_bytes()))
}

#[tokio::test]
async fn an_alert_is_sent_again_while_it_fires_and_ends_once() {
    let receiver = Receiver::start().await;
    let world = World::with(|config| config.notify.alertmanager_url = Some(receiver.url("").into())).await;
    tell(&world, &notice("first", 1)).await;
    for _ in 0..5 {
        assert_eq!(world.deliver().await, 1);
        assert_eq!(world.deliver().await, 0, "not before two minutes have passed");
        world.clock.advance(TimeDelta::minutes(2));
    }
    tell(&world, &notice("escalated", 2)).await;
    assert_eq!(world.deliver().await, 1, "the newer one alone");
    world.clock.advance(TimeDelta::minutes(2));
    let mut tx = world.context.db.write().await.unwrap();
    incidents::resolve(&mut tx, &occurrence().id, world.context.now()).await.unwrap();
    for row in rows(&world.context.settings.get().notify, &notice("resolved", 3)) {
        assert!(world.context.post(&mut tx, &row, world.context.now()).await.unwrap());
    }
    tx.commit().await.unwrap();
    assert_eq!(world.deliver().await, 1);
    let ends: Vec<String> = receiver
        .posted()
        .iter()
        .map(|posted| {
            serde_json::from_str::<Value>(&posted.body).unwrap()[0]["endsAt"].as_str().unwrap()[11..16].to_owned()
        })
        .collect();
    assert_eq!(ends, ["03:27", "03:29", "03:31", "03:33", "03:35", "03:37", "04:00"]);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(world.deliver().await, 0);
    assert!(states(&world).await.iter().all(|state| state == "alertmanager sent"));
}

#[tokio::test]
async fn an_alert_whose_incident_ended_unsaid_is_not_sent_for_ever() {
    let receiver = Receiver::start().await;
    let world = World::with(|config| config.notify.alertmanager_url = Some(receiver.url("").into())).await;
    tell(&world, &notice("first", 1)).await;
    assert_eq!(world.deliver().await, 1);
    let mut tx = world.context.db.write().await.unwrap();
    incidents::resolve(&mut tx, &occurrence().id, world.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.deliver().await, 1);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!((world.deliver().await, states(&world).await), (0, vec!["alertmanager sent".to_owned()]));
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_and_no_secret_is_told() {
    let receiver = Receiver::start().await;
    let world = World::with(|config| {
        on(config, &receiver.url(""));
        (config.notify.webhook_url, config.notify.alertmanager_url) = (None, None);
    })
    .await;
    tell(&world, &notice("first", 1)).await;
    receiver.replies(&[
        Reply::Wait("600"),
        Reply::Status(404, "no_service"),
        Reply::Hang,
        Reply::Status(400, "invalid_payload"),
    ]);
    world.deliver().await;
    world.clock.advance(TimeDelta::minutes(9));
    assert_eq!(world.deliver().await, 0, "as long as was asked for");
    for _ in 0..3 {
        world.clock.advance(TimeDelta::hours(1));
        assert_eq!(world.deliver().await, 1);
    }
    let row = world.mails().await.remove(0);
    assert_eq!((row.state.as_str(), row.attempts), ("dead", 4));
    assert_eq!(row.last_error.as_deref(), Some("answered 400 invalid_payload"));
    assert!(!format!("{row:?}").contains("s3cret"));
}

#[tokio::test]
async fn nobody_who_answers_is_told_without_the_address() {
    let world = World::with(|config| on(config, "http://127.0.0.1:1")).await;
    tell(&world, &notice("first", 1)).await;
    assert_eq!(world.deliver().await, 3);
    for row in world.mails().await {
        let error = row.last_error.unwrap();
        assert!(row.state == "pending" && error.contains("refused"), "{error}");
        assert!(!error.contains("t0ken") && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_webhook_that_hangs_holds_up_no_mail() {
    let receiver = Receiver::start().await;
    let world = World::with(|config| {
        on(config, &receiver.url(""));
        config.notify.timeout_seconds = 600;
    })
    .await;
    receiver.replies(&[Reply::Hang; 9]);
    for number in 1..=3 {
        tell(&world, &notice("reminder", number)).await;
    }
    let delivery = tokio::spawn(openrouter_monitor::job::deliver::run(std::sync::Arc::clone(&world.context)));
    let mut tx = world.context.db.write().await.unwrap();
    let mail = Mail { dedup_key: "m".to_owned(), recipient: "u@platform.example".to_owned(), ..Mail::default() };
    world.context.post(&mut tx, &mail, world.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.context.enqueued(std::iter::empty());
    for _ in 0..1000 {
        if !world.outlet.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.outlet.lock().unwrap().len(), 1);
    delivery.abort();
}

on_every_db! {
    async fn a_notice_repeats_while_its_incident_is_open(test) {
        repeats(&test.db).await;
    }
}

async fn repeats(db: &Db) {
    let now = at("2026-06-08T03:17:00Z");
    let later = |minutes: i64| now + TimeDelta::minutes(minutes);
    let mut config = Config::default();
    config.notify.alertmanager_url = Some("http://am.example".into());
    let row = |step, number| rows(&config.notify, &notice(step, number)).remove(0);
    let mut tx = db.write().await.unwrap();
    incidents::open(&mut tx, &occurrence(), "").await.unwrap();
    assert!(post::post(&mut tx, &row("first", 1), 5, now).await.unwrap());
    for minutes in [0, 2] {
        let claimed =
            outbox::claim(&mut tx, Channel::Alertmanager, 9, later(minutes), later(minutes + 1)).await.unwrap();
        assert_eq!((claimed.len(), claimed[0].attempt, claimed[0].waits_since), (1, 1, later(minutes)));
        let outcome = Outcome::Repeat(later(minutes + 2));
        assert!(outbox::settle(&mut tx, claimed[0].id, 1, &outcome, later(minutes)).await.unwrap());
        let queue = outbox::queue(&mut tx).await.unwrap();
        assert_eq!((queue.pending, queue.oldest_pending), (0, None), "nothing waits");
    }
    assert!(outbox::claim(&mut tx, Channel::Mail, 9, later(9), later(10)).await.unwrap().is_empty());
    assert!(post::post(&mut tx, &row("escalated", 2), 5, later(3)).await.unwrap());
    assert!(post::post(&mut tx, &row("reminder", 3), 5, later(3)).await.unwrap());
    let states: Vec<String> =
        outbox::written_after(&mut tx, 0).await.unwrap().into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["sent", "superseded", "pending"]);
    incidents::resolve(&mut tx, &occurrence().id, later(4)).await.unwrap();
    let claimed = outbox::claim(&mut tx, Channel::Alertmanager, 9, later(4), later(5)).await.unwrap();
    outbox::settle(&mut tx, claimed[0].id, claimed[0].attempt, &Outcome::Repeat(later(6)), later(4)).await.unwrap();
    assert!(outbox::claim(&mut tx, Channel::Alertmanager, 9, later(60), later(61)).await.unwrap().is_empty());
}

/// A real Alertmanager; it ends with the test.
struct Alertmanager {
    child: Child,
    port: u16,
}

impl Alertmanager {
    fn start(folder: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.join("am.yml");
        // It ends after a second what does not say itself when it ends.
        std::fs::write(&config, "global: {resolve_timeout: 1s}\nroute: {receiver: none}\nreceivers: [{name: none}]\n")
            .unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_mins(1), "Alertmanager does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, port }
    }

    /// The alerts that fire.
    async fn firing(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts?active=true", self.port);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
#[ignore = "needs prometheus-alertmanager"]
async fn a_real_alertmanager_shows_what_fires_and_nothing_else() {
    use openrouter_monitor::clock::{Clock, SystemClock};
    install_tls();
    let folder = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start(folder.path());
    let world = World::with(|config| {
        config.notify.alertmanager_url = Some(format!("http://127.0.0.1:{}", alertmanager.port).into());
    })
    .await;
    // It goes by the real time.
    let now = SystemClock.now();
    world.clock.set(now);
    tell(&world, &Notice { started_at: now, ..notice("first", 1) }).await;
    assert_eq!(world.deliver().await, 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let firing = alertmanager.firing().await;
    assert_eq!(firing.len(), 1, "beyond its resolve_timeout: {firing:?}");
    assert_eq!(firing[0]["labels"]["alertname"], "BulkEvent");
    assert_eq!(firing[0]["annotations"]["summary"], "Many models vanished");
    assert_eq!(firing[0]["generatorURL"], "https://monitor.example/");
    world.clock.advance(TimeDelta::minutes(2));
    assert_eq!(world.deliver().await, 1);
    assert_eq!(alertmanager.firing().await.len(), 1, "the same alert, said again");
    tell(&world, &Notice { started_at: now, ended_at: Some(SystemClock.now()), ..notice("resolved", 2) }).await;
    assert_eq!(world.deliver().await, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(alertmanager.firing().await, Vec::<Value>::new());
    assert_eq!(states(&world).await, ["alertmanager sent", "alertmanager sent"]);
}
