//! `detect`: CSV `timestamp,value` in, CSV `timestamp,value,expected,score` out, a row for each row, as they come.

use std::io::{BufRead, Write};

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::domain::detect::{MOST, Stream};

/// What a header may call the columns, in small letters.
const TIME_NAMES: [&str; 5] = ["timestamp", "time", "datetime", "date", "ds"];
const VALUE_NAMES: [&str; 3] = ["value", "y", "cost"];
/// What stands for a value that is missing, in small letters.
const MISSING: [&str; 6] = ["", "nan", "null", "none", "na", "n/a"];
/// Times without a zone are UTC.
const TIME_FORMATS: [&str; 4] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S"];
/// A number beyond this is no second but a millisecond (the year 5138, or 1973).
const MOST_SECONDS: f64 = 1e11;
/// The digits that an expected value is told with.
const DIGITS: i32 = 6;

/// Why the stream ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The input or the output is gone.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A row that is none.
    #[error("line {line}: {reason}")]
    Row {
        /// Counted from 1, the header included.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Scores each row by those before it. Times are RFC 3339, `YYYY-MM-DD HH:MM:SS` (UTC) or unix seconds; a header is
/// optional and may name the columns. A row whose value is missing is told what was expected (nothing before the first
/// value) and scores 0; one that is not later than the row before is scored, but nothing is learned from it.
///
/// # Errors
/// The first row with a time or a value that is none, by its line; rows before it have been answered.
pub(super) fn run(input: impl BufRead, mut out: impl Write) -> Result<(), Error> {
    let mut stream = Stream::new();
    let mut columns = Columns { time: 0, value: 1 };
    let mut is_first = true;
    writeln!(out, "timestamp,value,expected,score")?;
    for (index, line) in input.lines().enumerate() {
        let line = line?;
        let line = line.trim_start_matches('\u{feff}').trim_end();
        if line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        if std::mem::take(&mut is_first)
            && let Some(named) = Columns::named(&fields)
        {
            columns = named;
            continue;
        }
        let bad = |reason| Error::Row { line: index + 1, reason };
        let row = Row::read(&fields, &columns).map_err(bad)?;
        write_row(&mut out, &mut stream, &row)?;
    }
    Ok(out.flush()?)
}

fn write_row(out: &mut impl Write, stream: &mut Stream, row: &Row) -> std::io::Result<()> {
    let (expected, score) = match row.value {
        Some(value) => {
            let scored = stream.push(row.at, value);
            (Some(scored.expected), scored.score)
        }
        None => (stream.skip(row.at), 0.0),
    };
    let expected = expected.map(rounded).unwrap_or_default();
    writeln!(out, "{},{},{expected},{score:.6}", row.time_text, row.value_text)
}

/// Where a row has what.
struct Columns {
    time: usize,
    value: usize,
}

impl Columns {
    /// The columns that a header names, the first two where it names others; nothing where the row is no header.
    fn named(fields: &[&str]) -> Option<Self> {
        let is_header =
            fields.len() >= 2 && fields.iter().all(|field| seconds(field).is_none() && number(field).is_none());
        let find = |names: &[&str]| fields.iter().position(|field| names.contains(&field.to_lowercase().as_str()));
        is_header.then(|| Self { time: find(&TIME_NAMES).unwrap_or(0), value: find(&VALUE_NAMES).unwrap_or(1) })
    }
}

/// A row, with its fields as they came.
struct Row<'a> {
    time_text: &'a str,
    value_text: &'a str,
    at: i64,
    value: Option<f64>,
}

impl<'a> Row<'a> {
    fn read(fields: &[&'a str], columns: &Columns) -> Result<Self, String> {
        let field = |column: usize| fields.get(column).copied();
        let (Some(time_text), Some(value_text)) = (field(columns.time), field(columns.value)) else {
            return Err("a row needs timestamp,value".to_owned());
        };
        let at = seconds(time_text).ok_or_else(|| {
            format!("timestamp {time_text:?} is neither RFC 3339 nor YYYY-MM-DD HH:MM:SS nor unix seconds")
        })?;
        let value = match number(value_text) {
            None if MISSING.contains(&value_text.to_lowercase().as_str()) => None,
            None => return Err(format!("value {value_text:?} is no number")),
            value => value,
        };
        Ok(Self { time_text, value_text, at, value })
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.abs() <= MOST)
}

fn seconds(text: &str) -> Option<i64> {
    if let Some(number) = number(text) {
        let seconds = if number.abs() > MOST_SECONDS { number / 1_000.0 } else { number };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seconds of millions of years fit; what is beyond saturates"
        )]
        return Some(seconds.floor() as i64);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    let time = TIME_FORMATS.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    time.or_else(day).map(|time| time.and_utc().timestamp())
}

/// A number with six digits that count.
fn rounded(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "the exponent of a float is below 400")]
    let exponent = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(std::cmp::max(DIGITS - 1 - exponent, 0)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(input: &str) -> Result<String, String> {
        let mut out = Vec::new();
        match run(input.as_bytes(), &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn every_row_is_answered_in_order_as_it_came() {
        let input =
            "2026-01-01 00:00:00,1\n1767225660,2.50\r\n2026-01-01T00:02:00Z,\n\"2026-01-01T01:03:00+01:00\",\"-3\"\n";
        let lines = answer(input).unwrap();
        let head: Vec<String> =
            lines.lines().map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",")).collect();
        let rows =
            ["2026-01-01 00:00:00,1", "1767225660,2.50", "2026-01-01T00:02:00Z,", "2026-01-01T01:03:00+01:00,-3"];
        assert_eq!(head[0], "timestamp,value");
        assert_eq!(head[1..], rows);
    }

    #[test]
    fn a_header_is_optional_and_names_the_columns() {
        let plain = answer("1,5\n2,6\n").unwrap();
        assert_eq!(answer("timestamp,value\n1,5\n2,6\n").unwrap(), plain);
        assert_eq!(answer("\u{feff}Value,label,Time\n5,x,1\n6,x,2\n").unwrap(), plain);
        assert_eq!(plain, "timestamp,value,expected,score\n1,5,5,0.000000\n2,6,5,0.000000\n");
    }

    #[test]
    fn a_missing_value_is_told_what_was_expected() {
        let rows = answer("1,\n2,5\n3,NaN\n4,5\n").unwrap();
        assert_eq!(rows.lines().nth(1), Some("1,,,0.000000"));
        assert_eq!(rows.lines().nth(3), Some("3,NaN,5,0.000000"));
        assert_eq!(answer(""), Ok("timestamp,value,expected,score\n".to_owned()));
    }

    #[test]
    fn a_bad_row_is_told_by_its_line() {
        let at = |row: &str| answer(&format!("timestamp,value\n1,5\n{row}\n")).unwrap_err();
        assert_eq!(at("2"), "line 3: a row needs timestamp,value");
        assert_eq!(at("2,x"), "line 3: value \"x\" is no number");
        assert_eq!(
            at("soon,1"),
            "line 3: timestamp \"soon\" is neither RFC 3339 nor YYYY-MM-DD HH:MM:SS nor unix seconds"
        );
    }

    #[test]
    fn numbers_are_short() {
        let cases = [(0.0, "0"), (1_234_567.8, "1234568"), (0.000_123_456_78, "0.000123457"), (-2.5, "-2.5")];
        for (number, text) in cases {
            assert_eq!(rounded(number), text);
        }
        assert_eq!(rounded(100.0), "100");
    }
}
