//! `models list`, `models show`, `models changes` and `models export`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::{Value, json};

use super::output::Table;
use super::{Failure, Format, parse_time};
use crate::domain::change::Change;
use crate::domain::lifecycle::Tracked;
use crate::domain::model_id::ModelId;
use crate::domain::price::Prices;
use crate::job::Context;
use crate::store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists every model that was ever listed.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Shows one model and what happened to it.
    Show {
        /// Its id, as resources write it.
        id: String,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Lists what happened to models.
    Changes {
        /// From this time or day on.
        #[arg(long, value_parser = parse_time)]
        since: Option<DateTime<Utc>>,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Writes the kept lists to a folder, one file per fetch, as `replay` reads them.
    Export {
        /// The folder.
        directory: PathBuf,
    },
    /// Ranks what could replace a model, from captured lists alone.
    Suggest(super::suggest::Options),
}

pub(super) async fn run(command: Command, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::List { format } => list(context, format, out).await,
        Command::Show { id, format } => show(context, &id, format, out).await,
        Command::Changes { since, format } => {
            let mut tx = context.db.read().await?;
            let changes = store::changes::since(&mut tx, since.unwrap_or_default(), None).await?;
            Ok(table_of(&changes).print(format, out)?)
        }
        Command::Export { directory } => export(context, &directory, out).await,
        Command::Suggest(options) => super::suggest::run(&options, context.now(), out),
    }
}

async fn list(context: &Context, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    let mut tx = context.db.read().await?;
    let usage = store::models::usage(&mut tx).await?;
    let mut table = Table::new(&[
        "id",
        "state",
        "expires_on",
        "missing_since",
        "context",
        "prompt",
        "completion",
        "users",
        "resources",
    ]);
    for (id, tracked) in store::models::load(&mut tx).await? {
        let (users, resources) = usage.get(&id).copied().unwrap_or_default();
        table.row(vec![
            json!(id),
            json!(tracked.state.as_str()),
            json!(tracked.model.expires_on.date()),
            json!(tracked.state.absence().map(|absence| absence.since)),
            json!(tracked.model.context),
            price(&tracked, "prompt"),
            price(&tracked, "completion"),
            json!(users),
            json!(resources),
        ]);
    }
    Ok(table.print(format, out)?)
}

/// USD per token, exact, as OpenRouter writes it.
fn price(tracked: &Tracked, key: &str) -> Value {
    match &tracked.model.prices {
        Prices::Known(schedule) => json!(schedule.base.get(key).map_or_else(|| "0".to_owned(), ToString::to_string)),
        Prices::Dynamic => json!("dynamic"),
        Prices::Unknown => Value::Null,
    }
}

async fn show(context: &Context, id: &str, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    let id = ModelId::look_up(id)
        .ok_or_else(|| anyhow!("{id:?} names no model; only OpenRouter knows what a preset runs on"))?;
    let mut tx = context.db.read().await?;
    let known = store::models::load(&mut tx).await?;
    let tracked = known.get(&id).ok_or_else(|| not_found(&id, known.keys()))?;
    let changes = store::changes::since(&mut tx, DateTime::default(), Some(&id)).await?;
    let (users, resources) = store::models::usage(&mut tx).await?.get(&id).copied().unwrap_or_default();
    let model = &tracked.model;
    let facts = [
        ("id", json!(id)),
        ("name", json!(model.name)),
        ("state", json!(tracked.state.as_str())),
        ("canonical_slug", json!(model.canonical_slug)),
        ("successor", json!(tracked.successor)),
        ("expires_on", json!(model.expires_on.date())),
        ("first_seen", json!(tracked.first_seen)),
        ("last_seen", json!(tracked.last_seen)),
        ("missing_since", json!(tracked.state.absence().map(|absence| absence.since))),
        ("context", json!(model.context)),
        ("capabilities", json!(model.capabilities().into_iter().collect::<Vec<_>>().join(" "))),
        ("prompt", price(tracked, "prompt")),
        ("completion", price(tracked, "completion")),
        ("users", json!(users)),
        ("resources", json!(resources)),
    ];
    print_facts(facts, format, out)?;
    if format == Format::Table && !changes.is_empty() {
        writeln!(out)?;
        table_of(&changes).print(format, out)?;
    }
    Ok(())
}

/// One thing is one object, or a row for each of its facts.
fn print_facts<const N: usize>(
    facts: [(&'static str, Value); N],
    format: Format,
    out: &mut impl Write,
) -> std::io::Result<()> {
    if format == Format::Json {
        return writeln!(out, "{}", serde_json::to_string_pretty(&BTreeMap::from(facts))?);
    }
    let mut table = Table::new(&["fact", "value"]);
    for (fact, value) in facts {
        table.row(vec![json!(fact), value]);
    }
    table.print(format, out)
}

fn not_found<'a>(id: &ModelId, known: impl Iterator<Item = &'a ModelId>) -> anyhow::Error {
    let likeness = |other: &&ModelId| strsim::jaro_winkler(other.as_str(), id.as_str());
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|other| likeness(other) > 0.8);
    let hint = nearest.map_or_else(String::new, |other| format!("; did you mean {other}?"));
    anyhow!("no list ever had {id}{hint}")
}

fn table_of(changes: &[Change]) -> Table<'static> {
    let mut table = Table::new(&["at", "kind", "model", "detail", "before", "after"]);
    for change in changes {
        table.row(vec![
            json!(change.at),
            json!(change.kind.as_str()),
            json!(change.model),
            json!(change.describe()),
            change.before.clone(),
            change.after.clone(),
        ]);
    }
    table
}

async fn export(context: &Context, directory: &std::path::Path, out: &mut impl Write) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    let mut tx = context.db.read().await?;
    let fetches = store::lists::accepted(&mut tx).await?;
    for (at, digest) in &fetches {
        let body = store::lists::body(&mut tx, digest).await?;
        let file = directory.join(format!("{}.json", at.format("%Y-%m-%dT%H%M%SZ")));
        std::fs::write(&file, body).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    writeln!(out, "{} lists in {}", fetches.len(), directory.display())?;
    Ok(())
}
