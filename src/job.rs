//! Jobs: what runs on a schedule. A run is a slot claimed in the database; see [`runner`].

mod credit;
pub mod deliver;
mod digest;
pub mod doubt;
mod feeds;
pub(crate) mod missing;
mod models;
pub(crate) mod notices;
mod prune;
mod pull;
mod reports;
mod rules;
pub mod runner;
mod stale;
mod timetable;
mod user_digest;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::channel::Channel;
use crate::mail::notice::Sender;
use crate::mail::render::Renderer;
use crate::mail::transport::Mailer;
use crate::metrics::Metrics;
use crate::notify;
use crate::openrouter::Client;
use crate::store::outbox::Mail;
use crate::store::{self, Db, Tx, post};
use crate::vault::Vault;

/// One row of [`JOBS`]: everything the runner must know of a job.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in the configuration, the metrics and the store.
    pub name: &'static str,
    /// What it does, for people.
    pub what: &'static str,
    /// How long an attempt may take; its lease is a little longer.
    pub timeout: TimeDelta,
    /// How often a slot is tried before it counts as failed.
    pub attempts: i64,
    /// Does the work of the slot that is due.
    pub run: fn(Arc<Context>) -> Run,
}

/// The work of an attempt; gives a summary.
pub type Run = Pin<Box<dyn Future<Output = Result<String, Error>> + Send>>;

/// All jobs, in the order in which they run when several are due.
pub const JOBS: &[Spec] = &[
    pull::SPEC,
    models::SPEC,
    models::RECHECK,
    feeds::SPEC,
    notices::SPEC,
    digest::SPEC,
    reports::SPEC,
    credit::SPEC,
    rules::SPEC,
    user_digest::SPEC,
    prune::SPEC,
];

/// The job of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    JOBS.iter().find(|spec| spec.name == name)
}

/// Why an attempt failed.
#[derive(Debug)]
pub enum Error {
    /// Another attempt may succeed; not before the given wait, if there is one.
    Retry(anyhow::Error, Option<TimeDelta>),
    /// It would fail the same way.
    Fail(anyhow::Error),
}

impl Error {
    /// What happened, without whether to try again.
    #[must_use]
    pub fn into_inner(self) -> anyhow::Error {
        match self {
            Self::Retry(error, _) | Self::Fail(error) => error,
        }
    }
}

impl From<crate::store::Error> for Error {
    fn from(error: crate::store::Error) -> Self {
        if error.is_transient() { Self::Retry(error.into(), None) } else { Self::Fail(error.into()) }
    }
}

impl From<crate::mail::render::Error> for Error {
    fn from(error: crate::mail::render::Error) -> Self {
        Self::Fail(error.into())
    }
}

/// The settings in force; they change when the configuration is read again.
#[derive(Debug)]
pub struct Settings(RwLock<Arc<Config>>);

impl Settings {
    /// Puts a configuration in force.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    /// The configuration in force.
    #[must_use]
    pub fn get(&self) -> Arc<Config> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces it.
    pub fn set(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// What jobs work with.
#[derive(Debug)]
pub struct Context {
    /// The store.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The settings.
    pub settings: Settings,
    /// OpenRouter.
    pub openrouter: Client,
    /// Users' keys.
    pub vault: Vault,
    /// The feeds of vendors.
    pub feeds: crate::feeds::Client,
    /// The metrics.
    pub metrics: Metrics,
    /// The templates.
    pub renderer: Renderer,
    /// The way out for mails; replaced when the configuration is read again.
    pub mailer: RwLock<Mailer>,
    /// Wakes the delivery when mails were enqueued.
    pub mail_waits: Notify,
    /// The same for each of [`Channel::NOTICES`], in that order.
    pub notice_waits: [Notify; 3],
    /// The way out for notices.
    pub notifier: notify::Sender,
    /// Whether executions fail as those on a model that is not there.
    pub doubts: doubt::Doubts,
    /// Asks everything to end.
    pub stop: CancellationToken,
}

impl Context {
    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The mailer in force.
    #[must_use]
    pub fn mailer(&self) -> Mailer {
        self.mailer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What mails need to know of this daemon.
    #[must_use]
    pub fn sender(&self) -> Sender {
        let config = self.settings.get();
        let address = crate::mail::compose::mailbox(&config.mail.from);
        Sender {
            domain: address.map_or_else(|_| "localhost".to_owned(), |from| from.email.domain().to_owned()),
            public_url: config.http.public_url.clone(),
            model_link: config.links.model.clone(),
        }
    }

    /// Enqueues a mail or a notice as its recipient wants it; says whether it is new. See [`post::post`].
    ///
    /// # Errors
    /// When the database fails or holds what cannot be read.
    pub async fn post(&self, tx: &mut Tx, mail: &Mail, now: DateTime<Utc>) -> store::Result<bool> {
        post::post(tx, mail, self.settings.get().mail.per_user_daily, now).await
    }

    /// Wakes the delivery by a channel.
    pub(super) fn waits(&self, channel: Channel) -> &Notify {
        let place = Channel::NOTICES.iter().position(|notice| *notice == channel);
        place.map_or(&self.mail_waits, |place| &self.notice_waits[place])
    }

    /// Counts mails that a committed transaction enqueued, and wakes the delivery.
    pub fn enqueued<'a>(&self, kinds: impl Iterator<Item = &'a str>) {
        for kind in kinds {
            self.metrics.mail.with_label_values(&[kind, "enqueued"]).inc();
        }
        for channel in Channel::ALL {
            self.waits(channel).notify_one();
        }
    }
}
