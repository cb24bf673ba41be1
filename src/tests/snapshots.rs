//! What mails look like, as files to read in a review.

use openrouter_monitor::mail::notice::Sender;
use openrouter_monitor::mail::preview;
use openrouter_monitor::mail::render::Renderer;

use crate::harness::at;

#[test]
fn every_mail_is_as_it_was_last_looked_at() {
    let sender = Sender {
        domain: "platform.example".to_owned(),
        public_url: Some("https://monitor.platform.example".to_owned()),
        model_link: "https://openrouter.ai/{id}".to_owned(),
    };
    let mails = preview::all(&Renderer::default(), &sender, at("2026-06-08T01:00:00Z")).unwrap();
    assert_eq!(mails.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), preview::NAMES);
    for (name, mail) in mails {
        insta::assert_snapshot!(format!("{name}.txt"), format!("Subject: {}\n\n{}", mail.subject, mail.text));
        insta::assert_snapshot!(format!("{name}.html"), mail.html);
    }
}
