//! Spend: far above one's own usual, and far above everybody else's.

use super::story::{Case, Reader, Story, fact};
use crate::domain::alert::Rule;
use crate::domain::finding::Window;
use crate::mail::figures::{number, times, usd_about};
use crate::mail::parts::bars;

/// A user, a resource, or all together spend far more than they usually do.
pub(super) fn spike(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let expected = evidence.expected.unwrap_or_default();
    let window = match evidence.window {
        Window::Hour if case.is_current() => "in this hour".to_owned(),
        _ => case.when(),
    };
    let span = if evidence.window == Window::Hour { "hour" } else { "day" };
    let (spent, usual) = (case.spent(), usd_about(expected));
    let (doer, spent_by) = match finding.rule {
        Rule::ResourceSpendSpike => (case.subject(), "cost"),
        Rule::TotalSpendSpike => ("All users together".to_owned(), "spent"),
        _ => (case.who(), "spent"),
    };
    let compared = times(finding.value, expected).map_or_else(
        || "Usually next to nothing is spent at this time.".to_owned(),
        |times| format!("That is {times} what a whole {span} costs at this time of the week."),
    );
    let mut facts = vec![
        fact("Spent", spent.clone()),
        fact("Usual", format!("{usual} in a whole {span}")),
        fact("Above usual", usd_about(finding.value - expected)),
        fact("Executions", number(evidence.executions)),
    ];
    facts.extend(case.counted_from());
    Story {
        title: format!("{doer} {spent_by} {spent} {window}; about {usual} is usual"),
        over: match finding.rule {
            Rule::ResourceSpendSpike => format!("{doer} no longer costs more than usual"),
            Rule::TotalSpendSpike => "Total spend is no longer above usual".to_owned(),
            _ => format!("{} is no longer above usual", case.whose("spend")),
        },
        lead: format!("{compared}{}", case.mostly()),
        facts,
        bars: bars(&[("Usual", expected, usual), ("Now", finding.value, spent)]),
        actions: spike_actions(case),
    }
}

fn spike_actions(case: &Case<'_>) -> Vec<String> {
    let place = match case.finding().rule {
        Rule::ResourceSpendSpike => case.subject(),
        _ => case.top_resource().unwrap_or_else(|| "what costs most".to_owned()),
    };
    match case.reader {
        Reader::User => vec![
            "If you expected this, nothing: nothing was stopped.".to_owned(),
            format!(
                "If not, look at {place} first. A loop, a job that repeats itself, or a longer prompt are the usual reasons: pause it, or give it a smaller model or a limit on its output."
            ),
            "A daily limit stops such a day by itself: ask for one.".to_owned(),
        ],
        Reader::Admin => vec![
            format!("Look at {place} first, and ask its owner whether they expect it."),
            "A daily cap in the directory (daily_limit_usd) makes the allowance deny what goes beyond.".to_owned(),
        ],
    }
}

/// A user spends many times what the average active user does.
pub(super) fn outlier(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let average = evidence.expected.unwrap_or_default();
    let (spent, usual) = (case.spent(), usd_about(average));
    let compared = times(finding.value, average).unwrap_or_else(|| "many times".to_owned());
    let mut facts = vec![
        fact("Spent", spent.clone()),
        fact("Average", format!("{usual} per active user and day, over the last seven days")),
        fact("Alert above", usd_about(finding.threshold)),
        fact("Executions", number(evidence.executions)),
    ];
    facts.extend(case.counted_from());
    Story {
        title: format!("{} spent {spent} {}, {compared} the average user", case.who(), case.when()),
        over: format!("{} is within that of others again", case.whose("spend")),
        lead: format!("The average active user spends {usual} a day.{}", case.mostly()),
        facts,
        bars: bars(&[("Average user", average, usual), ("This user", finding.value, spent)]),
        actions: vec![
            "If they are a large customer, nothing needs doing; compare what they cost with what they pay.".to_owned(),
            "If it is an accident, tell them, and set a daily cap in the directory (daily_limit_usd): the allowance then denies what goes beyond.".to_owned(),
        ],
    }
}
