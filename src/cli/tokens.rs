//! `token create`, `list` and `revoke`.

use std::io::Write;

use anyhow::anyhow;
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::output::Table;
use super::{Failure, Format};
use crate::app::new_token;
use crate::job::Context;
use crate::store::tokens;

/// What a token is good for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Scope {
    /// Sending executions, traces and the directory.
    Ingest,
    /// Reading what was spent.
    Read,
    /// Everything.
    Admin,
}

impl From<Scope> for tokens::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Ingest => Self::Ingest,
            Scope::Read => Self::Read,
            Scope::Admin => Self::Admin,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a token and shows it, this once; only its hash is kept.
    Create {
        /// What it is good for.
        #[arg(long, value_enum)]
        scope: Scope,
        /// Whose it is.
        #[arg(long, default_value = "")]
        label: String,
    },
    /// Lists the tokens in force.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Revokes a token; a running daemon refuses it a few seconds later.
    Revoke {
        /// Its number.
        id: i64,
    },
}

pub(super) async fn run(command: Command, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Create { scope, label } => {
            let token = new_token()?;
            let mut tx = context.db.write().await?;
            tokens::insert(&mut tx, scope.into(), &label, &tokens::hash(&token), context.now()).await?;
            tx.commit().await?;
            Ok(writeln!(out, "{token}")?)
        }
        Command::List { format } => {
            let mut tx = context.db.read().await?;
            let mut table = Table::new(&["id", "scope", "label", "created_at"]);
            for token in tokens::in_force(&mut tx).await? {
                table.row(vec![
                    json!(token.id),
                    json!(token.scope.as_str()),
                    json!(token.label),
                    json!(token.created_at),
                ]);
            }
            Ok(table.print(format, out)?)
        }
        Command::Revoke { id } => {
            let mut tx = context.db.write().await?;
            let revoked = tokens::revoke(&mut tx, id, context.now()).await?;
            tx.commit().await?;
            if revoked { Ok(writeln!(out, "revoked")?) } else { Err(anyhow!("there is no token {id} in force").into()) }
        }
    }
}
