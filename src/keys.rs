//! Users' keys as they come and go: each is shown to OpenRouter before it is stored, so that a wrong one is noticed by
//! who sends it.

use std::time::Duration;

use secrecy::SecretString;

use crate::app::new_token;
use crate::domain::account::KeyInfo;
use crate::domain::key::{Access, KeyKind, KeyStatus, Purpose, Slot, check_shape};
use crate::job::Context;
use crate::openrouter::account;
use crate::store::keys::{self, Checked, Stored};
use crate::store::{self, directory};
use crate::vault::{self, Put};

/// Who sends a key waits for OpenRouter no longer; it is then stored as it is.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// Why a key was not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such place.
    #[error("{0}")]
    Slot(String),
    /// It is no key.
    #[error("this is no key of OpenRouter: {0}")]
    Shape(&'static str),
    /// OpenRouter does not know it.
    #[error(
        "OpenRouter refuses this key: it does not exist, is disabled or has expired; nothing was stored; \
        make one at https://openrouter.ai/settings/keys"
    )]
    Refused,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The system failed.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Vault(error.into())
    }
}

/// A key that was stored.
#[derive(Debug)]
pub struct Taken {
    /// What is known of it.
    pub stored: Stored,
    /// What it replaced.
    pub put: Put,
    /// Why OpenRouter did not say whether it is good.
    pub unchecked: Option<String>,
}

/// Stores a key of a user, who is known from then on.
///
/// # Errors
/// When it is none, OpenRouter refuses it, or it cannot be stored.
pub async fn take(context: &Context, slot: Slot<'_>, key: &SecretString, who: &str) -> Result<Taken, Error> {
    slot.check().map_err(Error::Slot)?;
    check_shape(key).map_err(Error::Shape)?;
    let said = tokio::time::timeout(ASKED_WITHIN, context.openrouter.key(key)).await;
    let (info, unchecked) = match said {
        Ok(Ok(info)) => (Some(info), None),
        Ok(Err(account::Error::Refused)) => return Err(Error::Refused),
        Ok(Err(error)) => (None, Some(error.to_string())),
        Err(_) => (None, Some("OpenRouter did not answer in time".to_owned())),
    };
    let (now, access) = (context.now(), Access { purpose: Purpose::Store, who });
    let mut tx = context.db.write().await?;
    directory::ensure_user(&mut tx, slot.user, &new_token()?, now).await?;
    let put = context.vault.put(&mut tx, slot, key, access, now).await?;
    if let (Some(info), Some(stored)) = (info, keys::get(&mut tx, slot).await?) {
        keys::checked(&mut tx, slot, stored.replaced_at, &good(&info, now)).await?;
    }
    let stored = keys::get(&mut tx, slot).await?.ok_or(store::Error::Lost { what: "a key that was stored" })?;
    tx.commit().await?;
    Ok(Taken { stored, put, unchecked })
}

/// What is kept of what a good key says of itself.
#[must_use]
pub fn good(info: &KeyInfo, now: chrono::DateTime<chrono::Utc>) -> Checked {
    let kind = if info.is_management_key { KeyKind::Management } else { KeyKind::Inference };
    Checked { at: now, status: KeyStatus::Good, kind, expires_at: info.expires_at }
}

/// Forgets a key; says whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn forget(context: &Context, slot: Slot<'_>, who: &str) -> Result<bool, Error> {
    let mut tx = context.db.write().await?;
    let access = Access { purpose: Purpose::Delete, who };
    let was_there = context.vault.delete(&mut tx, slot, access, context.now()).await?;
    tx.commit().await?;
    Ok(was_there)
}
