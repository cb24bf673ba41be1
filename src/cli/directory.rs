//! `directory import`.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;

use super::Failure;
use crate::directory;
use crate::job::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Takes in a file of NDJSON lines as `POST /v1/directory` has them; `-` for standard input.
    Import {
        /// The file.
        file: PathBuf,
    },
}

/// Lines that are wrong are named; the others are taken all the same.
pub(super) async fn run(
    Command::Import { file }: Command,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let reader: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(&file).with_context(|| format!("{name} cannot be read"))?;
        Box::new(std::io::BufReader::new(file))
    };
    let lines: Vec<String> =
        reader.lines().collect::<Result<_, _>>().with_context(|| format!("{name} cannot be read"))?;
    let imported = directory::import(&context.db, &lines, context.now()).await?;
    writeln!(out, "{} entries taken", imported.accepted)?;
    if imported.rejected.is_empty() {
        return Ok(());
    }
    for (line, reason) in &imported.rejected {
        writeln!(out, "{name}:{line}: {reason}")?;
    }
    Err(anyhow!(
        "{} of {} entries were not taken",
        imported.rejected.len(),
        imported.accepted + imported.rejected.len()
    )
    .into())
}
