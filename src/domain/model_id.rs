//! Model ids: the key of a row in OpenRouter's list, and what a resource may write in its place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Suffixes that steer routing and have no row of their own in the list
/// (<https://openrouter.ai/docs/guides/routing/model-variants>).
const ROUTING_SUFFIXES: [&str; 4] = ["nitro", "floor", "exacto", "online"];

/// The id of a row in the list, such as `z-ai/glm-4.5-air:free` or `~x-ai/grok-latest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(String);

impl ModelId {
    /// Takes an id as the list gives it.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The row that a resource's model string is served by: routing suffixes and presets are
    /// stripped. `None` when the string names a preset alone, whose model only OpenRouter knows.
    #[must_use]
    pub fn look_up(written: &str) -> Option<Self> {
        let mut id = written.trim();
        if let Some((model, _preset)) = id.split_once("@preset/") {
            id = model;
        }
        while let Some((model, suffix)) = id.rsplit_once(':') {
            if !ROUTING_SUFFIXES.contains(&suffix) {
                break;
            }
            id = model;
        }
        (!id.is_empty()).then(|| Self(id.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `free`, `batch`, `thinking` …: the variant that has a row of its own, if this is one.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.0.rsplit_once(':').map(|(_, variant)| variant)
    }

    /// Whether this is no row of the list but what a vendor's own API takes: it has no author.
    #[must_use]
    pub fn is_vendors_own(&self) -> bool {
        !self.0.contains('/')
    }

    /// Whether the row is an alias (`~author/family-latest`) that follows another model.
    #[must_use]
    pub fn is_alias(&self) -> bool {
        self.0.starts_with('~')
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ModelId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_model_is_looked_up_without_routing() {
        let check = |written: &str, row: Option<&str>| {
            assert_eq!(ModelId::look_up(written), row.map(ModelId::from), "{written}");
        };
        check("openai/gpt-5", Some("openai/gpt-5"));
        check(" openai/gpt-5:nitro ", Some("openai/gpt-5"));
        check("z-ai/glm-4.5-air:free:online", Some("z-ai/glm-4.5-air:free"));
        check("z-ai/glm-4.5-air:free", Some("z-ai/glm-4.5-air:free"));
        check("openai/gpt-5@preset/support", Some("openai/gpt-5"));
        check("openai/gpt-5:floor@preset/support", Some("openai/gpt-5"));
        check("~x-ai/grok-latest", Some("~x-ai/grok-latest"));
        check("@preset/support", None);
        check("  ", None);
    }

    #[test]
    fn a_variant_is_what_follows_the_colon() {
        assert_eq!(ModelId::from("a/b:batch").variant(), Some("batch"));
        assert_eq!(ModelId::from("a/b").variant(), None);
    }
}
