//! Builds the message that travels: parts, ids, threading and unsubscribe headers.

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::store::outbox::{Claimed, Mail};

/// Why no message can be made of a mail; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipient's or the sender's address cannot be used.
    #[error("address {address:?}: {reason}")]
    Address {
        /// Which.
        address: String,
        /// Why.
        reason: String,
    },
    /// The parts do not make a message.
    #[error("message: {0}")]
    Message(#[from] lettre::error::Error),
}

macro_rules! text_header {
    ($type:ident, $name:literal) => {
        #[derive(Clone)]
        struct $type(String);
        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }
            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }
            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

text_header!(ListUnsubscribe, "List-Unsubscribe");
text_header!(ListUnsubscribePost, "List-Unsubscribe-Post");
text_header!(AutoSubmitted, "Auto-Submitted");
text_header!(Kind, "X-Openrouter-Monitor-Kind");

/// Makes a message of a claimed mail.
///
/// # Errors
/// When an address or a part cannot be used.
pub fn message(claimed: &Claimed, from: &Mailbox) -> Result<Message, Error> {
    let Claimed { mail, created_at, .. } = claimed;
    let mut builder = Message::builder()
        .from(from.clone())
        .to(in_ascii(mailbox(&mail.recipient)?))
        .subject(mail.subject.clone())
        .date((*created_at).into())
        .message_id(Some(mail.message_id.clone()))
        .header(AutoSubmitted("auto-generated".to_owned()))
        .header(Kind(mail.kind.clone()));
    if let Some(root) = mail.threads.first() {
        builder = builder.in_reply_to(root.clone()).references(mail.threads.join(" "));
    }
    if let Some(url) = &mail.unsubscribe_url {
        builder = builder
            .header(ListUnsubscribe(format!("<{url}>")))
            .header(ListUnsubscribePost("List-Unsubscribe=One-Click".to_owned()));
    }
    Ok(builder.multipart(parts(mail))?)
}

/// The same mailbox with its domain as every mail server knows it.
fn in_ascii(mailbox: Mailbox) -> Mailbox {
    if mailbox.email.domain().is_ascii() {
        return mailbox;
    }
    let ascii =
        url::Host::parse(mailbox.email.domain()).map(|domain| Address::new(mailbox.email.user(), domain.to_string()));
    match ascii {
        Ok(Ok(email)) => Mailbox { email, ..mailbox },
        _ => mailbox,
    }
}

fn parts(mail: &Mail) -> MultiPart {
    MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone())
}

/// Reads an address.
///
/// # Errors
/// When it is none.
pub fn mailbox(address: &str) -> Result<Mailbox, Error> {
    address.parse().map_err(|error: lettre::address::AddressError| Error::Address {
        address: address.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    #[test]
    fn a_message_carries_ids_threads_and_unsubscribe_headers() {
        let mail = Mail {
            kind: "model_removed".to_owned(),
            recipient: "u@example.org".to_owned(),
            subject: "Grüße\u{1f600}".to_owned(),
            text: "text".to_owned(),
            html: "<p>html</p>".to_owned(),
            message_id: "<a@x>".to_owned(),
            threads: vec!["<r1@x>".to_owned(), "<r2@x>".to_owned()],
            unsubscribe_url: Some("https://m.example.org/m/t?kind=model_removed".to_owned()),
            ..Mail::default()
        };
        let at = Utc.with_ymd_and_hms(2026, 6, 8, 1, 0, 0).unwrap();
        let claimed = Claimed { id: 1, attempt: 1, created_at: at, waits_since: at, mail };
        let message = message(&claimed, &mailbox("M <m@example.org>").unwrap()).unwrap();
        let bytes = message.formatted();
        let parsed = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        assert_eq!((parsed.message_id(), parsed.subject()), (Some("a@x"), Some("Grüße\u{1f600}")));
        let text = String::from_utf8(bytes).unwrap();
        for line in [
            "In-Reply-To: <r1@x>",
            "References: <r1@x> <r2@x>",
            "List-Unsubscribe: <https://m.example.org/m/t?kind=model_removed>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "Auto-Submitted: auto-generated",
            "Date: Mon, 08 Jun 2026 01:00:00 +0000",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_domain_travels_in_ascii() {
        let to = |address: &str| in_ascii(mailbox(address).unwrap()).email.to_string();
        assert_eq!(to("u@bücher.example"), "u@xn--bcher-kva.example");
        assert_eq!(to("U@Plain.Example"), "U@Plain.Example");
        assert_eq!(to("jürgen@bücher.example"), "jürgen@xn--bcher-kva.example");
    }

    #[test]
    fn a_bad_address_is_an_error_and_no_panic() {
        for address in ["", "x", "a@b\r\nBcc: c@d", "@", "a b@c"] {
            assert!(mailbox(address).is_err(), "{address:?}");
        }
    }
}
