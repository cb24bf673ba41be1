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
    assert_eq!(mails.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), preview::names().collect::<Vec<_>>());
    let (alerts, others): (Vec<_>, Vec<_>) =
        mails.into_iter().partition(|(name, _)| preview::alerts::NAMES.contains(&name.as_str()));
    for (name, mail) in others {
        insta::assert_snapshot!(format!("{name}.txt"), format!("Subject: {}\n\n{}", mail.subject, mail.text));
        insta::assert_snapshot!(format!("{name}.html"), mail.html);
    }
    // All alerts are laid out by one template: what each says is in one file, and two show how it looks.
    let texts = alerts.iter().map(|(name, mail)| format!("## {name}\n\nSubject: {}\n\n{}", mail.subject, mail.text));
    insta::assert_snapshot!("alerts.txt", texts.collect::<Vec<_>>().join("\n"));
    for (name, mail) in
        alerts.iter().filter(|(name, _)| ["spend_spike", "rate_limited_resolved"].contains(&name.as_str()))
    {
        insta::assert_snapshot!(format!("{name}.html"), mail.html);
    }
}
