//! The master key: how it is written, where it is, and how the file that holds it changes without a moment of danger.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use super::seal::{KEY_LEN, Key, KeyId};
use crate::config::Config;

/// The file in the state directory.
const FILE: &str = "master.key";
/// No file with a key is as large as this.
const FILE_BYTES_MAX: u64 = 4096;

/// A master key; it shows its id and nothing else.
#[derive(Clone, Debug)]
pub struct MasterKey(pub(super) Arc<Key>);

impl MasterKey {
    /// 256 random bits.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(Arc::new(Key::generate()?)))
    }

    /// Reads 32 bytes from base64 or hex; the reason tells nothing of them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let bytes = Zeroizing::new(unhex(text).or_else(|| unbase64(text)).ok_or("is neither base64 nor hex")?);
        let bytes: &[u8; KEY_LEN] =
            bytes.as_slice().try_into().map_err(|_| "does not have 32 bytes; `openssl rand -base64 32` makes such")?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err("is the same byte all over; `openssl rand -base64 32` makes a random one");
        }
        Ok(Self(Arc::new(Key::new(bytes))))
    }

    /// By which it is known.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id()
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.expose()))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 2 * KEY_LEN && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |place| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
    if is_hex { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|engine| engine.decode(text).ok())
}

/// Where the master key comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// The configuration or the environment.
    Given(SecretString),
    /// A file that the configuration names.
    File(PathBuf),
    /// The file in the state directory; made when it is first needed.
    Own(PathBuf),
}

impl Source {
    pub(super) fn new(config: &Config) -> Self {
        match (&config.keys.master_key, &config.keys.master_key_file) {
            (Some(text), _) => Self::Given(text.clone()),
            (None, Some(file)) => Self::File(file.clone()),
            (None, None) => Self::Own(config.state_directory().join(FILE)),
        }
    }

    /// The file that holds it, if one does.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::File(file) | Self::Own(file) => Some(file),
        }
    }

    /// What people know it by.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Given(_) => "keys.master_key".to_owned(),
            Self::File(file) | Self::Own(file) => file.display().to_string(),
        }
    }

    /// The key, if there is one.
    pub(super) fn load(&self) -> Result<Option<MasterKey>, Error> {
        match self {
            Self::Given(text) => {
                let key = MasterKey::parse(text.expose_secret()).map_err(|reason| self.unusable(reason))?;
                Ok(Some(key))
            }
            Self::File(file) => match read(file)? {
                Some(key) => Ok(Some(key)),
                None => Err(self.unusable("there is no such file")),
            },
            Self::Own(file) => read(file),
        }
    }

    /// The key of an id: the one that is here, or the one that a rotation left beside it when it was cut off.
    pub(super) fn load_fitting(&self, id: &str) -> Result<MasterKey, Error> {
        let here = self.load()?;
        if let Some(key) = here.as_ref().filter(|key| key.id().to_string() == id) {
            return Ok(key.clone());
        }
        if let Some(file) = self.file()
            && let Some(key) = read(&next_to(file))?.filter(|key| key.id().to_string() == id)
        {
            put_in_place(file)?;
            tracing::warn!(file = %file.display(), "a rotation of the master key was cut off and is finished now");
            return Ok(key);
        }
        let place = self.describe();
        Err(match here {
            Some(key) => Error::Misfit { place, given: key.id(), sealed_by: id.to_owned() },
            None => Error::NoMaster { place, sealed_by: id.to_owned() },
        })
    }

    /// The key; made now if there is none and it is ours to make.
    pub(super) fn load_or_make(&self) -> Result<MasterKey, Error> {
        match (self.load()?, self) {
            (Some(key), _) => Ok(key),
            (None, Self::Own(file)) => {
                let key = MasterKey::generate()?;
                write(file, &key)?;
                tracing::info!(file = %file.display(), id = %key.id(), "a master key was made; back it up, and give it to other replicas");
                Ok(key)
            }
            (None, _) => Err(self.unusable("there is none")),
        }
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Master { place: self.describe(), reason: reason.to_owned() }
    }
}

/// Writes the key that is to be next beside the file; [`put_in_place`] makes it the one in force.
pub(super) fn stage(file: &Path, key: &MasterKey) -> Result<(), Error> {
    write(&next_to(file), key)
}

/// Forgets what [`stage`] wrote.
pub(super) fn unstage(file: &Path) {
    std::fs::remove_file(next_to(file)).ok();
}

/// Makes the staged key the one in force.
pub(super) fn put_in_place(file: &Path) -> Result<(), Error> {
    rename(&next_to(file), file)
}

fn next_to(file: &Path) -> PathBuf {
    file.with_added_extension("new")
}

fn read(file: &Path) -> Result<Option<MasterKey>, Error> {
    let unusable = |reason: String| Error::Master { place: file.display().to_string(), reason };
    let size = match std::fs::metadata(file) {
        Ok(data) => data.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    if size > FILE_BYTES_MAX {
        return Err(unusable("is too large for a key".to_owned()));
    }
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| unusable(error.to_string()))?;
    MasterKey::parse(&text).map(Some).map_err(|reason| unusable(reason.to_owned()))
}

/// Writes a key so that the file has all of it or is not there.
fn write(file: &Path, key: &MasterKey) -> Result<(), Error> {
    let draft = file.with_added_extension("draft");
    let write = || {
        let mut opened =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        opened.write_all(key.text().as_bytes())?;
        opened.write_all(b"\n")?;
        opened.sync_all()
    };
    write().map_err(|error| cannot_write(&draft, &error))?;
    rename(&draft, file)
}

/// Renames, and sees to it that this survives a power cut.
fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let rename = || {
        std::fs::rename(from, to)?;
        std::fs::File::open(folder)?.sync_all()
    };
    rename().map_err(|error| cannot_write(to, &error))
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Error {
    Error::Master { place: file.display().to_string(), reason: format!("cannot be written: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_master_key_is_hex_or_base64_of_32_bytes() {
        let id = |text: &str| MasterKey::parse(text).map(|key| key.id().to_string());
        let key = id(HEX).unwrap();
        for same in [BASE64, BASE64.trim_end_matches('='), &format!("  {HEX}\n"), &HEX.to_uppercase()] {
            assert_eq!(id(same).as_ref(), Ok(&key), "{same}");
        }
        for wrong in ["", "hello", &HEX[2..], &"00".repeat(32), "ÄÄ", &format!("{HEX}{HEX}")] {
            let reason = id(wrong).unwrap_err();
            assert!(wrong.is_empty() || !reason.contains(wrong), "{reason}");
        }
        let again = MasterKey::parse(HEX).unwrap().text();
        assert_eq!(id(&again), Ok(key));
    }

    #[test]
    fn a_rotation_that_was_cut_off_leaves_a_key_that_fits() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Own(folder.path().join(FILE));
        let old = source.load_or_make().unwrap();
        assert_eq!(source.load_or_make().unwrap().id(), old.id());
        let new = MasterKey::generate().unwrap();
        stage(source.file().unwrap(), &new).unwrap();
        assert_eq!(source.load_fitting(&old.id().to_string()).unwrap().id(), old.id(), "before the commit");
        assert_eq!(source.load_fitting(&new.id().to_string()).unwrap().id(), new.id(), "after it");
        assert_eq!(source.load().unwrap().unwrap().id(), new.id(), "and the file has it from then on");
        let error = source.load_fitting(&old.id().to_string()).unwrap_err();
        assert!(matches!(error, Error::Misfit { .. }), "{error}");
    }

    #[test]
    fn only_the_daemons_user_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        Source::Own(file.clone()).load_or_make().unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
