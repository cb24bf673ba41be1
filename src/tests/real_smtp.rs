//! The daemon between an OpenRouter that gives captured lists and a real SMTP server.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::captured::{captures, unpacked};
use crate::harness::openrouter::FakeOpenRouter;
use crate::harness::{resource, user};
use crate::process::{program, run, terminate};

/// A real server; it ends with the test.
struct Aiosmtpd {
    child: Child,
    port: u16,
}

impl Aiosmtpd {
    /// Starts it over a maildir.
    fn start(maildir: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("/usr/bin/python3")
            .args(["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{port}"), "-c", "aiosmtpd.handlers.Mailbox"])
            .arg(maildir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < Duration::from_mins(1), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Kind, recipient and Message-ID of every mail in a maildir.
fn arrived(maildir: &Path) -> Vec<(String, String, String)> {
    let mails = std::fs::read_dir(maildir.join("new")).into_iter().flatten().map(|entry| entry.unwrap().path());
    mails
        .map(|file| {
            let bytes = std::fs::read(file).unwrap();
            let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
            let kind = parsed.header("X-Openrouter-Monitor-Kind").unwrap().as_text().unwrap().to_owned();
            let to = parsed.to().unwrap().first().unwrap().address().unwrap().to_owned();
            (kind, to, parsed.message_id().unwrap().to_owned())
        })
        .collect()
}

fn rows(list: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(list).unwrap()["data"].as_array().unwrap().clone()
}

/// One user on each model that the first list dates: all hear of the date, and those whose model the last list no
/// longer has hear of the removal at once, for its day has come. Nobody hears twice, whatever is started again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd (python3-aiosmtpd)"]
async fn the_right_mails_arrive_once_over_two_captured_lists_restarts_and_second_runs() {
    let Some(folder) = captures() else { return };
    let lists = unpacked(&folder);
    let read = |name: &str| std::fs::read_to_string(lists.path().join("catalogues").join(name)).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(lists.path().join("catalogues"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let (first, last) = (read(&names[0]), read(&names[names.len() - 1]));
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    let is_dated = |row: &&Value| row["expiration_date"].as_str().is_some_and(|day| day < "2029");
    let dated: Vec<String> = rows(&first).iter().filter(is_dated).map(id).collect();
    let left: BTreeSet<String> = rows(&last).iter().map(id).collect();
    let gone: Vec<&String> = dated.iter().filter(|id| !left.contains(*id)).collect();
    assert!(!dated.is_empty() && !gone.is_empty());

    let state = tempfile::tempdir().unwrap();
    let maildir = state.path().join("maildir");
    let (server, openrouter) = (Aiosmtpd::start(&maildir), FakeOpenRouter::start().await);
    let address = |model: &str| format!("u{}@platform.example", dated.iter().position(|id| id == model).unwrap());
    let entries = dated
        .iter()
        .enumerate()
        .flat_map(|(n, model)| [user(&format!("u{n}")), resource(&format!("r{n}"), &format!("u{n}"), model)]);
    let file = state.path().join("directory.ndjson");
    std::fs::write(&file, entries.map(|entry| entry.to_string() + "\n").collect::<String>()).unwrap();
    assert_eq!(run(state.path(), &["directory", "import", file.to_str().unwrap()]).0, Some(0));
    let set = |arguments: &[&str]| {
        let mut command = program(state.path(), arguments);
        command.env("OPENROUTER_MONITOR__OPENROUTER__BASE_URL", openrouter.base_url());
        command.env("OPENROUTER_MONITOR__MAIL__SMTP_URL", format!("smtp://127.0.0.1:{}", server.port));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let count = |kind: &str| arrived(&maildir).iter().filter(|(found, ..)| found == kind).count();

    openrouter.list_is(200, &first);
    let mut daemon = set(&["serve"]).spawn().unwrap();
    wait_until("every dated model is told", || count("model_deprecated") == dated.len());
    openrouter.list_is(200, &last);
    for _ in 0..2 {
        assert!(set(&["job", "run", "models"]).status().unwrap().success());
    }
    wait_until("every removal is told", || count("model_removed") == gone.len());
    terminate(daemon.id());
    daemon.wait().unwrap();
    daemon = set(&["serve"]).spawn().unwrap();
    assert!(set(&["job", "run", "models"]).status().unwrap().success());
    assert!(set(&["job", "run", "notices"]).status().unwrap().success());
    terminate(daemon.id());
    daemon.wait().unwrap();

    let mails = arrived(&maildir);
    let ids: BTreeSet<&String> = mails.iter().map(|(.., id)| id).collect();
    assert_eq!(ids.len(), mails.len(), "no mail arrived twice");
    for model in &dated {
        let of = |kind: &str| mails.iter().filter(|(found, to, _)| found == kind && *to == address(model)).count();
        assert_eq!((of("model_deprecated"), of("model_removed")), (1, usize::from(gone.contains(&model))), "{model}");
    }
    println!("{} dates and {} removals over SMTP, {} mails in all", dated.len(), gone.len(), mails.len());
}
