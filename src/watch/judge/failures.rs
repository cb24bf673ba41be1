//! Limits, empty purses, models that fail, failures that are paid for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judge, Part, Rank};
use crate::domain::alert::Rule;
use crate::domain::rollup::Measures;
use crate::domain::rule::failures;
use crate::store;
use crate::store::baselines;
use crate::store::rollups::{self, Grain, Group, Query};
use crate::watch::picture::Active;

/// Days over which a model's usual share of unusable outputs is taken.
const BAD_OUTPUT_DAYS: i64 = 14;

impl Judge<'_> {
    /// Limits, empty purses, failures that are paid for.
    pub(super) fn failures(&mut self, users: &BTreeMap<i64, Active>) {
        let rules = self.rules;
        for (number, active) in users {
            let Some(user) = self.picture.users.get(number) else { continue };
            let (id, part) = (user.id.as_str(), Part::User(*number));
            let limited = rules.on(Rule::RateLimited).and_then(|rule| failures::rate_limited(rule, id, &active.hour));
            self.add(limited, part, Measures::rate_limited);
            let refused = rules.on(Rule::OutOfCredit).and_then(|rule| failures::out_of_credit(rule, id, &active.hour));
            self.add(refused, part, |sums| sums.out_of_credit);
            let charged = rules.on(Rule::ChargedFailures);
            let charged = charged.and_then(|rule| failures::charged_failures(rule, id, &active.today));
            self.add(charged, part, |sums| sums.charged_failures);
        }
    }

    /// Models that fail for several users, or whose outputs cannot be used.
    pub(super) async fn models(&mut self) -> store::Result<()> {
        let failed: Rank = |sums| sums.unavailable + sums.upstream_failures;
        let (mut sums, mut users) = (BTreeMap::<i64, Measures>::new(), BTreeMap::<i64, BTreeSet<i64>>::new());
        for (key, measures) in &self.picture.hour {
            *sums.entry(key.model).or_default() += *measures;
            if failed(measures) > 0 {
                users.entry(key.model).or_default().insert(key.user);
            }
        }
        let texts = rollups::texts(&mut self.tx, &sums.keys().copied().collect::<Vec<_>>()).await?;
        for (number, users) in users {
            let (Some(rule), Some(id)) = (self.rules.on(Rule::ModelFailing), texts.get(&number)) else { continue };
            let users = i64::try_from(users.len()).unwrap_or(i64::MAX);
            self.add(failures::model_failing(rule, id, &sums[&number], users), Part::Model(number), failed);
        }
        let unusable: Vec<i64> =
            sums.iter().filter(|(_, sums)| sums.bad_outputs > 0).map(|(number, _)| *number).collect();
        self.bad_outputs(&unusable, &texts).await
    }

    async fn bad_outputs(&mut self, models: &[i64], texts: &BTreeMap<i64, String>) -> store::Result<()> {
        let Some(rule) = self.rules.on(Rule::BadOutput).filter(|_| !models.is_empty()) else { return Ok(()) };
        let day = (self.picture.today, self.picture.today + 1);
        let query = Query { grain: Grain::Days, slots: day, user: None, by: &[Group::Model] };
        let days: BTreeMap<i64, Measures> = rollups::sums(&mut self.tx, query)
            .await?
            .into_iter()
            .filter_map(|(numbers, sums)| Some((*numbers.first()?, sums)))
            .collect();
        for model in models {
            let (Some(id), Some(day)) = (texts.get(model), days.get(model)) else { continue };
            let (first, last) = (self.picture.today - BAD_OUTPUT_DAYS, self.picture.today - 1);
            let usual = baselines::bad_outputs(&mut self.tx, *model, first, last).await?;
            let found = failures::bad_output(rule, id, day, usual);
            self.add(found, Part::Model(*model), |sums| sums.bad_outputs);
        }
        Ok(())
    }
}
