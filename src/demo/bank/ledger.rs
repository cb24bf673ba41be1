//! What was spent on a key, by day.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use chrono::{Datelike, Days, NaiveDate};
use serde_json::{Value, json};

use super::number;
use crate::domain::money::NanoUsd;

/// Sums of charges.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) cost: NanoUsd,
    pub(super) byok: NanoUsd,
    requests: i64,
}

impl Spent {
    pub(super) fn once(cost: NanoUsd, byok: NanoUsd) -> Self {
        Self { cost, byok, requests: 1 }
    }

    /// An item of `GET /activity`.
    pub(super) fn activity(self, day: NaiveDate, model: &str) -> Value {
        json!({
            "date": day,
            "model": model,
            "model_permaslug": model,
            "endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
            "provider_name": "Simulated",
            "usage": number(self.cost),
            "byok_usage_inference": number(self.byok),
            "requests": self.requests,
            "prompt_tokens": self.requests * 900,
            "completion_tokens": self.requests * 300,
            "reasoning_tokens": 0,
        })
    }

    /// A row of a report: counts come as strings.
    pub(super) fn reported(self, user: &str) -> Value {
        json!({
            "external_user": user,
            "total_usage": number(self.cost),
            "request_count": self.requests.to_string(),
        })
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        self.byok += other.byok;
        self.requests += other.requests;
    }
}

/// What was spent ever, and on each day.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    ever: Spent,
    days: BTreeMap<NaiveDate, Spent>,
}

impl Ledger {
    pub(super) fn add(&mut self, day: NaiveDate, spent: Spent) {
        self.ever += spent;
        *self.days.entry(day).or_default() += spent;
    }

    /// What was spent in the day, week or month that `today` lies in, or ever.
    pub(super) fn within(&self, window: &str, today: NaiveDate) -> Spent {
        let first = match window {
            "daily" => Some(today),
            "weekly" => today.checked_sub_days(Days::new(today.weekday().num_days_from_monday().into())),
            "monthly" => today.with_day(1),
            _ => return self.ever,
        };
        let mut sum = Spent::default();
        for (_, spent) in self.days.range(first.unwrap_or(today)..=today) {
            sum += *spent;
        }
        sum
    }
}
