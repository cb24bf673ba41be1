//! Laws of the traffic: any time, in any pieces, is the same; and it is what a platform of that size would see.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use chrono::{Datelike, TimeZone, Timelike, Weekday};
use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::demo::platform;
use crate::domain::execution::day_of;
use crate::domain::model_id::ModelId;
use crate::domain::money::NanoUsd;

const USERS: usize = 250;
const DAYS: i64 = 60;

struct Played {
    world: World,
    directory: Vec<Value>,
    traffic: Traffic,
    executions: Vec<Execution>,
}

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 21, 6, 0, 0).single().expect("a time")
}

fn end() -> DateTime<Utc> {
    start() + TimeDelta::days(DAYS)
}

fn play(seed: u64, users: usize) -> Played {
    let world = World::new(seed, start() - TimeDelta::days(20), 80).played_from(start());
    let lines = platform::directory(seed, &world, users);
    let directory: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let traffic = Traffic::new(seed, &directory, &world, start(), end());
    let executions = traffic.between(start(), end());
    Played { world, directory, traffic, executions }
}

fn played() -> &'static Played {
    static PLAYED: LazyLock<Played> = LazyLock::new(|| play(1, USERS));
    &PLAYED
}

fn percent(part: usize, whole: usize) -> usize {
    part * 100 / std::cmp::max(1, whole)
}

fn is_listed(execution: &Execution) -> bool {
    execution.provider == Provider::Openrouter
}

fn is_missing(execution: &Execution) -> bool {
    matches!(execution.outcome, Outcome::ModelDeprecated | Outcome::ModelNotFound | Outcome::NoEndpoints)
}

/// The price schedule that the world shows under an id.
fn prices(world: &World, id: &str, at: DateTime<Utc>) -> Option<Prices> {
    world.model(id, at).map(|answer| Prices::parse(answer["data"].get("pricing")))
}

fn row(execution: &Execution) -> String {
    ModelId::look_up(&execution.model).expect("a row").as_str().to_owned()
}

fn stories(twist: Twist) -> impl Iterator<Item = (&'static Played, &'static Story)> {
    static OTHERS: LazyLock<Vec<Played>> = LazyLock::new(|| (2..=3).map(|seed| play(seed, USERS)).collect());
    let all = std::iter::once(played()).chain(OTHERS.iter());
    all.flat_map(|played| played.traffic.stories.iter().map(move |story| (played, story)))
        .filter(move |(_, story)| story.twist == twist)
}

fn spent<'a>(executions: impl Iterator<Item = &'a Execution>) -> NanoUsd {
    executions.filter_map(|execution| execution.usage.cost).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_time_is_the_sum_of_its_parts(
        begin in 0_i64..70 * 86_400,
        parts in prop::collection::vec(1_i64..5 * 3_600_000, 1..6),
    ) {
        let traffic = &played().traffic;
        let mut cuts = vec![start() + TimeDelta::seconds(begin)];
        for part in parts {
            cuts.push(cuts[cuts.len() - 1] + TimeDelta::milliseconds(part));
        }
        let whole = traffic.between(cuts[0], cuts[cuts.len() - 1]);
        let pieces: Vec<Execution> = cuts.windows(2).flat_map(|cut| traffic.between(cut[0], cut[1])).collect();
        prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn cutting_between_an_execution_and_its_fallback_loses_neither() {
    let Played { traffic, executions, .. } = played();
    let follows = |pair: &&[Execution]| {
        pair[0].resource == pair[1].resource && fate::leads_to_fallback(pair[0].outcome) && pair[0].at < pair[1].at
    };
    let pairs: Vec<&[Execution]> = executions.windows(2).filter(follows).take(40).collect();
    assert_eq!(pairs.len(), 40);
    for pair in pairs {
        let (from, until) = (pair[0].at - TimeDelta::minutes(1), pair[1].at + TimeDelta::minutes(1));
        for cut in [pair[0].at, pair[0].at + TimeDelta::milliseconds(1), pair[1].at] {
            let pieces = [traffic.between(from, cut), traffic.between(cut, until)].concat();
            assert_eq!(traffic.between(from, until), pieces, "cut at {cut}");
        }
    }
}

#[test]
fn the_seed_settles_everything() {
    let (one, other) = (play(7, 40), play(8, 40));
    assert_eq!(play(7, 40).executions, one.executions);
    assert_ne!(one.executions, other.executions);
}

#[test]
fn executions_come_in_order_with_ids_of_their_own_and_name_their_day() {
    let executions = &played().executions;
    assert!(executions.is_sorted_by_key(|execution| execution.at));
    assert!(executions.iter().all(|execution| start() <= execution.at && execution.at < end()));
    let ids: HashSet<&str> = executions.iter().map(|execution| execution.id.as_str()).collect();
    assert_eq!(ids.len(), executions.len());
    for execution in executions.iter().filter(|execution| is_listed(execution)) {
        assert_eq!(i64::from(day_of(&execution.id)), execution.at.timestamp().div_euclid(86_400), "{}", execution.id);
    }
}

#[test]
fn an_empty_platform_runs_nothing() {
    let world = &played().world;
    let traffic = Traffic::new(1, &[], world, start(), end());
    assert!(traffic.between(start(), end()).is_empty() && traffic.stories.is_empty());
    let traffic = Traffic::new(1, &played().directory, world, start(), start());
    assert!(traffic.between(end(), start()).is_empty());
    assert!(!traffic.between(start(), end()).is_empty());
}

#[test]
fn a_platform_of_250_users_runs_about_a_thousand_a_day() {
    for played in [played(), &play(12, USERS)] {
        let count = played.executions.len();
        assert!((50_000..70_000).contains(&count), "{count}");
        let later = played.traffic.between(end(), end() + TimeDelta::days(7)).len();
        assert!((5_000..11_000).contains(&later), "{later} in the week after");
    }
}

#[test]
fn most_run_a_handful_and_a_few_run_hundreds() {
    let mut a_day: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    for execution in &played().executions {
        *a_day.entry((&execution.user, execution.at.timestamp().div_euclid(86_400))).or_default() += 1;
    }
    let mut counts: Vec<usize> = a_day.into_values().collect();
    counts.sort_unstable();
    let median = counts[counts.len() / 2];
    assert!((1..=5).contains(&median), "{median}");
    let busy = counts.iter().filter(|count| **count >= 100).count();
    assert!((60..600).contains(&busy), "{busy} busy days of users");
}

#[test]
fn offices_work_by_day_and_rest_at_weekends() {
    let Played { directory, executions, .. } = played();
    let zone = |line: &Value| {
        let user = line.get("user")?;
        let zone: chrono_tz::Tz = user["timezone"].as_str().unwrap_or("UTC").parse().ok()?;
        Some((user["id"].as_str()?.to_owned(), zone))
    };
    let zones: HashMap<String, chrono_tz::Tz> = directory.iter().filter_map(zone).collect();
    let local: Vec<_> =
        executions.iter().map(|execution| execution.at.with_timezone(&zones[&execution.user])).collect();
    let hours = |hours: Range<u32>| local.iter().filter(|at| hours.contains(&at.hour())).count();
    assert!(hours(9..17) > 3 * hours(17..24), "the day is longer than the evening");
    assert!(hours(9..17) > 3 * hours(0..6), "and the night");
    let weekend = local.iter().filter(|at| matches!(at.weekday(), Weekday::Sat | Weekday::Sun)).count();
    let share = percent(weekend, local.len());
    assert!((8..24).contains(&share), "{share} % at weekends");
}

#[test]
fn a_cost_is_what_the_world_asks_at_that_moment() {
    let Played { world, executions, .. } = played();
    let mut free = 0;
    for execution in executions.iter().step_by(7).filter(|execution| execution.usage.cost.is_some()) {
        let asked = prices(world, &row(execution), execution.at).expect("served");
        let schedule = match (&asked, &execution.served_model) {
            (Prices::Dynamic, Some(served)) => prices(world, served, execution.at),
            _ => Some(asked),
        };
        let Some(Prices::Known(schedule)) = schedule else { panic!("a price of {}", execution.model) };
        let cost = pricing::cost(&schedule, &execution.usage, execution.at);
        assert_eq!(execution.usage.cost, Some(cost), "{execution:?}");
        free += usize::from(execution.model.ends_with(":free"));
        assert!(!execution.model.ends_with(":free") || cost == NanoUsd::ZERO);
    }
    assert!(free > 0, "some are free");
}

#[test]
fn most_that_answer_tell_their_cost() {
    let answered: Vec<_> = played().executions.iter().filter(|known| known.outcome == Outcome::Success).collect();
    let told = answered.iter().filter(|execution| execution.usage.cost.is_some()).count();
    let share = percent(told, answered.len());
    assert!((75..=95).contains(&share), "{share} %");
    assert!(answered.iter().filter(|known| !is_listed(known)).all(|known| known.usage.cost.is_none()));
}

#[test]
fn few_fail_and_in_every_way() {
    let Played { traffic, executions, .. } = played();
    let is_told = |execution: &Execution| {
        let mut stories = traffic.stories.iter();
        stories.any(|story| matches!(story.twist, Twist::Storm | Twist::Broke) && story.holds(execution.at))
    };
    let is_quiet = |execution: &&Execution| !is_missing(execution) && !is_told(execution);
    let quiet: Vec<_> = executions.iter().filter(is_quiet).collect();
    let failed: Vec<_> = quiet.iter().filter(|execution| execution.outcome != Outcome::Success).collect();
    let per_mille = percent(failed.len() * 10, quiet.len());
    assert!((18..=40).contains(&per_mille), "{per_mille} per mille");
    let outcomes: HashSet<Outcome> = executions.iter().map(|execution| execution.outcome).collect();
    assert!(outcomes.len() >= 16 && !outcomes.contains(&Outcome::Unknown), "{outcomes:?}");
    let charged = executions.iter().filter(|execution| execution.is_charged_failure()).count();
    assert!(charged > 20 && percent(charged, failed.len()) < 15, "{charged}");
}

#[test]
fn what_is_not_served_fails_and_the_fallback_is_tried() {
    let Played { world, directory, executions, .. } = played();
    let has_fallback = |line: &&Value| line["resource"]["fallbacks"].is_array();
    let with: HashSet<&str> =
        directory.iter().filter(has_fallback).filter_map(|line| line["resource"]["id"].as_str()).collect();
    let (mut missing, mut helped) = (0, 0);
    for (place, execution) in executions.iter().enumerate().filter(|(_, execution)| is_listed(execution)) {
        let is_missing = is_missing(execution);
        if is_missing || place % 5 == 0 {
            let is_served = world.model(&row(execution), execution.at).is_some();
            assert!(is_served != is_missing || execution.outcome == Outcome::NoBalance, "{execution:?}");
        }
        missing += usize::from(is_missing);
        let resource = execution.resource.as_deref().expect("a resource");
        if is_missing && with.contains(resource) {
            let soon = execution.at..execution.at + TimeDelta::seconds(2);
            let next = executions[place + 1..].iter().take_while(|other| soon.contains(&other.at));
            helped += usize::from(next.into_iter().any(|other| other.resource.as_deref() == Some(resource)));
        }
    }
    let share = percent(missing * 10, executions.len());
    assert!(missing > 100 && share < 50, "{share} per mille missing");
    assert!(helped > 10, "{helped}");
}

#[test]
fn all_stories_are_told() {
    for twist in [Twist::Loop, Twist::Drift, Twist::Step, Twist::Storm, Twist::Broke] {
        assert_eq!(stories(twist).count(), 3, "{twist:?}");
    }
}

#[test]
fn a_loop_spends_fifty_times_the_usual() {
    for (played, story) in stories(Twist::Loop) {
        let resource = &played.traffic.all.resources[story.subject];
        let own = |known: &&Execution| known.resource.as_ref() == Some(&resource.id);
        let own: Vec<&Execution> = played.executions.iter().filter(own).collect();
        let tokens = |part: &dyn Fn(&Execution) -> bool| -> u64 {
            own.iter().filter(|known| part(known)).filter_map(|known| known.usage.input_tokens).sum()
        };
        let inside = tokens(&|known| story.holds(known.at)) / 3;
        let month = story.from - TimeDelta::days(28)..story.from;
        let before = std::cmp::max(1, tokens(&|known| month.contains(&known.at)) / (28 * 24));
        assert!((20..100).contains(&(inside / before)), "{inside} after {before}");
        let spent = spent(own.into_iter().filter(|known| story.holds(known.at)));
        assert!(spent > NanoUsd::dollars(8), "{spent}");
    }
}

#[test]
fn a_step_stays_and_a_drift_is_slow() {
    for (twist, least) in [(Twist::Step, 230), (Twist::Drift, 150)] {
        for (played, story) in stories(twist) {
            let resource = &played.traffic.all.resources[story.subject];
            let tokens = |from: DateTime<Utc>, until: DateTime<Utc>| -> u64 {
                let executions = played.traffic.between(from, until);
                let own = executions.iter().filter(|known| known.resource.as_ref() == Some(&resource.id));
                own.filter_map(|known| known.usage.input_tokens).sum()
            };
            let before = tokens(story.from - TimeDelta::days(14), story.from) / 2;
            let after = tokens(end() - TimeDelta::days(7), end());
            assert!(after * 100 > before * least, "{twist:?}: {after} after {before}");
        }
    }
}

#[test]
fn a_storm_refuses_one_model_across_users() {
    for (played, story) in stories(Twist::Storm) {
        let id = &played.traffic.all.models[story.subject];
        let inside = played.traffic.between(story.from, story.until);
        let (of_it, others): (Vec<_>, Vec<_>) =
            inside.iter().filter(|known| is_listed(known)).partition(|known| row(known) == *id);
        let refused = |known: &&&Execution| known.outcome == Outcome::RateLimitedUpstream;
        let share = percent(of_it.iter().filter(refused).count(), of_it.len());
        assert!(share > 50 && of_it.len() > 15, "{share} % of {}", of_it.len());
        let users: HashSet<&str> = of_it.iter().map(|known| known.user.as_str()).collect();
        assert!(users.len() > 1, "{users:?}");
        assert!(percent(others.iter().filter(refused).count(), others.len()) < 10);
    }
}

#[test]
fn a_credit_ends_and_is_topped_up() {
    for (played, story) in stories(Twist::Broke) {
        let owner = &played.traffic.all.owners[story.subject];
        let own: Vec<_> = played.executions.iter().filter(|known| known.user == owner.id && is_listed(known)).collect();
        let (inside, outside): (Vec<&Execution>, Vec<_>) = own.into_iter().partition(|known| story.holds(known.at));
        assert!(inside.len() > 3 && inside.iter().all(|known| known.outcome == Outcome::NoBalance));
        assert!(outside.iter().all(|known| known.outcome != Outcome::NoBalance));
        assert!(outside.iter().any(|known| known.at > story.until && known.outcome == Outcome::Success));
        assert_eq!((inside[0].key.as_deref(), inside[0].status), (Some("own-key"), Some(402)));
    }
}

#[test]
fn draws_average_to_their_rate() {
    let mut rng = Rng::with_seed(5);
    for rate in [0.2, 3.0, 40.0] {
        let sum: u32 = (0..2_000).map(|_| poisson(rate, &mut rng)).sum();
        let mean = f64::from(sum) / 2_000.0;
        assert!((mean - rate).abs() < 0.1 * rate, "{mean} for {rate}");
    }
    assert_eq!(poisson(0.0, &mut rng), 0);
}
