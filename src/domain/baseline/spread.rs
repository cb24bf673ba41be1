//! The last ratios of active slots, and how far they usually lie apart.

/// How many active slots the spread is made of: ten days of a busy subject's hours, months of a rare one's.
pub(super) const KEPT: usize = 48;
/// Steps of `ln` by which a ratio is kept: 6 %, up to a factor of 2,800 either way.
const STEPS: f64 = 16.0;
/// The spread of a subject of whom nothing is known.
const PRIOR_SPREAD: f64 = 0.5;
/// As many active slots as the known must have to weigh as much as the prior.
const PRIOR_SLOTS: f64 = 6.0;
/// No subject is so regular that a quarter more or less were a deviation of more than one.
const LEAST_SPREAD: f64 = 0.25;
/// Upper quantiles and their normal scores.
const TAIL: [(f64, f64); 3] = [(0.75, 0.6745), (0.9, 1.2816), (0.97, 1.8808)];

/// The last ratios, the oldest overwritten.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recent {
    pub(super) ratios: [i8; KEPT],
    pub(super) pushed: u8,
    pub(super) next: u8,
}

impl Default for Recent {
    fn default() -> Self {
        Self { ratios: [0; KEPT], pushed: 0, next: 0 }
    }
}

impl Recent {
    pub(super) fn push(&mut self, ratio: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "it is clamped")]
        let code = (ratio * STEPS).round().clamp(f64::from(i8::MIN), f64::from(i8::MAX)) as i8;
        self.ratios[usize::from(self.next)] = code;
        self.pushed = std::cmp::min(self.pushed + 1, u8::try_from(KEPT).unwrap_or(u8::MAX));
        self.next = (self.next + 1) % u8::try_from(KEPT).unwrap_or(u8::MAX);
    }

    /// The last ratios, the latest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = f64> {
        let at = |ago: usize| f64::from(self.ratios[(usize::from(self.next) + KEPT - ago) % KEPT]) / STEPS;
        (1..=usize::from(self.pushed)).map(at)
    }

    pub(super) fn is_full(&self) -> bool {
        usize::from(self.pushed) == KEPT
    }

    /// The median, and a standard deviation of what is above it.
    pub(super) fn centre_and_spread(&self) -> (f64, f64) {
        let count = usize::from(self.pushed);
        if count == 0 {
            return (0.0, PRIOR_SPREAD);
        }
        let mut sorted = self.ratios;
        let sorted = &mut sorted[..count];
        sorted.sort_unstable();
        let centre = quantile(sorted, 0.5);
        let widest = TAIL.iter().map(|(at, score)| (quantile(sorted, *at) - centre) / score).fold(0.0, f64::max);
        let known = f64::from(self.pushed);
        let variance = (known * widest * widest + PRIOR_SLOTS * PRIOR_SPREAD * PRIOR_SPREAD) / (known + PRIOR_SLOTS);
        (centre, f64::max(variance.sqrt(), LEAST_SPREAD))
    }
}

/// A quantile of sorted ratios, between two of them where it falls so (Hyndman & Fan 1996, type 7).
fn quantile(sorted: &[i8], at: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most KEPT")]
    let place = at * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and KEPT")]
    let below = place.floor() as usize;
    let above = std::cmp::min(below + 1, sorted.len() - 1);
    let (low, high) = (f64::from(sorted[below]), f64::from(sorted[above]));
    (low + (high - low) * place.fract()) / STEPS
}
