//! The program as its users start it: commands, exit codes, signals, and what a `kill -9` costs.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::openrouter::FakeOpenRouter;
use crate::harness::smtp::SmtpServer;
use crate::harness::{model, resource, user};

/// The program under test; `TEST_PROGRAM` names another build of it, for figures.
fn binary() -> String {
    std::env::var("TEST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_openrouter-monitor").to_owned())
}

pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("OPENROUTER_MONITOR__STORE__STATE_DIRECTORY", folder).stdin(Stdio::null());
    // Nobody answers there, at once.
    command.env("OPENROUTER_MONITOR__OPENROUTER__BASE_URL", "http://127.0.0.1:1/api/v1");
    command.env("OPENROUTER_MONITOR__HTTP__LISTEN", "127.0.0.1:0");
    // No test asks vendors' feeds, wherever it runs.
    for feed in ["DEPRECATIONS_INFO", "MODEL_EOL", "LITELLM"] {
        command.env(format!("OPENROUTER_MONITOR__FEEDS__{feed}"), "off");
    }
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(folder, arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn write_directory(folder: &Path, users: usize) -> std::path::PathBuf {
    let file = folder.join("directory.ndjson");
    let lines = (0..users).flat_map(|n| {
        let id = format!("u{n}");
        [user(&id), resource(&format!("r{n}"), &id, "a/old")].map(|line| line.to_string() + "\n")
    });
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    file
}

#[test]
fn commands_end_with_0_1_or_2_and_name_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, part: &str| {
        let (ended, out, err) = run(folder.path(), arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {out}{err}");
        assert!(out.contains(part) || err.contains(part), "{arguments:?}: {part} is not in {out}{err}");
    };
    check(&["check-config"], 0, "[jobs.models]");
    check(&["migrate"], 0, "up to date");
    check(&["job", "list"], 0, "models_recheck");
    check(&["job", "run", "nothing"], 2, "possible values: pull, models");
    check(&["job", "run", "models"], 1, "cannot be reached");
    check(&["models", "list"], 0, "");
    check(&["models", "show", "a/b"], 1, "a/b");
    let list = folder.path().join("list.json");
    std::fs::write(&list, json!({"data": [model("a/old-2"), model("a/new-1")]}).to_string()).unwrap();
    let suggest = |id: &'static str| ["models", "suggest", id, "--models", list.to_str().unwrap(), "--format", "json"];
    check(&suggest("a/old-1"), 0, "\"model\": \"a/old-2\"");
    check(&suggest("b/other-1"), 1, "give --last-seen a list that still has it");
    check(&["models", "suggest", "a/old-1", "--models", "/nonexistent"], 1, "/nonexistent cannot be read");
    check(&["mail", "list", "--format", "json"], 0, "[]");
    check(&["mail", "show", "7"], 1, "there is no mail 7");
    check(&["mail", "retry"], 2, "--all-dead");
    check(&["mail", "retry", "--all-dead"], 0, "0 due at once");
    check(&["mail", "preview", "nothing"], 2, "possible values: model_deprecated");
    check(&["mail", "preview", "model_removed"], 0, "Subject: ");
    check(&["mail", "test", "--to", "ops@platform.example"], 0, "sent to ops@platform.example");
    check(&["directory", "import", "/nonexistent"], 1, "/nonexistent cannot be read");
    check(&["replay", "--models", "/nonexistent"], 1, "/nonexistent cannot be read");
    check(&["dance"], 2, "unrecognized subcommand");
    check(&["--config", "/nonexistent", "check-config"], 2, "/nonexistent");
}

#[test]
fn a_bad_line_of_the_directory_is_named_and_the_others_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.ndjson");
    std::fs::write(&file, format!("{}\n\nnot json\n{}\n", user("u1"), resource("r1", "u1", "a/b"))).unwrap();
    let (code, out, err) = run(folder.path(), &["directory", "import", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(out.contains("2 entries taken") && out.contains("d.ndjson:3: expected"), "{out}{err}");
}

#[test]
fn the_daemon_without_a_network_says_so_and_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = program(folder.path(), &[]);
    let mut daemon = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = |part: &str| std::fs::read_to_string(&log).unwrap().contains(part);
    let began = Instant::now();
    while !(said("is ready") && said("next_attempt")) {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", std::fs::read_to_string(&log).unwrap());
        std::thread::yield_now();
    }
    assert!(said("127.0.0.1 cannot be reached"));
    terminate(daemon.id());
    assert!(daemon.wait().unwrap().success());
}

pub(crate) fn terminate(pid: u32) {
    assert!(Command::new("kill").arg(pid.to_string()).status().unwrap().success());
}

#[test]
fn the_demo_plays_its_days_and_is_the_same_for_the_same_seed() {
    let play = || {
        let folder = tempfile::tempdir().unwrap();
        let (code, out, err) = run(folder.path(), &["demo", "--days", "20", "--seed", "3", "--no-serve"]);
        assert_eq!(code, Some(0), "{err}");
        out.lines()
            .filter(|line| line.starts_with("  ") && !line.contains("files in"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // At once: a world ends with the hour in which it is played, so an hour later it is another one.
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(play);
        let second = play();
        (first.join().unwrap(), second)
    });
    assert!(first.iter().any(|line| line.contains("model_deprecated")), "{first:?}");
    assert_eq!(first, second);
}

/// Kills the daemon at random moments while it takes announcements in and delivers the mails they cause; whatever
/// happened, each user has one row in the outbox for each announcement, and got that mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_no_mail_and_enqueue_none_twice() {
    const USERS: usize = 120;
    const PHASES: u64 = 10;
    const KILLS_PER_PHASE: usize = 10;
    let openrouter = FakeOpenRouter::start().await;
    let (server, smtp) = SmtpServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let set = |command: &mut Command| {
        command.env("OPENROUTER_MONITOR__OPENROUTER__BASE_URL", openrouter.base_url());
        command.env("OPENROUTER_MONITOR__MAIL__SMTP_URL", &smtp);
        command.env("OPENROUTER_MONITOR__MAIL__TIMEOUT_SECONDS", "1");
        // All phases are one day of the users'.
        command.env("OPENROUTER_MONITOR__MAIL__PER_USER_DAILY", "100");
        command.env("OPENROUTER_MONITOR__JOBS__MODELS__CRON", "* * * * *");
        command.stdout(Stdio::null()).stderr(Stdio::null());
    };
    let file = write_directory(folder.path(), USERS);
    assert_eq!(run(folder.path(), &["directory", "import", file.to_str().unwrap()]).0, Some(0));
    openrouter.list(&[model("a/old"), model("b/b")]);
    let mut first = program(folder.path(), &["job", "run", "models"]);
    set(&mut first);
    assert!(first.status().unwrap().success());
    // Each phase announces an earlier end, which is told at once; it ends with a run that nobody disturbs.
    let mut random = fastrand::Rng::with_seed(7);
    for phase in 0..PHASES {
        let day = chrono::NaiveDate::from_ymd_opt(2027, 1, 1).expect("a day") - chrono::Days::new(phase);
        openrouter.list(&[crate::harness::dated("a/old", &day.to_string()), model("b/b")]);
        for kill in 0..KILLS_PER_PHASE {
            let command: &[&str] = if kill % 2 == 0 { &["job", "run", "models"] } else { &["serve"] };
            let mut command = program(folder.path(), command);
            set(&mut command);
            let mut child = command.spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(random.u64(5..250))).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut undisturbed = program(folder.path(), &["job", "run", "models"]);
        set(&mut undisturbed);
        assert!(undisturbed.status().unwrap().success());
    }
    let rows = || -> Vec<Value> {
        serde_json::from_str(&run(folder.path(), &["mail", "list", "--limit", "100000", "--format", "json"]).1).unwrap()
    };
    let mut daemon = program(folder.path(), &["serve"]);
    set(&mut daemon);
    let mut daemon = daemon.spawn().unwrap();
    let began = Instant::now();
    while rows().iter().any(|row| row["state"] != "sent") {
        assert!(began.elapsed() < Duration::from_secs(90), "{:?}", rows().iter().find(|row| row["state"] != "sent"));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    terminate(daemon.id());
    daemon.wait().unwrap();
    let rows = rows();
    let mut told = std::collections::BTreeMap::<&str, u64>::new();
    for row in &rows {
        *told.entry(row["to"].as_str().unwrap()).or_default() += 1;
    }
    assert!(told.len() == USERS && told.values().all(|count| *count == PHASES), "each user once a phase: {told:?}");
    let (ids, enqueued) = (server.message_ids(), rows.len());
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), enqueued, "every row reached the server");
    let repeated = ids.len() - enqueued;
    println!("100 kills: {enqueued} mails, {repeated} deliveries repeated under their Message-ID");
}

#[tokio::test(flavor = "multi_thread")]
async fn openrouter_is_connected_with_a_token_of_its_own_or_not_at_all() {
    let openrouter = FakeOpenRouter::start().await;
    let folder = tempfile::tempdir().unwrap();
    let connect = || {
        let mut command = program(folder.path(), &["connect", "openrouter", "--url", "https://monitor.example.org"]);
        command.env("OPENROUTER_MONITOR__OPENROUTER__BASE_URL", openrouter.base_url());
        command.env("OPENROUTER_MONITOR__OPENROUTER__MANAGEMENT_KEY", "canary").output().unwrap()
    };
    let tokens = || run(folder.path(), &["token", "list", "--format", "json"]).1;
    openrouter.list_is(401, r#"{"error":{"code":401,"message":"Invalid management key"}}"#);
    let refused = connect();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Invalid management key") && !said.contains("canary"), "{said}");
    assert!(!tokens().contains("Broadcast"));
    openrouter.list_is(201, r#"{"data":{"id":"d-1"}}"#);
    let connected = connect();
    assert!(
        String::from_utf8_lossy(&connected.stdout).contains("https://monitor.example.org/v1/traces (destination d-1)")
    );
    assert!(tokens().contains("Broadcast"));
}
