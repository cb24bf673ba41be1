//! An OpenRouter on a loopback port that answers what a test tells it to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openrouter_monitor::http::server;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A status, headers and a body.
#[derive(Clone, Debug)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) Vec<(&'static str, &'static str)>, pub(crate) String);

#[derive(Debug, Default)]
struct Says {
    list: Option<Answer>,
    models: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

/// The simulation; it ends when dropped. A model nobody spoke of is 404.
#[derive(Debug)]
pub(crate) struct FakeOpenRouter {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    _stop: DropGuard,
}

impl FakeOpenRouter {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
        let says = Arc::<Mutex<Says>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&says));
        tokio::spawn(server::run(listener, router, stop.clone()));
        Self { address, says, _stop: stop.drop_guard() }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// The list has these rows from now on.
    pub(crate) fn list(&self, entries: &[Value]) {
        self.list_is(200, &json!({ "data": entries }).to_string());
    }

    /// The list's answer is this from now on.
    pub(crate) fn list_is(&self, status: u16, body: &str) {
        self.says.lock().unwrap().list = Some(Answer(status, Vec::new(), body.to_owned()));
    }

    /// The list's answer with headers.
    pub(crate) fn list_answers(&self, answer: Answer) {
        self.says.lock().unwrap().list = Some(answer);
    }

    /// The single-model call answers this for a model.
    pub(crate) fn model(&self, id: &str, status: u16) {
        let body = if status == 200 { json!({"data": {"id": id}}) } else { json!({"error": {"code": status}}) };
        self.says.lock().unwrap().models.insert(id.to_owned(), Answer(status, Vec::new(), body.to_string()));
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.says.lock().unwrap().asked.clone()
    }
}

async fn answer(State(says): State<Arc<Mutex<Says>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let mut says = says.lock().unwrap();
    says.asked.push(path.clone());
    let said = match path.strip_prefix("/api/v1/model/") {
        Some(id) => says.models.get(id).cloned(),
        None => says.list.clone(),
    };
    let Answer(status, headers, body) = said.unwrap_or_else(|| Answer(404, Vec::new(), "{}".to_owned()));
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
