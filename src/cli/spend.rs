//! `spend`: what was spent, by whatever it is grouped by, in the days of any zone.

use std::io::Write;

use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::output::Table;
use super::{Failure, Format};
use crate::domain::money::NanoUsd;
use crate::job::Context;
use crate::spend::{self, Moment, Question};
use crate::store::rollups;

/// What is summed apart.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum By {
    #[default]
    User,
    Resource,
    Model,
    Provider,
    Key,
}

impl From<By> for rollups::Group {
    fn from(by: By) -> Self {
        match by {
            By::User => Self::User,
            By::Resource => Self::Resource,
            By::Model => Self::Model,
            By::Provider => Self::Provider,
            By::Key => Self::Key,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What is summed apart.
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// From this time, or from the beginning of this day in the zone; else for 30 days.
    #[arg(long)]
    since: Option<Moment>,
    /// Until this time, or until the beginning of this day in the zone; else until now.
    #[arg(long)]
    until: Option<Moment>,
    /// Whose days: an IANA zone.
    #[arg(long, default_value = "UTC")]
    tz: Tz,
    /// Sums each day apart.
    #[arg(long)]
    per_day: bool,
    /// Only of this user.
    #[arg(long)]
    user: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn run(options: Options, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let by = options.by.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let question = Question {
        by: options.by.into(),
        since: options.since,
        until: options.until,
        zone: options.tz,
        per_day: options.per_day,
        user: options.user,
    };
    let mut tx = context.db.read().await?;
    let lines = spend::ask(&mut tx, &question, context.now()).await?;
    let columns = [&by, "spent_usd", "estimated_usd", "executions", "input_tokens", "output_tokens", "failed"];
    let columns: Vec<&str> = options.per_day.then_some("day").into_iter().chain(columns).collect();
    let mut table = Table::new(&columns);
    for line in lines {
        let sums = line.sums;
        let row = [
            json!(line.name),
            json!(sums.spent().to_string()),
            json!(NanoUsd(sums.estimated_cost).to_string()),
            json!(sums.executions),
            json!(sums.input_tokens),
            json!(sums.output_tokens),
            json!(sums.failed()),
        ];
        table.row(line.day.map(|day| json!(day)).into_iter().chain(row).collect());
    }
    Ok(table.print(options.format, out)?)
}
