//! Laws of the simulated world: the lists are well formed, and they say what the events say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use serde_json::Value;

use super::row::{Kind, Row};
use super::{Event, What, World};

const DAYS: u32 = 60;
const KEYS: [&str; 17] = [
    "id",
    "canonical_slug",
    "hugging_face_id",
    "name",
    "created",
    "description",
    "context_length",
    "architecture",
    "pricing",
    "top_provider",
    "per_request_limits",
    "supported_parameters",
    "supported_voices",
    "default_parameters",
    "knowledge_cutoff",
    "expiration_date",
    "links",
];

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 6, 30, 0).single().expect("a time")
}

/// The worlds of the seeds from 0 on.
fn worlds() -> &'static [World] {
    static WORLDS: LazyLock<Vec<World>> =
        LazyLock::new(|| (0..20).map(|seed| World::new(seed, start(), DAYS)).collect());
    &WORLDS
}

fn day(days: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(days)
}

fn rows(world: &World, at: DateTime<Utc>) -> BTreeMap<String, Value> {
    let list = world.list(at);
    let rows = list["data"].as_array().expect("an array");
    rows.iter().map(|row| (row["id"].as_str().expect("an id").to_owned(), row.clone())).collect()
}

/// One row of the list, without rendering the others.
fn listed(world: &World, id: &str, at: DateTime<Utc>) -> Option<Value> {
    let place = world.places.get(id).copied().filter(|&place| world.rows[place].is_listed(at));
    place.map(|place| world.entry(place, at))
}

fn played(world: &World) -> impl Iterator<Item = &Event> {
    world.events().iter().filter(|event| day(0) <= event.at && event.at < day(DAYS.into()))
}

fn count(world: &World, is_meant: impl Fn(&What) -> bool) -> usize {
    played(world).filter(|event| is_meant(&event.what)).count()
}

#[test]
fn the_seed_and_the_start_settle_everything() {
    let (one, same, other) = (&worlds()[7], World::new(7, start(), DAYS), &worlds()[8]);
    assert_eq!(one.events(), same.events());
    assert_ne!(one.events(), other.events());
    for at in [day(-10), day(0), day(33), day(300)] {
        assert_eq!(one.list(at), same.list(at));
        assert_ne!(one.list(at), other.list(at));
    }
    let longer = World::new(7, start(), 90);
    assert_eq!(one.list(day(59)), longer.list(day(59)), "more days change nothing about the first");
}

#[test]
fn every_row_has_the_shape_of_a_real_one() {
    for (world, at) in worlds().iter().zip([-20, 0, 5, 17, 28, 39, 59, 130, 410].into_iter().cycle().map(day)) {
        let list = world.list(at);
        let data = list["data"].as_array().expect("an array");
        assert!((80..=165).contains(&data.len()), "{} rows", data.len());
        assert_eq!(list["total_count"], data.len());
        assert!(list["links"]["next"].is_null());
        let ids: BTreeSet<&str> = data.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(ids.len(), data.len(), "ids are unique");
        assert!(data.is_sorted_by_key(|row| std::cmp::Reverse(row["created"].as_i64())), "newest first");
        data.iter().for_each(check_row);
    }
}

fn check_row(row: &Value) {
    for key in KEYS {
        assert!(row.get(key).is_some(), "{key} in {row}");
    }
    let id = row["id"].as_str().expect("an id");
    assert!(id.split_once('/').is_some_and(|(author, model)| !author.is_empty() && !model.is_empty()), "{id}");
    assert!(row["context_length"].as_u64().is_some_and(|tokens| tokens > 0), "{id}");
    let date = &row["expiration_date"];
    assert!(date.is_null() || date.as_str().is_some_and(|date| date.parse::<NaiveDate>().is_ok()), "{id} {date}");
    assert!(row["pricing"]["prompt"].is_string() && row["pricing"]["completion"].is_string(), "{id}");
    check_prices(id, &row["pricing"]);
    for entry in row["pricing"]["overrides"].as_array().into_iter().flatten() {
        check_prices(id, entry);
    }
}

fn check_prices(id: &str, prices: &Value) {
    for (key, price) in prices.as_object().expect("an object") {
        match key.as_str() {
            "overrides" => assert!(price.as_array().is_some_and(|entries| !entries.is_empty()), "{id}"),
            "min_prompt_tokens" | "utc_start" | "utc_end" => assert!(price.is_u64(), "{id} {key}"),
            _ => assert!(price.as_str().is_some_and(is_decimal), "{id} {key} {price}"),
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text == "-1" || (digits(whole) && digits(fraction))
}

#[test]
fn no_id_is_ever_used_twice() {
    for world in worlds() {
        assert_eq!(world.places.len(), world.rows.len(), "seed {}", world.seed);
    }
}

#[test]
fn the_events_agree_with_the_lists() {
    for world in worlds() {
        for event in played(world) {
            check_event(world, event);
        }
    }
}

fn check_event(world: &World, event: &Event) {
    let (at, id) = (event.at, event.model.as_str());
    let (before, after) = (listed(world, id, at - TimeDelta::seconds(1)), listed(world, id, at));
    let field = |row: &Option<Value>, key: &str| row.as_ref().map_or(Value::Null, |row| row[key].clone());
    let is_back = |until| listed(world, id, until).is_some() && world.model(id, until).is_some();
    let holds = match &event.what {
        What::Added | What::Returned => before.is_none() && after.is_some(),
        What::Announced(date) | What::Moved(_, date) => field(&after, "expiration_date") == date.to_string().as_str(),
        What::Cleared => before.is_some() && after.is_some() && field(&after, "expiration_date").is_null(),
        What::Removed => {
            before.is_some() && after.is_none() && world.model(id, at).is_none() && stays_away(world, event)
        }
        What::Flap { hours } => {
            let until = at + TimeDelta::hours((*hours).into());
            before.is_some() && after.is_none() && (5..=22).contains(hours) && is_back(until)
        }
        What::BulkGone { until } => before.is_some() && after.is_none() && id.ends_with(":batch") && is_back(*until),
        What::Repriced => before.is_some() && after.is_some() && field(&before, "pricing") != field(&after, "pricing"),
        What::Renamed(new) => {
            let renamed = listed(world, new, at);
            let answer = world.model(id, at).map_or(Value::Null, |body| body["data"]["id"].clone());
            let has_same_slug = field(&before, "canonical_slug") == field(&renamed, "canonical_slug");
            before.is_some() && after.is_none() && has_same_slug && answer == new.as_str()
        }
        What::Unlisted => before.is_some() && after.is_none() && world.model(id, at + TimeDelta::days(30)).is_some(),
        What::AliasRetargeted(target) => {
            let shown = listed(world, target, at);
            field(&after, "alias_target")["slug"] == target.as_str()
                && field(&after, "pricing")["prompt"] == field(&shown, "pricing")["prompt"]
        }
        What::CapabilityLost(name) => {
            let has = |row| {
                field(row, "supported_parameters")
                    .as_array()
                    .is_some_and(|names| names.iter().any(|known| known == name))
            };
            has(&before) && !has(&after)
        }
    };
    assert!(holds, "seed {}: {event:?}", world.seed);
}

fn stays_away(world: &World, removal: &Event) -> bool {
    let returns = |event: &&Event| event.model == removal.model && event.what == What::Returned;
    let returned = world.events().iter().find(returns).map(|event| event.at);
    let later = [1, 6, 11, 60, 300].map(|days| removal.at + TimeDelta::days(days));
    later
        .iter()
        .filter(|at| returned.is_none_or(|returned| **at < returned))
        .all(|at| listed(world, &removal.model, *at).is_none())
}

#[test]
fn nothing_changes_without_an_event() {
    let world = &worlds()[3];
    let hourly = ["nine-rivers/delta-3.2"];
    let mut before = rows(world, day(0));
    for half_day in 1..2 * i64::from(DAYS) {
        let (from, until) = (day(0) + TimeDelta::hours(12 * (half_day - 1)), day(0) + TimeDelta::hours(12 * half_day));
        let after = rows(world, until);
        let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for id in ids {
            let same = meaning(before.get(id)) == meaning(after.get(id));
            assert!(same || hourly.contains(&id.as_str()) || is_told(world, id, from, until), "{id} at {until}");
        }
        before = after;
    }
}

/// What matters of a row: all but what drifts.
fn meaning(row: Option<&Value>) -> Option<Value> {
    let mut row = row?.clone();
    let fields = row.as_object_mut()?;
    fields.retain(|key, _| !["description", "top_provider", "benchmarks"].contains(&key.as_str()));
    fields["pricing"].as_object_mut()?.retain(|_, price| price != "0");
    Some(row)
}

fn is_told(world: &World, id: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
    let ends = |event: &Event| match event.what {
        What::Flap { hours } => event.at + TimeDelta::hours(hours.into()),
        What::BulkGone { until } => until,
        _ => event.at,
    };
    let is_meant = |event: &Event| event.model == id || event.what == What::Renamed(id.to_owned());
    let is_now = |at| from < at && at <= until;
    world.events().iter().any(|event| is_meant(event) && (is_now(event.at) || is_now(ends(event))))
}

#[test]
fn sixty_days_bring_as_much_as_they_do_in_reality() {
    for world in worlds() {
        let removed: BTreeSet<&str> =
            played(world).filter(|e| e.what == What::Removed).map(|e| e.model.as_str()).collect();
        let returned: BTreeSet<&str> =
            played(world).filter(|e| e.what == What::Returned).map(|e| e.model.as_str()).collect();
        let announced: BTreeSet<&str> =
            played(world).filter(|e| matches!(e.what, What::Announced(_))).map(|e| e.model.as_str()).collect();
        let sudden = removed.iter().filter(|id| !announced.contains(*id) && !returned.contains(*id)).count();
        let figures = [
            ("added", count(world, |what| *what == What::Added), 55..=65),
            ("announced", announced.len(), 10..=12),
            ("announced and removed", removed.intersection(&announced).count(), 9..=11),
            ("sudden", sudden, 10..=14),
            ("returned", returned.len(), 1..=1),
            ("moved", count(world, |what| matches!(what, What::Moved(..))), 1..=1),
            ("cleared", count(world, |what| *what == What::Cleared), 4..=4),
            ("flaps", count(world, |what| matches!(what, What::Flap { .. })), 8..=8),
            ("bulk", count(world, |what| matches!(what, What::BulkGone { .. })), 12..=14),
            ("repriced", count(world, |what| *what == What::Repriced), 36..=70),
            ("renamed", count(world, |what| matches!(what, What::Renamed(_))), 1..=1),
            ("unlisted", count(world, |what| *what == What::Unlisted), 1..=1),
            ("retargeted", count(world, |what| matches!(what, What::AliasRetargeted(_))), 2..=2),
            ("capabilities", count(world, |what| matches!(what, What::CapabilityLost(_))), 3..=3),
        ];
        for (what, figure, expected) in figures {
            assert!(expected.contains(&figure), "seed {}: {figure} {what}", world.seed);
        }
    }
}

#[test]
fn a_model_that_leaves_usually_has_a_successor() {
    for world in worlds() {
        let removed = played(world)
            .filter(|event| event.what == What::Removed)
            .map(|event| (event.at, world.places[&event.model]));
        let (with, without): (Vec<_>, Vec<_>) = removed.partition(|(at, place)| has_successor(world, *place, *at));
        assert!(with.len() >= 4 * without.len(), "seed {}: {} without", world.seed, without.len());
    }
}

/// A newer model of the family, or for a twin the model itself.
fn has_successor(world: &World, place: usize, at: DateTime<Utc>) -> bool {
    let left = &world.rows[place];
    let takes_over = |row: &Row| {
        row.kind == Kind::Plain
            && row.family.slug == left.family.slug
            && row.generation > left.generation
            && row.is_listed(at)
    };
    left.twin_of().is_some_and(|model| world.rows[model].is_listed(at)) || world.rows.iter().any(takes_over)
}

#[test]
fn in_half_of_the_outages_only_the_list_is_wrong() {
    let world = &worlds()[5];
    let flaps = played(world).filter(|event| matches!(event.what, What::Flap { .. }));
    assert_eq!(flaps.filter(|event| world.model(&event.model, event.at).is_some()).count(), 4);
}

#[test]
fn the_list_has_its_oddities() {
    let world = &worlds()[11];
    let rows = rows(world, day(0));
    let are = |fits: &dyn Fn(&Value) -> bool| rows.values().filter(|row| fits(row)).count();
    assert_eq!(are(&|row| row["expiration_date"] == "2098-12-31"), 2);
    assert_eq!(are(&|row| row["pricing"]["prompt"] == "-1"), 2);
    assert_eq!(are(&|row| row["pricing"]["overrides"][0]["utc_start"].is_u64()), 1);
    assert!(are(&|row| row["pricing"]["overrides"][0]["min_prompt_tokens"].is_u64()) > 5);
    assert_eq!(are(&|row| row["alias_target"].is_object()), 2);
    let glitches = played(world).filter(|event| event.what == What::Repriced && !event.model.contains(':'));
    let is_free =
        |event: &&Event| listed(world, &event.model, event.at).is_some_and(|row| row["pricing"]["prompt"] == "0");
    assert_eq!(glitches.filter(is_free).count(), 1);
}

#[test]
fn what_is_interesting_is_listed_at_the_start() {
    for world in worlds() {
        let ids = world.interesting();
        assert!(ids.len() > 40, "{} ids", ids.len());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| listed(world, id, day(0)).is_some()));
    }
}

#[test]
fn the_world_goes_on_after_the_played_days() {
    let world = &worlds()[2];
    for week in 0..(i64::from(DAYS) + 400) / 7 {
        let is_now = |event: &&Event| day(7 * week) <= event.at && event.at < day(7 * week + 7);
        assert!(world.events().iter().any(|event| is_now(&event)), "week {week}");
    }
}
