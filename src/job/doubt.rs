//! Doubts about the list: executions failed as those on a model that is not there, and nobody has looked since.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// However many executions fail, one look takes them all in.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Whether somebody must look.
#[derive(Debug, Default)]
pub struct Doubts {
    raised: AtomicBool,
    looked_at: Mutex<Option<DateTime<Utc>>>,
}

impl Doubts {
    /// An execution failed.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether it is time to look; who is told so does.
    pub fn take(&self, now: DateTime<Utc>) -> bool {
        if !self.raised.load(Ordering::Relaxed) {
            return false;
        }
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_at.is_some_and(|at| (TimeDelta::zero()..LOOK_AGAIN).contains(&(now - at))) {
            return false;
        }
        *looked_at = Some(now);
        self.raised.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_are_one_look_a_minute() {
        let second = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let doubts = Doubts::default();
        assert!(!doubts.take(second(0)));
        doubts.raise();
        doubts.raise();
        assert_eq!([0, 5].map(|at| doubts.take(second(at))), [true, false]);
        doubts.raise();
        assert_eq!([10, 59, 60, 200].map(|at| doubts.take(second(at))), [false, false, true, false]);
        doubts.raise();
        assert!(doubts.take(second(-500)), "the clock was set back");
    }
}
