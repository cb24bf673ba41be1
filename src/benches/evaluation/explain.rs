//! Why an alarm was false or missing: the user's days and hours around it, to be read by a person.

use std::fmt::Write as _;

use super::score::{Alarm, Score, Why};
use crate::simulator::incident::Incident;
use crate::simulator::sums::Sums;
use crate::simulator::{STEPS_PER_DAY, STEPS_PER_HOUR, World, fill, time_of};

/// Days before that are shown.
const DAYS: i64 = 21;

/// Some false alarms, evenly picked, and some misses.
pub(crate) fn explain(world: &World, score: &Score, count: usize) -> String {
    let mut text = String::new();
    let every = std::cmp::max(1, score.false_alarms.len() / std::cmp::max(1, count));
    for (alarm, why) in score.false_alarms.iter().step_by(every) {
        text += &false_alarm(world, alarm, *why);
    }
    for incident in score.missed.iter().take(count) {
        text += &missed(world, incident);
    }
    text
}

fn false_alarm(world: &World, alarm: &Alarm, why: Why) -> String {
    let what = format!("FALSE {:?} ({why:?})", alarm.rule);
    what + &around(world, alarm.user, alarm.at)
}

fn missed(world: &World, incident: &Incident) -> String {
    let at = incident.seen.unwrap_or(incident.from);
    let mut text = format!("MISSED {:?} of strength {:.1}", incident.kind, incident.strength);
    let _ = write!(text, " from {} until {}", time_of(incident.from), time_of(incident.until));
    text + &around(world, incident.user, at)
}

fn around(world: &World, user: usize, at: i64) -> String {
    let (person, day) = (&world.people[user], at / STEPS_PER_DAY);
    let hour = usize::try_from(at % STEPS_PER_DAY / STEPS_PER_HOUR).unwrap_or(0);
    let size = usize::try_from(STEPS_PER_HOUR).unwrap_or(1);
    let (mut sums, mut days, mut hours) = (Vec::new(), String::new(), String::new());
    for day in day - DAYS..=day + 1 {
        fill(&mut sums, person, world.incident_of(user), day);
        let is_today = if day * STEPS_PER_DAY <= at && at < (day + 1) * STEPS_PER_DAY { "*" } else { "" };
        let total: f64 = sums.iter().map(Sums::dollars).sum();
        let of_hour: f64 = sums.chunks(size).nth(hour).unwrap_or_default().iter().map(Sums::dollars).sum();
        let _ = write!(days, " {is_today}{total:.2}");
        let _ = write!(hours, " {is_today}{of_hour:.2}");
    }
    format!(
        "\n  user {user}, {:?}, ${:.2} a day, there since {}, at {}\n  days {days}\n  hour {hours}\n",
        person.habit,
        person.dollars(),
        time_of(person.present.start * STEPS_PER_DAY).date_naive(),
        time_of(at)
    )
}
