//! What a model's id tells: maker, brand, version, tier, size and what it is specialised in.

use std::collections::BTreeSet;

/// A model's id taken apart: `anthropic/claude-3-5-haiku-20241022` is Anthropic's `claude`, version 3.5, of the tier
/// `haiku`. Dates, snapshot numbers and words such as `preview` say nothing of what a model is, and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// Who makes it; empty when the id does not say.
    pub author: String,
    /// The first word: `claude`, `gpt`, `gemini`.
    pub brand: String,
    /// The first number that is neither a date nor a size.
    pub version: Option<Version>,
    /// Words that place it among its siblings: `haiku`, `mini`, `flash` and `lite`.
    pub tiers: BTreeSet<&'static str>,
    /// The other words: `codex`, `image`, `guard`.
    pub traits: BTreeSet<String>,
    /// Parameters in units of 100 million, where the id names them: 700 for `70b`.
    pub size: Option<u64>,
    /// The letter after the version, as in `gpt-4o`; it says nothing of the kind.
    pub letter: Option<char>,
    /// Whether it calls itself a preview, an experiment or a beta.
    pub preview: bool,
}

/// A version as two numbers, read as a decimal: 4.20 comes before 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the point.
    pub major: u32,
    /// Thousandths after it.
    pub thousandths: u32,
}

/// Words that place a model among its siblings, from 2 (the smallest) to 10 (the largest); a name without any of them
/// is a 6. What they have in common across vendors is their order, not their distance.
const TIERS: [(&str, u8); 28] = [
    ("ultra", 10),
    ("premier", 10),
    ("heavy", 10),
    ("opus", 8),
    ("pro", 8),
    ("max", 8),
    ("large", 8),
    ("big", 8),
    ("plus", 7),
    ("sonnet", 6),
    ("medium", 6),
    ("super", 6),
    ("standard", 6),
    ("small", 4),
    ("mini", 4),
    ("haiku", 4),
    ("flash", 4),
    ("flashx", 4),
    ("turbo", 4),
    ("air", 4),
    ("lite", 4),
    ("light", 4),
    ("instant", 4),
    ("nano", 2),
    ("micro", 2),
    ("tiny", 2),
    ("xs", 2),
    ("edge", 2),
];
/// The place of a model that no word places.
pub const UNMARKED: u8 = 6;
/// The place of what is the lite one of small ones, as `flash-lite`.
pub const LOWEST: u8 = 2;

/// Words of releases and formats, which say nothing of what a model can do.
const NOISE: [&str; 10] = ["preview", "exp", "experimental", "beta", "alpha", "latest", "instruct", "it", "base", "hf"];
/// Those of them that say that it is not final.
const UNFINISHED: [&str; 5] = ["preview", "exp", "experimental", "beta", "alpha"];
/// Other spellings of one trait.
const SPELLINGS: [(&str, &str); 6] = [
    ("vl", "vision"),
    ("v", "vision"),
    ("think", "thinking"),
    ("reasoning", "thinking"),
    ("reasoner", "thinking"),
    ("coder", "code"),
];

impl Name {
    /// Takes an id apart. Any text gives a name; it may say little.
    #[must_use]
    pub fn parse(id: &str) -> Self {
        let id = id.trim().trim_start_matches('~').to_lowercase();
        let (author, slug) = id.split_once('/').unwrap_or(("", &id));
        let slug = slug.split_once(':').map_or(slug, |(slug, _variant)| slug);
        let mut name = Self { author: author.to_owned(), ..Self::default() };
        let tokens: Vec<&str> = slug.split(|c: char| !c.is_alphanumeric() && c != '.').collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let date = date_length(&tokens[at..]);
            if date == 0 {
                name.take(token, tokens.get(at + 1).copied());
            }
            at += std::cmp::max(date, 1);
        }
        name
    }

    /// The place among its siblings, from 2 to 10, as its words say it.
    #[must_use]
    pub fn tier(&self) -> u8 {
        let places = TIERS.iter().filter(|(word, _)| self.tiers.contains(word)).map(|(_, place)| *place);
        match places.clone().min() {
            Some(4) if self.tiers.contains("lite") && self.tiers.len() > 1 => LOWEST,
            Some(lowest) => lowest,
            None => UNMARKED,
        }
    }

    /// Whether two names mean the same model, snapshots aside.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.author == other.author || self.author.is_empty() || other.author.is_empty())
            && (&self.brand, self.version, self.letter, &self.tiers, &self.traits, self.size)
                == (&other.brand, other.version, other.letter, &other.tiers, &other.traits, other.size)
    }

    fn take(&mut self, token: &str, next: Option<&str>) {
        if let Some(size) = size(token) {
            self.size = self.size.or(Some(size).filter(|size| *size > 0));
            return;
        }
        let start = token.find(|c: char| c.is_ascii_digit()).unwrap_or(token.len());
        let (word, rest) = token.split_at(start);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, ending) = rest.split_at(end);
        let word = word.trim_matches('.');
        // The letter of a series (`k2.5`, `v3`) is no word of its own, unless nothing else names the model (`o3`).
        if number.is_empty() || word.chars().count() > 1 || self.brand.is_empty() {
            self.word(word);
        }
        if size(rest).is_some() {
            return self.take(rest, None);
        }
        self.number(number, next.filter(|_| ending.is_empty()));
        if ending.chars().count() > 1 || ending == "v" {
            self.word(ending);
        } else {
            self.letter = self.letter.or(ending.chars().next());
        }
    }

    fn word(&mut self, word: &str) {
        self.preview |= UNFINISHED.contains(&word);
        if word.is_empty() || NOISE.contains(&word) {
            return;
        }
        if self.brand.is_empty() {
            word.clone_into(&mut self.brand);
        } else if let Some((tier, _)) = TIERS.iter().find(|(tier, _)| *tier == word) {
            self.tiers.insert(tier);
        } else if word != self.brand {
            let plain = SPELLINGS.iter().find(|(spelling, _)| *spelling == word).map_or(word, |(_, plain)| plain);
            self.traits.insert(plain.to_owned());
        }
    }

    /// Takes the first number as the version, with a single digit that follows (`3-5`) as its second part.
    fn number(&mut self, number: &str, next: Option<&str>) {
        let number = number.trim_matches('.');
        let whole = number.split('.').next().unwrap_or_default();
        if self.version.is_some() || whole.is_empty() || whole.len() > 2 {
            return;
        }
        let minor = match number.split_once('.') {
            Some((_, minor)) => minor,
            None => next.filter(|next| next.len() == 1).unwrap_or_default(),
        };
        self.version = version(whole, minor);
    }
}

fn version(major: &str, minor: &str) -> Option<Version> {
    let digits: String = minor.chars().take_while(char::is_ascii_digit).take(3).collect();
    Some(Version { major: major.parse().ok()?, thousandths: format!("{digits:0<3}").parse().ok()? })
}

/// `70b`, `1.2b`, `a22b` (active parameters), `8x22b`, `128e` (experts), `32k` (context): `None` when the token is none
/// of these, and 0 when it does not tell the parameters.
fn size(token: &str) -> Option<u64> {
    let unit = token.chars().last()?;
    let digits = token.strip_suffix(unit)?;
    let (count, each) = digits.split_once('x').unwrap_or(("1", digits));
    let active = each.strip_prefix('a').or_else(|| each.strip_prefix('e'));
    let each: f64 = active.unwrap_or(each).parse().ok().filter(|size: &f64| size.is_finite() && *size >= 0.0)?;
    let hundreds_of_millions = match unit {
        'b' => each * 10.0,
        'm' => each / 100.0,
        't' => each * 10_000.0,
        'k' | 'e' => 0.0,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; a cast saturates")]
    let size = (count.parse::<f64>().ok()? * hundreds_of_millions).ceil() as u64;
    Some(if active.is_some() { 0 } else { size })
}

/// How many tokens from here on are a date or the number of a snapshot: `20241022`, `2024-08-06`, `08-2024`, `2512`,
/// `0613`, `05-06`, `001`.
fn date_length(tokens: &[&str]) -> usize {
    let is_number = |at: usize, digits: usize| {
        tokens.get(at).is_some_and(|token| token.len() == digits && token.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_year = |at: usize| is_number(at, 4) && tokens.get(at).is_some_and(|token| token.starts_with("20"));
    match () {
        () if is_year(0) && is_number(1, 2) && is_number(2, 2) => 3,
        () if is_number(0, 2) && is_year(1) => 2,
        () if is_number(0, 2) && is_number(1, 2) => 2,
        () if is_number(0, 8) || is_number(0, 6) || is_number(0, 4) || is_number(0, 3) => 1,
        () => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_taken_apart() {
        let check = |id: &str, expected: &str| {
            let name = Name::parse(id);
            let version = name.version.map_or("-".to_owned(), |v| format!("{}.{:03}", v.major, v.thousandths));
            let traits = name.traits.iter().cloned().collect::<Vec<_>>().join("+");
            let size = name.size.map_or("-".to_owned(), |size| size.to_string());
            let read = format!("{} {} {version} {} {traits} {size}", name.author, name.brand, name.tier());
            assert_eq!(read, expected, "{id}");
        };
        check("anthropic/claude-3-5-haiku-20241022", "anthropic claude 3.500 4  -");
        check("anthropic/claude-opus-4.8-fast", "anthropic claude 4.800 8 fast -");
        check("claude-opus-4-8", " claude 4.800 8  -");
        check("openai/gpt-4o-2024-08-06", "openai gpt 4.000 6  -");
        check("openai/gpt-3.5-turbo-0613", "openai gpt 3.500 4  -");
        check("openai/gpt-4-32k", "openai gpt 4.000 6  -");
        check("openai/gpt-5.4-image-2", "openai gpt 5.400 6 image -");
        check("openai/o3-mini-high", "openai o 3.000 4 high -");
        check("openai/gpt-oss-120b:free", "openai gpt - 6 oss 1200");
        check("google/gemini-2.5-flash-lite-preview-09-2025", "google gemini 2.500 2  -");
        check("google/gemini-2.5-pro-preview-05-06", "google gemini 2.500 8  -");
        check("google/gemini-2.0-flash-001", "google gemini 2.000 4  -");
        check("google/gemma-3n-e4b-it", "google gemma 3.000 6  -");
        check("mistralai/mistral-medium-3-5", "mistralai mistral 3.500 6  -");
        check("mistralai/mistral-large-2512", "mistralai mistral - 8  -");
        check("mistralai/mixtral-8x22b-instruct", "mistralai mixtral - 6  1760");
        check("moonshotai/kimi-k2.5", "moonshotai kimi 2.500 6  -");
        check("deepseek/deepseek-chat-v3-0324", "deepseek deepseek 3.000 6 chat -");
        check("z-ai/glm-4.5v", "z-ai glm 4.500 6 vision -");
        check("poolside/laguna-xs.2:free", "poolside laguna 2.000 2  -");
        check("qwen/qwen3-235b-a22b-thinking-2507", "qwen qwen 3.000 6 thinking 2350");
        check("cohere/command-r7b-12-2024", "cohere command - 6  70");
        check("cohere/command-r-plus-08-2024", "cohere command - 7 r -");
        check("~x-ai/grok-latest", "x-ai grok - 6  -");
        check("x-ai/grok-4-1-fast", "x-ai grok 4.100 6 fast -");
        check("", "  - 6  -");
    }

    proptest! {
        #[test]
        fn any_text_is_a_name(id in "\\PC*") {
            prop_assert!((2..=10).contains(&Name::parse(&id).tier()));
        }

        #[test]
        fn any_id_is_a_name(id in "[a-z0-9./:~-]{0,40}") {
            prop_assert!((2..=10).contains(&Name::parse(&id).tier()));
        }
    }
}
