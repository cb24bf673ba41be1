//! What is sealed, and how: `ChaCha20-Poly1305` under a random nonce, bound to the place where it belongs.
//!
//! A sealed text is a version, the id of the key that seals it, the nonce, and the ciphertext with its tag. The version,
//! the id and the place are authenticated with it: moved to another user or label, it does not open.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

const VERSION: u8 = 1;
/// Bytes of a key, of data or master.
pub(super) const KEY_LEN: usize = 32;
const ID_LEN: usize = 8;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + ID_LEN + NONCE_LEN;
/// What is hashed with a key into its id, so that the id is no hash that is used elsewhere.
const ID_DOMAIN: &[u8] = b"openrouter-monitor key id v1";

/// By which a key is known; it tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; ID_LEN]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is cut off.
    #[error("it is too short to be sealed")]
    Short,
    /// A later program sealed it.
    #[error("it is sealed in a way that this version does not know ({0})")]
    Version(u8),
    /// Another key sealed it.
    #[error("it is sealed by the key {0}")]
    OtherKey(KeyId),
    /// It was changed, or belongs elsewhere.
    #[error("it was changed, or moved from another place")]
    Forged,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// A key that seals: a data key, or the master key.
pub(super) struct Key {
    bytes: SecretBox<[u8; KEY_LEN]>,
    id: KeyId,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    pub(super) fn generate() -> Result<Self, Fault> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        random(&mut *bytes)?;
        Ok(Self::new(&bytes))
    }

    pub(super) fn new(bytes: &[u8; KEY_LEN]) -> Self {
        let digest = Sha256::new().chain_update(ID_DOMAIN).chain_update(bytes).finalize();
        let mut id = [0; ID_LEN];
        id.copy_from_slice(&digest[..ID_LEN]);
        Self { bytes: SecretBox::init_with_mut(|kept: &mut [u8; KEY_LEN]| kept.copy_from_slice(bytes)), id: KeyId(id) }
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn expose(&self) -> &[u8; KEY_LEN] {
        self.bytes.expose_secret()
    }

    /// Seals a text for a place. A key may do so 2^32 times before two nonces are likely to meet.
    pub(super) fn seal(&self, place: &[&str], text: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        // All at once: a vector that grows would leave the open text behind.
        let mut sealed = Vec::with_capacity(HEADER_LEN + text.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let (aad, nonce) = (Aad::from(self.bound_to(place)), Nonce::assume_unique_for_key(nonce));
        let tag = self.cipher().seal_in_place_separate_tag(nonce, aad, &mut sealed[HEADER_LEN..]);
        sealed.extend_from_slice(tag.map_err(|_| Fault::Forged)?.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for a place.
    pub(super) fn open(&self, place: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let by = sealer(sealed)?;
        if by != self.id {
            return Err(Fault::OtherKey(by));
        }
        let nonce = sealed[1 + ID_LEN..HEADER_LEN].try_into().map_err(|_| Fault::Short)?;
        let mut text = Zeroizing::new(sealed[HEADER_LEN..].to_vec());
        let (aad, nonce) = (Aad::from(self.bound_to(place)), Nonce::assume_unique_for_key(nonce));
        let opened = self.cipher().open_in_place(nonce, aad, &mut text).map_err(|_| Fault::Forged)?.len();
        text.truncate(opened);
        Ok(text)
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, self.expose()).expect("the length is the cipher's"))
    }

    /// Each part with its length, so that no two places look the same.
    fn bound_to(&self, place: &[&str]) -> Vec<u8> {
        let mut bound = vec![VERSION];
        bound.extend_from_slice(&self.id.0);
        for part in place {
            bound.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bound.extend_from_slice(part.as_bytes());
        }
        bound
    }
}

/// The id of the key that sealed something.
pub(super) fn sealer(sealed: &[u8]) -> Result<KeyId, Fault> {
    match sealed.first() {
        Some(&VERSION) if sealed.len() >= HEADER_LEN + TAG_LEN => {
            Ok(KeyId(sealed[1..=ID_LEN].try_into().map_err(|_| Fault::Short)?))
        }
        Some(&VERSION) | None => Err(Fault::Short),
        Some(version) => Err(Fault::Version(*version)),
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Fault> {
    getrandom::fill(bytes).map_err(|_| Fault::NoRandomness)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> Key {
        Key::new(&[seed; KEY_LEN])
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_its_place_and_nowhere_else(
            text in prop::collection::vec(any::<u8>(), 0..200), user in ".{0,20}", label in ".{0,20}", other in ".{0,20}",
        ) {
            let sealed = key(1).seal(&["key", &user, &label], &text).unwrap();
            prop_assert_eq!(&*key(1).open(&["key", &user, &label], &sealed).unwrap(), &text);
            prop_assert_eq!(key(2).open(&["key", &user, &label], &sealed), Err(Fault::OtherKey(key(1).id())));
            if other != user {
                prop_assert_eq!(key(1).open(&["key", &other, &label], &sealed), Err(Fault::Forged));
            }
            if other != label {
                prop_assert_eq!(key(1).open(&["key", &user, &other], &sealed), Err(Fault::Forged));
            }
            prop_assert_eq!(key(1).open(&["key", &format!("{user}{label}"), ""], &sealed).is_ok(), label.is_empty());
        }

        #[test]
        fn a_flipped_bit_anywhere_is_refused(text in prop::collection::vec(any::<u8>(), 0..100), place in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut sealed = key(1).seal(&["key"], &text).unwrap();
            let place = place.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(key(1).open(&["key"], &sealed).is_err());
        }

        #[test]
        fn what_never_was_sealed_is_refused_in_peace(noise in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(key(1).open(&["key"], &noise).is_err());
            let mut forged = vec![VERSION];
            forged.extend(key(1).id().0);
            forged.extend(noise);
            prop_assert!(key(1).open(&["key"], &forged).is_err());
        }
    }

    #[test]
    fn no_two_seals_are_the_same_and_none_shows_what_is_in_it() {
        let (a, b) = (key(1).seal(&["key"], b"canary-0123").unwrap(), key(1).seal(&["key"], b"canary-0123").unwrap());
        assert_ne!(a, b);
        assert!(!a.windows(6).any(|part| part == b"canary"));
        assert_eq!(a.len(), HEADER_LEN + 11 + TAG_LEN);
        assert_eq!(format!("{:?}", key(1)), format!("Key({})", key(1).id()));
    }

    #[test]
    fn an_id_never_changes() {
        assert_eq!(key(1).id().to_string(), "ebbc5c94f7ce082c");
    }
}
