//! The platform of the demo: who its users are and which models their resources run on. Pure, like the world.

use std::cmp::min;

use fastrand::Rng;
use serde_json::{Value, json};

use super::world::World;

/// The models of the resources that run on Anthropic directly; what becomes of them is for the vendor feeds to say.
pub const ANTHROPIC_MODELS: [&str; 2] = ["claude-sample-2", "claude-sample-3"];

const TEAMS: [&str; 16] = [
    "Invoice desk",
    "Support desk",
    "Harbour news",
    "Field notes",
    "Night shift",
    "Recipe box",
    "Claims office",
    "Lesson planner",
    "Travel desk",
    "Code garden",
    "Legal intake",
    "Warehouse three",
    "Podcast studio",
    "Grant writers",
    "Clinic front desk",
    "Price watch",
];
const TASKS: [&str; 20] = [
    "Summarise tickets",
    "Draft replies",
    "Sort incoming mail",
    "Extract invoice lines",
    "Translate manuals",
    "Review pull requests",
    "Write release notes",
    "Answer questions from the handbook",
    "Tag photos",
    "Transcribe meetings",
    "Plan the week",
    "Check contracts",
    "Describe products",
    "Find duplicates",
    "Explain error logs",
    "Score applications",
    "Watch competitors",
    "Rewrite headlines",
    "Quiz generator",
    "Moderate comments",
];
const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Adelaide",
    "UTC",
];
const PRESETS: [&str; 3] = ["house-style", "short-answers", "strict-json"];
/// Monthly plan with the daily and monthly limits that go with it, in dollars.
const PLANS: [(u32, u32, u32); 4] = [(9, 2, 15), (29, 5, 60), (99, 20, 250), (299, 60, 900)];
/// How many of the models are ones to which something is going to happen.
const EVENTFUL_PERCENT: u32 = 40;

/// The body of `POST /v1/directory`: an admin, `users` users with one to five resources each, and two resources on
/// Anthropic directly. The models are those listed when the played days begin.
#[must_use]
pub fn directory(seed: u64, world: &World, users: usize) -> String {
    let mut rng = Rng::with_seed(seed);
    let models = Models::new(world, &mut rng);
    let admin = json!({"id": "ops", "email": "ops@platform.example", "name": "Operations", "admin": true});
    let mut lines = vec![json!({"user": admin})];
    for number in 1..=users {
        let user = user_id(number);
        lines.push(person(&user, &mut rng));
        let tasks = 1 + min(rng.usize(..5), rng.usize(..5));
        let first_task = rng.usize(..TASKS.len());
        for task in 0..tasks {
            let id = format!("r-{number:03}-{}", task + 1);
            lines.push(resource(&id, &user, TASKS[(first_task + task) % TASKS.len()], models.draw(&mut rng)));
        }
    }
    for (place, model) in ANTHROPIC_MODELS.into_iter().enumerate() {
        let user = if place < users { user_id(place + 1) } else { "ops".to_owned() };
        lines.push(resource(&format!("r-direct-{}", place + 1), &user, "Long letters", Choice::direct(model)));
    }
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
}

/// The id of a user by number.
pub(super) fn user_id(number: usize) -> String {
    format!("u-{number:03}")
}

/// A user; what is optional is sometimes left out.
fn person(id: &str, rng: &mut Rng) -> Value {
    let (plan, daily, monthly) = PLANS[min(rng.usize(..PLANS.len()), rng.usize(..PLANS.len()))];
    let mut user = json!({"id": id, "email": format!("{id}@platform.example"), "plan_usd_per_month": plan});
    if rng.u32(..100) < 80 {
        user["name"] = TEAMS[rng.usize(..TEAMS.len())].into();
    }
    if rng.u32(..100) < 80 {
        user["timezone"] = ZONES[rng.usize(..ZONES.len())].into();
    }
    if rng.u32(..100) < 50 {
        user["daily_limit_usd"] = daily.into();
    }
    if rng.u32(..100) < 60 {
        user["monthly_limit_usd"] = monthly.into();
    }
    json!({"user": user})
}

fn resource(id: &str, user: &str, name: &str, choice: Choice) -> Value {
    let mut resource = json!({
        "id": id,
        "user": user,
        "name": name,
        "provider": choice.provider,
        "model": choice.model,
        "url": format!("https://platform.example/resources/{id}"),
    });
    if !choice.fallbacks.is_empty() {
        resource["fallbacks"] = choice.fallbacks.into();
    }
    json!({"resource": resource})
}

/// What a resource runs on.
struct Choice {
    provider: &'static str,
    model: String,
    fallbacks: Vec<String>,
}

impl Choice {
    fn direct(model: &str) -> Self {
        Self { provider: "anthropic", model: model.to_owned(), fallbacks: Vec::new() }
    }
}

/// The models to choose from, the likelier first.
struct Models {
    popular: Vec<String>,
    eventful: Vec<String>,
}

impl Models {
    fn new(world: &World, rng: &mut Rng) -> Self {
        let list = world.list(world.start());
        let ids = list["data"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str());
        let mut popular: Vec<String> = ids.filter(|id| !id.ends_with(":batch")).map(str::to_owned).collect();
        rng.shuffle(&mut popular);
        Self { popular, eventful: world.interesting() }
    }

    fn draw(&self, rng: &mut Rng) -> Choice {
        let model = self.one(rng);
        let fallbacks = if rng.u32(..100) < 15 { rng.usize(1..=2) } else { 0 };
        let mut fallbacks: Vec<String> =
            (0..fallbacks).map(|_| self.one(rng)).filter(|other| *other != model).collect();
        fallbacks.dedup();
        Choice { provider: "openrouter", model: written(model, rng), fallbacks }
    }

    fn one(&self, rng: &mut Rng) -> String {
        let is_eventful = rng.u32(..100) < EVENTFUL_PERCENT && !self.eventful.is_empty();
        let models = if is_eventful { &self.eventful } else { &self.popular };
        let place = min(rng.usize(..models.len()), rng.usize(..models.len()));
        models[place].clone()
    }
}

/// The model as a resource may write it: some ask for a route or name a preset.
fn written(model: String, rng: &mut Rng) -> String {
    if model.contains([':', '~']) || model.starts_with("openrouter/") {
        return model;
    }
    match rng.u32(..25) {
        0 => format!("{model}:nitro"),
        1 => format!("{model}:floor"),
        2 => format!("{model}@preset/{}", PRESETS[rng.usize(..PRESETS.len())]),
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use chrono::{TimeZone, Utc};

    use super::*;

    fn world() -> World {
        World::new(4, Utc.with_ymd_and_hms(2026, 3, 1, 6, 30, 0).single().expect("a time"), 60)
    }

    fn parse(text: &str, kind: &str) -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        lines.filter_map(|line| line.get(kind).cloned()).collect()
    }

    #[test]
    fn the_seed_settles_the_directory() {
        let world = world();
        assert_eq!(directory(1, &world, 30), directory(1, &world, 30));
        assert_ne!(directory(1, &world, 30), directory(2, &world, 30));
    }

    #[test]
    fn every_resource_belongs_to_a_user_who_is_already_known() {
        for count in [0, 1, 40] {
            let text = directory(3, &world(), count);
            let mut known = BTreeSet::new();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).expect("a line of JSON");
                if let Some(user) = line.get("user") {
                    assert!(known.insert(user["id"].to_string()), "{user}");
                }
                assert!(
                    line.get("resource").is_none_or(|resource| known.contains(&resource["user"].to_string())),
                    "{line}"
                );
            }
            assert_eq!(known.len(), count + 1);
        }
    }

    #[test]
    fn the_admin_has_the_address_of_operations() {
        let users = parse(&directory(3, &world(), 20), "user");
        let admins: Vec<&Value> = users.iter().filter(|user| user["admin"] == true).collect();
        assert_eq!(admins.len(), 1);
        assert_eq!(admins[0]["email"], "ops@platform.example");
    }

    #[test]
    fn every_zone_is_known() {
        for user in parse(&directory(3, &world(), 100), "user") {
            let zone = user["timezone"].as_str().unwrap_or("UTC");
            assert!(zone.parse::<chrono_tz::Tz>().is_ok(), "{zone}");
        }
    }

    #[test]
    fn resources_are_few_and_varied() {
        let world = world();
        let resources = parse(&directory(3, &world, 100), "resource");
        let mut of_user: BTreeMap<String, usize> = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource["provider"] == "openrouter") {
            *of_user.entry(resource["user"].to_string()).or_default() += 1;
        }
        assert!(of_user.len() == 100 && of_user.values().all(|count| (1..=5).contains(count)));
        let models: Vec<&str> = resources.iter().filter_map(|resource| resource["model"].as_str()).collect();
        let having = |part: &str| models.iter().filter(|model| model.contains(part)).count();
        assert!(having(":nitro") > 0 && having(":floor") > 0 && having("@preset/") > 0);
        assert!(resources.iter().any(|resource| resource["fallbacks"].is_array()));
        assert_eq!(resources.iter().filter(|resource| resource["provider"] == "anthropic").count(), 2);
        let eventful: BTreeSet<String> = world.interesting().into_iter().collect();
        assert!(models.iter().filter(|model| eventful.contains(**model)).count() * 3 > models.len());
    }
}
