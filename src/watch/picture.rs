//! What an evaluation looks at: the sums of the last hour, and the day of those concerned.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::alert::Rule;
use crate::domain::directory::Limits;
use crate::domain::finding::Share;
use crate::domain::incident::Incident;
use crate::domain::rollup::{Key, Measures, quarter_of};
use crate::store::partitions::day_at;
use crate::store::rollups::{self, Grain};
use crate::store::{self, Tx, directory, incidents, names};

/// Quarters of the last hour, the current one included.
const HOUR_QUARTERS: i64 = 4;
/// Models and resources that a finding names.
const SHARES_MAX: usize = 3;

/// Sums as they are kept, those of a user together.
pub(super) type Lines = Vec<(Key, Measures)>;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) now: DateTime<Utc>,
    /// Today, in days since 1970 (UTC).
    pub(super) today: i64,
    /// The last four quarters, of all.
    pub(super) hour: Lines,
    /// Yesterday and today, of those concerned, by user alone: costs and failures that were charged.
    pub(super) days: Lines,
    /// Who was active in the last hour, or has an incident that is not over.
    pub(super) users: BTreeMap<i64, Limits>,
    /// What is not over.
    pub(super) incidents: Vec<Incident>,
    /// Where among those each user's are.
    of_users: BTreeMap<String, Vec<usize>>,
}

/// Sums of one user.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Active {
    /// The last four quarters.
    pub(super) hour: Measures,
    /// The hour of the clock so far.
    pub(super) clock: Measures,
    /// Today so far (UTC).
    pub(super) today: Measures,
    /// Yesterday (UTC).
    pub(super) yesterday: Measures,
}

impl Picture {
    pub(super) async fn take(tx: &mut Tx, now: DateTime<Utc>) -> store::Result<Self> {
        let (quarter, today) = (quarter_of(now), i64::from(day_at(now)));
        let mut hour = rollups::lines(tx, Grain::Quarters, (quarter + 1 - HOUR_QUARTERS, quarter + 1), None).await?;
        let incidents = incidents::evaluated(tx).await?;
        let mut concerned: BTreeSet<i64> = hour.iter().map(|(key, _)| key.user).collect();
        let told: BTreeSet<&str> = incidents.iter().filter_map(|incident| incident.finding.user.as_deref()).collect();
        let told: Vec<&str> = told.into_iter().collect();
        concerned.extend(names::find_all(tx, &told).await?.into_iter().map(|(_, number)| number));
        let concerned: Vec<i64> = concerned.into_iter().collect();
        hour.sort_by_key(|(key, _)| key.user);
        let days = rollups::user_days(tx, (today - 1, today + 1), &concerned).await?;
        let users = directory::limits_of(tx, &concerned).await?;
        let mut of_users: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, incident) in incidents.iter().enumerate() {
            if let Some(user) = &incident.finding.user {
                of_users.entry(user.clone()).or_default().push(place);
            }
        }
        Ok(Self { now, today, hour, days, users, incidents, of_users })
    }

    /// Whether a quarter belongs to the hour of the clock.
    pub(super) fn is_of_clock_hour(&self, key: &Key) -> bool {
        key.slot.div_euclid(HOUR_QUARTERS) == quarter_of(self.now).div_euclid(HOUR_QUARTERS)
    }

    /// The sums of each user.
    pub(super) fn by_user(&self) -> BTreeMap<i64, Active> {
        let mut sums = self.hours_by(|key| key.user);
        self.add_days(&mut sums, &self.days, |key| key.user);
        sums
    }

    /// The sums of the last hour by whatever tells them apart.
    pub(super) fn hours_by(&self, number: impl Fn(&Key) -> i64) -> BTreeMap<i64, Active> {
        let mut sums: BTreeMap<i64, Active> = BTreeMap::new();
        for (key, measures) in &self.hour {
            let active = sums.entry(number(key)).or_default();
            active.hour += *measures;
            if self.is_of_clock_hour(key) {
                active.clock += *measures;
            }
        }
        sums
    }

    /// Adds the sums of days.
    pub(super) fn add_days(
        &self,
        sums: &mut BTreeMap<i64, Active>,
        days: &[(Key, Measures)],
        number: impl Fn(&Key) -> i64,
    ) {
        for (key, measures) in days {
            let active = sums.entry(number(key)).or_default();
            if key.slot == self.today {
                active.today += *measures;
            } else {
                active.yesterday += *measures;
            }
        }
    }

    /// The part of one user, of lines in the order of users.
    pub(super) fn of_user(lines: &[(Key, Measures)], user: i64) -> &[(Key, Measures)] {
        let from = lines.partition_point(|(key, _)| key.user < user);
        let until = lines.partition_point(|(key, _)| key.user <= user);
        lines.get(from..until).unwrap_or_default()
    }

    /// What is open on an aspect of a user by a rule.
    pub(super) fn open(&self, rule: Rule, user: &str, aspect: &str) -> Option<&Incident> {
        let theirs = self.of_users.get(user)?.iter().filter_map(|place| self.incidents.get(*place));
        theirs.into_iter().find(|incident| incident.finding.rule == rule && incident.finding.aspect == aspect)
    }
}

/// The largest parts of some sums, as numbers: by what they are summed, and in what they are large.
pub(super) fn largest<'a>(
    lines: impl Iterator<Item = &'a (Key, Measures)>,
    by: impl Fn(&Key) -> i64,
    rank: impl Fn(&Measures) -> i64,
) -> Vec<(i64, Share)> {
    let mut sums: BTreeMap<i64, Measures> = BTreeMap::new();
    for (key, measures) in lines {
        *sums.entry(by(key)).or_default() += *measures;
    }
    let mut sums: Vec<(i64, Measures)> =
        sums.into_iter().filter(|(number, sums)| *number != 0 && rank(sums) > 0).collect();
    sums.sort_by_key(|(number, sums)| (std::cmp::Reverse(rank(sums)), *number));
    sums.truncate(SHARES_MAX);
    let share = |(number, sums): (i64, Measures)| {
        let (spent, executions, failed) = (sums.spent(), sums.executions, sums.failed());
        (number, Share { name: String::new(), spent, executions, failed })
    };
    sums.into_iter().map(share).collect()
}
