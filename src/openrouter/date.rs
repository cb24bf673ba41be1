//! What time it is at OpenRouter.

use chrono::{DateTime, Utc};
use reqwest::header::DATE;

use super::{Client, Error};

impl Client {
    /// The time by the `Date` of an answer, to the second; whatever the answer is. `None` when it says none.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn date(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let Self::Live(live) = self else { return Ok(None) };
        // Without a key it is refused in a few bytes.
        let url = live.base.join("key").map_err(|error| live.unusable(&error.to_string()))?;
        let answer = live.http.get(url).send().await.map_err(|error| live.failure(&error))?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.with_timezone(&Utc)))
    }
}
