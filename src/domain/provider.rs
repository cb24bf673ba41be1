//! Whose API is called.

use serde::{Deserialize, Serialize};

/// Whose API is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// OpenRouter's, in any of its skins.
    #[default]
    Openrouter,
    /// Anthropic's own.
    Anthropic,
}

impl Provider {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Openrouter, Self::Anthropic];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Openrouter => "openrouter",
            Self::Anthropic => "anthropic",
        }
    }
}
