//! The longest executions of a user on a model, by spans of time: what takes its place must take those too.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::execution::Execution;

/// Seconds of a span: what is asked for are the last 30 days, so two spans have all of them.
const SPAN_S: i64 = 30 * 24 * 60 * 60;
/// Peaks that are kept at hand, in some 30 MB; beyond that all are forgotten and written once more.
const KEPT_MAX: usize = 300_000;

/// The span that a time lies in, counted from 1970.
#[must_use]
pub fn span_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(SPAN_S)
}

/// The longest of some executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Input and output together, in tokens.
    pub tokens: i64,
    /// Output alone, in tokens.
    pub output: i64,
}

/// By user, model and span; in order, so that two who write them take their locks in the same order.
pub type Peaks = BTreeMap<(i64, i64, i64), Peak>;

/// What is known to be kept already, so that hardly anything has to be written.
#[derive(Clone, Debug, Default)]
pub struct Known(HashMap<(i64, i64, i64), Peak>);

impl Peak {
    /// Of one execution; nothing where it does not say.
    #[must_use]
    pub fn of(execution: &Execution) -> Self {
        let count = |tokens: Option<u64>| i64::try_from(tokens.unwrap_or(0)).unwrap_or(i64::MAX);
        let (input, output) = (count(execution.usage.input_tokens), count(execution.usage.output_tokens));
        Self { tokens: input.saturating_add(output), output }
    }

    fn is_within(self, other: Self) -> bool {
        self.tokens <= other.tokens && self.output <= other.output
    }

    fn or(self, other: Self) -> Self {
        Self { tokens: std::cmp::max(self.tokens, other.tokens), output: std::cmp::max(self.output, other.output) }
    }
}

impl Known {
    /// The peaks of some executions, each with the numbers of its user and its model, that are higher than what is kept.
    pub fn higher<'a>(&self, executions: impl Iterator<Item = (i64, i64, &'a Execution)>) -> Peaks {
        let mut found = Peaks::new();
        for (user, model, execution) in executions {
            let (key, peak) = ((user, model, span_of(execution.at)), Peak::of(execution));
            if !peak.is_within(self.0.get(&key).copied().unwrap_or_default()) {
                let highest = found.entry(key).or_default();
                *highest = highest.or(peak);
            }
        }
        found
    }

    /// Takes in what was written.
    pub fn keep(&mut self, written: Peaks) {
        if self.0.len() + written.len() > KEPT_MAX {
            self.0.clear();
        }
        for (key, peak) in written {
            let known = self.0.entry(key).or_default();
            *known = known.or(peak);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::execution::parse;
    use super::*;

    fn execution(day: i64, input: u64, output: u64) -> Execution {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day);
        let line = format!(
            r#"{{"id":"e","at":"{}","user":"u","model":"a/b","usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#,
            at.to_rfc3339()
        );
        parse(&line, at).unwrap()
    }

    #[test]
    fn only_what_is_higher_is_written() {
        let mut known = Known::default();
        let mut check = |executions: &[Execution], expected: &[(i64, i64)]| {
            let found = known.higher(executions.iter().map(|execution| (1, 2, execution)));
            let peaks: Vec<_> = found.values().map(|peak| (peak.tokens, peak.output)).collect();
            assert_eq!(peaks, expected);
            known.keep(found);
        };
        check(&[execution(0, 100, 5), execution(0, 50, 50)], &[(105, 50)]);
        check(&[execution(0, 100, 5), execution(1, 0, 0)], &[]);
        check(&[execution(1, 10, 60)], &[(70, 60)]);
        check(&[execution(1, 40, 60)], &[]);
        check(&[execution(40, 40, 60)], &[(100, 60)]);
    }
}
