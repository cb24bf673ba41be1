//! `[keys]`: what seals users' keys.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::masked;
use crate::vault::MasterKey;

/// Where the master key is: given here, in a file, or else made in the state directory when it is first needed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// 32 random bytes in base64 or hex.
    #[serde(serialize_with = "masked")]
    pub master_key: Option<SecretString>,
    /// A file that has them; systemd's credential `master_key` when there is one.
    pub master_key_file: Option<PathBuf>,
}

impl Keys {
    /// Whether a master key is given in one of the ways.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.master_key.is_some() || self.master_key_file.is_some()
    }

    /// Whether a master key comes from the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_same_text = match (&self.master_key, &other.master_key) {
            (Some(here), Some(there)) => here.expose_secret() == there.expose_secret(),
            (here, there) => here.is_none() && there.is_none(),
        };
        is_same_text && self.master_key_file == other.master_key_file
    }

    /// Says what is wrong, as path and reason.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let problem = |reason: &str| vec![("keys.master_key".to_owned(), reason.to_owned())];
        match &self.master_key {
            Some(_) if self.master_key_file.is_some() => problem("is given twice, here and by keys.master_key_file"),
            Some(text) => MasterKey::parse(text.expose_secret()).err().map_or_else(Vec::new, problem),
            None => Vec::new(),
        }
    }
}
