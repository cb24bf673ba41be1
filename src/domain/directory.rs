//! The platform's users and resources, as it sends them.

pub mod lenient;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::model_id::ModelId;
use super::money::NanoUsd;
use super::provider::Provider;

/// Longer texts are refused: no name or address needs them, and every mail would carry them.
const TEXT_MAX: usize = 65_536;
/// Longer ids are refused: they are keys of tables and parts of headers.
const ID_MAX: usize = 256;
/// The longest address that SMTP carries.
const ADDRESS_MAX: usize = 254;

/// One line of a directory file, or one row of `POST /v1/directory`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A user is so from now on.
    User(User),
    /// A resource is so from now on.
    Resource(Resource),
    /// Something is no more.
    Delete(Deletion),
}

/// What is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// A user, with all of their resources.
    #[serde(deserialize_with = "lenient::id")]
    User(String),
    /// One resource.
    #[serde(deserialize_with = "lenient::id")]
    Resource(String),
}

/// What of a user the rules look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The platform's own id.
    pub id: String,
    /// Whose days and months count.
    pub zone: chrono_tz::Tz,
    /// Cap per day.
    pub daily: Option<NanoUsd>,
    /// Cap per month.
    pub monthly: Option<NanoUsd>,
    /// What they pay a month.
    pub plan: Option<NanoUsd>,
}

/// A user of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The platform's own id.
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    /// Where mails go; a user without one is counted and never mailed.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<String>,
    /// How mails address them.
    #[serde(default)]
    pub name: Option<String>,
    /// IANA zone.
    #[serde(default)]
    pub timezone: Option<chrono_tz::Tz>,
    /// What they pay a month, in dollars.
    #[serde(default)]
    pub plan_usd_per_month: Option<rust_decimal::Decimal>,
    /// Cap per day, in dollars.
    #[serde(default)]
    pub daily_limit_usd: Option<rust_decimal::Decimal>,
    /// Cap per month, in dollars.
    #[serde(default)]
    pub monthly_limit_usd: Option<rust_decimal::Decimal>,
    /// The balance, in dollars, below which their credit is low; the rule's own when not set.
    #[serde(default)]
    pub low_credit_usd: Option<rust_decimal::Decimal>,
    /// Whether they get what admins get.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub admin: bool,
}

/// Something of a user's that runs on a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The platform's own id.
    #[serde(deserialize_with = "lenient::id")]
    pub id: String,
    /// Its owner.
    #[serde(deserialize_with = "lenient::id")]
    pub user: String,
    /// What its owner calls it.
    #[serde(default)]
    pub name: Option<String>,
    /// Who serves it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub provider: Provider,
    /// The model as the platform writes it, suffixes and presets included.
    pub model: String,
    /// What is tried when the model fails, in order.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub fallbacks: Vec<String>,
    /// Where its owner can change it.
    #[serde(default)]
    pub url: Option<String>,
}

impl Entry {
    /// Reads one line.
    ///
    /// # Errors
    /// Says what is wrong with it and what would be right.
    pub fn parse(line: &str) -> Result<Self, String> {
        let entry: Self = serde_json::from_str(line).map_err(|error| format!("{error}"))?;
        match &entry {
            Self::User(user) => user.check(),
            Self::Resource(resource) => resource.check(),
            Self::Delete(Deletion::User(id) | Deletion::Resource(id)) => check_id("id", id),
        }?;
        Ok(entry)
    }
}

impl User {
    fn check(&self) -> Result<(), String> {
        check_id("user.id", &self.id)?;
        check_text("user.name", self.name.as_deref())?;
        let amounts = [
            ("plan_usd_per_month", self.plan_usd_per_month),
            ("daily_limit_usd", self.daily_limit_usd),
            ("monthly_limit_usd", self.monthly_limit_usd),
            ("low_credit_usd", self.low_credit_usd),
        ];
        if let Some((field, _)) =
            amounts.iter().find(|(_, amount)| amount.is_some_and(|amount| amount.is_sign_negative()))
        {
            return Err(format!("user.{field} is negative"));
        }
        self.email.as_deref().map_or(Ok(()), check_address)
    }
}

impl Resource {
    fn check(&self) -> Result<(), String> {
        check_id("resource.id", &self.id)?;
        check_id("resource.user", &self.user)?;
        check_id("resource.model", &self.model)?;
        check_text("resource.name", self.name.as_deref())?;
        self.fallbacks.iter().try_for_each(|model| check_id("resource.fallbacks", model))?;
        match self.url.as_deref() {
            Some(url)
                if !url.starts_with("https://") && !url.starts_with("http://")
                    || self.url.as_deref().map_or(0, str::len) > TEXT_MAX =>
            {
                Err(format!("resource.url: {:?} is not an http(s) address", shorten(url)))
            }
            _ => Ok(()),
        }
    }

    /// What it depends on, its model first: rows of OpenRouter's list, or the vendor's own ids where it runs there.
    #[must_use]
    pub fn rows(&self) -> Vec<ModelId> {
        let row = |written: &String| match self.provider {
            Provider::Openrouter => ModelId::look_up(written),
            Provider::Anthropic => Some(ModelId::new(written.trim())).filter(ModelId::is_vendors_own),
        };
        let mut rows = Vec::new();
        for row in std::iter::once(&self.model).chain(&self.fallbacks).filter_map(row) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }
}

fn check_id(field: &str, id: &str) -> Result<(), String> {
    if id.trim().is_empty() {
        return Err(format!("{field} is empty"));
    }
    if id.len() > ID_MAX {
        return Err(format!("{field} is {} bytes long; at most {ID_MAX} are taken", id.len()));
    }
    if id.chars().any(char::is_control) {
        return Err(format!("{field} has control characters"));
    }
    Ok(())
}

fn check_text(field: &str, text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if text.len() > TEXT_MAX => {
            Err(format!("{field} is {} bytes long; at most {TEXT_MAX} are taken", text.len()))
        }
        Some(text) if text.contains('\0') => Err(format!("{field} has a NUL character")),
        _ => Ok(()),
    }
}

/// Takes what can be mailed, as the mailer reads it: a bare address without characters that nobody sees.
fn check_address(email: &str) -> Result<(), String> {
    let hint = match email.parse::<Mailbox>() {
        Ok(Mailbox { name: None, email: bare }) if bare.to_string() == email => {
            let is_hidden = |c: char| is_direction_mark(c) || c.is_whitespace() || "\u{ad}\u{200c}\u{200d}".contains(c);
            if email.len() <= ADDRESS_MAX && !email.contains(is_hidden) {
                return Ok(());
            }
            "leave it out when there is none".to_owned()
        }
        Ok(Mailbox { email: bare, .. }) => format!("write {bare} and give the name as user.name"),
        Err(_) => "leave it out when there is none".to_owned(),
    };
    Err(format!("user.email: {:?} is not an address; {hint}", shorten(email)))
}

/// Characters that turn the direction of writing or take no room: they let a text look like another.
#[must_use]
pub fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_contract_has_them() {
        let user = Entry::parse(
            r#"{"user":{"id":"u1","email":"u1@example.org","timezone":"Europe/Vienna","plan_usd_per_month":"20","extra":1}}"#,
        );
        assert!(matches!(user, Ok(Entry::User(user)) if user.id == "u1" && !user.admin));
        let resource =
            Entry::parse(r#"{"resource":{"id":"r1","user":"u1","model":"a/b:nitro","fallbacks":["a/b","c/d"]}}"#);
        let Ok(Entry::Resource(resource)) = resource else { panic!("a resource") };
        assert_eq!(resource.rows(), [ModelId::from("a/b"), ModelId::from("c/d")]);
        assert_eq!(Entry::parse(r#"{"delete":{"user":"u1"}}"#), Ok(Entry::Delete(Deletion::User("u1".to_owned()))));
    }

    #[test]
    fn nothing_may_be_written_as_null_and_an_id_as_a_number() {
        let user = Entry::parse(r#"{"user":{"id":7,"email":" ","name":null,"timezone":null,"admin":null}}"#);
        let expected = User { id: "7".to_owned(), ..User::default() };
        assert_eq!(user, Ok(Entry::User(expected)));
        let line = r#"{"resource":{"id":1,"user":7,"model":"a/b","provider":null,"fallbacks":null,"url":null}}"#;
        let Ok(Entry::Resource(resource)) = Entry::parse(line) else { panic!("a resource") };
        assert_eq!((resource.id.as_str(), resource.user.as_str()), ("1", "7"));
        assert_eq!(Entry::parse(r#"{"delete":{"user":7}}"#), Ok(Entry::Delete(Deletion::User("7".to_owned()))));
        assert!(Entry::parse(r#"{"user":{"id":1.5}}"#).is_err() && Entry::parse(r#"{"user":{"id":null}}"#).is_err());
    }

    #[test]
    fn what_runs_elsewhere_depends_on_no_row_of_the_list() {
        let rows = |model: &str| {
            let line = format!(r#"{{"resource":{{"id":"r","user":"u","provider":"anthropic","model":"{model}"}}}}"#);
            let Ok(Entry::Resource(resource)) = Entry::parse(&line) else { panic!("a resource") };
            resource.rows()
        };
        assert_eq!(rows(" claude-x-20250101 "), [ModelId::from("claude-x-20250101")]);
        assert!(rows("anthropic/claude-x").is_empty());
    }

    #[test]
    fn a_bad_line_is_refused_with_its_reason() {
        let check = |line: &str, part: &str| {
            let error = Entry::parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        };
        check(r#"{"user":{"id":""}}"#, "user.id is empty");
        check(r#"{"user":{"id":"u","email":"not an address"}}"#, "user.email");
        check(r#"{"user":{"id":"u","email":"a@b\nBcc: c@d"}}"#, "user.email");
        for bad in ["a@b@c.org", "a..b@c.org", "a@-", "a b@c.org", "a\u{200b}@c.org", "a@c\u{202e}.org", "@c.org"] {
            check(&format!(r#"{{"user":{{"id":"u","email":"{bad}"}}}}"#), "user.email");
        }
        check(r#"{"user":{"id":"u","email":"Anna <a@b.org>"}}"#, "write a@b.org and give the name as user.name");
        check(r#"{"user":{"id":"u","timezone":"Mars/Base"}}"#, "Mars/Base");
        check(r#"{"resource":{"id":"r","user":"u","model":""}}"#, "resource.model is empty");
        check(r#"{"resource":{"id":"r","user":"u","model":"m","url":"javascript:alert(1)"}}"#, "resource.url");
        check(r#"{"usr":{"id":"u"}}"#, "usr");
        check("not json", "expected");
        check(&format!(r#"{{"user":{{"id":"{}"}}}}"#, "x".repeat(300)), "at most 256");
    }
}
