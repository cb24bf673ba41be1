//! From a vendor's announcement to a mail, and what becomes of a feed that breaks.

use std::path::Path;

use chrono::TimeDelta;
use openrouter_monitor::config::feeds::Place;
use openrouter_monitor::domain::model_id::ModelId;
use openrouter_monitor::feeds::{Client, Feed};
use openrouter_monitor::store;
use openrouter_monitor::store::outbox::{self, Mail};
use openrouter_monitor::store::runs::Ended;
use serde_json::{Value, json};

use crate::harness::openrouter::FakeOpenRouter;
use crate::harness::{World, brief, dated, install_tls, model, resource, user};

const OPUS: &str = "anthropic/claude-opus-4.1";

/// A feed that says that Opus 4.1 ends on a day.
fn announces(day: &str) -> Value {
    json!([{"provider": "Anthropic", "model_id": "claude-opus-4-1-20250805", "announcement_date": "2026-06-06",
        "shutdown_date": day, "replacement_models": ["claude-opus-4-8"], "url": "https://vendor.example/deprecations"},
        {"provider": "AWS Bedrock", "model_id": "anthropic.claude-opus-4-8", "shutdown_date": "2026-06-20"}])
}

/// A user on Opus through OpenRouter, and one at Anthropic directly; the feed is a file.
async fn world(file: &Path) -> World {
    let world = World::with(|config| config.feeds.deprecations_info = file.display().to_string()).await;
    let mut direct = resource("r2", "u2", "claude-opus-4-1");
    direct["resource"]["provider"] = json!("anthropic");
    world.directory(&[user("u1"), user("u2"), resource("r1", "u1", OPUS), direct]).await;
    world
}

/// Lets days pass, each with a list, the feeds and the notices, and gives the mails.
async fn days(world: &World, days: i64, list: &[Value]) -> Vec<String> {
    let before = world.mails().await.len();
    for _ in 0..days {
        world.fetch_after(24, list).await;
        world.run_report("feeds").await;
        world.run("notices").await;
    }
    world.mails().await.split_off(before).iter().map(brief).collect()
}

/// Every mail with its text.
async fn letters(world: &World) -> Vec<Mail> {
    let mut letters = Vec::new();
    let rows = world.mails().await;
    let mut tx = world.context.db.read().await.unwrap();
    for row in rows {
        letters.push(outbox::get(&mut tx, row.id).await.unwrap().unwrap().1);
    }
    letters
}

#[tokio::test]
async fn a_vendors_day_is_told_with_its_milestones_to_who_depends_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.json");
    std::fs::write(&file, announces("2026-06-20").to_string()).unwrap();
    let mut world = world(&file).await;
    let list = [model(OPUS), model("anthropic/claude-opus-4.8")];
    let told = days(&world, 1, &list).await;
    let both = [
        "model_deprecated u1@platform.example: anthropic/claude-opus-4.1",
        "model_deprecated u2@platform.example: claude-opus-4-1",
    ];
    assert_eq!(told, both);
    let mails = letters(&world).await;
    for (mail, parts) in mails.iter().zip([
        ["will be shut down by Anthropic in 11 days", "anthropic/claude-opus-4.8", "OpenRouter's date: none"],
        ["will be shut down by Anthropic in 11 days", "claude-opus-4-8", "directly at its vendor"],
    ]) {
        let text = format!("{}\n{}", mail.subject, mail.text);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(text.contains("deprecations.info") && text.contains("https://vendor.example/deprecations"), "{text}");
    }
    assert!(!mails[1].text.contains("OpenRouter"), "{}", mails[1].text);
    world.restart().await;
    // 14 days were told with the first mail; 7, 3, 1 and 0 follow, and nothing after the day.
    assert_eq!(days(&world, 20, &list).await.len(), 2 * 4);
    let mut tx = world.context.db.read().await.unwrap();
    let ends = store::feeds::ends(&mut tx).await.unwrap();
    assert_eq!(ends.keys().map(ModelId::as_str).collect::<Vec<_>>(), [OPUS, "claude-opus-4-1"]);
    let kinds: Vec<_> = store::changes::since(&mut tx, chrono::DateTime::default(), None).await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|change| format!("{} {}", change.kind.as_str(), change.describe())).collect();
    assert_eq!(kinds, ["deprecated will be withdrawn on 2026-06-20 by Anthropic (deprecations.info)"]);
}

#[tokio::test]
async fn openrouters_day_leads_and_the_vendors_stands_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.json");
    std::fs::write(&file, announces("2026-06-20").to_string()).unwrap();
    let world = world(&file).await;
    world.run("feeds").await;
    days(&world, 1, &[dated(OPUS, "2026-07-10")]).await;
    let mail = letters(&world).await.into_iter().find(|mail| mail.recipient == "u1@platform.example").unwrap();
    assert!(mail.text.contains("will be withdrawn on Friday, 10 July 2026"), "{}", mail.text);
    assert!(
        mail.text.contains("Vendor's date: 20 June 2026 at Anthropic, as deprecations.info reports"),
        "{}",
        mail.text
    );
}

#[tokio::test]
async fn a_day_that_moves_or_is_taken_back_is_told_to_who_was_told_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.json");
    std::fs::write(&file, announces("2026-07-30").to_string()).unwrap();
    let (world, list) = (world(&file).await, [model(OPUS)]);
    days(&world, 1, &list).await;
    std::fs::write(&file, announces("2026-08-20").to_string()).unwrap();
    let moved = days(&world, 3, &list).await;
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(moved.iter().all(|mail| mail.starts_with("model_date_changed")), "{moved:?}");
    let other = json!([{"provider": "Anthropic", "model_id": "claude-2.0", "shutdown_date": "2026-08-20"}]);
    std::fs::write(&file, other.to_string()).unwrap();
    assert!(days(&world, 6, &list).await.is_empty(), "a feed may be read badly for some days");
    let taken_back = days(&world, 4, &list).await;
    assert_eq!(taken_back.len(), 2, "{taken_back:?}");
    assert!(taken_back.iter().all(|mail| mail.starts_with("model_date_changed")), "{taken_back:?}");
}

#[tokio::test]
async fn a_feed_that_breaks_is_named_and_leaves_in_force_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let (file, eol) = (folder.path().join("feed.json"), folder.path().join("eol.json"));
    std::fs::write(&file, announces("2026-06-20").to_string()).unwrap();
    let world = World::with(|config| {
        config.feeds.deprecations_info = file.display().to_string();
        config.feeds.model_eol = vec![eol.display().to_string()];
    })
    .await;
    world.directory(&[user("u1"), resource("r1", "u1", OPUS)]).await;
    std::fs::write(&eol, json!({"publisher": "openai", "models": [{"id": "gpt-x"}]}).to_string()).unwrap();
    world.fetch_after(0, &[model(OPUS), model("openai/gpt-x")]).await;
    assert_eq!(world.run("feeds").await, "deprecations_info: 2 announcements, model_eol: 0 announcements");
    std::fs::write(&file, "<html>").unwrap();
    std::fs::write(
        &eol,
        json!({"publisher": "openai", "models": [{"id": "gpt-x", "shutdown": "2026-06-21"}]}).to_string(),
    )
    .unwrap();
    world.clock.advance(TimeDelta::days(1));
    let (Ended::Failed(error) | Ended::Retry(_, error)) = world.run_report("feeds").await.ended else {
        panic!("it fails")
    };
    assert!(error.starts_with("deprecations_info: the format is not the known one"), "{error}");
    world.run("notices").await;
    let mut tx = world.context.db.read().await.unwrap();
    let ends = store::feeds::ends(&mut tx).await.unwrap();
    assert_eq!(ends.keys().map(ModelId::as_str).collect::<Vec<_>>(), [OPUS, "openai/gpt-x"]);
    let good = store::feeds::last_good(&mut tx).await.unwrap();
    assert_eq!(good["model_eol"].at - good["deprecations_info"].at, TimeDelta::days(1));
    let reads = |result| world.context.metrics.feeds.reads.with_label_values(&["deprecations_info", result]).get();
    assert_eq!((reads("ok"), reads("error")), (1, 1));
}

#[tokio::test]
async fn an_address_is_read_within_limits_and_a_failure_names_the_host_alone() {
    install_tls();
    let (server, client) = (FakeOpenRouter::start().await, Client::live().unwrap());
    let place = [Place::Url(format!("{}/models?secret=1", server.base_url()))];
    server.list_is(200, &announces("2026-06-20").to_string());
    let reading = client.read(Feed::DeprecationsInfo, &place).await.unwrap();
    assert_eq!(reading.announcements.len(), 2);
    for (status, body, part) in [(503, "", "503"), (200, "<html>", "no JSON"), (200, &"x".repeat(33 << 20), "larger")] {
        server.list_is(status, body);
        let error = client.read(Feed::DeprecationsInfo, &place).await.unwrap_err().to_string();
        assert!(error.starts_with("deprecations_info: ") && error.contains(part), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let nowhere = [Place::Url("http://127.0.0.1:1/?secret=1".to_owned())];
    let error = client.read(Feed::Litellm, &nowhere).await.unwrap_err().to_string();
    assert!(error.starts_with("litellm: 127.0.0.1 cannot be read") && !error.contains("secret"), "{error}");
    assert!(Client::offline().read(Feed::Litellm, &nowhere).await.is_err());
}
