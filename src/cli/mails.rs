//! `mail list`, `show`, `retry`, `unsuppress`, `test` and `preview`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Subcommand};
use serde_json::json;

use super::output::Table;
use super::{Failure, Format, offline};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::channel::Channel;
use crate::job::Context;
use crate::mail::notice::{Sender, message_id};
use crate::mail::render::Renderer;
use crate::mail::transport::Mailer;
use crate::mail::{compose, preview};
use crate::store;
use crate::store::outbox::{Claimed, Mail};

const LIST_DEFAULT: i64 = 50;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists mails, newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_parser = store::outbox::STATES)]
        state: Option<String>,
        /// How many.
        #[arg(long, default_value_t = LIST_DEFAULT)]
        limit: i64,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Shows one mail as it was or will be sent.
    Show {
        /// Its number.
        id: i64,
    },
    /// Tries mails again at once: one, also to a suppressed address, or all that were given up.
    #[command(group = ArgGroup::new("which").required(true))]
    Retry {
        /// Its number.
        #[arg(group = "which")]
        id: Option<i64>,
        /// All that were given up.
        #[arg(long, group = "which")]
        all_dead: bool,
    },
    /// Sends to an address again that the mail server knew nobody at, from the next mail on.
    Unsuppress {
        /// Which.
        address: String,
    },
    /// Sends a mail now, to see whether the delivery works.
    Test {
        /// To whom.
        #[arg(long)]
        to: String,
    },
    /// Renders mails with sample data.
    Preview {
        /// Only this one.
        #[arg(value_parser = PossibleValuesParser::new(preview::names()))]
        kind: Option<String>,
        /// Writes subject, text and HTML to this folder instead of printing the text.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

pub(super) async fn run(command: Command, config: Config, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::List { state, limit, format } => {
            list(&*offline(config).await?, state.as_deref(), limit, format, out).await
        }
        Command::Show { id } => show(&*offline(config).await?, id, out).await,
        Command::Retry { id, .. } => {
            let context = offline(config).await?;
            let mut tx = context.db.write().await?;
            let count = store::outbox::retry(&mut tx, id, context.now()).await?;
            tx.commit().await?;
            match id {
                Some(id) if count == 0 => Err(anyhow!("mail {id} is not waiting and was not given up").into()),
                _ => Ok(writeln!(out, "{count} due at once; the daemon sends them")?),
            }
        }
        Command::Unsuppress { address } => {
            let context = offline(config).await?;
            let mut tx = context.db.write().await?;
            let lifted = store::suppressions::lift(&mut tx, &address).await?;
            tx.commit().await?;
            if !lifted {
                return Err(anyhow!("{address} is not suppressed").into());
            }
            Ok(writeln!(out, "{address} gets mails again; \"mail retry ID\" sends one that it did not get")?)
        }
        Command::Test { to } => test(&config, &to, out).await,
        Command::Preview { kind, out: directory } => previews(&config, kind.as_deref(), directory.as_deref(), out),
    }
}

async fn list(
    context: &Context,
    state: Option<&str>,
    limit: i64,
    format: Format,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut tx = context.db.read().await?;
    let mut table =
        Table::new(&["id", "created_at", "kind", "to", "subject", "state", "attempts", "sent_at", "last_error"]);
    for row in store::outbox::list(&mut tx, state, None, limit).await? {
        table.row(vec![
            json!(row.id),
            json!(row.created_at),
            json!(row.kind),
            json!(row.recipient),
            json!(row.subject),
            json!(row.state),
            json!(row.attempts),
            json!(row.sent_at),
            json!(row.last_error),
        ]);
    }
    Ok(table.print(format, out)?)
}

async fn show(context: &Context, id: i64, out: &mut impl Write) -> Result<(), Failure> {
    let mut tx = context.db.read().await?;
    let (row, mail) = store::outbox::get(&mut tx, id).await?.ok_or_else(|| anyhow!("there is no mail {id}"))?;
    if mail.channel != Channel::Mail {
        return Ok(writeln!(out, "{}", mail.text)?);
    }
    let from = compose::mailbox(&context.settings.get().mail.from)?;
    let at = row.created_at;
    let claimed = Claimed { id, attempt: row.attempts, created_at: at, waits_since: at, mail };
    out.write_all(&compose::message(&claimed, &from)?.formatted())?;
    Ok(writeln!(out)?)
}

async fn test(config: &Config, to: &str, out: &mut impl Write) -> Result<(), Failure> {
    let now = SystemClock.now();
    let rendered = preview::test(&Renderer::default(), now)?;
    let from = compose::mailbox(&config.mail.from)?;
    let mail = Mail {
        kind: "test".to_owned(),
        recipient: to.to_owned(),
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
        message_id: message_id(&format!("test {to} {now}"), from.email.domain()),
        ..Mail::default()
    };
    let mailer = Mailer::new(config)?;
    let claimed = Claimed { id: now.timestamp_millis(), attempt: 1, created_at: now, waits_since: now, mail };
    let sent = mailer.deliver(&claimed).await;
    sent.map_err(|error| anyhow!("{}: {error}", mailer.describe()))?;
    Ok(writeln!(out, "sent to {to} by {}", mailer.describe())?)
}

fn previews(
    config: &Config,
    kind: Option<&str>,
    directory: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let domain = compose::mailbox(&config.mail.from)?.email.domain().to_owned();
    let sender = Sender {
        domain,
        public_url: Some(
            config.http.public_url.clone().unwrap_or_else(|| "https://monitor.platform.example".to_owned()),
        ),
        model_link: config.links.model.clone(),
    };
    let mails = preview::all(&Renderer::default(), &sender, SystemClock.now())?;
    for (name, mail) in mails.iter().filter(|(name, _)| kind.is_none_or(|kind| kind == name)) {
        match directory {
            Some(directory) => write_files(directory, name, mail)?,
            None => writeln!(out, "Subject: {}\n\n{}", mail.subject, mail.text)?,
        }
    }
    if let Some(directory) = directory {
        writeln!(out, "written to {}", directory.display())?;
    }
    Ok(())
}

fn write_files(directory: &Path, name: &str, mail: &Mail) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    for (ending, content) in [("subject.txt", &mail.subject), ("txt", &mail.text), ("html", &mail.html)] {
        let file = directory.join(format!("{name}.{ending}"));
        std::fs::write(&file, content).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}
