//! Users' keys from outside: what the API and the commands take, say and refuse.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use openrouter_monitor::demo::bank::Terms;
use serde_json::{Value, json};

use crate::api::Platform;
use crate::harness::openrouter::Answer;
use crate::process::{program, run};

const GOOD: &str = "sk-or-v1-good-0123456789abcdef";
const OTHER: &str = "sk-or-v1-other-0123456789abcd01";

/// A platform and its admin's token.
async fn platform() -> (Platform, String) {
    let platform = Platform::new().await;
    let file = platform.world.context.settings.get().state_directory().join("admin.token");
    let token = std::fs::read_to_string(file).unwrap().trim().to_owned();
    (platform, token)
}

impl Platform {
    async fn put_key(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = format!("PUT /v1/users/{path}");
        self.call(token, &request, "Content-Type: application/json\r\n", body.to_string().as_bytes()).await
    }
}

#[tokio::test]
async fn a_key_is_checked_stored_shown_by_its_end_and_forgotten() {
    let (platform, admin) = platform().await;
    platform.world.openrouter.bank.add_key("them", GOOD, Terms::default());
    platform.world.openrouter.bank.add_key("them", OTHER, Terms { is_management: true, ..Terms::default() });
    let (status, stored) = platform.put_key(&admin, "u%2F1/keys/my%20key", &json!({"key": GOOD})).await;
    assert_eq!(status, 201, "{stored}");
    let expected = json!({"label": "my key", "last_four": "cdef", "kind": "inference", "status": "ok", "warning": null,
        "added_at": "2026-06-08T03:17:00Z", "replaced_at": "2026-06-08T03:17:00Z", "checked_at": "2026-06-08T03:17:00Z",
        "expires_at": null});
    assert_eq!(stored, expected);
    assert_eq!(platform.put_key(&admin, "u%2F1/keys/my%20key", &json!({"key": GOOD})).await, (200, expected));
    let (status, replaced) = platform.put_key(&admin, "u%2F1/keys/my%20key", &json!({"key": OTHER})).await;
    assert_eq!((status, &replaced["kind"], &replaced["last_four"]), (200, &json!("management"), &json!("cd01")));
    let (status, listed) = platform.call(&admin, "GET /v1/users/u%2F1/keys", "", b"").await;
    assert_eq!(
        (status, listed["keys"].as_array().unwrap().len(), &listed["keys"][0]["label"]),
        (200, 1, &json!("my key"))
    );
    assert_eq!(platform.call(&admin, "GET /v1/users/nobody/keys", "", b"").await, (200, json!({"keys": []})));
    assert_eq!(platform.call(&admin, "DELETE /v1/users/u%2F1/keys/my%20key", "", b"").await.0, 204);
    assert_eq!(platform.call(&admin, "DELETE /v1/users/u%2F1/keys/my%20key", "", b"").await.0, 404);
    platform.end().await;
}

#[tokio::test]
async fn a_key_that_is_refused_or_none_is_not_stored() {
    let (platform, admin) = platform().await;
    for (body, code) in [
        (json!({"key": GOOD}), "key_refused"),
        (json!({"key": "sk-ant-0123456789abcdef"}), "not_a_key"),
        (json!({"key": "sk-or-v1-canary\n0123456789"}), "not_a_key"),
        (json!("sk-or-v1-canary-0123456789"), "unreadable"),
        (json!({"key": ["sk-or-v1-canary-0123456789"]}), "unreadable"),
        (json!({"key": GOOD, "sk-or-v1-canary-0123456789": 1}), "unreadable"),
    ] {
        let (status, answer) = platform.put_key(&admin, "u1/keys/default", &body).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)), "{body}: {answer}");
        assert!(!answer.to_string().contains("canary") && !answer.to_string().contains("0123456789"), "{answer}");
    }
    for (path, status) in [("u1/keys/%0A", 422), ("u1/keys/%00", 404), ("u1/keys/%FF", 404), ("u1/keys/", 404)] {
        assert_eq!(platform.put_key(&admin, path, &json!({"key": GOOD})).await.0, status, "{path}");
    }
    for token in ["ingest", "read"] {
        assert_eq!(platform.put_key(token, "u1/keys/default", &json!({"key": GOOD})).await.0, 403);
        assert_eq!(platform.call(token, "GET /v1/users/u1/keys", "", b"").await.0, 403);
        assert_eq!(platform.call(token, "DELETE /v1/users/u1/keys/default", "", b"").await.0, 403);
    }
    assert_eq!(platform.put_key("wrong", "u1/keys/default", &json!({"key": GOOD})).await.0, 401);
    let form = platform.call(&admin, "PUT /v1/users/u1/keys/default", "Content-Type: text/html\r\n", b"").await;
    assert_eq!(form.0, 415);
    assert_eq!(platform.call(&admin, "GET /v1/users/u1/keys", "", b"").await.1, json!({"keys": []}));
    platform.end().await;
}

#[tokio::test]
async fn a_key_is_stored_unchecked_while_openrouter_says_nothing() {
    let (platform, admin) = platform().await;
    platform.world.openrouter.account(|_, _| Some(Answer(503, Vec::new(), "<html>".to_owned())));
    let (status, stored) = platform.put_key(&admin, "u1/keys/default", &json!({"key": GOOD})).await;
    assert_eq!((status, &stored["status"], &stored["checked_at"]), (201, &json!("unchecked"), &Value::Null));
    let warning = stored["warning"].as_str().unwrap();
    assert!(warning.contains("stored unchecked: 127.0.0.1 answered 503"), "{warning}");
    let metrics = platform.call("", "GET /metrics", "", b"").await;
    assert_eq!(metrics.0, 200);
    platform.end().await;
}

/// Runs a command with something on its standard input.
fn feed(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = program(folder, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn keys_are_set_listed_rotated_and_forgotten_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], input: &str, code: i32, part: &str| {
        let (ended, out, err) = feed(folder.path(), arguments, input);
        assert_eq!(ended, Some(code), "{arguments:?}: {out}{err}");
        assert!(out.contains(part) || err.contains(part), "{arguments:?}: {part} is not in {out}{err}");
        assert!(!out.contains(GOOD) && !err.contains(GOOD), "{out}{err}");
    };
    check(&["keys", "set", "u1"], "", 1, "pipe the key in");
    check(&["keys", "set", "u1"], "hello", 1, "begins with sk-or-");
    check(&["keys", "list"], "", 0, "USER");
    check(&["keys", "rotate-master"], "", 1, "nothing to rotate");
    check(&["keys", "rotate-data"], "", 0, "0 keys of 0 users");
    check(&["keys", "set", "u1"], &format!("  {GOOD}\n"), 0, "default (…cdef) stored, unchecked: 127.0.0.1 cannot");
    check(&["keys", "set", "u1"], GOOD, 0, "was stored already");
    check(&["keys", "set", "u1", "--label", "b"], OTHER, 0, "b (…cd01) stored, unchecked");
    check(&["keys", "list", "--format", "csv"], "", 0, "u1,default,cdef,unknown,unchecked,20");
    check(&["keys", "list", "u1", "--format", "json"], "", 0, "\"last_four\": \"cd01\"");
    check(&["keys", "rotate-master"], "", 0, "master.key: back it up");
    check(&["keys", "rotate-data", "u1"], "", 0, "2 keys of 1 user");
    check(&["keys", "set", "u1"], GOOD, 0, "was stored already");
    check(&["keys", "rotate-master", "--stdin"], "short", 1, "on standard input is neither base64 nor hex");
    check(&["keys", "delete", "u1", "--label", "b"], "", 0, "forgotten");
    check(&["keys", "delete", "u1", "--label", "b"], "", 1, "has no key \"b\"");
    for purpose in ["store", "rotate", "rotate_master", "delete"] {
        check(&["keys", "audit", "--format", "json"], "", 0, &format!("\"purpose\": \"{purpose}\""));
    }
    check(&["keys", "audit", "u2"], "", 0, "PURPOSE");
}

#[test]
fn a_daemon_whose_master_key_does_not_fit_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(feed(folder.path(), &["keys", "set", "u1"], GOOD).0, Some(0));
    let file = folder.path().join("master.key");
    let kept = std::fs::read_to_string(&file).unwrap();
    let refuses = |part: &str| {
        let (code, out, err) = run(folder.path(), &["serve"]);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.contains("keys.master_key: ") && err.contains(part), "{part}: {err}");
        assert!(!err.contains(kept.trim()), "{err}");
    };
    std::fs::write(&file, "0100".repeat(16)).unwrap();
    refuses("put the former key back");
    std::fs::write(&file, "not a key").unwrap();
    refuses("is neither base64 nor hex");
    std::fs::remove_file(&file).unwrap();
    refuses("restore it from its backup");
    assert!(!file.exists(), "none is made while keys are sealed");
    // By systemd's credential.
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("master_key"), &kept).unwrap();
    let mut command = program(folder.path(), &["keys", "rotate-data"]);
    let done = command.env("CREDENTIALS_DIRECTORY", credentials.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 key of 1 user"), "{done:?}");
    // Commands that need no keys go on.
    assert_eq!(run(folder.path(), &["models", "list"]).0, Some(0));
}

/// Whatever moment a rotation is killed at, the keys open afterwards.
#[test]
fn a_rotation_that_is_killed_leaves_keys_that_open() {
    const USERS: usize = 3;
    const KILLS: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    for user in 0..USERS {
        assert_eq!(feed(folder.path(), &["keys", "set", &format!("u{user}")], GOOD).0, Some(0));
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..KILLS {
        let mut rotation = program(folder.path(), &["keys", "rotate-master"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(random.u64(5..120)));
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        let (code, out, err) = run(folder.path(), &["keys", "rotate-data"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains(&format!("{USERS} keys")), "{out}");
    }
}
