//! From a list to a mail: who is told what, when, and that nobody is told twice or wrongly.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use openrouter_monitor::store::{self, changes};
use serde_json::json;

use crate::harness::openrouter::Answer;
use crate::harness::{World, at, brief, dated, model, resource, user};

/// Two users, of whom the first uses `a/old` twice and the second does not.
async fn two_users() -> World {
    let world = World::new().await;
    let entries = [
        user("u1"),
        user("u2"),
        resource("r1", "u1", "a/old"),
        resource("r2", "u1", "a/old:nitro"),
        resource("r3", "u2", "a/other"),
    ];
    world.directory(&entries).await;
    world
}

#[tokio::test]
async fn a_removal_is_told_to_exactly_its_users_once_also_after_a_restart() {
    let mut world = two_users().await;
    let (all, rest) = ([model("a/old"), model("a/other")], [model("a/other")]);
    assert!(world.fetch_after(0, &all).await.is_empty());
    assert!(world.fetch_after(6, &rest).await.is_empty(), "an absence is no removal");
    assert_eq!(world.fetch_after(24, &rest).await, ["model_removed u1@platform.example: a/old"]);
    assert_eq!(world.mails().await[0].about.resources, ["r1", "r2"]);
    world.restart().await;
    assert!(world.fetch_after(24, &rest).await.is_empty());
    world.run("notices").await;
    assert_eq!(world.mails().await.len(), 1);
    assert_eq!(world.deliver().await, 1);
    world.restart().await;
    assert_eq!((world.deliver().await, world.outlet.lock().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn a_mail_says_what_to_move_to() {
    let world = two_users().await;
    let named = |id: &str, name: &str| {
        let mut row = model(id);
        row["name"] = json!(name);
        row
    };
    let list = [dated("a/old", "2026-07-01"), named("a/old-2", "A: Old 2"), dated("a/old-3", "2026-07-02")];
    assert_eq!(world.fetch_after(0, &list).await, ["model_deprecated u1@platform.example: a/old"]);
    let id = world.mails().await[0].id;
    let mut tx = world.context.db.read().await.unwrap();
    let (_, mail) = store::outbox::get(&mut tx, id).await.unwrap().unwrap();
    for part in [
        "- A: Old 2\n  Model id: a/old-2\n  It costs the same; the same context: 8,000 tokens.",
        "Prices are compared on 3,000 tokens in and 1,000 out",
    ] {
        assert!(mail.text.contains(part), "{}", mail.text);
    }
    assert!(!mail.text.contains("a/old-3"), "it goes as well");
}

#[tokio::test]
async fn while_the_single_model_call_answers_nobody_is_told() {
    let world = two_users().await;
    let (all, rest) = ([model("a/old"), model("a/other")], [model("a/other")]);
    world.openrouter.model("a/old", 200);
    for (hours, list) in [(0, &all[..]), (6, &rest), (30, &rest), (24, &rest)] {
        assert!(world.fetch_after(hours, list).await.is_empty());
    }
    assert!(world.openrouter.asked().contains(&"/api/v1/model/a/old".to_owned()));
    world.openrouter.model("a/old", 500);
    assert!(world.fetch_after(24, &rest).await.is_empty(), "no answer is no 404");
    world.openrouter.model("a/old", 404);
    assert_eq!(world.fetch_after(24, &rest).await.len(), 1);
}

#[tokio::test]
async fn who_does_not_answer_is_not_asked_on_and_on_and_the_list_is_taken() {
    let world = World::new().await;
    let old: Vec<_> = (0..20).map(|n| format!("a/m{n:02}")).collect();
    let rest: Vec<_> = (0..400).map(|n| model(&format!("b/m{n}"))).collect();
    world.fetch_after(0, &[&rest[..], &old.iter().map(|id| model(id)).collect::<Vec<_>>()].concat()).await;
    for id in &old {
        world.openrouter.model(id, 500);
    }
    world.fetch_after(6, &rest).await;
    world.fetch_after(30, &rest).await;
    let asked = world.openrouter.asked().iter().filter(|path| path.contains("/model/")).count();
    assert!((3..=6).contains(&asked), "{asked}");
}

#[tokio::test]
async fn of_too_many_models_each_is_asked_for_in_its_turn() {
    let world = World::new().await;
    let rest: Vec<_> = (0..4000).map(|n| model(&format!("b/m{n}"))).collect();
    let old: Vec<_> = (0..130).map(|n| format!("a/m{n:03}")).collect();
    world.fetch_after(0, &[&rest[..], &old.iter().map(|id| model(id)).collect::<Vec<_>>()].concat()).await;
    for id in &old {
        world.openrouter.model(id, 200);
    }
    world.fetch_after(6, &rest).await;
    let mut asked = BTreeSet::new();
    for _ in 0..4 {
        world.fetch_after(30, &rest).await;
        asked.extend(world.openrouter.asked().into_iter().filter(|path| path.contains("/model/")));
    }
    assert!(asked.len() > 100, "{}", asked.len());
}

#[tokio::test]
async fn a_clock_that_was_a_year_ahead_stops_nothing() {
    let world = two_users().await;
    let (all, rest) = ([model("a/old"), model("a/other")], [model("a/other")]);
    world.fetch_after(0, &all).await;
    world.fetch_after(365 * 24, &rest).await;
    assert_eq!(world.fetch_after(1 - 365 * 24, &rest).await, [""; 0]);
    assert_eq!(world.fetch_after(24, &rest).await, ["model_removed u1@platform.example: a/old"]);
}

#[tokio::test]
async fn a_return_is_told_to_who_was_told_of_the_removal() {
    let world = two_users().await;
    let (all, rest) = ([model("a/old"), model("a/other")], [model("a/other")]);
    for (hours, list) in [(0, &all[..]), (6, &rest), (24, &rest)] {
        world.fetch_after(hours, list).await;
    }
    // A third user comes after the removal: the return is no news to them.
    world.directory(&[user("u3"), resource("r9", "u3", "a/else")]).await;
    assert_eq!(world.fetch_after(24, &all).await, ["model_returned u1@platform.example: a/old"]);
    assert!(world.fetch_after(24, &all).await.is_empty());
}

#[tokio::test]
async fn an_announced_end_is_told_with_its_milestones_and_its_removal() {
    let world = two_users().await;
    let (all, rest) = ([dated("a/old", "2026-06-18"), model("a/other")], [model("a/other")]);
    world.fetch_after(0, &all).await;
    for _ in 0..10 {
        world.fetch_after(24, &all).await;
    }
    world.fetch_after(8, &rest).await;
    let told: Vec<String> = world.mails().await.iter().map(|row| row.about.incident.clone()).collect();
    let expected =
        ["14d", "7d", "3d", "1d", "0d"].map(|milestone| format!("model_deprecated/a/old/2026-06-18/{milestone}"));
    assert_eq!(told[..5], expected);
    assert_eq!(brief(&world.mails().await[5]), "model_removed u1@platform.example: a/old");
}

#[tokio::test]
async fn a_date_that_moved_or_was_taken_back_is_told_once_it_held() {
    let world = two_users().await;
    let list = |day: Option<&str>| [day.map_or_else(|| model("a/old"), |day| dated("a/old", day)), model("a/other")];
    assert_eq!(world.fetch_after(0, &list(Some("2026-07-20"))).await.len(), 1);
    assert!(world.fetch_after(6, &list(Some("2026-07-30"))).await.is_empty());
    assert_eq!(
        world.fetch_after(24, &list(Some("2026-07-30"))).await,
        ["model_date_changed u1@platform.example: a/old"]
    );
    assert!(world.fetch_after(6, &list(None)).await.is_empty());
    assert!(world.fetch_after(6, &list(Some("2026-07-30"))).await.is_empty(), "a flicker is no news");
    assert!(world.fetch_after(6, &list(None)).await.is_empty());
    assert_eq!(world.fetch_after(24, &list(None)).await, ["model_date_changed u1@platform.example: a/old"]);
}

#[tokio::test]
async fn a_bulk_event_is_told_to_the_admins_at_once_and_to_users_after_a_week() {
    let world = World::new().await;
    world.directory(&[user("u1"), resource("r1", "u1", "a/m0:batch")]).await;
    let batch: Vec<_> = (0..6).map(|n| model(&format!("a/m{n}:batch"))).collect();
    let rest = [model("x/x"), model("y/y")];
    let all = [&rest[..], &batch].concat();
    world.fetch_after(0, &all).await;
    let told = world.fetch_after(6, &rest).await;
    assert!(told.len() == 1 && told[0].starts_with("admin_digest admin@platform.example: a/m0:batch"), "{told:?}");
    assert!(world.fetch_after(48, &rest).await.is_empty());
    let told = world.fetch_after(5 * 24, &rest).await;
    assert!(told.contains(&"model_removed u1@platform.example: a/m0:batch".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_date_that_has_passed_is_not_announced_for_the_past() {
    let world = two_users().await;
    let all = [dated("a/old", "2026-06-18"), model("a/other")];
    world.fetch_after(0, &all).await;
    world.fetch_after(13 * 24, &all).await;
    let mail = world.mails().await.pop().unwrap();
    assert_eq!(mail.subject, "a/old was to be withdrawn on 18 June 2026 and is still served: 2 resources to move");
    assert_eq!(mail.about.why, ["a/old: withdrawal on 2026-06-18, 3 days ago and still served (milestone 0 d)"]);
}

#[tokio::test]
async fn who_loses_a_free_model_hears_what_the_same_costs_and_a_rename_is_no_end() {
    let world = World::new().await;
    world
        .directory(&[user("u1"), resource("r1", "u1", "a/m:free"), user("u2"), resource("r2", "u2", "a/before")])
        .await;
    let slug = |id: &str, slug: &str| {
        let mut row = model(id);
        row["canonical_slug"] = json!(slug);
        row
    };
    let rest: Vec<_> = (0..9).map(|n| model(&format!("x/x{n}"))).chain([slug("a/m", "a/m-1")]).collect();
    world.fetch_after(0, &[&rest[..], &[slug("a/m:free", "a/m-1"), slug("a/before", "a/s")]].concat()).await;
    let rest = [&rest[..], &[slug("a/after", "a/s")]].concat();
    world.fetch_after(6, &rest).await;
    world.fetch_after(24, &rest).await;
    let mails = world.mails().await;
    assert_eq!(mails[0].subject, "a/m:free is gone: 1 resource no longer works");
    assert_eq!(mails[1].subject, "a/before has a new id: 1 resource to change");
    let mut tx = world.context.db.read().await.unwrap();
    let text = store::outbox::get(&mut tx, mails[0].id).await.unwrap().unwrap().1.text.replace('\n', " ");
    assert!(text.contains("It is not free: $1 per million tokens in and $2 out"), "{text}");
}

#[tokio::test]
async fn a_second_bulk_event_of_a_family_is_told_and_settled_by_itself() {
    let world = World::new().await;
    let batch = |range: std::ops::Range<i32>| range.map(|n| model(&format!("a/m{n}:batch"))).collect::<Vec<_>>();
    let rest: Vec<_> = (0..20).map(|n| model(&format!("x/x{n}"))).collect();
    let list = |with: Vec<serde_json::Value>| [&rest[..], &with].concat();
    world.fetch_after(0, &list(batch(0..6))).await;
    assert_eq!(world.fetch_after(6, &rest).await.len(), 1);
    assert!(world.fetch_after(6, &list(batch(10..16))).await.is_empty());
    let told = world.fetch_after(6, &rest).await;
    assert!(told.len() == 1 && told[0].contains("a/m10:batch"), "{told:?}");
    let told = world.fetch_after(6, &list(batch(10..16))).await;
    assert_eq!(told, ["monitor_trouble admin@platform.example: "], "the second is over, the first is not");
    let mut tx = world.context.db.read().await.unwrap();
    assert_eq!(store::incidents::all_open(&mut tx).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_date_that_moves_twice_to_the_same_day_is_told_twice() {
    let world = two_users().await;
    let list = |day: &str| [dated("a/old", day), model("a/other")];
    for day in ["2026-08-20", "2026-08-15", "2026-08-20", "2026-08-20", "2026-08-15"] {
        world.fetch_after(25, &list(day)).await;
    }
    let kinds: Vec<String> = world.mails().await.into_iter().map(|mail| mail.kind).collect();
    assert_eq!(kinds, ["model_deprecated", "model_date_changed", "model_date_changed", "model_date_changed"]);
}

#[tokio::test]
async fn a_list_that_cannot_be_true_changes_nothing_and_admins_hear_of_it_once() {
    let world = two_users().await;
    let all: Vec<_> = (0..40).map(|n| model(&format!("a/m{n}"))).chain([model("a/old"), model("a/other")]).collect();
    world.fetch_after(0, &all).await;
    let bodies = [
        "<!DOCTYPE html><html><body>Bad gateway</body></html>",
        r#"{"data":[]}"#,
        r#"{"data":[{"id":"a/old"},{"i"#,
        r#"{"data":[{"id":"a/other"}],"total_count":42}"#,
        r#"{"data":[{"id":"z/new"}]}"#,
    ];
    for body in bodies {
        world.clock.advance(TimeDelta::hours(24));
        world.openrouter.list_is(200, body);
        world.run_report("models").await;
    }
    let told: Vec<String> = world.mails().await.iter().map(brief).collect();
    assert_eq!(told, ["monitor_trouble admin@platform.example: "]);
    assert_eq!(
        world.fetch_after(24, &all).await,
        ["monitor_trouble admin@platform.example: "],
        "and once that it is over"
    );
    let mut tx = world.context.db.read().await.unwrap();
    assert!(changes::since(&mut tx, at("2026-01-01T00:00:00Z"), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn openrouter_in_trouble_is_asked_again_when_it_says_so() {
    let world = two_users().await;
    world.openrouter.list_answers(Answer(429, vec![("retry-after", "900")], String::new()));
    let report = world.runner.run_due().await.into_iter().find(|report| report.job == "models").unwrap();
    let openrouter_monitor::store::runs::Ended::Retry(again, reason) = report.ended else { panic!("{report:?}") };
    assert!(again - world.context.now() >= TimeDelta::seconds(900), "{again}");
    assert!(reason.contains("answered 429"), "{reason}");
    assert!(world.mails().await.is_empty());
}

#[tokio::test]
async fn a_rename_names_the_new_id_as_the_replacement() {
    let world = two_users().await;
    let row = |id: &str| json!({"id": id, "name": "Edge", "canonical_slug": "a/edge-2603"});
    world.fetch_after(0, &[row("a/old"), model("a/other")]).await;
    assert!(world.fetch_after(6, &[row("b/old"), model("a/other")]).await.is_empty());
    assert_eq!(world.fetch_after(24, &[row("b/old"), model("a/other")]).await.len(), 1);
    let mut tx = world.context.db.read().await.unwrap();
    let (_, mail) = store::outbox::get(&mut tx, 1).await.unwrap().unwrap();
    assert!(mail.text.contains("b/old"), "{}", mail.text);
}

#[tokio::test]
async fn a_missing_model_in_use_is_looked_for_every_hour_until_it_is_settled() {
    let world = two_users().await;
    let (all, rest) = ([model("a/old"), model("a/other")], [model("a/other")]);
    world.fetch_after(0, &all).await;
    assert_eq!(world.run("models_recheck").await, "nothing in use is in doubt");
    world.fetch_after(6, &rest).await;
    world.clock.advance(TimeDelta::hours(1));
    assert!(world.run("models_recheck").await.starts_with("1 in doubt: 1 listed"));
    world.openrouter.list(&all);
    world.clock.advance(TimeDelta::hours(1));
    assert!(world.run("models_recheck").await.contains("0 missing"));
    world.clock.advance(TimeDelta::hours(1));
    assert_eq!(world.run("models_recheck").await, "nothing in use is in doubt");
    assert!(world.mails().await.is_empty());
}

#[tokio::test]
async fn the_digest_tells_the_admins_each_change_once() {
    let world = two_users().await;
    world.fetch_after(0, &[model("a/old"), model("a/other")]).await;
    world.fetch_after(6, &[model("a/old"), model("a/other"), model("a/new")]).await;
    world.run("digest").await;
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(world.run("digest").await, "nothing changed");
    assert_eq!(
        world.mails().await.iter().map(brief).collect::<Vec<_>>(),
        ["admin_digest admin@platform.example: a/new"]
    );
}

#[tokio::test]
async fn hostile_names_break_no_mail() {
    let world = World::new().await;
    let evil = "<script>alert(1)</script>\r\nBcc: x@evil.example\u{202e}\u{1}".repeat(20);
    let entries = [
        json!({"user": {"id": "u1", "email": "u1@platform.example", "name": evil}}),
        json!({"resource": {"id": "r1", "user": "u1", "model": "a/old", "name": evil}}),
    ];
    world.directory(&entries).await;
    let row = json!({"id": "a/old", "name": evil, "expiration_date": "2026-06-12"});
    assert_eq!(world.fetch_after(0, &[row, model("b/b")]).await.len(), 1);
    assert_eq!(world.deliver().await, 1);
    let (_, message) = world.outlet.lock().unwrap()[0].clone();
    let parsed = mail_parser::MessageParser::default().parse(&message).expect("a message");
    assert!(parsed.bcc().is_none());
    let html = parsed.body_html(0).expect("an HTML part");
    assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
    assert!(!parsed.subject().expect("a subject").contains('\u{202e}'));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = two_users().await;
    world.openrouter.list(&[dated("a/old", "2026-06-12"), model("a/other")]);
    let mut config = (*world.context.settings.get()).clone();
    config.mail.smtp_url = None;
    let rehearsal = openrouter_monitor::app::context(
        config,
        world.context.db.rehearsal(),
        world.context.metrics.clone(),
        std::sync::Arc::clone(&world.context.clock),
        tokio_util::sync::CancellationToken::new(),
    );
    let rehearsal = std::sync::Arc::new(rehearsal.unwrap());
    let spec = openrouter_monitor::job::find("models").unwrap();
    let summary = (spec.run)(std::sync::Arc::clone(&rehearsal)).await.unwrap();
    assert!(summary.contains("1 mails"), "{summary}");
    drop(rehearsal);
    assert!(world.mails().await.is_empty());
    assert_eq!(world.fetch_after(0, &[dated("a/old", "2026-06-12"), model("a/other")]).await.len(), 1);
}
