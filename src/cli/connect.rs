//! `connect openrouter`: registers this daemon with OpenRouter's Broadcast.

use std::io::Write;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use url::Url;

use super::Failure;
use crate::app::new_token;
use crate::job::Context;
use crate::store::tokens::{self, Scope};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Has OpenRouter send what it ran to this daemon; needs `openrouter.management_key`, and the daemon running.
    Openrouter {
        /// Where OpenRouter reaches the daemon: <https://monitor.example.org>.
        #[arg(long, value_name = "PUBLIC_URL")]
        url: Url,
    },
}

/// The token goes to OpenRouter and nowhere else; if it is refused, so is the token.
pub(super) async fn run(
    Command::Openrouter { url }: Command,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let config = context.settings.get();
    let key = config.openrouter.management_key.as_ref().ok_or_else(|| {
        anyhow!("openrouter.management_key is not set; make one at openrouter.ai/settings/management-keys")
    })?;
    let traces = url.join("/v1/traces").context("--url")?;
    let token = new_token()?;
    let hash = tokens::hash(&token);
    let mut tx = context.db.write().await?;
    tokens::insert(&mut tx, Scope::Ingest, "OpenRouter Broadcast", &hash, context.now()).await?;
    tx.commit().await?;
    match context.openrouter.register(key, &traces, &token).await {
        Ok(id) => Ok(writeln!(out, "OpenRouter sends what it runs to {traces} (destination {id})")?),
        Err(refusal) => {
            let mut tx = context.db.write().await?;
            let made = tokens::in_force(&mut tx).await?.into_iter().find(|token| token.hash == hash);
            if let Some(made) = made {
                tokens::revoke(&mut tx, made.id, context.now()).await?;
            }
            tx.commit().await?;
            Err(anyhow!(refusal).context("OpenRouter could not be connected").into())
        }
    }
}
