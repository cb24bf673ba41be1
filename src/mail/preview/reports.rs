//! Sample weeks: of a user, and of a platform.

use chrono::{DateTime, Utc};

use super::alerts;
use crate::domain::money::NanoUsd;
use crate::domain::rollup::Measures;
use crate::domain::week::Week;
use crate::mail::admin::Desk;
use crate::mail::render::Error;
use crate::mail::report::{ADMINS, Platform, Told, TopUser, USERS, to_admins, to_user};
use crate::store::outbox::Mail;
use crate::store::told::Recipient;

/// The names of these mails.
pub const NAMES: [&str; 2] = [USERS, ADMINS];

const CENT: i64 = 10_000_000;

/// Renders both.
pub(super) fn all(desk: &Desk<'_>, to: &Recipient, now: DateTime<Utc>) -> Result<Vec<(String, Mail)>, Error> {
    let (week, names) = (Week::before(now), alerts::names());
    let user = to_user(desk.renderer, desk.sender, to, week, &told(1), &names)?;
    let admins = to_admins(desk, week, &Told { resources: Vec::new(), ..told(31) }, &platform(), &names)?;
    let mails = std::iter::once((USERS.to_owned(), user));
    Ok(mails.chain(admins.into_iter().map(|mail| (ADMINS.to_owned(), mail))).collect())
}

/// A week of a user; of a platform it is so many times as much.
fn told(factor: i64) -> Told {
    let days = [610, 742, 598, 1_240, 655, 92, 0].map(|cents| NanoUsd(cents * factor * CENT));
    let part = |name: &str, cents: i64, executions: i64, failed: i64| {
        let sums = Measures { upstream_failures: failed * factor, ..sums(cents * factor, executions * factor) };
        (name.to_owned(), sums)
    };
    Told {
        days,
        sums: Measures {
            limited_upstream: 9 * factor,
            unavailable: 3 * factor,
            charged_failures: 2 * factor,
            charged_failure_cost: 31 * factor * CENT,
            estimated_cost: 118 * factor * CENT,
            unpriced: factor / 10,
            ..sums(3_937 * factor, 412 * factor)
        },
        before: sums(3_510 * factor, 388 * factor),
        models: vec![part("halcyon/lumen-3", 3_100, 290, 8), part("halcyon/lumen-3-mini", 837, 122, 4)],
        resources: vec![part("r-101", 2_705, 250, 10), part("r-102", 1_232, 162, 2)],
    }
}

fn sums(cents: i64, executions: i64) -> Measures {
    Measures { cost: cents * CENT, executions, ..Measures::default() }
}

fn platform() -> Platform {
    let user = |id: &str, spent: i64, month: i64, paid: Option<i64>| TopUser {
        id: id.to_owned(),
        spent: NanoUsd(spent * CENT),
        month: NanoUsd(month * CENT),
        paid: paid.map(|paid| NanoUsd(paid * CENT)),
    };
    Platform {
        active: 112,
        active_before: 104,
        dear: 9,
        users: vec![
            user("u-017", 9_120, 11_204, Some(10_000)),
            user("u-003", 7_410, 7_733, Some(15_000)),
            user("u-251", 5_002, 5_120, None),
        ],
        month: NanoUsd(131_040 * CENT),
        projected: NanoUsd(522_300 * CENT),
        paid: NanoUsd(560_000 * CENT),
    }
}
