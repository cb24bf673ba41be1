//! The doctor: what works is said to work, and what does not is named.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use openrouter_monitor::clock::SystemClock;
use openrouter_monitor::config::Config;
use openrouter_monitor::demo::bank::Terms;
use openrouter_monitor::doctor::{Finding, State, examine};
use openrouter_monitor::domain::key::{Access, Purpose, Slot};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::{Db, health, keys, platform};
use secrecy::SecretString;

use crate::harness::database::on_every_db;
use crate::harness::smtp::SmtpServer;
use crate::harness::{World, model, user};
use crate::process::run;

const GOOD: &str = "sk-or-v1-good-0123456789abcdef";
const GONE: &str = "sk-or-v1-gone-0123456789abcdef";
const MANAGEMENT: &str = "sk-or-v1-management-0123456789";

/// A daemon that wants nothing: a mail server, an OpenRouter, a management key, two stored keys.
async fn world() -> World {
    let (_, smtp) = SmtpServer::start().await;
    let world = World::with(|config| {
        config.http.public_url = Some("https://monitor.example.org".to_owned());
        config.mail.smtp_url = Some(smtp.into());
        config.openrouter.management_key = Some(MANAGEMENT.into());
        config.notify.slack_url = Some(config.openrouter.base_url.clone().into());
    })
    .await;
    let state = world.context.settings.get().state_directory();
    std::fs::set_permissions(state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    world.directory(&[user("u1")]).await;
    world.openrouter.list(&[model("a/b")]);
    world.openrouter.bank.add_key("them", GOOD, Terms::default());
    world.openrouter.bank.add_key("them", MANAGEMENT, Terms { is_management: true, ..Terms::default() });
    let (now, access) = (world.context.now(), Access { purpose: Purpose::Store, who: "test" });
    let mut tx = world.context.db.write().await.unwrap();
    for (label, key) in [("good", GOOD), ("gone", GONE)] {
        let slot = Slot { user: "u1", label };
        world.context.vault.put(&mut tx, slot, &SecretString::from(key), access, now).await.unwrap();
    }
    tx.commit().await.unwrap();
    world
}

async fn examined(config: &Config) -> Vec<Finding> {
    examine(config.clone(), None, Arc::new(SystemClock)).await.unwrap()
}

/// `state part: what was said`, of the parts that are not well.
fn unwell(found: &[Finding]) -> Vec<String> {
    let told = |finding: &Finding| format!("{:?} {}: {}", finding.state, finding.part, finding.said);
    found.iter().filter(|finding| finding.state != State::Ok).map(told).collect()
}

#[tokio::test]
async fn what_works_is_said_to_work_and_a_refused_key_is_named() {
    let world = world().await;
    let found = examined(&world.context.settings.get()).await;
    assert_eq!(unwell(&found), ["Warn key u1/gone: OpenRouter refuses it (…cdef)"]);
    let said = |part: &str| found.iter().find(|finding| finding.part == part).unwrap().said.clone();
    assert_eq!(said("openrouter"), "1 models are listed");
    assert_eq!(said("clock"), "it agrees with OpenRouter's");
    assert_eq!(said("stored keys"), "1 good, 1 in doubt");
    assert_eq!(said("management key"), "OpenRouter knows it");
    assert!(said("slack").ends_with("can be reached") && said("mail").contains("the server answers"));
    let mut tx = world.context.db.read().await.unwrap();
    let accesses = keys::accesses(&mut tx, Some("u1"), 2).await.unwrap();
    assert!(accesses.iter().all(|access| access.who == "doctor" && access.purpose == Purpose::Check), "{accesses:?}");
}

#[tokio::test]
async fn what_does_not_work_is_named_with_its_mend() {
    let world = world().await;
    let mut config = Config::clone(&world.context.settings.get());
    config.openrouter.base_url = "http://127.0.0.1:1/api/v1".to_owned();
    config.mail.smtp_url = Some("smtp://user:canary@127.0.0.1:1".into());
    config.notify.slack_url = Some("http://127.0.0.1:1/canary".into());
    config.pull.url = Some("postgres://user:canary@127.0.0.1:1/db".into());
    config.feeds.litellm = "/nonexistent/canary.json".to_owned();
    config.http.public_url = None;
    let state = config.state_directory();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(state.join("master.key"), "0100".repeat(16)).unwrap();
    let found = examined(&config).await;
    let parts: Vec<String> = unwell(&found).iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(
        parts,
        [
            "Warn public address",
            "Warn state directory",
            "Fail openrouter",
            "Warn clock",
            "Warn management key",
            "Fail master key",
            "Fail mail",
            "Fail feed litellm",
            "Fail slack",
            "Fail platform's database",
        ]
    );
    for finding in &found {
        let has_mend = !finding.mend.is_empty() || finding.said.contains("put the former key back");
        assert!(has_mend || finding.state == State::Ok, "{finding:?}");
        assert!(!format!("{finding:?}").replace("/nonexistent/canary", "").contains("canary"), "{finding:?}");
    }
}

#[tokio::test]
async fn a_postgresql_that_is_not_there_is_said_to_be_so_at_once() {
    let world = world().await;
    let mut config = Config::clone(&world.context.settings.get());
    config.store.url = Some("postgres://user:canary@127.0.0.1:1/db".into());
    let began = std::time::Instant::now();
    let found = examined(&config).await;
    let [line] = unwell(&found).try_into().unwrap();
    assert!(line.starts_with("Fail database: postgres://127.0.0.1:1/db: ") && line.contains("refused"), "{line}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_clock_that_is_off_is_a_fault() {
    let world = world().await;
    let config = Config::clone(&world.context.settings.get());
    let found = examine(config, None, Arc::clone(&world.clock) as _).await.unwrap();
    let clock = found.iter().find(|finding| finding.part == "clock").unwrap();
    assert_eq!(clock.state, State::Fail, "{clock:?}");
}

#[tokio::test]
async fn a_database_that_is_damaged_old_or_too_new_is_named() {
    let world = world().await;
    let config = Config::clone(&world.context.settings.get());
    world.context.db.close().await;
    let file = health::sqlite_file(&config.store_url()).unwrap();
    let said = async |state: State, part: &str| {
        let found = examined(&config).await;
        let finding = found.iter().find(|finding| finding.part == part).unwrap().clone();
        assert_eq!(finding.state, state, "{found:?}");
        finding.said
    };
    let db = Db::open(&config.store_url(), Metrics::default()).await.unwrap();
    let mut tx = db.write().await.unwrap();
    for number in 0..500 {
        platform::keep_cursor(&mut tx, &format!("{number:0>200}"), &"x".repeat(2000)).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await;
    let mut opened = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    let length = opened.metadata().unwrap().len();
    opened.seek(SeekFrom::Start(length - 40 * 4096)).unwrap();
    opened.write_all(&vec![0x55; 20 * 4096]).unwrap();
    assert!(!said(State::Fail, "integrity").await.is_empty());

    std::fs::write(&file, "").unwrap();
    assert!(said(State::Warn, "database").await.contains("its schema is 0, this program's"));
    std::fs::write(
        &file,
        "this is no database, although it is long enough to be taken for the head of one, which has a hundred bytes",
    )
    .unwrap();
    assert!(said(State::Fail, "database").await.contains("not a database"));
    std::fs::remove_file(&file).unwrap();
    assert!(said(State::Warn, "database").await.contains("is not there yet"));
    assert!(!file.exists());
    let newer = Db::open(&config.store_url(), Metrics::default()).await.unwrap();
    newer.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let sql = "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    assert!(said(State::Fail, "database").await.contains("a newer program made its schema"));
}

on_every_db! {
    async fn a_sound_database_is_found_sound(test) {
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(health::schema(&mut tx).await.unwrap(), health::newest());
        assert_eq!(health::damage(&mut tx).await.unwrap(), Vec::<String>::new());
        drop(tx);
        health::try_to_write(test.db.write().await.unwrap()).await.unwrap();
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(platform::cursor(&mut tx, "doctor").await.unwrap(), None);
    }
}

#[test]
fn without_a_network_it_fails_at_once_and_clearly() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["migrate"]).0, Some(0));
    let began = std::time::Instant::now();
    let (code, out, err) = run(folder.path(), &["doctor"]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("fail  openrouter             127.0.0.1 cannot be reached: "), "{out}");
    assert!(out.contains("ok    database") && err.contains("1 of 11 parts failed"), "{out}{err}");
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    let (code, out, _) = run(folder.path(), &["doctor", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found[0]["part"]), (Some(1), &serde_json::json!("configuration")));
}
