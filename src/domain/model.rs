//! One entry of OpenRouter's list, reduced to what matters here and read leniently.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::model_id::ModelId;
use super::price::Prices;

/// A date further ahead than this is a sentinel (`2098-12-31`), not a plan: vendors announce at most two years.
const SENTINEL_DAYS: u64 = 3 * 366;
/// OpenRouter began in 2023; an earlier date is a placeholder such as `1970-01-01`.
const FIRST_PLAUSIBLE_YEAR: i32 = 2023;
/// The request parameters whose loss breaks a resource; the others come and go with the providers.
const FEATURES: [&str; 4] = ["tools", "structured_outputs", "response_format", "reasoning"];

/// A model as the list describes it. A field that an entry leaves out, or writes in a way that cannot be
/// read, is unknown: [`Model::carry_forward`] keeps what was known before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The key of the row.
    pub id: ModelId,
    /// The permanent versioned slug; variants share it, and a rename keeps it.
    pub canonical_slug: Option<String>,
    /// The display name, or the id where there is none.
    pub name: String,
    /// Context length in tokens; unknown when absent or 0.
    pub context: Option<u64>,
    /// What it takes: `text`, `image`, `file` …; empty when unknown.
    pub inputs: BTreeSet<String>,
    /// What it gives: `text`, `image`, `embeddings` …; empty when unknown.
    pub outputs: BTreeSet<String>,
    /// Which of the parameters that resources depend on it supports; `None` when unknown.
    pub features: Option<BTreeSet<String>>,
    /// What it costs.
    pub prices: Prices,
    /// The day after which OpenRouter may remove it.
    pub expires_on: Expiry,
    /// For an alias: the id it stands for.
    pub alias_target: Option<String>,
    /// Whether anybody may serve it, because its weights are published; `None` when that was never read.
    #[serde(default)]
    pub open_weights: Option<bool>,
    /// What is no news when it changes.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
}

/// What helps to choose among models and is compared with no earlier list: it drifts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// When OpenRouter first listed it.
    #[serde(with = "chrono::serde::ts_seconds_option", skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// The most tokens of one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Artificial Analysis' intelligence index in tenths of a point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u16>,
}

impl Facts {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn parse(entry: &Map<String, Value>) -> Self {
        let index = entry.get("benchmarks").and_then(|all| all.get("artificial_analysis")?.get("intelligence_index"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 1000")]
        let tenths = |points: f64| (0.0..=100.0).contains(&points).then(|| (points * 10.0).round() as u16);
        Self {
            created: entry
                .get("created")
                .and_then(Value::as_i64)
                .and_then(|at| DateTime::from_timestamp(at, 0))
                .filter(|at| at.year() >= FIRST_PLAUSIBLE_YEAR),
            max_output: entry
                .get("top_provider")
                .and_then(|top| top.get("max_completion_tokens")?.as_u64())
                .filter(|tokens| *tokens > 0),
            quality: index.and_then(Value::as_f64).and_then(tenths),
        }
    }

    fn carry_forward(self, known: &Self) -> Self {
        Self {
            created: self.created.or(known.created),
            max_output: self.max_output.or(known.max_output),
            quality: self.quality.or(known.quality),
        }
    }
}

/// What an entry says of the model's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// No end is announced.
    None,
    /// Announced for this day (UTC).
    On(NaiveDate),
    /// Something is announced that cannot be read.
    Unreadable,
}

impl Expiry {
    /// The announced day, if there is one.
    #[must_use]
    pub fn date(self) -> Option<NaiveDate> {
        match self {
            Self::On(date) => Some(date),
            Self::None | Self::Unreadable => None,
        }
    }

    fn parse(value: Option<&Value>, now: DateTime<Utc>) -> Self {
        let text = match value {
            None | Some(Value::Null) => return Self::None,
            Some(Value::String(text)) if text.trim().is_empty() => return Self::None,
            Some(Value::String(text)) => text.trim(),
            Some(_) => return Self::Unreadable,
        };
        let day = text.get(..10).unwrap_or(text);
        match NaiveDate::parse_from_str(day, "%Y-%m-%d") {
            Ok(date) if is_plausible(date, now) => Self::On(date),
            Ok(_) => Self::None,
            Err(_) => Self::Unreadable,
        }
    }
}

pub(super) fn is_plausible(date: NaiveDate, now: DateTime<Utc>) -> bool {
    date.year() >= FIRST_PLAUSIBLE_YEAR && date <= now.date_naive() + Days::new(SENTINEL_DAYS)
}

impl Model {
    /// Reads an entry of the list.
    ///
    /// # Errors
    /// Says why the entry is unusable: it is no object, or has no id.
    pub fn parse(entry: &Value, now: DateTime<Utc>) -> Result<Self, String> {
        let object = entry.as_object().ok_or("the entry is not an object")?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let id = text("id").ok_or("the entry has no id")?;
        let architecture = object.get("architecture");
        Ok(Self {
            id: ModelId::new(id),
            canonical_slug: text("canonical_slug").map(str::to_owned),
            name: text("name").unwrap_or(id).to_owned(),
            context: object.get("context_length").and_then(Value::as_u64).filter(|tokens| *tokens > 0),
            inputs: modalities(architecture, "input_modalities", 0),
            outputs: modalities(architecture, "output_modalities", 1),
            features: features(object.get("supported_parameters")),
            prices: Prices::parse(object.get("pricing")),
            expires_on: Expiry::parse(object.get("expiration_date"), now),
            alias_target: object.get("alias_target").and_then(|target| target.get("slug")?.as_str()).map(str::to_owned),
            facts: Facts::parse(object),
            open_weights: Some(text("hugging_face_id").is_some()),
        })
    }

    /// A model of which nothing but the id is known.
    #[must_use]
    pub fn unlisted(id: ModelId) -> Self {
        Self {
            name: id.to_string(),
            id,
            canonical_slug: None,
            context: None,
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
            features: None,
            prices: Prices::Unknown,
            expires_on: Expiry::None,
            alias_target: None,
            facts: Facts::default(),
            open_weights: None,
        }
    }

    /// Fills what this entry does not say with what `known` did, so that a half-empty entry (an alias whose
    /// target is away shows `-1` prices and no parameters) is not taken for a change.
    #[must_use]
    pub fn carry_forward(mut self, known: &Self) -> Self {
        if !matches!(self.prices, Prices::Known(_)) && matches!(known.prices, Prices::Known(_)) {
            self.prices = known.prices.clone();
        }
        if self.inputs.is_empty() {
            self.inputs.clone_from(&known.inputs);
        }
        if self.outputs.is_empty() {
            self.outputs.clone_from(&known.outputs);
        }
        if self.expires_on == Expiry::Unreadable {
            self.expires_on = known.expires_on;
        }
        self.canonical_slug = self.canonical_slug.or_else(|| known.canonical_slug.clone());
        self.context = self.context.or(known.context);
        self.features = self.features.or_else(|| known.features.clone());
        self.alias_target = self.alias_target.or_else(|| known.alias_target.clone());
        self.facts = self.facts.carry_forward(&known.facts);
        self.open_weights = if known.open_weights == Some(true) { Some(true) } else { self.open_weights };
        self
    }

    /// Everything a resource may depend on, as names: `input:image`, `output:text`, `tools` …
    #[must_use]
    pub fn capabilities(&self) -> BTreeSet<String> {
        let inputs = self.inputs.iter().map(|modality| format!("input:{modality}"));
        let outputs = self.outputs.iter().map(|modality| format!("output:{modality}"));
        inputs.chain(outputs).chain(self.features.iter().flatten().cloned()).collect()
    }
}

/// Reads the modality list, or the old `text+image->text` notation.
fn modalities(architecture: Option<&Value>, key: &str, side: usize) -> BTreeSet<String> {
    let Some(architecture) = architecture else { return BTreeSet::new() };
    if let Some(Value::Array(list)) = architecture.get(key) {
        return list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let notation = architecture.get("modality").and_then(Value::as_str).unwrap_or_default();
    let part = notation.split("->").nth(side).unwrap_or_default();
    part.split('+').filter(|modality| !modality.is_empty()).map(str::to_owned).collect()
}

/// `None` for a missing or empty list: a model that supports no parameter at all does not exist, but entries
/// that lost theirs for an hour do.
fn features(parameters: Option<&Value>) -> Option<BTreeSet<String>> {
    let parameters = parameters?.as_array().filter(|list| !list.is_empty())?;
    Some(
        parameters.iter().filter_map(Value::as_str).filter(|name| FEATURES.contains(name)).map(str::to_owned).collect(),
    )
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap()
    }

    #[test]
    fn an_entry_needs_no_more_than_an_id() {
        let model =
            Model::parse(&json!({"id": "a/b", "pricing": 3, "context_length": "many", "architecture": []}), now())
                .unwrap();
        assert_eq!((model.name.as_str(), model.context, model.expires_on), ("a/b", None, Expiry::None));
        assert!(Model::parse(&json!({"name": "x"}), now()).is_err());
        assert!(Model::parse(&json!("a/b"), now()).is_err());
    }

    #[test]
    fn sentinels_and_placeholders_are_no_dates() {
        let check = |written: Value, expected: Expiry| {
            let model = Model::parse(&json!({"id": "a/b", "expiration_date": written}), now()).unwrap();
            assert_eq!(model.expires_on, expected, "{written}");
        };
        let day = Expiry::On(NaiveDate::from_ymd_opt(2026, 6, 19).unwrap());
        check(json!("2026-06-19"), day);
        check(json!("2026-06-19T13:00:00Z"), day);
        check(json!("2098-12-31"), Expiry::None);
        check(json!("1970-01-01"), Expiry::None);
        check(json!(null), Expiry::None);
        check(json!(""), Expiry::None);
        check(json!("soon"), Expiry::Unreadable);
        check(json!(1_780_000_000), Expiry::Unreadable);
    }

    #[test]
    fn a_half_empty_entry_keeps_what_was_known() {
        let known = json!({"id": "a/b", "pricing": {"prompt": "0.00001"}, "context_length": 1000, "supported_parameters": ["tools", "stop"],
            "architecture": {"modality": "text+image->text"}, "expiration_date": "2026-06-19"});
        let known = Model::parse(&known, now()).unwrap();
        let collapsed = json!({"id": "a/b", "name": "B", "pricing": {"prompt": "-1"}, "context_length": 0, "supported_parameters": [], "expiration_date": 7});
        let merged = Model::parse(&collapsed, now()).unwrap().carry_forward(&known);
        assert_eq!(merged, Model { name: "B".to_owned(), ..known });
    }
}
