//! The command line: what is asked for, and how it ends.

mod check;
mod classify;
mod connect;
mod detect;
mod directory;
mod doctor;
mod jobs;
mod keys;
mod mails;
mod models;
mod output;
mod serve;
mod spend;
mod suggest;
mod tokens;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::{Clock as _, SystemClock};
use crate::config::load::Problem;
use crate::config::{Config, load};
use crate::job::Context;
use crate::metrics::Metrics;
use crate::{app, demo, replay};

pub use output::Format;

/// Watches the models, the spend and the credit of a platform built on OpenRouter.
#[derive(Debug, Parser)]
#[command(name = "openrouter-monitor", version, about)]
struct Cli {
    /// The configuration file (TOML); everything has a default.
    #[arg(long, short, global = true, env = "OPENROUTER_MONITOR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon (the default).
    Serve,
    /// Plays a whole simulated world through the real jobs, then serves it live.
    Demo(demo::Options),
    /// Validates the configuration and says what it means.
    CheckConfig,
    /// Tries each real part, and says what is wrong and how to mend it.
    Doctor(doctor::Options),
    /// Brings the database's schema up to date.
    Migrate,
    /// Lists jobs, or runs one now.
    #[command(subcommand)]
    Job(jobs::Command),
    /// Shows models and what happened to them.
    #[command(subcommand)]
    Models(models::Command),
    /// Takes in the platform's users and resources.
    #[command(subcommand)]
    Directory(directory::Command),
    /// Shows, tries and repairs the delivery of mails.
    #[command(subcommand)]
    Mail(mails::Command),
    /// Stores, lists and forgets users' keys, and rotates what seals them.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Connects this daemon with OpenRouter.
    #[command(subcommand)]
    Connect(connect::Command),
    /// Shows what was spent.
    Spend(spend::Options),
    /// Makes, lists and revokes the tokens of the API.
    #[command(subcommand)]
    Token(tokens::Command),
    /// Says what an answer on standard input means: a body, an error or an event stream.
    Classify(classify::Options),
    /// Scores a series on standard input: CSV timestamp,value becomes timestamp,value,expected,score.
    Detect,
    /// Says what would have been sent, from captured lists.
    Replay(replay::Options),
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The configuration has problems.
    Config(Vec<Problem>),
    /// Something went wrong.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Runs the program: 0 done, 1 failed, 2 usage or configuration.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return complain("TLS was set up twice", 1);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the runtime cannot start: {error}"), 1),
    };
    let result = runtime.block_on(dispatch(cli));
    // What still runs (a name look-up that hangs) must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(problems)) => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
            complain(&format!("the configuration has problems:\n{}", lines.join("\n")), 2)
        }
        Err(Failure::Other(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Other(error)) => complain(&format!("{error:#}"), 1),
    }
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let config = load_config(&cli)?;
    let mut out = std::io::stdout();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(config, cli.config).await,
        Command::Demo(options) => Ok(demo::run(options, config).await?),
        Command::CheckConfig => check::run(&config, &SystemClock, &mut out),
        Command::Doctor(options) => doctor::run(&options, config, cli.config.as_deref(), &mut out).await,
        Command::Migrate => {
            let context = offline(config).await?;
            writeln!(out, "{}: the schema is up to date", context.db.engine())?;
            Ok(())
        }
        Command::Job(command) => jobs::run(command, config, &mut out).await,
        Command::Models(models::Command::Suggest(options)) => suggest::run(&options, SystemClock.now(), &mut out),
        Command::Models(command) => models::run(command, &*offline(config).await?, &mut out).await,
        Command::Directory(command) => directory::run(command, &*offline(config).await?, &mut out).await,
        Command::Mail(command) => mails::run(command, config, &mut out).await,
        Command::Keys(command) => keys::run(command, &*offline(config).await?, &mut out).await,
        Command::Connect(command) => connect::run(command, &*offline(config).await?, &mut out).await,
        Command::Spend(options) => spend::run(options, &*offline(config).await?, &mut out).await,
        Command::Token(command) => tokens::run(command, &*offline(config).await?, &mut out).await,
        Command::Classify(options) => classify::run(&options, &mut out),
        Command::Detect => Ok(detect::run(std::io::stdin().lock(), std::io::BufWriter::new(&mut out))?),
        Command::Replay(options) => Ok(replay::run(&options, config, &mut out).await?),
    }
}

fn load_config(cli: &Cli) -> Result<Config, Failure> {
    let env: Vec<(String, String)> = std::env::vars().collect();
    load::load(cli.config.as_deref(), &env).map_err(Failure::Config)
}

/// The parts of a command that works on the store beside the daemon, or without one.
async fn offline(config: Config) -> Result<Arc<Context>, Failure> {
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let db = app::open_store(&config, &metrics).await?;
    Ok(Arc::new(app::context(config, db, metrics, Arc::new(SystemClock), stop)?))
}

/// Reads a time as RFC 3339 or as a day.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || text.parse::<chrono::NaiveDate>().ok().map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc));
    time.or_else(day)
        .ok_or_else(|| format!("{text:?} is neither a time like 2026-06-08T01:00:00Z nor a day like 2026-06-08"))
}

/// Says at each start that it starts; only its warnings matter.
const NOISY: &str = "tokio_cron_scheduler";

/// Starts the log on standard error.
pub(crate) fn start_log(config: &Config) {
    let mut filter: Targets = config.log.level.parse().unwrap_or_default();
    if !config.log.level.contains(NOISY) {
        filter = filter.with_target(NOISY, LevelFilter::WARN);
    }
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    match config.log.format {
        crate::config::LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(log.with_ansi(ansi).with_filter(filter)).init();
        }
        crate::config::LogFormat::Json => registry.with(log.json().with_filter(filter)).init(),
    }
}

#[expect(clippy::print_stderr, reason = "the last word to the user")]
fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("openrouter-monitor: {text}");
    ExitCode::from(code)
}

/// Whoever reads our output has read enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
