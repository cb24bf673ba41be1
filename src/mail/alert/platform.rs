//! The daemon's own dead-man's switches, for admins.

use super::story::{Case, Story, fact};
use crate::domain::alert::Rule;
use crate::mail::figures::{lasting, many, number, whole};

/// Executions that always came no longer come. The value is hours of silence, the expectation executions an hour.
pub(super) fn ingest_silent(case: &Case<'_>) -> Story {
    let finding = case.finding();
    let silent = lasting(whole(finding.value * 3_600.0));
    let usual = number(whole(case.evidence().expected.unwrap_or_default()));
    Story {
        title: format!("No executions have arrived for {silent}; about {usual} an hour are usual"),
        over: "Executions arrive again".to_owned(),
        lead: "Either the platform runs nothing, or what it runs is no longer reported. Until it is, sums stand still, and caps and alerts see nothing.".to_owned(),
        facts: vec![fact("Silent for", silent), fact("Usual", format!("{usual} executions an hour"))],
        bars: Vec::new(),
        actions: vec![
            "See whether the platform runs, and what it logs of its calls to POST /v1/executions: a token that was revoked and an address that changed are the usual reasons.".to_owned(),
            "\"openrouter-monitor doctor\" tries the parts on this side.".to_owned(),
        ],
    }
}

/// Mails wait for long. The value is the minutes that the oldest waits.
pub(super) fn mail_stuck(case: &Case<'_>) -> Story {
    let waits = lasting(whole(case.finding().value * 60.0));
    let waiting = case.failed_as("waiting");
    Story {
        title: format!("{} {} to be sent, the oldest for {waits}", many(waiting, "mail"), if waiting == 1 { "waits" } else { "wait" }),
        over: "Mails are delivered again".to_owned(),
        lead: "The mail server does not take them. They are kept and tried again, so nothing is lost; only late. If you read this in a mail, at least this one came through.".to_owned(),
        facts: vec![fact("Waiting", number(waiting)), fact("Oldest", waits)],
        bars: Vec::new(),
        actions: vec![
            "\"openrouter-monitor mail list --state pending\" shows what the server said.".to_owned(),
            "\"openrouter-monitor mail test --to ADDRESS\" tries the delivery by itself.".to_owned(),
        ],
    }
}

/// What has a mail of its own; pages and webhooks name it in a line.
pub(super) fn reported(case: &Case<'_>) -> Story {
    let subject = case.subject();
    let (title, over) = match case.finding().rule {
        Rule::JobStale => (format!("The job {subject} fails"), format!("The job {subject} works again")),
        Rule::BulkEvent => {
            ("Many models vanished in one step".to_owned(), "The models that vanished are settled".to_owned())
        }
        _ => {
            ("OpenRouter's list of models is not believed".to_owned(), "OpenRouter's list is believed again".to_owned())
        }
    };
    Story { title, over, lead: "The monitor's own page says more.".to_owned(), ..Story::default() }
}
