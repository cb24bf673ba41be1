//! How the spend of a subject spreads over the hours and the weekdays.

use super::{Grain, to_f32, to_f64};

/// The mean age of a season's cell, in days.
const MEMORY_DAYS: f64 = 28.0;
/// As many visits of a cell as its mean must have to weigh as much as the mean of all.
const POOLED_VISITS: f64 = 3.0;

/// Weighted means by hour of a working day and of a weekend day, and by weekday.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Season {
    grain: Grain,
    /// Hours of a working day, then of a weekend day; left at zero where slots are days.
    pub(super) hours: [f32; 48],
    /// Monday to Sunday, per slot.
    pub(super) weekdays: [f32; 7],
}

/// Which days a cell is about: a bit for each weekday, Monday the lowest.
const WORKING: u8 = 0b001_1111;
const WEEKEND: u8 = 0b110_0000;

impl Season {
    pub(super) fn new(grain: Grain) -> Self {
        Self { grain, hours: [0.0; 48], weekdays: [0.0; 7] }
    }

    /// Learns the value of a slot; `first` is the first slot that was learned.
    pub(super) fn learn(&mut self, first: i64, slot: i64, value: f64) {
        let place = Place::of(slot, self.grain);
        let value = to_f32(value);
        if let Some(cell) = place.cell() {
            let visits = visits(first, slot, self.grain, place.kind());
            let least = 7.0 / MEMORY_DAYS / f64::from(place.kind().count_ones());
            let mean = &mut self.hours[cell];
            *mean += (value - *mean) * to_f32(f64::max(1.0 / (visits + 1.0), least));
        }
        let per_day = to_f64(self.grain.tuning().per_day);
        let visits = visits(first, slot, self.grain, place.weekday_bit()) * per_day + place.hour.map_or(0.0, f64::from);
        let weight = to_f32(f64::max(1.0 / (visits + 1.0), 7.0 / MEMORY_DAYS / per_day));
        let mean = &mut self.weekdays[place.weekday];
        *mean += (value - *mean) * weight;
    }

    /// How a slot compares with the mean of all: 1 where nothing is known.
    pub(super) fn factor(&self, first: i64, slot: i64) -> f64 {
        let place = Place::of(slot, self.grain);
        let weekday = self.weekday_factor(first, slot, &place);
        let Some(cell) = place.cell() else { return weekday };
        let of_kind = if place.kind() == WORKING { &self.hours[..24] } else { &self.hours[24..] };
        let mean = of_kind.iter().copied().map(f64::from).sum::<f64>() / 24.0;
        let visits = visits(first, slot, self.grain, place.kind());
        weekday * shrunk(f64::from(self.hours[cell]), visits, mean)
    }

    fn weekday_factor(&self, first: i64, slot: i64, place: &Place) -> f64 {
        let is_whole_week = slot - first >= 7 * self.grain.tuning().per_day;
        let (mut sum, mut known) = (0.0, 0.0);
        for (day, mean) in self.weekdays.iter().enumerate() {
            if is_whole_week || visits(first, slot, self.grain, 1 << day) >= 1.0 {
                sum += f64::from(*mean);
                known += 1.0;
            }
        }
        let visits = visits(first, slot, self.grain, place.weekday_bit());
        shrunk(f64::from(self.weekdays[place.weekday]), visits, sum / f64::max(known, 1.0))
    }
}

/// A cell's mean over the mean of all, as if it had been visited some times more with the mean of all.
fn shrunk(cell: f64, visits: f64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let visits = f64::min(visits, MEMORY_DAYS);
    (visits * cell / mean + POOLED_VISITS) / (visits + POOLED_VISITS)
}

/// Where in the week a slot is.
struct Place {
    /// 0 is Monday.
    weekday: usize,
    hour: Option<u8>,
}

impl Place {
    fn of(slot: i64, grain: Grain) -> Self {
        let day = slot.div_euclid(grain.tuning().per_day);
        let hour = u8::try_from(slot.rem_euclid(grain.tuning().per_day)).unwrap_or(0);
        Self { weekday: weekday(day), hour: (grain == Grain::Hour).then_some(hour) }
    }

    fn weekday_bit(&self) -> u8 {
        1 << self.weekday
    }

    fn kind(&self) -> u8 {
        if self.weekday_bit() & WORKING != 0 { WORKING } else { WEEKEND }
    }

    fn cell(&self) -> Option<usize> {
        let hour = usize::from(self.hour?);
        Some(if self.kind() == WORKING { hour } else { 24 + hour })
    }
}

/// 1970-01-01 was a Thursday.
fn weekday(day: i64) -> usize {
    usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0)
}

/// How many days of a kind there were from the day of one slot up to the day of another, that one not included.
fn visits(first: i64, slot: i64, grain: Grain, mask: u8) -> f64 {
    let (from, until) = (first.div_euclid(grain.tuning().per_day), slot.div_euclid(grain.tuning().per_day));
    let days = std::cmp::max(until - from, 0);
    let rest = (until - days % 7..until).filter(|day| mask & (1 << weekday(*day)) != 0).count();
    to_f64(days / 7 * i64::from(mask.count_ones()) + i64::try_from(rest).unwrap_or(0))
}
