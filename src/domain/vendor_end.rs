//! Which announcements of vendors end which models, and when each is believed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::announcement::{Announcement, Platform};
use super::change::{Change, ChangeKind};
use super::lifecycle::{Known, State};
use super::model;
use super::model_id::ModelId;
use super::replacement::Named;
use super::vendor_id::{Name, Row, is_same_at_anthropic};

/// A date that says "not before" is news from so many days before it on: most of them move away while they are far.
const NOT_BEFORE_DAYS: i64 = 60;
/// A feed that no longer has an announcement may be read badly for a while; after so long it was taken back.
const TAKEN_BACK_AFTER: TimeDelta = TimeDelta::days(7);

/// An announcement as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The place of its feed in the order of trust, from 0: where two disagree, the first leads.
    pub rank: usize,
    /// What it says.
    pub announcement: Announcement,
    /// When it was first read.
    pub first_seen: DateTime<Utc>,
    /// When the day was first read that it has now.
    pub dated_at: DateTime<Utc>,
    /// Since when the feed no longer has it.
    pub gone_since: Option<DateTime<Utc>>,
}

impl Kept {
    fn is_taken_back(&self, now: DateTime<Utc>) -> bool {
        self.gone_since.is_some_and(|since| now - since >= TAKEN_BACK_AFTER)
    }
}

/// What a good reading of a feed changes in what is kept of it.
#[must_use]
pub fn merge(kept: Vec<Kept>, found: BTreeMap<(String, String), Announcement>, now: DateTime<Utc>) -> Vec<Kept> {
    let mut found = found;
    let mut changed = Vec::new();
    for old in kept {
        let key = (old.announcement.provider.clone(), old.announcement.vendor_model_id.clone());
        let new = match found.remove(&key) {
            Some(announcement) => {
                let stands = announcement.shutdown == old.announcement.shutdown && !old.is_taken_back(now);
                let dated_at = if stands { old.dated_at } else { now };
                Kept { announcement, dated_at, gone_since: None, ..old.clone() }
            }
            None => Kept { gone_since: old.gone_since.or(Some(now)), ..old.clone() },
        };
        if new != old {
            changed.push(new);
        }
    }
    let fresh = found.into_values();
    changed.extend(fresh.map(|announcement| Kept {
        rank: 0,
        announcement,
        first_seen: now,
        dated_at: now,
        gone_since: None,
    }));
    changed
}

/// A vendor's end of a model that somebody may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorEnd {
    /// Whose platform it ends on.
    pub platform: Platform,
    /// The day.
    pub on: NaiveDate,
    /// Since when that day is known.
    pub since: DateTime<Utc>,
    /// The row of OpenRouter's list, or the vendor's own id, that the vendor recommends in its place.
    pub successor: Option<ModelId>,
    /// The feed, as mails name it.
    pub source: String,
    /// Where the vendor says so itself.
    pub url: Option<String>,
}

/// Vendors' ends by model: rows of the list, and for what runs on Anthropic directly the id as it is written there.
pub type VendorEnds = BTreeMap<ModelId, VendorEnd>;

/// Whom vendors name in place of the models that they end.
#[must_use]
pub fn named(ends: &VendorEnds) -> BTreeMap<ModelId, Vec<Named>> {
    let named = |end: &VendorEnd| {
        let says = format!("{} names it as the successor", end.platform.name());
        Some(Named { id: end.successor.as_ref()?.to_string(), says })
    };
    ends.iter().filter_map(|(id, end)| Some((id.clone(), vec![named(end)?]))).collect()
}

/// Finds for each known model, and for each that runs on Anthropic directly, the announcement that ends it.
#[must_use]
pub fn resolve(kept: &[Kept], known: &Known, direct: &BTreeSet<ModelId>, now: DateTime<Utc>) -> VendorEnds {
    let rows: Vec<(&ModelId, Row)> =
        known.values().filter_map(|tracked| Some((&tracked.model.id, Row::of(&tracked.model)?))).collect();
    let believed: Vec<Believed<'_>> = kept.iter().filter_map(|kept| Believed::of(kept, now)).collect();
    let of_rows = rows.iter().filter_map(|(id, row)| {
        let matching = believed.iter().filter(|believed| row.is(believed.platform, &believed.name));
        let lead = matching.max_by_key(|believed| believed.weight())?;
        let replacement = lead.replacement().and_then(|name| row_of(lead.platform, &name, &rows, known));
        Some(((*id).clone(), lead.end(replacement)))
    });
    let of_direct = direct.iter().filter_map(|id| {
        let at_anthropic = believed.iter().filter(|believed| believed.platform == Platform::Anthropic);
        let matching = at_anthropic.filter(|believed| is_same_at_anthropic(id.as_str(), &believed.name));
        let lead = matching.max_by_key(|believed| believed.weight())?;
        Some((id.clone(), lead.end(lead.kept.announcement.replacement.clone().map(ModelId::new))))
    });
    of_rows.chain(of_direct).collect()
}

/// The listed row that a vendor's id names, if it is one.
fn row_of(platform: Platform, name: &Name, rows: &[(&ModelId, Row)], known: &Known) -> Option<ModelId> {
    let listed = |id: &ModelId| known.get(id).is_some_and(|tracked| tracked.state == State::Listed);
    let mut named = rows
        .iter()
        .filter(|(id, row)| id.variant().is_none() && listed(id) && row.is(platform, name))
        .map(|(id, _)| *id);
    named.next().filter(|_| named.next().is_none()).cloned()
}

/// An announcement that counts today.
#[derive(Debug)]
struct Believed<'a> {
    kept: &'a Kept,
    platform: Platform,
    name: Name,
}

impl<'a> Believed<'a> {
    fn of(kept: &'a Kept, now: DateTime<Utc>) -> Option<Self> {
        let (announcement, today) = (&kept.announcement, now.date_naive());
        let platform = Platform::of(&announcement.provider)?;
        let name = Name::of_vendor(platform, &announcement.vendor_model_id)?;
        let is_ahead = announcement.shutdown >= today;
        let is_known = announcement.announced.is_none_or(|announced| announced <= today);
        let too_far = platform.says_not_before() && (announcement.shutdown - today).num_days() > NOT_BEFORE_DAYS;
        // What is past stays: feeds forget what has happened.
        let taken_back = is_ahead && kept.is_taken_back(now);
        let plausible = model::is_plausible(announcement.shutdown, now);
        (is_known && plausible && !too_far && !taken_back).then_some(Self { kept, platform, name })
    }

    /// Of several announcements the better feed's leads; of one feed's the latest, for a model lives as long as one of
    /// its vendor's platforms serves it.
    fn weight(&self) -> (std::cmp::Reverse<usize>, NaiveDate) {
        (std::cmp::Reverse(self.kept.rank), self.kept.announcement.shutdown)
    }

    fn replacement(&self) -> Option<Name> {
        Name::of_vendor(self.platform, self.kept.announcement.replacement.as_deref()?)
    }

    fn end(&self, successor: Option<ModelId>) -> VendorEnd {
        let announcement = &self.kept.announcement;
        let announced = announcement.announced.map_or(self.kept.dated_at, |day| day.and_time(NaiveTime::MIN).and_utc());
        VendorEnd {
            platform: self.platform,
            on: announcement.shutdown,
            since: std::cmp::max(self.kept.dated_at, announced),
            successor,
            source: announcement.source.clone(),
            url: announcement.url.clone(),
        }
    }
}

/// What changed between two states of what vendors announced, for the admins: days ahead of listed models only.
#[must_use]
pub fn changes(before: &VendorEnds, after: &VendorEnds, known: &Known, now: DateTime<Utc>) -> Vec<Change> {
    let today = now.date_naive();
    let ahead = |end: Option<&VendorEnd>| end.filter(|end| end.on >= today).cloned();
    let listed = known.values().filter(|tracked| tracked.state == State::Listed).map(|tracked| &tracked.model.id);
    let differing = listed.filter_map(|id| {
        let (old, new) = (before.get(id), ahead(after.get(id)));
        let (kind, was, is) = match (old, new) {
            (None, Some(new)) => (ChangeKind::Deprecated, serde_json::Value::Null, told(&new)),
            (Some(old), Some(new)) if old.on != new.on => (ChangeKind::DeprecationMoved, told(old), told(&new)),
            (Some(old), None) if old.on >= today && !after.contains_key(id) => {
                (ChangeKind::DeprecationCleared, told(old), serde_json::Value::Null)
            }
            _ => return None,
        };
        Some(Change { at: now, model: id.clone(), kind, before: was, after: is })
    });
    differing.collect()
}

fn told(end: &VendorEnd) -> serde_json::Value {
    serde_json::json!({"on": end.on, "by": end.platform.name(), "source": end.source})
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use serde_json::json;

    use super::super::lifecycle::Tracked;
    use super::super::model::Model;
    use super::super::settled::Settled;
    use super::*;

    fn at(day: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 6, day, 6, 0, 0).unwrap()
    }

    fn known(ids: &[&str]) -> Known {
        let tracked = |id: &&str| {
            let model = Model::parse(&json!({"id": id, "canonical_slug": id.split(':').next()}), at(1)).unwrap();
            let first = at(1);
            let state = State::Listed;
            let settled = Settled::default();
            Tracked { model, state, first_seen: first, last_seen: first, expiry_since: first, successor: None, settled }
        };
        ids.iter().map(|id| (ModelId::from(*id), tracked(id))).collect()
    }

    fn kept(rank: usize, provider: &str, id: &str, shutdown: &str) -> Kept {
        let announcement = Announcement {
            provider: provider.to_owned(),
            vendor_model_id: id.to_owned(),
            announced: None,
            shutdown: shutdown.parse().unwrap(),
            replacement: Some("claude-opus-4-8".to_owned()),
            source: "a feed".to_owned(),
            url: None,
        };
        Kept { rank, announcement, first_seen: at(2), dated_at: at(2), gone_since: None }
    }

    fn ends(kept: &[Kept], known: &Known, now: DateTime<Utc>) -> Vec<String> {
        let direct = BTreeSet::from([ModelId::from("claude-opus-4-1")]);
        let ends = resolve(kept, known, &direct, now);
        ends.iter()
            .map(|(id, end)| format!("{id} {} {}", end.on, end.successor.as_ref().map_or("-", ModelId::as_str)))
            .collect()
    }

    #[test]
    fn an_announcement_ends_every_variant_and_what_runs_there_directly() {
        let known =
            known(&["anthropic/claude-opus-4.1", "anthropic/claude-opus-4.1:batch", "anthropic/claude-opus-4.8"]);
        let kept = [kept(1, "Anthropic", "claude-opus-4-1-20250805", "2026-08-05")];
        assert_eq!(
            ends(&kept, &known, at(8)),
            [
                "anthropic/claude-opus-4.1 2026-08-05 anthropic/claude-opus-4.8",
                "anthropic/claude-opus-4.1:batch 2026-08-05 anthropic/claude-opus-4.8",
                "claude-opus-4-1 2026-08-05 claude-opus-4-8"
            ]
        );
        let ends = resolve(&kept, &known, &BTreeSet::new(), at(8));
        let named = named(&ends);
        assert_eq!(named[&"anthropic/claude-opus-4.1".into()][0].id, "anthropic/claude-opus-4.8");
        assert!(!named.contains_key(&"anthropic/claude-opus-4.8".into()));
    }

    #[test]
    fn the_better_feed_leads_and_within_one_the_later_platform() {
        let known = known(&["google/gemini-2.0-flash"]);
        let all = [
            kept(1, "gemini", "gemini-2.0-flash", "2026-06-20"),
            kept(0, "Google", "gemini-2.0-flash", "2026-07-01"),
            kept(0, "Google Vertex", "gemini-2.0-flash", "2026-07-08"),
        ];
        assert_eq!(ends(&all, &known, at(8)), ["google/gemini-2.0-flash 2026-07-08 -"]);
        assert_eq!(ends(&all[..1], &known, at(8)), ["google/gemini-2.0-flash 2026-06-20 -"]);
    }

    #[test]
    fn what_is_not_known_yet_far_and_vague_or_taken_back_does_not_count() {
        let known = known(&["openai/gpt-5-codex", "google/gemini-2.5-pro"]);
        let mut codex = kept(0, "OpenAI", "gpt-5-codex", "2026-12-11");
        codex.announcement.announced = Some(at(11).date_naive());
        assert!(ends(std::slice::from_ref(&codex), &known, at(10)).is_empty());
        assert_eq!(ends(std::slice::from_ref(&codex), &known, at(11)).len(), 1);
        codex.gone_since = Some(at(12));
        assert_eq!(ends(std::slice::from_ref(&codex), &known, at(18)).len(), 1);
        assert!(ends(&[codex], &known, at(19)).is_empty());
        let vague = kept(0, "Google", "gemini-2.5-pro", "2026-08-10");
        assert!(ends(std::slice::from_ref(&vague), &known, at(10)).is_empty());
        assert_eq!(ends(&[vague], &known, at(11)).len(), 1);
    }

    #[test]
    fn what_a_feed_no_longer_says_is_gone_and_what_it_dates_anew_is_dated_anew() {
        let keyed = |kept: &[Kept]| -> BTreeMap<(String, String), Announcement> {
            let found = kept.iter().map(|kept| kept.announcement.clone());
            found.map(|found| ((found.provider.clone(), found.vendor_model_id.clone()), found)).collect()
        };
        let told = |kept: &Kept| {
            let gone = kept.gone_since.map_or_else(|| "-".to_owned(), |at| at.date_naive().to_string());
            format!(
                "{} {} {} {gone}",
                kept.announcement.vendor_model_id,
                kept.announcement.shutdown,
                kept.dated_at.date_naive()
            )
        };
        let first = [
            kept(0, "OpenAI", "a", "2026-07-01"),
            kept(0, "OpenAI", "b", "2026-07-01"),
            kept(0, "OpenAI", "c", "2026-07-01"),
        ];
        let again = [
            kept(0, "OpenAI", "a", "2026-07-01"),
            kept(0, "OpenAI", "b", "2026-07-02"),
            kept(0, "OpenAI", "d", "2026-07-01"),
        ];
        let changed = merge(first.to_vec(), keyed(&again), at(5));
        let expected = ["b 2026-07-02 2026-06-05 -", "c 2026-07-01 2026-06-02 2026-06-05", "d 2026-07-01 2026-06-05 -"];
        assert_eq!(changed.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(merge(vec![changed[1].clone()], BTreeMap::new(), at(9)).is_empty(), "it is gone since the first time");
        for (day, expected) in [(9, "c 2026-07-01 2026-06-02 -"), (12, "c 2026-07-01 2026-06-12 -")] {
            let back = merge(vec![changed[1].clone()], keyed(&first[2..]), at(day));
            assert_eq!(back.iter().map(told).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn admins_hear_of_what_is_ahead() {
        let known = known(&["openai/gpt-5-codex"]);
        let of =
            |shutdown: &str| resolve(&[kept(0, "OpenAI", "gpt-5-codex", shutdown)], &known, &BTreeSet::new(), at(8));
        let kinds = |before: &VendorEnds, after: &VendorEnds| -> Vec<&str> {
            changes(before, after, &known, at(8)).iter().map(|change| change.kind.as_str()).collect()
        };
        let none = VendorEnds::new();
        assert_eq!(kinds(&none, &of("2026-07-23")), ["deprecated"]);
        assert_eq!(kinds(&of("2026-07-23"), &of("2026-07-24")), ["deprecation_moved"]);
        assert_eq!(kinds(&of("2026-07-23"), &none), ["deprecation_cleared"]);
        assert!(kinds(&of("2026-07-23"), &of("2026-07-23")).is_empty());
        assert!(kinds(&none, &of("2026-06-01")).is_empty() && kinds(&of("2026-06-01"), &none).is_empty());
    }
}
