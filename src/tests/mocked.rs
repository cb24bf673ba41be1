//! Every call to OpenRouter with every status that its description documents. `TEST_OPENROUTER_MOCK_URL` names a server
//! that another tool made from that description (`prism mock openapi.yaml`), which also refuses a question that the
//! description does not allow; without it the simulated OpenRouter is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use openrouter_monitor::clock::{Clock, ManualClock};
use openrouter_monitor::config;
use openrouter_monitor::demo::bank::Terms;
use openrouter_monitor::domain::model_id::ModelId;
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::http::server;
use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::openrouter::Client;
use openrouter_monitor::openrouter::account::Question;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::openrouter::FakeOpenRouter;
use crate::harness::{START, at, install_tls};

const SECRET: &str = "sk-or-v1-0123456789abcdef";
const MODEL: &str = "openai/gpt-4";
/// A body is invented anew each time; so many are read of each call.
const INVENTED: usize = 40;

/// Stands before a server and has it answer what the first part of the path prefers: `code=429`, `dynamic=true`.
struct Relay {
    http: reqwest::Client,
    simulated: FakeOpenRouter,
    mock: Option<String>,
}

async fn relay(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.uri.path_and_query().unwrap().as_str();
    let (preference, path) = asked[1..].split_once('/').unwrap();
    let base = match &relay.mock {
        Some(mock) => mock.clone(),
        None if preference == "code=200" || preference == "dynamic=true" => relay.simulated.base_url(),
        None => {
            let code = preference.trim_start_matches("code=").parse().unwrap();
            return (StatusCode::from_u16(code).unwrap(), json!({"error": {"code": code}}).to_string()).into_response();
        }
    };
    let url = format!("{}/{path}", base.trim_end_matches('/'));
    let mut forwarded = relay.http.request(parts.method, url).header("prefer", preference);
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        forwarded =
            forwarded.headers(parts.headers.get(&name).map(|value| (name, value.clone())).into_iter().collect());
    }
    if !parts.headers.contains_key(AUTHORIZATION) {
        // The description wants a key for the lists of models, which are public all the same.
        forwarded = forwarded.bearer_auth(SECRET);
    }
    let sent = forwarded.body(to_bytes(body, 1 << 20).await.unwrap()).send().await.unwrap();
    let status = sent.status();
    let body: Bytes = sent.bytes().await.unwrap();
    // 422 and a 404 of its own are how the mock server says that the question is none.
    assert!(status != 422, "{asked}: {}", String::from_utf8_lossy(&body));
    assert!(!body.starts_with(b"{\"type\":\"https://stoplight.io"), "{asked}: {}", String::from_utf8_lossy(&body));
    (status, body).into_response()
}

/// A client for each preference, and what ends the relay.
async fn relayed() -> (impl Fn(&str) -> Client, bool, DropGuard) {
    install_tls();
    let simulated = FakeOpenRouter::at(Arc::new(ManualClock::at(at(START))) as Arc<dyn Clock>).await;
    simulated.bank.buy("them", NanoUsd::dollars(30));
    simulated.bank.add_key("them", SECRET, Terms { is_management: true, ..Terms::default() });
    simulated.list(&[json!({"id": MODEL, "name": "GPT-4", "created": 1_692_901_234})]);
    simulated.model(MODEL, 200);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let mock = std::env::var("TEST_OPENROUTER_MOCK_URL").ok();
    let is_mocked = mock.is_some();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let router = Router::new().fallback(relay).with_state(Arc::new(Relay { http, simulated, mock }));
    tokio::spawn(server::run(listener, router, stop.clone()));
    let client = move |preference: &str| {
        let base_url = format!("http://{address}/{preference}");
        let config = config::OpenRouter { base_url, timeout_seconds: 30, ..config::OpenRouter::default() };
        Client::live(&config, Metrics::default()).unwrap()
    };
    (client, is_mocked, stop.drop_guard())
}

/// How a call ended: `read`, or what is made of the answer.
async fn outcome(client: &Client, call: &str) -> String {
    fn told<T, E: std::fmt::Debug>(answer: Result<T, E>) -> String {
        answer.map_or_else(|error| format!("{error:?}"), |_| "read".to_owned())
    }
    let (secret, now) = (SecretString::from(SECRET), at(START));
    let metrics = ["total_usage"];
    let from = now - TimeDelta::days(1);
    let question = Question { metrics: &metrics, dimensions: &["external_user"], from, until: now };
    let url = "https://monitor.example.org/v1/traces".parse().unwrap();
    match call {
        "list" => told(client.list(now).await),
        "model" => format!("{:?}", client.presence(&ModelId::new(MODEL)).await),
        "key" => told(client.key(&secret).await),
        "credits" => told(client.credits(&secret).await),
        "keys" => told(client.keys(&secret).await),
        "activity" => told(client.activity(&secret, from.date_naive(), None).await),
        "analytics" => told(client.report(&secret, &question).await),
        "destinations" => told(client.register(&secret, &url, "token").await),
        _ => unreachable!("{call}"),
    }
}

#[tokio::test]
async fn every_documented_answer_is_understood() {
    let (client, _, _guard) = relayed().await;
    for (call, code, expected) in [
        ("list", 200, "read"),
        ("list", 400, "Status"),
        ("list", 403, "Status"),
        ("list", 500, "Status"),
        ("model", 200, "Served"),
        ("model", 403, "Unanswered"),
        ("model", 404, "Gone"),
        ("model", 500, "Unanswered"),
        ("key", 200, "read"),
        ("key", 401, "Refused"),
        ("key", 500, "Unanswered"),
        ("credits", 200, "read"),
        ("credits", 401, "Refused"),
        ("credits", 403, "NotAllowed"),
        ("credits", 500, "Unanswered"),
        ("keys", 200, "read"),
        ("keys", 401, "Refused"),
        ("keys", 500, "Unanswered"),
        ("activity", 200, "read"),
        ("activity", 400, "Rejected(400)"),
        ("activity", 401, "Refused"),
        ("activity", 403, "NotAllowed"),
        ("activity", 404, "Rejected(404)"),
        ("activity", 500, "Unanswered"),
        ("analytics", 200, "read"),
        ("analytics", 400, "Rejected(400)"),
        ("analytics", 401, "Refused"),
        ("analytics", 403, "NotAllowed"),
        ("analytics", 408, "Unanswered"),
        ("analytics", 500, "Unanswered"),
        ("destinations", 201, "read"),
        ("destinations", 400, "Refused { status: 400"),
        ("destinations", 401, "Refused { status: 401"),
        ("destinations", 403, "Refused { status: 403"),
        ("destinations", 409, "Refused { status: 409"),
        ("destinations", 500, "Refused { status: 500"),
    ] {
        let told = outcome(&client(&format!("code={code}")), call).await;
        assert!(told.starts_with(expected), "{call} {code}: {told}");
    }
}

/// Bodies that are invented from the description's types, with what is optional there or not. Not of the list, where
/// the address of a next page is invented too, nor of the activity, whose days would be words.
#[tokio::test]
async fn whatever_the_description_allows_can_be_read() {
    let (client, is_mocked, _guard) = relayed().await;
    for call in ["model", "key", "credits", "keys", "analytics"] {
        let expected = if call == "model" { "Served" } else { "read" };
        for _ in 0..if is_mocked { INVENTED } else { 1 } {
            assert_eq!(outcome(&client("dynamic=true"), call).await, expected, "{call}");
        }
    }
}
