//! Balances as a platform tells them: rows of `replay --balances` and of `POST /v1/balances`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::directory::lenient;
use crate::domain::execution::is_keepable;
use crate::domain::money::NanoUsd;
use crate::store::accounts::{self, Source};
use crate::store::balances::Reading;
use crate::store::{self, Db};

/// Clocks differ; what is further ahead than this is an error.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(10);
/// Readings that are kept in one transaction.
const PER_TRANSACTION: usize = 500;

/// Reads a row: when, whose (nobody's is the platform's own account), and how much is left.
///
/// # Errors
/// Why it cannot be used.
pub fn parse(line: &str) -> Result<Reading, String> {
    #[derive(Deserialize)]
    struct Row {
        at: DateTime<Utc>,
        #[serde(default, deserialize_with = "lenient::id_or_none")]
        user: Option<String>,
        balance_usd: Value,
    }
    let row: Row = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let left = NanoUsd::from_json(&row.balance_usd)
        .ok_or_else(|| format!("balance_usd: {} is not an amount of dollars", row.balance_usd))?;
    let account = row.user.unwrap_or_default();
    if !account.is_empty() && !is_keepable(&account) {
        return Err("user is blank, too long, or has control characters".to_owned());
    }
    Ok(Reading { account, at: row.at, left })
}

/// Reads a row that is told now: nobody knows what will be left.
///
/// # Errors
/// Why it cannot be used.
pub fn parse_now(line: &str, now: DateTime<Utc>) -> Result<Reading, String> {
    let reading = parse(line)?;
    if reading.at > now + AHEAD_MAX {
        return Err(format!("at: {} is yet to come", reading.at));
    }
    if reading.at < DateTime::UNIX_EPOCH {
        return Err(format!("at: {} is before 1970", reading.at));
    }
    Ok(reading)
}

/// Keeps what a platform told.
///
/// # Errors
/// When the store fails; what was kept so far is kept.
pub async fn keep(db: &Db, readings: &[Reading]) -> store::Result<()> {
    for readings in readings.chunks(PER_TRANSACTION) {
        let mut tx = db.write().await?;
        for reading in readings {
            accounts::read(&mut tx, reading, Source::Platform, None).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_when_whose_and_how_much() {
        let now: DateTime<Utc> = "2026-06-08T12:00:00Z".parse().unwrap();
        let check = |line: &str| parse_now(line, now);
        let reading = check(r#"{"at":"2026-06-08T11:59:00Z","user":"u","balance_usd":"-0.5"}"#).unwrap();
        assert_eq!((reading.account.as_str(), reading.left), ("u", NanoUsd(-500_000_000)));
        assert_eq!(check(r#"{"at":"2026-06-08T11:59:00Z","balance_usd":12}"#).unwrap().account, "");
        assert_eq!(check(r#"{"at":"2026-06-08T11:59:00Z","user":7,"balance_usd":12}"#).unwrap().account, "7");
        for wrong in [
            "{}",
            r#"{"at":"2026-06-08T11:59:00Z","balance_usd":null}"#,
            r#"{"at":"2026-06-08T12:11:00Z","balance_usd":1}"#,
            r#"{"at":"1960-06-08T12:11:00Z","balance_usd":1}"#,
            r#"{"at":"2026-06-08T11:59:00Z","user":" ","balance_usd":1}"#,
            r#"{"at":"soon","balance_usd":1}"#,
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
