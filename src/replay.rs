//! `replay`: what would have been sent, by the real jobs on captured lists, executions and balances under a manual clock.

mod rows;

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use rows::{Rows, Span};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::balances;
use crate::clock::ManualClock;
use crate::config::{self, Config};
use crate::domain::alert::Rule;
use crate::domain::catalog::Page;
use crate::domain::execution::{Execution, parse};
use crate::domain::incident::{Phase, Step};
use crate::ingest::Groups;
use crate::job::runner::{NotRun, Runner};
use crate::job::{self, Context};
use crate::mail::alert;
use crate::mail::transport::{Mailer, Outlet};
use crate::market::Market;
use crate::metrics::Metrics;
use crate::openrouter::Client;
use crate::store::balances::Reading;
use crate::store::outbox::Row;
use crate::store::runs::Ended;
use crate::store::{self, Db};
use crate::turns::InTurns;
use crate::{app, directory};

/// Jobs that run at their times between the lists; fetching is what the lists stand for.
const JOBS: [&str; 5] = ["feeds", "notices", "digest", "user_digest", "prune"];
/// Runs as well once there is something to judge; over lists alone it would have nothing to look at.
const RULES: &str = "rules";
/// And so does this: over lists alone it would have nothing to tell.
const REPORTS: &str = "reports";
/// Executions that are taken in one transaction.
const EXECUTIONS_PER_GROUP: usize = 5_000;
/// A replay has no clock that could call a row's time wrong.
const FAR_AHEAD: DateTime<Utc> = DateTime::from_timestamp(7_258_118_400, 0).expect("the year 2200");
/// Whoever owns one resource on every model when no directory is given.
const EVERYBODY: &str = "everybody";

/// What to replay.
#[derive(Debug, Args)]
pub struct Options {
    /// A folder of lists, each named by the time of its fetch: 2026-06-08T011159Z.json.
    #[arg(long, value_name = "DIR")]
    models: PathBuf,
    /// What ran, NDJSON as `POST /v1/executions` takes it, in time order.
    #[arg(long, value_name = "FILE")]
    executions: Option<PathBuf>,
    /// What accounts held, NDJSON `{"at","user","balance_usd"}`, in time order; without a user it is the platform's.
    #[arg(long, value_name = "FILE")]
    balances: Option<PathBuf>,
    /// Users and resources, NDJSON as `POST /v1/directory` takes it; else one user with a resource on every model.
    #[arg(long, value_name = "FILE")]
    directory: Option<PathBuf>,
    /// Plays until this time: what comes later is left out, and jobs go on when the files end earlier.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::parse_time)]
    until: Option<DateTime<Utc>>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a replay prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Ndjson,
    /// One readable line each, with why it was told.
    Text,
}

/// A list and when it was fetched.
type Capture = (DateTime<Utc>, PathBuf);

/// Replays and prints.
///
/// # Errors
/// When a file cannot be read, or the scratch database fails.
pub async fn run(options: &Options, config: Config, out: &mut impl Write) -> anyhow::Result<()> {
    let _in_turns = InTurns::begin();
    let mut inputs = Inputs::open(options)?;
    let Some(start) = inputs.next_at() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let clock = Arc::new(ManualClock::at(start));
    let context = Arc::new(context(config, folder.path(), Arc::clone(&clock)).await?);
    read_feeds(&context).await?;
    let lines = match &options.directory {
        Some(file) => read_lines(file)?,
        None => directory_of_everything(&inputs.captures)?,
    };
    let imported = directory::import(&context.db, &lines, start).await?;
    if let (Some((line, reason)), Some(file)) = (imported.rejected.first(), &options.directory) {
        let said = format!("{}:{line}: {reason} ({} lines are not usable)", file.display(), imported.rejected.len());
        if imported.accepted == 0 {
            bail!(said);
        }
        complain(&said);
    }
    let mut teller = Teller { context: Arc::clone(&context), format: options.format, last_mail: 0, out };
    play(&context, &clock, &mut inputs, options.until, &mut teller).await?;
    inputs.complain();
    Ok(())
}

/// What happens, in time order.
struct Inputs {
    captures: VecDeque<Capture>,
    executions: Option<Rows<Execution>>,
    balances: Option<Rows<Reading>>,
}

impl Inputs {
    fn open(options: &Options) -> anyhow::Result<Self> {
        let execution = |line: &str| {
            let execution = parse(line, FAR_AHEAD).map_err(|rejection| rejection.reason)?;
            Ok((execution.at, execution))
        };
        let until = options.until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut captures: VecDeque<Capture> = captures(&options.models)?.into();
        let last_list = captures.back().map_or(until, |(at, _)| *at);
        captures.retain(|(at, _)| *at <= until);
        let span = Span { until, last_list };
        Ok(Self {
            captures,
            executions: options.executions.as_deref().map(|file| Rows::open(file, span, execution)).transpose()?,
            balances: options.balances.as_deref().map(|file| Rows::open(file, span, balance)).transpose()?,
        })
    }

    /// When something happens next.
    fn next_at(&self) -> Option<DateTime<Utc>> {
        let executions = self.executions.as_ref().and_then(Rows::next_at);
        let balances = self.balances.as_ref().and_then(Rows::next_at);
        [self.captures.front().map(|(at, _)| *at), executions, balances].into_iter().flatten().min()
    }

    fn has_to_judge(&self) -> bool {
        self.executions.is_some() || self.balances.is_some()
    }

    fn complain(&self) {
        let complaints =
            [self.executions.as_ref().and_then(Rows::complaint), self.balances.as_ref().and_then(Rows::complaint)];
        complaints.iter().flatten().for_each(|complaint| complain(complaint));
    }
}

#[expect(clippy::print_stderr, reason = "what was left out is for people, beside the output")]
fn complain(what: &str) {
    eprintln!("openrouter-monitor: {what}");
}

/// Reads a row of balances.
fn balance(line: &str) -> Result<(DateTime<Utc>, Reading), String> {
    balances::parse(line).map(|reading| (reading.at, reading))
}

/// Feeds that are files are read before the first list: what they do not date is known from then on, and what they
/// date from its own day.
async fn read_feeds(context: &Arc<Context>) -> anyhow::Result<()> {
    let feeds = job::find("feeds").ok_or_else(|| anyhow!("there is no job that reads feeds"))?;
    match Runner::of(Arc::clone(context), &JOBS).run_now(feeds).await?.ended {
        Ended::Ok(_) => Ok(()),
        Ended::Failed(reason) | Ended::Retry(_, reason) => bail!("[feeds]: {reason}"),
    }
}

async fn context(mut config: Config, folder: &Path, clock: Arc<ManualClock>) -> anyhow::Result<Context> {
    config.feeds = config.feeds.only_files();
    // Nobody can be asked, and what accounts hold comes from the file.
    config.credit.enabled = false;
    // Nothing is sent in a replay, so nothing is stuck.
    config.rules.switch_off(Rule::MailStuck);
    // Alerts are shown as such, not once more for each channel.
    config.notify = config::notify::Notify::default();
    let metrics = Metrics::default();
    let db = Db::scratch(&folder.join("replay.db"), metrics.clone()).await?;
    let mailer = Mailer::in_memory(&config, Outlet::default())?;
    Ok(app::with_parts(config, db, metrics, clock, CancellationToken::new(), Client::captured(), mailer))
}

async fn play<W: Write>(
    context: &Arc<Context>,
    clock: &ManualClock,
    inputs: &mut Inputs,
    until: Option<DateTime<Utc>>,
    teller: &mut Teller<'_, W>,
) -> anyhow::Result<()> {
    let of_executions = [RULES, REPORTS].into_iter().filter(|_| inputs.has_to_judge());
    let names: Vec<&str> = JOBS.into_iter().chain(of_executions).collect();
    let runner = Runner::of(Arc::clone(context), &names);
    let mut taker = Taker { context, groups: Groups::new(Arc::clone(context)), market: Market::default() };
    let mut now = inputs.next_at().unwrap_or_default();
    let mut end = until.unwrap_or_default();
    loop {
        clock.set(now);
        taker.take(inputs, now).await?;
        runner.run_due().await;
        if context.doubts.take(now) {
            job::missing::tell(context, now).await.map_err(job::Error::into_inner)?;
        }
        while let Some((_, file)) = inputs.captures.pop_front_if(|(at, _)| *at <= now) {
            context.openrouter.put(std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?);
            runner.run_now(job::find("models").context("there is no job that fetches lists")?).await?;
            taker.market.refresh(context).await?;
        }
        end = std::cmp::max(end, now);
        let is_last = inputs.next_at().is_none();
        if is_last && inputs.has_to_judge() && end == now {
            // What ran last is judged as well, wherever the slot falls; where one fell just now, it was.
            match runner.run_now(job::find(RULES).context("there is no job that judges")?).await {
                Ok(_) | Err(NotRun::Held) => {}
                Err(error) => return Err(error.into()),
            }
        }
        teller.tell(now).await?;
        let next_job = runner.next_due(now).filter(|at| *at <= end || !is_last);
        let Some(next) = [next_job, inputs.next_at()].into_iter().flatten().min() else { return Ok(()) };
        // Rows wait for the job that looks at them, so that a job's step takes all that came since the one before.
        now = match (next_job, inputs.captures.front()) {
            (Some(job), Some((list, _))) => std::cmp::min(job, *list),
            (Some(job), None) => job,
            (None, _) => next,
        };
    }
}

/// Takes in what ran and what accounts held.
struct Taker<'a> {
    context: &'a Arc<Context>,
    groups: Groups,
    market: Market,
}

impl Taker<'_> {
    async fn take(&mut self, inputs: &mut Inputs, until: DateTime<Utc>) -> anyhow::Result<()> {
        if let Some(rows) = &mut inputs.executions {
            let market = self.market.now();
            loop {
                let mut executions = rows.take_until(until, EXECUTIONS_PER_GROUP)?;
                if executions.is_empty() {
                    break;
                }
                for execution in &mut executions {
                    market.prices.complete(execution);
                }
                self.groups.write(&[&executions]).await?;
            }
        }
        if let Some(rows) = &mut inputs.balances {
            let readings = rows.take_until(until, usize::MAX)?;
            if !readings.is_empty() {
                balances::keep(&self.context.db, &readings).await?;
            }
        }
        Ok(())
    }
}

/// The lists of a folder by time; the name may go on behind the time.
fn captures(folder: &Path) -> anyhow::Result<Vec<Capture>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("--models: {} cannot be read", folder.display()))?;
    let mut captures = Vec::new();
    for entry in entries {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if file.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let time = name.get(..18).and_then(|stamp| NaiveDateTime::parse_from_str(stamp, "%Y-%m-%dT%H%M%SZ").ok());
        let time = time.ok_or_else(|| {
            anyhow!("--models: the name of {name} does not begin with a time like 2026-06-08T011159Z")
        })?;
        captures.push((time.and_utc(), file));
    }
    captures.sort();
    // Those of one second were fetched one after the other.
    for place in 1..captures.len() {
        captures[place].0 = std::cmp::max(captures[place].0, captures[place - 1].0 + TimeDelta::milliseconds(1));
    }
    if captures.is_empty() {
        bail!("--models: there is no list (*.json) in {}", folder.display());
    }
    Ok(captures)
}

fn read_lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// One user with one resource on every model that any of the lists has.
fn directory_of_everything(captures: &VecDeque<Capture>) -> anyhow::Result<Vec<String>> {
    let mut ids = BTreeSet::new();
    for (at, file) in captures {
        let body = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        // A list that is no list is the job's to refuse.
        if let Ok(page) = Page::parse(&body, *at) {
            ids.extend(page.catalog.models.into_keys());
        }
    }
    let user = json!({"user": {"id": EVERYBODY, "email": "everybody@replay.invalid"}});
    let resources =
        ids.iter().map(|id| json!({"resource": {"id": format!("on {id}"), "user": EVERYBODY, "model": id}}));
    Ok(std::iter::once(user).chain(resources).map(|line| line.to_string()).collect())
}

/// Prints what a step did.
struct Teller<'a, W> {
    context: Arc<Context>,
    format: Format,
    last_mail: i64,
    out: &'a mut W,
}

impl<W: Write> Teller<'_, W> {
    async fn tell(&mut self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let mut tx = self.context.db.read().await?;
        let changes = store::changes::since(&mut tx, now, None).await?;
        let incidents = store::incidents::touched_since(&mut tx, now).await?;
        let mails = store::outbox::written_after(&mut tx, self.last_mail).await?;
        drop(tx);
        for change in changes {
            let object = json!({"type": "change", "at": stamp(change.at), "model": change.model, "kind": change.kind.as_str(),
                "before": change.before, "after": change.after});
            self.print(&object, &format!("{:20} {}: {}", change.kind.as_str(), change.model, change.describe()))?;
        }
        for row in incidents {
            let state = row.phase.as_str();
            let (value, threshold) = row.finding.as_ref().map(|found| (found.value, found.threshold)).unzip();
            let object = json!({"type": "alert", "at": stamp(now), "rule": row.rule, "subject": row.subject,
                "state": state, "value": value, "threshold": threshold, "incident": row.id});
            let step = if row.phase == Phase::Resolved { Step::Resolved } else { Step::First };
            let detail = row.evaluated().map_or(row.detail, |incident| alert::summary(&incident, step, now));
            self.print(&object, &format!("{:20} {} {state}: {detail}", row.rule.as_str(), row.subject.id()))?;
        }
        for mail in mails {
            self.last_mail = mail.id;
            // What is folded is told by the day's digest.
            if mail.state != "folded" {
                self.tell_mail(&mail)?;
            }
        }
        Ok(())
    }

    fn tell_mail(&mut self, mail: &Row) -> anyhow::Result<()> {
        let object = json!({"type": "mail", "at": stamp(mail.created_at), "kind": mail.kind, "to": mail.recipient, "user": mail.user,
            "subject": mail.subject, "models": mail.about.models, "resources": mail.about.resources,
            "incident": mail.about.incident, "why": mail.about.why});
        let mut text = format!("mail {:15} to {}: {}", mail.kind, mail.recipient, mail.subject);
        for why in &mail.about.why {
            text.extend(["\n", &" ".repeat(22), "because ", why]);
        }
        self.print(&object, &text)
    }

    fn print(&mut self, object: &Value, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Ndjson => writeln!(self.out, "{object}")?,
            Format::Text => writeln!(self.out, "{} {text}", object["at"].as_str().unwrap_or_default())?,
        }
        Ok(())
    }
}

/// A time as RFC 3339, to the second.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
