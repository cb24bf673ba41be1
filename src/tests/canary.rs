//! A canary among the keys: it goes through everything, and is found nowhere.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use openrouter_monitor::demo::bank::Terms;
use openrouter_monitor::job::JOBS;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::harness::openrouter::{Answer, FakeOpenRouter};
use crate::harness::{model, resource, user};
use crate::http::exchange;
use crate::process::{program, terminate};

/// A good key, one that OpenRouter refuses, what is no key at all, and the platform's own; each has its own secret part.
const GOOD: &str = "sk-or-v1-canary-f1nch-7d3a91c05e8b";
const REFUSED: &str = "sk-or-v1-canary-rob1n-91c05e8b7d3a";
const NO_KEY: &str = "sk-ant-canary-wr3n-c05e8b7d3a91";
const MANAGEMENT: &str = "sk-or-v1-canary-sw1ft-05e8b7d3a91c";
/// What is not shown of each.
const SECRET_PARTS: [&str; 4] = ["canary-f1nch-7d3a", "canary-rob1n-91c0", "canary-wr3n-c05e", "canary-sw1ft-05e8"];

/// The daemon's surroundings, and everything that anybody gets to see.
struct Aviary {
    folder: tempfile::TempDir,
    openrouter: FakeOpenRouter,
    master: String,
    seen: Vec<u8>,
}

impl Aviary {
    async fn new() -> Self {
        let openrouter = FakeOpenRouter::start().await;
        openrouter.list(&[model("a/old"), model("b/b")]);
        openrouter.bank.add_key("them", GOOD, Terms::default());
        openrouter.bank.add_key("them", MANAGEMENT, Terms { is_management: true, ..Terms::default() });
        let master = base64::engine::general_purpose::STANDARD.encode("a master key, of 32 bytes, known");
        Self { folder: tempfile::tempdir().unwrap(), openrouter, master, seen: Vec::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path(), arguments);
        command.env("OPENROUTER_MONITOR__OPENROUTER__BASE_URL", self.openrouter.base_url());
        command.env("OPENROUTER_MONITOR__OPENROUTER__MANAGEMENT_KEY", MANAGEMENT);
        command.env("OPENROUTER_MONITOR__KEYS__MASTER_KEY", &self.master);
        command.env("OPENROUTER_MONITOR__MAIL__ADMINS", "admin@platform.example");
        command.env("OPENROUTER_MONITOR__LOG__LEVEL", "trace");
        command
    }

    /// Runs a command, with something on its standard input, and keeps what it says.
    fn run(&mut self, arguments: &[&str], input: &str) {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        self.seen.extend(output.stdout);
        self.seen.extend(output.stderr);
    }

    /// Starts the daemon; gives its port.
    async fn serve(&self) -> (Child, u16) {
        let log = self.folder.path().join("log");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = self.command(&["serve"]).stderr(stderr).spawn().unwrap();
        (child, port_in(&log).await)
    }

    async fn ask(&mut self, port: u16, request: &str, body: &str) -> String {
        let token = std::fs::read_to_string(self.folder.path().join("admin.token")).unwrap();
        let request = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            token.trim(),
            body.len()
        );
        let answer = exchange(([127, 0, 0, 1], port).into(), &request).await;
        self.seen.extend(answer.as_bytes());
        answer
    }
}

/// The port of the daemon that logs into a file, once it is ready.
async fn port_in(log: &Path) -> u16 {
    let began = Instant::now();
    loop {
        let said = std::fs::read_to_string(log).unwrap();
        if let Some((_, page)) = said.rsplit_once("page=http://127.0.0.1:") {
            return page.split('/').next().unwrap().parse().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{said}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn in_hex(text: &str) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap();
    text.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What text looks like in base64, whatever stands before it; the ends, which depend on it, left out.
fn in_base64(text: &str) -> Vec<String> {
    let shifted = |shift: usize| {
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode("x".repeat(shift) + text);
        encoded[4..encoded.len() - 4].to_owned()
    };
    (0..3).map(shifted).collect()
}

/// Every form in which a secret could be met.
fn forms(master: &str) -> Vec<String> {
    let mut forms = vec![master.trim_end_matches('=').to_owned(), "a master key, of 32 bytes".to_owned()];
    for secret in SECRET_PARTS {
        let hex = in_hex(secret);
        forms.extend([secret.to_owned(), secret.chars().rev().collect(), hex.to_uppercase(), hex]);
        forms.extend(in_base64(secret));
    }
    forms
}

/// The form in which a secret is among bytes.
fn found<'a>(bytes: &[u8], forms: &'a [String]) -> Option<&'a String> {
    forms.iter().find(|form| bytes.windows(form.len()).any(|part| part == form.as_bytes()))
}

fn search_files(folder: &Path, forms: &[String]) -> usize {
    let mut searched = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            searched += search_files(&path, forms);
        } else {
            assert_eq!(found(&std::fs::read(&path).unwrap(), forms), None, "{}", path.display());
            searched += 1;
        }
    }
    searched
}

async fn back_up(folder: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("monitor.db"));
    let mut connection = options.connect().await.unwrap();
    let sql = format!("VACUUM INTO '{}'", folder.join("backup.db").display());
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Asks for everything that the daemon serves.
async fn ask_everything(aviary: &mut Aviary, port: u16) {
    for (path, body, status) in [
        ("u1/keys/good", json!({"key": GOOD}), "201"),
        ("u1/keys/good", json!({"key": GOOD}), "200"),
        ("u1/keys/refused", json!({"key": REFUSED}), "422"),
        ("u1/keys/none", json!({"key": NO_KEY}), "422"),
        ("u1/keys/shape", json!({"key": {"key": GOOD}}), "422"),
        ("u1/keys/shape", Value::from(GOOD), "422"),
        ("u1/keys/shape", json!({"key": GOOD, NO_KEY: 1}), "422"),
    ] {
        let answer = aviary.ask(port, &format!("PUT /v1/users/{path}"), &body.to_string()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {answer}");
    }
    aviary.ask(port, "PUT /v1/users/u1/keys/broken", &format!("{{\"key\":\"{GOOD}\"")).await;
    aviary.openrouter.account(|_, _| Some(Answer(503, Vec::new(), "busy".to_owned())));
    aviary.ask(port, "PUT /v1/users/u2/keys/unchecked", &json!({"key": GOOD}).to_string()).await;
    aviary.openrouter.account(|_, _| None);
    for path in [
        "/",
        "/mails",
        "/mails/1",
        "/mails/1/html",
        "/models/a/old",
        "/metrics",
        "/readyz",
        "/openapi.json",
        "/v1/users/u1/keys",
        "/v1/users/u1/allowance",
        "/v1/alerts",
        "/v1/spend",
        "/v1/models/a/old",
    ] {
        aviary.ask(port, &format!("GET {path}"), "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_nowhere_but_where_it_is_sealed() {
    let mut aviary = Aviary::new().await;
    let directory = aviary.folder.path().join("directory.ndjson");
    let lines = [user("u1"), user("u2"), resource("r1", "u1", "a/old")].map(|line| line.to_string());
    std::fs::write(&directory, lines.join("\n")).unwrap();
    aviary.run(&["directory", "import", directory.to_str().unwrap()], "");
    aviary.run(&["keys", "set", "u3"], GOOD);
    aviary.run(&["keys", "set", "u3", "--label", "refused"], REFUSED);
    aviary.run(&["keys", "set", "u3", "--label", "none"], NO_KEY);
    let (mut daemon, port) = aviary.serve().await;
    ask_everything(&mut aviary, port).await;
    for job in JOBS {
        aviary.run(&["job", "run", job.name], "");
    }
    // A key that was good and is refused now, for whoever polls.
    aviary.openrouter.bank.revoke(GOOD);
    for job in JOBS {
        aviary.run(&["job", "run", job.name], "");
    }
    for command in [
        ["keys", "list", "--format", "json"].as_slice(),
        &["keys", "audit"],
        &["keys", "rotate-data"],
        &["keys", "delete", "u1", "--label", "good"],
        &["doctor"],
        &["doctor", "--format", "json"],
        &["check-config"],
        &["mail", "list"],
        &["mail", "test", "--to", "ops@platform.example"],
        &["connect", "openrouter", "--url", "https://monitor.example.org"],
    ] {
        aviary.run(command, "");
    }
    ask_everything_again(&mut aviary, port).await;
    let forms = forms(&aviary.master);
    // With the log of SQLite as it is while the daemon runs, then in a backup, then after an orderly end.
    assert!(search_files(aviary.folder.path(), &forms) > 5);
    back_up(aviary.folder.path()).await;
    terminate(daemon.id());
    daemon.wait().unwrap();
    assert!(search_files(aviary.folder.path(), &forms) > 5);
    assert_eq!(found(&aviary.seen, &forms), None, "{}", String::from_utf8_lossy(&aviary.seen));
    let log = std::fs::read_to_string(aviary.folder.path().join("log")).unwrap();
    assert!(log.contains("TRACE hyper"), "the log is at its most talkative: {log}");
    let said = String::from_utf8_lossy(&aviary.seen);
    for expected in
        ["\"last_four\":\"5e8b\"", "management_key = \"********\"", "master_key = \"********\"", "key_refused"]
    {
        assert!(said.contains(expected), "{expected} was never said, so nothing was proven");
    }
}

/// After the key was refused.
async fn ask_everything_again(aviary: &mut Aviary, port: u16) {
    for path in ["/", "/mails", "/metrics", "/v1/users/u3/keys", "/v1/alerts?state=all"] {
        aviary.ask(port, &format!("GET {path}"), "").await;
    }
}

#[test]
fn a_secret_would_be_found_in_each_of_its_forms() {
    for hidden in [
        "…sk-or-v1-canary-f1nch-7d3a91c05e8b…".to_owned(),
        base64::engine::general_purpose::STANDARD.encode(format!("ab{GOOD}")),
        base64::engine::general_purpose::STANDARD.encode(format!("a{GOOD}")),
        base64::engine::general_purpose::STANDARD.encode(GOOD),
        in_hex(GOOD).to_uppercase(),
    ] {
        assert!(found(hidden.as_bytes(), &forms("no master")).is_some(), "{hidden}");
    }
}
