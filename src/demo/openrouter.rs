//! A simulated OpenRouter on a loopback port: answers from the world at the time of the clock.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::bank::{Asked, Bank};
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
    bank: Arc<Bank>,
    clock: Arc<dyn Clock>,
}

impl FakeOpenRouter {
    pub(super) async fn start(world: Arc<World>, bank: Arc<Bank>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let router = Router::new()
            .route("/api/v1/models", get(list))
            .route("/api/v1/model/{*id}", get(model))
            .route("/api/v1/{*path}", any(account))
            .with_state(Now { world, bank, clock });
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

/// What keys and accounts say.
async fn account(
    State(now): State<Now>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let secret = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (query, secret) = (query.unwrap_or_default(), secret.unwrap_or_default());
    let (status, said) = now.bank.answer(&Asked { path: &path, query: &query, secret, body: &body }, now.clock.now());
    (StatusCode::from_u16(status).unwrap_or_default(), Json(said)).into_response()
}
