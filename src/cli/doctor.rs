//! `doctor`: what is wrong, and how it is mended.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::output::{Table, plain};
use super::{Failure, Format};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::doctor::{State, examine};
use crate::mail::figures::many;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints a line for each part; fails when one does not do its work.
pub(super) async fn run(
    options: &Options,
    config: Config,
    file: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let found = examine(config, file, Arc::new(SystemClock)).await?;
    if options.format == Format::Table {
        for finding in &found {
            let state = format!("{:?}", finding.state).to_lowercase();
            let mend = if finding.mend.is_empty() { String::new() } else { format!("; {}", finding.mend) };
            // What is named may come from outside.
            let line = plain(&json!(format!("{state:5} {:22} {}{mend}", finding.part, finding.said)));
            writeln!(out, "{}", line.trim_end())?;
        }
    } else {
        let mut table = Table::new(&["part", "state", "said", "mend"]);
        for finding in &found {
            table.row(vec![json!(finding.part), json!(finding.state), json!(finding.said), json!(finding.mend)]);
        }
        table.print(options.format, out)?;
    }
    let failed = found.iter().filter(|finding| finding.state == State::Fail).count();
    match i64::try_from(failed) {
        Ok(0) => Ok(()),
        failed => Err(anyhow!("{} of {} failed", failed.unwrap_or(i64::MAX), many(count(found.len()), "part")).into()),
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
