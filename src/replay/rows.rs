//! Reads the rows of a file by their time: as far as the clock has come, and no further.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};

/// A row that is later than those before it, and than the last list, by more than this is a mistake: the clock would go
/// there day by day, and leave all other rows behind.
const GAP_MAX: TimeDelta = TimeDelta::days(366);

/// Reads one row; the error says why it cannot be used.
pub(super) type Parse<T> = fn(&str) -> Result<(DateTime<Utc>, T), String>;

/// When rows are expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// What happened later is left out.
    pub(super) until: DateTime<Utc>,
    /// When the last list was fetched.
    pub(super) last_list: DateTime<Utc>,
}

/// The rows of a file, in the order in which they stand.
pub(super) struct Rows<T> {
    file: PathBuf,
    lines: Lines<BufReader<File>>,
    parse: Parse<T>,
    span: Span,
    /// The time of the latest row so far.
    latest: Option<DateTime<Utc>>,
    number: usize,
    next: Option<(DateTime<Utc>, T)>,
    /// How many could not be used, and what the first of them has wrong.
    unusable: usize,
    first_unusable: Option<String>,
}

impl<T> Rows<T> {
    /// Opens a file.
    pub(super) fn open(file: &Path, span: Span, parse: Parse<T>) -> anyhow::Result<Self> {
        let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let lines = BufReader::new(opened).lines();
        let file = file.to_owned();
        let (number, unusable) = (0, 0);
        let mut rows =
            Self { file, lines, parse, span, latest: None, number, next: None, unusable, first_unusable: None };
        rows.advance()?;
        Ok(rows)
    }

    /// The time of the next row.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.next.as_ref().map(|(at, _)| *at)
    }

    /// Up to `limit` rows that happened until `until`.
    pub(super) fn take_until(&mut self, until: DateTime<Utc>, limit: usize) -> anyhow::Result<Vec<T>> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((_, row)) = self.next.take_if(|(at, _)| *at <= until)
        {
            taken.push(row);
            self.advance()?;
        }
        Ok(taken)
    }

    /// What to say of rows that could not be used, if there were any.
    pub(super) fn complaint(&self) -> Option<String> {
        let first = self.first_unusable.as_ref()?;
        Some(format!("{}: {} rows could not be used; {first}", self.file.display(), self.unusable))
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        while self.next.is_none()
            && let Some(line) = self.lines.next()
        {
            let line = line.with_context(|| format!("{} cannot be read", self.file.display()))?;
            self.number += 1;
            if line.trim().is_empty() {
                continue;
            }
            match (self.parse)(&line) {
                Ok((at, _)) if at > self.span.until => {}
                Ok((at, _)) if self.is_far_off(at) => {
                    self.refuse(&format!("at: {at} is more than {} days after what is before it", GAP_MAX.num_days()));
                }
                Ok(row) => {
                    self.latest = std::cmp::max(self.latest, Some(row.0));
                    self.next = Some(row);
                }
                Err(reason) => self.refuse(&reason),
            }
        }
        Ok(())
    }

    fn is_far_off(&self, at: DateTime<Utc>) -> bool {
        at - self.latest.map_or(self.span.last_list, |latest| std::cmp::max(latest, self.span.last_list)) > GAP_MAX
    }

    fn refuse(&mut self, reason: &str) {
        self.unusable += 1;
        let number = self.number;
        self.first_unusable.get_or_insert_with(|| format!("the first is in line {number}: {reason}"));
    }
}
