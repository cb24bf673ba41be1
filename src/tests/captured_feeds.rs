//! What vendors' ids name in captured lists, and how much their feeds foresee.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use openrouter_monitor::domain::announcement::Platform;
use openrouter_monitor::domain::catalog::Page;
use openrouter_monitor::domain::model::Model;
use openrouter_monitor::domain::model_id::ModelId;
use openrouter_monitor::domain::vendor_id::{Name, Row};
use openrouter_monitor::feeds::Feed;
use serde_json::Value;

use crate::captured::{captures, replay, unpacked};
use crate::harness::at;

/// Ids as the feeds write them, and every row of all captured lists that each must name: those and no others.
const NAMED: &[(&str, &str, &[&str])] = &[
    ("Anthropic", "claude-opus-4-1-20250805", &["anthropic/claude-opus-4.1"]),
    ("Anthropic", "claude-opus-4-20250514", &["anthropic/claude-opus-4"]),
    ("Anthropic", "claude-sonnet-4-20250514", &["anthropic/claude-sonnet-4"]),
    ("anthropic", "claude-sonnet-4-5-20250929", &["anthropic/claude-sonnet-4.5"]),
    ("Anthropic", "claude-3-haiku-20240307", &["anthropic/claude-3-haiku"]),
    ("Anthropic", "claude-3-5-haiku-20241022", &["anthropic/claude-3.5-haiku"]),
    ("Anthropic", "claude-3-7-sonnet-20250219", &[]),
    ("Anthropic", "claude-3-5-sonnet-20241022", &[]),
    ("Anthropic", "claude-instant-1.2", &[]),
    ("OpenAI", "gpt-3.5-turbo-1106", &[]),
    ("OpenAI", "gpt-3.5-turbo-0125", &[]),
    ("OpenAI", "gpt-3.5-turbo-0613", &["openai/gpt-3.5-turbo-0613"]),
    ("OpenAI", "gpt-3.5-turbo-16k-0613", &[]),
    ("OpenAI", "gpt-3.5-turbo", &["openai/gpt-3.5-turbo"]),
    ("OpenAI", "gpt-4-0613", &[]),
    ("OpenAI", "gpt-4", &["openai/gpt-4"]),
    ("OpenAI", "gpt-4-32k", &[]),
    ("OpenAI", "gpt-4-vision-preview", &[]),
    ("OpenAI", "gpt-4-1106-preview", &[]),
    ("OpenAI", "gpt-4-turbo", &["openai/gpt-4-turbo"]),
    ("OpenAI", "gpt-4-turbo-2024-04-09", &[]),
    ("OpenAI", "gpt-4o-2024-05-13", &["openai/gpt-4o-2024-05-13"]),
    ("openai", "gpt-4o", &["openai/gpt-4o"]),
    ("openai", "gpt-4o-mini-2024-07-18", &["openai/gpt-4o-mini-2024-07-18"]),
    ("OpenAI", "gpt-4o-audio-preview", &[]),
    ("OpenAI", "gpt-4o-search-preview-2025-03-11", &["openai/gpt-4o-search-preview"]),
    ("OpenAI", "ft-gpt-4.1-nano-2025-04-14", &[]),
    ("OpenAI", "gpt-4.1-nano-2025-04-14", &["openai/gpt-4.1-nano"]),
    ("OpenAI", "gpt-5-2025-08-07", &["openai/gpt-5"]),
    ("OpenAI", "gpt-5-pro-2025-10-06", &["openai/gpt-5-pro"]),
    ("OpenAI", "gpt-5-chat-latest", &["openai/gpt-5-chat"]),
    ("OpenAI", "gpt-5.3-chat-latest", &["openai/gpt-5.3-chat"]),
    ("OpenAI", "gpt-5-codex", &["openai/gpt-5-codex"]),
    ("OpenAI", "gpt-5.1-codex-max", &["openai/gpt-5.1-codex-max"]),
    ("OpenAI", "o1-2024-12-17", &["openai/o1"]),
    ("OpenAI", "o1-mini", &[]),
    ("OpenAI", "o3-2025-04-16", &["openai/o3"]),
    ("OpenAI", "o3-mini-2025-01-31", &["openai/o3-mini", "openai/o3-mini-high"]),
    ("OpenAI", "o4-mini", &["openai/o4-mini", "openai/o4-mini-high"]),
    ("OpenAI", "o3-deep-research-2025-06-26", &["openai/o3-deep-research"]),
    ("OpenAI", "gpt-realtime", &[]),
    ("OpenAI", "ada", &[]),
    ("OpenAI", "Agent Builder", &[]),
    ("Google", "gemini-2.5-pro", &["google/gemini-2.5-pro"]),
    ("Google", "gemini-2.5-pro-preview-03-25", &[]),
    ("Google", "gemini-2.5-pro-preview-05-06", &["google/gemini-2.5-pro-preview-05-06"]),
    ("Google", "gemini-2.5-pro-preview-06-05", &["google/gemini-2.5-pro-preview"]),
    ("Google", "gemini-2.5-flash-lite-preview-09-2025", &["google/gemini-2.5-flash-lite-preview-09-2025"]),
    ("Google", "gemini-2.5-flash-image-preview", &[]),
    ("gemini", "gemini/gemini-3.1-flash-lite-preview", &["google/gemini-3.1-flash-lite-preview"]),
    ("Google Vertex", "claude-3-haiku", &[]),
    ("vertex_ai-anthropic_models", "vertex_ai/claude-opus-4-5@20251101", &[]),
    ("vertex_ai-openai_models", "vertex_ai/openai/gpt-oss-20b-maas", &[]),
    ("AWS Bedrock", "amazon.nova-premier-v1:0", &["amazon/nova-premier-v1"]),
    ("AWS Bedrock", "amazon.nova-sonic-v1:0", &[]),
    ("AWS Bedrock", "anthropic.claude-3-haiku-20240307-v1:0", &[]),
    ("bedrock", "meta.llama3-70b-instruct-v1:0", &[]),
    ("Azure", "gpt-4o-2024-05-13", &[]),
    ("azure_ai", "azure_ai/Phi-4-mini-instruct", &[]),
    ("azure_ai", "azure_ai/grok-4", &[]),
    ("Cohere", "command-r-plus-04-2024", &[]),
    ("Cohere", "command-r", &[]),
    ("mistral", "mistral/mistral-large-2512", &["mistralai/mistral-large-2512"]),
    ("deepseek", "deepseek-chat", &[]),
    ("moonshot", "moonshot/kimi-k2.5", &[]),
    ("Groq", "llama-3.3-70b-versatile", &[]),
    ("together_ai", "together_ai/openai/gpt-oss-20b", &[]),
];

/// Every model that any of the lists has.
fn all_listed(lists: &Path) -> BTreeMap<ModelId, Model> {
    let mut files: Vec<_> = std::fs::read_dir(lists).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file| Page::parse(&std::fs::read(file).unwrap(), at("2026-07-14T00:00:00Z")).unwrap().catalog.models;
    files.iter().flat_map(read).collect()
}

#[test]
fn in_all_captured_lists_a_vendors_id_names_its_rows_and_no_others() {
    let Some(folder) = captures() else { return };
    let unpacked = unpacked(&folder);
    let listed = all_listed(&unpacked.path().join("catalogues"));
    let rows: Vec<(&str, Row)> = listed.iter().filter_map(|(id, model)| Some((id.as_str(), Row::of(model)?))).collect();
    for (provider, vendor, expected) in NAMED {
        let name = Platform::of(provider).and_then(|platform| Some((platform, Name::of_vendor(platform, vendor)?)));
        let is_named = |row: &Row| name.as_ref().is_some_and(|(platform, name)| row.is(*platform, name));
        let named: Vec<&str> = rows.iter().filter(|(_, row)| is_named(row)).map(|(id, _)| *id).collect();
        assert_eq!(named, *expected, "{provider} {vendor}");
    }
    println!("{} rows, of which a vendor can end {}; {} ids of vendors", listed.len(), rows.len(), NAMED.len());
}

#[test]
fn captured_feeds_are_read() {
    let Some(folder) = captures() else { return };
    for (feed, file, announcements) in [
        (Feed::DeprecationsInfo, "feed-deprecations.info.v1.trimmed.json", 3),
        (Feed::DeprecationsInfo, "feed-deprecations.info.jsonfeed.trimmed.json", 2),
        (Feed::ModelEol, "feed-model-eol.anthropic.trimmed.json", 5),
    ] {
        let reading = feed.parse(&std::fs::read(folder.join("feeds").join(file)).unwrap()).unwrap();
        assert_eq!((reading.announcements.len(), reading.rejected.len()), (announcements, 0), "{file}");
        assert!(reading.announcements.iter().all(|found| found.announced.is_some() && found.url.is_some()), "{file}");
    }
}

/// A configuration that names the captured feeds: the trimmed ones, or those of the folder in `CAPTURED_FEEDS`.
fn config_of_feeds(folder: &Path) -> String {
    let Some(whole) = std::env::var_os("CAPTURED_FEEDS") else {
        let trimmed = |name: &str| folder.join("feeds").join(name).display().to_string();
        let (info, eol) =
            (trimmed("feed-deprecations.info.v1.trimmed.json"), trimmed("feed-model-eol.anthropic.trimmed.json"));
        return format!("[feeds]\ndeprecations_info = '{info}'\nmodel_eol = '{eol}'\nlitellm = 'off'\n");
    };
    let whole = Path::new(&whole);
    let file = |name: &str| whole.join(name).display().to_string();
    let eol: Vec<String> = ["anthropic", "openai", "google", "amazon"]
        .iter()
        .map(|vendor| format!("'{}'", file(&format!("model-eol.{vendor}.json"))))
        .collect();
    let info = file("deprecations.info.json");
    format!("[feeds]\ndeprecations_info = '{info}'\nmodel_eol = [{}]\nlitellm = 'off'\n", eol.join(", "))
}

/// The models that were removed for good in a replay, and of these the ones whose user was warned before.
fn foreseen(told: &[Value]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut removed, mut warned, mut foreseen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in told {
        let models = line["models"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        match line["kind"].as_str() {
            Some("model_deprecated") => warned.extend(models),
            Some("model_returned") => models.for_each(|model| {
                removed.remove(&model);
            }),
            Some("model_removed") => models.for_each(|model| {
                if warned.contains(&model) {
                    foreseen.insert(model.clone());
                }
                removed.insert(model);
            }),
            _ => {}
        }
    }
    foreseen.retain(|model| removed.contains(model));
    (removed, foreseen)
}

#[test]
fn feeds_foresee_more_removals_than_openrouters_own_dates() {
    let Some(folder) = captures() else { return };
    let unpacked = unpacked(&folder);
    let (lists, config) = (unpacked.path().join("catalogues"), unpacked.path().join("config.toml"));
    std::fs::write(&config, config_of_feeds(&folder)).unwrap();
    let (removed, alone) = foreseen(&replay(&lists, &[]));
    let told = replay(&lists, &["--config", config.to_str().unwrap()]);
    let (same, with_feeds) = foreseen(&told);
    let gained: Vec<_> = with_feeds.difference(&alone).collect();
    println!(
        "{} removals; foreseen by OpenRouter's own date: {}, with the feeds: {} ({gained:?})",
        removed.len(),
        alone.len(),
        with_feeds.len()
    );
    assert_eq!(removed, same, "a vendor's day removes nothing");
    assert!(removed.len() >= 25 && alone.len() >= 9, "{removed:?} {alone:?}");
    assert!(gained.iter().any(|model| *model == "anthropic/claude-3.5-haiku") && with_feeds.is_superset(&alone));

    // What a vendor announced during the replay is told from that day on and not before.
    let mails = told.iter().filter(|line| line["kind"] == "model_deprecated");
    let mut opus = mails.filter(|line| line["models"].to_string().contains("\"anthropic/claude-opus-4.1\""));
    assert!(opus.next().is_some_and(|mail| mail["why"].to_string().contains("2026-08-05 by Anthropic")));
    let mut seen = BTreeSet::new();
    for mail in told.iter().filter(|line| line["type"] == "mail") {
        for why in mail["why"].as_array().unwrap() {
            assert!(seen.insert(format!("{} {} {why}", mail["user"], mail["kind"])), "{why} was told twice");
        }
    }
}
