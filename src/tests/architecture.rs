//! The invariants that `lib.rs` states, kept by reading the source.

use std::path::{Path, PathBuf};

/// Every source file that is not a test's: its path under `src/` and its text without the tests at its end.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(&path, found),
                false if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
                false => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    let is_source =
        |name: &String| !name.starts_with("tests/") && !name.starts_with("benches/") && !name.ends_with("/tests.rs");
    found
        .iter()
        .map(|path| (name(path), path))
        .filter(|(name, _)| is_source(name))
        .map(|(name, path)| {
            let text = std::fs::read_to_string(path).unwrap();
            (name, text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned())
        })
        .collect()
}

/// No file that `concerns` says so contains any of the words, comments aside.
fn never(concerns: impl Fn(&str) -> bool, words: &[&str]) {
    let mut broken = Vec::new();
    for (name, text) in sources().into_iter().filter(|(name, _)| concerns(name)) {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            broken.extend(
                words.iter().filter(|word| line.contains(**word)).map(|word| format!("{name}: {word}: {line}")),
            );
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_domain_is_pure() {
    let is_domain = |name: &str| name.starts_with("domain");
    never(
        is_domain,
        &["async ", ".await", "sqlx", "tokio", "reqwest", "std::fs", "std::net", "Utc::now", "SystemTime"],
    );
    never(
        is_domain,
        &[
            "crate::store",
            "crate::job",
            "crate::http",
            "crate::mail",
            "crate::openrouter",
            "crate::config",
            "crate::clock",
        ],
    );
}

#[test]
fn sql_is_spoken_only_in_the_store() {
    never(|name| !name.starts_with("store"), &["sqlx"]);
}

#[test]
fn the_store_knows_only_the_domain() {
    never(
        |name| name.starts_with("store"),
        &["crate::job", "crate::http", "crate::mail", "crate::openrouter", "crate::config"],
    );
}

#[test]
fn pages_and_api_send_nothing_and_fetch_nothing() {
    never(
        |name| name.starts_with("http"),
        &["crate::openrouter", "mail::transport", "reqwest", "lettre", "outbox::enqueue"],
    );
    never(|name| name.starts_with("job"), &["crate::http", "axum"]);
}

#[test]
fn what_goes_to_somebody_is_posted_as_they_want_it() {
    never(|name| !name.starts_with("store"), &["outbox::enqueue"]);
}

#[test]
fn only_the_system_clock_reads_the_time() {
    never(|name| name != "clock.rs", &["Utc::now", "SystemTime::now", "Local::now"]);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn the_change_log_of_the_schema_is_the_same_for_both_engines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = |engine: &str| {
        let mut names: Vec<String> = std::fs::read_dir(root.join(engine))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let known: Vec<String> =
        openrouter_monitor::store::MIGRATIONS.iter().map(|(_, name, ..)| format!("{name}.sql")).collect();
    assert_eq!(names("sqlite"), known);
    assert_eq!(names("postgres"), known);
    for (number, name, ..) in openrouter_monitor::store::MIGRATIONS {
        assert_eq!(name[..4], format!("{number:04}"));
    }
    assert!(openrouter_monitor::store::MIGRATIONS.is_sorted_by(|before, after| before.0 < after.0));
}
