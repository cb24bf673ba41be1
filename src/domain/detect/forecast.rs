//! Simple forecasts, mixed by how well each did lately.

use super::grid::{Grid, KEPT};
use super::{median, period};

/// The calendar's periods: a day and a week, in seconds.
const CALENDAR: [i64; 2] = [86_400, 7 * 86_400];
/// How many values the plain medians are of. The last one is also the measure of how a series moves.
const WINDOWS: [usize; 4] = [1, 3, 12, 60];
/// How many periods a seasonal median looks back.
const PERIODS: usize = 5;
/// How many of the last slots tell how far the series is from its season at present.
const OFFSET_SLOTS: usize = 5;
/// What a row later is left of a loss: the last 50 rows count.
const FORGET: f64 = 0.98;
/// Weights are losses to minus this power: a forecast that is twice as wrong counts a sixteenth.
const POWER: i32 = 4;
/// The weight, beside that of the best one, of a forecast that was never tried.
const UNTRIED: f64 = 1e-3;
/// The row at which periods are looked for first; then whenever there are half as many more.
const FIRST_SEARCH: usize = 16;
/// The fewest slots of a period.
const LEAST_PERIOD: usize = 3;

/// What is expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forecast {
    pub(super) value: f64,
    /// The larger step of the season from the slot before or to the one after.
    pub(super) step: f64,
}

/// The forecasts that were made last and how wrong they were lately: plain ones first, then two for each period.
#[derive(Clone, Debug, Default)]
pub(super) struct Forecasts {
    made: Vec<Option<Forecast>>,
    losses: Vec<Option<f64>>,
    periods: Vec<usize>,
    detected: Option<usize>,
    next_search: usize,
}

impl Forecasts {
    /// The mixed forecast of the present slot, from those before.
    pub(super) fn make(&mut self, grid: &Grid) -> Option<Forecast> {
        if grid.filled() == 0 {
            return None;
        }
        self.find_periods(grid);
        self.made.clear();
        self.made.extend(WINDOWS.map(|window| Some(Forecast { value: plain(grid, window)?, step: 0.0 })));
        for period in &self.periods {
            let season = season(grid, *period);
            let offset = season.and_then(|_| offset(grid, *period));
            self.made.push(season);
            self.made
                .push(season.zip(offset).map(|(season, offset)| Forecast { value: season.value + offset, ..season }));
        }
        self.losses.resize(self.made.len(), None);
        self.mix()
    }

    fn mix(&self) -> Option<Forecast> {
        let made = || self.losses.iter().zip(&self.made).filter_map(|(loss, made)| Some((*loss, (*made)?)));
        let best = made().filter_map(|(loss, _)| loss).fold(f64::INFINITY, f64::min);
        let (mut value, mut step, mut weights) = (0.0, 0.0, 0.0);
        for (loss, one) in made() {
            let weight = match loss {
                None => UNTRIED,
                Some(loss) if loss <= best => 1.0,
                Some(loss) => (best / loss).powi(POWER),
            };
            value += weight * one.value;
            step += weight * one.step;
            weights += weight;
        }
        (weights > 0.0).then(|| Forecast { value: value / weights, step: step / weights })
    }

    /// Learns the value that the last forecasts were of.
    pub(super) fn learn(&mut self, value: f64) {
        for (loss, made) in self.losses.iter_mut().zip(&self.made) {
            let Some(made) = made else { continue };
            let error = (value - made.value).abs();
            *loss = Some(loss.map_or(error, |loss| loss * FORGET + error * (1.0 - FORGET)));
        }
    }

    /// Learns a value of a new level: what was good before it is only as good as it is for this one.
    pub(super) fn shift_to(&mut self, value: f64) {
        for (loss, made) in self.losses.iter_mut().zip(&self.made) {
            *loss = loss.zip(*made).map(|(loss, made)| f64::max(loss, (value - made.value).abs()));
        }
    }

    /// How far the values usually are from their longest plain median.
    pub(super) fn movement(&self) -> f64 {
        self.losses.get(WINDOWS.len() - 1).copied().flatten().unwrap_or(0.0)
    }

    fn find_periods(&mut self, grid: &Grid) {
        if grid.filled() < self.next_search {
            return;
        }
        self.next_search = std::cmp::max(grid.filled() * 3 / 2, FIRST_SEARCH);
        self.detected = period::detect(grid).or(self.detected);
        let calendar = CALENDAR.into_iter().filter_map(|seconds| usize::try_from(seconds / grid.step()).ok());
        let mut periods: Vec<usize> = Vec::new();
        for period in calendar.chain(self.detected) {
            if (LEAST_PERIOD..KEPT / 2).contains(&period) && !periods.contains(&period) {
                periods.push(period);
            }
        }
        if periods != self.periods {
            self.periods = periods;
            self.losses.truncate(WINDOWS.len());
        }
    }
}

/// The median of the last values, a gap of two slots allowed.
fn plain(grid: &Grid, window: usize) -> Option<f64> {
    median(&mut (1..=window + 2).filter_map(|ago| grid.ago(ago)).take(window).collect::<Vec<_>>())
}

fn season(grid: &Grid, period: usize) -> Option<Forecast> {
    let at = |ahead: usize| seasonal(grid, (1..=PERIODS).map(|back| back * period - ahead));
    let value = at(0)?;
    let before = seasonal(grid, (1..=PERIODS).map(|back| back * period + 1));
    let step = match (before, at(1)) {
        (Some(before), Some(after)) => f64::max((value - before).abs(), (value - after).abs()),
        _ => 0.0,
    };
    Some(Forecast { value, step })
}

fn offset(grid: &Grid, period: usize) -> Option<f64> {
    let off = |ago: usize| Some(grid.ago(ago)? - seasonal(grid, (1..=PERIODS).map(|back| back * period + ago))?);
    let mut offsets: Vec<f64> = (1..=OFFSET_SLOTS).filter_map(off).collect();
    if offsets.len() < 2 { None } else { median(&mut offsets) }
}

fn seasonal(grid: &Grid, slots: impl Iterator<Item = usize>) -> Option<f64> {
    median(&mut slots.filter_map(|ago| grid.ago(ago)).collect::<Vec<_>>())
}
