//! `classify`: what an answer on standard input means.

use std::io::{Read, Write};

use clap::Args;

use super::Failure;
use crate::classify::classify;
use crate::clock::{Clock, SystemClock};
use crate::domain::answer::Hints;
use crate::domain::provider::Provider;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The HTTP status that came with it.
    #[arg(long)]
    status: Option<u16>,
    /// Whose API was called; else its shape tells.
    #[arg(long, value_parser = ["openrouter", "anthropic"])]
    provider: Option<String>,
}

pub(super) fn run(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let provider = options.provider.as_deref();
    let provider = Provider::ALL.into_iter().find(|known| Some(known.as_str()) == provider);
    let hints = Hints { provider, status: options.status, headers: &[], now: Some(SystemClock.now()) };
    let answer = classify(&String::from_utf8_lossy(&input), &hints);
    Ok(writeln!(out, "{answer}")?)
}
