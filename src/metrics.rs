//! Every metric: name, help, labels, buckets. What a dashboard or a rule names exists from the first scrape on.

mod cap;
mod credit;
mod feeds;
mod usage;

use std::sync::Arc;

use prometheus::{
    Counter, Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::domain::alert::Rule;
use crate::domain::catalog::Refusal;
use crate::domain::change::ChangeKind;
use crate::domain::channel::Channel;
use crate::domain::incident::Phase;
use crate::domain::key::KeyStatus;
use crate::domain::mail_kind::MailKind;

pub use cap::{Cap, OTHER};
pub use credit::{ACCOUNT_SERIES_MAX, Credit, KEY_AGES, PLATFORM};
pub use feeds::Feeds;
pub use usage::{ERROR_KINDS, SPEND_WINDOWS, USER_SERIES_MAX, Usage, dollars};

/// States of a model, as `openrouter_models` has them; they exclude each other.
pub const MODEL_STATES: [&str; 5] = ["active", "deprecated", "missing", "unlisted", "removed"];
/// Models with a date that get a series of their own, the soonest first; a platform has a few dozen at a time.
pub const EXPIRY_SERIES_MAX: usize = 50;

const REQUEST_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const TRANSACTION_SECONDS: [f64; 9] = [0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
const JOB_SECONDS: [f64; 8] = [0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0];

/// The registry and a handle on each metric; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl std::ops::Deref for Metrics {
    type Target = Families;
    fn deref(&self) -> &Families {
        &self.0
    }
}

/// The metrics, by what they are about.
#[expect(missing_docs, reason = "each metric's help text stands where it is made")]
pub struct Families {
    registry: Registry,
    pub models: IntGaugeVec,
    pub models_in_use: IntGaugeVec,
    pub model_changes: IntCounterVec,
    pub model_expiry: GaugeVec,
    pub usage: Usage,
    pub credit: Credit,
    pub alerts: IntGaugeVec,
    pub list_accepted: Gauge,
    pub list_models: IntGauge,
    pub list_rejected: IntGauge,
    pub list_refused: IntCounterVec,
    pub feeds: Feeds,
    pub job_runs: IntCounterVec,
    pub job_duration: HistogramVec,
    pub job_last_success: GaugeVec,
    pub job_period: GaugeVec,
    pub mail: IntCounterVec,
    pub mail_queue: IntGaugeVec,
    pub mail_oldest_pending: Gauge,
    pub mail_suppressed: IntGauge,
    pub keys_in_doubt: IntGaugeVec,
    pub http_duration: HistogramVec,
    pub openrouter_requests: IntCounterVec,
    pub store_transactions: IntCounterVec,
    pub store_duration: HistogramVec,
    pub store_size: IntGauge,
    process: Process,
}

struct Process {
    resident: IntGauge,
    cpu: Counter,
    open_fds: IntGauge,
}

/// Registers what it makes.
struct Maker(Registry);

impl Maker {
    fn keep<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels are constants of the right form");
        self.0.register(Box::new(collector.clone())).expect("each name is registered once");
        collector
    }
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }
    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.keep(GaugeVec::new(Opts::new(name, help), labels))
    }
    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }
    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.keep(Gauge::new(name, help))
    }
    fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }
    fn seconds(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.keep(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let make = Maker(Registry::new());
        let families = Families {
            models: make.int_gauges("openrouter_models", "Models ever listed, by where they stand.", &["state"]),
            models_in_use: make.int_gauges(
                "openrouter_models_in_use",
                "Models that a resource uses, by where they stand.",
                &["state"],
            ),
            model_changes: make.counters("openrouter_model_changes_total", "Changes between lists.", &["kind"]),
            model_expiry: make.gauges(
                "openrouter_model_expiry_timestamp_seconds",
                "Announced end of models that a resource uses, the soonest 50.",
                &["model"],
            ),
            usage: Usage::new(&make),
            credit: Credit::new(&make),
            alerts: make.int_gauges("openrouter_alerts", "Open incidents.", &["rule", "state"]),
            list_accepted: make.gauge(
                "openrouter_monitor_list_accepted_timestamp_seconds",
                "When a list was last believed; 0 for never.",
            ),
            list_models: make.int_gauge("openrouter_monitor_list_models", "Models in the last believed list."),
            list_rejected: make
                .int_gauge("openrouter_monitor_list_rejected_entries", "Unreadable entries in the last believed list."),
            list_refused: make.counters(
                "openrouter_monitor_list_refused_total",
                "Lists that were not believed.",
                &["reason"],
            ),
            feeds: Feeds::new(&make),
            job_runs: make.counters("openrouter_monitor_job_runs_total", "Ended attempts of jobs.", &["job", "result"]),
            job_duration: make.seconds(
                "openrouter_monitor_job_duration_seconds",
                "How long attempts of jobs took.",
                &["job"],
                &JOB_SECONDS,
            ),
            job_last_success: make.gauges(
                "openrouter_monitor_job_last_success_timestamp_seconds",
                "When a job last succeeded; 0 for never.",
                &["job"],
            ),
            job_period: make.gauges(
                "openrouter_monitor_job_period_seconds",
                "Time between two scheduled runs of a job.",
                &["job"],
            ),
            mail: make.counters(
                "openrouter_monitor_mail_total",
                "Mails, and notices by their channel, enqueued, delivered, put off and given up.",
                &["kind", "result"],
            ),
            mail_queue: make.int_gauges("openrouter_monitor_mail_queue", "Mails that are not delivered.", &["state"]),
            mail_oldest_pending: make.gauge(
                "openrouter_monitor_mail_oldest_pending_seconds",
                "Age of the oldest mail that waits; 0 for none.",
            ),
            mail_suppressed: make.int_gauge(
                "openrouter_monitor_mail_suppressed",
                "Addresses that a mail server knows nobody at; nothing is sent there.",
            ),
            keys_in_doubt: make.int_gauges(
                "openrouter_monitor_keys_in_doubt",
                "Stored keys of users that OpenRouter refuses, or was not asked about.",
                &["status"],
            ),
            http_duration: make.seconds(
                "openrouter_monitor_http_request_duration_seconds",
                "How long requests took.",
                &["route", "method", "code"],
                &REQUEST_SECONDS,
            ),
            openrouter_requests: make.counters(
                "openrouter_monitor_openrouter_requests_total",
                "Calls to OpenRouter by HTTP status, or timeout, connect, body.",
                &["call", "code"],
            ),
            store_transactions: make.counters(
                "openrouter_monitor_store_transactions_total",
                "Transactions.",
                &["kind", "result"],
            ),
            store_duration: make.seconds(
                "openrouter_monitor_store_transaction_duration_seconds",
                "How long committed transactions took.",
                &["kind"],
                &TRANSACTION_SECONDS,
            ),
            store_size: make.int_gauge("openrouter_monitor_store_size_bytes", "Size of the database."),
            process: Process {
                resident: make.int_gauge("process_resident_memory_bytes", "Resident memory."),
                cpu: make.keep(Counter::new("process_cpu_seconds_total", "User and system CPU time.")),
                open_fds: make.int_gauge("process_open_fds", "Open file descriptors."),
            },
            registry: make.0.clone(),
        };
        let build = make.int_gauges("openrouter_monitor_build_info", "The running version.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        families.begin_at_zero();
        Self(Arc::new(families))
    }
}

impl Families {
    /// Makes every series of a closed set exist.
    fn begin_at_zero(&self) {
        for state in MODEL_STATES {
            self.models.with_label_values(&[state]);
            self.models_in_use.with_label_values(&[state]);
        }
        for kind in ChangeKind::ALL {
            self.model_changes.with_label_values(&[kind.as_str()]);
        }
        for rule in Rule::ALL {
            for phase in [Phase::Pending, Phase::Firing] {
                self.alerts.with_label_values(&[rule.as_str(), phase.as_str()]);
            }
        }
        self.usage.begin_at_zero();
        self.credit.begin_at_zero();
        for reason in Refusal::REASONS {
            self.list_refused.with_label_values(&[reason]);
        }
        self.feeds.begin_at_zero();
        let kinds = MailKind::ALL.iter().map(|kind| kind.as_str());
        for kind in kinds.chain(Channel::NOTICES.map(Channel::as_str)) {
            for result in ["enqueued", "sent", "retried", "dead"] {
                self.mail.with_label_values(&[kind, result]);
            }
        }
        for state in ["pending", "held", "folded", "sending", "dead"] {
            self.mail_queue.with_label_values(&[state]);
        }
        for status in KeyStatus::IN_DOUBT {
            self.keys_in_doubt.with_label_values(&[status.as_str()]);
        }
        for call in ["models", "model", "key", "credits"] {
            self.openrouter_requests.with_label_values(&[call, "200"]);
        }
        for kind in ["read", "write"] {
            for result in ["ok", "error"] {
                self.store_transactions.with_label_values(&[kind, result]);
            }
            self.store_duration.with_label_values(&[kind]);
        }
        self.http_duration.with_label_values(&["/metrics", "GET", "200"]);
    }

    /// Makes every series of a job exist.
    pub fn begin_job(&self, job: &str) {
        for result in ["ok", "retry", "failed"] {
            self.job_runs.with_label_values(&[job, result]);
        }
        self.job_duration.with_label_values(&[job]);
        self.job_last_success.with_label_values(&[job]);
        self.job_period.with_label_values(&[job]);
    }

    /// Registers when the process started, in seconds since 1970.
    pub fn started_at(&self, seconds: f64) {
        let make = Maker(self.registry.clone());
        make.gauge("process_start_time_seconds", "When the process started.").set(seconds);
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn render(&self) -> prometheus::Result<String> {
        self.process.read();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

impl Process {
    /// Reads Linux's own figures; elsewhere they stay 0.
    fn read(&self) {
        const PAGE_BYTES: i64 = 4096;
        const TICKS_PER_SECOND: f64 = 100.0;
        if let Ok(statm) = std::fs::read_to_string("/proc/self/statm") {
            let pages: i64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
            self.resident.set(pages * PAGE_BYTES);
        }
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
            // The command name may contain blanks; the fields behind its closing bracket do not.
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11).take(2);
            let ticks: f64 = fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
            self.cpu.inc_by(f64::max(ticks / TICKS_PER_SECOND - self.cpu.get(), 0.0));
        }
        if let Ok(fds) = std::fs::read_dir("/proc/self/fd") {
            self.open_fds.set(i64::try_from(fds.count()).unwrap_or(0));
        }
    }
}
