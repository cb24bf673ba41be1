//! Money that ends: balances and how long they last, caps, and what is paid for it all.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};

use super::errors::CREDITS;
use super::story::{Case, Story, fact};
use crate::domain::finding::Window;
use crate::domain::money::NanoUsd;
use crate::domain::period::midnight;
use crate::mail::figures::{lasting, many, nano_usd, percent, percent_of, usd, usd_about};
use crate::mail::notice::Fact;
use crate::mail::parts::bars;

/// A balance is low, or will not last. What is left is the value, in dollars.
pub(super) fn low(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let left = usd(evidence.limit.unwrap_or_else(|| nano_usd(finding.value)));
    let whose = if case.is_platform() { "The platform's credit".to_owned() } else { case.whose("credit") };
    let runway = evidence.runway_s.filter(|_| finding.value > 0.0).map(lasting);
    let title = match &runway {
        _ if finding.value <= 0.0 => format!("{whose} is used up"),
        Some(runway) if finding.value >= finding.threshold => format!("{whose} lasts for about {runway}: {left} left"),
        Some(runway) => format!("{whose} is low: {left} left, enough for about {runway}"),
        None => format!("{whose} is low: {left} left"),
    };
    let enough = evidence.sufficient_for.filter(|count| *count > 0);
    let enough = enough.map(|count| format!("about {}", many(count, "execution")));
    let mut facts = vec![fact("Balance", left.clone()), fact("Low below", usd_about(finding.threshold))];
    facts.extend(runway.clone().map(|runway| fact("Lasts for", format!("about {runway} at the usual rate"))));
    facts.extend(enough.clone().map(|enough| fact("Sufficient for", enough)));
    let lead = match (finding.value <= 0.0, runway, enough) {
        (true, ..) => "Executions that cost something are refused until credit is added.".to_owned(),
        (false, Some(runway), Some(enough)) => {
            format!(
                "At the usual rate {left} lasts for about {runway}; it is sufficient for {enough}. After that, executions are refused."
            )
        }
        (false, Some(runway), None) => {
            format!("At the usual rate {left} lasts for about {runway}. After that, executions are refused.")
        }
        (false, None, Some(enough)) => {
            format!("{left} is sufficient for {enough}. After that, executions are refused.")
        }
        (false, None, None) => "When it is used up, executions are refused.".to_owned(),
    };
    Story {
        title,
        over: format!("{whose} is sufficient again"),
        lead,
        facts,
        bars: Vec::new(),
        actions: vec![
            format!("Add credit: {CREDITS}. It can take up to an hour until it counts."),
            "Automatic top-up on the same page adds credit by itself whenever it gets low.".to_owned(),
        ],
    }
}

/// A share of a cap is reached.
pub(super) fn budget(case: &Case<'_>) -> Story {
    let evidence = case.evidence();
    let (spent, limit) = (evidence.spent.unwrap_or_default(), evidence.limit.unwrap_or_default());
    let is_daily = evidence.cap.as_deref() == Some("daily") || evidence.window == Window::Day;
    let (cap, period) = if is_daily { ("daily limit", "day") } else { ("monthly limit", "month") };
    let is_reached = spent >= limit;
    let anew = next_period(case, is_daily);
    let (used, left) = (percent_of(spent.0, limit.0), NanoUsd(std::cmp::max(limit.0.saturating_sub(spent.0), 0)));
    let title = if is_reached {
        format!("{} of {} is reached", case.whose(cap), usd(limit))
    } else {
        format!("{used}% of {} is spent: {} of {}", case.whose_within(cap), usd(spent), usd(limit))
    };
    let lead = if is_reached {
        format!(
            "{} were spent. From now on the platform is told to start no further executions, until the limit counts anew on {anew}.{}",
            usd(spent),
            case.mostly()
        )
    } else {
        format!(
            "{} are left until the limit counts anew on {anew}. At 100% the platform is told to start no further executions until then.{}",
            usd(left),
            case.mostly()
        )
    };
    Story {
        title,
        over: format!("A new {period} has begun: {} counts anew", case.whose_within(cap)),
        lead,
        facts: vec![
            fact("Spent", usd(spent)),
            fact("Limit", format!("{} a {period}", usd(limit))),
            fact("Left", usd(left)),
            fact("Counts anew", anew),
        ],
        bars: bars(&[("Limit", nanos(limit), usd(limit)), ("Spent", nanos(spent), usd(spent))]),
        actions: if is_reached {
            vec![format!("Wait for the new {period}, or ask the platform for a higher limit.")]
        } else {
            vec![
                "If this is as you planned, nothing.".to_owned(),
                format!(
                    "To make it last, pause what can wait, or give it a smaller model; for more, ask the platform for a higher {cap}."
                ),
            ]
        },
    }
}

/// When a cap counts anew: at the next midnight where the user is, or on the first of the next month.
fn next_period(case: &Case<'_>, is_daily: bool) -> String {
    let today = case.incident.last_found_at.with_timezone(&case.zone).date_naive();
    let first: Option<NaiveDate> = if is_daily {
        today.checked_add_days(Days::new(1))
    } else {
        today.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)))
    };
    let begin: DateTime<Utc> = midnight(first.unwrap_or(today), case.zone);
    case.moment(begin)
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
fn nanos(amount: NanoUsd) -> f64 {
    amount.0 as f64
}

/// A user's month, or the platform's, costs more than is paid for it.
pub(super) fn margin(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let (spent, paid) = (evidence.spent.unwrap_or_default(), evidence.limit.unwrap_or_default());
    let loss = NanoUsd(spent.0.saturating_sub(paid.0));
    let (title, over) = if case.is_platform() {
        (
            format!("The platform's month costs {}, more than the {} that all plans pay", usd(spent), usd(paid)),
            "The platform's month costs less than all plans pay".to_owned(),
        )
    } else {
        (
            format!("{} costs {} {}, more than the {} they pay", case.who(), usd(spent), case.when(), usd(paid)),
            format!("{} costs less than they pay", case.who()),
        )
    };
    let facts: Vec<Fact> = vec![
        fact("Spent", usd(spent)),
        fact("Paid", format!("{} a month", usd(paid))),
        fact("Loss so far", usd(loss)),
        fact("Share", percent(finding.value)),
    ];
    Story {
        title,
        over,
        lead: format!(
            "That is {} of what is paid, and {} more than it.{}",
            percent(finding.value),
            usd(loss),
            case.mostly()
        ),
        facts,
        bars: bars(&[("Paid", nanos(paid), usd(paid)), ("Spent", nanos(spent), usd(spent))]),
        actions: if case.is_platform() {
            vec!["Look at the users who cost more than they pay, and at the models they use: the weekly report lists both.".to_owned()]
        } else {
            vec![
                "See whether a cheaper model does the same for what costs most.".to_owned(),
                "Offer a larger plan, or set a monthly cap in the directory (monthly_limit_usd): the allowance then denies what goes beyond.".to_owned(),
            ]
        },
    }
}
