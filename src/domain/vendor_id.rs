//! From a vendor's own id to the rows of OpenRouter's list that it names; rather none than a wrong one.
//!
//! Vendors write `claude-3-5-haiku-20241022` where OpenRouter lists `anthropic/claude-3.5-haiku`. A row that carries no
//! snapshot may follow the newest one, so that the end of an old snapshot says nothing about it.

use super::announcement::Platform;
use super::model::Model;

/// Regions that Bedrock writes before an id (`us.amazon.nova-lite-v1:0`).
const REGIONS: [&str; 7] = ["us", "eu", "apac", "global", "jp", "au", "ca"];

/// An id without author and variant, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The model, with `-` for every separator: `claude-3-5-haiku`.
    stem: String,
    /// The digits of its snapshot: `20241022`, `0613`, `2407`, `002`.
    snapshot: Option<String>,
}

impl Name {
    /// Takes apart what a vendor's API takes; `None` for what is no plain model (fine-tuned ones, odd characters).
    #[must_use]
    pub fn of_vendor(platform: Platform, id: &str) -> Option<Self> {
        let id = id.trim().to_ascii_lowercase();
        // Google, Azure and the gateways write folders before it: `publishers/google/models/`, `azure/eu/`.
        let mut name = id.rsplit('/').next().unwrap_or(&id);
        if platform == Platform::Amazon {
            name = of_amazon(name)?;
        }
        Self::parse(name)
    }

    /// Takes apart a slug of OpenRouter's: the part of an id behind the author, without `:free` and the like.
    fn of_slug(id: &str) -> Option<Self> {
        let (_, slug) = id.split_once('/')?;
        Self::parse(&slug.split(':').next().unwrap_or(slug).to_ascii_lowercase())
    }

    fn parse(name: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return None;
        }
        let tokens: Vec<&str> = name.split(['-', '_', '@']).collect();
        let (stem, snapshot) = tokens.split_at(tokens.len() - snapshot_length(&tokens));
        Some(Self {
            stem: stem.join("-").replace('.', "-"),
            snapshot: (!snapshot.is_empty()).then(|| snapshot.concat()),
        })
    }

    fn without_snapshot(stem: &str) -> Self {
        Self { stem: stem.to_owned(), snapshot: None }
    }
}

/// Amazon's own models only: `amazon.nova-lite-v1:0`, with or without a region before it.
fn of_amazon(name: &str) -> Option<&str> {
    let name = name.rsplit_once(':').map_or(name, |(name, _revision)| name);
    match name.split_once("amazon.") {
        Some((before, own)) if before.is_empty() || REGIONS.contains(&before.trim_end_matches('.')) => Some(own),
        None if !name.contains('.') => Some(name),
        _ => None,
    }
}

/// How many tokens at the end are a snapshot: a date in one of the ways that vendors write it, or a number like `002`.
fn snapshot_length(tokens: &[&str]) -> usize {
    let number = |token: &str, digits: usize, least: u32, most: u32| {
        token.len() == digits && token.parse().is_ok_and(|number: u32| (least..=most).contains(&number))
    };
    let (year, month, day) =
        (|t: &str| number(t, 4, 2020, 2099), |t: &str| number(t, 2, 1, 12), |t: &str| number(t, 2, 1, 31));
    let length = match tokens {
        [.., y, m, d] if year(y) && month(m) && day(d) => 3,
        [.., m, y] if month(m) && year(y) => 2,
        [.., m, d] if month(m) && day(d) => 2,
        [.., last] if number(last, 8, 20_200_101, 20_991_231) => 1,
        [.., last] if last.len() == 4 && last.bytes().all(|byte| byte.is_ascii_digit()) => 1,
        [.., last] if last.starts_with('0') && number(last, 3, 1, 99) => 1,
        _ => 0,
    };
    // What is nothing but numbers is no dated model.
    if length < tokens.len() { length } else { 0 }
}

/// The names of a row of OpenRouter's list, taken apart once for many questions.
#[derive(Clone, Debug)]
pub struct Row {
    author: String,
    name: Name,
    canonical: Option<Name>,
}

impl Row {
    /// The row of a model; `None` for what no vendor's announcement can end: an alias that follows others, and a model
    /// with open weights, which any host may go on serving.
    #[must_use]
    pub fn of(model: &Model) -> Option<Self> {
        if model.id.is_alias() || model.open_weights != Some(false) {
            return None;
        }
        let (author, _) = model.id.as_str().split_once('/')?;
        let canonical = model.canonical_slug.as_deref().and_then(Name::of_slug);
        Some(Self { author: author.to_owned(), name: Name::of_slug(model.id.as_str())?, canonical })
    }

    /// Whether a vendor's id, taken apart, is what the row serves.
    #[must_use]
    pub fn is(&self, platform: Platform, vendor: &Name) -> bool {
        if self.author != platform.author() {
            return false;
        }
        if *vendor == self.name {
            return true;
        }
        // A row that names a snapshot is that one and no other.
        if self.name.snapshot.is_some() {
            return false;
        }
        self.canonical.as_ref() == Some(vendor) || self.is_by_custom(platform, vendor)
    }

    /// What only the custom of a vendor tells.
    fn is_by_custom(&self, platform: Platform, vendor: &Name) -> bool {
        match platform {
            // One snapshot a version; OpenRouter's slug may carry another day (claude-4-sonnet-20250522).
            Platform::Anthropic => vendor.snapshot.is_some() && vendor.stem == self.name.stem,
            // `gpt-5.2-chat-latest` is what serves `openai/gpt-5.2-chat`; `o3-mini-high` is o3-mini made to think more.
            Platform::OpenAi => {
                let pointer = vendor.stem.strip_suffix("-latest").filter(|_| vendor.snapshot.is_none());
                let effort = self.name.stem.strip_suffix("-high").filter(|stem| stem.ends_with("-mini"));
                let snapshot = self.canonical.as_ref().and_then(|canonical| canonical.snapshot.clone());
                pointer.is_some_and(|pointer| Name::without_snapshot(pointer) == self.name)
                    || effort.is_some_and(|effort| {
                        vendor.stem == effort && (vendor.snapshot.is_none() || vendor.snapshot == snapshot)
                    })
            }
            _ => false,
        }
    }
}

/// Whether a model written for Anthropic's own API (`claude-opus-4-1`, `claude-opus-4-1-20250805`) is the one of an
/// announcement. `…-latest` moves on by itself and never ends.
#[must_use]
pub fn is_same_at_anthropic(written: &str, announced: &Name) -> bool {
    Name::of_vendor(Platform::Anthropic, written)
        .is_some_and(|name| name == *announced || name.snapshot.is_none() && name.stem == announced.stem)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use serde_json::json;

    use super::*;

    fn row(id: &str, canonical: &str) -> Option<Row> {
        let entry = json!({"id": id, "canonical_slug": canonical});
        Row::of(&Model::parse(&entry, Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap()).unwrap())
    }

    fn matches(provider: &str, vendor: &str, id: &str, canonical: &str) -> bool {
        let Some(platform) = Platform::of(provider) else { return false };
        let vendor = Name::of_vendor(platform, vendor);
        row(id, canonical).zip(vendor).is_some_and(|(row, vendor)| row.is(platform, &vendor))
    }

    #[test]
    fn a_name_is_taken_apart() {
        let check = |id: &str, stem: &str, snapshot: Option<&str>| {
            let name = Name::of_vendor(Platform::OpenAi, id).unwrap();
            assert_eq!((name.stem.as_str(), name.snapshot.as_deref()), (stem, snapshot), "{id}");
        };
        check("claude-3-5-sonnet-20241022", "claude-3-5-sonnet", Some("20241022"));
        check("claude-3-5-haiku@20241022", "claude-3-5-haiku", Some("20241022"));
        check("gpt-4o-2024-08-06", "gpt-4o", Some("20240806"));
        check("gemini-1.5-pro-002", "gemini-1-5-pro", Some("002"));
        check("gemini-2.5-pro-preview-05-06", "gemini-2-5-pro-preview", Some("0506"));
        check("gemini-2.5-flash-lite-preview-09-2025", "gemini-2-5-flash-lite-preview", Some("092025"));
        check("gpt-3.5-turbo-0613", "gpt-3-5-turbo", Some("0613"));
        check("mistral-large-2411", "mistral-large", Some("2411"));
        check("azure/eu/gpt-4o-2024-08-06", "gpt-4o", Some("20240806"));
        check("publishers/google/models/gemini-2.0-flash", "gemini-2-0-flash", None);
        check("GPT-4-1106-preview", "gpt-4-1106-preview", None);
        check("claude-opus-4-1", "claude-opus-4-1", None);
        check("2024-08-06", "2024-08-06", None);
        assert_eq!(Name::of_vendor(Platform::OpenAi, "ft:gpt-4o-2024-08-06"), None);
        assert_eq!(Name::of_vendor(Platform::OpenAi, "Evals platform"), None);
        assert_eq!(Name::of_vendor(Platform::OpenAi, ""), None);
    }

    #[test]
    fn what_is_the_same_matches() {
        for (provider, vendor, id, canonical) in [
            ("Anthropic", "claude-3-5-haiku-20241022", "anthropic/claude-3.5-haiku", "anthropic/claude-3-5-haiku"),
            (
                "Anthropic",
                "claude-opus-4-1-20250805",
                "anthropic/claude-opus-4.1",
                "anthropic/claude-4.1-opus-20250805",
            ),
            (
                "Anthropic",
                "claude-sonnet-4-20250514",
                "anthropic/claude-sonnet-4",
                "anthropic/claude-4-sonnet-20250522",
            ),
            ("Anthropic", "claude-opus-4-8", "anthropic/claude-opus-4.8", "anthropic/claude-4.8-opus-20260528"),
            ("OpenAI", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
            ("OpenAI", "gpt-5-2025-08-07", "openai/gpt-5:batch", "openai/gpt-5-2025-08-07"),
            ("OpenAI", "gpt-5.2-chat-latest", "openai/gpt-5.2-chat", "openai/gpt-5.2-chat-20251211"),
            ("OpenAI", "o3-mini-2025-01-31", "openai/o3-mini-high", "openai/o3-mini-high-2025-01-31"),
            ("OpenAI", "o4-mini", "openai/o4-mini-high", "openai/o4-mini-high-2025-04-16"),
            ("openai", "gpt-5-codex", "openai/gpt-5-codex", "openai/gpt-5-codex"),
            (
                "Google",
                "gemini-2.5-pro-preview-06-05",
                "google/gemini-2.5-pro-preview",
                "google/gemini-2.5-pro-preview-06-05",
            ),
            ("gemini", "gemini/gemini-2.0-flash-001", "google/gemini-2.0-flash-001", "google/gemini-2.0-flash-001"),
            (
                "vertex_ai",
                "vertex_ai/gemini-2.0-flash-001",
                "google/gemini-2.0-flash-001",
                "google/gemini-2.0-flash-001",
            ),
            ("xAI", "grok-4-0709", "x-ai/grok-4", "x-ai/grok-4-07-09"),
            ("xAI", "grok-4-1-fast", "x-ai/grok-4.1-fast", "x-ai/grok-4.1-fast"),
            ("mistral", "mistral/mistral-large-2411", "mistralai/mistral-large-2411", "mistralai/mistral-large-2411"),
            ("Cohere", "command-r-plus-08-2024", "cohere/command-r-plus-08-2024", "cohere/command-r-plus-08-2024"),
            ("AWS Bedrock", "amazon.nova-premier-v1:0", "amazon/nova-premier-v1", "amazon/nova-premier-v1"),
            ("bedrock", "us.amazon.nova-lite-v1:0", "amazon/nova-lite-v1", "amazon/nova-lite-v1"),
        ] {
            assert!(matches(provider, vendor, id, canonical), "{provider} {vendor} is {id}");
        }
    }

    #[test]
    fn what_is_another_or_may_be_does_not_match() {
        for (provider, vendor, id, canonical) in [
            // Another snapshot, or a row that may follow a newer one.
            ("OpenAI", "gpt-4o-2024-05-13", "openai/gpt-4o", "openai/gpt-4o"),
            ("OpenAI", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
            ("OpenAI", "gpt-4o", "openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
            ("OpenAI", "gpt-3.5-turbo-1106", "openai/gpt-3.5-turbo", "openai/gpt-3.5-turbo"),
            ("OpenAI", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
            ("Google", "gemini-2.0-flash", "google/gemini-2.0-flash-001", "google/gemini-2.0-flash-001"),
            (
                "Google",
                "gemini-2.5-pro-preview-03-25",
                "google/gemini-2.5-pro-preview-05-06",
                "google/gemini-2.5-pro-preview-03-25",
            ),
            (
                "Google",
                "gemini-2.5-pro-preview-05-06",
                "google/gemini-2.5-pro-preview",
                "google/gemini-2.5-pro-preview-06-05",
            ),
            // Another model of the family.
            ("OpenAI", "ft-gpt-4", "openai/gpt-4", "openai/gpt-4"),
            ("OpenAI", "ft:gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
            ("OpenAI", "gpt-4-completions", "openai/gpt-4", "openai/gpt-4"),
            ("OpenAI", "gpt-5-mini-2025-08-07", "openai/gpt-5", "openai/gpt-5-2025-08-07"),
            ("OpenAI", "o3-2025-04-16", "openai/o3-mini-high", "openai/o3-mini-high-2025-01-31"),
            ("OpenAI", "gpt-5.6-sol", "openai/gpt-5.6-sol-pro", "openai/gpt-5.6-sol-pro-20260709"),
            (
                "Anthropic",
                "claude-opus-4-6",
                "anthropic/claude-opus-4.6-fast",
                "anthropic/claude-4.6-opus-fast-20260407",
            ),
            ("Anthropic", "claude-opus-4-20250514", "anthropic/claude-opus-4.1", "anthropic/claude-4.1-opus-20250805"),
            (
                "Anthropic",
                "claude-3-5-sonnet-20240620",
                "anthropic/claude-3.7-sonnet",
                "anthropic/claude-3-7-sonnet-20250219",
            ),
            // Somebody else's platform.
            (
                "AWS Bedrock",
                "anthropic.claude-sonnet-4-20250514-v1:0",
                "anthropic/claude-sonnet-4",
                "anthropic/claude-4-sonnet-20250522",
            ),
            ("Google Vertex", "claude-3-haiku", "anthropic/claude-3-haiku", "anthropic/claude-3-haiku"),
            ("Azure", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
            ("azure_ai", "azure_ai/gpt-5.4", "openai/gpt-5.4", "openai/gpt-5.4-20260305"),
            ("Groq", "gemma2-9b-it", "google/gemma-2-9b-it", "google/gemma-2-9b-it"),
            ("fireworks_ai", "kimi-k2", "moonshotai/kimi-k2", "moonshotai/kimi-k2"),
            // Aliases follow others and end with none.
            ("OpenAI", "gpt-latest", "~openai/gpt-latest", "~openai/gpt-latest"),
        ] {
            assert!(!matches(provider, vendor, id, canonical), "{provider} {vendor} is not {id}");
        }
    }

    #[test]
    fn open_weights_end_with_no_vendor() {
        let now = Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap();
        let entry =
            json!({"id": "mistralai/devstral-2512", "hugging_face_id": "mistralai/Devstral-2-123B-Instruct-2512"});
        assert!(Row::of(&Model::parse(&entry, now).unwrap()).is_none());
        let entry = json!({"id": "mistralai/devstral-2512", "hugging_face_id": ""});
        assert!(Row::of(&Model::parse(&entry, now).unwrap()).is_some());
    }

    #[test]
    fn at_anthropic_an_undated_id_is_its_version_and_latest_moves_on() {
        let announced = Name::of_vendor(Platform::Anthropic, "claude-opus-4-1-20250805").unwrap();
        for written in ["claude-opus-4-1-20250805", "claude-opus-4-1", "claude-opus-4.1"] {
            assert!(is_same_at_anthropic(written, &announced), "{written}");
        }
        for written in ["claude-opus-4-20250514", "claude-opus-4-1-latest", "claude-opus-4", "claude-sonnet-4-1"] {
            assert!(!is_same_at_anthropic(written, &announced), "{written}");
        }
    }
}
