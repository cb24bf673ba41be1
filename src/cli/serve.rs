//! `serve`: the daemon, its signals, and its settings read again on SIGHUP.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, start_log};
use crate::app::{self, App};
use crate::clock::SystemClock;
use crate::config::{Config, load};
use crate::job::Context;
use crate::metrics::Metrics;

pub(super) async fn run(config: Config, file: Option<PathBuf>) -> Result<(), Failure> {
    start_log(&config);
    let (metrics, stop) = (Metrics::default(), CancellationToken::new());
    let shutdown = tokio::spawn(wait_for_signals(stop.clone())?);
    let Some(db) = app::await_store(&config, &metrics, &stop).await? else { return Ok(()) };
    let context = Arc::new(app::context(config, db, metrics, Arc::new(SystemClock), stop.clone())?);
    let hangup = tokio::spawn(reload_on_hangup(signal(SignalKind::hangup())?, Arc::clone(&context), file));
    let app = App::new(Arc::clone(&context)).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        page = %format!("http://{}/", app.address()?),
        store = context.db.engine(),
        mails = %context.mailer().describe(),
        openrouter = %context.settings.get().openrouter.base_url,
        "openrouter-monitor is ready"
    );
    let result = app.run(stop.cancelled_owned()).await;
    hangup.abort();
    shutdown.abort();
    Ok(result?)
}

/// The first signal asks for an orderly end, the second ends at once.
fn wait_for_signals(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    })
}

async fn reload_on_hangup(mut hangup: Signal, context: Arc<Context>, file: Option<PathBuf>) {
    while hangup.recv().await.is_some() {
        let env: Vec<(String, String)> = std::env::vars().collect();
        match load::load(file.as_deref(), &env) {
            Ok(config) => match app::reload(&context, config) {
                Ok(restart) if restart.is_empty() => tracing::info!("the configuration was read again"),
                Ok(restart) => tracing::warn!(?restart, "the configuration was read again; these need a restart"),
                Err(error) => tracing::error!(error = format!("{error:#}"), "the configuration was not taken"),
            },
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the configuration was not taken");
                }
            }
        }
    }
}
