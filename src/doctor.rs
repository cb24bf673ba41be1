//! Tries each real part, all at once and each with a time limit, and says what is wrong and how to mend it. Nothing is
//! changed, but for the record that stored keys were opened.

mod database;
mod keys;
mod local;
mod network;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::feeds;
use crate::metrics::Metrics;
use crate::openrouter::Client;
use crate::vault::Vault;

/// Who does not answer within this time is as good as away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does its work.
    Ok,
    /// It does, and somebody should look at it.
    Warn,
    /// It does not.
    Fail,
}

/// What was found of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The part.
    pub part: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub said: String,
    /// How it is mended; empty when it need not be.
    pub mend: String,
}

impl Finding {
    fn ok(part: &str, said: impl Into<String>) -> Self {
        Self { part: part.to_owned(), state: State::Ok, said: said.into(), mend: String::new() }
    }

    fn warn(part: &str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { part: part.to_owned(), state: State::Warn, said: said.into(), mend: mend.into() }
    }

    fn fail(part: &str, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(part, said, mend) }
    }
}

/// What the examinations work with.
#[derive(Debug)]
struct Doctor {
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    openrouter: Arc<Client>,
    feeds: feeds::Client,
    vault: Vault,
}

/// Examines what a configuration names, which was read from a file or from none.
///
/// # Errors
/// When TLS cannot be set up.
pub async fn examine(config: Config, file: Option<&Path>, clock: Arc<dyn Clock>) -> anyhow::Result<Vec<Finding>> {
    let metrics = Metrics::default();
    let openrouter = Arc::new(Client::live(&config.openrouter, metrics.clone())?);
    let (feeds, vault) = (feeds::Client::live()?, Vault::new(&config));
    let doctor = Doctor { config, clock, metrics, openrouter, feeds, vault };
    let (local, network) = tokio::join!(Box::pin(doctor.local()), Box::pin(doctor.network()));
    let read = file.map_or_else(|| "the defaults and the environment".to_owned(), |file| file.display().to_string());
    let mut found = vec![Finding::ok("configuration", read)];
    found.extend(local);
    found.extend(network);
    Ok(found)
}

impl Doctor {
    /// What is here, and then, with OpenRouter's help, the keys.
    async fn local(&self) -> Vec<Finding> {
        let mut found = vec![self.public_url(), self.state_directory()];
        let ((database, db), (openrouter, is_reachable)) = tokio::join!(self.database(), self.openrouter());
        found.extend(database);
        found.extend(openrouter);
        if let Some(db) = db {
            found.extend(self.keys(&db, is_reachable).await);
        }
        found
    }

    /// What else is outside.
    async fn network(&self) -> Vec<Finding> {
        let (mail, mut feeds, channels, platform) =
            tokio::join!(self.mail(), self.feeds(), self.channels(), self.platform());
        feeds.insert(0, mail);
        feeds.extend(channels);
        feeds.extend(platform);
        feeds
    }
}

/// What is found within [`ANSWERS_WITHIN`].
async fn in_time(part: &str, examined: impl Future<Output = Finding>) -> Finding {
    tokio::time::timeout(ANSWERS_WITHIN, examined).await.unwrap_or_else(|_| {
        let said = format!("no answer within {} s", ANSWERS_WITHIN.as_secs());
        Finding::fail(part, said, "see whether a firewall or a proxy is in the way")
    })
}

/// An error with what caused it, where that says more.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = source.source();
    }
    text
}
