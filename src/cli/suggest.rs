//! `models suggest`: what to move to when a model goes away, from captured lists alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::output::Table;
use super::{Failure, Format};
use crate::domain::catalog::{Catalog, Page};
use crate::domain::model_id::ModelId;
use crate::domain::replacement::{Candidate, Lost, Named, Shelf};

/// Ranks what could replace a model. Needs no daemon, no store and no network.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The model that goes away, as the list or its vendor writes it.
    id: String,
    /// The body of `GET /api/v1/models` to choose from.
    #[arg(long, value_name = "FILE")]
    models: PathBuf,
    /// An older body that still has the model: it says what the model could and what it cost.
    #[arg(long, value_name = "FILE")]
    last_seen: Option<PathBuf>,
    /// A successor that the vendor names; it comes first. Can be given again.
    #[arg(long, value_name = "ID")]
    named: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(options: &Options, now: DateTime<Utc>, out: &mut impl Write) -> Result<(), Failure> {
    let list = read(&options.models, now)?;
    let older = options.last_seen.as_deref().map(|file| read(file, now)).transpose()?;
    let id = ModelId::look_up(&options.id)
        .ok_or_else(|| anyhow!("{:?} names no model; only OpenRouter knows what a preset runs on", options.id))?;
    let says = "named as the successor".to_owned();
    let named: Vec<Named> = options.named.iter().map(|id| Named { id: id.clone(), says: says.clone() }).collect();
    let entry = older.as_ref().and_then(|older| older.models.get(&id)).or_else(|| list.models.get(&id));
    let shelf = Shelf::new(list.models.values());
    let candidates = shelf.rank(&Lost { id: id.as_str(), last: entry, named: &named, ..Lost::default() });
    if candidates.is_empty() {
        return Err(anyhow!(
            "nothing is known of {id}: it is in neither list, and no listed model shares its maker or family; \
             give --last-seen a list that still has it"
        )
        .into());
    }
    Ok(table(&candidates).print(options.format, out)?)
}

fn read(file: &Path, now: DateTime<Utc>) -> anyhow::Result<Catalog> {
    let body = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let page = Page::parse(&body, now).map_err(|refusal| anyhow!("{}: {refusal}", file.display()))?;
    let total = page.total;
    page.catalog.check(total, std::iter::empty(), 0).map_err(|refusal| anyhow!("{}: {refusal}", file.display()))?;
    Ok(page.catalog)
}

fn table(candidates: &[Candidate]) -> Table<'static> {
    let mut table = Table::new(&["model", "score", "reasons", "price_change_pct"]);
    for candidate in candidates {
        let score = (candidate.score * 1000.0).round() / 1000.0;
        table.row(vec![
            json!(candidate.model),
            json!(score),
            json!(candidate.reasons()),
            json!(candidate.price_change_pct()),
        ]);
    }
    table
}
