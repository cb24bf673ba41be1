//! Words for people: dates, spans and counts as mails and pages write them, and names made harmless.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::domain::directory::is_direction_mark;

/// No name needs more room in a mail than this.
const NAME_CHARS_MAX: usize = 120;
/// The width that mail programs show without breaking lines.
const LINE_CHARS_MAX: usize = 76;

/// `Friday, 19 June 2026`
#[must_use]
pub fn long_day(day: NaiveDate) -> String {
    day.format("%A, %-d %B %Y").to_string()
}

/// `19 June 2026`
#[must_use]
pub fn short_day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// `19 June 2026, 13:24 UTC`
#[must_use]
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

/// `today`, `tomorrow`, `in 7 days`, `3 days ago`
#[must_use]
pub fn days_from(day: NaiveDate, now: DateTime<Utc>) -> String {
    match (day - now.date_naive()).num_days() {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        days if days > 0 => format!("in {days} days"),
        days => format!("{} days ago", -days),
    }
}

/// `40 seconds`, `12 minutes`, `5 hours`, `3 days`
#[must_use]
pub fn span(span: TimeDelta) -> String {
    let (value, unit) = match span.num_seconds().abs() {
        seconds @ 0..120 => (seconds, "second"),
        seconds @ 120..7_200 => (seconds / 60, "minute"),
        seconds @ 7_200..172_800 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    count(value, unit)
}

/// `1 resource`, `2 resources`
#[must_use]
pub fn count(value: i64, noun: &str) -> String {
    if value == 1 { format!("1 {noun}") } else { format!("{value} {noun}s") }
}

/// Parts as one sentence: the first letter large, a point at the end; empty without any.
#[must_use]
pub fn sentence(parts: &[String], between: &str) -> String {
    let text = parts.join(between);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A name from outside on one short line: no control characters, no marks that turn the writing direction.
#[must_use]
pub fn harmless(name: &str) -> String {
    let visible = name.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c });
    let visible: String = visible.filter(|c| !is_direction_mark(*c)).collect();
    let mut words = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(NAME_CHARS_MAX) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// Breaks the lines of a text part at blanks, so that mail programs do not break them worse.
#[must_use]
pub fn wrapped(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = if line.starts_with("- ") { "  " } else { "" };
        let options = textwrap::Options::new(LINE_CHARS_MAX).subsequent_indent(indent).break_words(false);
        let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
        // The line that begins a signature ends in a blank.
        if line == "-- " {
            lines.push(line.to_owned());
        } else {
            lines.extend(textwrap::wrap(line, options).into_iter().map(String::from));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_becomes_one_short_line() {
        assert_eq!(harmless("a\r\nBcc: x@y\u{202e}\u{0}  b"), "a Bcc: x@y b");
        assert_eq!(harmless("a\u{61c}b\u{2060}c\u{2064}d"), "abcd");
        assert_eq!(harmless(&"é".repeat(500)).chars().count(), NAME_CHARS_MAX + 1);
    }

    #[test]
    fn spans_are_written_in_the_unit_that_says_most() {
        let check = |seconds, text: &str| assert_eq!(span(TimeDelta::seconds(seconds)), text);
        check(1, "1 second");
        check(119, "119 seconds");
        check(150, "2 minutes");
        check(7_200, "2 hours");
        check(3 * 86_400, "3 days");
    }
}
