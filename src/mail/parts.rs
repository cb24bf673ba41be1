//! Small tables and charts that several mails show.

use chrono::NaiveDate;
use serde::Serialize;

use super::figures::{usd, whole};
use crate::domain::money::NanoUsd;

/// The tallest column of a chart, in pixels.
const COLUMN_PX: i64 = 72;
/// The longest line of a chart in the text part, in characters.
const LINE_CHARS: i64 = 30;

/// A model, a resource or a user among those that matter most.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// What it is called.
    pub(super) name: String,
    /// Where it is.
    pub(super) url: Option<String>,
    /// The figure that it is listed for.
    pub(super) figure: String,
    /// What else there is to say; may be empty.
    pub(super) detail: String,
}

/// A bar of a small chart.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bar {
    label: &'static str,
    value: String,
    /// Its length in percent of the longest, from 1 to 100.
    percent: i64,
    /// Whether it is the one that matters.
    strong: bool,
}

/// Bars beside each other, each as long as its value; the last one matters.
pub(super) fn bars(values: &[(&'static str, f64, String)]) -> Vec<Bar> {
    let longest = values.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    if longest <= 0.0 || !longest.is_finite() {
        return Vec::new();
    }
    let bar = |(place, (label, value, text)): (usize, &(&'static str, f64, String))| Bar {
        label,
        value: text.clone(),
        percent: whole(value / longest * 100.0).clamp(1, 100),
        strong: place + 1 == values.len(),
    };
    values.iter().enumerate().map(bar).collect()
}

/// A day of a chart.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Column {
    /// `Mon 1`
    day: String,
    /// What it cost, short enough for a column.
    short: String,
    /// What it cost.
    value: String,
    /// From 1 to [`COLUMN_PX`].
    height: i64,
    /// Its bar in a text part.
    line: String,
}

/// A column for each day; none when nothing was spent.
pub(super) fn columns(days: impl Iterator<Item = NaiveDate>, spent: &[NanoUsd]) -> Vec<Column> {
    let most = i128::from(spent.iter().map(|spent| spent.0).max().unwrap_or(0));
    if most <= 0 {
        return Vec::new();
    }
    let part =
        |spent: NanoUsd, of: i64| i64::try_from(i128::from(spent.0) * i128::from(of) / most).unwrap_or(0).clamp(0, of);
    let column = |(day, spent): (NaiveDate, &NanoUsd)| Column {
        day: day.format("%a %-d").to_string(),
        short: short(*spent),
        value: usd(*spent),
        height: std::cmp::max(part(*spent, COLUMN_PX), 1),
        line: "#".repeat(usize::try_from(part(*spent, LINE_CHARS)).unwrap_or(0)),
    };
    days.zip(spent).map(column).collect()
}

/// Few digits: a column is narrow on a phone.
fn short(amount: NanoUsd) -> String {
    let cents = amount.0 / 10_000_000;
    match cents {
        ..=0 if amount.is_positive() => "<1¢".to_owned(),
        ..=0 => "$0".to_owned(),
        1..=99 => format!("{cents}¢"),
        100..=999 => format!("${}.{:02}", cents / 100, cents % 100),
        1_000..=99_999 => format!("${}", cents / 100),
        100_000..=99_999_999 => format!("${}k", cents / 100_000),
        _ => format!("${}m", cents / 100_000_000),
    }
}

/// A model's page. Ids come with executions and may be anything: only what looks like one is linked.
pub(super) fn model_url(link: &str, id: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:~".contains(c);
    (!link.is_empty() && id.contains('/') && id.chars().all(is_plain)).then(|| link.replace("{id}", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_their_days_are_dear() {
        let day: NaiveDate = "2026-06-01".parse().unwrap();
        let days = || day.iter_days().take(3);
        let columns = columns(days(), &[NanoUsd(0), NanoUsd::dollars(2), NanoUsd::dollars(4)]);
        assert_eq!(columns.iter().map(|column| column.height).collect::<Vec<_>>(), [1, COLUMN_PX / 2, COLUMN_PX]);
        assert_eq!((columns[1].day.as_str(), columns[1].short.as_str()), ("Tue 2", "$2.00"));
        assert!(super::columns(days(), &[NanoUsd(0), NanoUsd(i64::MIN), NanoUsd(0)]).is_empty());
    }

    #[test]
    fn amounts_fit_a_column() {
        for (nanos, text) in [
            (0, "$0"),
            (5, "<1¢"),
            (420_000_000, "42¢"),
            (4_190_000_000, "$4.19"),
            (41_900_000_000, "$41"),
            (999_000_000_000, "$999"),
            (41_900_000_000_000, "$41k"),
            (i64::MAX, "$9223m"),
        ] {
            assert_eq!(short(NanoUsd(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn only_what_looks_like_a_model_is_linked() {
        let link = "https://openrouter.ai/{id}";
        assert_eq!(model_url(link, "a/b-1.5:free").as_deref(), Some("https://openrouter.ai/a/b-1.5:free"));
        for id in ["b", "a/b?x", "a/<b>", "a/b c", "a/é"] {
            assert_eq!(model_url(link, id), None, "{id}");
        }
    }
}
