//! Whether what lies beyond the limit is the new usual.

use super::Grain;

/// Days over which most active slots lie beyond the limit before that is the new level.
const DAYS: i64 = 3;
/// The least such slots: three days of days, and of hours a few of each day.
const LEAST: u16 = 3;

/// A run of slots most of which lie beyond the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shift {
    /// The first and the last slot beyond the limit.
    pub(super) since: i64,
    pub(super) latest: i64,
    /// How many lay beyond it.
    pub(super) beyond: u16,
    /// How many had spend.
    pub(super) active: u16,
    /// The sum of their ratios to the typical.
    pub(super) ratios: f32,
}

impl Shift {
    /// Was there one beyond the limit in the day before?
    pub(super) fn is_running(&self, slot: i64, grain: Grain) -> bool {
        self.beyond > 0 && slot - self.latest <= grain.tuning().per_day
    }

    /// Notes an active slot. The answer is by how much the level has moved (`ln`), once that is sure.
    pub(super) fn watch(&mut self, slot: i64, grain: Grain, is_beyond: bool, ratio: f64) -> Option<f64> {
        if self.beyond == 0 {
            if !is_beyond {
                return None;
            }
            self.since = slot;
        }
        self.active = self.active.saturating_add(1);
        self.ratios += super::to_f32(ratio);
        if is_beyond {
            self.latest = slot;
            self.beyond = self.beyond.saturating_add(1);
        }
        let is_most = self.beyond * 2 > self.active;
        if !is_most {
            *self = Self::default();
            return None;
        }
        let per_day = grain.tuning().per_day;
        let is_long = slot - self.since >= DAYS * per_day - std::cmp::max(per_day / 2, 1);
        if !is_long || self.beyond < LEAST {
            return None;
        }
        let step = f64::from(self.ratios) / f64::from(self.active);
        *self = Self::default();
        Some(step)
    }
}
