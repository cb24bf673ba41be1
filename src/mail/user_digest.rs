//! The mail that tells a user in one what was too much for one day.

use std::cmp::Reverse;

use chrono::NaiveDate;
use serde::Serialize;

use super::notice::{Footer, Sender, message_id, unsubscribe_url};
use super::render::{Error, Renderer};
use super::text::{harmless, short_day};
use crate::domain::channel::Channel;
use crate::domain::mail_kind::MailKind;
use crate::store::outbox::{About, Mail};
use crate::store::post::Part;
use crate::store::told::Recipient;

/// Mails that it tells; more are counted.
const PARTS_MAX: usize = 30;
/// How much of each it quotes.
const QUOTE_CHARS_MAX: usize = 240;
/// Reasons of each that it names.
const REASONS_MAX: usize = 5;

#[derive(Serialize)]
struct View {
    greeting: Option<String>,
    day: String,
    count: usize,
    parts: Vec<PartView>,
    more: usize,
    footer: Footer,
}

#[derive(Serialize)]
struct PartView {
    subject: String,
    quote: String,
    why: Vec<String>,
}

/// Renders the digest of a user's day. Its kind is that of most of its parts: whoever stops it stops those.
///
/// # Errors
/// When a template does not fit its view.
pub fn compose(
    renderer: &Renderer,
    sender: &Sender,
    to: &Recipient,
    parts: &[Part],
    day: NaiveDate,
) -> Result<Mail, Error> {
    let kind = most_frequent(parts);
    let unsubscribe_url = unsubscribe_url(sender, to, &kind);
    let view = View {
        greeting: to.name.as_deref().map(harmless).filter(|name| !name.is_empty()),
        day: short_day(day),
        count: parts.len(),
        parts: parts.iter().take(PARTS_MAX).map(part_view).collect(),
        more: parts.len().saturating_sub(PARTS_MAX),
        footer: Footer {
            reason: "You get this mail because more was to tell you today than mails are sent to you on one day."
                .to_owned(),
            unsubscribe_url: unsubscribe_url.clone(),
            sender: "openrouter-monitor",
        },
    };
    let mail = renderer.render("user_digest", &view)?;
    let dedup_key = format!("user_digest/{}/{day}", to.id);
    Ok(Mail {
        channel: Channel::Mail,
        message_id: message_id(&dedup_key, &sender.domain),
        about: about(&dedup_key, parts),
        dedup_key,
        kind,
        user: Some(to.id.clone()),
        recipient: to.email.clone(),
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        threads: Vec::new(),
        unsubscribe_url,
    })
}

/// The kind of most parts; of those with as many, the first in the order of kinds.
fn most_frequent(parts: &[Part]) -> String {
    let count = |kind: MailKind| parts.iter().filter(|part| part.kind == kind.as_str()).count();
    let kind = MailKind::ALL.iter().copied().min_by_key(|kind| Reverse(count(*kind)));
    kind.map_or_else(String::new, |kind| kind.as_str().to_owned())
}

/// The subject, how the text begins below the greeting, and why it was to be told.
fn part_view(part: &Part) -> PartView {
    let lines = part.text.lines().map(str::trim).take_while(|line| *line != "--");
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("Hello "));
    let mut quote = lines.collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = quote.char_indices().nth(QUOTE_CHARS_MAX) {
        quote.truncate(end);
        quote.push('…');
    }
    let why = part.about.why.iter().take(REASONS_MAX).map(|why| harmless(why)).collect();
    PartView { subject: harmless(&part.subject), quote, why }
}

fn about(incident: &str, parts: &[Part]) -> About {
    let all = |of: fn(&About) -> &Vec<String>| {
        let mut all: Vec<String> = parts.iter().flat_map(|part| of(&part.about).clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    About {
        models: all(|about| &about.models),
        resources: all(|about| &about.resources),
        incident: incident.to_owned(),
        why: parts.iter().flat_map(|part| part.about.why.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &str, text: &str) -> Part {
        Part {
            id: 1,
            kind: kind.to_owned(),
            subject: "s".to_owned(),
            text: text.to_owned(),
            at: chrono::DateTime::UNIX_EPOCH,
            about: About::default(),
        }
    }

    #[test]
    fn it_is_of_the_kind_of_most_of_its_parts() {
        let kind = |kinds: &[&str]| most_frequent(&kinds.iter().map(|kind| part(kind, "")).collect::<Vec<_>>());
        assert_eq!(kind(&["low_credit", "budget", "budget"]), "budget");
        assert_eq!(kind(&["budget", "low_credit"]), "low_credit");
    }

    #[test]
    fn a_part_is_quoted_from_below_its_greeting_to_its_signature() {
        let view = part_view(&part("budget", "Hello Jo,\n\nYou spent half.\n\nMore.\n\n-- \nYou get this"));
        assert_eq!(view.quote, "You spent half. More.");
        assert_eq!(part_view(&part("budget", &"x".repeat(999))).quote.chars().count(), QUOTE_CHARS_MAX + 1);
    }
}
