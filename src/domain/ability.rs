//! Abilities and context that went or came back, and whom that concerns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::settled::{CONTEXT, PRICES, Settlement};

/// Abilities that users are told of, each with the fetch since when they are lost.
pub type Lost = BTreeMap<String, DateTime<Utc>>;

/// What a user must be told of a model's abilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbilityNews {
    /// What went.
    pub lost: Vec<AbilityChange>,
    /// What came back, of what they were told is lost.
    pub regained: Vec<AbilityChange>,
}

/// One ability, or the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbilityChange {
    /// Its name, as [`Settlement::what`] has it.
    pub what: String,
    /// The first fetch that showed it.
    pub since: DateTime<Utc>,
    /// For the context: how many tokens it took, and takes now.
    pub tokens: Option<(u64, u64)>,
}

impl AbilityNews {
    /// What is due to who uses the model since `began` and was told of `told`. `context`: the tokens that their
    /// executions need; a context that still suffices, or of which nobody knows whether it does, is no news.
    #[must_use]
    pub fn due(settled: &[Settlement], told: &Lost, began: DateTime<Utc>, context: Option<u64>) -> Option<Self> {
        let mut latest: BTreeMap<&str, &Settlement> = BTreeMap::new();
        for settlement in settled.iter().filter(|settlement| settlement.what != PRICES) {
            latest
                .entry(&settlement.what)
                .and_modify(|known| {
                    if settlement.since > known.since {
                        *known = settlement;
                    }
                })
                .or_insert(settlement);
        }
        let mut news = Self::default();
        for settlement in latest.into_values() {
            let Some((is_lost, change)) = read(settlement, context) else { continue };
            let told = told.get(&settlement.what);
            match (is_lost, told) {
                (true, told) if settlement.since > began && told.is_none_or(|told| *told < settlement.since) => {
                    news.lost.push(change);
                }
                (false, Some(_)) => news.regained.push(change),
                _ => {}
            }
        }
        (news != Self::default()).then_some(news)
    }

    /// What is known to be lost after this news.
    pub fn learn(&self, told: &mut Lost) {
        told.extend(self.lost.iter().map(|change| (change.what.clone(), change.since)));
        for change in &self.regained {
            told.remove(&change.what);
        }
    }

    /// What is told, as a key that is the same whenever the same is told.
    #[must_use]
    pub fn key(&self) -> String {
        let part = |sign: char, change: &AbilityChange| {
            format!("{sign}{}@{}", change.what, change.since.format("%Y%m%dT%H%M%SZ"))
        };
        let lost = self.lost.iter().map(|change| part('-', change));
        lost.chain(self.regained.iter().map(|change| part('+', change))).collect::<Vec<_>>().join(",")
    }
}

/// Whether a settlement is a loss, and what is told of it; `None` for what concerns nobody here.
fn read(settlement: &Settlement, context: Option<u64>) -> Option<(bool, AbilityChange)> {
    let change = |tokens| AbilityChange { what: settlement.what.clone(), since: settlement.since, tokens };
    if settlement.what != CONTEXT {
        return Some((!settlement.after.as_bool()?, change(None)));
    }
    let (before, after) = (settlement.before.as_u64()?, settlement.after.as_u64()?);
    let is_lost = after < before;
    let matters = context.map_or(!is_lost, |needed| (after < needed) == is_lost);
    matters.then(|| (is_lost, change(Some((before, after)))))
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::model_id::ModelId;
    use super::*;

    fn hour(hours: i64) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap() + TimeDelta::hours(hours)
    }

    fn settled(since: i64, what: &str, before: Value, after: Value) -> Settlement {
        Settlement { model: ModelId::from("a/b"), what: what.to_owned(), since: hour(since), before, after }
    }

    /// What is told, as its key with hours.
    fn check(settled: &[Settlement], told: &[(&str, i64)], began: i64, context: Option<u64>, expected: &str) {
        let mut told: Lost = told.iter().map(|(what, at)| ((*what).to_owned(), hour(*at))).collect();
        let news = AbilityNews::due(settled, &told, hour(began), context);
        let part = |sign: &str, change: &AbilityChange| format!("{sign}{}", change.what);
        let said = news.iter().flat_map(|news| {
            news.lost.iter().map(|lost| part("-", lost)).chain(news.regained.iter().map(|back| part("+", back)))
        });
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected, "{settled:?}");
        if let Some(news) = news {
            news.learn(&mut told);
            assert_eq!(AbilityNews::due(settled, &told, hour(began), context), None, "told twice");
        }
    }

    #[test]
    fn a_loss_is_told_to_who_had_it_and_its_return_to_who_was_told() {
        let (gone, back) =
            (settled(10, "tools", json!(true), json!(false)), settled(90, "tools", json!(false), json!(true)));
        check(std::slice::from_ref(&gone), &[], 0, None, "-tools");
        check(std::slice::from_ref(&gone), &[], 10, None, "");
        check(std::slice::from_ref(&gone), &[("tools", 10)], 0, None, "");
        check(&[gone.clone(), back.clone()], &[("tools", 10)], 0, None, "+tools");
        check(&[back.clone(), gone.clone()], &[], 0, None, "");
        let again = settled(200, "tools", json!(true), json!(false));
        check(&[gone, back, again], &[("tools", 10)], 0, None, "-tools");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However often it comes and goes: what is told alternates, and ends with what is so.
        #[test]
        fn what_is_told_alternates_and_ends_with_what_is_so(looks in prop::collection::vec(0_usize..4, 1..20)) {
            let (mut told, mut story, mut all) = (Lost::new(), Vec::new(), Vec::new());
            for more in looks {
                for _ in 0..more {
                    let (at, is_there) = (i64::try_from(all.len()).unwrap() * 30 + 1, all.len() % 2 == 1);
                    all.push(settled(at, "tools", json!(!is_there), json!(is_there)));
                }
                if let Some(news) = AbilityNews::due(&all, &told, hour(0), None) {
                    story.push(news.regained.len());
                    news.learn(&mut told);
                }
                // An odd number of changes leaves it lost.
                prop_assert_eq!(told.contains_key("tools"), all.len() % 2 == 1);
            }
            // A loss may follow a loss whose end nobody saw, but nothing is regained twice.
            prop_assert!(!story.windows(2).any(|pair| pair == [1, 1]), "{:?}", story);
            prop_assert!(story.first() != Some(&1), "{:?}", story);
        }
    }

    #[test]
    fn a_context_matters_to_who_needs_it() {
        let smaller = settled(10, "context", json!(200_000), json!(100_000));
        check(std::slice::from_ref(&smaller), &[], 0, Some(150_000), "-context");
        check(std::slice::from_ref(&smaller), &[], 0, Some(100_000), "");
        check(std::slice::from_ref(&smaller), &[], 0, None, "");
        let larger = settled(90, "context", json!(100_000), json!(160_000));
        check(&[smaller.clone(), larger.clone()], &[("context", 10)], 0, Some(150_000), "+context");
        check(&[smaller, larger], &[("context", 10)], 0, Some(180_000), "");
    }
}
