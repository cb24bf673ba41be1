//! What a mail says of one item: in its headline, in its table, and to those who ask why it was told.

use chrono::{DateTime, Utc};

use super::vendor::{told_end, vendors_facts};
use super::{Fact, Item, ability, is_overdue, price};
use crate::domain::news::News;
use crate::mail::figures::many;
use crate::mail::text::{count, days_from, long_day, moment, short_day, span};

pub(super) fn headline(news: &News, now: DateTime<Utc>) -> String {
    match news {
        News::Deprecated { on, .. } if is_overdue(news, now) => {
            format!("was to be withdrawn on {} and is still served", short_day(*on))
        }
        News::Deprecated { on, .. } => format!("will be withdrawn on {}, {}", long_day(*on), days_from(*on, now)),
        News::DateChanged { was: Some(was), is: Some(is), .. } => {
            format!("withdrawal moved from {} to {}, {}", short_day(*was), short_day(*is), days_from(*is, now))
        }
        News::DateChanged { was: Some(was), is: None, .. } => {
            format!("stays: the date of {} was taken back", short_day(*was))
        }
        News::DateChanged { was: None, is, .. } => {
            let date = is.map_or_else(String::new, |is| format!(" on {}, {}", long_day(is), days_from(is, now)));
            format!("will be withdrawn after all{date}")
        }
        News::Removed { since, successor: Some(_) } => {
            format!("is no longer listed under this name since {}", short_day(since.date_naive()))
        }
        News::Removed { since, successor: None } => {
            format!("is no longer served since {}", short_day(since.date_naive()))
        }
        News::Returned { expires_on: Some(on), .. } => format!("is back, and will be withdrawn on {}", long_day(*on)),
        News::Returned { expires_on: None, .. } => "is back".to_owned(),
        News::Missing { since, .. } => {
            format!("is missing from OpenRouter's list since {}, and your executions on it fail", moment(*since))
        }
        News::Repriced(repricing) => price::headline(repricing),
        News::Ability(news) => ability::headline(news),
    }
}

pub(super) fn facts(item: &Item<'_>, now: DateTime<Utc>) -> Vec<Fact> {
    let fact = |label, value| Fact { label, value };
    let last_listed = || fact("Last listed", moment(item.tracked.last_seen));
    match &item.news {
        News::Deprecated { .. } => {
            let seen = short_day(item.tracked.expiry_since.date_naive());
            let own = || fact("Announced", format!("in OpenRouter's list, seen on {seen}"));
            told_end(item).is_none().then(own).into_iter().chain(vendors_facts(item)).collect()
        }
        News::DateChanged { was, is, .. } => {
            let date = |date: &Option<chrono::NaiveDate>| date.map_or_else(|| "none".to_owned(), long_day);
            let mut facts = vec![fact("Date we told you", date(was)), fact("Date now", date(is))];
            facts.extend(vendors_facts(item));
            facts
        }
        News::Removed { since, .. } => {
            let mut facts = vec![last_listed(), fact("Absent for", span(now - *since))];
            if let Some(on) = item.tracked.model.expires_on.date().filter(|on| *on <= now.date_naive()) {
                facts.push(fact("Announced end", long_day(on)));
            }
            facts.extend(vendors_facts(item));
            facts
        }
        News::Returned { since, .. } => {
            vec![fact("Was absent", format!("{} from {}", span(item.tracked.last_seen - *since), moment(*since)))]
        }
        News::Missing { failed, .. } => {
            vec![last_listed(), fact("Your executions", format!("{} failed lately", many(*failed, "execution")))]
        }
        News::Repriced(repricing) => price::facts(repricing, &item.tracked.model),
        News::Ability(news) => ability::facts(news),
    }
}

/// Why the item is told now, for `replay` and the admins.
pub(super) fn because(item: &Item<'_>, now: DateTime<Utc>) -> String {
    match &item.news {
        News::Deprecated { on, milestone } => {
            let when = match (*on - now.date_naive()).num_days() {
                days if days < 0 => format!("{} ago and still served", count(-days, "day")),
                days => format!("{} ahead", count(days, "day")),
            };
            let reached = if *milestone == crate::domain::news::ANNOUNCED {
                "announced".to_owned()
            } else {
                format!("milestone {milestone} d")
            };
            let by =
                told_end(item).map_or_else(String::new, |end| format!(" by {} ({})", end.platform.name(), end.source));
            format!("withdrawal on {on}{by}, {when} ({reached})")
        }
        News::DateChanged { was, is, since } => {
            let date =
                |date: &Option<chrono::NaiveDate>| date.map_or_else(|| "none".to_owned(), |date| date.to_string());
            format!("told {}, is {} since {}", date(was), date(is), since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Removed { since, .. } => {
            let day = item.tracked.model.expires_on.date().filter(|on| *on <= now.date_naive());
            let why = day.map_or_else(String::new, |on| format!(", its announced day {on} has come"));
            format!("absent for {} since {}{why}", span(now - *since), since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Returned { since, .. } => {
            format!("listed again, was told absent since {}", since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Missing { since, failed } => {
            let failed = many(*failed, "execution");
            format!("absent since {}, and {failed} of the user failed on it", since.format("%Y-%m-%dT%H:%MZ"))
        }
        News::Repriced(repricing) => price::because(repricing),
        News::Ability(news) => ability::because(news),
    }
}
