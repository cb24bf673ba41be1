//! What a vendor announced of one of its models, and whose platform that ends it on.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A shutdown that a feed reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Announcement {
    /// Whose platform it ends on, as the feed writes it: `OpenAI`, `AWS Bedrock`, `vertex_ai-language-models` …
    pub provider: String,
    /// The id that the vendor's own API takes.
    pub vendor_model_id: String,
    /// The day from which on it could be known, where the feed says so.
    pub announced: Option<NaiveDate>,
    /// The day on which calls stop working.
    pub shutdown: NaiveDate,
    /// What the vendor recommends in its place, by the vendor's own id.
    pub replacement: Option<String>,
    /// The feed, as mails name it.
    pub source: String,
    /// Where the vendor says so itself.
    pub url: Option<String>,
}

/// A platform on which an author serves its own models. A model that ends on somebody else's (Claude on Bedrock, GPT on
/// Azure, Llama on Groq) lives on elsewhere, OpenRouter included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    /// Claude.
    Anthropic,
    /// GPT, and the o series.
    OpenAi,
    /// Gemini, on the Gemini API and on Vertex AI.
    Google,
    /// Grok.
    Xai,
    /// Mistral.
    Mistral,
    /// Command.
    Cohere,
    /// Nova, on Bedrock.
    Amazon,
    /// Phi and MAI, on Azure.
    Microsoft,
    /// Kimi.
    Moonshot,
    /// `DeepSeek`.
    DeepSeek,
    /// Sonar.
    Perplexity,
}

impl Platform {
    /// The platform that a feed means; `None` for those that only serve what others made.
    #[must_use]
    pub fn of(provider: &str) -> Option<Self> {
        let provider = provider.trim().to_ascii_lowercase();
        Some(match provider.as_str() {
            "anthropic" => Self::Anthropic,
            "openai" | "text-completion-openai" => Self::OpenAi,
            "google" | "gemini" | "google vertex" => Self::Google,
            vertex if vertex.starts_with("vertex_ai") => Self::Google,
            "xai" => Self::Xai,
            "mistral" | "codestral" | "text-completion-codestral" => Self::Mistral,
            "cohere" | "cohere_chat" => Self::Cohere,
            "amazon" | "aws bedrock" | "bedrock" | "bedrock_converse" => Self::Amazon,
            "microsoft" | "azure" | "azure_ai" => Self::Microsoft,
            "moonshot" => Self::Moonshot,
            "deepseek" => Self::DeepSeek,
            "perplexity" => Self::Perplexity,
            _ => return None,
        })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "Anthropic",
            Self::OpenAi => "OpenAI",
            Self::Google => "Google",
            Self::Xai => "xAI",
            Self::Mistral => "Mistral",
            Self::Cohere => "Cohere",
            Self::Amazon => "Amazon",
            Self::Microsoft => "Microsoft",
            Self::Moonshot => "Moonshot AI",
            Self::DeepSeek => "DeepSeek",
            Self::Perplexity => "Perplexity",
        }
    }

    /// The author that OpenRouter lists its models under.
    #[must_use]
    pub fn author(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Google => "google",
            Self::Xai => "x-ai",
            Self::Mistral => "mistralai",
            Self::Cohere => "cohere",
            Self::Amazon => "amazon",
            Self::Microsoft => "microsoft",
            Self::Moonshot => "moonshotai",
            Self::DeepSeek => "deepseek",
            Self::Perplexity => "perplexity",
        }
    }

    /// Whether its dates only say "not before": Google's table is headed "earliest possible", and most of its dates
    /// move away while they are far (<https://ai.google.dev/gemini-api/docs/deprecations>).
    #[must_use]
    pub fn says_not_before(self) -> bool {
        self == Self::Google
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_an_authors_own_or_none() {
        for (provider, platform) in [
            ("OpenAI", Some(Platform::OpenAi)),
            ("Google Vertex", Some(Platform::Google)),
            ("vertex_ai-anthropic_models", Some(Platform::Google)),
            ("AWS Bedrock", Some(Platform::Amazon)),
            ("azure_ai", Some(Platform::Microsoft)),
            ("Groq", None),
            ("fireworks_ai", None),
            ("github_copilot", None),
        ] {
            assert_eq!(Platform::of(provider), platform, "{provider}");
        }
    }
}
