//! How a baseline is kept: a version, then its numbers, little-endian.

use super::season::Season;
use super::shift::Shift;
use super::spread::{KEPT, Recent};
use super::{Baseline, Grain};

/// The first byte. Another one is of another time: the history is learned anew.
const VERSION: u8 = 1;

impl Baseline {
    /// 314 bytes to keep, 122 where slots are days.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, u8::from(self.grain == Grain::Day)];
        for slot in [self.first, self.last, self.last_active, self.shift.since, self.shift.latest] {
            let slot = i32::try_from(slot).unwrap_or(i32::MAX); // close() takes no other
            bytes.extend(slot.to_le_bytes());
        }
        for count in [self.active, self.shift.beyond, self.shift.active] {
            bytes.extend(count.to_le_bytes());
        }
        bytes.extend([self.recent.pushed, self.recent.next]);
        bytes.extend(self.recent.ratios.iter().flat_map(|ratio| ratio.to_le_bytes()));
        let numbers = [self.mean, self.mean_factor, self.size, self.shift.ratios];
        let hours: &[f32] = if self.grain == Grain::Hour { &self.season.hours } else { &[] };
        let numbers = numbers.iter().chain(&self.season.weekdays).chain(hours);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// What was kept, or nothing where that is no baseline of this version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [VERSION, day @ 0..=1] = rest.take()? else { return None };
        let grain = if day == 1 { Grain::Day } else { Grain::Hour };
        let [first, last, last_active, since, latest] = rest.all(|slot| i64::from(i32::from_le_bytes(slot)))?;
        let [active, beyond, of_active] = rest.all(u16::from_le_bytes)?;
        let [pushed, next] = rest.take()?;
        let ratios = rest.all::<1, KEPT, _>(i8::from_le_bytes)?;
        let [mean, mean_factor, size, sum] = rest.all(f32::from_le_bytes)?;
        let mut season = Season::new(grain);
        season.weekdays = rest.all(f32::from_le_bytes)?;
        if grain == Grain::Hour {
            season.hours = rest.all(f32::from_le_bytes)?;
        }
        let amounts = [mean, mean_factor, size];
        let mut amounts = amounts.iter().chain(&season.weekdays).chain(&season.hours);
        let is_sound = sum.is_finite() && amounts.all(|amount| amount.is_finite() && *amount >= 0.0);
        let is_within = usize::from(pushed) <= KEPT && usize::from(next) < KEPT && rest.0.is_empty();
        let is_ordered = active == 0 || (first <= last_active && last_active <= last);
        (is_sound && is_within && is_ordered).then_some(Self {
            grain,
            first,
            last,
            last_active,
            active,
            mean,
            mean_factor,
            size,
            season,
            recent: Recent { ratios, pushed, next },
            shift: Shift { since, latest, beyond, active: of_active, ratios: sum },
        })
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn all<const SIZE: usize, const N: usize, T: Copy + Default>(
        &mut self,
        read: impl Fn([u8; SIZE]) -> T,
    ) -> Option<[T; N]> {
        let mut all = [T::default(); N];
        for one in &mut all {
            *one = read(self.take()?);
        }
        Some(all)
    }
}
