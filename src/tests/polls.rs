//! What is kept of keys that are asked, of accounts and their days: on both engines.

use crate::harness::at;
use crate::harness::database::on_every_db;
use chrono::TimeDelta;
use openrouter_monitor::domain::key::Slot;
use openrouter_monitor::domain::money::NanoUsd;
use openrouter_monitor::domain::poll::KeyState;
use openrouter_monitor::domain::reconcile::{Count, quarters};
use openrouter_monitor::domain::rollup::{Key, Measures, Rollup, quarter_of};
use openrouter_monitor::store::accounts::{self, Capture, Source};
use openrouter_monitor::store::balances::{self, Reading};
use openrouter_monitor::store::prune::{What, step};
use openrouter_monitor::store::{keys, polls, rollups};
use std::collections::BTreeMap;

on_every_db! {
    async fn keys_are_taken_when_they_are_due(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let (now, mark) = (at("2026-06-08T01:00:00Z"), at("2026-01-01T00:00:00Z"));
        for (number, label) in ["a", "b", "c"].into_iter().enumerate() {
            let due = now + TimeDelta::minutes(i64::try_from(number).unwrap() - 1);
            polls::enrol(&mut tx, Slot { user: "u", label }, mark, due).await.unwrap();
        }
        let lease = now + TimeDelta::minutes(5);
        let taken = polls::claim(&mut tx, 1, now, lease).await.unwrap();
        assert_eq!(taken.iter().map(|poll| poll.label.as_str()).collect::<Vec<_>>(), ["a"], "the one that waits longest");
        let taken = polls::claim(&mut tx, 9, now, lease).await.unwrap();
        assert_eq!(taken.iter().map(|poll| poll.label.as_str()).collect::<Vec<_>>(), ["b"]);
        let mut poll = taken.into_iter().next().unwrap();
        poll.state = KeyState { is_refused: true, ..KeyState::default() };
        polls::save(&mut tx, &poll, now).await.unwrap();
        assert_eq!(polls::claim(&mut tx, 9, now, lease).await.unwrap(), [poll.clone()]);
        polls::put_off(&mut tx, &poll, now).await.unwrap();
        assert_eq!(polls::notable(&mut tx).await.unwrap(), [], "nobody keeps this key");
        // Enrolled again it is left alone; replaced, it begins anew.
        polls::enrol(&mut tx, poll.slot(), mark, lease).await.unwrap();
        assert_eq!(polls::of(&mut tx, "u").await.unwrap()[1], poll);
        polls::enrol(&mut tx, poll.slot(), now, lease).await.unwrap();
        assert_eq!(polls::of(&mut tx, "u").await.unwrap()[1].state, KeyState::default());
        polls::save(&mut tx, &poll, now).await.unwrap();
        assert_eq!(polls::of(&mut tx, "u").await.unwrap()[1].state, KeyState::default(), "that was another key");
        polls::forget(&mut tx, poll.slot()).await.unwrap();
        polls::dismiss(&mut tx, true).await.unwrap();
        assert_eq!(polls::of(&mut tx, "u").await.unwrap(), []);
    }

    async fn strangers_are_keys_that_nobody_asked(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let (now, slot) = (at("2026-06-08T01:00:00Z"), Slot { user: "u", label: "default" });
        keys::put_data_key(&mut tx, "u", b"wrapped", now).await.unwrap();
        keys::put(&mut tx, slot, b"sealed", "cdef", now).await.unwrap();
        assert_eq!(polls::strangers(&mut tx, 9).await.unwrap(), [("u".to_owned(), "default".to_owned(), now)]);
        polls::enrol(&mut tx, slot, now, now).await.unwrap();
        assert_eq!(polls::strangers(&mut tx, 9).await.unwrap(), []);
        let mut poll = polls::of(&mut tx, "u").await.unwrap().remove(0);
        poll.state = KeyState { is_refused: true, ..KeyState::default() };
        polls::save(&mut tx, &poll, now).await.unwrap();
        assert_eq!(polls::notable(&mut tx).await.unwrap(), [poll]);
        assert_eq!(keys::ageing(&mut tx, now, now).await.unwrap().len(), 1);
        assert_eq!(keys::ageing(&mut tx, now - TimeDelta::days(1), now).await.unwrap(), []);
        polls::dismiss(&mut tx, true).await.unwrap();
        assert_eq!(polls::of(&mut tx, "u").await.unwrap().len(), 1);
    }

    async fn what_was_counted_is_found_by_its_time(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let (hour, slot) = (|hour: i64| at("2026-06-08T00:00:00Z") + TimeDelta::hours(hour), Slot { user: "u", label: "a" });
        let count = |from: i64, until: i64| Count { at: hour(from), until: hour(until), usage: NanoUsd(from) };
        for (from, until) in [(1, 1), (3, 3), (3, 4), (5, 5)] {
            polls::keep_count(&mut tx, slot, &count(from, until)).await.unwrap();
        }
        assert_eq!(polls::counts(&mut tx, slot, hour(4), hour(5)).await.unwrap(), [count(3, 4), count(5, 5)]);
        assert_eq!(polls::counts(&mut tx, slot, hour(0), hour(4)).await.unwrap(), [count(1, 1), count(3, 4)]);
        assert_eq!(step(&mut tx, What::KeyUsage, hour(99)).await.unwrap(), 2, "the last one stays");
        assert_eq!(polls::counts(&mut tx, slot, hour(0), hour(9)).await.unwrap(), [count(5, 5)]);
    }

    async fn an_account_is_what_was_read_last(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let reading = |account: &str, minutes: i64, left: i64| Reading {
            account: account.to_owned(),
            at: at("2026-06-08T00:00:00Z") + TimeDelta::minutes(minutes),
            left: NanoUsd::dollars(left),
        };
        for (minutes, left) in [(0, 9), (15, 9), (30, 8), (5, 1)] {
            accounts::read(&mut tx, &reading("u", minutes, left), Source::Credits, None).await.unwrap();
        }
        let account = accounts::get(&mut tx, "u").await.unwrap().unwrap();
        assert_eq!((account.left, account.at), (NanoUsd::dollars(8), reading("u", 30, 8).at));
        assert_eq!(balances::last_of(&mut tx, &["u"]).await.unwrap(), [reading("u", 30, 8)]);
        for (number, account) in ["v", "w", ""].into_iter().enumerate() {
            let left = i64::try_from(number).unwrap();
            accounts::read(&mut tx, &reading(account, 0, left), Source::KeyLimit, Some(NanoUsd(7))).await.unwrap();
        }
        accounts::keep_runways(&mut tx, &[("v".to_owned(), Some(60)), ("nobody".to_owned(), None)]).await.unwrap();
        let (lowest, rest) = accounts::lowest(&mut tx, 2).await.unwrap();
        let lowest: Vec<_> = lowest.into_iter().map(|account| (account.account, account.runway_s, account.purse)).collect();
        let seven = Some(NanoUsd(7));
        assert_eq!(lowest, [("v".to_owned(), Some(60), seven), ("w".to_owned(), None, seven)]);
        assert_eq!(rest, NanoUsd::dollars(8));
    }

    async fn the_last_day_of_each_account_is_kept(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let capture = |account: &str, day: &str, charged| Capture {
            account: account.to_owned(), day: day.parse().unwrap(), recorded: NanoUsd(1), charged: NanoUsd(charged),
        };
        for capture in [capture("u", "2026-06-07", 1), capture("u", "2026-06-08", 2), capture("", "2026-06-06", 3), capture("u", "2026-06-08", 4)] {
            accounts::keep_capture(&mut tx, &capture).await.unwrap();
        }
        let since = |day: &str| day.parse().unwrap();
        assert_eq!(accounts::captures_since(&mut tx, since("2026-06-07")).await.unwrap(), [capture("u", "2026-06-08", 4)]);
        assert_eq!(accounts::captures_since(&mut tx, since("2026-06-01")).await.unwrap().len(), 2);
    }

    async fn executions_explain_the_key_that_they_name_or_any(test) {
        let db = &test.db;
        let mut tx = db.write().await.unwrap();
        let mut rollup = Rollup::default();
        let when = at("2026-06-08T10:00:00Z");
        for (user, key, provider, cost) in [(1, 0, 1, 1), (1, 7, 1, 10), (1, 8, 1, 100), (1, 7, 2, 1000), (2, 7, 1, 10_000)] {
            rollup.add(Key { user, key, provider, ..Key::default() }, when, Measures { cost, ..Measures::default() });
        }
        rollups::add(&mut tx, &rollup).await.unwrap();
        let quarters = quarters(when, when);
        let cost = |cost| BTreeMap::from([(quarter_of(when), NanoUsd(cost))]);
        assert_eq!(polls::recorded(&mut tx, 1, &[8], quarters).await.unwrap(), cost(11));
        assert_eq!(polls::recorded(&mut tx, 1, &[], quarters).await.unwrap(), cost(111));
        assert_eq!(polls::recorded(&mut tx, 1, &[], (0, 3)).await.unwrap(), BTreeMap::new());
    }
}
