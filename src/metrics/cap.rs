//! Keeps the values of a label few: the first so many have series of their own, all others share one.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// What stands for all values that have no series of their own.
pub const OTHER: &str = "other";

/// A set of values that never exceeds its size. Who is in stays in, so that counters only ever rise; who comes later is
/// counted in [`OTHER`], so that sums stay exact.
#[derive(Debug)]
pub struct Cap {
    most: usize,
    values: RwLock<HashSet<String>>,
}

impl Cap {
    /// At most `most` values.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, values: RwLock::default() }
    }

    /// The label for a value.
    pub fn label<'a>(&self, value: &'a str) -> &'a str {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        if values.contains(value) {
            return value;
        }
        if values.len() >= self.most {
            return OTHER;
        }
        drop(values);
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        if values.len() < self.most {
            values.insert(value.to_owned());
            return value;
        }
        OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_stays_in_and_the_rest_is_other() {
        let cap = Cap::new(2);
        assert_eq!(["a", "b", "c", "a", "c", "b"].map(|value| cap.label(value)), ["a", "b", OTHER, "a", OTHER, "b"]);
    }
}
