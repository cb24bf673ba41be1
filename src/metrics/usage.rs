//! The metrics of executions: how they ended, what they cost, who spends and who fails.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use prometheus::{Counter, CounterVec, GaugeVec, HistogramVec, IntCounter, IntCounterVec, Opts};

use super::{Cap, Maker, OTHER};
use crate::domain::execution::Execution;
use crate::domain::money::NanoUsd;
use crate::domain::outcome::Outcome;
use crate::domain::provider::Provider;
use crate::domain::rollup::Measures;

/// Models that have series of their own in what is counted per model.
const MODEL_SERIES_MAX: usize = 50;
/// Where executions come from.
const INGEST_SOURCES: [&str; 3] = ["api", "traces", "pull"];
/// Windows of what users spent.
pub const SPEND_WINDOWS: [&str; 2] = ["today", "month"];
/// Users that have series of their own.
pub const USER_SERIES_MAX: usize = 50;
/// Reads a count off a sum.
type Count = fn(&Measures) -> i64;
/// Kinds of failure that are told apart per user, and how many of them there are in a sum.
pub const ERROR_KINDS: [(&str, Count); 4] = [
    ("rate_limited", Measures::rate_limited),
    ("out_of_credit", |sums| sums.out_of_credit),
    ("model_unavailable", |sums| sums.unavailable),
    ("upstream_failure", |sums| sums.upstream_failures),
];
const LATENCY_SECONDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0];

/// The metrics.
#[expect(missing_docs, reason = "each metric's help text stands where it is made")]
pub struct Usage {
    pub executions: IntCounterVec,
    pub failures: IntCounterVec,
    pub spend: CounterVec,
    pub spend_estimated: Counter,
    pub charged_failures: IntCounter,
    pub provider_attempts: IntCounterVec,
    pub execution_duration: HistogramVec,
    pub user_spend: GaugeVec,
    pub user_error_ratio: GaugeVec,
    pub ingest_events: IntCounterVec,
    pub ingest_last_event: GaugeVec,
    models_cap: Cap,
}

impl Usage {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
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
            provider_attempts: make.counters(
                "openrouter_provider_attempts_total",
                "Providers that OpenRouter tried, by what each came to, also where another then answered; from traces.",
                &["result"],
            ),
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
        }
    }

    /// Makes every series of a closed set exist.
    pub(super) fn begin_at_zero(&self) {
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
        for outcome in Outcome::ALL {
            self.provider_attempts.with_label_values(&[outcome.name()]);
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
    }

    /// Counts executions that are durable now. Looking a series up takes longer than adding to it, so they are summed
    /// first.
    pub fn executed<'a>(&self, executions: impl Iterator<Item = &'a Execution>) {
        let mut sums: HashMap<(Provider, &str, Outcome), (u64, NanoUsd)> = HashMap::new();
        let durations = Provider::ALL.map(|provider| self.execution_duration.with_label_values(&[provider.as_str()]));
        let (mut estimated, mut attempts) = (NanoUsd::ZERO, HashMap::<Outcome, u64>::new());
        for execution in executions {
            let (provider, cost) = (execution.provider, execution.usage.cost.unwrap_or_default());
            let sum = sums.entry((provider, &execution.model, execution.outcome)).or_default();
            *sum = (sum.0 + 1, sum.1 + cost);
            estimated += if execution.is_estimated { cost } else { NanoUsd::ZERO };
            self.charged_failures.inc_by(u64::from(execution.is_charged_failure()));
            for outcome in &execution.attempts {
                *attempts.entry(*outcome).or_default() += 1;
            }
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
        for (outcome, count) in attempts {
            self.provider_attempts.with_label_values(&[outcome.name()]).inc_by(count);
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
}

/// Dollars as Prometheus keeps them: a float, whose last digits nobody reads.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a figure of a graph")]
pub fn dollars(amount: NanoUsd) -> f64 {
    amount.0 as f64 / 1e9
}
