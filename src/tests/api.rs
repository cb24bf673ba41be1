//! The API as a platform uses it: tokens, executions, traces, the directory, and what it asks before it runs something.

use std::io::Write;
use std::net::SocketAddr;

use openrouter_monitor::store::tokens::{self, Scope};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::harness::World;
use crate::http::{exchange, listening};

/// A platform with a token of each scope.
pub(crate) struct Platform {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Platform {
    pub(crate) async fn new() -> Self {
        let (world, address, running) = listening().await;
        let mut tx = world.context.db.write().await.unwrap();
        for scope in [Scope::Ingest, Scope::Read] {
            let hash = tokens::hash(scope.as_str());
            tokens::insert(&mut tx, scope, "test", &hash, world.context.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        Self { world, address, running }
    }

    /// Sends a request with a token; gives the status and the JSON of the answer.
    pub(crate) async fn call(&self, token: &str, request: &str, headers: &str, body: &[u8]) -> (u16, Value) {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        self.call("ingest", &format!("POST {path}"), "Content-Type: application/json\r\n", body.as_bytes()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call("read", &format!("GET {path}"), "", b"").await
    }

    pub(crate) async fn end(self) {
        self.world.context.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

fn row(id: &str, user: &str, dollars: &str) -> Value {
    json!({"id": id, "at": "2026-06-08T03:10:00Z", "user": user, "model": "a/old", "cost_usd": dollars})
}

#[tokio::test]
async fn a_token_opens_what_its_scope_says() {
    let platform = Platform::new().await;
    let check = async |token: &str, request: &str, expected: u16| {
        let (status, answer) = platform.call(token, request, "", b"").await;
        assert_eq!(status, expected, "{token} {request}: {answer}");
        assert!(expected < 400 || answer["error"]["code"].is_string(), "{answer}");
    };
    check("wrong", "POST /v1/executions", 401).await;
    check("read", "POST /v1/executions", 403).await;
    check("ingest", "POST /v1/executions", 200).await;
    check("ingest", "GET /v1/spend", 403).await;
    check("read", "GET /v1/spend", 200).await;
    check("read", "GET /v1/models/a/old", 200).await;
    check("ingest", "PATCH /v1/executions", 405).await;
    check("read", "GET /v1/nothing", 404).await;
    platform.end().await;
}

#[tokio::test]
async fn executions_come_as_object_array_lines_or_gzip_and_good_rows_are_kept() {
    let platform = Platform::new().await;
    let took = |accepted: usize, duplicates: usize, rejected: Value| {
        (200, json!({"accepted": accepted, "duplicates": duplicates, "rejected": rejected}))
    };
    let (one, two) = (row("e1", "u1", "0.5"), row("e2", "u1", "0.25"));
    assert_eq!(platform.post("/v1/executions", &one.to_string()).await, took(1, 0, json!([])));
    assert_eq!(platform.post("/v1/executions", &json!([one, two]).to_string()).await, took(1, 1, json!([])));
    let lines = format!("{}\nnot json\n{}\n", row("e3", "u2", "1"), json!({"id": "e4", "user": "u2"}));
    let (status, answer) = platform.post("/v1/executions", &lines).await;
    assert_eq!((status, answer["accepted"].as_u64(), answer["rejected"].as_array().unwrap().len()), (200, Some(1), 2));
    assert_eq!((&answer["rejected"][0]["index"], &answer["rejected"][1]["id"]), (&json!(1), &json!("e4")));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(row("e5", "u2", "1").to_string().as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let answer = platform.call("ingest", "POST /v1/executions", "Content-Encoding: gzip\r\n", &packed).await;
    assert_eq!(answer, took(1, 0, json!([])));

    let (status, answer) = platform.get("/v1/spend?by=user&since=2026-06-08&tz=Asia/Kolkata").await;
    assert_eq!((status, &answer["total_usd"]), (200, &json!("2.75")));
    assert_eq!((&answer["rows"][0]["user"], &answer["rows"][0]["spent_usd"]), (&json!("u2"), &json!("2")));
    let (_, page) = platform.get("/v1/spend?by=user&since=2026-06-08&limit=1").await;
    assert_eq!((&page["next_offset"], page["rows"].as_array().unwrap().len()), (&json!(1), 1));
    let (_, own) = platform.get("/v1/users/u1/spend?since=2026-06-08T00:00:00Z").await;
    assert_eq!((&own["rows"][0]["model"], &own["rows"][0]["executions"]), (&json!("a/old"), &json!(2)));
    platform.end().await;
}

#[tokio::test]
async fn a_full_queue_says_so_and_loses_nothing_that_it_took() {
    let platform = Platform::new().await;
    // Two of these are more than may wait.
    let body = |request: &str| {
        let row = |n: u32| row(&format!("{request}-{n}"), "u1", "0.01").to_string();
        (0..30_000).map(row).collect::<Vec<_>>().join("\n")
    };
    let bodies = [body("a"), body("b")];
    let head = |body: &str| {
        format!(
            "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ingest\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    };
    let requests = bodies.each_ref().map(|body| head(body) + body);
    // Who holds the only connection that writes holds up the writer.
    let lock = platform.world.context.db.write().await.unwrap();
    let mut answers = tokio::task::JoinSet::new();
    for (place, request) in requests.clone().into_iter().enumerate() {
        let address = platform.address;
        answers.spawn(async move { (place, exchange(address, &request).await) });
    }
    let (refused, answer) = answers.join_next().await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answers.try_join_next().is_none(), "what waits is not acknowledged yet");
    lock.abandon();
    let (_, taken) = answers.join_next().await.unwrap().unwrap();
    let again = exchange(platform.address, &requests[refused]).await;
    for answer in [taken, again] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""accepted":30000"#), "{answer}");
    }
    let (_, spent) = platform.get("/v1/users/u1/spend?since=2026-06-08").await;
    assert_eq!((&spent["rows"][0]["executions"], &spent["total_usd"]), (&json!(60_000), &json!("600")));
    platform.end().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_one_shape() {
    let platform = Platform::new().await;
    let check = async |request: &str, headers: &str, body: &[u8], expected: u16| {
        let (status, answer) = platform.call("ingest", request, headers, body).await;
        assert_eq!(status, expected, "{request} {headers}: {answer}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    };
    check("POST /v1/executions", "Content-Type: multipart/form-data\r\n", b"x", 415).await;
    check("POST /v1/executions", "Content-Encoding: br\r\n", b"x", 415).await;
    check("POST /v1/executions", "", b"[{", 422).await;
    check("POST /v1/executions", "", &[0xff, 0xfe], 422).await;
    check("POST /v1/traces", "Content-Type: application/json\r\n", b"nonsense", 422).await;
    check("POST /v1/estimate", "", b"{}", 422).await;
    let most = br#"{"model":"a/old","input_tokens":18446744073709551615,"output_tokens":1}"#;
    assert_eq!(platform.call("ingest", "POST /v1/estimate", "", most).await.0, 200);
    check("GET /v1/models/%FF", "", b"", 404).await;
    check("GET /v1/users/%00/allowance", "", b"", 404).await;
    check("POST /v1/classify?status=many", "", b"{}", 422).await;
    check("POST /v1/executions", "", &vec![b' '; 17 << 20], 413).await;
    platform.end().await;
}

#[tokio::test]
async fn a_trace_is_an_execution_and_a_connection_test_is_not() {
    let platform = Platform::new().await;
    let trace = |id: &str| {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "00000000000000000000000000000abc", "spanId": "0000000000000def", "name": "LLM Generation",
            "startTimeUnixNano": "1780887600000000000", "endTimeUnixNano": "1780887601000000000",
            "attributes": [text("gen_ai.response.id", id), text("gen_ai.request.model", "a/old"), text("user.id", "u1"),
                text("gen_ai.operation.name", "chat"), {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
                text("trace.metadata.provider_responses", r#"[{"status":429},{"status":200}]"#),
                {"key": "gen_ai.usage.total_cost", "value": {"doubleValue": 0.0015}}]}]}]}]})
    };
    assert_eq!(platform.post("/v1/traces", "{}").await.0, 200);
    let (body, marked) = (trace("gen-0").to_string(), "Content-Type: application/json\r\nX-Test-Connection: true\r\n");
    assert_eq!(platform.call("ingest", "POST /v1/traces", marked, body.as_bytes()).await.0, 200);
    assert_eq!(platform.post("/v1/traces", &trace("gen-1").to_string()).await, (200, json!({})));
    assert_eq!(platform.post("/v1/traces", &trace("gen-1").to_string()).await, (200, json!({})));
    let (_, spent) = platform.get("/v1/users/u1/spend?since=2026-06-08").await;
    assert_eq!((&spent["rows"][0]["executions"], &spent["total_usd"]), (&json!(1), &json!("0.0015")));
    let tried =
        |result: &str| platform.world.context.metrics.usage.provider_attempts.with_label_values(&[result]).get();
    assert_eq!((tried("rate_limited"), tried("success"), tried("timeout")), (1, 1, 0), "sent twice, counted once");
    platform.end().await;
}

#[tokio::test]
async fn a_platform_asks_before_it_runs_something() {
    let platform = Platform::new().await;
    let entry = json!({"user": {"id": "u1", "email": "u1@platform.example", "daily_limit_usd": 2}});
    assert_eq!(platform.post("/v1/directory", &format!("{entry}\nbad\n")).await.1["accepted"], 1);
    let (_, model) = platform.get("/v1/models/a/old:nitro").await;
    assert_eq!((&model["status"], &model["expires_on"]), (&json!("deprecated"), &json!("2026-06-12")));
    let best = &model["replacements"][0];
    assert_eq!(
        (&best["model"], &best["price_change_pct"], &best["context_length"]),
        (&json!("b/b"), &json!(0.0), &json!(8000))
    );
    assert_eq!(best["reasons"][0], "a like model of another maker");
    assert_eq!(platform.get("/v1/models/b/b").await.1["replacements"], json!([]));
    let (_, unknown) = platform.get("/v1/models/a/olf").await;
    assert_eq!((&unknown["exists"], &unknown["did_you_mean"]), (&json!(false), &json!(["a/old"])));
    let asked = json!({"model": "a/old", "input_tokens": 1000, "output_tokens": 100, "max_output_tokens": 1000});
    let (_, estimate) = platform.post("/v1/estimate", &asked.to_string()).await;
    assert_eq!((&estimate["expected_usd"], &estimate["worst_case_usd"]), (&json!("0.0012"), &json!("0.003")));
    assert!(estimate["warnings"][0].as_str().is_some_and(|warning| warning.contains("2026-06-12")), "{estimate}");
    assert_eq!(platform.get("/v1/users/nobody/allowance").await.0, 404);

    platform.post("/v1/executions", &row("e1", "u1", "1.7").to_string()).await;
    assert_eq!(platform.get("/v1/users/u1/allowance").await.1["verdict"], "warn");
    platform.post("/v1/executions", &row("e2", "u1", "0.3").to_string()).await;
    let began = std::time::Instant::now();
    while platform.get("/v1/users/u1/allowance").await.1["verdict"] != "deny" {
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "a second was promised");
    }
    platform.end().await;
}

#[tokio::test]
async fn an_error_is_classified_with_what_to_do() {
    let platform = Platform::new().await;
    let body = json!({"error": {"code": 402, "message": "Insufficient credits. Add more using https://openrouter.ai/credits"}});
    let (_, answer) = platform.post("/v1/classify?status=402", &body.to_string()).await;
    assert_eq!(
        (&answer["outcome"], &answer["detail"], &answer["category"]),
        (&json!("out_of_credit"), &json!("balance"), &json!("user"))
    );
    assert_eq!((&answer["retryable"], &answer["charged"]), (&json!(false), &json!(false)));
    assert!(answer["user_message"].as_str().is_some_and(|message| !message.is_empty()));
    platform.end().await;
}

#[tokio::test]
async fn a_user_stops_a_kind_of_mail_with_one_click_and_resumes_it_on_the_page() {
    let platform = Platform::new().await;
    let mut tx = platform.world.context.db.read().await.unwrap();
    let token = openrouter_monitor::store::told::recipients(&mut tx, "u1", "u1").await.unwrap().remove(0).mail_token;
    drop(tx);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let click = format!("POST /m/{token}?kind=model_deprecated");
    assert_eq!(platform.call("", "GET /m/nobody", "", b"").await.0, 404);
    assert_eq!(platform.call("", &format!("GET /m/{token}"), "", b"").await.0, 200);
    let stopped = async || {
        let mut tx = platform.world.context.db.read().await.unwrap();
        openrouter_monitor::store::preferences::stopped(&mut tx, "u1", "u1").await.unwrap().len()
    };
    assert_eq!(stopped().await, 0, "a look changes nothing");
    assert_eq!(platform.call("", &click, form, b"List-Unsubscribe=One-Click").await.0, 200);
    assert_eq!(stopped().await, 1);
    let told = platform.world.mails().await.len();
    platform.world.clock.advance(chrono::TimeDelta::days(2));
    platform.world.run("notices").await;
    assert_eq!(platform.world.mails().await.len(), told, "a reminder that nobody wants");
    assert_eq!(platform.call("", &format!("POST /m/{token}"), form, b"kind=model_deprecated&do=resume").await.0, 200);
    assert_eq!(stopped().await, 0);
    assert_eq!(platform.call("", &format!("POST /m/{token}"), form, b"do=stop").await.0, 200);
    assert_eq!(stopped().await, 16);
    let save = async |fields: &str| {
        platform.call("", &format!("POST /m/{token}"), form, format!("do=save&{fields}").as_bytes()).await.0
    };
    assert_eq!(save("on=budget&on=model_removed&quiet=on&from=22:00&until=07:30&zone=Asia/Tokyo").await, 200);
    assert_eq!(stopped().await, 14);
    for wrong in ["quiet=on&from=22:00&until=22:00", "quiet=on&from=x", "zone=Nowhere/Else"] {
        assert_eq!(save(wrong).await, 422, "{wrong}");
    }
    let mut tx = platform.world.context.db.read().await.unwrap();
    let kept = openrouter_monitor::store::preferences::get(&mut tx, "u1").await.unwrap();
    assert_eq!((kept.quiet, kept.zone), ("22:00-07:30".parse().ok(), Some(chrono_tz::Tz::Asia__Tokyo)));
    assert_eq!(stopped().await, 14, "what is wrong changes nothing");
    drop(tx);
    platform.end().await;
}

#[tokio::test]
async fn the_api_describes_every_call_it_has() {
    let platform = Platform::new().await;
    let (status, described) = platform.call("", "GET /openapi.json", "", b"").await;
    assert_eq!(status, 200);
    let source = include_str!("../http.rs");
    let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once('"'));
    let paths = described["paths"].as_object().unwrap();
    let mut count = 0;
    for (route, _) in routes.filter(|(route, _)| route.starts_with("/v1/")) {
        let path = route.replace("{*id}", "{id}");
        let known = paths
            .keys()
            .any(|known| *known == path || path.starts_with("/v1/models/") && known.starts_with("/v1/models/"));
        assert!(known, "{route} is not described");
        count += 1;
    }
    assert!(count >= 8, "{count}");
    platform.end().await;
}

#[tokio::test]
async fn a_question_about_spend_that_has_no_answer_is_refused() {
    let platform = Platform::new().await;
    for question in ["tz=Mars/Base", "by=colour", "per=week", "limit=x", "since=yesterday"] {
        let (status, answer) = platform.get(&format!("/v1/spend?{question}")).await;
        assert_eq!(status, 422, "{question}: {answer}");
    }
    platform.post("/v1/executions", &row("e1", "u1", "1").to_string()).await;
    for question in ["since=0001-01-01&until=%2B262142-12-31", "per=day&since=2001-01-01", "since=-262143-01-01"] {
        let (status, answer) = platform.get(&format!("/v1/spend?{question}")).await;
        assert_eq!((status, &answer["total_usd"]), (200, &json!("1")), "{question}: {answer}");
    }
    platform.end().await;
}

#[tokio::test]
async fn one_row_that_cannot_be_true_fails_no_other() {
    let platform = Platform::new().await;
    let absurd = row("e1", "u1", "9000000000");
    let (status, answer) = platform.post("/v1/executions", &json!([absurd, row("e2", "u1", "1")]).to_string()).await;
    assert_eq!((status, &answer["accepted"], &answer["rejected"][0]["id"]), (200, &json!(1), &json!("e1")));
    platform.end().await;
}
