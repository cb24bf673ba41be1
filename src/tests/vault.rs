//! Users' keys, sealed: on both engines, by whoever has the master key and by nobody else.

use openrouter_monitor::config::Config;
use openrouter_monitor::domain::key::{Access, KeyKind, KeyStatus, Purpose, Slot};
use openrouter_monitor::store::keys::{self, Checked};
use openrouter_monitor::store::prune::{What, step};
use openrouter_monitor::store::{Db, Tx, directory};
use openrouter_monitor::vault::{Error, Fault, MasterKey, Put, Vault};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use crate::harness::at;
use crate::harness::database::{TestDb, on_every_db};

const BY: Access<'static> = Access { purpose: Purpose::Store, who: "cli" };
const POLL: Access<'static> = Access { purpose: Purpose::Poll, who: "daemon" };
const NOW: &str = "2026-06-08T01:00:00Z";

fn slot<'a>(user: &'a str, label: &'a str) -> Slot<'a> {
    Slot { user, label }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(format!("sk-or-v1-{text:0>32}"))
}

/// A vault with the master key of a folder.
fn vault(folder: &tempfile::TempDir) -> Vault {
    let mut config = Config::default();
    config.store.state_directory = Some(folder.path().to_owned());
    Vault::new(&config)
}

/// A vault with a given master key.
fn given(byte: u8) -> Vault {
    let mut config = Config::default();
    config.keys.master_key = Some(SecretString::from(format!("{byte:02x}00").repeat(16)));
    Vault::new(&config)
}

async fn put(vault: &Vault, db: &Db, user: &str, label: &str, text: &str) -> Result<Put, Error> {
    let mut tx = db.write().await.unwrap();
    let put = vault.put(&mut tx, slot(user, label), &secret(text), BY, at(NOW)).await?;
    tx.commit().await.unwrap();
    Ok(put)
}

async fn open(vault: &Vault, tx: &mut Tx, user: &str, label: &str) -> Result<String, Error> {
    let key = vault.open(tx, slot(user, label), POLL, at(NOW)).await?;
    Ok(key.expose_secret().to_owned())
}

async fn opens(vault: &Vault, db: &Db, user: &str, label: &str, text: &str) -> bool {
    let mut tx = db.write().await.unwrap();
    let opened = open(vault, &mut tx, user, label).await.is_ok_and(|key| key == secret(text).expose_secret());
    tx.commit().await.unwrap();
    opened
}

on_every_db! {
    async fn a_key_is_kept_replaced_checked_and_forgotten(test) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder);
        assert_eq!(put(&vault, &test.db, "u", "a", "1").await.unwrap(), Put::Added);
        assert_eq!(put(&vault, &test.db, "u", "b", "2").await.unwrap(), Put::Added);
        assert_eq!(put(&vault, &test.db, "v", "a", "3").await.unwrap(), Put::Added);
        let mut tx = test.db.write().await.unwrap();
        let [first, second] = keys::of(&mut tx, "u").await.unwrap().try_into().unwrap();
        assert_eq!((first.label.as_str(), first.last_four.as_str(), second.last_four.as_str()), ("a", "0001", "0002"));
        assert_eq!((first.kind, first.status, first.checked_at), (KeyKind::Unknown, KeyStatus::Unchecked, None));
        let said = Checked {
            at: at("2026-06-08T02:00:00Z"), status: KeyStatus::Good, kind: KeyKind::Inference,
            expires_at: Some(at("2027-01-01T00:00:00Z")),
        };
        assert!(keys::checked(&mut tx, slot("u", "a"), first.replaced_at, &said).await.unwrap());
        tx.commit().await.unwrap();

        // The same key again is no news; another one begins anew.
        assert_eq!(put(&vault, &test.db, "u", "a", "1").await.unwrap(), Put::Same);
        let later = at("2026-06-09T00:00:00Z");
        let mut tx = test.db.write().await.unwrap();
        let known = keys::get(&mut tx, slot("u", "a")).await.unwrap().unwrap();
        assert_eq!((known.status, known.kind, known.checked_at, known.expires_at), (said.status, said.kind, Some(said.at), said.expires_at));
        assert_eq!(vault.put(&mut tx, slot("u", "a"), &secret("9"), BY, later).await.unwrap(), Put::Replaced);
        let known = keys::get(&mut tx, slot("u", "a")).await.unwrap().unwrap();
        assert_eq!((known.added_at, known.replaced_at, known.status), (at(NOW), later, KeyStatus::Unchecked));
        assert_eq!((known.checked_at, known.expires_at), (None, None));
        assert!(!keys::checked(&mut tx, slot("u", "a"), first.replaced_at, &said).await.unwrap(), "that was the former key");

        let places = |some: Vec<keys::Stored>| some.into_iter().map(|key| key.user + "/" + &key.label).collect::<Vec<_>>();
        assert_eq!(places(keys::after(&mut tx, slot("", ""), 2).await.unwrap()), ["u/a", "u/b"]);
        assert_eq!(places(keys::after(&mut tx, slot("u", "b"), 2).await.unwrap()), ["v/a"]);
        assert_eq!(keys::in_doubt(&mut tx).await.unwrap(), [("unchecked".to_owned(), 3)].into());

        assert!(vault.delete(&mut tx, slot("u", "a"), BY, later).await.unwrap());
        assert!(!vault.delete(&mut tx, slot("u", "a"), BY, later).await.unwrap());
        assert!(keys::data_key(&mut tx, "u").await.unwrap().is_some(), "another key of theirs is sealed by it");
        vault.delete(&mut tx, slot("u", "b"), BY, later).await.unwrap();
        assert!(keys::data_key(&mut tx, "u").await.unwrap().is_none());
        assert!(matches!(open(&vault, &mut tx, "u", "a").await, Err(Error::Unknown { .. })));
        assert_eq!(open(&vault, &mut tx, "v", "a").await.unwrap(), secret("3").expose_secret());
    }

    async fn each_access_leaves_a_row_until_it_is_old(test) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(&folder);
        put(&vault, &test.db, "u", "a", "1").await.unwrap();
        let mut tx = test.db.write().await.unwrap();
        open(&vault, &mut tx, "u", "a").await.unwrap();
        open(&vault, &mut tx, "u", "b").await.unwrap_err();
        let row = |accessed: &keys::Accessed| format!("{} {}/{} {}", accessed.who, accessed.user, accessed.label, accessed.purpose.as_str());
        let rows = keys::accesses(&mut tx, Some("u"), 10).await.unwrap();
        assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), ["daemon u/a poll", "cli u/a store"]);
        assert_eq!(keys::accesses(&mut tx, None, 1).await.unwrap(), rows[..1]);
        assert_eq!(keys::accesses(&mut tx, Some("v"), 10).await.unwrap(), []);
        assert_eq!(step(&mut tx, What::KeyAccess, at(NOW)).await.unwrap(), 0);
        assert_eq!(step(&mut tx, What::KeyAccess, at("2026-06-08T01:00:01Z")).await.unwrap(), 2);
    }

    async fn what_is_moved_or_of_another_master_key_does_not_open(test) {
        let folder = tempfile::tempdir().unwrap();
        let here = vault(&folder);
        for (user, label, text) in [("u", "a", "1"), ("u", "b", "2"), ("v", "a", "3")] {
            put(&here, &test.db, user, label, text).await.unwrap();
        }
        let mut tx = test.db.write().await.unwrap();
        let sealed = keys::sealed(&mut tx, slot("u", "a")).await.unwrap().unwrap();
        for moved in [slot("u", "b"), slot("v", "a")] {
            keys::reseal(&mut tx, moved, &sealed.sealed).await.unwrap();
            let error = open(&here, &mut tx, moved.user, moved.label).await.unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
        // With its data key too.
        keys::rewrap(&mut tx, "v", &sealed.wrapped).await.unwrap();
        let error = open(&here, &mut tx, "v", "a").await.unwrap_err();
        assert!(matches!(error, Error::Damaged { fault: Fault::Forged, .. }), "{error}");

        let elsewhere = tempfile::tempdir().unwrap();
        for (other, missing) in [(given(7), false), (vault(&elsewhere), true)] {
            let found = [other.unlock(&mut tx).await.unwrap_err(), open(&other, &mut tx, "u", "a").await.unwrap_err()];
            for error in found {
                assert_eq!((matches!(error, Error::Misfit { .. }), matches!(error, Error::NoMaster { .. })), (!missing, missing), "{error}");
            }
            let error = other.put(&mut tx, slot("w", "a"), &secret("4"), BY, at(NOW)).await.unwrap_err();
            assert!(matches!(error, Error::Misfit { .. } | Error::NoMaster { .. }), "{error}");
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "no key is made while others are sealed");
        assert!(here.unlock(&mut tx).await.unwrap().is_some());
    }

    async fn a_store_without_keys_takes_any_master_key(test) {
        put(&given(1), &test.db, "u", "a", "1").await.unwrap();
        let mut tx = test.db.write().await.unwrap();
        given(1).delete(&mut tx, slot("u", "a"), BY, at(NOW)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(put(&given(2), &test.db, "u", "a", "1").await.unwrap(), Put::Added);
        assert!(opens(&given(2), &test.db, "u", "a", "1").await);
    }

    async fn rotation_keeps_every_key(test) {
        let folder = tempfile::tempdir().unwrap();
        let daemon = vault(&folder);
        assert!(matches!(daemon.rotate_master(&test.db, None, BY, at(NOW)).await, Err(Error::Empty)));
        for (user, label, text) in [("u", "a", "1"), ("u", "b", "2"), ("v", "a", "3")] {
            put(&daemon, &test.db, user, label, text).await.unwrap();
        }
        // By another process, while the daemon goes on.
        let file = folder.path().join("master.key");
        let old = std::fs::read_to_string(&file).unwrap();
        assert_eq!(vault(&folder).rotate_master(&test.db, None, BY, at(NOW)).await.unwrap(), 2);
        assert_ne!(std::fs::read_to_string(&file).unwrap(), old);
        let mut tx = test.db.write().await.unwrap();
        let before = keys::sealed(&mut tx, slot("u", "a")).await.unwrap().unwrap();
        assert_eq!(daemon.rotate_data(&mut tx, "u", BY, at(NOW)).await.unwrap(), 2);
        assert_eq!(daemon.rotate_data(&mut tx, "nobody", BY, at(NOW)).await.unwrap(), 0);
        let after = keys::sealed(&mut tx, slot("u", "a")).await.unwrap().unwrap();
        assert!(before.sealed != after.sealed && before.wrapped != after.wrapped);
        tx.commit().await.unwrap();
        for (user, label, text) in [("u", "a", "1"), ("u", "b", "2"), ("v", "a", "3")] {
            assert!(opens(&daemon, &test.db, user, label, text).await && opens(&vault(&folder), &test.db, user, label, text).await);
        }

        // To a key from elsewhere: whoever gave it puts it in its place.
        let current = MasterKey::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let same = daemon.rotate_master(&test.db, Some(current), BY, at(NOW)).await;
        assert!(matches!(same, Err(Error::Same)));
        let new = MasterKey::parse(&"0900".repeat(16)).unwrap();
        daemon.rotate_master(&test.db, Some(new), BY, at(NOW)).await.unwrap();
        assert!(opens(&given(9), &test.db, "u", "a", "1").await);
        assert!(!opens(&vault(&folder), &test.db, "u", "a", "1").await);
        let without_file = given(9).rotate_master(&test.db, None, BY, at(NOW)).await;
        assert!(matches!(without_file, Err(Error::NotInFile)));
    }

    async fn a_rotation_that_was_cut_off_leaves_keys_that_open(test) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        put(&vault(&folder), &test.db, "u", "a", "1").await.unwrap();
        let old = std::fs::read_to_string(&file).unwrap();
        vault(&folder).rotate_master(&test.db, None, BY, at(NOW)).await.unwrap();
        let new = std::fs::read_to_string(&file).unwrap();
        // Between the commit and the last step.
        std::fs::write(&file, &old).unwrap();
        std::fs::write(folder.path().join("master.key.new"), &new).unwrap();
        assert!(opens(&vault(&folder), &test.db, "u", "a", "1").await);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
        // Before the commit: what was to be next is forgotten.
        std::fs::write(folder.path().join("master.key.new"), old).unwrap();
        assert!(opens(&vault(&folder), &test.db, "u", "a", "1").await);
        vault(&folder).rotate_master(&test.db, None, BY, at(NOW)).await.unwrap();
        assert!(opens(&vault(&folder), &test.db, "u", "a", "1").await);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    async fn who_is_forgotten_leaves_no_key(test) {
        let folder = tempfile::tempdir().unwrap();
        put(&vault(&folder), &test.db, "u", "a", "1").await.unwrap();
        let mut tx = test.db.write().await.unwrap();
        let entry = openrouter_monitor::domain::directory::Entry::parse(r#"{"delete":{"user":"u"}}"#).unwrap();
        directory::apply(&mut tx, &entry, "t", at(NOW)).await.unwrap();
        assert_eq!(keys::of(&mut tx, "u").await.unwrap(), []);
        assert_eq!(keys::data_key(&mut tx, "u").await.unwrap(), None);
        let last = keys::accesses(&mut tx, Some("u"), 1).await.unwrap().remove(0);
        assert_eq!((last.label.as_str(), last.purpose, last.who.as_str()), ("a", Purpose::Delete, "directory"));
    }
}

/// A few users' keys, put, replaced, deleted and rotated in any order.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u16),
    Delete(u8, u8),
    RotateData(u8),
    RotateMaster,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_u8, 0..2_u8, any::<u16>()).prop_map(|(user, label, key)| Step::Put(user, label, key)),
        (0..3_u8, 0..2_u8).prop_map(|(user, label)| Step::Delete(user, label)),
        (0..3_u8).prop_map(Step::RotateData),
        Just(Step::RotateMaster),
    ];
    prop::collection::vec(step, 1..12)
}

async fn take(step: &Step, vault: &Vault, db: &Db) {
    let (name, now) = (|number: &u8| number.to_string(), at(NOW));
    if let Step::RotateMaster = step {
        let rotated = vault.rotate_master(db, None, BY, now).await;
        assert!(matches!(rotated, Ok(_) | Err(Error::Empty)), "{rotated:?}");
        return;
    }
    let mut tx = db.write().await.unwrap();
    match step {
        Step::Put(user, label, key) => {
            let key = secret(&key.to_string());
            vault.put(&mut tx, slot(&name(user), &name(label)), &key, BY, now).await.unwrap();
        }
        Step::Delete(user, label) => {
            vault.delete(&mut tx, slot(&name(user), &name(label)), BY, now).await.unwrap();
        }
        Step::RotateData(user) => {
            let rotated = vault.rotate_data(&mut tx, &name(user), BY, now).await;
            assert!(matches!(rotated, Ok(_) | Err(Error::Empty)), "{rotated:?}");
        }
        Step::RotateMaster => {}
    }
    tx.commit().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_key_that_was_put_and_not_deleted_opens(steps in steps()) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let (test, folder) = (TestDb::sqlite().await, tempfile::tempdir().unwrap());
            let vault = vault(&folder);
            let mut expected = std::collections::BTreeMap::new();
            for step in &steps {
                take(step, &vault, &test.db).await;
                match step {
                    Step::Put(user, label, key) => drop(expected.insert((*user, *label), *key)),
                    Step::Delete(user, label) => drop(expected.remove(&(*user, *label))),
                    _ => {}
                }
            }
            let mut tx = test.db.write().await.unwrap();
            assert_eq!(keys::after(&mut tx, slot("", ""), 100).await.unwrap().len(), expected.len());
            for ((user, label), key) in expected {
                let opened = open(&vault, &mut tx, &user.to_string(), &label.to_string()).await.unwrap();
                assert_eq!(opened, secret(&key.to_string()).expose_secret());
            }
        });
    }
}
