//! New keys for old: the master key, and users' data keys.

use chrono::{DateTime, Utc};

use super::master::{self, MasterKey};
use super::{Error, KEY, Vault, bind, new_data_key, unwrap, wrap};
use crate::domain::key::{Access, Slot};
use crate::store::keys;
use crate::store::{Db, Lock, Tx};

/// Data keys that are in hand at a time.
const STEP: i64 = 500;
/// What all users' slots are called where all are meant.
const ALL: Slot<'static> = Slot { user: "", label: "" };

impl Vault {
    /// Wraps all data keys by a new master key, in one transaction; says how many there are. A key that is given, its
    /// giver puts in its place; else one is made and replaces the file.
    ///
    /// The new file is beside the old one before the transaction begins and takes its place after it ended: whichever
    /// of them fits is found after any interruption.
    ///
    /// # Errors
    /// When nothing is stored, the former master key does not fit, the new one cannot be kept, or the database fails.
    pub async fn rotate_master(
        &self,
        db: &Db,
        given: Option<MasterKey>,
        access: Access<'_>,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        let mut tx = db.write().await?;
        tx.lock(Lock::Vault).await?;
        let old = self.bound(&keys::binding(&mut tx).await?.ok_or(Error::Empty)?)?;
        let file = if given.is_none() { Some(self.source.file().ok_or(Error::NotInFile)?) } else { None };
        let new = given.map_or_else(MasterKey::generate, Ok)?;
        if new.id() == old.id() {
            return Err(Error::Same);
        }
        if let Some(file) = file {
            master::stage(file, &new)?;
        }
        let rewrapped = match rewrap_all(&mut tx, &old, &new, now).await {
            Ok(rewrapped) => rewrapped,
            Err(error) => {
                file.inspect(|file| master::unstage(file));
                return Err(error);
            }
        };
        keys::record(&mut tx, ALL, access, now).await?;
        // Whether a commit that failed was done nobody knows: the file beside stays.
        tx.commit().await?;
        if let Some(file) = file {
            master::put_in_place(file)?;
        }
        self.remember(&new);
        Ok(rewrapped)
    }

    /// Seals a user's keys by a new data key; says how many they are.
    ///
    /// # Errors
    /// When the master key does not fit, a key does not open, or the database fails.
    pub async fn rotate_data(
        &self,
        tx: &mut Tx,
        user: &str,
        access: Access<'_>,
        now: DateTime<Utc>,
    ) -> Result<usize, Error> {
        tx.lock(Lock::Vault).await?;
        let master = self.bound(&keys::binding(tx).await?.ok_or(Error::Empty)?)?;
        let Some(wrapped) = keys::data_key(tx, user).await? else { return Ok(0) };
        let old = unwrap(&master.0, user, &wrapped)?;
        let new = new_data_key(tx, &master, user, now).await?;
        let all = keys::sealed_of(tx, user).await?;
        for (label, sealed) in &all {
            let damaged = |fault| Error::Damaged { user: user.to_owned(), fault };
            let text = old.open(&[KEY, user, label], sealed).map_err(damaged)?;
            let slot = Slot { user, label };
            keys::reseal(tx, slot, &new.seal(&[KEY, user, label], &text)?).await?;
            keys::record(tx, slot, access, now).await?;
        }
        Ok(all.len())
    }
}

async fn rewrap_all(tx: &mut Tx, old: &MasterKey, new: &MasterKey, now: DateTime<Utc>) -> Result<usize, Error> {
    let (mut last, mut rewrapped) = (String::new(), 0);
    loop {
        let some = keys::data_keys_after(tx, &last, STEP).await?;
        for (user, wrapped) in &some {
            let data_key = unwrap(&old.0, user, wrapped)?;
            keys::rewrap(tx, user, &wrap(&new.0, user, &data_key)?).await?;
        }
        rewrapped += some.len();
        match some.into_iter().next_back() {
            Some((user, _)) => last = user,
            None => break,
        }
    }
    bind(tx, new, now).await?;
    Ok(rewrapped)
}
