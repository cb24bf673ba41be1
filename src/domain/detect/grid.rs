//! The cleaned values of a series by its own step, the last ones.

/// How many values are kept: four weeks of five-minute steps, six days of minutes.
pub(super) const KEPT: usize = 8192;
const KEPT_SLOTS: i64 = 8192;
/// From how many gaps the step is told: from each of the first ones, then whenever their number has doubled.
const FIRST_GAPS: usize = 4;
const MOST_GAPS: usize = 512;

/// Values by slot. A slot is a step long: the usual time from one row to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    /// By slot, modulo their number; NaN where there is none.
    values: Vec<f64>,
    /// Seconds, at least 1.
    step: i64,
    last_at: Option<i64>,
    slot: i64,
    gaps: Vec<i64>,
    filled: usize,
}

impl Grid {
    /// Moves on to the slot of a time. Is it later than the last one?
    pub(super) fn move_to(&mut self, at: i64) -> bool {
        let Some(last) = self.last_at else {
            *self = Self { values: vec![f64::NAN; KEPT], step: 1, last_at: Some(at), ..Self::default() };
            return true;
        };
        if at <= last {
            return false;
        }
        let gap = at.saturating_sub(last);
        self.last_at = Some(at);
        self.learn_gap(gap);
        // Irregular rows have a slot each, but longer gaps have as many as they would have held.
        let moved = std::cmp::max(gap.saturating_add(self.step / 2) / self.step, 1);
        for _ in 0..std::cmp::min(moved, KEPT_SLOTS) {
            self.slot += 1;
            let place = place(self.slot);
            self.values[place] = f64::NAN;
        }
        true
    }

    fn learn_gap(&mut self, gap: i64) {
        if self.gaps.len() >= MOST_GAPS {
            return;
        }
        self.gaps.push(gap);
        let count = self.gaps.len();
        if count <= FIRST_GAPS || count.is_power_of_two() {
            let mut sorted = self.gaps.clone();
            sorted.sort_unstable();
            self.step = std::cmp::max(sorted[count / 2], 1);
        }
    }

    /// Seconds from one slot to the next.
    pub(super) fn step(&self) -> i64 {
        self.step
    }

    /// The slot that the last row is in.
    pub(super) fn slot(&self) -> i64 {
        self.slot
    }

    /// How many slots have had a value, at most all that are kept.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Sets the value of the present slot.
    pub(super) fn put(&mut self, value: f64) {
        self.mend(self.slot, value);
        self.filled = std::cmp::min(self.filled + 1, KEPT);
    }

    /// Sets the value of a slot that is past.
    pub(super) fn mend(&mut self, slot: i64, value: f64) {
        if self.slot - slot < KEPT_SLOTS {
            self.values[place(slot)] = value;
        }
    }

    /// The value so many slots ago, where there is one.
    pub(super) fn ago(&self, slots: usize) -> Option<f64> {
        if slots >= KEPT || self.values.is_empty() {
            return None;
        }
        let value = self.values[place(self.slot - i64::try_from(slots).unwrap_or(0))];
        (!value.is_nan()).then_some(value)
    }
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(KEPT_SLOTS)).unwrap_or(0)
}
