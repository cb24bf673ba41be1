//! What accounts have left and how much of their spend was recorded: read beside the scrapes, like what users spend.

use chrono::{DateTime, Days, Utc};

use crate::domain::money::NanoUsd;
use crate::job::Context;
use crate::metrics::{ACCOUNT_SERIES_MAX, KEY_AGES, OTHER, PLATFORM, dollars};
use crate::store::accounts::{self, Account, Capture};
use crate::store::{self, Tx, keys};

/// A day of an account is shown until the next one is known, or so many days after.
const CAPTURE_DAYS: u64 = 2;
/// Days at which a key's age is another one: see [`KEY_AGES`].
const AGE_DAYS: [i64; 2] = [75, 90];

pub(super) async fn read(context: &Context, tx: &mut Tx) -> store::Result<()> {
    let now = context.now();
    let metrics = &context.metrics.credit;
    let limit = i64::try_from(ACCOUNT_SERIES_MAX).unwrap_or(i64::MAX);
    let (lowest, mut rest) = accounts::lowest(tx, limit).await?;
    let platform = accounts::get(tx, "").await?;
    let since = now.date_naive().checked_sub_days(Days::new(CAPTURE_DAYS)).unwrap_or_default();
    let captures = accounts::captures_since(tx, since).await?;
    let ages = keys::count_by_age(tx, AGE_DAYS.map(|days| now - chrono::TimeDelta::days(days))).await?;
    metrics.begin_anew();
    if let Some(platform) = &platform {
        set(context, PLATFORM, platform, now);
    }
    for account in &lowest {
        // Whoever is called as the rest or as the platform is part of the rest.
        if [OTHER, PLATFORM].contains(&account.account.as_str()) {
            rest += account.left;
        } else {
            set(context, &account.account, account, now);
        }
    }
    metrics.balance.with_label_values(&[OTHER]).set(dollars(rest));
    capture(context, captures);
    for (age, count) in KEY_AGES.iter().zip(ages) {
        metrics.keys.with_label_values(&[age]).set(count);
    }
    Ok(())
}

fn set(context: &Context, label: &str, account: &Account, now: DateTime<Utc>) {
    let metrics = &context.metrics.credit;
    metrics.balance.with_label_values(&[label]).set(dollars(account.left));
    let passed = (now - account.at).num_seconds();
    let lasts = account.runway_s.map_or(f64::INFINITY, |runway| seconds(std::cmp::max(runway - passed, 0)));
    metrics.runway.with_label_values(&[label]).set(lasts);
}

fn capture(context: &Context, captures: Vec<Capture>) {
    let mut ratios: Vec<(String, f64)> = captures.into_iter().filter_map(ratio).collect();
    let far = |ratio: f64| (ratio - 1.0).abs();
    ratios.sort_by(|a, b| {
        (b.0.is_empty(), far(b.1)).partial_cmp(&(a.0.is_empty(), far(a.1))).unwrap_or(std::cmp::Ordering::Equal)
    });
    ratios.truncate(ACCOUNT_SERIES_MAX);
    for (account, ratio) in ratios.iter().filter(|(account, _)| account != PLATFORM) {
        let label = if account.is_empty() { PLATFORM } else { account };
        context.metrics.credit.capture.with_label_values(&[label]).set(*ratio);
    }
}

fn ratio(capture: Capture) -> Option<(String, f64)> {
    let charged = capture.charged > NanoUsd::ZERO;
    charged.then(|| (capture.account, dollars(capture.recorded) / dollars(capture.charged)))
}

#[expect(clippy::cast_precision_loss, reason = "seconds of some months")]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}
