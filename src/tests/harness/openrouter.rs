//! An OpenRouter on a loopback port that answers what a test tells it to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::demo::bank::{Asked, Bank};
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
    account: Option<Instead>,
    asked: Vec<String>,
}

/// What is answered to a path and a secret instead of what the bank says.
type Instead = fn(&str, &str) -> Option<Answer>;

/// The simulation; it ends when dropped. A model nobody spoke of is 404.
#[derive(Debug)]
pub(crate) struct FakeOpenRouter {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    /// Its accounts and keys.
    pub(crate) bank: Arc<Bank>,
    _stop: DropGuard,
}

struct Surroundings {
    says: Arc<Mutex<Says>>,
    bank: Arc<Bank>,
    clock: Arc<dyn Clock>,
}

/// What is asked of a key or an account, below `/api/v1/`.
const ACCOUNT: [&str; 7] = ["key", "auth/key", "credits", "keys", "workspaces", "activity", "analytics/query"];

impl FakeOpenRouter {
    pub(crate) async fn start() -> Self {
        Self::at(Arc::new(SystemClock)).await
    }

    /// With the time of a clock.
    pub(crate) async fn at(clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
        let says = Arc::<Mutex<Says>>::default();
        let bank = Arc::<Bank>::default();
        let surroundings = Surroundings { says: Arc::clone(&says), bank: Arc::clone(&bank), clock };
        let router = Router::new().fallback(answer).with_state(Arc::new(surroundings));
        tokio::spawn(server::run(listener, router, stop.clone()));
        Self { address, says, bank, _stop: stop.drop_guard() }
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

    /// Questions about keys and accounts are answered by this, where it answers.
    pub(crate) fn account(&self, instead: Instead) {
        self.says.lock().unwrap().account = Some(instead);
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.says.lock().unwrap().asked.clone()
    }
}

async fn answer(State(surroundings): State<Arc<Surroundings>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    surroundings.says.lock().unwrap().asked.push(path.clone());
    if let Some(path) = path.strip_prefix("/api/v1/").filter(|path| ACCOUNT.contains(path)) {
        return account(&surroundings, path, request).await;
    }
    let says = surroundings.says.lock().unwrap();
    let said = match path.strip_prefix("/api/v1/model/") {
        Some(id) => says.models.get(id).cloned(),
        None => says.list.clone(),
    };
    response(said.unwrap_or_else(|| Answer(404, Vec::new(), "{}".to_owned())))
}

async fn account(surroundings: &Surroundings, path: &str, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let instead = surroundings.says.lock().unwrap().account;
    if let Some(said) = instead.and_then(|instead| instead(path, &secret)) {
        return response(said);
    }
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { path, query: &query, secret: &secret, body: &body };
    let (status, said) = surroundings.bank.answer(&asked, surroundings.clock.now());
    response(Answer(status, Vec::new(), said.to_string()))
}

fn response(Answer(status, headers, body): Answer) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
