//! A daemon in a test's hands: a scratch store, a clock that stands, an OpenRouter that says what it is told, and
//! mails in memory.

pub(crate) mod database;
pub(crate) mod openrouter;
pub(crate) mod receiver;
pub(crate) mod smtp;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use openrouter_monitor::clock::{Clock, ManualClock};
use openrouter_monitor::config::Config;
use openrouter_monitor::domain::execution::{Execution, parse};
use openrouter_monitor::ingest::Groups;
use openrouter_monitor::job::runner::{Report, Runner};
use openrouter_monitor::job::{self, Context};
use openrouter_monitor::mail::transport::{Mailer, Outlet};
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::openrouter::Client;
use openrouter_monitor::store::Db;
use openrouter_monitor::store::outbox::{self, Row};
use openrouter_monitor::store::runs::Ended;
use openrouter_monitor::{app, directory};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use openrouter::FakeOpenRouter;

/// When the tests' days begin.
pub(crate) const START: &str = "2026-06-08T03:17:00Z";

/// Reads a time.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A daemon and its surroundings.
pub(crate) struct World {
    pub(crate) context: Arc<Context>,
    pub(crate) runner: Runner,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) openrouter: FakeOpenRouter,
    /// What was delivered.
    pub(crate) outlet: Outlet,
    folder: tempfile::TempDir,
    config: Config,
}

impl World {
    /// With the defaults and one admin.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings of its own.
    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Self {
        Self::build(None, set).await
    }

    /// Over a store that is there already.
    pub(crate) async fn over(db: Db) -> Self {
        Self::build(Some(db), |_| {}).await
    }

    async fn build(db: Option<Db>, set: impl FnOnce(&mut Config)) -> Self {
        install_tls();
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::at(at(START)));
        let openrouter = FakeOpenRouter::at(Arc::clone(&clock) as Arc<dyn Clock>).await;
        let mut config = Config::default();
        config.store.state_directory = Some(folder.path().to_owned());
        config.openrouter.base_url = openrouter.base_url();
        config.feeds = config.feeds.only_files();
        config.mail.admins = vec!["admin@platform.example".to_owned()];
        set(&mut config);
        let outlet = Outlet::default();
        let db = match db {
            Some(db) => db,
            None => scratch(folder.path().join("monitor.db")).await,
        };
        let context = context(&config, db, &clock, &outlet);
        let runner = Runner::new(Arc::clone(&context));
        Self { context, runner, clock, openrouter, outlet, folder, config }
    }

    /// The same store, read by a daemon that has just started.
    pub(crate) async fn restart(&mut self) {
        self.context.db.close().await;
        let db = scratch(self.folder.path().join("monitor.db")).await;
        self.context = context(&self.config, db, &self.clock, &self.outlet);
        self.runner = Runner::new(Arc::clone(&self.context));
    }

    /// Takes users and resources in.
    pub(crate) async fn directory(&self, entries: &[Value]) {
        let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
        let imported = directory::import(&self.context.db, &lines, self.clock.now()).await.expect("a store that works");
        assert_eq!(imported.rejected, []);
    }

    /// Runs a job now and gives its summary.
    pub(crate) async fn run(&self, name: &str) -> String {
        match self.run_report(name).await.ended {
            Ended::Ok(summary) => summary,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Runs a job now, however it ends.
    pub(crate) async fn run_report(&self, name: &str) -> Report {
        let spec = job::find(name).expect("a job");
        self.runner.run_now(spec).await.expect("nobody else runs it")
    }

    /// Moves the clock by hours, fetches the list `ids` and gives the mails that this caused, as `kind to: models`.
    pub(crate) async fn fetch_after(&self, hours: i64, entries: &[Value]) -> Vec<String> {
        self.clock.advance(TimeDelta::hours(hours));
        self.openrouter.list(entries);
        let before = self.mails().await.len();
        self.run("models").await;
        self.mails().await.split_off(before).iter().map(brief).collect()
    }

    /// Takes in executions, as `POST /v1/executions` reads them.
    pub(crate) async fn execute(&self, executions: &[Value]) {
        let now = self.clock.now();
        let parsed = executions.iter().map(|line| parse(&line.to_string(), now).expect("an execution"));
        let parsed: Vec<Execution> = parsed.collect();
        Groups::new(Arc::clone(&self.context)).write(&[&parsed]).await.expect("a store that works");
    }

    /// The text of the last mail.
    pub(crate) async fn last_text(&self) -> String {
        let id = self.mails().await.last().expect("a mail").id;
        let mut tx = self.context.db.read().await.expect("a store that works");
        outbox::get(&mut tx, id).await.expect("a store that works").expect("a mail").1.text
    }

    /// Every mail ever enqueued, oldest first.
    pub(crate) async fn mails(&self) -> Vec<Row> {
        let mut tx = self.context.db.read().await.expect("a store that works");
        outbox::written_after(&mut tx, 0).await.expect("a store that works")
    }

    /// Delivers what is due.
    pub(crate) async fn deliver(&self) -> usize {
        app::deliver_what_is_due(&self.context).await.expect("a store that works")
    }
}

async fn scratch(file: PathBuf) -> Db {
    Db::scratch(&file, Metrics::default()).await.expect("a scratch database")
}

fn context(config: &Config, db: Db, clock: &Arc<ManualClock>, outlet: &Outlet) -> Arc<Context> {
    let metrics = Metrics::default();
    let client = Client::live(&config.openrouter, metrics.clone()).expect("a client");
    let mailer = Mailer::in_memory(config, Arc::clone(outlet)).expect("a mailer");
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Arc::new(app::with_parts(config.clone(), db, metrics, clock, CancellationToken::new(), client, mailer))
}

/// The client of OpenRouter wants a TLS provider, once per process.
pub(crate) fn install_tls() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// `kind to: models`
pub(crate) fn brief(row: &Row) -> String {
    format!("{} {}: {}", row.kind, row.recipient, row.about.models.join(" "))
}

/// A user with an address.
pub(crate) fn user(id: &str) -> Value {
    json!({"user": {"id": id, "email": format!("{id}@platform.example")}})
}

/// A resource of a user on a model.
pub(crate) fn resource(id: &str, user: &str, model: &str) -> Value {
    json!({"resource": {"id": id, "user": user, "model": model, "url": format!("https://platform.example/{id}")}})
}

/// A row of the list.
pub(crate) fn model(id: &str) -> Value {
    json!({"id": id, "name": id, "pricing": {"prompt": "0.000001", "completion": "0.000002"}, "context_length": 8000})
}

/// A row of the list with an announced end.
pub(crate) fn dated(id: &str, day: &str) -> Value {
    let mut row = model(id);
    row["expiration_date"] = json!(day);
    row
}
