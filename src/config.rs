//! The configuration: sections, defaults, and what must be true of them. [`load`] reads it.

pub mod credit;
pub mod feeds;
pub mod keys;
pub mod load;
pub mod models;
pub mod notify;
pub mod rules;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use chrono_tz::Tz;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::domain::schedule::Schedule;
use crate::feeds::Feed;

pub use models::Models;

/// Everything that can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where state is kept.
    pub store: Store,
    /// What the daemon listens on.
    pub http: Http,
    /// Where OpenRouter is.
    pub openrouter: OpenRouter,
    /// When an absence is a removal.
    pub models: Models,
    /// Where announcements of vendors are read from.
    pub feeds: feeds::Feeds,
    /// How mails are sent, and who the admins are.
    pub mail: Mail,
    /// What seals users' keys.
    pub keys: keys::Keys,
    /// How keys and accounts are asked what they hold.
    pub credit: credit::Credit,
    /// When each rule holds.
    pub rules: rules::Rules,
    /// Where alerts go beside mail.
    pub notify: notify::Notify,
    /// What is read from the platform's own database.
    pub pull: Pull,
    /// When each job runs.
    pub jobs: Jobs,
    /// Addresses that mails and pages link to.
    pub links: Links,
    /// How long things are kept.
    pub retention: Retention,
    /// What is logged.
    pub log: Log,
}

/// A hundred years.
const DAYS_MAX: u64 = 36_500;

/// `[store]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; a file in the state directory when not set.
    #[serde(serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// Where the daemon keeps what is its own; `$STATE_DIRECTORY`, or a folder of the user's, when not set.
    pub state_directory: Option<PathBuf>,
}

/// `[http]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where users reach the daemon; mails carry unsubscribe links only when it is set.
    pub public_url: Option<String>,
    /// What `/metrics` asks for as a bearer token; open when not set.
    #[serde(serialize_with = "masked")]
    pub metrics_token: Option<SecretString>,
}

/// `[openrouter]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenRouter {
    /// The API.
    pub base_url: String,
    /// A management key of the platform's own account: with it its credit is watched, and Broadcast can be connected.
    #[serde(serialize_with = "masked")]
    pub management_key: Option<SecretString>,
    /// How long a call may take, in seconds.
    pub timeout_seconds: u64,
}

/// `[mail]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `smtps://USER:PASSWORD@HOST`, `smtp://HOST:PORT?tls=required` …; mails become files when not set.
    #[serde(serialize_with = "masked")]
    pub smtp_url: Option<SecretString>,
    /// A PEM file with a CA to trust beside the public ones.
    pub smtp_ca_file: Option<PathBuf>,
    /// Where `.eml` files go without SMTP; `mails` in the state directory when not set.
    pub directory: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// Who gets what admins get, beside the directory's admins.
    pub admins: Vec<String>,
    /// Connections to the SMTP server at a time.
    pub connections: u32,
    /// How long the delivery of one mail may take, in seconds.
    pub timeout_seconds: u64,
    /// Mails that a user gets by themselves on one of their days; what exceeds them and is not urgent waits for the
    /// day's digest.
    pub per_user_daily: u32,
}

/// `[pull]`: each query takes a cursor as the text `$1` and gives two columns of text: the cursor to go on from, and a
/// row as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pull {
    /// `postgres://USER:PASSWORD@HOST/DATABASE`; nothing is read when not set.
    #[serde(serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// Gives rows as `POST /v1/executions` takes them.
    pub executions: Option<String>,
    /// Gives rows as `POST /v1/directory` takes them.
    pub directory: Option<String>,
}

/// `[jobs]`: a cron line and a zone each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// Reads the platform's own database.
    pub pull: Job,
    /// Fetches the list.
    pub models: Job,
    /// Fetches it again while something in use is in doubt.
    pub models_recheck: Job,
    /// Reads what vendors announced.
    pub feeds: Job,
    /// Tells users what is due by the calendar.
    pub notices: Job,
    /// Tells admins what changed.
    pub digest: Job,
    /// Tells users and admins what the week cost.
    pub reports: Job,
    /// Asks what keys and accounts hold and spent.
    pub credit: Job,
    /// Evaluates the rules.
    pub rules: Job,
    /// Tells users what exceeded their daily number of mails.
    pub user_digest: Job,
    /// Forgets what is old.
    pub prune: Job,
}

/// `[jobs.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Job {
    /// `minute hour day month weekday`.
    pub cron: String,
    /// The zone whose clock the line means.
    pub zone: Tz,
}

/// `[links]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// A model's page, with `{id}` for its id.
    pub model: String,
}

/// `[retention]`, in days.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Delivered mails.
    pub mails_days: u32,
    /// Fetched lists.
    pub lists_days: u32,
    /// Runs of jobs.
    pub runs_days: u32,
    /// Executions one by one.
    pub executions_days: u32,
    /// Their sums by quarter of an hour; sums by day are kept for ever.
    pub quarters_days: u32,
    /// Incidents and silences that are over.
    pub incidents_days: u32,
    /// What accounts held, but for the last reading of each.
    pub balances_days: u32,
    /// Who had users' keys in hand.
    pub key_access_days: u32,
    /// What OpenRouter counted on keys, but for the last count of each.
    pub key_usage_days: u32,
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `info`, `debug` …, or `target=level` pairs separated by commas.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9787)), public_url: None, metrics_token: None }
    }
}

impl Default for OpenRouter {
    fn default() -> Self {
        Self { base_url: "https://openrouter.ai/api/v1".to_owned(), management_key: None, timeout_seconds: 30 }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            smtp_url: None,
            smtp_ca_file: None,
            directory: None,
            from: "openrouter-monitor <openrouter-monitor@localhost>".to_owned(),
            admins: Vec::new(),
            connections: 4,
            timeout_seconds: 60,
            per_user_daily: 5,
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            pull: Job::at("* * * * *"),
            models: Job::at("17 3 * * *"),
            models_recheck: Job::at("43 * * * *"),
            feeds: Job::at("37 5 * * *"),
            notices: Job::at("0 6 * * *"),
            digest: Job::at("0 7 * * *"),
            reports: Job::at("0 8 * * 1"),
            credit: Job::at("* * * * *"),
            rules: Job::at("*/5 * * * *"),
            user_digest: Job::at("5 * * * *"),
            prune: Job::at("30 4 * * *"),
        }
    }
}

impl Default for Job {
    fn default() -> Self {
        Self::at("0 0 * * *")
    }
}

impl Job {
    fn at(cron: &str) -> Self {
        Self { cron: cron.to_owned(), zone: Tz::UTC }
    }
}

impl Default for Links {
    fn default() -> Self {
        Self { model: "https://openrouter.ai/{id}".to_owned() }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            mails_days: 90,
            lists_days: 400,
            runs_days: 30,
            executions_days: 30,
            quarters_days: 400,
            incidents_days: 400,
            balances_days: 400,
            key_access_days: 90,
            key_usage_days: 30,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl Config {
    /// Says everything that is wrong, as path and reason.
    #[must_use]
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut check = |path: &str, result: Result<(), String>| {
            if let Err(reason) = result {
                found.push((path.to_owned(), reason));
            }
        };
        if let Some(url) = &self.store.url {
            check("store.url", check_store(url.expose_secret()));
        }
        if let Some(url) = &self.http.public_url {
            check("http.public_url", check_http(url));
        }
        check("openrouter.base_url", check_http(&self.openrouter.base_url));
        check("openrouter.timeout_seconds", in_range(self.openrouter.timeout_seconds, 1, 600));
        if let Some(url) = &self.mail.smtp_url {
            check("mail.smtp_url", check_smtp(url.expose_secret()));
        }
        if let Some(url) = &self.pull.url {
            check("pull.url", check_platform(url.expose_secret()));
        }
        for (name, query) in [("executions", &self.pull.executions), ("directory", &self.pull.directory)] {
            check(&format!("pull.{name}"), query.as_deref().map_or(Ok(()), check_query));
        }
        for (path, result) in self.credit.problems() {
            check(path, result);
        }
        for (path, result) in self.rules.problems() {
            check(&path, result);
        }
        check("mail.from", check_address(&self.mail.from));
        for admin in &self.mail.admins {
            check("mail.admins", check_address(admin));
        }
        check("mail.connections", in_range(u64::from(self.mail.connections), 1, 100));
        check("mail.timeout_seconds", in_range(self.mail.timeout_seconds, 1, 600));
        check("mail.per_user_daily", in_range(u64::from(self.mail.per_user_daily), 1, 1000));
        for (path, result) in self.notify.check() {
            check(&path, result);
        }
        for (name, job) in self.jobs.all() {
            check(&format!("jobs.{name}.cron"), Schedule::parse(&job.cron, job.zone).map(drop));
        }
        for (name, days) in [
            ("mails_days", self.retention.mails_days),
            ("lists_days", self.retention.lists_days),
            ("runs_days", self.retention.runs_days),
            ("executions_days", self.retention.executions_days),
            ("quarters_days", self.retention.quarters_days),
            ("incidents_days", self.retention.incidents_days),
            ("balances_days", self.retention.balances_days),
            ("key_access_days", self.retention.key_access_days),
            ("key_usage_days", self.retention.key_usage_days),
        ] {
            check(&format!("retention.{name}"), in_range(u64::from(days), 1, DAYS_MAX));
        }
        check("links.model", check_http(&self.links.model.replace("{id}", "a/b")));
        check("log.level", check_level(&self.log.level));
        found.extend(self.feeds.problems());
        found.extend(self.models.problems());
        found.extend(self.keys.problems());
        found
    }

    /// The setting of a job; `None` for a name that is none, and for a job that has nothing to do.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        let idle = match name {
            "pull" => self.pull.url.is_none(),
            "credit" => !self.credit.enabled,
            "feeds" => Feed::ALL.iter().all(|feed| self.feeds.places(*feed).is_empty()),
            _ => false,
        };
        self.jobs.all().get(name).copied().filter(|_| !idle)
    }

    /// When a job runs; `None` as [`Self::job`] has it.
    #[must_use]
    pub fn schedule(&self, job: &str) -> Option<Schedule> {
        self.job(job)?.schedule()
    }

    /// Where the daemon keeps what is its own.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.store.state_directory.clone().unwrap_or_else(|| PathBuf::from("state"))
    }

    /// The address of the database.
    #[must_use]
    pub fn store_url(&self) -> String {
        match &self.store.url {
            Some(url) => url.expose_secret().to_owned(),
            None => format!("sqlite:{}", self.state_directory().join("monitor.db").display()),
        }
    }

    /// The database without anything secret, for people.
    #[must_use]
    pub fn store_name(&self) -> String {
        let address = self.store_url();
        match url::Url::parse(&address) {
            Ok(url) if url.has_host() => {
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
            _ => address,
        }
    }

    /// Where `.eml` files go.
    #[must_use]
    pub fn mail_directory(&self) -> PathBuf {
        self.mail.directory.clone().unwrap_or_else(|| self.state_directory().join("mails"))
    }
}

impl Jobs {
    /// Name and setting of each job.
    #[must_use]
    pub fn all(&self) -> BTreeMap<&'static str, &Job> {
        BTreeMap::from([
            ("pull", &self.pull),
            ("models", &self.models),
            ("models_recheck", &self.models_recheck),
            ("feeds", &self.feeds),
            ("notices", &self.notices),
            ("digest", &self.digest),
            ("reports", &self.reports),
            ("credit", &self.credit),
            ("rules", &self.rules),
            ("user_digest", &self.user_digest),
            ("prune", &self.prune),
        ])
    }
}

impl Job {
    /// When it runs; `None` when the line is none, which a configuration that was checked does not have.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule> {
        Schedule::parse(&self.cron, self.zone).ok()
    }
}

/// Shows that a secret is set and nothing of it.
#[expect(clippy::ref_option, reason = "serde calls it so")]
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some("********"),
        None => serializer.serialize_none(),
    }
}

fn check_store(url: &str) -> Result<(), String> {
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err("is neither sqlite:PATH nor postgres://USER@HOST/DATABASE".to_owned()) }
}

/// Never repeats the address: it may carry a password.
fn check_platform(url: &str) -> Result<(), String> {
    let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if known { Ok(()) } else { Err("is not postgres://USER:PASSWORD@HOST/DATABASE".to_owned()) }
}

fn check_query(query: &str) -> Result<(), String> {
    let takes_cursor = query.contains("$1");
    if takes_cursor { Ok(()) } else { Err("the query does not use the cursor $1, so it would never end".to_owned()) }
}

fn check_http(url: &str) -> Result<(), String> {
    match url::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) && parsed.has_host() => Ok(()),
        Ok(_) => Err(format!("{url:?} is not an http or https address")),
        Err(error) => Err(format!("{url:?} is not an address: {error}")),
    }
}

/// Never repeats the address: it may carry a password.
fn check_smtp(url: &str) -> Result<(), String> {
    match url::Url::parse(url) {
        Ok(parsed) if ["smtp", "smtps"].contains(&parsed.scheme()) && parsed.has_host() => Ok(()),
        _ => Err("is not smtps://USER:PASSWORD@HOST or smtp://HOST:PORT?tls=required".to_owned()),
    }
}

fn check_address(address: &str) -> Result<(), String> {
    address.parse::<Mailbox>().map(drop).map_err(|error| format!("{address:?} is not a mail address: {error}"))
}

fn check_level(level: &str) -> Result<(), String> {
    level
        .parse::<tracing_subscriber::filter::Targets>()
        .map(drop)
        .map_err(|error| format!("{level:?} is not a log level: {error}"))
}

fn in_range(value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("{value} is not between {least} and {most}")) }
}
