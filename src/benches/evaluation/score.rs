//! Alarms against the truth: what was found and how soon, and what was raised in vain.

use std::collections::BTreeMap;

use super::detector::{Detector, Event, Rule};
use crate::simulator::incident::{Incident, Kind};
use crate::simulator::sums::Running;
use crate::simulator::{END, FIRST_DAY, STEPS_PER_DAY, STEPS_PER_HOUR, USERS, World, time_of};

/// An alarm may come so long after an incident has ended, and until the day that it has spoilt is over it is at least
/// not false.
const GRACE: i64 = STEPS_PER_HOUR;
const MINUTES_PER_STEP: i64 = 5;
const DAYS_PER_QUARTER: f64 = 91.0;
/// What a step of the spend looks like is settled after so many days: an alarm after that is about something else.
const STEP_DAYS: i64 = 3;

/// An alarm as it was raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm {
    /// About whom.
    pub(crate) user: usize,
    /// About what.
    pub(crate) rule: Rule,
    /// In which step.
    pub(crate) at: i64,
    /// In how many steps the user had run something by then, this one included.
    active: i64,
}

/// Why an alarm is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Nothing was out of the ordinary.
    Nothing,
    /// The user's spend grew slowly.
    Drift,
    /// The incident had been raised already.
    Repeated,
}

/// How a kind of incident fared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fared {
    /// How many were to be raised.
    pub(crate) wanted: usize,
    /// How many were.
    pub(crate) found: usize,
    /// After how many minutes of activity, counted from when a careful person would have raised it.
    pub(crate) delays: Vec<i64>,
    /// The same, counted from the beginning.
    pub(crate) since_start: Vec<i64>,
}

/// How a detector fared in a world, or in several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    /// By kind of incident.
    pub(crate) kinds: BTreeMap<Kind, Fared>,
    /// What was raised in vain.
    pub(crate) false_alarms: Vec<(Alarm, Why)>,
    /// What was not raised.
    pub(crate) missed: Vec<Incident>,
    /// Alarms about incidents that are too small to be raised: neither right nor false.
    pub(crate) small: usize,
    /// First alarms about an incident that came too late: not right, but not false either.
    pub(crate) late: usize,
    /// Quarters of years in which a user was there.
    pub(crate) user_quarters: f64,
}

/// What a world looked like to a detector.
struct Watching {
    alarms: Vec<Alarm>,
    /// Active steps of each user before the beginning of what happens to them, and before it is to be raised.
    marks: Vec<(Option<i64>, Option<i64>)>,
}

/// Lets detectors watch a world together and scores each.
pub(crate) fn watch(world: &World, detectors: &mut [Box<dyn Detector>]) -> Vec<Score> {
    let mut running = vec![Running::default(); USERS];
    let mut active = vec![0; USERS];
    let mut marks = vec![(None, None); USERS];
    let mut alarms = vec![Vec::new(); detectors.len()];
    for (day, world_day) in (FIRST_DAY..).zip(world.days()) {
        for (step, users) in (day * STEPS_PER_DAY..).zip(&world_day.steps) {
            for (user, sums) in users {
                running[*user].add(step, *sums);
                if let Some(incident) = world.incident_of(*user) {
                    mark(&mut marks[*user], incident, step, active[*user]);
                }
                active[*user] += 1;
                for (alarms, detector) in alarms.iter_mut().zip(detectors.iter_mut()) {
                    let events = detector.step(time_of(step), *user, &running[*user]);
                    alarms.extend(events.into_iter().filter_map(|event| match event {
                        Event::Raised(rule) => Some(Alarm { user: *user, rule, at: step, active: active[*user] }),
                        Event::Ended(_) => None,
                    }));
                }
            }
        }
        for (hour, balances) in (day * 24..).zip(&world_day.balances) {
            for (user, balance) in balances {
                for detector in detectors.iter_mut() {
                    detector.balance(time_of(hour * STEPS_PER_HOUR), *user, *balance);
                }
            }
        }
    }
    alarms.into_iter().map(|alarms| score(world, &Watching { alarms, marks: marks.clone() })).collect()
}

fn mark(marks: &mut (Option<i64>, Option<i64>), incident: &Incident, step: i64, active: i64) {
    if step >= incident.from {
        marks.0.get_or_insert(active);
    }
    if incident.seen.is_some_and(|seen| step >= seen) {
        marks.1.get_or_insert(active);
    }
}

fn score(world: &World, watching: &Watching) -> Score {
    let mut score = Score { user_quarters: user_quarters(world), ..Score::default() };
    let (mut found, mut told) = (vec![false; USERS], vec![false; USERS]);
    for alarm in &watching.alarms {
        let incident = world.incident_of(alarm.user).filter(|incident| concerns(alarm, incident));
        let Some(incident) = incident else {
            score.false_alarms.push((*alarm, Why::Nothing));
            continue;
        };
        match incident.seen {
            None if incident.kind == Kind::Drift => score.false_alarms.push((*alarm, Why::Drift)),
            None => score.small += 1,
            Some(_) if told[alarm.user] => score.false_alarms.push((*alarm, Why::Repeated)),
            Some(_) if alarm.at < window_end(incident) + GRACE => {
                (found[alarm.user], told[alarm.user]) = (true, true);
                let entry = score.kinds.entry(incident.kind).or_default();
                entry.found += 1;
                // Who is told before a careful person would be is told at once.
                let minutes = |mark: Option<i64>| {
                    MINUTES_PER_STEP * std::cmp::max(0, alarm.active - mark.unwrap_or(alarm.active))
                };
                let (start, seen) = watching.marks[alarm.user];
                entry.delays.push(minutes(seen));
                entry.since_start.push(minutes(start));
            }
            Some(_) => {
                told[alarm.user] = true;
                score.late += 1;
            }
        }
    }
    for incident in world.incidents.iter().filter(|incident| incident.seen.is_some()) {
        score.kinds.entry(incident.kind).or_default().wanted += 1;
        if !found[incident.user] {
            score.missed.push(*incident);
        }
    }
    score
}

/// Whether an alarm can be about an incident: of its kind, and while it lasts or spoils the day.
fn concerns(alarm: &Alarm, incident: &Incident) -> bool {
    let is_kind = match alarm.rule {
        Rule::Spend => incident.kind.is_spend(),
        Rule::RateLimited => incident.kind == Kind::Storm,
        Rule::OutOfCredit => incident.kind == Kind::Broke,
    };
    let spoilt = (incident.until / STEPS_PER_DAY + 1) * STEPS_PER_DAY;
    is_kind && alarm.at >= incident.from && alarm.at < std::cmp::max(spoilt, incident.until + GRACE)
}

fn window_end(incident: &Incident) -> i64 {
    match incident.kind {
        Kind::Step => incident.from + STEP_DAYS * STEPS_PER_DAY,
        _ => incident.until,
    }
}

fn user_quarters(world: &World) -> f64 {
    let days = world.people.iter().map(|person| {
        let until = std::cmp::min(person.present.end, END / STEPS_PER_DAY);
        until - std::cmp::max(person.present.start, FIRST_DAY)
    });
    let days: i64 = days.sum();
    f64::from(i32::try_from(days).unwrap_or(i32::MAX)) / DAYS_PER_QUARTER
}

impl Score {
    /// Adds what happened in another world.
    pub(crate) fn add(&mut self, other: Self) {
        for (kind, found) in other.kinds {
            let entry = self.kinds.entry(kind).or_default();
            entry.wanted += found.wanted;
            entry.found += found.found;
            entry.delays.extend(found.delays);
            entry.since_start.extend(found.since_start);
        }
        self.false_alarms.extend(other.false_alarms);
        self.missed.extend(other.missed);
        self.small += other.small;
        self.late += other.late;
        self.user_quarters += other.user_quarters;
    }

    /// What became of the incidents of these kinds.
    pub(crate) fn of(&self, kinds: impl Fn(Kind) -> bool) -> Fared {
        let mut all = Fared::default();
        for (_, found) in self.kinds.iter().filter(|(kind, _)| kinds(**kind)) {
            all.wanted += found.wanted;
            all.found += found.found;
            all.delays.extend(&found.delays);
            all.since_start.extend(&found.since_start);
        }
        all
    }

    /// False alarms for a reason, of all or of one rule.
    pub(crate) fn in_vain(&self, is_meant: impl Fn(&Alarm, Why) -> bool) -> usize {
        self.false_alarms.iter().filter(|(alarm, why)| is_meant(alarm, *why)).count()
    }
}
