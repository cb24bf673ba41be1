//! What becomes of a resource when one of its models goes: its requests go to the next that serves, or fail.

use chrono::NaiveDate;

use super::model_id::ModelId;

/// Whether a model of a chain goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is gone.
    Gone,
    /// Its end is announced.
    Ends(NaiveDate),
    /// Nothing is known against it.
    Stays,
}

/// What becomes of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No model is left to it after a day, or now.
    Fails {
        /// The last day on which something serves; `None` when nothing does.
        on: Option<NaiveDate>,
        /// Whether it has other models, which go as well.
        has_others: bool,
    },
    /// Its requests go to another model of its list.
    FallsBack {
        /// Which.
        to: ModelId,
        /// Until this one goes too; then there is still another.
        until: Option<NaiveDate>,
    },
    /// A model before this one serves it; what goes is a fallback.
    Spare {
        /// Who serves.
        served_by: ModelId,
    },
}

impl Fate {
    /// The fate of a resource with the models of `chain`, the first asked first, when the one at `position` goes.
    #[must_use]
    pub fn of(chain: &[ModelId], position: usize, standing: impl Fn(&ModelId) -> Standing) -> Self {
        let stands: Vec<Standing> = chain.iter().map(standing).collect();
        let has_others = chain.iter().any(|model| Some(model) != chain.get(position));
        if !stands.iter().enumerate().any(|(place, stand)| place != position && *stand == Standing::Stays) {
            let last = stands.iter().filter_map(|stand| if let Standing::Ends(on) = stand { Some(*on) } else { None });
            return Self::Fails { on: last.max(), has_others };
        }
        let goes = stands.get(position).copied().unwrap_or(Standing::Gone);
        let next = stands.iter().enumerate().find(|(place, stand)| *place != position && **stand > goes);
        match next.and_then(|(place, stand)| Some((place, chain.get(place)?.clone(), *stand))) {
            Some((place, served_by, _)) if place < position => Self::Spare { served_by },
            Some((_, to, Standing::Ends(on))) => Self::FallsBack { to, until: Some(on) },
            Some((_, to, _)) => Self::FallsBack { to, until: None },
            None => Self::Fails { on: None, has_others },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 6, day).unwrap()
    }

    /// A chain as it stands: `-` gone, `+` stays, a number: ends on that day of June.
    fn fate(chain: &str, position: usize) -> String {
        let stands: Vec<Standing> = chain
            .split(' ')
            .map(|stand| match stand {
                "-" => Standing::Gone,
                "+" => Standing::Stays,
                on => Standing::Ends(day(on.parse().unwrap())),
            })
            .collect();
        let ids: Vec<ModelId> = (0..stands.len()).map(|place| ModelId::new(place.to_string())).collect();
        let standing = |id: &ModelId| stands[id.as_str().parse::<usize>().unwrap()];
        match Fate::of(&ids, position, standing) {
            Fate::Fails { on: None, .. } => "fails".to_owned(),
            Fate::Fails { on: Some(on), .. } => format!("fails after {}", on.format("%-d")),
            Fate::FallsBack { to, until: None } => format!("to {to}"),
            Fate::FallsBack { to, until: Some(on) } => format!("to {to} until {}", on.format("%-d")),
            Fate::Spare { served_by } => format!("served by {served_by}"),
        }
    }

    #[test]
    fn requests_go_to_the_first_that_outlasts() {
        for (chain, position, expected) in [
            ("-", 0, "fails"),
            ("20", 0, "fails after 20"),
            ("- +", 0, "to 1"),
            ("20 +", 0, "to 1"),
            ("20 - +", 0, "to 2"),
            ("20 25 +", 0, "to 1 until 25"),
            ("20 15 +", 0, "to 2"),
            ("20 25", 0, "fails after 25"),
            ("- -", 1, "fails"),
            ("+ 20", 1, "served by 0"),
            ("+ - 20 +", 2, "served by 0"),
            ("- 20 +", 1, "to 2"),
            ("25 20 +", 1, "served by 0"),
            ("20 25 +", 1, "to 2"),
        ] {
            assert_eq!(fate(chain, position), expected, "{chain} at {position}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// It fails exactly when no other model of it stays, and it never goes to one that is gone.
        #[test]
        fn a_resource_fails_only_without_any_model(stands in prop::collection::vec(0_u32..4, 1..6), position in 0_usize..6) {
            let position = position % stands.len();
            let text: Vec<String> = stands.iter().enumerate().map(|(place, stand)| match stand {
                _ if place == position => "10".to_owned(),
                0 => "-".to_owned(),
                1 => "+".to_owned(),
                on => (on * 5).to_string(),
            }).collect();
            let others_stay = stands.iter().enumerate().any(|(place, stand)| place != position && *stand == 1);
            let told = fate(&text.join(" "), position);
            prop_assert_eq!(told.starts_with("fails"), !others_stay, "{}: {}", text.join(" "), told);
        }
    }
}
