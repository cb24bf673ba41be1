//! The HTTP side, over real connections: pages, figures, health, and who may see what.

use std::net::SocketAddr;
use std::sync::Arc;

use openrouter_monitor::app::App;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{World, dated, model, resource, user};

/// A daemon that listens, with some news.
pub(crate) async fn listening() -> (World, SocketAddr, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let world = World::with(|config| {
        config.http.listen = ([127, 0, 0, 1], 0).into();
        "0 0 1 1 *".clone_into(&mut config.jobs.models.cron);
    })
    .await;
    let evil = json!({"resource": {"id": "<b>r</b>", "user": "u1", "model": "a/old", "name": "<script>x</script>"}});
    world.directory(&[user("u1"), resource("r1", "u1", "a/old"), evil]).await;
    world.openrouter.list(&[dated("a/old", "2026-06-12"), model("b/b")]);
    // In its slot, so that the daemon finds it done when it starts and the figures stand.
    world.runner.run_due().await;
    let app = App::new(Arc::clone(&world.context)).await.unwrap();
    let address = app.address().unwrap();
    let stop = world.context.stop.clone();
    let running = tokio::spawn(app.run(stop.cancelled_owned()));
    (world, address, running)
}

/// Sends a request as it stands and gives the whole answer.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    exchange(address, &format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn pages_show_what_happened_and_run_nothing_from_outside() {
    let (world, address, running) = listening().await;
    for path in ["/", "/mails", "/mails/1", "/models/a/old"] {
        let page = get(address, path, "").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{path}: {page}");
        assert!(page.contains("content-security-policy: default-src 'none'"), "{path}");
        assert!(!page.contains("<script") && page.contains("a&#x2f;old"), "{path}: {page}");
    }
    assert!(get(address, "/mails/1/html", "").await.contains("will be withdrawn"));
    world.context.stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_said_in_one_shape() {
    let (world, address, running) = listening().await;
    for (request, status, code) in [
        ("GET /nowhere HTTP/1.1", "404", "not_found"),
        ("GET /mails/999 HTTP/1.1", "404", "not_found"),
        ("GET /models/no/such HTTP/1.1", "404", "not_found"),
        ("DELETE /metrics HTTP/1.1", "405", "method_not_allowed"),
    ] {
        let answer = exchange(address, &format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code), "{request}: {answer}");
    }
    world.context.stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn pages_are_for_this_machine_or_for_who_has_the_admin_token() {
    let (world, address, running) = listening().await;
    let file = world.context.settings.get().state_directory().join("admin.token");
    let token = std::fs::read_to_string(&file).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(get(address, "/", "Host: evil.example\r\n").await.starts_with("HTTP/1.1 401"));
    assert!(get(address, "/", "X-Forwarded-For: 203.0.113.9\r\n").await.starts_with("HTTP/1.1 401"));
    let bearer = format!("Host: evil.example\r\nAuthorization: Bearer {}\r\n", token.trim());
    assert!(get(address, "/", &bearer).await.starts_with("HTTP/1.1 200"));
    assert!(
        get(address, "/", "Host: evil.example\r\nAuthorization: Bearer wrong\r\n").await.starts_with("HTTP/1.1 401")
    );
    world.context.stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_metrics_have_every_family_from_the_first_scrape_on() {
    let (world, address, running) = listening().await;
    let text = get(address, "/metrics", "").await;
    for line in [
        "openrouter_models{state=\"deprecated\"} 1",
        "openrouter_model_changes_total{kind=\"removed\"} 0",
        "openrouter_model_expiry_timestamp_seconds{model=\"a/old\"} 1781222400",
        "openrouter_alerts{rule=\"bulk_event\",state=\"firing\"} 0",
        "openrouter_monitor_job_runs_total{job=\"models\",result=\"ok\"} 1",
        "openrouter_monitor_mail_total{kind=\"model_deprecated\",result=\"enqueued\"} 1",
        "openrouter_monitor_mail_queue{state=\"dead\"} 0",
        "openrouter_monitor_openrouter_requests_total{call=\"models\",code=\"200\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for family in ["store_transactions_total", "http_request_duration_seconds", "build_info", "job_duration_seconds"] {
        assert!(text.contains(&format!("# TYPE openrouter_monitor_{family} ")), "{family}");
    }
    assert!(get(address, "/livez", "").await.contains("ok"));
    assert!(get(address, "/readyz", "").await.contains("\"ready\":true"));
    world.context.stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_waits_for_no_half_sent_request() {
    let (world, address, running) = listening().await;
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    world.context.stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), running).await.expect("within its grace").unwrap().unwrap();
}
