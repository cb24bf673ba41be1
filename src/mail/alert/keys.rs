//! Keys: spend that nothing explains, keys that are old or refused, and what was recorded against what was charged.
//!
//! What the figures of a finding are, where it is not plain: `unaccounted_spend`: the value is the dollars that nothing
//! explains, `spent` what OpenRouter reports, `expected` what the executions explain. `dormant_key_used`: the value is
//! the days of silence, `spent` what the key spent since. `key_old`: the value is the age in days, `runway_s` the time
//! until it expires. `capture_drift`: the value is the difference as a share, `spent` what was recorded, `limit` what
//! OpenRouter charged.

use super::errors::KEYS;
use super::story::{Case, Story, fact};
use crate::domain::money::NanoUsd;
use crate::mail::figures::{many, number, percent, usd, usd_about, whole};
use crate::mail::notice::Fact;
use crate::mail::parts::bars;
use crate::mail::text::{harmless, short_day};

/// Where OpenRouter lists what each key did.
const ACTIVITY: &str = "https://openrouter.ai/activity";

/// OpenRouter reports more spend on a key than the executions explain.
pub(super) fn unaccounted_spend(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let (amount, key) = (usd_about(finding.value), key(case));
    let (reported, explained) = (case.spent(), usd_about(evidence.expected.unwrap_or_default()));
    let mut actions = vec![format!(
        "See what the key did: {ACTIVITY}. If you or a colleague used it elsewhere, nothing is wrong; only the monitor cannot see it."
    )];
    actions.extend(rotation("If you did not, replace the key now"));
    Story {
        title: format!("{key} spent {amount} that no execution explains"),
        over: format!("{key} spends no more than executions explain"),
        lead: format!(
            "OpenRouter reports {reported} on this key; the executions known here explain {explained} of it. Either somebody else uses the key, or executions are not reported."
        ),
        facts: vec![
            fact("Key", harmless(finding.subject.id())),
            fact("Reported", reported.clone()),
            fact("Explained", explained.clone()),
            fact("Not explained", amount.clone()),
            fact("Since", case.moment(case.evidence().since.unwrap_or(case.began()))),
        ],
        bars: bars(&[
            ("Explained", evidence.expected.unwrap_or_default(), explained),
            ("Not explained", finding.value, amount),
        ]),
        actions,
    }
}

/// A key that was silent for long spends.
pub(super) fn dormant_used(case: &Case<'_>) -> Story {
    let finding = case.finding();
    let (key, spent, silent) = (key(case), case.spent(), many(whole(finding.value), "day"));
    let mut actions = vec![format!("If you just took it up again, nothing. What it did is listed here: {ACTIVITY}.")];
    actions.extend(rotation("If not, somebody else has it: replace it now"));
    Story {
        title: format!("{key}, silent for {silent}, spent {spent}"),
        over: format!("{key} is silent again"),
        lead: "A key that nobody used for long and that suddenly spends may have leaked.".to_owned(),
        facts: vec![
            fact("Key", harmless(finding.subject.id())),
            fact("Silent for", silent.clone()),
            fact("Spent since", spent.clone()),
            fact("Noticed", case.moment(case.began())),
        ],
        bars: Vec::new(),
        actions,
    }
}

/// A key is old, or expires soon.
pub(super) fn old(case: &Case<'_>) -> Story {
    let finding = case.finding();
    let (key, age) = (key(case), many(whole(finding.value), "day"));
    let left = case.evidence().runway_s.map(|seconds| std::cmp::max(seconds, 0) / 86_400);
    let expires = left.map(|days| match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        days => format!("in {days} days"),
    });
    let (title, lead) = match &expires {
        Some(expires) => {
            (format!("{key} expires {expires}"), "From then on every execution that needs it is refused.".to_owned())
        }
        None => (
            format!("{key} is {age} old"),
            format!(
                "A key that is replaced every {} days is of no use to whoever found an old one.",
                number(whole(finding.threshold))
            ),
        ),
    };
    let mut facts = vec![fact("Key", harmless(finding.subject.id())), fact("Age", age)];
    facts.extend(expires.map(|expires| fact("Expires", expires)));
    Story {
        title,
        over: format!("{key} is new again"),
        lead,
        facts,
        bars: Vec::new(),
        actions: rotation("Replace it when it suits you"),
    }
}

/// OpenRouter no longer takes a key.
pub(super) fn refused(case: &Case<'_>) -> Story {
    let (finding, key) = (case.finding(), key(case));
    let mut facts = vec![
        fact("Key", harmless(finding.subject.id())),
        fact("Since", case.moment(case.evidence().since.unwrap_or(case.began()))),
    ];
    facts.extend(reason(case));
    let mut actions = vec![format!("See whether it was disabled, deleted or has expired: {KEYS}.")];
    actions.extend(rotation("Replace it"));
    Story {
        title: format!("{key} is no longer accepted by OpenRouter"),
        over: format!("{key} is accepted again"),
        lead: "Executions that need it fail, and its balance can no longer be watched. It is tried once a day until it is replaced.".to_owned(),
        facts,
        bars: Vec::new(),
        actions,
    }
}

/// What OpenRouter said.
fn reason(case: &Case<'_>) -> Option<Fact> {
    case.evidence().note.as_deref().map(|note| fact("OpenRouter says", harmless(note)))
}

/// What was recorded and what OpenRouter charged differ.
pub(super) fn capture_drift(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let (recorded, charged) = (evidence.spent.unwrap_or_default(), evidence.limit.unwrap_or_default());
    let way = if recorded < charged { "less" } else { "more" };
    let difference = NanoUsd(recorded.0.abs_diff(charged.0).try_into().unwrap_or(i64::MAX));
    let share = percent(finding.value);
    let when = evidence.since.map(|day| format!(" on {}", short_day(day.date_naive()))).unwrap_or_default();
    let mut facts = vec![
        fact("Recorded", usd(recorded)),
        fact("Charged", usd(charged)),
        fact("Difference", format!("{} ({share})", usd(difference))),
        fact("Alert above", percent(finding.threshold)),
    ];
    facts.extend(evidence.since.map(|day| fact("Day", format!("{} (UTC)", short_day(day.date_naive())))));
    let action = if recorded < charged {
        "Executions are missing: see whether each part of the platform reports what it runs, failures that were charged included, and whether a key is used elsewhere."
    } else {
        "Executions are counted that OpenRouter did not charge: see whether costs are estimated because none are reported, or whether some are reported under two ids."
    };
    Story {
        title: format!("Recorded spend is {share} {way} than OpenRouter charged"),
        over: "Recorded spend agrees with what OpenRouter charged again".to_owned(),
        lead: format!(
            "{} were recorded{when}, and {} were charged. Caps, alerts and reports are as far off.",
            usd(recorded),
            usd(charged)
        ),
        facts,
        bars: bars(&[("Charged", finite(charged), usd(charged)), ("Recorded", finite(recorded), usd(recorded))]),
        actions: vec![
            action.to_owned(),
            "Connecting OpenRouter's Broadcast brings each execution with its cost: \"openrouter-monitor connect openrouter\".".to_owned(),
        ],
    }
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
fn finite(amount: NanoUsd) -> f64 {
    amount.0 as f64
}

/// `Your key "prod"`, or for admins `The key "prod" of Invoice desk (u-17)`.
fn key(case: &Case<'_>) -> String {
    case.whose(&format!("key \u{201c}{}\u{201d}", harmless(case.finding().subject.id())))
}

/// How a key is replaced without a gap.
fn rotation(when: &str) -> Vec<String> {
    vec![
        format!("{when}: first make a new key ({KEYS}), with a limit that fits."),
        "Then put it where the old one is, and see one execution succeed.".to_owned(),
        "Last, delete the old key: from that moment nobody can use it.".to_owned(),
    ]
}
