//! Store functions, each on both engines from one body.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use openrouter_monitor::domain::alert::{Rule, Subject};
use openrouter_monitor::domain::announcement::{Announcement, Platform};
use openrouter_monitor::domain::change::{Change, ChangeKind};
use openrouter_monitor::domain::channel::Channel;
use openrouter_monitor::domain::directory::Entry;
use openrouter_monitor::domain::incident::Occurrence;
use openrouter_monitor::domain::lifecycle::{Absence, Known, State, Tracked};
use openrouter_monitor::domain::model::Model;
use openrouter_monitor::domain::model_id::ModelId;
use openrouter_monitor::domain::news::Belief;
use openrouter_monitor::domain::peak::{Peak, Peaks, span_of};
use openrouter_monitor::domain::replacement::Needs;
use openrouter_monitor::domain::settled::{Settled, Settlement};
use openrouter_monitor::domain::vendor_end::{Kept, VendorEnd, VendorEnds};
use openrouter_monitor::store::lists::Fetch;
use openrouter_monitor::store::names::{Fresh, Names};
use openrouter_monitor::store::outbox::{Mail, Outcome};
use openrouter_monitor::store::prune::{What, step};
use openrouter_monitor::store::tokens::Scope;
use openrouter_monitor::store::{
    changes, directory, feeds, incidents, lists, models, outbox, peaks, settled, tokens, told,
};
use serde_json::{Value, json};

use crate::harness::at;
use crate::harness::database::on_every_db;

fn tracked(entry: &Value, state: State) -> Tracked {
    let now = at("2026-06-08T01:00:00.000001Z");
    let model = Model::parse(entry, now).unwrap();
    let settled = Settled::at_once(&model, now);
    let successor = Some(ModelId::from("x/y"));
    Tracked { model, state, first_seen: now, last_seen: now, expiry_since: now, successor, settled }
}

fn known(tracked: Vec<Tracked>) -> Known {
    tracked.into_iter().map(|tracked| (tracked.model.id.clone(), tracked)).collect()
}

async fn apply(tx: &mut openrouter_monitor::store::Tx, lines: &[Value]) {
    for (n, line) in lines.iter().enumerate() {
        let entry = Entry::parse(&line.to_string()).unwrap();
        directory::apply(tx, &entry, &format!("token {n} {line}"), at("2026-06-08T01:00:00Z")).await.unwrap();
    }
}

on_every_db! {
    async fn models_are_kept_as_they_are_known(test) {
        let absence = Absence { since: at("2026-06-09T01:00:00Z"), fetches: 3, bulk: true };
        let priced = json!({"id": "a/a", "name": "Ä \u{1f600}", "expiration_date": "2026-06-20", "context_length": 9,
            "pricing": {"prompt": "0.00000008333333333333334", "overrides": [{"min_prompt_tokens": 5, "prompt": "0.1"}]},
            "architecture": {"modality": "text+image->text"}, "supported_parameters": ["tools"], "alias_target": {"slug": "b/b"}});
        let before = known(vec![
            tracked(&priced, State::Listed),
            tracked(&json!({"id": "b/b"}), State::Missing(absence)),
            tracked(&json!({"id": "c/c"}), State::Unlisted(absence)),
            tracked(&json!({"id": "d/d"}), State::Removed(absence, at("2026-06-10T01:00:00Z"))),
        ]);
        let mut tx = test.db.write().await.unwrap();
        models::save(&mut tx, &Known::new(), &before).await.unwrap();
        assert_eq!(models::load(&mut tx).await.unwrap(), before);
        let mut after = before.clone();
        after.get_mut(&ModelId::from("b/b")).unwrap().state = State::Listed;
        models::save(&mut tx, &before, &after).await.unwrap();
        assert_eq!(models::load(&mut tx).await.unwrap(), after);
        apply(&mut tx, &[json!({"resource": {"id": "r", "user": "u", "model": "a/a", "fallbacks": ["c/c"]}}),
            json!({"resource": {"id": "s", "user": "v", "model": "a/a:nitro"}})]).await;
        let today = at("2026-06-08T01:00:00Z").date_naive();
        let counts = models::count(&mut tx, today).await.unwrap();
        assert_eq!(counts, BTreeMap::from([("active".to_owned(), (1, 0)), ("deprecated".to_owned(), (1, 1)), ("removed".to_owned(), (1, 0)), ("unlisted".to_owned(), (1, 1))]));
        assert_eq!(models::usage(&mut tx).await.unwrap(), BTreeMap::from([(ModelId::from("a/a"), (2, 2)), (ModelId::from("c/c"), (1, 1))]));
        assert_eq!(models::in_doubt(&mut tx).await.unwrap(), 0);
        let ending = models::ending_in_use(&mut tx, today, 5).await.unwrap();
        assert_eq!(ending, [(ModelId::from("a/a"), "2026-06-20".parse().unwrap())]);
        assert_eq!(models::ending_in_use(&mut tx, today, 0).await.unwrap(), []);
    }

    async fn what_vendors_announce_is_kept_and_concerns_who_depends_on_it(test) {
        let now = at("2026-06-08T01:00:00Z");
        let kept = |rank, id: &str| Kept {
            rank,
            announcement: Announcement {
                provider: "Anthropic".to_owned(), vendor_model_id: id.to_owned(), announced: None,
                shutdown: at("2026-07-01T00:00:00Z").date_naive(), replacement: None, source: "a feed".to_owned(), url: None,
            },
            first_seen: now, dated_at: now, gone_since: None,
        };
        let good = |rejected| feeds::Good { at: now, announcements: 2, rejected };
        let mut tx = test.db.write().await.unwrap();
        feeds::save(&mut tx, "one", &[kept(0, "b"), kept(0, "a")], good(0)).await.unwrap();
        feeds::save(&mut tx, "two", &[kept(0, "a")], good(0)).await.unwrap();
        let gone = Kept { gone_since: Some(now), ..kept(1, "a") };
        feeds::save(&mut tx, "one", std::slice::from_ref(&gone), good(3)).await.unwrap();
        assert_eq!(feeds::load(&mut tx, &["two", "one"]).await.unwrap(), [kept(0, "a"), gone, kept(1, "b")]);
        assert_eq!(feeds::last_good(&mut tx).await.unwrap()["one"], good(3));

        models::save(&mut tx, &Known::new(), &known(vec![tracked(&json!({"id": "a/a"}), State::Listed)])).await.unwrap();
        apply(&mut tx, &[
            json!({"user": {"id": "u", "email": "u@x.org"}}), json!({"user": {"id": "v", "email": "v@x.org"}}),
            json!({"resource": {"id": "r", "user": "u", "model": "a/a"}}),
            json!({"resource": {"id": "s", "user": "v", "provider": "anthropic", "model": "a", "fallbacks": ["b"]}}),
        ]).await;
        assert_eq!(feeds::direct(&mut tx).await.unwrap(), BTreeSet::from([ModelId::from("a"), ModelId::from("b")]));
        assert!(told::concerned(&mut tx).await.unwrap().is_empty());
        let end = VendorEnd {
            platform: Platform::Anthropic, on: at("2026-07-01T00:00:00Z").date_naive(), since: now,
            successor: Some(ModelId::from("a/b")), source: "a feed".to_owned(), url: None,
        };
        let ends = VendorEnds::from([(ModelId::from("a/a"), end.clone()), (ModelId::from("a"), end.clone())]);
        feeds::save_ends(&mut tx, &VendorEnds::new(), &ends).await.unwrap();
        assert_eq!(feeds::ends(&mut tx).await.unwrap(), ends);
        assert_eq!(told::concerned(&mut tx).await.unwrap(), ["u", "v"]);
        let stakes = told::stakes(&mut tx, &["u".to_owned(), "v".to_owned()]).await.unwrap();
        assert_eq!(stakes.keys().map(|(user, model)| format!("{user} {model}")).collect::<Vec<_>>(), ["u a/a", "v a"]);
        let count = |counts: BTreeMap<String, (i64, i64)>, state: &str| counts.get(state).copied();
        let counts = models::count(&mut tx, end.on).await.unwrap();
        assert_eq!(count(counts, "deprecated"), Some((1, 1)));
        let ending = models::ending_in_use(&mut tx, end.on, 5).await.unwrap();
        assert_eq!(ending, [(ModelId::from("a"), end.on), (ModelId::from("a/a"), end.on)]);
        assert_eq!(models::ending_in_use(&mut tx, end.on + TimeDelta::days(1), 5).await.unwrap(), []);
        let counts = models::count(&mut tx, end.on + TimeDelta::days(1)).await.unwrap();
        assert_eq!(count(counts, "deprecated"), None, "the vendor's day has passed, and it is served");

        // Who was told of a day hears when it is none any more.
        let belief = Belief { expires_on: Some(end.on), ..Belief::default() };
        told::save(&mut tx, "v", &ModelId::from("a"), &belief).await.unwrap();
        feeds::save_ends(&mut tx, &ends, &VendorEnds::new()).await.unwrap();
        assert_eq!(told::concerned(&mut tx).await.unwrap(), ["v"]);
    }

    async fn a_list_is_kept_once_and_every_fetch_is_recorded(test) {
        let fetch = |hour: &str, refused: Option<&str>| Fetch { at: at(&format!("2026-06-08T{hour}:00:00Z")), listed: 2, rejected: 1, refused: refused.map(str::to_owned) };
        let mut tx = test.db.write().await.unwrap();
        assert_eq!(lists::last_accepted(&mut tx).await.unwrap(), None);
        lists::accept(&mut tx, &fetch("01", None), "d1", b"body").await.unwrap();
        lists::accept(&mut tx, &fetch("02", None), "d1", b"ignored").await.unwrap();
        lists::refuse(&mut tx, &fetch("03", Some("html"))).await.unwrap();
        lists::refuse(&mut tx, &fetch("04", Some("html"))).await.unwrap();
        assert_eq!(lists::last_accepted(&mut tx).await.unwrap(), Some(fetch("02", None)));
        assert_eq!(lists::refused_in_a_row(&mut tx).await.unwrap(), 2);
        assert_eq!(lists::body(&mut tx, "d1").await.unwrap(), b"body");
        assert_eq!(lists::accepted(&mut tx).await.unwrap().len(), 2);
        assert_eq!(step(&mut tx, What::Fetches, at("2026-07-01T00:00:00Z")).await.unwrap(), 1, "the list in force stays");
        assert_eq!(lists::body(&mut tx, "d1").await.unwrap(), b"body");
    }

    async fn changes_are_told_in_one_digest(test) {
        let change = |hour: i64, kind| Change { at: at("2026-06-08T01:00:00Z") + TimeDelta::hours(hour), model: ModelId::from("a/b"), kind, before: json!({"a": null}), after: json!("x") };
        let all: Vec<Change> = (0_i64..).zip(ChangeKind::ALL).map(|(hour, kind)| change(hour, *kind)).collect();
        let mut tx = test.db.write().await.unwrap();
        changes::insert(&mut tx, &all).await.unwrap();
        changes::insert(&mut tx, &[]).await.unwrap();
        let (undigested, last) = changes::undigested(&mut tx).await.unwrap();
        assert_eq!(undigested, all);
        changes::mark_digested(&mut tx, last, at("2026-06-09T01:00:00Z")).await.unwrap();
        assert_eq!(changes::undigested(&mut tx).await.unwrap().0, []);
        assert_eq!(changes::since(&mut tx, all[3].at, None).await.unwrap(), all[3..]);
        assert_eq!(changes::since(&mut tx, all[3].at, Some(&ModelId::from("z/z"))).await.unwrap(), []);
        assert_eq!(changes::newest(&mut tx, 2).await.unwrap(), [all[11].clone(), all[10].clone()]);
    }

    async fn the_directory_upserts_and_deletes(test) {
        let mut tx = test.db.write().await.unwrap();
        apply(&mut tx, &[
            json!({"user": {"id": "u", "email": "u@x.org", "timezone": "Asia/Kolkata", "plan_usd_per_month": 9.5, "admin": true}}),
            json!({"resource": {"id": "r", "user": "u", "model": "a/a", "fallbacks": ["b/b", "a/a"]}}),
            json!({"resource": {"id": "s", "user": "nobody-yet", "model": "a/a"}}),
        ]).await;
        assert_eq!(directory::count(&mut tx).await.unwrap(), (2, 1, 2));
        assert_eq!(directory::admins(&mut tx).await.unwrap(), ["u@x.org"]);
        apply(&mut tx, &[json!({"user": {"id": "u", "email": "v@x.org"}}), json!({"resource": {"id": "r", "user": "u", "model": "c/c"}})]).await;
        assert_eq!(models::usage(&mut tx).await.unwrap().keys().map(ModelId::as_str).collect::<Vec<_>>(), ["a/a", "c/c"]);
        assert!(directory::admins(&mut tx).await.unwrap().is_empty());
        apply(&mut tx, &[json!({"delete": {"user": "u"}}), json!({"delete": {"resource": "s"}}), json!({"delete": {"user": "unknown"}})]).await;
        assert_eq!(directory::count(&mut tx).await.unwrap(), (1, 1, 0));
        assert!(models::usage(&mut tx).await.unwrap().is_empty());
    }

    async fn who_is_concerned_is_who_may_have_to_be_told(test) {
        let dated = json!({"id": "a/dated", "expiration_date": "2026-06-20"});
        let all = known(vec![tracked(&dated, State::Listed), tracked(&json!({"id": "a/fine"}), State::Listed)]);
        let mut tx = test.db.write().await.unwrap();
        models::save(&mut tx, &Known::new(), &all).await.unwrap();
        apply(&mut tx, &[
            json!({"user": {"id": "u1", "email": "u1@x.org"}}), json!({"resource": {"id": "r1", "user": "u1", "model": "a/dated"}}),
            json!({"user": {"id": "u2", "email": "u2@x.org"}}), json!({"resource": {"id": "r2", "user": "u2", "model": "a/fine"}}),
            json!({"resource": {"id": "r3", "user": "no-address", "model": "a/dated"}}),
        ]).await;
        assert_eq!(told::concerned(&mut tx).await.unwrap(), ["u1"]);
        let belief = Belief { expires_on: Some("2026-06-18".parse().unwrap()), milestones: [("2026-06-18".parse().unwrap(), 14)].into(), price_since: Some(at("2026-06-08T01:00:00Z")),
            lost: [("tools".to_owned(), at("2026-06-09T01:00:00Z"))].into(), missing_since: Some(at("2026-06-10T01:00:00Z")), ..Belief::default() };
        told::save(&mut tx, "u2", &ModelId::from("a/fine"), &belief).await.unwrap();
        assert_eq!(told::concerned(&mut tx).await.unwrap(), ["u1", "u2"], "an earlier mail is no longer true");
        let stakes = told::stakes(&mut tx, &["u1".to_owned(), "u2".to_owned()]).await.unwrap();
        assert_eq!(stakes[&("u2".to_owned(), ModelId::from("a/fine"))].belief, belief);
        assert_eq!(stakes[&("u1".to_owned(), ModelId::from("a/dated"))].uses[0].resource, "r1");
        assert_eq!(told::recipients(&mut tx, &["u1".to_owned(), "u2".to_owned()]).await.unwrap().len(), 2);
    }

    async fn what_held_concerns_its_users_until_all_were_gone_through(test) {
        let (since, now) = (at("2026-06-08T01:00:00Z"), at("2026-06-11T01:00:00Z"));
        let change = |what: &str, since| Settlement { model: ModelId::from("a/fine"), what: what.to_owned(), since, before: json!(true), after: json!(false) };
        let mut tx = test.db.write().await.unwrap();
        models::save(&mut tx, &Known::new(), &known(vec![tracked(&json!({"id": "a/fine"}), State::Listed)])).await.unwrap();
        let fallback = json!({"resource": {"id": "r1", "user": "u1", "model": "a/other", "fallbacks": ["a/fine"]}});
        apply(&mut tx, &[json!({"user": {"id": "u1", "email": "u1@x.org"}}), fallback]).await;
        assert_eq!(told::concerned(&mut tx).await.unwrap(), [""; 0]);
        settled::insert(&mut tx, &[change("tools", since), change("tools", since)]).await.unwrap();
        assert_eq!(told::concerned(&mut tx).await.unwrap(), ["u1"]);
        let stakes = told::stakes(&mut tx, &["u1".to_owned()]).await.unwrap();
        let stake = &stakes[&("u1".to_owned(), ModelId::from("a/fine"))];
        assert_eq!((stake.since(), stake.uses[0].position), (Some(since), 1));
        assert_eq!(stake.uses[0].chain, ["a/other", "a/fine"].map(ModelId::from));
        assert_eq!(told::stake(&mut tx, &"u1".to_owned(), &ModelId::from("a/fine")).await.unwrap(), *stake);
        let waiting = settled::waiting(&mut tx).await.unwrap();
        settled::judged(&mut tx, &waiting, now).await.unwrap();
        assert_eq!(told::concerned(&mut tx).await.unwrap(), [""; 0]);
        settled::insert(&mut tx, &[change("tools", now)]).await.unwrap();
        let waiting = settled::waiting(&mut tx).await.unwrap();
        assert_eq!((waiting.unjudged, waiting.changes[&ModelId::from("a/fine")].len()), (1, 2), "what was judged is there too");
    }

    async fn a_resource_depends_on_a_model_since_it_first_did(test) {
        let mut tx = test.db.write().await.unwrap();
        let mut since = async |hours: i64, model: &str, fallbacks: &[&str]| {
            let line = json!({"resource": {"id": "r", "user": "u", "model": model, "fallbacks": fallbacks}});
            let entry = Entry::parse(&line.to_string()).unwrap();
            let now = at("2026-06-08T01:00:00Z");
            directory::apply(&mut tx, &entry, "token", now + TimeDelta::hours(hours)).await.unwrap();
            let used = told::stake(&mut tx, &"u".to_owned(), &ModelId::from("a/b")).await.unwrap().since();
            used.map(|used| (used - now).num_hours())
        };
        assert_eq!(since(0, "a/b", &["a/c"]).await, Some(0));
        assert_eq!(since(5, "a/b", &[]).await, Some(0));
        assert_eq!(since(6, "a/d", &["a/c"]).await, None);
        assert_eq!(since(7, "a/b", &["a/c"]).await, Some(7));
    }

    async fn the_longest_executions_are_kept_by_span(test) {
        let now = at("2026-06-08T01:00:00Z");
        let mut tx = test.db.write().await.unwrap();
        let mut names = Names::default();
        let fresh = names.resolve(&mut tx, &["u", "a/b", "a/b:nitro"]).await.unwrap();
        names.keep(fresh);
        let number = |text: &str| names.number(&Fresh::default(), text).unwrap();
        let (user, model, variant, span) = (number("u"), number("a/b"), number("a/b:nitro"), span_of(now));
        let mut put = Peaks::new();
        for (key, tokens, output) in [((user, model, span), 100, 10), ((user, model, span - 1), 50, 20), ((user, variant, span), 120, 5), ((user, model, span - 2), 999, 999)] {
            put.insert(key, Peak { tokens, output });
        }
        peaks::raise(&mut tx, &put).await.unwrap();
        peaks::raise(&mut tx, &[((user, model, span), Peak { tokens: 90, output: 30 })].into()).await.unwrap();
        let needs = peaks::of_user(&mut tx, "u", now).await.unwrap();
        assert_eq!(needs, BTreeMap::from([(ModelId::from("a/b"), Needs { context: Some(120), output: Some(30) })]));
        assert_eq!(step(&mut tx, What::Peaks, now - TimeDelta::days(30)).await.unwrap(), 1);
    }

    async fn incidents_open_once_and_resolve(test) {
        let now = at("2026-06-08T01:00:00Z");
        let batch = || Subject::Account("batch".to_owned());
        let incident = Occurrence::open(Rule::BulkEvent, batch(), now);
        let mut tx = test.db.write().await.unwrap();
        assert!(incidents::open(&mut tx, &incident, "x y").await.unwrap());
        assert!(!incidents::open(&mut tx, &Occurrence::open(Rule::BulkEvent, batch(), now + TimeDelta::hours(1)), "").await.unwrap());
        assert_eq!(incidents::all_open(&mut tx).await.unwrap()[0].id, incident.id);
        incidents::resolve(&mut tx, &incident.id, now + TimeDelta::hours(2)).await.unwrap();
        assert!(incidents::all_open(&mut tx).await.unwrap().is_empty());
        assert_eq!(incidents::touched_since(&mut tx, now + TimeDelta::hours(2)).await.unwrap().len(), 1);
    }

    async fn a_mail_is_one_row_and_the_queue_is_counted(test) {
        let now = at("2026-06-08T01:00:00Z");
        let mail = |n: i64| Mail { dedup_key: format!("k{n}"), kind: "model_removed".to_owned(), user: Some(format!("u{n}")), recipient: "a@b.org".to_owned(), threads: vec!["<t@x>".to_owned(), "<s@x>".to_owned()], ..Mail::default() };
        let mut tx = test.db.write().await.unwrap();
        for n in 0..4 {
            assert!(outbox::enqueue(&mut tx, &mail(n), now + TimeDelta::seconds(n)).await.unwrap());
            assert!(!outbox::enqueue(&mut tx, &mail(n), now).await.unwrap());
        }
        let claimed = outbox::claim(&mut tx, Channel::Mail, 3, now + TimeDelta::minutes(1), now + TimeDelta::minutes(5)).await.unwrap();
        assert_eq!((claimed.len(), &claimed[0].mail.threads), (3, &mail(0).threads));
        for (claimed, outcome) in claimed.iter().zip([Outcome::Sent, Outcome::Dead("no".to_owned()), Outcome::Released]) {
            assert!(outbox::settle(&mut tx, claimed.id, claimed.attempt, &outcome, now).await.unwrap());
        }
        let queue = outbox::queue(&mut tx).await.unwrap();
        assert_eq!((queue.pending, queue.sending, queue.dead), (2, 0, 1));
        assert_eq!(queue.oldest_pending, Some(now + TimeDelta::seconds(2)));
        assert_eq!((outbox::sent(&mut tx).await.unwrap(), outbox::users_told_since(&mut tx, now).await.unwrap()), (1, 4));
        assert_eq!(outbox::retry(&mut tx, None, now).await.unwrap(), 1);
        assert_eq!(outbox::list(&mut tx, Some("sent"), None, 9).await.unwrap().len(), 1);
        assert_eq!(outbox::get(&mut tx, claimed[1].id).await.unwrap().unwrap().1.dedup_key, "k1");
        assert_eq!(outbox::get(&mut tx, 9999).await.unwrap(), None);
        assert_eq!(step(&mut tx, What::Mails, now + TimeDelta::days(1)).await.unwrap(), 1, "only what was sent is forgotten");
        assert_eq!(step(&mut tx, What::Runs, now).await.unwrap(), 0);
    }

    async fn only_the_hash_of_a_token_is_kept(test) {
        let now = at("2026-06-08T01:00:00Z");
        let mut tx = test.db.write().await.unwrap();
        tokens::insert(&mut tx, Scope::Ingest, "platform", &tokens::hash("secret"), now).await.unwrap();
        let token = tokens::in_force(&mut tx).await.unwrap().remove(0);
        assert_eq!((token.scope, token.hash, token.label.as_str()), (Scope::Ingest, tokens::hash("secret"), "platform"));
        assert!(tokens::revoke(&mut tx, token.id, now).await.unwrap());
        assert!(!tokens::revoke(&mut tx, token.id, now).await.unwrap());
        assert!(tokens::in_force(&mut tx).await.unwrap().is_empty());
    }

    async fn a_rehearsal_sees_its_own_writes_and_leaves_none(test) {
        let rehearsal = test.db.rehearsal();
        let mut tx = rehearsal.write().await.unwrap();
        apply(&mut tx, &[json!({"user": {"id": "u"}})]).await;
        tx.commit().await.unwrap();
        let mut tx = rehearsal.read().await.unwrap();
        assert_eq!(directory::count(&mut tx).await.unwrap().0, 1);
        drop(tx);
        drop(rehearsal);
        let mut tx = test.db.read().await.unwrap();
        assert_eq!(directory::count(&mut tx).await.unwrap().0, 0);
        assert!(tx.size().await.unwrap() > 0);
    }
}
