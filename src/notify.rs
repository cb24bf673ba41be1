//! Alerts to the admins beside mail: a signed webhook, Slack, and Alertmanager.
//!
//! A notice is a row of the outbox as a mail is: enqueued with the change of state that it tells, leased, posted
//! outside any transaction, marked. What it says is decided when it is enqueued; where it goes, when it is posted.

mod alertmanager;
mod sender;
mod slack;
mod webhook;

use chrono::{DateTime, Utc};

use crate::config::notify::Notify;
use crate::domain::channel::Channel;
use crate::store::outbox::{About, Mail};

pub use sender::{Answer, Sender};

/// One step of an incident, for people and machines outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The incident's id.
    pub incident: String,
    /// `first`, `escalated`, `reminder` or `resolved`.
    pub step: &'static str,
    /// Which telling of the incident it is, from 1: two reminders are two notices.
    pub number: u32,
    /// Which rule.
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// `user`, `resource`, `model`, `key` or `account`.
    pub subject_kind: String,
    /// Which one.
    pub subject: String,
    /// One line.
    pub title: String,
    /// What happened and what to do, as plain text.
    pub text: String,
    /// What was found.
    pub value: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// Since when.
    pub started_at: DateTime<Utc>,
    /// Until when, if it is over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Where to read more.
    pub url: Option<String>,
}

/// The rows that tell a notice: one for each channel that is on. They are enqueued in the transaction that makes the
/// step, by [`crate::job::Context::post`].
#[must_use]
pub fn rows(config: &Notify, notice: &Notice) -> Vec<Mail> {
    let on = Channel::NOTICES.into_iter().filter(|channel| config.url(*channel).is_some());
    on.map(|channel| row(channel, notice)).collect()
}

fn row(channel: Channel, notice: &Notice) -> Mail {
    let Notice { incident, step, number, .. } = notice;
    let body = match channel {
        Channel::Slack => slack::body(notice),
        Channel::Alertmanager => alertmanager::alert(notice),
        Channel::Webhook | Channel::Mail => webhook::body(notice),
    };
    let name = channel.as_str();
    Mail {
        channel,
        dedup_key: format!("{name}/{incident}/{number}-{step}"),
        kind: name.to_owned(),
        recipient: name.to_owned(),
        subject: notice.title.clone(),
        text: body.to_string(),
        message_id: format!("{incident}/{number}-{step}"),
        threads: vec![incident.clone()],
        about: About { incident: incident.clone(), ..About::default() },
        ..Mail::default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A user spends ten times what is usual.
    pub(crate) fn spike() -> Notice {
        Notice {
            incident: "user_spend_spike-0a1b2c3d4e5f-20260608T031700Z".to_owned(),
            step: "first",
            number: 1,
            rule: "user_spend_spike".to_owned(),
            severity: "warning".to_owned(),
            subject_kind: "user".to_owned(),
            subject: "u-17 <&>".to_owned(),
            title: "u-17 spends 10 times as much as usual".to_owned(),
            text: "Today $55.00, usually $5.50.\nSee which resource it is.".to_owned(),
            value: Some(55.0),
            threshold: Some(16.5),
            started_at: "2026-06-08T03:17:00Z".parse().unwrap(),
            ended_at: None,
            url: Some("https://monitor.example/alerts/1".to_owned()),
        }
    }

    #[test]
    fn there_is_a_row_for_each_channel_that_is_on_and_each_telling() {
        let keys = |config: &Notify, notice: &Notice| {
            rows(config, notice).into_iter().map(|row| row.dedup_key).collect::<Vec<_>>()
        };
        assert_eq!(keys(&Notify::default(), &spike()), Vec::<String>::new());
        let config = Notify {
            slack_url: Some("https://hooks.example/s3cret".into()),
            alertmanager_url: Some("http://am.example".into()),
            ..Notify::default()
        };
        let incident = spike().incident;
        assert_eq!(
            keys(&config, &Notice { step: "reminder", number: 3, ..spike() }),
            [format!("slack/{incident}/3-reminder"), format!("alertmanager/{incident}/3-reminder")]
        );
        assert!(rows(&config, &spike()).iter().all(|row| !format!("{row:?}").contains("s3cret")));
    }
}
