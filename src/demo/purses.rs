//! Who pays in the demo: a few users have keys and accounts of their own at the simulated OpenRouter, all others run on
//! the platform's. What ran is charged; and some of what can go wrong does.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use secrecy::SecretString;

use super::bank::{Bank, Charge, Terms};
use super::platform::user_id;
use crate::domain::execution::Execution;
use crate::domain::key::{Access, Purpose, Slot};
use crate::domain::money::NanoUsd;
use crate::domain::provider::Provider;
use crate::job::Context;

/// The management key of the platform's own account.
pub(super) const MANAGEMENT_KEY: &str = "sk-or-v1-demo-management-key-of-the-platform";
/// The platform's account, and the key that its users run on.
const PLATFORM: &str = "platform";
const PLATFORM_KEY: &str = "sk-or-v1-demo-key-of-the-platform";
/// Users who have a key of their own: every fifteenth of the first hundred and twenty.
const OWN_KEYS: usize = 8;
const OWN_EVERY: usize = 15;
/// Who never tops up in time, whose key somebody else uses, and whose key is taken back: places among those.
const CARELESS: usize = 1;
const LEAKED: usize = 3;
const REVOKED: usize = 5;
/// Whoever has less than this adds so much, but for the careless.
const LOW: NanoUsd = NanoUsd::dollars(6);
const TOP_UP: NanoUsd = NanoUsd::dollars(10);
/// What the platform adds, and from when on.
const PLATFORM_LOW: NanoUsd = NanoUsd::dollars(100);
const PLATFORM_TOP_UP: NanoUsd = NanoUsd::dollars(600);
/// What the leaked key spends an hour that nobody reports.
const LEAK: NanoUsd = NanoUsd(700_000_000);
const LEAK_LASTS: TimeDelta = TimeDelta::hours(30);

/// The accounts, and what becomes of them.
#[derive(Debug)]
pub(super) struct Purses {
    bank: Arc<Bank>,
    /// When the leaked key leaks, and the revoked one is revoked.
    leaks_at: DateTime<Utc>,
    revoked_at: DateTime<Utc>,
}

impl Purses {
    /// Of days from one time to another.
    pub(super) fn new(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let bank = Arc::new(Bank::default());
        bank.buy(PLATFORM, PLATFORM_TOP_UP);
        bank.add_key(PLATFORM, MANAGEMENT_KEY, Terms { is_management: true, created_at: from, ..Terms::default() });
        bank.add_key(
            PLATFORM,
            PLATFORM_KEY,
            Terms { name: "Production".to_owned(), created_at: from, ..Terms::default() },
        );
        for place in 0..OWN_KEYS {
            let user = owner(place);
            bank.buy(&user, if place == CARELESS { LOW } else { TOP_UP });
            let terms = Terms { name: "default".to_owned(), created_at: from, ..Terms::default() };
            bank.add_key(&user, &secret(&user, "default"), terms);
            let terms = Terms { is_management: true, created_at: from, ..Terms::default() };
            bank.add_key(&user, &secret(&user, "account"), terms);
        }
        let lasts = until - from;
        Self { bank, leaks_at: from + lasts * 6 / 10, revoked_at: from + lasts * 8 / 10 }
    }

    /// What the simulated OpenRouter answers by.
    pub(super) fn bank(&self) -> Arc<Bank> {
        Arc::clone(&self.bank)
    }

    /// The users hand their keys to the daemon.
    pub(super) async fn store_keys(&self, context: &Context) -> anyhow::Result<()> {
        let access = Access { purpose: Purpose::Store, who: "demo" };
        let mut tx = context.db.write().await?;
        for user in (0..OWN_KEYS).map(owner) {
            for label in ["default", "account"] {
                let (slot, key) = (Slot { user: &user, label }, SecretString::from(secret(&user, label)));
                context.vault.put(&mut tx, slot, &key, access, context.now()).await.context("the vault of the demo")?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Charges what ran, and lets happen what happens from one time to another.
    pub(super) fn go_on(&self, ran: &[Execution], from: DateTime<Utc>, until: DateTime<Utc>) {
        for execution in ran.iter().filter(|execution| execution.provider == Provider::Openrouter) {
            let Some(cost) = execution.usage.cost.filter(|cost| cost.is_positive()) else { continue };
            let own = (0..OWN_KEYS).any(|place| owner(place) == execution.user);
            let key = if own { secret(&execution.user, "default") } else { PLATFORM_KEY.to_owned() };
            let (model, user) = (execution.model.as_str(), Some(execution.user.as_str()));
            self.bank.charge(&key, &Charge { at: execution.at, model, user, cost, byok: NanoUsd::ZERO });
        }
        self.leak(from, until);
        if (from..until).contains(&self.revoked_at) {
            self.bank.revoke(&secret(&owner(REVOKED), "default"));
        }
        for user in (0..OWN_KEYS).filter(|place| *place != CARELESS).map(owner) {
            self.top_up(&user, LOW, TOP_UP);
        }
        // Who is careless adds credit only once nothing is left.
        self.top_up(&owner(CARELESS), NanoUsd::ZERO, TOP_UP);
        self.top_up(PLATFORM, PLATFORM_LOW, PLATFORM_TOP_UP);
    }

    /// Somebody else uses a key, every hour for a while.
    fn leak(&self, from: DateTime<Utc>, until: DateTime<Utc>) {
        let Ok(mut hour) = from.duration_trunc(TimeDelta::hours(1)) else { return };
        while hour < until {
            if hour >= from && (self.leaks_at..self.leaks_at + LEAK_LASTS).contains(&hour) {
                let charge =
                    Charge { at: hour, model: "openai/gpt-oss-120b", user: None, cost: LEAK, byok: NanoUsd::ZERO };
                self.bank.charge(&secret(&owner(LEAKED), "default"), &charge);
            }
            hour += TimeDelta::hours(1);
        }
    }

    fn top_up(&self, account: &str, low: NanoUsd, amount: NanoUsd) {
        while self.bank.balance(account) <= low {
            self.bank.buy(account, amount);
        }
    }
}

fn owner(place: usize) -> String {
    user_id((place + 1) * OWN_EVERY)
}

fn secret(user: &str, label: &str) -> String {
    format!("sk-or-v1-demo-{user}-{label}-0123456789abcdef")
}
