//! The accounts and keys of a simulated OpenRouter, for the demo and the tests: what is spent on a key is what the key,
//! the account, its activity and its reports then say, in the shape of OpenRouter's API description.

mod ledger;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::ledger::{Ledger, Spent};
use crate::domain::money::NanoUsd;

/// Items of a page of keys.
const KEYS_PER_PAGE: usize = 100;
/// The only workspace there is.
const WORKSPACE: &str = "0df9e665-d932-5740-b2c7-b52af166bc11";
const CREATOR: &str = "user_simulated";

/// Accounts and keys.
#[derive(Debug, Default)]
pub struct Bank(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<String, Account>,
    keys: HashMap<String, Key>,
}

#[derive(Debug, Default)]
struct Account {
    bought: NanoUsd,
    used: NanoUsd,
    /// By day and model, and by day and the platform's own users.
    models: BTreeMap<(NaiveDate, String), Spent>,
    users: BTreeMap<(NaiveDate, String), Spent>,
    /// The secrets of its keys, oldest first.
    keys: Vec<String>,
}

#[derive(Debug)]
struct Key {
    account: String,
    terms: Terms,
    ledger: Ledger,
    is_revoked: bool,
}

/// On what terms a key is made.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What people call it.
    pub name: String,
    /// What it may spend.
    pub limit: Option<NanoUsd>,
    /// When the limit counts anew: `daily`, `weekly`, `monthly`.
    pub limit_reset: Option<&'static str>,
    /// Whether the limit counts what other providers bill.
    pub include_byok_in_limit: bool,
    /// Whether it manages keys and runs nothing.
    pub is_management: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What ran, and what it cost.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// On which model.
    pub model: &'a str,
    /// For which of the platform's users.
    pub user: Option<&'a str>,
    /// What OpenRouter bills.
    pub cost: NanoUsd,
    /// What another provider bills.
    pub byok: NanoUsd,
}

/// A question, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The path below `/api/v1/`.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: &'a str,
    /// The secret in the header.
    pub secret: &'a str,
    /// The body of a `POST`.
    pub body: &'a Value,
}

impl Bank {
    /// Makes an account that bought so much, or adds credit to it.
    pub fn buy(&self, account: &str, amount: NanoUsd) {
        self.lock().accounts.entry(account.to_owned()).or_default().bought += amount;
    }

    /// Makes a key of an account.
    pub fn add_key(&self, account: &str, secret: &str, terms: Terms) {
        let mut inner = self.lock();
        inner.accounts.entry(account.to_owned()).or_default().keys.push(secret.to_owned());
        let key = Key { account: account.to_owned(), terms, ledger: Ledger::default(), is_revoked: false };
        inner.keys.insert(secret.to_owned(), key);
    }

    /// What an account has left.
    #[must_use]
    pub fn balance(&self, account: &str) -> NanoUsd {
        let left = |account: &Account| NanoUsd(account.bought.0.saturating_sub(account.used.0));
        self.lock().accounts.get(account).map_or(NanoUsd::ZERO, left)
    }

    /// Takes a key back.
    pub fn revoke(&self, secret: &str) {
        if let Some(key) = self.lock().keys.get_mut(secret) {
            key.is_revoked = true;
        }
    }

    /// Charges a key. One that nobody made is charged to nobody.
    pub fn charge(&self, secret: &str, charge: &Charge<'_>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(key) = inner.keys.get_mut(secret) else { return };
        let (day, spent) = (charge.at.date_naive(), Spent::once(charge.cost, charge.byok));
        key.ledger.add(day, spent);
        let Some(account) = inner.accounts.get_mut(&key.account) else { return };
        account.used += charge.cost;
        *account.models.entry((day, charge.model.to_owned())).or_default() += spent;
        if let Some(user) = charge.user {
            *account.users.entry((day, user.to_owned())).or_default() += spent;
        }
    }

    /// What OpenRouter answers: a status and a body.
    #[must_use]
    pub fn answer(&self, asked: &Asked<'_>, now: DateTime<Utc>) -> (u16, Value) {
        let inner = self.lock();
        let key = inner.keys.get(asked.secret).filter(|key| key.lives(now));
        let Some(key) = key else { return refusal(401, "User not found.") };
        let Some(account) = inner.accounts.get(&key.account) else { return refusal(500, "Internal Server Error") };
        if matches!(asked.path, "key" | "auth/key") {
            return (200, json!({ "data": key.info(asked.secret, now) }));
        }
        if !key.terms.is_management {
            return refusal(403, "Only management keys can perform this operation");
        }
        match asked.path {
            "credits" => {
                (200, json!({"data": {"total_credits": number(account.bought), "total_usage": number(account.used)}}))
            }
            "workspaces" => (200, json!({ "data": [workspace()], "total_count": 1 })),
            "keys" => (200, json!({ "data": inner.listed(account, asked, now) })),
            "activity" => account.activity(asked, now),
            "analytics/query" => account.report(asked.body),
            _ => refusal(404, "Not Found"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn listed(&self, account: &Account, asked: &Asked<'_>, now: DateTime<Utc>) -> Vec<Value> {
        let offset = asked.parameter("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        if asked.parameter("workspace_id").is_some_and(|id| id != WORKSPACE) {
            return Vec::new();
        }
        let shown = asked.parameter("include_disabled").is_some_and(|shown| shown == "true");
        let keys = account.keys.iter().filter_map(|secret| Some((secret, self.keys.get(secret)?)));
        let keys = keys.filter(|(_, key)| shown || key.lives(now)).skip(offset).take(KEYS_PER_PAGE);
        keys.map(|(secret, key)| key.listed(secret, now)).collect()
    }
}

impl Key {
    fn lives(&self, now: DateTime<Utc>) -> bool {
        !self.is_revoked && self.terms.expires_at.is_none_or(|end| now < end)
    }

    fn left(&self, now: DateTime<Utc>) -> Option<NanoUsd> {
        let spent = self.ledger.within(self.terms.limit_reset.unwrap_or("ever"), now.date_naive());
        let byok = if self.terms.include_byok_in_limit { spent.byok.0 } else { 0 };
        self.terms.limit.map(|limit| NanoUsd(std::cmp::max(limit.0 - spent.cost.0 - byok, 0)))
    }

    /// What both `/key` and `/keys` say.
    fn said(&self, now: DateTime<Utc>) -> Value {
        let [ever, day, week, month] =
            ["ever", "daily", "weekly", "monthly"].map(|window| self.ledger.within(window, now.date_naive()));
        json!({
            "limit": self.terms.limit.map(number),
            "limit_remaining": self.left(now).map(number),
            "limit_reset": self.terms.limit_reset,
            "include_byok_in_limit": self.terms.include_byok_in_limit,
            "usage": number(ever.cost),
            "usage_daily": number(day.cost),
            "usage_weekly": number(week.cost),
            "usage_monthly": number(month.cost),
            "byok_usage": number(ever.byok),
            "byok_usage_daily": number(day.byok),
            "byok_usage_weekly": number(week.byok),
            "byok_usage_monthly": number(month.byok),
            "expires_at": self.terms.expires_at.map(written),
            "creator_user_id": CREATOR,
        })
    }

    fn info(&self, secret: &str, now: DateTime<Utc>) -> Value {
        let mut info = self.said(now);
        info["label"] = shortened(secret).into();
        info["is_free_tier"] = false.into();
        info["is_management_key"] = self.terms.is_management.into();
        info["is_provisioning_key"] = self.terms.is_management.into();
        info["rate_limit"] = json!({"requests": -1, "interval": "10s", "note": "This field is deprecated."});
        info
    }

    fn listed(&self, secret: &str, now: DateTime<Utc>) -> Value {
        let mut listed = self.said(now);
        listed["hash"] = hash(secret).into();
        listed["name"] = self.terms.name.as_str().into();
        listed["label"] = shortened(secret).into();
        listed["disabled"] = self.is_revoked.into();
        listed["created_at"] = written(self.terms.created_at).into();
        listed["updated_at"] = Value::Null;
        listed["workspace_id"] = WORKSPACE.into();
        listed
    }
}

impl Account {
    fn activity(&self, asked: &Asked<'_>, now: DateTime<Utc>) -> (u16, Value) {
        let date = asked.parameter("date").map(|date| date.parse::<NaiveDate>());
        let Some(date) = date.transpose().ok() else { return refusal(400, "Invalid date format") };
        let rows = self.models.iter().filter(|((day, _), _)| {
            *day < now.date_naive() && date.map_or((now.date_naive() - *day).num_days() <= 30, |date| *day == date)
        });
        let rows: Vec<Value> = rows.map(|((day, model), spent)| spent.activity(*day, model)).collect();
        (200, json!({ "data": rows }))
    }

    /// Reports by the platform's own users are what there is.
    fn report(&self, body: &Value) -> (u16, Value) {
        let day = |name: &str| body["time_range"][name].as_str().and_then(|at| at.get(..10)?.parse::<NaiveDate>().ok());
        let (Some(from), Some(until)) = (day("start"), day("end")) else { return refusal(400, "Invalid time range") };
        if body["dimensions"] != json!(["external_user"]) {
            return refusal(400, "Unknown dimension");
        }
        let mut sums = BTreeMap::<&str, Spent>::new();
        for ((_, user), spent) in self.users.iter().filter(|((day, _), _)| (from..until).contains(day)) {
            *sums.entry(user).or_default() += *spent;
        }
        let rows: Vec<Value> = sums.into_iter().map(|(user, spent)| spent.reported(user)).collect();
        let metadata = json!({"query_time_ms": 4.2, "row_count": rows.len(), "truncated": false});
        (200, json!({ "data": { "data": rows, "metadata": metadata } }))
    }
}

impl Asked<'_> {
    fn parameter(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What an error looks like.
fn refusal(status: u16, message: &str) -> (u16, Value) {
    (status, json!({ "error": { "code": status, "message": message } }))
}

fn workspace() -> Value {
    json!({
        "id": WORKSPACE, "name": "Default", "slug": "default", "description": null, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": null, "created_by": CREATOR, "default_guardrail_id": null, "default_image_model": null,
        "default_provider_sort": null, "default_text_model": null, "include_byok_in_budgets": false,
        "io_logging_api_key_ids": null, "io_logging_sampling_rate": 1, "is_data_discount_logging_enabled": false,
        "is_observability_broadcast_enabled": false, "is_observability_io_logging_enabled": false,
    })
}

/// Dollars as a JSON number, with the digits that they have.
fn number(amount: NanoUsd) -> Value {
    serde_json::from_str(&amount.to_string()).unwrap_or_default()
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `sk-or-v1-au7...890`
fn shortened(secret: &str) -> String {
    let end = secret.len().saturating_sub(3);
    format!("{}...{}", secret.get(..12).unwrap_or(secret), secret.get(end..).unwrap_or_default())
}

/// What OpenRouter calls a key by: the SHA-256 of its secret.
fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{Credits, KeyInfo};

    #[test]
    fn what_is_spent_on_a_key_is_what_everybody_says() {
        let bank = Bank::default();
        let (monday, tuesday) = ("2026-06-08T10:00:00Z".parse().unwrap(), "2026-06-09T10:00:00Z".parse().unwrap());
        bank.buy("them", NanoUsd::dollars(20));
        let limited = Terms {
            limit: Some(NanoUsd::dollars(5)),
            limit_reset: Some("daily"),
            include_byok_in_limit: true,
            ..Terms::default()
        };
        bank.add_key("them", "sk-or-v1-one", limited);
        bank.add_key("them", "sk-or-v1-management", Terms { is_management: true, ..Terms::default() });
        for at in [monday, tuesday] {
            let (cost, byok) = (NanoUsd::dollars(2), NanoUsd::dollars(1));
            bank.charge("sk-or-v1-one", &Charge { at, model: "a/b", user: Some("u-1"), cost, byok });
        }
        let ask = |path, secret, body: &Value| bank.answer(&Asked { path, query: "", secret, body }, tuesday);
        let (status, said) = ask("key", "sk-or-v1-one", &Value::Null);
        let key = KeyInfo::parse(said.to_string().as_bytes()).unwrap();
        assert_eq!(
            (status, key.usage.total, key.usage.daily),
            (200, Some(NanoUsd::dollars(4)), Some(NanoUsd::dollars(2)))
        );
        assert_eq!(key.limit_remaining, Some(NanoUsd::dollars(2)));
        let (_, said) = ask("credits", "sk-or-v1-management", &Value::Null);
        assert_eq!(Credits::parse(said.to_string().as_bytes()).unwrap().balance(), Some(NanoUsd::dollars(16)));
        assert_eq!(ask("credits", "sk-or-v1-one", &Value::Null).0, 403);
        let (_, activity) = ask("activity", "sk-or-v1-management", &Value::Null);
        assert_eq!((activity["data"].as_array().unwrap().len(), &activity["data"][0]["usage"]), (1, &json!(2)));
        let range = json!({"dimensions": ["external_user"], "time_range": {"start": monday, "end": tuesday}});
        let (_, report) = ask("analytics/query", "sk-or-v1-management", &range);
        assert_eq!(report["data"]["data"], json!([{"external_user": "u-1", "total_usage": 2, "request_count": "1"}]));
        bank.revoke("sk-or-v1-one");
        assert_eq!(ask("key", "sk-or-v1-one", &Value::Null).0, 401);
        assert_eq!(ask("keys", "sk-or-v1-management", &Value::Null).1["data"].as_array().unwrap().len(), 1);
    }
}
