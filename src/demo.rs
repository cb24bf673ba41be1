//! `demo`: a whole world in one process, played through the real jobs under a manual clock, then served live.

pub mod bank;
mod openrouter;
pub mod platform;
mod purses;
mod sender;
pub mod traffic;
pub mod world;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use clap::Args;
use tokio_util::sync::CancellationToken;

use self::openrouter::FakeOpenRouter;
use self::purses::{MANAGEMENT_KEY, Purses};
use self::sender::Sender;
use self::traffic::Traffic;
use self::world::World;
use crate::app::{self, App};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config::Config;
use crate::directory;
use crate::domain::change::ChangeKind;
use crate::domain::money::NanoUsd;
use crate::domain::period::Period;
use crate::domain::rollup::Measures;
use crate::job::runner::Runner;
use crate::metrics::Metrics;
use crate::spend;
use crate::store::rollups::Group;
use crate::store::{self, Db};
use crate::turns::InTurns;

/// The platform's users in the demo.
const USERS: usize = 200;
/// Days of the world before the first played one, so that something is still announced when the last one ends.
const LEAD_DAYS: u32 = 20;
/// The played days are judged every hour, not every five minutes: whoever waits for them sees no difference.
const HOURLY: &str = "2 * * * *";
/// And keys are asked four times a day.
const SIX_HOURLY: &str = "58 */6 * * *";
/// How often the live demo fetches the list.
const LIVE_CRON: &str = "*/5 * * * *";

/// What to play.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How many days are played before the demo goes live.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// The same seed gives the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Ends after the played days.
    #[arg(long)]
    no_serve: bool,
}

/// Plays, tells what happened, and serves.
///
/// # Errors
/// When the scratch database, the listener or a file cannot be had.
pub async fn run(options: Options, config: Config) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let live_config = live_config(config, folder.path());
    if !options.no_serve {
        crate::cli::start_log(&live_config);
    }
    let today = SystemClock.now().duration_trunc(TimeDelta::hours(1))?;
    let played = play(&options, folder.path(), today).await?;
    say(&played.summary);
    if options.no_serve {
        return Ok(());
    }
    serve(live_config, played).await
}

/// Everything in a folder that goes with the demo; the daemon's own defaults else.
fn live_config(mut config: Config, folder: &Path) -> Config {
    config.store.url = None;
    config.store.state_directory = Some(folder.to_owned());
    config.mail.smtp_url = None;
    config.mail.directory = None;
    LIVE_CRON.clone_into(&mut config.jobs.models.cron);
    config.credit.poll_minutes = 2;
    config.openrouter.management_key = Some(MANAGEMENT_KEY.into());
    config
}

/// A world whose days were played.
pub struct Played {
    /// The store with what the jobs made of it.
    pub db: Db,
    /// What happened, in words.
    pub summary: String,
    /// What happened, in figures.
    metrics: Metrics,
    world: Arc<World>,
    purses: Arc<Purses>,
    traffic: Arc<Traffic>,
    until: DateTime<Utc>,
}

/// Plays the days before `until` through the real jobs: real HTTP to a simulated OpenRouter, real mails into files.
///
/// # Errors
/// When the scratch database, a socket or a file cannot be had.
pub async fn play(options: &Options, folder: &Path, until: DateTime<Utc>) -> anyhow::Result<Played> {
    let (began, _in_turns) = (std::time::Instant::now(), InTurns::begin());
    let start = until - TimeDelta::days(i64::from(options.days));
    let world = World::new(options.seed, start - TimeDelta::days(LEAD_DAYS.into()), options.days + LEAD_DAYS);
    let world = Arc::new(world.played_from(start));
    let clock = Arc::new(ManualClock::at(start));
    let purses = Arc::new(Purses::new(start, until));
    let fake = FakeOpenRouter::start(Arc::clone(&world), purses.bank(), Arc::clone(&clock) as Arc<dyn Clock>).await?;
    let mut config = Config::default();
    config.store.state_directory = Some(folder.to_owned());
    config.openrouter.base_url = fake.base_url();
    HOURLY.clone_into(&mut config.jobs.rules.cron);
    SIX_HOURLY.clone_into(&mut config.jobs.credit.cron);
    config.credit.poll_minutes = 360;
    config.openrouter.management_key = Some(MANAGEMENT_KEY.into());
    config.feeds = config.feeds.only_files();
    let metrics = Metrics::default();
    let db = Db::scratch(&folder.join("monitor.db"), metrics.clone()).await?;
    let stop = CancellationToken::new();
    let context =
        Arc::new(app::context(config, db.clone(), metrics.clone(), Arc::clone(&clock) as Arc<dyn Clock>, stop)?);
    let lines: Vec<String> = platform::directory(options.seed, &world, USERS).lines().map(str::to_owned).collect();
    directory::import(&db, &lines, start).await?;
    let entries = lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<Vec<_>, _>>()?;
    let traffic = Arc::new(Traffic::new(options.seed, &entries, &world, start, until));
    purses.store_keys(&context).await?;
    let mut sender = Sender::new(Arc::clone(&context), Arc::clone(&traffic), Arc::clone(&purses), start);

    let runner = Runner::new(Arc::clone(&context));
    let mut now = start;
    while now < until {
        clock.set(now);
        sender.send_until(now).await?;
        runner.run_due().await;
        app::deliver_what_is_due(&context).await?;
        now = runner.next_due(now).unwrap_or(until);
    }
    clock.set(until);
    sender.send_until(until).await?;
    let summary = summary(options, &db, began.elapsed(), folder).await?;
    Ok(Played { db, summary, metrics, world, purses, traffic, until })
}

async fn summary(options: &Options, db: &Db, took: std::time::Duration, folder: &Path) -> anyhow::Result<String> {
    let mut tx = db.read().await?;
    let changes = store::changes::since(&mut tx, DateTime::default(), None).await?;
    let count = |kind: ChangeKind| changes.iter().filter(|change| change.kind == kind).count();
    let (users, _, resources) = store::directory::count(&mut tx).await?;
    let mails = store::outbox::written_after(&mut tx, 0).await?;
    let executions = store::executions::count(&mut tx).await?;
    let ever = Period { from: 0, until: i64::from(u32::MAX) };
    let spent: NanoUsd = spend::sum(&mut tx, ever, None, Group::Provider).await?.values().map(Measures::spent).sum();
    let mut kinds = std::collections::BTreeMap::<&str, usize>::new();
    for mail in &mails {
        *kinds.entry(mail.kind.as_str()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    // Without the live part the folder ends with the command.
    let place = if options.no_serve {
        String::new()
    } else {
        format!("\n  mails are files in {}", folder.join("mails").display())
    };
    Ok(format!(
        "{} days of a simulated world (seed {}) in {:.1} s:\n  {users} users with {resources} resources\n  \
         {} models added, {} announced to go, {} removed, {} returned, {} repriced\n  \
         {executions} executions kept one by one, ${} spent in all\n  {} mails: {}{place}",
        options.days,
        options.seed,
        took.as_secs_f64(),
        count(ChangeKind::Added),
        count(ChangeKind::Deprecated),
        count(ChangeKind::Removed),
        count(ChangeKind::Returned),
        count(ChangeKind::Repriced),
        spent.to_decimal().round_dp(2),
        mails.len(),
        kinds.join(", "),
    ))
}

/// Goes on in real time: the world lives on behind a new simulated OpenRouter.
async fn serve(mut config: Config, played: Played) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let fake = FakeOpenRouter::start(played.world, played.purses.bank(), Arc::clone(&clock)).await?;
    config.openrouter.base_url = fake.base_url();
    config.feeds = config.feeds.only_files();
    let (metrics, stop) = (played.metrics, CancellationToken::new());
    played.db.close().await;
    let db = Db::scratch(&config.state_directory().join("monitor.db"), metrics.clone()).await?;
    let context = Arc::new(app::context(config, db, metrics, clock, stop)?);
    tokio::spawn(Sender::new(Arc::clone(&context), played.traffic, played.purses, played.until).live());
    let app = App::new(context).await?;
    say(&format!("\nserving it live: http://{}/ (figures at /metrics); end with Ctrl-C", app.address()?));
    let interrupted = async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        let terminated = async {
            match &mut terminate {
                Some(terminate) => terminate.recv().await.unwrap_or(()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
    };
    app.run(interrupted).await.context("the demo ended")?;
    drop(fake);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the command was asked for")]
fn say(text: &str) {
    println!("{text}");
}
