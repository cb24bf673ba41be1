//! Tests of baselines.

use proptest::prelude::*;

use super::*;

const SPIKE: Threshold = Threshold { score: 0.5, above: 5.0 };
/// 2026-06-01, a Monday.
const MONDAY: i64 = 20_605;

/// A factor near 1 that looks random and has a median of 1: log-normal with the standard deviation.
fn noise(slot: i64, deviation: f64) -> f64 {
    let mut bits = u64::from_ne_bytes(slot.to_ne_bytes()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut normal = -6.0;
    for _ in 0..12 {
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        normal += f64::from(u32::try_from(bits >> 40).unwrap()) / f64::from(1 << 24);
    }
    (normal * deviation).exp()
}

/// Closes slots and tells which of them were spikes.
fn play(baseline: &mut Baseline, slots: std::ops::Range<i64>, value: impl Fn(i64) -> f64) -> Vec<i64> {
    let mut spikes = Vec::new();
    for slot in slots {
        if SPIKE.is_spike(&baseline.expect(slot), value(slot)) {
            spikes.push(slot);
        }
        baseline.close(slot, value(slot));
    }
    spikes
}

fn usual(baseline: &Baseline, slot: i64) -> (f64, f64) {
    match baseline.expect(slot) {
        Expectation::Usual { expected, limit, .. } => (expected, limit),
        other @ Expectation::NotEnoughHistory { .. } => panic!("{other:?}"),
    }
}

/// $20 an hour from 8 to 18 on working days, else $1.
fn office(hour: i64) -> f64 {
    let is_open = (8..18).contains(&hour.rem_euclid(24)) && (hour.div_euclid(24) + 3).rem_euclid(7) < 5;
    (if is_open { 20.0 } else { 1.0 }) * noise(hour, 0.3)
}

#[test]
fn little_history_is_a_state_of_its_own() {
    let mut baseline = Baseline::new(Grain::Day);
    play(&mut baseline, MONDAY..MONDAY + 3, |_| 10.0);
    assert_eq!(baseline.expect(MONDAY + 3), Expectation::NotEnoughHistory { active: 3, needed: 4 });
    assert!(score(&baseline.expect(MONDAY + 3), 1e6) <= 0.0);
    play(&mut baseline, MONDAY + 3..MONDAY + 7, |_| 10.0);
    assert!(SPIKE.is_spike(&baseline.expect(MONDAY + 7), 200.0));
    let forgotten = baseline.expect(MONDAY + 6 + FORGET_AFTER_DAYS);
    assert_eq!(forgotten, Expectation::NotEnoughHistory { active: 0, needed: 4 });
}

#[test]
fn a_monday_morning_differs_from_a_sunday_night() {
    let mut baseline = Baseline::new(Grain::Hour);
    let from = MONDAY * 24;
    assert_eq!(play(&mut baseline, from..from + 28 * 24, office), [0_i64; 0]);
    let (monday, sunday) = (from + 28 * 24 + 9, from + 34 * 24 + 3);
    assert!((10.0..30.0).contains(&usual(&baseline, monday).0), "{:?}", baseline.expect(monday));
    assert!(usual(&baseline, sunday).0 < 5.0, "{:?}", baseline.expect(sunday));
    assert!(score(&baseline.expect(monday), 40.0) < 0.2);
    assert!(score(&baseline.expect(sunday), 40.0) > 0.5, "{:?}", baseline.expect(sunday));
}

#[test]
fn a_runaway_hour_is_told_and_forgotten() {
    let mut baseline = Baseline::new(Grain::Hour);
    let (from, runaway) = (MONDAY * 24, (MONDAY + 29) * 24 + 10);
    let spikes =
        play(&mut baseline, from..from + 40 * 24, |hour| office(hour) * if hour == runaway { 40.0 } else { 1.0 });
    assert_eq!(spikes, [runaway]);
}

#[test]
fn a_tenfold_rise_is_told_for_days_then_accepted() {
    let mut baseline = Baseline::new(Grain::Day);
    let spikes =
        play(&mut baseline, MONDAY..MONDAY + 60, |day| noise(day, 0.2) * if day < MONDAY + 30 { 20.0 } else { 200.0 });
    assert_eq!(spikes, [MONDAY + 30, MONDAY + 31, MONDAY + 32]);
    assert!((120.0..280.0).contains(&usual(&baseline, MONDAY + 60).0));
}

#[test]
fn what_goes_on_quietly_is_told_within_three_days() {
    let mut baseline = Baseline::new(Grain::Day);
    let spikes = play(&mut baseline, MONDAY..MONDAY + 60, |day| {
        50.0 * noise(day, 0.4) * if (MONDAY + 40..MONDAY + 43).contains(&day) { 3.5 } else { 1.0 }
    });
    assert!(spikes == [MONDAY + 42] || spikes == [MONDAY + 41, MONDAY + 42], "{spikes:?}");
}

#[test]
fn a_fall_is_followed_and_growth_is_no_spike() {
    let mut baseline = Baseline::new(Grain::Day);
    let fall = |day| noise(day, 0.2) * if day < MONDAY + 30 { 200.0 } else { 20.0 };
    assert_eq!(play(&mut baseline, MONDAY..MONDAY + 90, fall), [0_i64; 0]);
    assert!((15.0..30.0).contains(&usual(&baseline, MONDAY + 90).0));
    let mut baseline = Baseline::new(Grain::Day);
    let growth = |day: i64| 10.0 * noise(day, 0.2) * 1.03_f64.powi(i32::try_from(day - MONDAY).unwrap());
    assert_eq!(play(&mut baseline, MONDAY..MONDAY + 90, growth), [0_i64; 0]);
}

#[test]
fn who_works_one_day_in_seven_is_no_alarm() {
    let mut baseline = Baseline::new(Grain::Day);
    let weekly = |day: i64| if (day * 5) % 7 == 2 { 30.0 * noise(day, 0.6) } else { 0.0 };
    // While little is known, one may seem much.
    let alarms = play(&mut baseline, MONDAY..MONDAY + 200, weekly);
    assert!(alarms.iter().filter(|day| **day > MONDAY + 60).count() == 0 && alarms.len() <= 1, "{alarms:?}");
    assert!(SPIKE.is_spike(&baseline.expect(MONDAY + 200), 1_500.0));
}

#[test]
fn what_is_no_later_slot_or_no_amount_is_ignored() {
    let mut baseline = Baseline::new(Grain::Hour);
    baseline.close(10, 1.0);
    let before = baseline.clone();
    for (slot, value) in [(10, 5.0), (9, 5.0), (11, -1.0), (11, f64::NAN), (11, f64::INFINITY), (i64::MAX, 1.0)] {
        baseline.close(slot, value);
        assert_eq!(baseline, before);
    }
    for slot in [i64::MIN, 0, i64::MAX] {
        assert!(matches!(baseline.expect(slot), Expectation::NotEnoughHistory { .. }));
    }
}

fn grains() -> impl Strategy<Value = Grain> {
    prop_oneof![Just(Grain::Hour), Just(Grain::Day)]
}

/// Steps to the next slot and what was spent there: nothing, or log-normal.
fn history() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let spent = prop_oneof![1 => Just(0.0), 3 => (-3.0..3.0).prop_map(f64::exp)];
    prop::collection::vec((1_i64..30, spent), 30..120)
}

fn learned(grain: Grain, history: &[(i64, f64)], scale: f64) -> (Baseline, i64) {
    let (mut baseline, mut slot) = (Baseline::new(grain), MONDAY);
    for (step, value) in history {
        slot += step;
        baseline.close(slot, value * scale);
    }
    (baseline, slot + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn more_is_never_less_unusual(grain in grains(), history in history(), low in 0.0..1e4_f64, more in 0.0..1e4_f64) {
        let (baseline, next) = learned(grain, &history, 1.0);
        let expectation = baseline.expect(next);
        let (low, high) = (score(&expectation, low), score(&expectation, low + more));
        prop_assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0);
    }

    #[test]
    fn one_outlier_moves_little(history in prop::collection::vec(0.5..2.0_f64, 40..90), times in 100.0..1e6_f64) {
        let history: Vec<_> = history.into_iter().map(|value| (1, value)).collect();
        let mut spiked = history.clone();
        spiked[35].1 *= times;
        let ((one, next), (other, _)) = (learned(Grain::Day, &history, 1.0), learned(Grain::Day, &spiked, 1.0));
        let ((expected, limit), (moved, widened)) = (usual(&one, next), usual(&other, next));
        prop_assert!((0.6..1.8).contains(&(moved / expected)), "{expected} {moved}");
        prop_assert!(widened / limit < 2.0, "{limit} {widened}");
    }

    #[test]
    fn a_gap_is_zeros(grain in grains(), history in history(), gap in 1_i64..2_000) {
        let (mut one, next) = learned(grain, &history, 1.0);
        let mut other = one.clone();
        for slot in next..next + gap {
            other.close(slot, 0.0);
        }
        one.close(next + gap, 3.0);
        other.close(next + gap, 3.0);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn what_is_kept_is_the_same(grain in grains(), history in history()) {
        let (baseline, _) = learned(grain, &history, 1.0);
        let bytes = baseline.to_bytes();
        prop_assert!(bytes.len() <= 320);
        prop_assert_eq!(Baseline::from_bytes(&bytes), Some(baseline));
        prop_assert_eq!(Baseline::from_bytes(&bytes[1..]), None);
    }

    #[test]
    fn nothing_kept_is_trusted(history in history(), changes in prop::collection::vec((1_usize..314, any::<u8>()), 1..20), slot in any::<i64>()) {
        let mut bytes = learned(Grain::Hour, &history, 1.0).0.to_bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Some(mut baseline) = Baseline::from_bytes(&bytes) {
            baseline.close(slot, 1.0);
            prop_assert!((0.0..=1.0).contains(&score(&baseline.expect(slot), 1.0)));
        }
    }
}
