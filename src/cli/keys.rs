//! `keys`: users' keys, who had them in hand, and new keys that seal them.

use std::io::{Read, Write};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::output::Table;
use super::{Failure, Format};
use crate::domain::key::{Access, DEFAULT_LABEL, Purpose, Slot};
use crate::job::Context;
use crate::keys;
use crate::mail::figures::many;
use crate::store::keys::{Stored, accesses, after, data_keys_after, of};
use crate::vault::{MasterKey, Put};

/// As whom commands are on record.
const WHO: &str = "cli";
/// Keys that are read at a time.
const PAGE: i64 = 1000;
/// No key is as long as this.
const STDIN_BYTES_MAX: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stores a user's key, read from standard input; OpenRouter is asked whether it is good.
    Set(Place),
    /// Lists keys by their last four characters.
    List {
        /// Only this user's.
        user: Option<String>,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Forgets a user's key.
    Delete(Place),
    /// Says who had keys in hand, latest first.
    Audit {
        /// Only this user's.
        user: Option<String>,
        /// How many lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Wraps all data keys by a new master key, which replaces the file that has the old one.
    RotateMaster {
        /// Read the new master key from standard input; you put it in its place afterwards.
        #[arg(long)]
        stdin: bool,
    },
    /// Seals keys by new data keys.
    RotateData {
        /// Only this user's.
        user: Option<String>,
    },
}

/// A user's key.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The user's id.
    user: String,
    /// What the user, and executions, call the key.
    #[arg(long, default_value = DEFAULT_LABEL)]
    label: String,
}

impl Place {
    fn slot(&self) -> Slot<'_> {
        Slot { user: &self.user, label: &self.label }
    }
}

pub(super) async fn run(command: Command, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Set(place) => set(&place, context, out).await,
        Command::List { user, format } => list(user.as_deref(), format, context, out).await,
        Command::Delete(place) => {
            if !keys::forget(context, place.slot(), WHO).await? {
                return Err(anyhow!("user {:?} has no key {:?}", place.user, place.label).into());
            }
            Ok(writeln!(out, "forgotten")?)
        }
        Command::Audit { user, limit, format } => audit(user.as_deref(), limit, format, context, out).await,
        Command::RotateMaster { stdin } => rotate_master(stdin, context, out).await,
        Command::RotateData { user } => rotate_data(user, context, out).await,
    }
}

async fn set(place: &Place, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let key = SecretString::from(read_secret()?.trim());
    let taken = keys::take(context, place.slot(), &key, WHO).await?;
    let done = match taken.put {
        Put::Added => "stored",
        Put::Replaced => "stored in place of another",
        Put::Same => "was stored already",
    };
    let (label, four) = (&taken.stored.label, &taken.stored.last_four);
    match taken.unchecked {
        None => writeln!(out, "{label} (…{four}, {}) {done}", taken.stored.kind.as_str())?,
        Some(reason) => writeln!(out, "{label} (…{four}) {done}, unchecked: {reason}")?,
    }
    Ok(())
}

/// Standard input, wiped after use. Of a fixed size: what grows would leave copies behind.
fn read_secret() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(STDIN_BYTES_MAX)? + 1));
    std::io::stdin().lock().take(STDIN_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
    if text.trim().is_empty() {
        anyhow::bail!("nothing came on standard input; pipe the key in, so that it is in no shell's history");
    }
    Ok(text)
}

async fn list(user: Option<&str>, format: Format, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "user",
        "label",
        "last_four",
        "kind",
        "status",
        "added_at",
        "replaced_at",
        "checked_at",
        "expires_at",
    ]);
    let mut tx = context.db.read().await?;
    let mut page = match user {
        Some(user) => of(&mut tx, user).await?,
        None => after(&mut tx, Slot { user: "", label: "" }, PAGE).await?,
    };
    while let Some(last) = page.last().cloned() {
        for key in &page {
            table.row(row(key));
        }
        page = match user {
            Some(_) => Vec::new(),
            None => after(&mut tx, Slot { user: &last.user, label: &last.label }, PAGE).await?,
        };
    }
    Ok(table.print(format, out)?)
}

fn row(key: &Stored) -> Vec<serde_json::Value> {
    vec![
        json!(key.user),
        json!(key.label),
        json!(key.last_four),
        json!(key.kind.as_str()),
        json!(key.status.as_str()),
        json!(key.added_at),
        json!(key.replaced_at),
        json!(key.checked_at),
        json!(key.expires_at),
    ]
}

async fn audit(
    user: Option<&str>,
    limit: i64,
    format: Format,
    context: &Context,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut tx = context.db.read().await?;
    let mut table = Table::new(&["at", "user", "label", "purpose", "who"]);
    for accessed in accesses(&mut tx, user, limit).await? {
        table.row(vec![
            json!(accessed.at),
            json!(accessed.user),
            json!(accessed.label),
            json!(accessed.purpose.as_str()),
            json!(accessed.who),
        ]);
    }
    Ok(table.print(format, out)?)
}

async fn rotate_master(stdin: bool, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let given = if stdin {
        let text = read_secret()?;
        Some(MasterKey::parse(&text).map_err(|reason| anyhow!("the master key on standard input {reason}"))?)
    } else {
        None
    };
    let access = Access { purpose: Purpose::RotateMaster, who: WHO };
    let rotated = context.vault.rotate_master(&context.db, given, access, context.now()).await?;
    let (rotated, place) = (count(rotated, "data key"), context.vault.place());
    if stdin {
        writeln!(out, "{rotated} wrapped anew; put the new master key into {place} now: nothing opens before")?;
    } else {
        writeln!(out, "{rotated} wrapped anew; the new master key is in {place}: back it up")?;
    }
    writeln!(out, "backups of the database from before need the former master key")?;
    Ok(())
}

async fn rotate_data(user: Option<String>, context: &Context, out: &mut impl Write) -> Result<(), Failure> {
    let access = Access { purpose: Purpose::Rotate, who: WHO };
    let (mut users, mut sealed, mut last) = (0, 0, String::new());
    loop {
        let some = match &user {
            Some(user) if users == 0 => vec![user.clone()],
            Some(_) => Vec::new(),
            None => {
                let mut tx = context.db.read().await?;
                data_keys_after(&mut tx, &last, PAGE).await?.into_iter().map(|(user, _)| user).collect()
            }
        };
        let Some(end) = some.last() else { break };
        last.clone_from(end);
        for user in &some {
            let mut tx = context.db.write().await?;
            sealed += context.vault.rotate_data(&mut tx, user, access, context.now()).await?;
            tx.commit().await?;
            users += 1;
        }
    }
    Ok(writeln!(out, "{} of {} sealed anew", count(sealed, "key"), count(users, "user"))?)
}

fn count(number: usize, noun: &str) -> String {
    many(i64::try_from(number).unwrap_or(i64::MAX), noun)
}
