//! Every metric: name, help, labels, buckets. What a dashboard or a rule names exists from the first scrape on.

mod cap;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus::{
    Counter, CounterVec, Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::domain::alert::Rule;
use crate::domain::catalog::Refusal;
use crate::domain::change::ChangeKind;
use crate::domain::execution::Execution;
use crate::domain::money::NanoUsd;
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::rollup::Measures;

pub use cap::{Cap, OTHER};

/// States of a model, as `openrouter_models` has them; they exclude each other.
pub const MODEL_STATES: [&str; 5] = ["active", "deprecated", "missing", "unlisted", "removed"];
/// Kinds of mail that are sent.
pub const MAIL_KINDS: [&str; 6] =
    ["model_deprecated", "model_date_changed", "model_removed", "model_returned", "admin_digest", "monitor_trouble"];
/// Models with a date that get a series of their own, the soonest first; a platform has a few dozen at a time.
pub const EXPIRY_SERIES_MAX: usize = 50;

/// Models that have series of their own in what is counted per model.
const MODEL_SERIES_MAX: usize = 50;
/// Where executions come from.
const INGEST_SOURCES: [&str; 3] = ["api", "traces", "pull"];
/// Windows of what users spent.
pub const SPEND_WINDOWS: [&str; 2] = ["today", "month"];
/// Users that have series of their own.
pub const USER_SERIES_MAX: usize = 50;
/// Kinds of failure that are told apart per user, and how many of them there are in a sum.
pub const ERROR_KINDS: [(&str, fn(&Measures) -> i64); 4] = [
    ("rate_limited", Measures::rate_limited),
    ("out_of_credit", |sums| sums.out_of_credit),
    ("model_unavailable", |sums| sums.unavailable),
    ("upstream_failure", |sums| sums.upstream_failures),
];
const LATENCY_SECONDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0];
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
    pub executions: IntCounterVec,
    pub failures: IntCounterVec,
    pub spend: CounterVec,
    pub spend_estimated: Counter,
    pub charged_failures: IntCounter,
    pub execution_duration: HistogramVec,
    pub user_spend: GaugeVec,
    pub user_error_ratio: GaugeVec,
    pub ingest_events: IntCounterVec,
    pub ingest_last_event: GaugeVec,
    pub alerts: IntGaugeVec,
    pub list_accepted: Gauge,
    pub list_models: IntGauge,
    pub list_rejected: IntGauge,
    pub list_refused: IntCounterVec,
    pub job_runs: IntCounterVec,
    pub job_duration: HistogramVec,
    pub job_last_success: GaugeVec,
    pub job_period: GaugeVec,
    pub mail: IntCounterVec,
    pub mail_queue: IntGaugeVec,
    pub mail_oldest_pending: Gauge,
    pub http_duration: HistogramVec,
    pub openrouter_requests: IntCounterVec,
    pub store_transactions: IntCounterVec,
    pub store_duration: HistogramVec,
    pub store_size: IntGauge,
    models_cap: Cap,
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
            executions: make.counters(
                "openrouter_executions_total",
                "Executions, by how they ended; models beyond the first 50 are counted as other.",
                &["provider", "model", "outcome"],
            ),
            failures: make.counters(
                "openrouter_failures_total",
                "Executions that failed, by kind.",
                &["outcome", "detail"],
            ),
            spend: make.keep(CounterVec::new(
                Opts::new("openrouter_spend_dollars_total", "What executions cost, estimates included."),
                &["provider", "model"],
            )),
            spend_estimated: make.keep(Counter::new(
                "openrouter_spend_estimated_dollars_total",
                "What executions cost that came without a cost, by the price list.",
            )),
            charged_failures: make.keep(IntCounter::new(
                "openrouter_charged_failures_total",
                "Executions that failed and cost something all the same.",
            )),
            execution_duration: make.seconds(
                "openrouter_execution_duration_seconds",
                "How long executions took, where the platform says it.",
                &["provider"],
                &LATENCY_SECONDS,
            ),
            user_spend: make.gauges(
                "openrouter_user_spend_dollars",
                "What users spent today and this month (UTC), the 50 who spent most and all others.",
                &["user", "window"],
            ),
            user_error_ratio: make.gauges(
                "openrouter_user_error_ratio",
                "Share of a user's executions of the last hour that failed, by kind; the 50 users who failed most often.",
                &["user", "outcome", "window"],
            ),
            ingest_events: make.counters(
                "openrouter_monitor_ingest_events_total",
                "Executions that came in: accepted, duplicate or rejected.",
                &["source", "result"],
            ),
            ingest_last_event: make.gauges(
                "openrouter_monitor_ingest_last_event_timestamp_seconds",
                "When an execution was last accepted; 0 for never.",
                &["source"],
            ),
            models_cap: Cap::new(MODEL_SERIES_MAX),
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
                "Mails enqueued, delivered, put off and given up.",
                &["kind", "result"],
            ),
            mail_queue: make.int_gauges("openrouter_monitor_mail_queue", "Mails that are not delivered.", &["state"]),
            mail_oldest_pending: make.gauge(
                "openrouter_monitor_mail_oldest_pending_seconds",
                "Age of the oldest mail that waits; 0 for none.",
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
            self.alerts.with_label_values(&[rule.as_str(), "firing"]);
        }
        for provider in Provider::ALL {
            for outcome in Outcome::ALL {
                self.executions.with_label_values(&[provider.as_str(), OTHER, outcome.name()]);
            }
            self.spend.with_label_values(&[provider.as_str(), OTHER]);
            self.execution_duration.with_label_values(&[provider.as_str()]);
        }
        for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Success) {
            self.failures.with_label_values(&[outcome.name(), outcome.detail().unwrap_or_default()]);
        }
        for window in SPEND_WINDOWS {
            self.user_spend.with_label_values(&[OTHER, window]);
        }
        for (outcome, _) in ERROR_KINDS {
            self.user_error_ratio.with_label_values(&[OTHER, outcome, "1h"]);
        }
        for source in INGEST_SOURCES {
            for result in ["accepted", "duplicate", "rejected"] {
                self.ingest_events.with_label_values(&[source, result]);
            }
            self.ingest_last_event.with_label_values(&[source]);
        }
        for reason in Refusal::REASONS {
            self.list_refused.with_label_values(&[reason]);
        }
        for kind in MAIL_KINDS {
            for result in ["enqueued", "sent", "retried", "dead"] {
                self.mail.with_label_values(&[kind, result]);
            }
        }
        for state in ["pending", "sending", "dead"] {
            self.mail_queue.with_label_values(&[state]);
        }
        for call in ["models", "model"] {
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

    /// Counts executions that are durable now. Looking a series up takes longer than adding to it, so they are summed
    /// first.
    pub fn executed<'a>(&self, executions: impl Iterator<Item = &'a Execution>) {
        let mut sums: HashMap<(Provider, &str, Outcome), (u64, NanoUsd)> = HashMap::new();
        let durations = Provider::ALL.map(|provider| self.execution_duration.with_label_values(&[provider.as_str()]));
        let mut estimated = NanoUsd::ZERO;
        for execution in executions {
            let (provider, cost) = (execution.provider, execution.usage.cost.unwrap_or_default());
            let sum = sums.entry((provider, &execution.model, execution.outcome)).or_default();
            *sum = (sum.0 + 1, sum.1 + cost);
            estimated += if execution.is_estimated { cost } else { NanoUsd::ZERO };
            self.charged_failures.inc_by(u64::from(execution.is_charged_failure()));
            if let Some(latency_ms) = execution.latency_ms {
                durations[provider as usize].observe(f64::from(latency_ms) / 1000.0);
            }
        }
        for ((provider, model, outcome), (count, cost)) in sums {
            let (provider, model) = (provider.as_str(), self.models_cap.label(model));
            self.executions.with_label_values(&[provider, model, outcome.name()]).inc_by(count);
            self.spend.with_label_values(&[provider, model]).inc_by(dollars(cost));
            if outcome != Outcome::Success {
                let detail = outcome.detail().unwrap_or_default();
                self.failures.with_label_values(&[outcome.name(), detail]).inc_by(count);
            }
        }
        self.spend_estimated.inc_by(dollars(estimated));
    }

    /// Counts what became of the rows of a request.
    pub fn ingested(&self, source: &str, [accepted, duplicates, rejected]: [usize; 3], now: DateTime<Utc>) {
        for (result, count) in [("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)] {
            self.ingest_events.with_label_values(&[source, result]).inc_by(count as u64);
        }
        if accepted > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
            self.ingest_last_event.with_label_values(&[source]).set(now.timestamp() as f64);
        }
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

/// Dollars as Prometheus keeps them: a float, whose last digits nobody reads.
#[expect(clippy::cast_precision_loss, reason = "a figure of a graph")]
pub fn dollars(amount: NanoUsd) -> f64 {
    amount.0 as f64 / 1e9
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
