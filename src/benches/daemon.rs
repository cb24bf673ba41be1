//! A whole daemon in the process of a bench.

use std::net::SocketAddr;
use std::sync::Arc;

use openrouter_monitor::app::{self, App};
use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::config::Config;
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::Db;
use openrouter_monitor::store::tokens::{self, Scope};
use tokio_util::sync::CancellationToken;

/// A daemon on a port of its own.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts it on a store. It has a token of each of the scopes, which is the scope's name.
    pub(crate) async fn start(url: &str, scopes: &[Scope]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (metrics, stop) = (Metrics::default(), CancellationToken::new());
        let mut config = Config::default();
        config.store.state_directory = Some(folder.path().to_owned());
        config.http.listen = ([127, 0, 0, 1], 0).into();
        "http://127.0.0.1:1/api/v1".clone_into(&mut config.openrouter.base_url);
        let db = Db::open(url, metrics.clone()).await.expect("a store");
        let mut tx = db.write().await.expect("a store");
        for scope in scopes {
            let hash = tokens::hash(scope.as_str());
            tokens::insert(&mut tx, *scope, "bench", &hash, SystemClock.now()).await.expect("a store");
        }
        tx.commit().await.expect("a store");
        let context = app::context(config, db, metrics, Arc::new(SystemClock), stop.clone()).expect("a context");
        let app = App::new(Arc::new(context)).await.expect("a port");
        let address = app.address().expect("an address");
        let running = tokio::spawn(app.run(stop.clone().cancelled_owned()));
        Self { address, stop, running, _folder: folder }
    }

    /// Ends it in order.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("an orderly end");
    }
}
