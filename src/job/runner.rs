//! Runs jobs: finds the slot that is due, claims it, does the work under a time limit, records how it ended.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;

use super::timetable::Timetable;
use super::{Context, Error, JOBS, Spec, stale};
use crate::domain::schedule::retry_delay;
use crate::store::runs::{self, Ended};
use crate::store::{self};

/// How much longer the lease of a slot lasts than the attempt may take.
const LEASE_MARGIN: TimeDelta = TimeDelta::minutes(1);
/// How long an attempt may go on once the daemon is asked to stop; then it is dropped and its slot handed back.
const STOP_GRACE: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a slot that is held or waits is left alone before the database is asked again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(15);

/// A slot that was looked at, and when it is worth another look.
type Look = (DateTime<Utc>, Option<DateTime<Utc>>);

/// Runs what is due.
#[derive(Debug)]
pub struct Runner {
    context: Arc<Context>,
    jobs: Vec<&'static Spec>,
    timetable: Timetable,
    /// For each job: the slot last looked at, and before when there is no use in looking at it again.
    looked_at: Mutex<HashMap<&'static str, Look>>,
}

/// How an attempt ended, for those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The job.
    pub job: &'static str,
    /// How it ended.
    pub ended: Ended,
}

/// Why a job did not run.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// Somebody else holds its slot.
    #[error("the job is running elsewhere")]
    Held,
    /// Its slot could not be claimed.
    #[error("the store does not take the run: {0}")]
    Store(#[from] store::Error),
}

/// A time at which a job runs.
#[derive(Clone, Copy, Debug)]
struct Slot {
    at: DateTime<Utc>,
    /// Somebody looks at it again: it can be tried again, and a failure for good is for the admins.
    is_scheduled: bool,
}

impl Runner {
    /// A runner of all jobs.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        for spec in JOBS {
            context.metrics.begin_job(spec.name);
        }
        Self { context, jobs: JOBS.iter().collect(), timetable: Timetable::default(), looked_at: Mutex::default() }
    }

    /// A runner of some jobs.
    #[must_use]
    pub fn of(context: Arc<Context>, names: &[&str]) -> Self {
        let jobs = JOBS.iter().filter(|spec| names.contains(&spec.name)).collect();
        Self { context, jobs, timetable: Timetable::default(), looked_at: Mutex::default() }
    }

    /// Starts what is due, each job as a task of its own.
    pub fn spawn_due(self: &Arc<Self>, tasks: &TaskTracker) {
        for spec in &self.jobs {
            let Some(slot) = self.slot_worth_a_look(spec) else { continue };
            let (runner, spec) = (Arc::clone(self), *spec);
            tasks.spawn(async move { runner.run_slot(spec, slot).await });
        }
    }

    /// Runs what is due, one after the other.
    pub async fn run_due(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        for spec in &self.jobs {
            if let Some(slot) = self.slot_worth_a_look(spec) {
                reports.extend(self.run_slot(spec, slot).await);
            }
        }
        reports
    }

    /// Runs a job now, once, in a slot of its own.
    ///
    /// # Errors
    /// When the slot cannot be had; how the job ended is in the report.
    pub async fn run_now(&self, spec: &'static Spec) -> Result<Report, NotRun> {
        let slot = Slot { at: self.context.now(), is_scheduled: false };
        let attempt = self.claim(spec, slot.at).await?.ok_or(NotRun::Held)?;
        Ok(self.attempt(spec, slot, attempt).await)
    }

    /// When a job is due next, be it by its schedule or because a failed slot is tried again.
    #[must_use]
    pub fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let config = self.context.settings.get();
        let retries = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let retries = retries.values().filter_map(|(_, again)| *again).collect::<Vec<_>>();
        let scheduled = self.jobs.iter().filter_map(|spec| Some(self.timetable.around(&config, spec.name, now)?.next));
        scheduled.chain(retries).filter(|at| *at > now).min()
    }

    fn slot_worth_a_look(&self, spec: &Spec) -> Option<DateTime<Utc>> {
        let now = self.context.now();
        let slot = self.timetable.around(&self.context.settings.get(), spec.name, now)?.slot;
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match looked_at.get(spec.name) {
            Some((seen, again)) if *seen == slot => again.is_some_and(|again| again <= now),
            _ => true,
        };
        // Nobody looks again while the attempt that is now begun can run; one that broke off is found when it ends.
        due.then(|| {
            looked_at.insert(spec.name, (slot, Some(now + spec.timeout + LEASE_MARGIN)));
            slot
        })
    }

    fn look_again(&self, spec: &Spec, slot: DateTime<Utc>, at: Option<DateTime<Utc>>) {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).insert(spec.name, (slot, at));
    }

    async fn run_slot(&self, spec: &'static Spec, slot: DateTime<Utc>) -> Option<Report> {
        match self.claim(spec, slot).await {
            Ok(Some(attempt)) => Some(self.attempt(spec, Slot { at: slot, is_scheduled: true }, attempt).await),
            Ok(None) => {
                self.wait_for_other(spec, slot).await;
                None
            }
            Err(error) => {
                tracing::warn!(job.name = spec.name, %error, "the slot could not be claimed");
                self.look_again(spec, slot, Some(self.context.now() + LOOK_AGAIN));
                None
            }
        }
    }

    async fn claim(&self, spec: &Spec, slot: DateTime<Utc>) -> store::Result<Option<i64>> {
        let now = self.context.now();
        let mut tx = self.context.db.write().await?;
        let attempt = runs::claim(&mut tx, spec.name, slot, now, now + spec.timeout + LEASE_MARGIN).await?;
        tx.commit().await?;
        Ok(attempt)
    }

    /// Somebody else has the slot, or it waits for its next attempt, or it is done: then nobody looks again.
    async fn wait_for_other(&self, spec: &Spec, slot: DateTime<Utc>) {
        let due_at = async {
            let mut tx = self.context.db.read().await?;
            runs::due_at(&mut tx, spec.name, slot).await
        };
        let again = match due_at.await {
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => Some(self.context.now() + LOOK_AGAIN),
        };
        self.look_again(spec, slot, again);
    }

    async fn attempt(&self, spec: &'static Spec, slot: Slot, attempt: i64) -> Report {
        let began = std::time::Instant::now();
        let result = self.work(spec).await;
        let ended = self.judge(spec, slot, attempt, result);
        let (label, again) = match &ended {
            Ended::Ok(summary) => {
                tracing::info!(job.name = spec.name, slot = %slot.at, summary, "job done");
                ("ok", None)
            }
            Ended::Retry(at, error) => {
                tracing::warn!(job.name = spec.name, slot = %slot.at, attempt, error, next_attempt = %at, "job failed, will be tried again");
                ("retry", Some(*at))
            }
            Ended::Failed(error) => {
                tracing::error!(job.name = spec.name, slot = %slot.at, attempt, error, "job failed");
                ("failed", None)
            }
        };
        let metrics = &self.context.metrics;
        metrics.job_runs.with_label_values(&[spec.name, label]).inc();
        metrics.job_duration.with_label_values(&[spec.name]).observe(began.elapsed().as_secs_f64());
        if let Err(error) = self.record(spec, slot, attempt, &ended).await {
            let error = format!("{:#}", error.into_inner());
            tracing::warn!(
                job.name = spec.name,
                error,
                "how the job ended could not be recorded; its lease will run out"
            );
        }
        if slot.is_scheduled {
            self.look_again(spec, slot.at, again);
        }
        Report { job: spec.name, ended }
    }

    /// Does the work as a task of its own, so that a panic ends the attempt and nothing else.
    async fn work(&self, spec: &'static Spec) -> Result<String, Error> {
        let work = (spec.run)(Arc::clone(&self.context));
        let limit = spec.timeout.to_std().unwrap_or_default();
        let guarded = CatchPanic(AssertUnwindSafe(work));
        let stopped = async {
            self.context.stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            ended = tokio::time::timeout(limit, guarded) => match ended {
                Ok(Some(result)) => result,
                Ok(None) => Err(Error::Fail(anyhow::anyhow!("the job panicked"))),
                Err(_) => Err(Error::Retry(anyhow::anyhow!("not done within {} s", limit.as_secs()), None)),
            },
            () = stopped => Err(Error::Retry(anyhow::anyhow!("stopped with the daemon"), None)),
        }
    }

    fn judge(&self, spec: &Spec, slot: Slot, attempt: i64, result: Result<String, Error>) -> Ended {
        match result {
            Ok(summary) => Ended::Ok(summary),
            Err(error) if !slot.is_scheduled => Ended::Failed(format!("{:#}", error.into_inner())),
            // Who was asked to stop hands the slot back: whoever starts next takes it up at once.
            Err(Error::Retry(error, _)) if self.context.stop.is_cancelled() => {
                Ended::Retry(self.context.now(), format!("{error:#}"))
            }
            Err(Error::Retry(error, wait)) if attempt < spec.attempts => {
                let (now, delay) = (
                    self.context.now(),
                    retry_delay(u32::try_from(attempt).unwrap_or(u32::MAX), salt(spec.name, slot.at)),
                );
                let asked = wait.and_then(|wait| now.checked_add_signed(wait)).unwrap_or(now);
                Ended::Retry(std::cmp::max(now + delay, asked), format!("{error:#}"))
            }
            Err(Error::Retry(error, _) | Error::Fail(error)) => Ended::Failed(format!("{error:#}")),
        }
    }

    /// Records how an attempt ended, and enqueues in the same transaction what the admins must hear of it.
    async fn record(&self, spec: &Spec, slot: Slot, attempt: i64, ended: &Ended) -> Result<(), Error> {
        let mut tx = self.context.db.write().await?;
        let failing_since = runs::failing_since(&mut tx, spec.name).await?;
        if !runs::finish(&mut tx, spec.name, slot.at, attempt, ended, self.context.now()).await? {
            tx.abandon();
            return Ok(());
        }
        // Who runs a job by hand sees by themselves that it fails.
        let is_news = match ended {
            Ended::Ok(_) => failing_since.is_some(),
            Ended::Failed(_) => slot.is_scheduled,
            Ended::Retry(..) => false,
        };
        let kinds = if is_news {
            stale::tell(&self.context, &mut tx, spec, failing_since.unwrap_or(slot.at), ended).await?
        } else {
            Vec::new()
        };
        tx.commit().await?;
        self.context.enqueued(kinds.iter().map(String::as_str));
        Ok(())
    }
}

/// Spreads retries, the same way each time.
fn salt(job: &str, slot: DateTime<Utc>) -> u64 {
    let digest = Sha256::digest(format!("{job} {}", slot.timestamp()));
    u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
}

/// A future that ends with `None` when the inner one panics.
struct CatchPanic(AssertUnwindSafe<super::Run>);

impl std::future::Future for CatchPanic {
    type Output = Option<Result<String, Error>>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    }
}
