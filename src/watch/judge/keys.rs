//! Keys that spend what nothing explains, that are old or refused; and accounts of which too little is recorded.

use chrono::{Days, NaiveTime, TimeDelta};

use super::{Judge, plain};
use crate::domain::alert::{Rule, Subject};
use crate::domain::finding::Finding;
use crate::domain::key::{KeyStatus, Slot};
use crate::domain::rule::keys as rule;
use crate::store::accounts::Capture;
use crate::store::polls::Poll;
use crate::store::{self, accounts, keys, polls};

/// A day of an account is judged until the next one is known, or so many days after.
const CAPTURE_DAYS: u64 = 2;

impl Judge<'_> {
    /// What the answers of keys, their age, and the days of accounts tell.
    pub(super) async fn keys(&mut self) -> store::Result<()> {
        for poll in polls::notable(&mut self.tx).await? {
            let found = self.of_poll(&poll);
            self.found.extend(found.into_iter().flatten().map(plain));
        }
        self.ages().await?;
        self.captures().await
    }

    fn of_poll(&self, Poll { user, label, state, .. }: &Poll) -> [Option<Finding>; 3] {
        let slot = Slot { user, label };
        let unexplained = state.unexplained.as_ref();
        let unaccounted = self.rules.on(Rule::UnaccountedSpend).zip(unexplained);
        let dormant = self.rules.on(Rule::DormantKeyUsed).zip(state.woke.as_ref()).zip(state.usage);
        let refused = self.rules.on(Rule::KeyRefused).filter(|_| state.is_refused);
        [
            unaccounted.map(|(settings, found)| rule::unaccounted(settings, slot, found)),
            dormant.and_then(|((settings, woke), usage)| rule::dormant(settings, slot, woke, usage)),
            refused.and_then(|settings| rule::refused(settings, slot, state.refusals, state.refused_at)),
        ]
    }

    async fn ages(&mut self) -> store::Result<()> {
        let (now, Some(settings)) = (self.picture.now, self.rules.on(Rule::KeyOld)) else { return Ok(()) };
        let old = TimeDelta::seconds(whole(settings.threshold * 86_400.0)) - TimeDelta::days(rule::AGE_NOTICE_DAYS);
        let soon = TimeDelta::days(rule::EXPIRY_DAYS[0]);
        for key in keys::ageing(&mut self.tx, now - old, now + soon).await? {
            if key.status == KeyStatus::Refused {
                continue;
            }
            let (slot, age) = (Slot { user: &key.user, label: &key.label }, now - key.replaced_at);
            self.found.extend(rule::old(settings, slot, age).map(plain));
            let left = key.expires_at.map(|end| end - now);
            self.found.extend(left.and_then(|left| rule::expiring(settings, slot, age, left)).map(plain));
        }
        Ok(())
    }

    async fn captures(&mut self) -> store::Result<()> {
        let Some(settings) = self.rules.on(Rule::CaptureDrift) else { return Ok(()) };
        let today = self.picture.now.date_naive();
        let since = today.checked_sub_days(Days::new(CAPTURE_DAYS)).unwrap_or(today);
        for Capture { account, day, recorded, charged } in accounts::captures_since(&mut self.tx, since).await? {
            let is_platform = account.is_empty();
            let subject =
                if is_platform { Subject::Account(Subject::PLATFORM.to_owned()) } else { Subject::User(account) };
            let day = day.and_time(NaiveTime::MIN).and_utc();
            self.found.extend(rule::drift(settings, subject, recorded, charged, day).map(plain));
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of some months")]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}
