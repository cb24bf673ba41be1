//! `job list` and `job run`.

use std::io::Write;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use tokio_util::sync::CancellationToken;

use super::output::Table;
use super::{Failure, Format, offline, start_log};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::change::Change;
use crate::job::runner::Runner;
use crate::job::{self, JOBS, Spec};
use crate::metrics::Metrics;
use crate::store;
use crate::store::runs::Ended;
use crate::{app, replay};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Shows each job: schedule, last run, next run.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Runs a job now, whatever its schedule says.
    Run {
        /// Which job.
        #[arg(value_parser = PossibleValuesParser::new(JOBS.iter().map(|spec| spec.name)))]
        name: String,
        /// Forgets what it does and sends nothing; prints what would have changed and been sent.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(command: Command, config: Config, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::List { format } => list(config, format, out).await,
        Command::Run { name, dry_run } => {
            let spec = job::find(&name).ok_or_else(|| anyhow!("there is no job {name:?}"))?;
            start_log(&config);
            run_one(spec, config, dry_run, out).await
        }
    }
}

async fn list(config: Config, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    let context = offline(config).await?;
    let (now, config) = (context.now(), context.settings.get());
    let mut tx = context.db.read().await?;
    let runs = store::runs::latest(&mut tx).await?;
    let mut table = Table::new(&["name", "schedule", "last_at", "last_result", "summary", "next_at"]);
    for spec in JOBS {
        let (run, schedule) = (runs.iter().find(|run| run.job == spec.name), config.schedule(spec.name));
        table.row(vec![
            json!(spec.name),
            json!(schedule.as_ref().map(ToString::to_string)),
            json!(run.map(|run| run.started_at)),
            json!(run.map_or("never", |run| run.state.as_str())),
            json!(run.and_then(|run| run.summary.clone())),
            json!(schedule.and_then(|schedule| schedule.next(now))),
        ]);
    }
    Ok(table.print(format, out)?)
}

async fn run_one(spec: &'static Spec, config: Config, dry_run: bool, out: &mut impl Write) -> Result<(), Failure> {
    let context = if dry_run { rehearsal(config).await? } else { offline(config).await? };
    let (began, last_mail) = (context.now(), newest_mail(&context).await?);
    let summary = if dry_run {
        (spec.run)(Arc::clone(&context)).await.map_err(job::Error::into_inner)?
    } else {
        match Runner::new(Arc::clone(&context)).run_now(spec).await?.ended {
            Ended::Ok(summary) => summary,
            Ended::Retry(_, error) | Ended::Failed(error) => return Err(anyhow!("{}: {error}", spec.name).into()),
        }
    };
    let mut tx = context.db.read().await?;
    for change in store::changes::since(&mut tx, began, None).await? {
        writeln!(out, "{}", line(&change))?;
    }
    for row in store::outbox::written_after(&mut tx, last_mail).await? {
        writeln!(out, "mail {} to {}: {}", row.kind, row.recipient, row.subject)?;
        for why in &row.about.why {
            writeln!(out, "     {why}")?;
        }
    }
    drop(tx);
    if !dry_run {
        app::deliver_what_is_due(&context).await?;
    }
    Ok(writeln!(out, "{}: {summary}{}", spec.name, if dry_run { " (nothing was changed or sent)" } else { "" })?)
}

/// The parts over a store that forgets.
async fn rehearsal(config: Config) -> Result<Arc<job::Context>, Failure> {
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let db = app::open_store(&config, &metrics).await?.rehearsal();
    Ok(Arc::new(app::context(config, db, metrics, Arc::new(SystemClock), stop)?))
}

async fn newest_mail(context: &job::Context) -> Result<i64, Failure> {
    let mut tx = context.db.read().await?;
    Ok(store::outbox::list(&mut tx, None, None, 1).await?.first().map_or(0, |row| row.id))
}

fn line(change: &Change) -> String {
    format!("{} {} {}: {}", replay::stamp(change.at), change.kind.as_str(), change.model, change.describe())
}
