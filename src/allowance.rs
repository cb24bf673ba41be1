//! What a user may still spend: asked before each run, so it is at hand for a second at a time.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::domain::directory::User;
use crate::domain::money::NanoUsd;
use crate::domain::period::{Period, day_in};
use crate::domain::rollup::{Measures, quarter_of};
use crate::job::Context;
use crate::spend;
use crate::store::accounts::{self, Account};
use crate::store::rollups::Group;
use crate::store::{self, Tx, directory, names, polls};

/// How long an answer is good for. An execution counts in it a second after it was taken at the latest, whichever
/// replica took it.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Answers that are kept; beyond that all are forgotten and read anew.
const KEPT_MAX: usize = 50_000;
/// The share of a cap, in percent, from which on is warned.
const WARN_PERCENT: i64 = 80;
/// The share of an hour's executions that ended in 429, in percent, from which on is warned, and of how many at least.
const LIMITED_PERCENT: i64 = 10;
const LIMITED_OF_MIN: i64 = 20;
/// Quarters of the last hour, the current one included.
const HOUR_QUARTERS: i64 = 4;

/// Answers at hand.
#[derive(Debug, Default)]
pub struct Allowances(RwLock<HashMap<String, (Instant, Arc<str>)>>);

impl Allowances {
    /// What a user may still spend, as JSON; `None` for one whom nobody knows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(&self, context: &Context, user: &str) -> store::Result<Option<Arc<str>>> {
        if let Some((read_at, answer)) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(user)
            && read_at.elapsed() < FRESH_FOR
        {
            return Ok(Some(Arc::clone(answer)));
        }
        let read_at = Instant::now();
        let mut tx = context.db.read().await?;
        let Some(facts) = Facts::read(&mut tx, user, context.now()).await? else { return Ok(None) };
        drop(tx);
        let answer: Arc<str> = facts.answer().to_string().into();
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(user.to_owned(), (read_at, Arc::clone(&answer)));
        Ok(Some(answer))
    }
}

/// What the answer is made of.
#[derive(Clone, Debug, Default)]
struct Facts {
    user: User,
    today: Measures,
    month: Measures,
    hour: Measures,
    /// Executions on free models today, in UTC, as OpenRouter counts them.
    free_today: i64,
    /// What is known of the user's credit.
    account: Option<Account>,
    /// Requests to free models that their account made today and may make, as OpenRouter says.
    free: Option<(i64, i64)>,
}

impl Facts {
    async fn read(tx: &mut Tx, id: &str, now: DateTime<Utc>) -> store::Result<Option<Self>> {
        let Some(user) = directory::user(tx, id).await? else { return Ok(None) };
        let (account, free_requests) = (accounts::get(tx, id).await?, free_requests(tx, id, now).await?);
        let Some(number) = names::find(tx, id).await? else {
            return Ok(Some(Self { user, account, free: free_requests, ..Self::default() }));
        };
        let zone = user.timezone.unwrap_or(Tz::UTC);
        let today = day_in(now, zone);
        let quarter = quarter_of(now);
        let hour = Period { from: quarter + 1 - HOUR_QUARTERS, until: quarter + 1 };
        let facts = Self {
            today: total(tx, Period::day(today, zone), number).await?,
            month: total(tx, month_of(today, zone), number).await?,
            hour: total(tx, hour, number).await?,
            free_today: free(tx, Period::day(day_in(now, Tz::UTC), Tz::UTC), number).await?,
            account,
            free: free_requests,
            user,
        };
        Ok(Some(facts))
    }

    fn answer(&self) -> Value {
        let (mut denied, mut warned) = (Vec::new(), Vec::new());
        let today = Cap::new("today", "daily", self.today.spent(), self.user.daily_limit_usd);
        let month = Cap::new("this month", "monthly", self.month.spent(), self.user.monthly_limit_usd);
        for cap in [&today, &month] {
            cap.judge(&mut denied, &mut warned);
        }
        let limited = self.hour.rate_limited();
        if self.hour.executions >= LIMITED_OF_MIN && limited * 100 > self.hour.executions * LIMITED_PERCENT {
            warned.push(format!("{limited} of {} executions in the last hour ended in 429", self.hour.executions));
        }
        // What was read may be some minutes old: whoever topped up since is not to be denied.
        if let Some(account) = self.account.as_ref().filter(|account| !account.left.is_positive()) {
            warned.push(format!("the balance was used up at {}", written(account.at)));
        }
        let verdict = match (denied.is_empty(), warned.is_empty()) {
            (false, _) => "deny",
            (true, false) => "warn",
            (true, true) => "allow",
        };
        let reasons: Vec<String> = denied.into_iter().chain(warned).collect();
        json!({
            "user": self.user.id,
            "verdict": verdict,
            "reasons": reasons,
            "today": today.json(),
            "month": month.json(),
            "balance_usd": self.account.as_ref().map(|account| account.left.to_string()),
            "balance_at": self.account.as_ref().map(|account| written(account.at)),
            "sufficient_for_executions": self.sufficient_for(&today, &month),
            "free_model_requests": {
                "used_today": self.free.map_or(self.free_today, |(used, _)| std::cmp::max(used, self.free_today)),
                "limit": self.free.map(|(_, limit)| limit),
                "left": self.free.map(|(used, limit)| std::cmp::max(limit - std::cmp::max(used, self.free_today), 0)),
            },
            "last_hour": {
                "executions": self.hour.executions,
                "rate_limited": { "account": self.hour.limited_account, "upstream": self.hour.limited_upstream, "free_tier": self.hour.limited_free },
                "out_of_credit": self.hour.out_of_credit,
            },
        })
    }

    /// How many executions of this month's mean cost the nearest of the caps and the balance leaves room for.
    fn sufficient_for(&self, today: &Cap, month: &Cap) -> Option<i64> {
        let balance = self.account.as_ref().map(|account| std::cmp::max(account.left, NanoUsd::ZERO));
        let left = [today.left(), month.left(), balance].into_iter().flatten().min()?;
        let priced = self.month.executions - self.month.unpriced;
        let mean = self.month.cost.checked_div(priced)?;
        (mean > 0).then(|| left.0 / mean)
    }
}

/// A cap and what was spent of it.
struct Cap {
    when: &'static str,
    name: &'static str,
    spent: NanoUsd,
    limit: Option<NanoUsd>,
}

impl Cap {
    fn new(when: &'static str, name: &'static str, spent: NanoUsd, limit: Option<rust_decimal::Decimal>) -> Self {
        Self { when, name, spent, limit: limit.and_then(NanoUsd::from_decimal) }
    }

    fn left(&self) -> Option<NanoUsd> {
        self.limit.map(|limit| NanoUsd(std::cmp::max(limit.0.saturating_sub(self.spent.0), 0)))
    }

    fn judge(&self, denied: &mut Vec<String>, warned: &mut Vec<String>) {
        let Some(limit) = self.limit else { return };
        let reason = || format!("${} of the {} cap of ${limit} are spent {}", self.spent, self.name, self.when);
        if self.spent >= limit {
            denied.push(reason());
        } else if i128::from(self.spent.0) * 100 >= i128::from(limit.0) * i128::from(WARN_PERCENT) {
            warned.push(reason());
        }
    }

    fn json(&self) -> Value {
        let shown = |amount: Option<NanoUsd>| amount.map(|amount| amount.to_string());
        json!({ "spent_usd": self.spent.to_string(), "limit_usd": shown(self.limit), "left_usd": shown(self.left()) })
    }
}

async fn total(tx: &mut Tx, period: Period, user: i64) -> store::Result<Measures> {
    let sums = spend::sum(tx, period, Some(user), Group::Provider).await?;
    let mut total = Measures::default();
    for sums in sums.into_values() {
        total += sums;
    }
    Ok(total)
}

/// Executions on `:free` models.
async fn free(tx: &mut Tx, period: Period, user: i64) -> store::Result<i64> {
    let sums = spend::sum(tx, period, Some(user), Group::Model).await?;
    let numbers: Vec<i64> = sums.keys().copied().collect();
    let texts = store::rollups::texts(tx, &numbers).await?;
    let is_free = |number: &i64| texts.get(number).is_some_and(|model| model.ends_with(":free"));
    Ok(sums.iter().filter(|(number, _)| is_free(number)).map(|(_, sums)| sums.executions).sum())
}

/// What OpenRouter said today of the account's requests to free models.
async fn free_requests(tx: &mut Tx, user: &str, now: DateTime<Utc>) -> store::Result<Option<(i64, i64)>> {
    let today = |at: DateTime<Utc>| at.date_naive() == now.date_naive();
    let keys = polls::of(tx, user).await?;
    let said = keys.iter().filter(|key| key.state.answered_at.is_some_and(today));
    Ok(said.filter_map(|key| key.state.free).max())
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The month of a day, to the end of that day.
fn month_of(day: NaiveDate, zone: Tz) -> Period {
    let first = day.with_day(1).unwrap_or(day);
    Period { from: Period::day(first, zone).from, until: Period::day(day, zone).until }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(spent: i64, limit: i64) -> Facts {
        let sums = Measures { executions: 10, cost: spent * 1_000_000_000, ..Measures::default() };
        let user = User { id: "u".to_owned(), daily_limit_usd: Some(limit.into()), ..User::default() };
        Facts { user, today: sums, month: sums, ..Facts::default() }
    }

    #[test]
    fn a_cap_warns_and_then_denies() {
        let check = |spent, verdict: &str, left: &str| {
            let answer = facts(spent, 10).answer();
            assert_eq!((answer["verdict"].as_str(), answer["today"]["left_usd"].as_str()), (Some(verdict), Some(left)));
        };
        check(7, "allow", "3");
        check(8, "warn", "2");
        check(10, "deny", "0");
        check(12, "deny", "0");
    }

    #[test]
    fn what_is_left_is_told_in_executions() {
        assert_eq!(facts(5, 10).answer()["sufficient_for_executions"], 10);
        assert_eq!(facts(0, 10).answer()["sufficient_for_executions"], Value::Null);
    }

    #[test]
    fn a_balance_is_told_and_warned_of_when_it_is_used_up() {
        let with = |left: i64| {
            let account = Account {
                account: "u".to_owned(),
                source: accounts::Source::Credits,
                at: DateTime::UNIX_EPOCH,
                left: NanoUsd::dollars(left),
                purse: None,
                runway_s: None,
            };
            Facts { account: Some(account), free: Some((52, 50)), ..facts(5, 100) }.answer()
        };
        let answer = with(3);
        assert_eq!((&answer["verdict"], &answer["balance_usd"]), (&json!("allow"), &json!("3")));
        assert_eq!(answer["sufficient_for_executions"], 6, "at half a dollar each");
        assert_eq!(answer["free_model_requests"], json!({"used_today": 52, "limit": 50, "left": 0}));
        let answer = with(-1);
        assert_eq!((&answer["verdict"], &answer["sufficient_for_executions"]), (&json!("warn"), &json!(0)));
    }

    #[test]
    fn a_storm_of_429_is_a_warning() {
        let mut facts = facts(1, 10);
        facts.hour = Measures { executions: 20, limited_upstream: 3, ..Measures::default() };
        assert_eq!(facts.answer()["verdict"], "warn");
        facts.hour.executions = 19;
        assert_eq!(facts.answer()["verdict"], "allow");
    }

    #[test]
    fn a_month_ends_with_today() {
        let period = month_of("2026-11-02".parse().unwrap(), Tz::UTC);
        assert_eq!(period.until - period.from, 2 * 96);
    }
}
