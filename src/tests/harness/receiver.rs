//! A server on a loopback port that keeps what is posted to it and answers what a test tells it to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use openrouter_monitor::http::server;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What was posted.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// How a post is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// With a status and a body.
    Status(u16, &'static str),
    /// With 429 and a wait in seconds.
    Wait(&'static str),
    /// Not at all.
    Hang,
}

#[derive(Debug, Default)]
struct Says {
    replies: VecDeque<Reply>,
    posted: Vec<Posted>,
}

/// The server; it ends when dropped. Without replies it answers 200.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    _stop: DropGuard,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
        let says = Arc::<Mutex<Says>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&says));
        tokio::spawn(server::run(listener, router, stop.clone()));
        Self { address, says, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next posts are answered so.
    pub(crate) fn replies(&self, replies: &[Reply]) {
        self.says.lock().unwrap().replies.extend(replies);
    }

    /// What was posted since the last look.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        std::mem::take(&mut self.says.lock().unwrap().posted)
    }
}

async fn answer(State(says): State<Arc<Mutex<Says>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(bytes.to_vec()).unwrap();
    let reply = {
        let mut says = says.lock().unwrap();
        says.posted.push(Posted { path: parts.uri.path().to_owned(), headers: parts.headers, body });
        says.replies.pop_front().unwrap_or(Reply::Status(200, "ok"))
    };
    match reply {
        Reply::Status(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Reply::Wait(seconds) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds)]).into_response(),
        Reply::Hang => std::future::pending().await,
    }
}
