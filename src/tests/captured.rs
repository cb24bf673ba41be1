//! The rules held against captured lists, where they are there: `CAPTURED_DATA` names the folder, and where the tests
//! must not skip (`CI=true`) its absence is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::Value;

/// The captures, or `None` where they are not there and need not be.
pub(crate) fn captures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("CAPTURED_DATA").map_or(beside, PathBuf::from);
    let there = folder.join("cases").is_dir();
    assert!(there || std::env::var_os("CI").is_none(), "{} is not there", folder.display());
    there.then_some(folder)
}

/// Replays lists and gives what would have been told.
pub(crate) fn replay(lists: &Path, more: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_openrouter-monitor"))
        .args(["replay", "--models", lists.to_str().unwrap()])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The story of a case: changes as `kind model`, mails as `kind: models`, without repetition.
fn story(case: &str) -> Option<BTreeSet<String>> {
    let lines = replay(&captures()?.join("cases").join(case), &[]);
    let tell = |line: &Value| match line["type"].as_str() {
        Some("change") => Some(format!("{} {}", line["kind"].as_str()?, line["model"].as_str()?)),
        Some("mail") => {
            let models = line["models"].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            Some(format!("{}: {models}", line["kind"].as_str()?))
        }
        _ => None,
    };
    Some(lines.iter().filter_map(tell).collect())
}

/// A test for each case: what its story must and must not contain (a line that begins so).
macro_rules! cases {
    ($($name:ident $case:literal must [$($must:literal),*] never [$($never:literal),*];)*) => { $(
        #[test]
        fn $name() {
            let Some(story) = story($case) else { return };
            let begins = |part: &str| story.iter().any(|line| line.starts_with(part));
            for part in [$($must),*] as [&str; _] {
                assert!(begins(part), "{part} is not in {story:#?}");
            }
            for part in [$($never),*] as [&str; _] {
                assert!(!begins(part), "{part} is in {story:#?}");
            }
        }
    )* };
}

cases! {
    free_models_that_vanish_for_22_hours_are_no_news "03_free_models_vanish_22h"
        must ["added xiaomi/mimo-v2-flash"] never ["removed", "returned", "model_removed", "model_returned"];
    an_alias_that_collapses_with_its_model_is_no_news "04_fable5_alias_collapse"
        must ["model_deprecated: poolside/laguna-xs.2"] never ["removed", "repriced ~", "capability_lost ~", "model_removed", "context_changed ~"];
    two_replicas_that_alternate_are_told_to_nobody "05_stale_replica_prices"
        must ["repriced"] never ["model_", "removed"];
    a_paid_model_at_zero_for_a_day_is_told_to_nobody "07_paid_model_price_zero_one_day"
        must ["repriced moonshotai/kimi-k2.5"] never ["model_", "removed"];
    a_free_model_with_a_price_for_two_days_is_told_to_nobody "09_free_model_gets_price"
        must ["repriced google/gemini-2.0-flash-exp:free"] never ["model_repriced", "removed"];
    a_date_that_hops_is_told_once "11_expiration_ping_pong"
        must ["model_deprecated: z-ai/glm-4.5", "deprecation_moved z-ai/glm-4.5"] never ["model_date_changed: openai/gpt-5.2-chat"];
    a_date_taken_back_on_the_day_is_no_removal "13_expiration_cleared_on_the_day"
        must ["deprecation_cleared deepseek/deepseek-r1-distill-llama-70b", "removed nvidia/nemotron-nano-9b-v2", "removed openai/gpt-5.3-chat",
            "model_removed: nvidia/nemotron-nano-9b-v2"]
        never ["removed deepseek/deepseek-r1-distill-llama-70b", "removed openai/gpt-5.2-chat"];
    a_new_author_of_the_same_slug_is_a_rename "16_rename_author_slug"
        must ["renamed reka/reka-edge"] never ["removed", "added rekaai/reka-edge"];
    a_free_variant_that_ends_is_a_removal_although_the_paid_one_comes "17_free_to_paid_same_slug"
        must ["added qwen/qwen3.6-plus", "removed qwen/qwen3.6-plus:free", "model_removed: qwen/qwen3.6-plus:free"] never ["renamed"];
    an_alias_that_points_elsewhere_is_one_change "18_alias_retarget"
        must ["alias_retargeted ~x-ai/grok-latest"] never ["repriced ~x-ai/grok-latest", "context_changed ~x-ai/grok-latest", "capability_lost ~x-ai/grok-latest", "model_"];
    overrides_that_appear_are_a_new_schedule_and_nothing_else "19_overrides_appear"
        must ["repriced google/gemini-2.5-pro"] never ["model_", "removed", "capability_lost"];
    a_list_polled_in_another_window_is_no_change_of_price "20_time_of_day_pricing"
        must ["repriced deepseek/deepseek-v4-pro-0813"] never ["model_", "removed"];
    another_order_is_nothing "21_order_only_change" must [] never ["a", "c", "m", "r", "d"];
    a_model_listed_for_five_hours_is_told_to_nobody "23_added_and_gone_in_5h"
        must ["added allenai/molmo-2-8b", "added allenai/molmo-2-8b:free"] never ["removed", "model_", "renamed"];
    a_new_field_on_every_model_is_nothing "24_schema_day" must [] never ["a", "c", "m", "r", "d"];
    a_context_of_zero_is_unknown "25_context_zero"
        must ["added qwen/qwen3-vl-30b-a3b-instruct"] never ["context_changed", "model_"];
}

/// The first list without a model, and the first that has it again.
type Absence = (DateTime<Utc>, Option<DateTime<Utc>>);

/// What the lists themselves say of each model's absences, computed without the program.
fn absences(lists: &[(DateTime<Utc>, BTreeSet<String>)]) -> BTreeMap<String, Vec<Absence>> {
    let mut found: BTreeMap<String, Vec<Absence>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (at, ids) in lists {
        for id in &seen {
            let gaps = found.entry(String::clone(id)).or_default();
            let away = gaps.last().is_some_and(|(_, back)| back.is_none());
            match (ids.contains(id), away) {
                (false, false) => gaps.push((*at, None)),
                (true, true) => gaps.last_mut().unwrap().1 = Some(*at),
                _ => {}
            }
        }
        seen.extend(ids.iter().cloned());
    }
    found
}

pub(crate) fn unpacked(folder: &Path) -> tempfile::TempDir {
    let into = tempfile::tempdir().unwrap();
    let archive = folder.join("catalogues.tar.zst");
    let status = Command::new("tar").arg("--zstd").arg("-xf").arg(archive).arg("-C").arg(into.path()).status().unwrap();
    assert!(status.success(), "tar cannot unpack the lists; it needs zstd");
    into
}

/// The rows of each list, oldest first.
pub(crate) fn read_lists(folder: &Path) -> Vec<(DateTime<Utc>, Vec<Value>)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let file = entry.unwrap().path();
        let stamp = file.file_name().unwrap().to_str().unwrap()[..18].to_owned();
        let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let rows = body.get("data").unwrap_or(&body).as_array().unwrap().clone();
        (NaiveDateTime::parse_from_str(&stamp, "%Y-%m-%dT%H%M%SZ").unwrap().and_utc(), rows)
    };
    let mut lists: Vec<_> = std::fs::read_dir(folder).unwrap().map(read).collect();
    lists.sort_by_key(|(at, _)| *at);
    lists
}

#[test]
fn over_all_captured_lists_what_is_told_is_true_in_time_and_told_once() {
    let Some(folder) = captures() else { return };
    let unpacked = unpacked(&folder);
    let folder = unpacked.path().join("catalogues");
    let ids = |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let lists: Vec<(DateTime<Utc>, BTreeSet<String>)> =
        read_lists(&folder).into_iter().map(|(at, rows)| (at, ids(rows))).collect();
    let absences = absences(&lists);
    let told = replay(&folder, &[]);
    let mails = || told.iter().filter(|line| line["type"] == "mail");
    let time = |line: &Value| line["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let models = |line: &Value| {
        line["models"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    // No mail for a model that was absent for less than 24 hours.
    for mail in mails().filter(|mail| mail["kind"] == "model_removed") {
        for id in models(mail) {
            let (since, back) = absences[&id].iter().rfind(|(since, _)| *since <= time(mail)).unwrap();
            assert!(
                back.is_none_or(|back| back - *since >= TimeDelta::hours(24)),
                "{id} was away from {since} to {back:?}"
            );
        }
    }
    // Every removal that lasts is told at the first fetch after 24 hours at the latest, and once.
    let end = lists.last().unwrap().0;
    let mut permanent = 0;
    for (id, gaps) in &absences {
        let Some((since, None)) = gaps.last() else { continue };
        let Some((due, _)) =
            lists.iter().find(|(at, _)| *at >= *since + TimeDelta::hours(24)).filter(|(at, _)| *at <= end)
        else {
            continue;
        };
        let told: Vec<_> = mails()
            .filter(|mail| mail["kind"] == "model_removed" && models(mail).contains(id) && time(mail) >= *since)
            .map(time)
            .collect();
        assert!(told.len() == 1 && told[0] <= *due, "{id}: gone since {since}, due at {due}, told at {told:?}");
        permanent += 1;
    }
    assert!(permanent > 10, "{permanent}");
    // No (user, model, milestone, date) twice.
    let mut seen = BTreeSet::new();
    for mail in mails() {
        for why in mail["why"].as_array().unwrap() {
            let key = format!("{} {} {why}", mail["user"], mail["kind"]);
            assert!(seen.insert(key.clone()), "{key} was told twice");
        }
    }
    println!("{} lists: {} mails, {permanent} permanent removals", lists.len(), mails().count());
}
