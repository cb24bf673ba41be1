//! The users: how large they are, what they are used to do, and when they are there.

use std::ops::Range;

use fastrand::Rng;

use super::random::{factor, float, log_normal, mixed, normal};
use super::{DAYS, FIRST_DAY, STEPS_PER_DAY};

/// Minutes of a step.
const STEP_MINUTES: i64 = 5;

/// Dollars that the median user spends on a day on which they are active, and how far the sizes spread: the top
/// hundredth is forty times the median.
const DOLLARS: f64 = 0.7;
const SIZE_SIGMA: f64 = 1.6;
/// What the median user pays for an execution, and how far that spreads between users.
const PRICE: f64 = 0.012;
const PRICE_SIGMA: f64 = 1.2;
/// Executions of a day, as far as they go.
const CALLS: Range<f64> = 1.5..6_000.0;
/// Weekly and monthly runs are so many days in one.
const WEEKLY_TIMES: f64 = 5.0;
const MONTHLY_TIMES: f64 = 15.0;
/// Days in which a newcomer finds into the habit.
const SETTLING_DAYS: i64 = 6;

/// What a user is used to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Habit {
    /// Working hours, little at weekends.
    Office,
    /// After work and at weekends.
    Evening,
    /// A service that is called day and night.
    Steady,
    /// A batch at night.
    Nightly,
    /// One day in five, at working hours.
    Sparse,
    /// Saturdays and Sundays.
    Weekend,
    /// A little every working day, and a large batch on one day of the week.
    Weekly,
    /// A little every working day, and a large batch on one day of the month.
    Monthly,
}

/// Each habit once for every twentieth of the users that has it.
const HABITS: [Habit; 20] = {
    use Habit as H;
    [
        H::Office,
        H::Office,
        H::Office,
        H::Office,
        H::Office,
        H::Office,
        H::Office,
        H::Office,
        H::Evening,
        H::Evening,
        H::Evening,
        H::Steady,
        H::Steady,
        H::Nightly,
        H::Sparse,
        H::Sparse,
        H::Sparse,
        H::Weekend,
        H::Weekly,
        H::Monthly,
    ]
};

const OFFICE: [u8; 24] = [0, 0, 0, 0, 0, 0, 1, 4, 10, 17, 19, 18, 12, 15, 18, 17, 13, 7, 3, 2, 1, 1, 0, 0];
const EVENING: [u8; 24] = [6, 3, 1, 0, 0, 0, 1, 3, 4, 4, 4, 5, 6, 5, 5, 6, 7, 10, 13, 16, 18, 17, 13, 9];
const STEADY: [u8; 24] = [6, 5, 5, 5, 5, 5, 6, 7, 9, 10, 10, 10, 9, 10, 10, 10, 9, 9, 8, 8, 8, 8, 7, 6];
const NIGHTLY: [u8; 24] = [0, 3, 11, 7, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl Habit {
    fn hours(self) -> &'static [u8; 24] {
        match self {
            Self::Office | Self::Sparse | Self::Weekly | Self::Monthly => &OFFICE,
            Self::Evening | Self::Weekend => &EVENING,
            Self::Steady => &STEADY,
            Self::Nightly => &NIGHTLY,
        }
    }

    /// How much of a usual day there is on a day of the week, Monday being 0.
    fn weekday(self, weekday: i64) -> f64 {
        match (self, weekday >= 5) {
            (Self::Office | Self::Weekly | Self::Monthly, true) => 0.08,
            (Self::Evening, true) => 1.5,
            (Self::Steady, true) => 0.85,
            (Self::Weekend, false) => 0.0,
            (Self::Sparse, true) => 0.3,
            _ => 1.0,
        }
    }
}

/// Minutes ahead of UTC, what the clocks change by, and on which day of the world.
const ZONES: [(i64, i64, i64); 12] = [
    (60, 0, 0),
    (120, -60, 41),
    (120, -60, 41),
    (120, -60, 41),
    (60, -60, 41),
    (-240, -60, 48),
    (-240, -60, 48),
    (-420, -60, 48),
    (-420, -60, 48),
    (330, 0, 0),
    (480, 0, 0),
    (600, 60, 20),
];
/// Public holidays by zone: a day of the world each, so that no zone keeps those of another.
const HOLIDAYS: [i64; 12] = [18, 19, 47, 19, 33, 28, 28, 28, 58, 24, 17, 36];
/// What is done on a holiday or a vacation, against a usual day.
const REST: f64 = 0.06;

/// A user.
pub(crate) struct Person {
    /// What they are used to.
    pub(crate) habit: Habit,
    /// Dollars of the median execution.
    pub(crate) price: f64,
    /// How far the costs of executions spread.
    pub(crate) price_sigma: f64,
    /// Of all calls, how many end in 429 on an ordinary day.
    pub(crate) limited_share: f64,
    /// Which of the three kinds of 429 they meet.
    pub(crate) limited_kind: usize,
    /// From which day until which they are there, in days since 1970.
    pub(crate) present: Range<i64>,
    /// Whether they pay from a balance of their own that can be read.
    pub(crate) has_balance: bool,
    /// Settles what they do each day.
    pub(crate) seed: u64,
    calls: f64,
    growth: f64,
    day_sigma: f64,
    hour_sigma: f64,
    vacation: Range<i64>,
    zone: usize,
    batch_day: i64,
}

impl Person {
    /// A user of a world.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let habit = HABITS[rng.usize(..HABITS.len())];
        let is_calm = matches!(habit, Habit::Steady | Habit::Nightly | Habit::Weekly);
        let (price, price_sigma) = (log_normal(&mut rng, PRICE, PRICE_SIGMA), 0.4 + 0.8 * rng.f64());
        let dollars = log_normal(&mut rng, DOLLARS, SIZE_SIGMA);
        let calls = (dollars / mean(price, price_sigma)).clamp(CALLS.start, CALLS.end);
        let joins = if rng.u8(..100) < 15 { FIRST_DAY + rng.i64(1..DAYS - 10) } else { FIRST_DAY - 1_000 };
        let leaves = if rng.u8(..100) < 8 { FIRST_DAY + rng.i64(15..DAYS) } else { i64::MAX };
        let rests = FIRST_DAY + rng.i64(0..DAYS);
        let vacation = if rng.u8(..100) < 30 && !is_calm { rests..rests + rng.i64(5..15) } else { 0..0 };
        Self {
            habit,
            price,
            price_sigma,
            limited_share: match rng.u8(..100) {
                0..80 => 0.001,
                80..95 => 0.005,
                _ => 0.02,
            },
            limited_kind: rng.usize(..3),
            present: joins..leaves,
            has_balance: rng.u8(..100) < 25,
            seed,
            calls,
            growth: (0.003 + 0.005 * normal(&mut rng)).clamp(-0.01, 0.02),
            day_sigma: if is_calm { 0.08 + 0.2 * rng.f64() } else { 0.15 + 0.4 * rng.f64() },
            hour_sigma: if is_calm { 0.1 + 0.2 * rng.f64() } else { 0.2 + 0.5 * rng.f64() },
            vacation,
            zone: rng.usize(..ZONES.len()),
            batch_day: rng.i64(0..28),
        }
    }

    /// What they spend on an active day, in dollars, before growth.
    pub(crate) fn dollars(&self) -> f64 {
        self.calls * mean(self.price, self.price_sigma)
    }

    /// Calls of a step of a usual hour in which they are active.
    pub(crate) fn busy_rate(&self) -> f64 {
        let hours = self.habit.hours().iter().filter(|share| **share >= 4).count();
        self.calls / float(i64::try_from(hours).unwrap_or(24) * 12)
    }

    /// The mean number of calls in each step of a day that begins at midnight in UTC.
    pub(crate) fn rates(&self, day: i64) -> impl Iterator<Item = f64> + '_ {
        let mut known = (i64::MIN, 0.0);
        (day * STEPS_PER_DAY..(day + 1) * STEPS_PER_DAY).map(move |step| {
            let hour = (step * STEP_MINUTES + self.ahead(day)).div_euclid(60);
            if known.0 != hour {
                known = (hour, self.hour(hour) / 12.0);
            }
            known.1
        })
    }

    /// Minutes ahead of UTC.
    fn ahead(&self, day: i64) -> i64 {
        let (minutes, change, on) = ZONES[self.zone];
        if day >= FIRST_DAY + on { minutes + change } else { minutes }
    }

    /// The mean number of calls in an hour of theirs.
    fn hour(&self, hour: i64) -> f64 {
        let hours = self.habit.hours();
        let share = f64::from(hours[usize::try_from(hour.rem_euclid(24)).unwrap_or(0)]);
        let day = if share > 0.0 { self.day(hour.div_euclid(24)) } else { 0.0 };
        if day <= 0.0 {
            return 0.0;
        }
        let total: f64 = hours.iter().map(|share| f64::from(*share)).sum();
        let noise = factor(&mut Rng::with_seed(mixed(self.seed ^ 1, hour)), self.hour_sigma);
        self.calls * day * noise * share / total
    }

    /// How much of a usual day there is on a day of theirs.
    fn day(&self, day: i64) -> f64 {
        if !self.present.contains(&day) {
            return 0.0;
        }
        let mut rng = Rng::with_seed(mixed(self.seed ^ 2, day));
        let noise = factor(&mut rng, self.day_sigma);
        // The first of January 1970 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        let is_calm = matches!(self.habit, Habit::Steady | Habit::Nightly);
        let is_rest = self.vacation.contains(&day) || (day == FIRST_DAY + HOLIDAYS[self.zone] && !is_calm);
        let times = match self.habit {
            Habit::Sparse if rng.u8(..5) > 0 => 0.0,
            Habit::Weekly if weekday == self.batch_day % 5 => WEEKLY_TIMES,
            // A batch runs on a holiday as well.
            Habit::Monthly if (day - FIRST_DAY).rem_euclid(30) == self.batch_day => return MONTHLY_TIMES * noise,
            _ if is_rest => REST,
            _ => 1.0,
        };
        let age = float(day - FIRST_DAY);
        let settled = float(day - self.present.start + 1) / float(SETTLING_DAYS);
        times * noise * self.habit.weekday(weekday) * (1.0 + self.growth * age) * settled.clamp(0.2, 1.0)
    }
}

/// The mean of log-normal draws.
fn mean(median: f64, sigma: f64) -> f64 {
    median * (sigma * sigma / 2.0).exp()
}
