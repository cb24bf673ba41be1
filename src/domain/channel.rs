//! The ways out: by which of them a row of the outbox travels.

/// A way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A mail, to a user or an admin.
    #[default]
    Mail,
    /// A signed JSON object to an address of the admins'.
    Webhook,
    /// A line in a Slack channel, or in what takes the same.
    Slack,
    /// An alert to Alertmanager.
    Alertmanager,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Webhook, Self::Slack, Self::Alertmanager];
    /// Those beside mail.
    pub const NOTICES: [Self; 3] = [Self::Webhook, Self::Slack, Self::Alertmanager];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// The channel of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}
