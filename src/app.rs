//! Wires the parts, runs them, and ends them in order. Knows no signals: `main` does.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::gauges;
use crate::http::{Site, server};
use crate::ingest;
use crate::job::runner::Runner;
use crate::job::{Context, Settings, deliver};
use crate::mail::render::Renderer;
use crate::mail::transport::Mailer;
use crate::market::Market;
use crate::metrics::Metrics;
use crate::notify;
use crate::openrouter::Client;
use crate::scheduler;
use crate::store::tokens::Scope;
use crate::store::{self, Db, tokens};
use crate::vault::Vault;

/// How long work in hand may take once the end is asked for; the whole end takes less than five seconds.
const GRACE: Duration = Duration::from_secs(4);
/// How often an unreachable database is tried when the daemon starts.
const STORE_RETRY: Duration = Duration::from_secs(3);
/// What stands between a look at the jobs and the next, beside the scheduler's wake-ups.
const WATCHDOG_MARGIN: u32 = 2;

/// The parts, ready to run.
#[derive(Debug)]
pub struct App {
    /// What jobs and handlers work with.
    pub context: Arc<Context>,
    listener: TcpListener,
    runner: Arc<Runner>,
}

/// Opens the store of a configuration.
///
/// # Errors
/// When it cannot be opened now.
pub async fn open_store(config: &Config, metrics: &Metrics) -> anyhow::Result<Db> {
    make_private(&config.state_directory())?;
    let opened = Db::open(&config.store_url(), metrics.clone()).await;
    opened.with_context(|| format!("store.url: {} cannot be opened", config.store_name()))
}

/// Opens the store, again and again while it cannot be reached; `None` when asked to stop before it could be.
///
/// # Errors
/// When the store can never be opened as configured.
pub async fn await_store(config: &Config, metrics: &Metrics, stop: &CancellationToken) -> anyhow::Result<Option<Db>> {
    loop {
        let opened = tokio::select! {
            opened = open_store(config, metrics) => opened,
            () = stop.cancelled() => return Ok(None),
        };
        match opened {
            Ok(db) => return Ok(Some(db)),
            Err(error) if error.downcast_ref::<store::Error>().is_some_and(store::Error::is_transient) => {
                let retry_in_s = STORE_RETRY.as_secs();
                tracing::warn!(error = format!("{error:#}"), retry_in_s, "the database cannot be reached");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(STORE_RETRY) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Makes the context of a configuration over an open store.
///
/// # Errors
/// When a part cannot be set up as configured.
pub fn context(
    config: Config,
    db: Db,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<Context> {
    let mailer = Mailer::new(&config).context("[mail]")?;
    let openrouter = Client::live(&config.openrouter, metrics.clone()).context("[openrouter]")?;
    let feeds = crate::feeds::Client::live().context("[feeds]")?;
    Ok(Context { feeds, ..with_parts(config, db, metrics, clock, stop, openrouter, mailer) })
}

/// Makes a context of given parts; of the feeds it reads those that are files.
#[must_use]
pub fn with_parts(
    config: Config,
    db: Db,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    openrouter: Client,
    mailer: Mailer,
) -> Context {
    Context {
        db,
        clock,
        vault: Vault::new(&config),
        settings: Settings::new(config),
        openrouter,
        feeds: crate::feeds::Client::offline(),
        metrics,
        renderer: Renderer::default(),
        mailer: RwLock::new(mailer),
        mail_waits: Notify::new(),
        notice_waits: Default::default(),
        notifier: notify::Sender::default(),
        stop,
    }
}

impl App {
    /// Binds the listener and makes the rest ready.
    ///
    /// # Errors
    /// When the address is taken or the admin token cannot be written.
    pub async fn new(context: Arc<Context>) -> anyhow::Result<Self> {
        let config = context.settings.get();
        let listen = config.http.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("http.listen: {listen} cannot be used; set OPENROUTER_MONITOR__HTTP__LISTEN to another address")
        })?;
        unlock_vault(&context).await?;
        ensure_admin_token(&context, &config.state_directory()).await?;
        let mut tx = context.db.write().await?;
        store::partitions::prepare(&mut tx, context.now()).await?;
        tx.commit().await?;
        let runner = Arc::new(Runner::new(Arc::clone(&context)));
        #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
        context.metrics.started_at(context.now().timestamp() as f64);
        Ok(Self { context, listener, runner })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs until `shutdown`, then ends in order. A part that ends by itself is a failure of the whole.
    ///
    /// # Errors
    /// When a part ended by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let (context, stop) = (Arc::clone(&self.context), self.context.stop.clone());
        let (ingest, writer) = ingest::channel(&context);
        let market = Arc::<Market>::default();
        let site = Site::new(Arc::clone(&context), Arc::clone(&self.runner), ingest, Arc::clone(&market));
        let tick = Arc::new(Notify::new());
        let mut scheduler = scheduler::start(Arc::clone(&tick)).await?;
        let jobs = TaskTracker::new();
        let mut parts = tokio::task::JoinSet::new();
        parts.spawn(server::run(self.listener, site.router(), stop.clone()));
        parts.spawn(deliver::run(Arc::clone(&context)));
        parts.spawn(writer.run());
        parts.spawn(market.run(Arc::clone(&context)));
        parts.spawn(gauges::users::run(Arc::clone(&context)));
        parts.spawn(run_jobs(Arc::clone(&self.runner), jobs.clone(), tick, stop.clone()));
        notify_systemd(&[sd_notify::NotifyState::Ready]);

        let ended_early = tokio::select! {
            // First: once the end is asked for, parts that end are no failure.
            biased;
            () = shutdown => None,
            ended = parts.join_next() => ended,
        };
        tracing::info!("stopping: work in hand is finished or handed back");
        notify_systemd(&[sd_notify::NotifyState::Stopping]);
        stop.cancel();
        jobs.close();
        let all = async {
            jobs.wait().await;
            while parts.join_next().await.is_some() {}
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("some work did not end in time; its leases will run out");
        }
        if let Err(error) = scheduler.shutdown().await {
            tracing::debug!(%error, "the scheduler did not end");
        }
        tokio::time::timeout(Duration::from_millis(500), context.db.close()).await.ok();
        match ended_early {
            None => Ok(()),
            Some(Ok(())) => anyhow::bail!("a part of the daemon ended by itself"),
            Some(Err(error)) => Err(error).context("a part of the daemon failed"),
        }
    }
}

/// Looks at the jobs at once and whenever the scheduler ticks, and tells systemd that somebody does.
async fn run_jobs(runner: Arc<Runner>, tasks: TaskTracker, tick: Arc<Notify>, stop: CancellationToken) {
    let patience = sd_notify::watchdog_enabled().map_or(Duration::from_mins(1), |limit| limit / WATCHDOG_MARGIN);
    while !stop.is_cancelled() {
        runner.spawn_due(&tasks);
        notify_systemd(&[sd_notify::NotifyState::Watchdog]);
        tokio::select! {
            () = tick.notified() => {}
            () = tokio::time::sleep(patience) => tracing::warn!("the scheduler does not tick"),
            () = stop.cancelled() => {}
        }
    }
}

fn notify_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Puts a new configuration in force, as far as that is safe without a restart; says what is not.
///
/// # Errors
/// When the new settings of mails cannot be used; then the former stay in force.
pub fn reload(context: &Context, config: Config) -> anyhow::Result<Vec<&'static str>> {
    let mailer = Mailer::new(&config).context("[mail]")?;
    let old = context.settings.get();
    let mut needs_restart = Vec::new();
    if old.store_url() != config.store_url() {
        needs_restart.push("store");
    }
    if old.http.listen != config.http.listen {
        needs_restart.push("http.listen");
    }
    if old.openrouter.base_url != config.openrouter.base_url
        || old.openrouter.timeout_seconds != config.openrouter.timeout_seconds
    {
        needs_restart.push("openrouter");
    }
    if !old.keys.is_same(&config.keys) {
        needs_restart.push("keys");
    }
    if old.log.format != config.log.format || old.log.level != config.log.level {
        needs_restart.push("log");
    }
    *context.mailer.write().unwrap_or_else(PoisonError::into_inner) = mailer;
    context.settings.set(config);
    Ok(needs_restart)
}

/// Only the daemon's user may read what it keeps.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let exists = directory.exists();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("store.state_directory: {} cannot be made", directory.display()))?;
    if !exists {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes an admin token at the first start; the log names the file and never the token.
async fn ensure_admin_token(context: &Context, directory: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut tx = context.db.write().await?;
    if tokens::in_force(&mut tx).await?.iter().any(|token| token.scope == Scope::Admin) {
        tx.abandon();
        return Ok(());
    }
    make_private(directory)?;
    let (token, file) = (new_token()?, directory.join("admin.token"));
    let mut opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
    writeln!(opened, "{token}").with_context(|| format!("{} cannot be written", file.display()))?;
    opened.sync_all()?;
    tokens::insert(&mut tx, Scope::Admin, "first start", &tokens::hash(&token), context.now()).await?;
    tx.commit().await?;
    tracing::info!(file = %file.display(), "an admin token was written");
    Ok(())
}

/// A daemon whose master key does not open the stored keys would fail at each of them: it does not start.
async fn unlock_vault(context: &Context) -> anyhow::Result<()> {
    let mut tx = context.db.read().await?;
    if let Some(master) = context.vault.unlock(&mut tx).await? {
        tracing::info!(%master, place = context.vault.place(), "the master key fits the stored keys");
    }
    Ok(())
}

/// 256 random bits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_token() -> anyhow::Result<String> {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// Waits a little for the delivery of what is due, in a process that is about to end.
///
/// # Errors
/// When the store fails.
pub async fn deliver_what_is_due(context: &Arc<Context>) -> store::Result<usize> {
    let mut total = 0;
    loop {
        match deliver::drain(context).await? {
            0 => return Ok(total),
            some => total += some,
        }
    }
}
