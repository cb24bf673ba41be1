//! Keys: the master key, the management key, and each key that is stored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::task::JoinSet;

use super::{ANSWERS_WITHIN, Doctor, Finding, in_time, told};
use crate::domain::account::KeyInfo;
use crate::domain::key::{Access, Purpose, Slot};
use crate::openrouter::account::Error;
use crate::store::Db;
use crate::store::keys::{Stored, after};
use crate::vault;

/// As whom the doctor is on record.
const CHECK: Access<'static> = Access { purpose: Purpose::Check, who: "doctor" };
/// Keys that are asked about at a time.
const AT_A_TIME: i64 = 8;
/// Whoever has more keys than can be asked about in this time hears of the others from the polls.
const ALL_WITHIN: Duration = Duration::from_mins(1);
/// Keys in doubt that are named one by one.
const NAMED_MAX: usize = 20;

/// What came out of asking about the stored keys.
#[derive(Default)]
struct Tally {
    good: usize,
    in_doubt: Vec<Finding>,
    unanswered: usize,
    is_complete: bool,
}

impl Doctor {
    pub(super) async fn keys(&self, db: &Db, is_reachable: bool) -> Vec<Finding> {
        let (management, (master, is_open)) = tokio::join!(self.management_key(is_reachable), self.master_key(db));
        let mut found = vec![management, master];
        if is_open && is_reachable {
            let tally = self.tally(db).await;
            found.extend(tally.unwrap_or_else(|error| {
                vec![Finding::fail("stored keys", told(&error), "see what is said of the database and the master key")]
            }));
        } else if is_open {
            found.push(Finding::warn("stored keys", "nobody could be asked about them", "mend openrouter first"));
        }
        found
    }

    async fn management_key(&self, is_reachable: bool) -> Finding {
        const PART: &str = "management key";
        let Some(key) = &self.config.openrouter.management_key else {
            return Finding::ok(
                PART,
                "openrouter.management_key is not set: the platform's own account is not watched",
            );
        };
        if !is_reachable {
            return Finding::warn(PART, "nobody could be asked about it", "mend openrouter first");
        }
        let make = "make one at https://openrouter.ai/settings/management-keys";
        in_time(PART, async {
            match self.openrouter.key(key).await {
                Ok(KeyInfo { is_management_key: true, .. }) => Finding::ok(PART, "OpenRouter knows it"),
                Ok(_) => Finding::fail(PART, "it is an inference key: it may not ask about the account", make),
                Err(Error::Refused) => Finding::fail(PART, "OpenRouter refuses it", make),
                Err(error) => Finding::warn(PART, told(&error), "try again later"),
            }
        })
        .await
    }

    /// What is found, and whether it opens what is stored.
    async fn master_key(&self, db: &Db) -> (Finding, bool) {
        const PART: &str = "master key";
        let unlock = async {
            let mut tx = db.read().await.map_err(vault::Error::from)?;
            self.vault.unlock(&mut tx).await
        };
        match unlock.await {
            // What is wrong with it says also how it is mended.
            Err(error) => (Finding::fail(PART, told(&error), ""), false),
            Ok(None) => (Finding::ok(PART, "no key is stored yet"), false),
            Ok(Some(id)) => {
                let fits = || Finding::ok(PART, format!("{} ({id}) opens what is stored", self.vault.place()));
                (self.master_key_file().unwrap_or_else(fits), true)
            }
        }
    }

    async fn tally(&self, db: &Db) -> Result<Vec<Finding>, vault::Error> {
        let (mut tally, mut last, began) = (Tally::default(), (String::new(), String::new()), Instant::now());
        while began.elapsed() < ALL_WITHIN {
            let mut tx = db.read().await?;
            let some = after(&mut tx, Slot { user: &last.0, label: &last.1 }, AT_A_TIME).await?;
            drop(tx);
            let Some(end) = some.last() else {
                tally.is_complete = true;
                break;
            };
            last = (end.user.clone(), end.label.clone());
            self.ask_about(db, some, &mut tally).await?;
        }
        Ok(tally.told())
    }

    async fn ask_about(&self, db: &Db, some: Vec<Stored>, tally: &mut Tally) -> Result<(), vault::Error> {
        let mut opened: Vec<(Stored, SecretString)> = Vec::new();
        let mut tx = db.write().await?;
        for stored in some {
            let slot = Slot { user: &stored.user, label: &stored.label };
            match self.vault.open(&mut tx, slot, CHECK, self.clock.now()).await {
                Ok(key) => opened.push((stored, key)),
                // Deleted in the meantime.
                Err(vault::Error::Unknown { .. }) => {}
                Err(error @ vault::Error::Store(_)) => return Err(error),
                Err(error) => tally.in_doubt.push(Finding::fail(&part(&stored), told(&error), "")),
            }
        }
        tx.commit().await?;
        let mut asked = JoinSet::new();
        for (stored, key) in opened {
            let openrouter = Arc::clone(&self.openrouter);
            asked.spawn(async move {
                let said = tokio::time::timeout(ANSWERS_WITHIN, openrouter.key(&key)).await;
                (stored, said.map(|said| said.map(drop)))
            });
        }
        while let Some(Ok((stored, said))) = asked.join_next().await {
            match said {
                Ok(Ok(())) => tally.good += 1,
                Ok(Err(Error::Refused)) => tally.in_doubt.push(Finding::warn(
                    &part(&stored),
                    format!("OpenRouter refuses it (…{})", stored.last_four),
                    "have its owner make another, and store it (keys set)",
                )),
                Ok(Err(_)) | Err(_) => tally.unanswered += 1,
            }
        }
        Ok(())
    }
}

impl Tally {
    fn told(self) -> Vec<Finding> {
        const PART: &str = "stored keys";
        let more = self.in_doubt.len().saturating_sub(NAMED_MAX);
        let mut said = format!("{} good, {} in doubt", self.good, self.in_doubt.len());
        if self.unanswered > 0 {
            said = format!("{said}, {} without an answer", self.unanswered);
        }
        if !self.is_complete {
            said = format!("{said}; there are more than could be asked about");
        }
        let mut found: Vec<Finding> = self.in_doubt.into_iter().take(NAMED_MAX).collect();
        if more > 0 {
            found.push(Finding::warn(PART, format!("{more} more are in doubt"), "`openrouter-monitor keys list`"));
        }
        found.insert(
            0,
            if self.unanswered > 0 { Finding::warn(PART, said, "try again later") } else { Finding::ok(PART, said) },
        );
        found
    }
}

fn part(stored: &Stored) -> String {
    format!("key {}/{}", stored.user, stored.label)
}
