//! Figures for people: dollars, shares, multiples, counts, spans, and times in the reader's zone.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::text::{count, moment};
use crate::domain::money::NanoUsd;

const NANOS_PER_CENT: i128 = 10_000_000;
/// Statistics beyond are nobody's dollars; sums of money stop there too.
const DOLLARS_MAX: f64 = 9e9;

/// `$1,234.50`; two digits that count of less than a cent: `$0.0042`.
#[must_use]
pub fn usd(amount: NanoUsd) -> String {
    let (sign, nanos) = (if amount.0 < 0 { "-" } else { "" }, i128::from(amount.0).abs());
    if nanos > 0 && nanos < NANOS_PER_CENT {
        return format!("{sign}${}", tiny(nanos));
    }
    let cents = (nanos + NANOS_PER_CENT / 2) / NANOS_PER_CENT;
    format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100)
}

/// `about $12.30 more a month`
#[must_use]
pub fn monthly(difference: NanoUsd) -> String {
    let (amount, word) = if difference.is_positive() { (difference, "more") } else { (NanoUsd(-difference.0), "less") };
    format!("about {} {word} a month", usd(amount))
}

/// Billionths of a dollar with the first two digits that are not zero.
fn tiny(nanos: i128) -> String {
    let digits = nanos.ilog10();
    let step = 10_i128.pow(digits.saturating_sub(1));
    let rounded = (nanos + step / 2) / step * step;
    format!("0.{rounded:09}").trim_end_matches('0').to_owned()
}

/// Dollars that statistics gave.
#[must_use]
pub fn usd_about(dollars: f64) -> String {
    usd(nano_usd(dollars))
}

/// Dollars that statistics gave, to the nearest billionth.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits; NaN becomes nothing")]
pub fn nano_usd(dollars: f64) -> NanoUsd {
    NanoUsd((dollars.clamp(-DOLLARS_MAX, DOLLARS_MAX) * 1e9).round() as i64)
}

/// `12%`, `0.4%` below one, `100%` only of the whole.
#[must_use]
pub fn percent(share: f64) -> String {
    let value = if share.is_finite() { share * 100.0 } else { 0.0 };
    if value > 0.0 && value < 1.0 {
        return format!("{value:.1}%");
    }
    let rounded = value.round();
    let shown = if value < 100.0 && rounded >= 100.0 { 99.0 } else { rounded };
    format!("{shown:.0}%")
}

/// A part of a whole in percent, rounded down; 0 of nothing.
#[must_use]
pub fn percent_of(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let percent = i128::from(part).saturating_mul(100) / i128::from(whole);
    i64::try_from(percent).unwrap_or(i64::MAX)
}

/// `6.1 times`, `21 times`; `None` where there is nothing to compare with.
#[must_use]
pub fn times(value: f64, usual: f64) -> Option<String> {
    let ratio = value / usual;
    if usual < 0.005 || !ratio.is_finite() || ratio < 1.1 {
        return None;
    }
    Some(if ratio < 9.95 {
        format!("{} times", format!("{ratio:.1}").trim_end_matches(".0"))
    } else {
        format!("{} times", grouped(i128::from(whole(ratio))))
    })
}

/// `12,345 executions`, `1 user`
#[must_use]
pub fn many(value: i64, noun: &str) -> String {
    if value == 1 { count(1, noun) } else { format!("{} {noun}s", number(value)) }
}

/// `12,345`
#[must_use]
pub fn number(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(i128::from(value).abs()))
}

fn grouped(value: i128) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The nearest whole number of what statistics gave.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "clamped to what fits; NaN becomes nothing")]
pub fn whole(value: f64) -> i64 {
    value.clamp(-DOLLARS_MAX, DOLLARS_MAX).round() as i64
}

/// `2 days 3 hours`, `5 hours`, `75 minutes`: rounded down, for what ends.
#[must_use]
pub fn lasting(seconds: i64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    match (days, hours) {
        _ if seconds < 0 => "no time".to_owned(),
        (0, 0) if seconds < 60 => "less than a minute".to_owned(),
        (0, 0..=1) => count(seconds / 60, "minute"),
        (0, hours) => count(hours, "hour"),
        (days, 0) => count(days, "day"),
        (days, hours) => format!("{} {}", count(days, "day"), count(hours, "hour")),
    }
}

/// `19 June 2026, 15:24 (Europe/Berlin)`
#[must_use]
pub fn moment_in(at: DateTime<Utc>, zone: Tz) -> String {
    if zone == Tz::UTC {
        return moment(at);
    }
    format!("{} ({})", at.with_timezone(&zone).format("%-d %B %Y, %H:%M"), zone.name())
}

/// `1 to 7 June 2026`, `29 June to 5 July 2026`
#[must_use]
pub fn days_between(first: NaiveDate, last: NaiveDate) -> String {
    use chrono::Datelike;
    let begin = match (first.year() == last.year(), first.month() == last.month()) {
        (true, true) => "%-d",
        (true, false) => "%-d %B",
        (false, _) => "%-d %B %Y",
    };
    format!("{} to {}", first.format(begin), last.format("%-d %B %Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_to_the_cent_and_finer_when_tiny() {
        for (nanos, text) in [
            (0, "$0.00"),
            (12_345_000_000, "$12.35"),
            (10_000_000, "$0.01"),
            (9_960_000, "$0.01"),
            (4_249_000, "$0.0042"),
            (5, "$0.000000005"),
            (12, "$0.000000012"),
            (1_234_567_000_000_000, "$1,234,567.00"),
            (-1_200_000_000, "-$1.20"),
            (-1, "-$0.000000001"),
            (i64::MIN, "-$9,223,372,036.85"),
        ] {
            assert_eq!(usd(NanoUsd(nanos)), text, "{nanos}");
        }
        assert_eq!([usd_about(f64::NAN), usd_about(f64::INFINITY)], ["$0.00", "$9,000,000,000.00"]);
    }

    #[test]
    fn shares_multiples_and_counts_are_words() {
        assert_eq!([0.0, 0.004, 0.124, 0.999, 1.0, 2.5].map(percent), ["0%", "0.4%", "12%", "99%", "100%", "250%"]);
        assert_eq!((percent_of(799, 1000), percent_of(1, 0)), (79, 0));
        assert_eq!(times(61.0, 10.0).as_deref(), Some("6.1 times"));
        assert_eq!(times(60.0, 10.0).as_deref(), Some("6 times"));
        assert_eq!(times(21_400.0, 10.0).as_deref(), Some("2,140 times"));
        assert_eq!([times(10.0, 0.0), times(10.0, 10.0), times(f64::NAN, 1.0)], [None, None, None]);
        assert_eq!([many(1, "user"), many(12_345, "user"), many(0, "user")], ["1 user", "12,345 users", "0 users"]);
    }

    #[test]
    fn what_ends_is_counted_in_days_and_hours() {
        for (seconds, text) in [
            (-5, "no time"),
            (0, "less than a minute"),
            (75 * 60, "75 minutes"),
            (59 * 60, "59 minutes"),
            (5 * 3_600 + 59, "5 hours"),
            (86_400, "1 day"),
            (2 * 86_400 + 3 * 3_600, "2 days 3 hours"),
        ] {
            assert_eq!(lasting(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn times_name_their_zone() {
        let at = "2026-06-19T13:24:00Z".parse().unwrap();
        assert_eq!(moment_in(at, Tz::Europe__Berlin), "19 June 2026, 15:24 (Europe/Berlin)");
        assert_eq!(moment_in(at, Tz::UTC), "19 June 2026, 13:24 UTC");
        let day = |text: &str| text.parse().unwrap();
        assert_eq!(days_between(day("2026-06-29"), day("2026-07-05")), "29 June to 5 July 2026");
        assert_eq!(days_between(day("2026-12-28"), day("2027-01-03")), "28 December 2026 to 3 January 2027");
    }
}
