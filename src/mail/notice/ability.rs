//! What a mail says of abilities that went or came back.

use super::{Fact, Item, Words, short};
use crate::domain::ability::{AbilityChange, AbilityNews};
use crate::domain::news::News;
use crate::mail::figures::number;
use crate::mail::text::short_day;

/// An ability in words that need no explanation.
fn name(change: &AbilityChange) -> String {
    if let Some((_, after)) = change.tokens {
        return format!("context beyond {} tokens", tokens(after));
    }
    match (change.what.as_str(), change.what.split_once(':')) {
        ("tools", _) => "tool calls".to_owned(),
        ("structured_outputs", _) => "structured outputs".to_owned(),
        ("response_format", _) => "JSON output".to_owned(),
        (_, Some(("input", modality))) => format!("{modality} input"),
        (_, Some(("output", modality))) => format!("{modality} output"),
        (other, _) => other.to_owned(),
    }
}

fn tokens(count: u64) -> String {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn names(changes: &[AbilityChange]) -> String {
    let names: Vec<String> = changes.iter().map(name).collect();
    match names.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// `has lost tool calls and image input`, `has tool calls again`
pub(super) fn headline(news: &AbilityNews) -> String {
    match (news.lost.is_empty(), news.regained.is_empty()) {
        (false, true) => format!("has lost {}", names(&news.lost)),
        (false, false) => format!("has lost {}, and has {} again", names(&news.lost), names(&news.regained)),
        (true, _) => format!("has {} again", names(&news.regained)),
    }
}

pub(super) fn facts(news: &AbilityNews) -> Vec<Fact> {
    let fact = |label, changes: &[AbilityChange]| {
        let parts = changes.iter().map(|change| {
            let from = change.tokens.map_or_else(String::new, |(before, after)| {
                format!(" ({} tokens before, {} now)", tokens(before), tokens(after))
            });
            format!("{}{from}, since {}", name(change), short_day(change.since.date_naive()))
        });
        (!changes.is_empty()).then(|| Fact { label, value: parts.collect::<Vec<_>>().join("; ") })
    };
    fact("Lost", &news.lost).into_iter().chain(fact("Has again", &news.regained)).collect()
}

pub(super) fn because(news: &AbilityNews) -> String {
    let part = |verb: &str, change: &AbilityChange| {
        format!("{verb} {} since {}", change.what, change.since.format("%Y-%m-%dT%H:%MZ"))
    };
    let lost = news.lost.iter().map(|change| part("lost", change));
    lost.chain(news.regained.iter().map(|change| part("regained", change))).collect::<Vec<_>>().join(", ")
}

/// The words of a mail about abilities.
pub(super) fn words(items: &[Item<'_>]) -> Words {
    let news = || items.iter().filter_map(|item| if let News::Ability(news) = &item.news { Some(news) } else { None });
    let lost = news().any(|news| !news.lost.is_empty());
    let (what, opening) = match (lost, items.len()) {
        (true, 1) => (
            "",
            "A model that you use can no longer do something that it could. Calls that need it fail, or are answered without it.",
        ),
        (false, 1) => ("", "A model that you use can do again what an earlier mail said it had lost."),
        (true, _) => (
            "have lost abilities",
            "Models that you use can no longer do something that they could. Calls that need it fail, or are answered without it.",
        ),
        (false, _) => (
            "can do again what they could not",
            "Models that you use can do again what earlier mails said they had lost.",
        ),
    };
    let title = match (items, news().next()) {
        ([item], Some(news)) => format!("{} {}", short(&item.tracked.model.name), headline(news)),
        _ => format!("{} models you use {what}", items.len()),
    };
    let to_do = if lost {
        "Look whether the resources below need it. If they do, move them to a model that can."
    } else {
        "Nothing."
    };
    Words { title, opening: opening.to_owned(), to_do: to_do.to_owned(), offers: "Models that can", ..Words::default() }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn abilities_are_named_in_plain_words() {
        let change = |what: &str, tokens| AbilityChange { what: what.to_owned(), since: DateTime::UNIX_EPOCH, tokens };
        let lost = |what: &[&str]| AbilityNews {
            lost: what.iter().map(|what| change(what, None)).collect(),
            regained: Vec::new(),
        };
        assert_eq!(headline(&lost(&["tools"])), "has lost tool calls");
        assert_eq!(
            headline(&lost(&["input:image", "structured_outputs"])),
            "has lost image input and structured outputs"
        );
        let regained = AbilityNews { regained: vec![change("tools", None)], ..AbilityNews::default() };
        assert_eq!(headline(&regained), "has tool calls again");
        let context = AbilityNews { lost: vec![change("context", Some((200_000, 128_000)))], regained: Vec::new() };
        assert_eq!(headline(&context), "has lost context beyond 128,000 tokens");
        assert_eq!(
            facts(&context)[0].value,
            "context beyond 128,000 tokens (200,000 tokens before, 128,000 now), since 1 January 1970"
        );
    }
}
