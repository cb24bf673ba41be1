//! Tests of the stream.

use proptest::prelude::*;

use super::*;

const HOUR_S: i64 = 3_600;

/// A number from -1 to 1 that looks random.
fn noise(row: u32) -> f64 {
    let mut bits = u64::from(row).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    f64::from(u32::try_from((bits ^ (bits >> 29)) >> 32).unwrap()) / f64::from(1_u32 << 31) - 1.0
}

/// Busy by day, quiet by night.
fn season(row: u32) -> f64 {
    100.0 + 60.0 * (f64::from(row) * std::f64::consts::TAU / 24.0).sin() + 4.0 * noise(row)
}

fn scores(step: i64, rows: u32, value: impl Fn(u32) -> f64) -> Vec<Scored> {
    let mut stream = Stream::new();
    (0..rows).map(|row| stream.push(1_767_225_600 + step * i64::from(row), value(row))).collect()
}

fn unusual(step: i64, rows: u32, value: impl Fn(u32) -> f64) -> Vec<usize> {
    let scores = scores(step, rows, value);
    (0..scores.len()).filter(|row| scores[*row].score >= 0.5).collect()
}

#[test]
fn a_spike_and_a_drop_are_told_at_any_step() {
    for step in [1, 60, 300, HOUR_S, 24 * HOUR_S] {
        let value = |row| match row {
            300 => 400.0,
            340 => 5.0,
            _ => season(row),
        };
        assert_eq!(unusual(step, 400, value), [300, 340], "a step of {step} s");
    }
}

#[test]
fn a_night_that_is_a_day_is_told_and_forecasts_are_near() {
    let scores = scores(HOUR_S, 600, |row| if row == 546 { season(558) } else { season(row) });
    assert!(scores[546].score > 0.5, "{:?}", scores[546]);
    for (row, scored) in (0_u32..).zip(&scores).skip(480).filter(|(row, _)| *row != 546) {
        assert!((scored.expected - season(row)).abs() < 15.0, "row {row}: {scored:?}");
        assert!(scored.score < 0.5, "row {row}: {scored:?}");
    }
}

#[test]
fn a_new_level_is_told_then_accepted() {
    for (step, rows) in [(60, MOST_RUN), (24 * HOUR_S, LEAST_RUN)] {
        let told = unusual(step, 800, |row| noise(row) + if row < 400 { -20.0 } else { 5.0 });
        assert_eq!(told, (400..400 + rows).collect::<Vec<_>>());
    }
}

#[test]
fn the_first_rows_and_a_flat_line_are_not_unusual() {
    assert_eq!(unusual(60, 300, |_| 7.0), [] as [usize; 0]);
    assert_eq!(unusual(60, WARM_UP, |row| if row % 5 == 3 { 1e9 } else { 0.0 }), [] as [usize; 0]);
    assert!(scores(60, 300, |row| if row == 299 { 8.0 } else { 7.0 })[299].score > 0.99);
}

#[test]
fn what_is_not_later_teaches_nothing() {
    let mut stream = Stream::new();
    for row in 0..200 {
        stream.push(i64::from(row) * HOUR_S, season(row));
    }
    let next = |stream: &Stream| stream.clone().push(200 * HOUR_S, 300.0);
    let before = next(&stream);
    for at in [199 * HOUR_S, 0, i64::MIN] {
        assert!(stream.push(at, 1e6).score > 0.9);
    }
    assert_eq!(next(&stream), before);
    let far = stream.push(i64::MAX, 100.0);
    assert!(far.expected.is_finite() && (0.0..=1.0).contains(&far.score));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Whatever comes, the score is from 0 to 1 and the forecast a number.
    #[test]
    fn any_series_has_scores(rows in prop::collection::vec((0_i64..10_000, prop_oneof![9 => -1e9..1e9_f64, 1 => any::<f64>()]), 1..200)) {
        let (mut stream, mut at) = (Stream::new(), 0);
        for (gap, value) in rows {
            at += gap;
            let scored = stream.push(at, value);
            prop_assert!(scored.expected.is_finite() && (0.0..=1.0).contains(&scored.score), "{:?}", scored);
        }
    }

    /// Another unit changes the forecasts only by that.
    #[test]
    fn another_unit_changes_no_score(values in prop::collection::vec(0.0..100.0_f64, 30..200), power in -20_i32..20) {
        let scale = 2_f64.powi(power);
        let (mut one, mut other) = (Stream::new(), Stream::new());
        for (at, value) in (0..).zip(values) {
            let (plain, scaled) = (one.push(at * 300, value), other.push(at * 300, value * scale));
            prop_assert!((plain.score - scaled.score).abs() < 1e-9);
            prop_assert!((plain.expected * scale - scaled.expected).abs() <= 1e-9 * scaled.expected.abs());
        }
    }

    /// What is farther from the forecast is never less unusual.
    #[test]
    fn farther_is_more_unusual(values in prop::collection::vec(0.0..100.0_f64, 30..100), above in 0.0..1e4_f64, more in 0.0..1e4_f64) {
        let mut stream = Stream::new();
        let mut at = 0;
        for value in values {
            stream.push(at, value);
            at += 300;
        }
        let top = 1_000.0; // above any forecast from such values
        let (near, far) = (stream.clone().push(at, top + above), stream.push(at, top + above + more));
        prop_assert!(near.score <= far.score);
    }
}
