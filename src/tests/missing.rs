//! Who fails on a model that is not there hears of it at once, and of how it ends.

use chrono::TimeDelta;
use openrouter_monitor::job::runner::Runner;
use serde_json::{Value, json};

use crate::captured::replay;
use crate::harness::database::on_every_db;
use crate::harness::{World, at, brief, model, resource, user};

/// What OpenRouter answers to a call of a model that it no longer has.
fn refused(n: i64, user: &str, model: &str, at: chrono::DateTime<chrono::Utc>) -> Value {
    json!({"id": format!("{user} {n} {at}"), "at": at, "user": user, "resource": "r1", "model": model, "status": 404,
        "error": {"error": {"code": 404, "message": "This model is no longer available.",
            "availability": {"code": "model_deprecated", "retryable": false, "fallback_models": ["a/cheap"]}}}})
}

async fn world(test: &crate::harness::database::TestDb) -> (World, Vec<Value>, Vec<Value>) {
    let world = World::over(test.db.clone()).await;
    let entries = [user("u1"), user("u2"), resource("r1", "u1", "a/old"), resource("r2", "u2", "a/old")];
    world.directory(&entries).await;
    let rest: Vec<Value> = (0..9).map(|n| model(&format!("x/x{n}"))).chain([model("a/cheap")]).collect();
    let all = [&rest[..], &[model("a/old")]].concat();
    world.fetch_after(0, &all).await;
    (world, all, rest)
}

/// What is due because executions failed.
async fn look(world: &World) -> Vec<String> {
    let before = world.mails().await.len();
    let runner = Runner::of(std::sync::Arc::clone(&world.context), &["models_recheck"]);
    runner.run_due().await;
    world.mails().await.split_off(before).iter().map(brief).collect()
}

on_every_db! {
    async fn who_fails_on_a_missing_model_hears_of_it_at_once_and_of_its_return(test) {
        let (world, all, rest) = world(test).await;
        world.clock.advance(TimeDelta::hours(2));
        world.openrouter.list(&rest);
        let fetches = world.openrouter.asked().len();
        world.execute(&[refused(1, "u1", "a/old:nitro", world.context.now())]).await;
        assert_eq!(look(&world).await, ["model_missing u1@platform.example: a/old"]);
        assert_eq!(world.openrouter.asked().len(), fetches + 1, "the list is fetched at once, and once");
        let text = world.last_text().await;
        assert!(text.contains("OpenRouter offers it in its place") && text.contains("a/cheap"), "{text}");
        world.clock.advance(TimeDelta::minutes(5));
        world.execute(&[refused(2, "u1", "a/old", world.context.now())]).await;
        assert!(look(&world).await.is_empty());
        assert_eq!(world.fetch_after(1, &all).await, ["model_returned u1@platform.example: a/old"]);
        assert!(world.fetch_after(24, &all).await.is_empty());
    }

    async fn who_was_told_that_it_is_missing_hears_that_it_is_gone_as_all_do(test) {
        let (world, _, rest) = world(test).await;
        assert!(world.fetch_after(2, &rest).await.is_empty());
        world.execute(&[refused(1, "u1", "a/old", world.context.now()), refused(1, "u3", "a/old", world.context.now())]).await;
        world.directory(&[user("u3")]).await;
        assert_eq!(look(&world).await, ["model_missing u1@platform.example: a/old", "model_missing u3@platform.example: a/old"]);
        world.clock.advance(TimeDelta::minutes(1));
        assert_eq!(world.run("models_recheck").await, "1 in doubt, the list is fresh, 0 mails");
        let mut told = world.fetch_after(24, &rest).await;
        told.sort();
        assert_eq!(told, ["u1", "u2", "u3"].map(|user| format!("model_removed {user}@platform.example: a/old")));
        world.execute(&[refused(2, "u1", "a/old", world.context.now()), refused(2, "u2", "a/old", world.context.now())]).await;
        assert!(look(&world).await.is_empty());
    }

    async fn a_flake_on_a_listed_model_is_told_to_nobody(test) {
        let (world, all, _) = world(test).await;
        world.clock.advance(TimeDelta::hours(2));
        world.openrouter.list(&all);
        for n in 0..5 {
            world.clock.advance(TimeDelta::minutes(2));
            world.execute(&[refused(n, "u1", "a/old", world.context.now()), refused(n, "u1", "a/typo", world.context.now())]).await;
            assert!(look(&world).await.is_empty());
        }
        let lists = world.openrouter.asked().iter().filter(|path| path.contains("/models")).count();
        assert_eq!(lists, 2, "one fetch for all of them");
    }
}

#[test]
fn a_replay_tells_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let lists = folder.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    let rest: Vec<Value> = (0..9).map(|n| model(&format!("x/x{n}"))).collect();
    let all = [&rest[..], &[model("a/old")]].concat();
    for (stamp, rows) in [("2026-06-08T010000Z", &all), ("2026-06-08T070000Z", &rest), ("2026-06-08T130000Z", &all)] {
        std::fs::write(lists.join(format!("{stamp}.json")), json!({"data": rows}).to_string()).unwrap();
    }
    let write = |name: &str, lines: &[Value]| {
        let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let directory = write("directory", &[user("u1"), resource("r1", "u1", "a/old")]);
    let executions = write(
        "executions",
        &[refused(1, "u1", "a/old", at("2026-06-08T08:00:00Z")), refused(2, "u1", "a/old", at("2026-06-08T08:30:00Z"))],
    );
    let told = replay(&lists, &["--directory", &directory, "--executions", &executions]);
    let mails = told.iter().filter(|line| line["type"] == "mail" && line["user"] == "u1");
    let mails: Vec<String> = mails.map(|mail| format!("{} {} {}", mail["at"], mail["kind"], mail["models"])).collect();
    assert_eq!(
        mails,
        [r#""2026-06-08T08:00:00Z" "model_missing" ["a/old"]"#, r#""2026-06-08T13:00:00Z" "model_returned" ["a/old"]"#,]
    );
}
