//! The vault: users' keys, sealed at rest.
//!
//! Each user has a data key that seals their keys; the master key wraps the data keys. What is opened is a
//! [`SecretString`]: it cannot be printed, and is wiped when it is dropped. Whoever opens a key leaves a row that says
//! so, in the same transaction. The rows and their SQL are [`store::keys`]'s.

mod master;
mod rotation;
mod seal;

use std::sync::{PoisonError, RwLock};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::domain::key::{Access, Slot, last_four};
use crate::store::keys::{self, Binding, Sealed};
use crate::store::{self, Lock, Tx};

pub use master::MasterKey;
use master::Source;
use seal::Key;
pub use seal::{Fault, KeyId};

/// What a sealed thing is, before whose it is: none opens as another.
const CHECK: &str = "check";
const DATA_KEY: &str = "data key";
const KEY: &str = "key";
/// What the check value holds.
const CHECK_TEXT: &[u8] = b"this master key fits";

/// Why the vault does not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no such key.
    #[error("user {user:?} has no key {label:?}")]
    Unknown {
        /// Whose it would be.
        user: String,
        /// Its label.
        label: String,
    },
    /// There is a master key, but not the one that sealed.
    #[error(
        "keys.master_key: the stored keys are sealed by the master key {sealed_by}, and {place} has another, {given}; \
        put the former key back (every replica needs the same), or delete the stored keys and store them anew"
    )]
    Misfit {
        /// Where it was looked for.
        place: String,
        /// What is there.
        given: KeyId,
        /// What should be.
        sealed_by: String,
    },
    /// There is none, and keys are sealed.
    #[error(
        "keys.master_key: the stored keys are sealed by the master key {sealed_by}, and {place} is not there; \
        restore it from its backup, or name it by keys.master_key_file (every replica needs the same)"
    )]
    NoMaster {
        /// Where it was looked for.
        place: String,
        /// What should be there.
        sealed_by: String,
    },
    /// The master key cannot be read or written.
    #[error("keys.master_key: {place}: {reason}")]
    Master {
        /// Where it is.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Something sealed does not open.
    #[error(
        "what is sealed for user {user:?} does not open: {fault}; restore it from a backup, or delete the user's keys and store them anew"
    )]
    Damaged {
        /// Whose it is.
        user: String,
        /// What is wrong.
        fault: Fault,
    },
    /// Nothing could be sealed.
    #[error("nothing can be sealed: {0}")]
    Seal(#[from] Fault),
    /// There is nothing to rotate.
    #[error("no key is stored yet, so there is nothing to rotate")]
    Empty,
    /// The new master key cannot be written.
    #[error("the master key is not in a file that could be replaced; give the new one on standard input (--stdin)")]
    NotInFile,
    /// The new master key is the old one.
    #[error("this master key is the one in force already")]
    Same,
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

/// What opens and seals.
#[derive(Debug)]
pub struct Vault {
    source: Source,
    /// The master key that last fitted.
    master: RwLock<Option<MasterKey>>,
}

/// What became of a key that was put in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The slot was empty.
    Added,
    /// It had another key.
    Replaced,
    /// It had the same: its age goes on.
    Same,
}

impl Vault {
    /// A vault whose master key is where the configuration says. Nothing is read yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { source: Source::new(config), master: RwLock::default() }
    }

    /// Makes sure that the master key fits what is stored, while anything is; and that it can be read, if there is one.
    ///
    /// # Errors
    /// When it does not fit, is not there, or the database fails.
    pub async fn unlock(&self, tx: &mut Tx) -> Result<Option<KeyId>, Error> {
        if let Some(binding) = keys::binding(tx).await? {
            return Ok(Some(self.bound(&binding)?.id()));
        }
        self.source.load()?;
        Ok(None)
    }

    /// Puts a key in a slot. The same key again keeps its age and what is known of it.
    ///
    /// # Errors
    /// When the master key does not fit or cannot be made, or the database fails.
    pub async fn put(
        &self,
        tx: &mut Tx,
        slot: Slot<'_>,
        key: &SecretString,
        access: Access<'_>,
        now: DateTime<Utc>,
    ) -> Result<Put, Error> {
        tx.lock(Lock::Vault).await?;
        let master = self.binding_master(tx, now).await?;
        let put = match keys::sealed(tx, slot).await? {
            Some(former) if same(&self.unseal(slot, &former)?, key) => Put::Same,
            Some(_) => Put::Replaced,
            None => Put::Added,
        };
        if put != Put::Same {
            let data_key = match keys::data_key(tx, slot.user).await? {
                Some(wrapped) => unwrap(&master.0, slot.user, &wrapped)?,
                None => new_data_key(tx, &master, slot.user, now).await?,
            };
            let sealed = data_key.seal(&[KEY, slot.user, slot.label], key.expose_secret().as_bytes())?;
            keys::put(tx, slot, &sealed, last_four(key), now).await?;
        }
        keys::record(tx, slot, access, now).await?;
        Ok(put)
    }

    /// Opens a key, and records who has it in hand: the transaction must be committed before the key is used.
    ///
    /// # Errors
    /// When there is none, the master key does not fit, or the database fails.
    pub async fn open(
        &self,
        tx: &mut Tx,
        slot: Slot<'_>,
        access: Access<'_>,
        now: DateTime<Utc>,
    ) -> Result<SecretString, Error> {
        let unknown = || Error::Unknown { user: slot.user.to_owned(), label: slot.label.to_owned() };
        let sealed = keys::sealed(tx, slot).await?.ok_or_else(unknown)?;
        let key = self.unseal(slot, &sealed)?;
        keys::record(tx, slot, access, now).await?;
        Ok(key)
    }

    /// Forgets a key, and with a user's last one what sealed it. Says whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete(
        &self,
        tx: &mut Tx,
        slot: Slot<'_>,
        access: Access<'_>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        tx.lock(Lock::Vault).await?;
        let was_there = keys::delete(tx, slot).await?;
        if was_there {
            keys::record(tx, slot, access, now).await?;
        }
        Ok(was_there)
    }

    /// Where the master key is, for people.
    #[must_use]
    pub fn place(&self) -> String {
        self.source.describe()
    }

    /// The file that holds the master key, if one does.
    #[must_use]
    pub fn file(&self) -> Option<&std::path::Path> {
        self.source.file()
    }

    fn unseal(&self, slot: Slot<'_>, Sealed { sealed, wrapped }: &Sealed) -> Result<SecretString, Error> {
        let damaged = |fault| Error::Damaged { user: slot.user.to_owned(), fault };
        let master = self.of_id(&seal::sealer(wrapped).map_err(damaged)?.to_string())?;
        let data_key = unwrap(&master.0, slot.user, wrapped)?;
        let text = data_key.open(&[KEY, slot.user, slot.label], sealed).map_err(damaged)?;
        // Of the exact size: what grows or shrinks would leave a copy behind.
        std::str::from_utf8(&text).map(SecretString::from).map_err(|_| damaged(Fault::Forged))
    }

    /// The master key in force; the first key to be sealed binds the store to it.
    async fn binding_master(&self, tx: &mut Tx, now: DateTime<Utc>) -> Result<MasterKey, Error> {
        if let Some(binding) = keys::binding(tx).await? {
            return self.bound(&binding);
        }
        let master = self.source.load_or_make()?;
        bind(tx, &master, now).await?;
        self.remember(&master);
        Ok(master)
    }

    /// The master key of a binding, if it opens what only it opens.
    fn bound(&self, binding: &Binding) -> Result<MasterKey, Error> {
        let master = self.of_id(&binding.master)?;
        let damaged = |fault| Error::Damaged { user: String::new(), fault };
        let opened = master.0.open(&[CHECK], &binding.check_value).map_err(damaged)?;
        if opened.as_slice() == CHECK_TEXT { Ok(master) } else { Err(damaged(Fault::Forged)) }
    }

    /// The master key of an id: at hand, or read anew, because it was rotated in the meantime.
    fn of_id(&self, id: &str) -> Result<MasterKey, Error> {
        let at_hand = self.master.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(master) = at_hand.filter(|master| master.id().to_string() == id) {
            return Ok(master);
        }
        let master = self.source.load_fitting(id)?;
        self.remember(&master);
        Ok(master)
    }

    fn remember(&self, master: &MasterKey) {
        *self.master.write().unwrap_or_else(PoisonError::into_inner) = Some(master.clone());
    }
}

async fn bind(tx: &mut Tx, master: &MasterKey, now: DateTime<Utc>) -> Result<(), Error> {
    let check_value = master.0.seal(&[CHECK], CHECK_TEXT)?;
    Ok(keys::bind(tx, &Binding { master: master.id().to_string(), check_value }, now).await?)
}

async fn new_data_key(tx: &mut Tx, master: &MasterKey, user: &str, now: DateTime<Utc>) -> Result<Key, Error> {
    let data_key = Key::generate()?;
    keys::put_data_key(tx, user, &wrap(&master.0, user, &data_key)?, now).await?;
    Ok(data_key)
}

fn wrap(master: &Key, user: &str, data_key: &Key) -> Result<Vec<u8>, Fault> {
    master.seal(&[DATA_KEY, user], data_key.expose())
}

fn unwrap(master: &Key, user: &str, wrapped: &[u8]) -> Result<Key, Error> {
    let damaged = |fault| Error::Damaged { user: user.to_owned(), fault };
    let bytes = master.open(&[DATA_KEY, user], wrapped).map_err(damaged)?;
    bytes.as_slice().try_into().map(Key::new).map_err(|_| damaged(Fault::Forged))
}

fn same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret().as_bytes().ct_eq(b.expose_secret().as_bytes()).into()
}
