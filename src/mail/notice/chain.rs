//! What a mail says of the resources on a model that goes: which fail, and which go on with their fallbacks.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Choices, Item};
use crate::domain::chain::{Fate, Standing};
use crate::domain::lifecycle::State;
use crate::domain::model_id::ModelId;
use crate::domain::news::News;
use crate::mail::text::{harmless, short_day};
use crate::store::told::Use;

/// The words of a mail after which no resource fails.
#[derive(Serialize)]
pub(super) struct Calm {
    effect: &'static str,
    to_do: &'static str,
}

/// The resources of a mail by what becomes of them.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// Those that fail.
    failing: usize,
    /// Those of them that have other models, which go as well.
    emptied: usize,
    /// Those that go on with a fallback.
    falling: usize,
    /// Those that lose a fallback.
    spare: usize,
    /// Whether it has happened.
    is_now: bool,
}

/// What becomes of a resource when the item's model goes; `None` when it does not.
pub(super) fn fate(item: &Item<'_>, used: &Use, choices: Choices<'_>, now: DateTime<Utc>) -> Option<Fate> {
    let own = match item.news {
        News::Deprecated { on, .. } | News::DateChanged { is: Some(on), .. } => Standing::Ends(on),
        News::Removed { .. } | News::Missing { .. } => Standing::Gone,
        _ => return None,
    };
    let id = &item.tracked.model.id;
    let position = used.chain.iter().position(|model| model == id).unwrap_or(0);
    Some(Fate::of(&used.chain, position, |model| if model == id { own } else { standing(model, choices, now) }))
}

/// How another model of a list stands. What is merely missing may be back in an hour, and a vendor's day that has
/// passed says that OpenRouter serves it from elsewhere.
fn standing(id: &ModelId, choices: Choices<'_>, now: DateTime<Utc>) -> Standing {
    let tracked = choices.known.get(id);
    if tracked.is_some_and(|tracked| matches!(tracked.state, State::Removed(..))) {
        return Standing::Gone;
    }
    let own = tracked.and_then(|tracked| tracked.model.expires_on.date());
    let vendors = choices.ends.get(id).map(|end| end.on).filter(|on| *on >= now.date_naive() || id.is_vendors_own());
    own.or(vendors).map_or(Standing::Stays, Standing::Ends)
}

impl Fates {
    /// Of all resources of a mail, each by the worst that happens to it.
    pub(super) fn of(items: &[Item<'_>], choices: Choices<'_>, now: DateTime<Utc>) -> Self {
        let is_now = items.iter().any(|item| matches!(item.news, News::Removed { .. } | News::Missing { .. }));
        let mut worst: BTreeMap<&str, (u8, bool)> = BTreeMap::new();
        for (item, used) in items.iter().flat_map(|item| item.uses.iter().map(move |used| (item, used))) {
            let rank = match fate(item, used, choices, now) {
                Some(Fate::Fails { has_others, .. }) => (2, has_others),
                Some(Fate::FallsBack { .. }) => (1, false),
                Some(Fate::Spare { .. }) => (0, false),
                None => continue,
            };
            let known = worst.entry(&used.resource).or_insert(rank);
            *known = std::cmp::max(*known, rank);
        }
        let mut fates = Self { is_now, ..Self::default() };
        for (rank, has_others) in worst.into_values() {
            match rank {
                2 => (fates.failing, fates.emptied) = (fates.failing + 1, fates.emptied + usize::from(has_others)),
                1 => fates.falling += 1,
                _ => fates.spare += 1,
            }
        }
        fates
    }

    /// What follows, in the words of a subject: `2 resources no longer work`; `None` when nothing does.
    pub(super) fn consequence(&self) -> Option<String> {
        let total = self.failing + self.falling + self.spare;
        let many = |count: usize, one: &str, several: &str| {
            if count == 1 { format!("1 resource {one}") } else { format!("{count} resources {several}") }
        };
        let (work, works) = if self.is_now { ("no longer work", "no longer works") } else { ("to move", "to move") };
        Some(match (self.failing, self.falling, self.spare) {
            (0, 0, 0) => return None,
            (0, 0, spare) => many(spare, "loses a fallback", "lose a fallback"),
            (0, falling, 0) => many(falling, "goes on with its fallback", "go on with their fallbacks"),
            (0, ..) => many(total, "goes on with other models", "go on with other models"),
            (failing, ..) if self.emptied == failing => {
                let then = if self.is_now { "" } else { " then" };
                many(failing, &format!("has no model left{then}"), &format!("have no model left{then}"))
            }
            (failing, 0, 0) => many(failing, works, work),
            (1, ..) => format!("1 of {total} resources {works}"),
            (failing, ..) => format!("{failing} of {total} resources {work}"),
        })
    }

    /// The words of a mail after which no resource fails.
    pub(super) fn calm(&self) -> Option<Calm> {
        Some(match (self.failing, self.falling, self.is_now) {
            (1.., ..) => return None,
            (0, 0, _) if self.spare == 0 => return None,
            (0, 0, true) => Calm {
                effect: "Your resources only have it as a fallback: the models before it serve them as before.",
                to_do: "Nothing at once. Put another model in its place in the lists below.",
            },
            (0, 0, false) => Calm {
                effect: "Your resources only have it as a fallback: the models before it go on serving them.",
                to_do: "Nothing at once. Put another model in its place in the lists below before that day.",
            },
            (0, _, true) => Calm {
                effect: "Your resources go on: their requests go to the next model of their lists.",
                to_do: "Nothing at once. Look whether the next model suits you, and put another one in the place of the lost one.",
            },
            (0, _, false) => Calm {
                effect: "Your resources will go on: from that day, their requests go to the next model of their lists.",
                to_do: "Nothing at once. Look whether the next model suits you, and put another one in the place of the lost one before that day.",
            },
        })
    }
}

/// What becomes of a resource that has more than this model.
pub(super) fn note(fate: &Fate, is_now: bool) -> Option<String> {
    Some(match fate {
        Fate::Fails { has_others: false, .. } => return None,
        Fate::Fails { on: None, .. } => "None of its models is left: every call fails".to_owned(),
        Fate::Fails { on: Some(on), .. } => format!("All its models go, the last on {}", short_day(*on)),
        Fate::FallsBack { to, until } => {
            let until = until.map_or_else(String::new, |on| format!(" until {}, then to the next", short_day(on)));
            let to = harmless(to.as_str());
            if is_now {
                format!("Its requests go to {to}{until}")
            } else {
                format!("From then on its requests go to {to}{until}")
            }
        }
        Fate::Spare { served_by } => format!("Served by {} as before", harmless(served_by.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_what_follows_for_the_resources() {
        let check = |failing, emptied, falling, spare, is_now, expected: Option<&str>| {
            let fates = Fates { failing, emptied, falling, spare, is_now };
            assert_eq!(fates.consequence().as_deref(), expected, "{fates:?}");
            assert_eq!(fates.calm().is_some(), failing == 0 && falling + spare > 0, "{fates:?}");
        };
        check(0, 0, 0, 0, true, None);
        check(1, 0, 0, 0, true, Some("1 resource no longer works"));
        check(2, 0, 0, 0, false, Some("2 resources to move"));
        check(1, 1, 0, 0, true, Some("1 resource has no model left"));
        check(2, 2, 1, 0, false, Some("2 resources have no model left then"));
        check(1, 0, 2, 0, true, Some("1 of 3 resources no longer works"));
        check(0, 0, 1, 0, true, Some("1 resource goes on with its fallback"));
        check(0, 0, 0, 2, true, Some("2 resources lose a fallback"));
        check(0, 0, 1, 2, false, Some("3 resources go on with other models"));
    }
}
