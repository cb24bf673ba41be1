//! News of prices, abilities and fallbacks: what holds is told to whom it concerns, once, in their own figures.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::database::on_every_db;
use crate::harness::{World, model, resource, user};

fn priced(id: &str, prompt: &str) -> Value {
    let mut row = model(id);
    row["pricing"]["prompt"] = json!(prompt);
    row
}

/// An execution of `u1` on a model, some hours before now.
fn execution(world: &World, n: i64, model: &str, input: i64) -> Value {
    let at = world.context.now() - TimeDelta::hours(n % 24 + 1);
    json!({"id": format!("{model} {n} {at}"), "at": at, "user": "u1", "resource": "r1", "model": model, "cost_usd": "0.001",
        "usage": {"prompt_tokens": input, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": input / 2}}})
}

async fn two_users(world: &World) {
    let entries = [user("u1"), user("u2"), resource("r1", "u1", "a/old"), resource("r2", "u2", "a/other")];
    world.directory(&entries).await;
}

on_every_db! {
    async fn a_price_that_held_is_told_once_to_whom_it_concerns(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        let list = |prompt: &str| [priced("a/old", prompt), model("a/other"), priced("a/cheap", "0.0000005")];
        for (hours, prompt, told) in [
            (0, "0.000001", 0), (24, "0.000002", 0), (24, "0.000001", 0), (24, "0.000002", 0), (24, "0.000002", 0),
            (24, "0.000002", 1), (24, "0.000002", 0), (240, "0.0000021", 0), (60, "0.0000021", 0),
        ] {
            let mails = world.fetch_after(hours, &list(prompt)).await;
            assert_eq!(mails, vec!["model_repriced u1@platform.example: a/old"; told], "{hours} {prompt}");
        }
        let mail = world.mails().await.remove(0);
        assert_eq!(mail.subject, "a/old costs 71% more: about $10.00 more a month");
        let text = world.last_text().await;
        for part in ["Input: $1 → $2 per million tokens", "$14.00 → $24.00", "which is assumed", "What could be cheaper:\n- a/other"] {
            assert!(text.replace("\n  ", " ").contains(&part.replace("\n  ", " ")), "{part} is not in {text}");
        }
        world.run("notices").await;
        assert_eq!(world.mails().await.len(), 1);
    }

    async fn small_changes_add_up_and_one_that_was_undone_is_none(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        let list = |prompt: &str| [priced("a/old", prompt), model("a/other")];
        world.fetch_after(0, &list("0.000001")).await;
        for (prompt, told) in [("0.0000012", 0), ("0.0000014", 1), ("0.0000014", 0), ("0.000001", 1)] {
            assert!(world.fetch_after(24, &list(prompt)).await.is_empty());
            assert_eq!(world.fetch_after(49, &list(prompt)).await.len(), told, "{prompt}");
        }
        assert_eq!(world.mails().await[1].subject, "a/old costs 22% less: about $4.00 less a month");
    }

    async fn a_users_own_use_decides_and_is_what_they_are_told(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        world.directory(&[resource("r3", "u1", "a/unused")]).await;
        let list = |prompt: &str| [priced("a/old", prompt), model("a/other"), priced("a/unused", prompt)];
        world.fetch_after(0, &list("0.000001")).await;
        world.fetch_after(24, &list("0.000002")).await;
        let executions: Vec<Value> = (0..40).map(|n| execution(&world, n, "a/old:nitro", 100_000)).collect();
        world.execute(&executions).await;
        assert_eq!(world.fetch_after(48, &list("0.000002")).await, ["model_repriced u1@platform.example: a/old"]);
        let text = world.last_text().await.replace('\n', " ");
        assert!(text.contains("$4.01 → $8.01, on the 4,000,000 tokens in (50% of them cached) and 4,000 out"), "{text}");
    }

    async fn who_came_later_knows_the_price(test) {
        let world = World::over(test.db.clone()).await;
        let list = |prompt: &str| [priced("a/old", prompt), model("a/other")];
        world.fetch_after(0, &list("0.000001")).await;
        world.fetch_after(24, &list("0.000002")).await;
        two_users(&world).await;
        assert!(world.fetch_after(48, &list("0.000002")).await.is_empty());
    }

    async fn a_lost_ability_is_told_once_it_held_and_its_return_to_who_was_told(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        let list = |parameters: &[&str]| {
            let mut row = model("a/old");
            row["supported_parameters"] = json!(parameters);
            [row, model("a/other")]
        };
        let (able, not) = (list(&["tools", "stop"]), list(&["stop"]));
        for (hours, list, told) in [(0, &able, 0), (6, &not, 0), (6, &able, 0), (6, &not, 0), (23, &not, 0), (2, &not, 1), (24, &not, 0), (6, &able, 0), (24, &able, 1), (48, &able, 0)] {
            assert_eq!(world.fetch_after(hours, list).await, vec!["model_capability u1@platform.example: a/old"; told]);
        }
        let subjects: Vec<String> = world.mails().await.into_iter().map(|mail| mail.subject).collect();
        assert_eq!(subjects, ["a/old has lost tool calls", "a/old has tool calls again"]);
    }

    async fn a_smaller_context_concerns_who_needs_more(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        world.directory(&[resource("r3", "u2", "a/old")]).await;
        let list = |context: i64| {
            let mut row = model("a/old");
            row["context_length"] = json!(context);
            let mut large = model("a/large");
            large["context_length"] = json!(300_000);
            [row, large, model("a/other")]
        };
        world.execute(&[execution(&world, 1, "a/old", 150_000)]).await;
        world.fetch_after(0, &list(200_000)).await;
        world.fetch_after(6, &list(0)).await;
        assert!(world.fetch_after(48, &list(0)).await.is_empty(), "nothing has no context");
        assert!(world.fetch_after(6, &list(100_000)).await.is_empty());
        assert_eq!(world.fetch_after(24, &list(100_000)).await, ["model_capability u1@platform.example: a/old"]);
        let text = world.last_text().await;
        assert!(text.contains("context beyond 100,000 tokens") && text.contains("a/large") && !text.contains("- a/other"), "{text}");
    }

    async fn what_becomes_of_a_resource_depends_on_its_fallbacks(test) {
        let world = World::over(test.db.clone()).await;
        let with = |id: &str, user: &str, model: &str, fallbacks: &[&str]| {
            json!({"resource": {"id": id, "user": user, "model": model, "fallbacks": fallbacks}})
        };
        world.directory(&[
            user("u1"), user("u2"), user("u3"), user("u4"),
            with("r1", "u1", "a/old", &["a/other"]), with("r2", "u2", "a/old", &["a/gone"]),
            with("r3", "u3", "a/other", &["a/old"]), with("r4", "u4", "a/old", &[]),
        ]).await;
        let rest: Vec<_> = (0..9).map(|n| model(&format!("x/x{n}"))).chain([model("a/other")]).collect();
        world.fetch_after(0, &[&rest[..], &[model("a/old"), model("a/gone")]].concat()).await;
        world.fetch_after(6, &rest).await;
        world.fetch_after(24, &rest).await;
        let mut told: Vec<(String, String)> = Vec::new();
        for row in world.mails().await {
            let mut tx = world.context.db.read().await.unwrap();
            let text = openrouter_monitor::store::outbox::get(&mut tx, row.id).await.unwrap().unwrap().1.text;
            told.push((row.subject, text.replace('\n', " ")));
        }
        told.sort();
        let subjects: Vec<&str> = told.iter().map(|(subject, _)| subject.as_str()).collect();
        assert_eq!(subjects, [
            "2 models you use are gone: 1 resource has no model left",
            "a/old is gone: 1 resource goes on with its fallback",
            "a/old is gone: 1 resource loses a fallback",
            "a/old is gone: 1 resource no longer works",
        ]);
        for ((_, text), part) in told.iter().zip([
            "None of its models is left: every call fails", "Its requests go to a/other", "Served by a/other as before",
            "Move the resources below to another model now",
        ]) {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    async fn the_digest_says_what_changes_cost_on_what_runs(test) {
        let world = World::over(test.db.clone()).await;
        two_users(&world).await;
        let list = |prompt: &str| [priced("a/old", prompt), priced("a/idle", prompt), model("a/other")];
        world.fetch_after(0, &list("0.000001")).await;
        let executions: Vec<Value> = (0..40).map(|n| execution(&world, n, "a/old", 100_000)).collect();
        world.execute(&executions).await;
        world.fetch_after(6, &list("0.000002")).await;
        world.run("digest").await;
        let text = world.last_text().await.replace('\n', " ");
        for part in [
            "they make together about $4.00 more a month", "On the use of the last 30 days: about $4.00 more a month",
            "In use: 1 user, 1 resource, $0.04 in 30 days",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(text.find("a/old") < text.find("a/idle"), "{text}");
    }
}
