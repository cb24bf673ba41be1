//! What OpenRouter offered in place of models that it refused.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Result, Tx, json, on};
use crate::domain::model_id::ModelId;

/// What was offered longer ago may be gone itself.
const GOOD_FOR: TimeDelta = TimeDelta::days(30);

/// Keeps what was offered last.
///
/// # Errors
/// When the database fails.
pub async fn put(tx: &mut Tx, offers: &BTreeMap<ModelId, Vec<String>>, now: DateTime<Utc>) -> Result<()> {
    const SQL: &str = "INSERT INTO offered_models (model_id, models, at) VALUES ($1, $2, $3) \
        ON CONFLICT (model_id) DO UPDATE SET models = excluded.models, at = excluded.at";
    for (model, offered) in offers {
        let offered = serde_json::to_string(offered).unwrap_or_default();
        on!(tx, |conn| {
            let query = sqlx::query(SQL).bind(model.as_str()).bind(&offered);
            query.bind(now.timestamp_micros()).execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// What was offered lately, by model.
///
/// # Errors
/// When the database fails or holds what cannot be read.
pub async fn recent(tx: &mut Tx, now: DateTime<Utc>) -> Result<BTreeMap<ModelId, Vec<String>>> {
    const SQL: &str = "SELECT model_id, models FROM offered_models WHERE at >= $1";
    let since = (now - GOOD_FOR).timestamp_micros();
    let rows: Vec<(String, String)> = on!(tx, |conn| sqlx::query_as(SQL).bind(since).fetch_all(conn).await)?;
    let offer =
        |(model, offered): (String, String)| Ok((ModelId::new(model), json("offered_models.models", &offered)?));
    rows.into_iter().map(offer).collect()
}
