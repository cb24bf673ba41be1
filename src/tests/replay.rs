//! `replay` makes the best of files as people have them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// A folder of lists of one model, and what more files it has.
fn folder(lists: &[&str], files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("lists");
    std::fs::create_dir(&models).unwrap();
    let model = json!({"id": "a/m", "name": "M", "pricing": {"prompt": "0.000001", "completion": "0.000002"}});
    for name in lists {
        std::fs::write(models.join(format!("{name}.json")), json!({"data": [model]}).to_string()).unwrap();
    }
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Replays with those files; gives what was told, and what was complained of.
fn replay(folder: &Path, more: &[&str]) -> (Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrouter-monitor"));
    command.arg("replay").arg("--models").arg(folder.join("lists"));
    for file in ["executions", "directory", "balances"] {
        let path = folder.join(file);
        if path.exists() {
            command.arg(format!("--{file}")).arg(path);
        }
    }
    let output = command.args(more).output().unwrap();
    let (told, complaints) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{complaints}");
    (told.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), complaints)
}

fn execution(id: &str, at: &str) -> String {
    json!({"id": id, "at": at, "user": "u", "model": "a/m", "status": 200, "cost_usd": "0.01"}).to_string()
}

#[test]
fn good_lines_of_a_directory_count_though_others_are_bad() {
    let user = json!({"user": {"id": "u", "email": "u@platform.example"}});
    let directory = format!("{user}\n{{\"user\":{{\"id\":\"v\",\"timezone\":\"Mars/Base\"}}}}\nnot json\n");
    let executions = [execution("1", "2026-06-08T02:00:00Z"), execution("2", "2026-06-16T02:00:00Z")].join("\n");
    let folder = folder(&["2026-06-08T011159Z"], &[("directory", directory), ("executions", executions)]);
    let (told, complaints) = replay(folder.path(), &[]);
    assert!(told.iter().any(|line| line["user"] == "u"), "{told:?}");
    assert!(complaints.contains("directory:2: ") && complaints.contains("2 lines are not usable"), "{complaints}");
}

#[test]
fn lists_of_one_second_follow_each_other() {
    let folder = folder(&["2026-06-08T011159Z", "2026-06-08T011159Z_b", "2026-06-08T011159Z_c"], &[]);
    assert_eq!(replay(folder.path(), &[]), (Vec::new(), String::new()));
}

#[test]
fn a_time_far_off_is_left_out_with_a_word() {
    let rows = [
        execution("1", "2099-01-01T00:00:00Z"),
        execution("2", "2026-06-08T02:00:00Z"),
        execution("3", "2026-06-10T02:00:00Z"),
    ];
    let folder = folder(&["2026-06-08T011159Z"], &[("executions", rows.join("\n"))]);
    let (_, complaints) = replay(folder.path(), &["--until", "2026-06-09"]);
    assert_eq!(complaints, "");
    let (_, complaints) = replay(folder.path(), &[]);
    assert!(complaints.contains("1 rows could not be used; the first is in line 1: at: 2099"), "{complaints}");
    assert_eq!(replay(folder.path(), &["--until", "2020-01-01"]), (Vec::new(), String::new()));
}

#[test]
fn what_a_week_cost_is_reported() {
    let user = json!({"user": {"id": "u", "email": "u@platform.example"}}).to_string();
    let executions = [execution("1", "2026-06-10T02:00:00Z"), execution("2", "2026-06-16T02:00:00Z")].join("\n");
    let folder = folder(&["2026-06-08T011159Z"], &[("directory", user), ("executions", executions)]);
    let (told, _) = replay(folder.path(), &[]);
    let reports = told.iter().filter(|line| line["kind"] == "weekly_report").map(|line| line["at"].as_str().unwrap());
    assert_eq!(reports.collect::<Vec<_>>(), ["2026-06-15T08:00:00Z"]);
}
