//! A row as the list writes it, with the drift that real lists show and that means nothing.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::family::Skill;
use super::row::{Kind, Row};

const CHAT: &[&str] = &[
    "frequency_penalty",
    "max_tokens",
    "presence_penalty",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
];
const TOOLS: &[&str] = &["structured_outputs", "tool_choice", "tools"];
const REASONING: &[&str] = &["include_reasoning", "reasoning"];
/// Longer descriptions are cut.
const DESCRIPTION_CHARS: usize = 180;
/// Generations follow one another with about this many tenths of the intelligence index.
const INDEX_PER_GENERATION: u32 = 45;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Draws numbers that depend on the world, the row and the time, and on nothing else.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    /// The world's seed.
    pub(super) seed: u64,
    /// The moment of the fetch.
    pub(super) at: DateTime<Utc>,
}

impl Noise {
    /// A number for a row that stays the same for `seconds` at a time.
    pub(super) fn of(self, row: usize, seconds: i64) -> u64 {
        let period = self.at.timestamp().div_euclid(seconds).unsigned_abs();
        let place = u64::try_from(row).unwrap_or(u64::MAX);
        Rng::with_seed(self.seed ^ Rng::with_seed(period).u64(..) ^ place.rotate_left(32)).u64(..)
    }
}

/// What of a row's entry never changes or only drifts; [`entry`] does the rest.
pub(super) fn outline(row: &Row) -> Map<String, Value> {
    let family = row.family;
    let mut outline = Map::new();
    let mut put = |key: &str, value: Value| outline.insert(key.to_owned(), value);
    put("id", row.id.as_str().into());
    put("canonical_slug", row.slug.as_str().into());
    put("hugging_face_id", hugging_face_id(row).into());
    put("name", row.name.as_str().into());
    put("created", row.created.timestamp().into());
    put("context_length", family.context.into());
    put("architecture", architecture(row));
    put("per_request_limits", Value::Null);
    put("supported_parameters", parameters(row, None));
    put("supported_voices", Value::Null);
    put("default_parameters", json!({"temperature": null, "top_p": null, "frequency_penalty": null}));
    put("knowledge_cutoff", knowledge_cutoff(row));
    put("links", json!({"details": format!("/api/v1/models/{}/endpoints", row.slug)}));
    if family.is(Skill::Reasoning) {
        put("reasoning", reasoning(row));
    }
    if !is_signpost(row) {
        put("benchmarks", benchmarks(row));
    }
    outline
}

/// The entry of a row at a moment.
pub(super) fn entry(rows: &[Row], outline: &Map<String, Value>, index: usize, noise: Noise) -> Value {
    let row = &rows[index];
    let mut entry = outline.clone();
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    let model = match &row.kind {
        Kind::Alias(target) => {
            let target = &rows[*target.at(noise.at)];
            put("alias_target", json!({"name": target.name, "slug": target.id}));
            target
        }
        Kind::Plain | Kind::Free(_) | Kind::Batch(_) | Kind::Router => row,
    };
    if let Some(lost) = row.lost.at(noise.at) {
        put("supported_parameters", parameters(row, Some(lost)));
    }
    put("expiration_date", row.expiry.at(noise.at).map_or(Value::Null, |date| date.to_string().into()));
    put("pricing", pricing(model, index, noise));
    put("description", description(row, noise.of(index, 9 * DAY_SECONDS)).into());
    put("top_provider", top_provider(row, noise.of(index, DAY_SECONDS / 3)));
    if noise.of(index, 2 * DAY_SECONDS).is_multiple_of(20) {
        entry.remove("benchmarks");
    } else if let Some(elo) = entry.get_mut("benchmarks").and_then(|known| known.pointer_mut("/design_arena/0/elo")) {
        *elo = (elo.as_u64().unwrap_or(0) + noise.of(index, DAY_SECONDS) % 9).into();
    }
    Value::Object(entry)
}

/// Whether it only leads to other models.
fn is_signpost(row: &Row) -> bool {
    matches!(row.kind, Kind::Alias(_) | Kind::Router)
}

/// The name without its vendor and variant.
fn bare_name(row: &Row) -> &str {
    let name = row.name.split_once(": ").map_or(row.name.as_str(), |(_, name)| name);
    name.split_once(" (").map_or(name, |(name, _)| name)
}

/// Where the weights are; empty, as in real lists, where there are none.
fn hugging_face_id(row: &Row) -> String {
    if !row.family.is(Skill::Open) || is_signpost(row) {
        return String::new();
    }
    format!("{}/{}", row.family.author, bare_name(row).replace(' ', "-"))
}

fn architecture(row: &Row) -> Value {
    let (modality, inputs) = if row.family.is(Skill::Vision) {
        ("text+image+file->text", json!(["text", "image", "file"]))
    } else {
        ("text->text", json!(["text"]))
    };
    let tokenizer = if is_signpost(row) { "Router" } else { "Other" };
    json!({
        "modality": modality,
        "input_modalities": inputs,
        "output_modalities": ["text"],
        "tokenizer": tokenizer,
        "instruct_type": null,
    })
}

/// A model that loses `tools` loses the choice between them too.
fn parameters(row: &Row, lost: Option<&str>) -> Value {
    if row.kind == Kind::Router {
        return json!([]);
    }
    let is_left = |name: &&str| lost != Some(*name) && !(lost == Some("tools") && *name == "tool_choice");
    let skills = [(Skill::Tools, TOOLS), (Skill::Reasoning, REASONING)];
    let owned = skills.into_iter().filter(|(skill, _)| row.family.is(*skill)).flat_map(|(_, names)| names);
    let mut names: Vec<&str> = CHAT.iter().chain(owned).copied().filter(is_left).collect();
    names.sort_unstable();
    names.into()
}

/// Half a year before the model came, on the first of the month; some vendors do not say.
fn knowledge_cutoff(row: &Row) -> Value {
    if row.kind != Kind::Plain || row.family.is(Skill::Open) {
        return Value::Null;
    }
    (row.created - TimeDelta::days(180)).format("%Y-%m-01").to_string().into()
}

fn description(row: &Row, drift: u64) -> String {
    let about = row.family.about;
    let mut text = match row.kind {
        Kind::Alias(_) => {
            return format!(
                "This model always redirects to the latest model in the {} {} family.",
                row.family.vendor, row.family.name
            );
        }
        Kind::Router => return format!("A {about}."),
        Kind::Plain | Kind::Free(_) | Kind::Batch(_) => {
            format!("{} is a {about} by {}.", bare_name(row), row.family.vendor)
        }
    };
    text.push_str(match drift % 4 {
        0 => " It keeps to instructions closely, handles long inputs well and is served by several providers around the world.",
        1 => " Compared with its predecessor it needs fewer tokens for the same answer and makes fewer mistakes on long tasks.",
        _ => " Providers differ in speed; the router picks the fastest that is up, and falls back to the others when it is not.",
    });
    match text.char_indices().nth(DESCRIPTION_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Zero-valued keys come and go in real lists.
fn pricing(model: &Row, index: usize, noise: Noise) -> Value {
    let mut pricing = model.tariff.at(noise.at).json(noise.at);
    if noise.of(index, DAY_SECONDS / 2).is_multiple_of(16) {
        pricing["image"] = "0".into();
        pricing["request"] = "0".into();
    }
    pricing
}

fn top_provider(row: &Row, drift: u64) -> Value {
    if row.kind == Kind::Router {
        return json!({"context_length": null, "max_completion_tokens": null, "is_moderated": false});
    }
    let context = row.family.context;
    let offered = if drift.is_multiple_of(7) { context / 2 } else { context };
    let most = [Some(context / 8), Some(context / 4), None]
        [usize::from(drift.is_multiple_of(5)) + usize::from(drift.is_multiple_of(11))];
    json!({"context_length": offered, "max_completion_tokens": most, "is_moderated": false})
}

fn reasoning(row: &Row) -> Value {
    if row.family.is(Skill::Batch) {
        json!({"mandatory": false, "default_enabled": true, "supported_efforts": ["high", "medium", "low", "none"], "default_effort": "medium"})
    } else {
        json!({"mandatory": false})
    }
}

fn benchmarks(row: &Row) -> Value {
    let ahead = INDEX_PER_GENERATION * row.generation.saturating_sub(row.family.oldest);
    let tenths = (row.family.index + ahead).saturating_sub(row.size.behind);
    let index = |below: u32| f64::from(tenths.saturating_sub(below)) / 10.0;
    json!({
        "artificial_analysis": {"intelligence_index": index(0), "coding_index": index(20), "agentic_index": index(60)},
        "design_arena": [{"arena": "models", "category": "website", "elo": tenths + 800, "win_rate": 50.0, "rank": 20}],
    })
}
