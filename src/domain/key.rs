//! Keys at OpenRouter: where they are kept, what they are, and who had them in hand.

use secrecy::{ExposeSecret, SecretString};

use super::execution::is_keepable;

/// What a user who names no label means.
pub const DEFAULT_LABEL: &str = "default";
/// What OpenRouter's keys begin with.
const PREFIX: &str = "sk-or-";
/// A key has 73 characters today; a word that is much shorter is none.
const CHARS_MIN: usize = 20;
/// Nor is a text that is much longer.
const CHARS_MAX: usize = 512;
/// What people may see of a key.
const CHARS_SHOWN: usize = 4;

/// Where a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot<'a> {
    /// Whose it is.
    pub user: &'a str,
    /// What its owner, and executions, call it.
    pub label: &'a str,
}

impl Slot<'_> {
    /// Says why nothing can be kept here.
    ///
    /// # Errors
    /// The part, and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        for (part, text) in [("user", self.user), ("label", self.label)] {
            if !is_keepable(text) {
                return Err(format!("the {part} is empty, too long, or has control characters"));
            }
        }
        Ok(())
    }
}

/// Says why a text cannot be a key at OpenRouter; the reason tells nothing of it.
///
/// # Errors
/// What is wrong with it.
pub fn check_shape(key: &SecretString) -> Result<(), &'static str> {
    let text = key.expose_secret();
    if !text.starts_with(PREFIX) {
        Err("a key of OpenRouter begins with sk-or-; this does not")
    } else if !(CHARS_MIN..=CHARS_MAX).contains(&text.len()) {
        Err("it is too short or too long for a key of OpenRouter")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("it has characters that no key has; is it one line?")
    } else {
        Ok(())
    }
}

/// The part of a key of the right shape by which its owner knows it.
#[must_use]
pub fn last_four(key: &SecretString) -> &str {
    let text = key.expose_secret();
    text.get(text.len().saturating_sub(CHARS_SHOWN)..).unwrap_or_default()
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What has this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }
    };
}

names! {
    /// What a key is good for.
    KeyKind {
        /// Nobody has said yet.
        Unknown = "unknown",
        /// Running models; it sees its own limits and usage.
        Inference = "inference",
        /// Administration; it sees the account's balance.
        Management = "management",
    }
}

names! {
    /// What OpenRouter last said to a key.
    KeyStatus {
        /// It was not asked yet.
        Unchecked = "unchecked",
        /// The key is good.
        Good = "ok",
        /// It is not, any more.
        Refused = "refused",
    }
}

impl KeyStatus {
    /// Those that somebody should look after.
    pub const IN_DOUBT: [Self; 2] = [Self::Unchecked, Self::Refused];
}

names! {
    /// What a key was in somebody's hands for.
    Purpose {
        /// To be stored.
        Store = "store",
        /// To ask what it has spent and may spend.
        Poll = "poll",
        /// To see whether it is good.
        Check = "check",
        /// To be sealed anew.
        Rotate = "rotate",
        /// All data keys were wrapped by a new master key; no key was opened.
        RotateMaster = "rotate_master",
        /// To be forgotten; it was not opened.
        Delete = "delete",
    }
}

/// A reason to have a key in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// What for.
    pub purpose: Purpose,
    /// Who: `daemon`, `cli`, or the API with the token that asked.
    pub who: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_shape() {
        let check = |text: &str| check_shape(&SecretString::from(text)).is_ok();
        assert!(check("sk-or-v1-0123456789abcdef"));
        for wrong in ["", "sk-or-v1-", "sk-ant-0123456789abcdef", "sk-or-v1-0123456789\nabcdef", "sk-or-v1-01234567ä89"]
        {
            assert!(!check(wrong), "{wrong:?}");
        }
        assert!(!check(&format!("sk-or-{}", "a".repeat(CHARS_MAX))));
        assert_eq!(last_four(&SecretString::from("sk-or-v1-0123456789abcdef")), "cdef");
    }

    #[test]
    fn a_slot_has_names_that_can_be_kept() {
        assert_eq!(Slot { user: "u", label: "default" }.check(), Ok(()));
        for (user, label) in [("", "a"), ("u", " "), ("u", "a\nb")] {
            assert!(Slot { user, label }.check().is_err(), "{user:?} {label:?}");
        }
    }
}
