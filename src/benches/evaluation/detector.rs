//! What is measured: something that is fed a user's sums every five minutes and raises and ends alarms.

use chrono::{DateTime, Utc};

use crate::simulator::careful::is_storm;
use crate::simulator::sums::Running;
use crate::simulator::{STEPS_PER_DAY, STEPS_PER_HOUR, USERS};

/// An alarm is kept for so many seconds after its reason was last there.
const KEEP_FIRING_S: i64 = 3_600;
const STEP_S: i64 = 300;
/// Fewer 429 are chance: three of twenty calls is what a user with one in fifty meets in every fourth busy week.
const LEAST_LIMITED: i64 = 5;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// `user_spend_spike`.
    Spend,
    /// `rate_limited`.
    RateLimited,
    /// `out_of_credit`.
    OutOfCredit,
}

/// What a detector tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An incident begins.
    Raised(Rule),
    /// It is over.
    Ended(Rule),
}

/// Something that watches all users.
pub(crate) trait Detector {
    /// Takes the sums of a user who ran something in the five minutes from `at` on, as they stand at the end of them.
    fn step(&mut self, at: DateTime<Utc>, user: usize, sums: &Running) -> Vec<Event>;

    /// Takes a user's balance in nano-dollars as it was read at the end of the hour that begins at `at`.
    fn balance(&mut self, _at: DateTime<Utc>, _user: usize, _balance: i64) {}
}

/// What judges a user's spend by the user's past.
pub(crate) trait Judge: Default {
    /// Takes the dollars of an hour that is over, counted from 1970. Hours without executions are not told.
    fn learn_hour(&mut self, hour: i64, dollars: f64);
    /// Takes the dollars of a day that is over, counted from 1970. Days without executions are not told.
    fn learn_day(&mut self, day: i64, dollars: f64);
    /// Whether the hour or the day so far is far above the usual.
    fn is_spike(&mut self, at: DateTime<Utc>, hour: f64, day: f64) -> bool;
}

/// The three rules about users, with a judge of spend.
pub(crate) struct Watch<J> {
    users: Vec<Watched<J>>,
}

#[derive(Default)]
struct Watched<J> {
    judge: J,
    hour: Option<(i64, f64)>,
    day: Option<(i64, f64)>,
    spend: Option<DateTime<Utc>>,
    rate_limited: Option<DateTime<Utc>>,
    out_of_credit: bool,
}

impl<J: Judge> Default for Watch<J> {
    fn default() -> Self {
        Self { users: std::iter::repeat_with(Watched::default).take(USERS).collect() }
    }
}

impl<J: Judge> Detector for Watch<J> {
    fn step(&mut self, at: DateTime<Utc>, user: usize, sums: &Running) -> Vec<Event> {
        let user = &mut self.users[user];
        let mut events = Vec::new();
        let is_spike = user.is_spike(at, sums);
        let is_limited = is_storm(&sums.last_hour) && sums.last_hour.rate_limited() >= LEAST_LIMITED;
        keep_firing(&mut user.spend, is_spike, at, Rule::Spend, &mut events);
        keep_firing(&mut user.rate_limited, is_limited, at, Rule::RateLimited, &mut events);
        // Only executions that are served show that there is credit again.
        let is_broke = sums.last_hour.out_of_credit > 0;
        if is_broke != user.out_of_credit {
            user.out_of_credit = is_broke;
            let event = if is_broke { Event::Raised } else { Event::Ended };
            events.push(event(Rule::OutOfCredit));
        }
        events
    }
}

impl<J: Judge> Watched<J> {
    fn is_spike(&mut self, at: DateTime<Utc>, sums: &Running) -> bool {
        let step = at.timestamp() / STEP_S;
        let (hour, of_hour) = (step / STEPS_PER_HOUR, sums.hour.dollars());
        let (day, of_day) = (step / STEPS_PER_DAY, sums.day.dollars());
        if let Some((before, dollars)) = self.hour.replace((hour, of_hour))
            && before != hour
        {
            self.judge.learn_hour(before, dollars);
        }
        if let Some((before, dollars)) = self.day.replace((day, of_day))
            && before != day
        {
            self.judge.learn_day(before, dollars);
        }
        self.judge.is_spike(at, of_hour, of_day)
    }
}

/// Raises at once, and ends when the reason was gone for an hour.
fn keep_firing(last: &mut Option<DateTime<Utc>>, holds: bool, at: DateTime<Utc>, rule: Rule, events: &mut Vec<Event>) {
    if last.is_some_and(|last| (at - last).num_seconds() > KEEP_FIRING_S) {
        *last = None;
        events.push(Event::Ended(rule));
    }
    if holds && last.replace(at).is_none() {
        events.push(Event::Raised(rule));
    }
}
