//! A simulated OpenRouter on a loopback port: answers from the world at the time of the clock.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::world::World;
use crate::clock::Clock;
use crate::http::server;

/// A running simulation; it ends when dropped.
#[derive(Debug)]
pub(super) struct FakeOpenRouter {
    address: SocketAddr,
    _stop: DropGuard,
}

#[derive(Clone)]
struct Now {
    world: Arc<World>,
    clock: Arc<dyn Clock>,
}

impl FakeOpenRouter {
    pub(super) async fn start(world: Arc<World>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let router = Router::new()
            .route("/api/v1/models", get(list))
            .route("/api/v1/model/{*id}", get(model))
            .with_state(Now { world, clock });
        tokio::spawn(server::run(listener, router, stop.clone()));
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

async fn list(State(now): State<Now>) -> Response {
    Json(now.world.list(now.clock.now())).into_response()
}

async fn model(State(now): State<Now>, Path(id): Path<String>) -> Response {
    match now.world.model(&id, now.clock.now()) {
        Some(model) => Json(model).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": { "code": 404, "message": "Model not found" } })))
            .into_response(),
    }
}
