//! Executions that fail: limits, empty purses, broken models, failures that are paid for.

use super::story::{Case, Story, fact};
use crate::mail::figures::{many, number, percent};
use crate::mail::notice::Fact;
use crate::mail::parts::bars;
use crate::mail::text::harmless;

/// Where credit is added.
pub(super) const CREDITS: &str = "https://openrouter.ai/settings/credits";
/// Where keys and their limits are managed.
pub(super) const KEYS: &str = "https://openrouter.ai/settings/keys";
/// Where one's own keys of providers are added.
const OWN_KEYS: &str = "https://openrouter.ai/settings/integrations";

/// Many of a user's executions end in 429.
pub(super) fn rate_limited(case: &Case<'_>) -> Story {
    let evidence = case.evidence();
    let mut kinds = [
        ("account", "By the account", case.failed_as("account")),
        ("upstream", "By the provider", case.failed_as("upstream")),
        ("free_tier", "Of free models", case.failed_as("free_tier")),
    ];
    kinds.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    let hit = kinds.iter().filter(|(.., count)| *count > 0);
    let mut facts = vec![
        fact("Refused", of_all(case.failed(), evidence.executions)),
        fact("Alert above", percent(case.finding().threshold)),
    ];
    facts.extend(hit.clone().map(|(_, label, count)| fact(label, many(*count, "execution"))));
    let mut actions: Vec<String> = hit.map(|(kind, ..)| limited_action(case, kind)).collect();
    if actions.is_empty() {
        actions.push("Run fewer executions at a time, and wait a little before you try again.".to_owned());
    }
    Story {
        title: format!(
            "{} of {} executions {} hit a rate limit",
            number(case.failed()),
            number(evidence.executions),
            case.when()
        ),
        over: "Executions no longer hit a rate limit".to_owned(),
        lead: format!(
            "They were refused because there were too many in too short a time (status 429), so what they were to do was not done. That is {} of all; a few are normal.{}",
            percent(case.finding().value),
            failing_most(case)
        ),
        facts,
        bars: Vec::new(),
        actions,
    }
}

/// What helps against a kind of limit.
fn limited_action(case: &Case<'_>, kind: &str) -> String {
    match kind {
        "account" => "Your own account or key is at its limit: run fewer executions at a time, and try again after the wait that the answer names. More keys of the same account do not help.".to_owned(),
        "upstream" => {
            let model = case.evidence().models.first().map(|share| share.name.as_str()).unwrap_or_default();
            let other = case.instead_of(model).map_or_else(
                || "name a fallback model".to_owned(),
                |instead| format!("let it fall back to another model, such as {instead}"),
            );
            format!("The provider behind the model is at its limit: try again after a short wait, {other}, or add a key of your own for that provider, which has limits of its own ({OWN_KEYS}).")
        }
        // The figures: OpenRouter's page on limits.
        _ => format!("The free allowance is used up: free models take 20 executions a minute, and 50 a day or, once 10 credits were ever bought, 1,000. Wait until 00:00 UTC, add credit ({CREDITS}), or use the paid model of the same name."),
    }
}

/// A user's executions end in 402.
pub(super) fn out_of_credit(case: &Case<'_>) -> Story {
    let evidence = case.evidence();
    let kinds: Vec<&str> =
        evidence.failures.iter().filter(|(_, count)| *count > 0).map(|(kind, _)| kind.as_str()).collect();
    let mut facts = vec![fact("Refused", of_all(case.failed(), evidence.executions))];
    for (kind, count) in &evidence.failures {
        if let (Some(label), true) = (credit_label(kind), *count > 0) {
            facts.push(fact(label, many(*count, "execution")));
        }
    }
    let reason = match kinds.as_slice() {
        ["balance"] => "the balance is used up",
        ["key_limit"] => "the key has reached its limit",
        ["workspace_budget"] => "the workspace's budget is used up",
        ["too_large"] => "what they could cost is more than is left",
        _ => "credit or a limit is used up",
    };
    let mut actions: Vec<String> = kinds.iter().map(|kind| credit_action(kind)).collect();
    actions.dedup();
    actions.push("If you do not run on a key of your own, tell the platform: its credit pays for you.".to_owned());
    Story {
        title: format!("{} are refused: {reason}", case.whose("executions")),
        over: format!("{}: none was refused for want of credit lately", case.whose("executions")),
        lead: format!(
            "{} {} ended with status 402. Until credit is there again, executions that cost something keep failing.{}",
            many(case.failed(), "execution"),
            case.when(),
            failing_most(case)
        ),
        facts,
        bars: Vec::new(),
        actions,
    }
}

fn credit_label(kind: &str) -> Option<&'static str> {
    match kind {
        "balance" => Some("Balance used up"),
        "key_limit" => Some("Key at its limit"),
        "workspace_budget" => Some("Workspace budget used up"),
        "too_large" => Some("Too large for what is left"),
        _ => None,
    }
}

fn credit_action(kind: &str) -> String {
    match kind {
        "balance" => format!("Add credit: {CREDITS}. It can take up to an hour until it counts."),
        "key_limit" => format!("Raise the limit of the key, or wait until it counts anew: {KEYS}."),
        "workspace_budget" => "Ask who manages your workspace at OpenRouter to raise its budget.".to_owned(),
        "too_large" => format!("Ask for less output at a time (max_tokens), or add credit: {CREDITS}."),
        _ => format!("Add credit ({CREDITS}), or raise the limit of the key if it has one ({KEYS})."),
    }
}

/// Executions of many users end in 402.
pub(super) fn credit_refused(case: &Case<'_>) -> Story {
    let evidence = case.evidence();
    Story {
        title: format!(
            "Executions of {} are refused: the platform's credit may be used up",
            many(evidence.users, "user")
        ),
        over: "Executions are no longer refused for want of credit".to_owned(),
        lead: format!(
            "{} of {} executions {} ended with status 402, at {}. So many at once point to the purse that they share.{}",
            number(case.failed()),
            number(evidence.executions),
            case.when(),
            many(evidence.users, "user"),
            failing_most(case)
        ),
        facts: vec![
            fact("Refused", of_all(case.failed(), evidence.executions)),
            fact("Users", number(evidence.users)),
            fact("Alert above", percent(case.finding().threshold)),
        ],
        bars: Vec::new(),
        actions: vec![
            format!(
                "Look at the platform's balance and add credit: {CREDITS}. Automatic top-up there adds it by itself."
            ),
            format!("If the balance is fine, look at the limit of the platform's key: {KEYS}."),
        ],
    }
}

/// A model fails for several users.
pub(super) fn model_failing(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let (unavailable, upstream) = (case.failed_as("unavailable"), case.failed_as("upstream"));
    let model = finding.subject.id();
    let meanwhile = case.instead_of(model).map_or_else(
        || "Let its resources fall back to another model; those with fallbacks go on by themselves.".to_owned(),
        |instead| {
            format!("Use another model meanwhile, such as {instead}; resources with fallbacks go on by themselves.")
        },
    );
    let mut facts = named_model(model);
    facts.extend([
        fact("Failed", of_all(unavailable + upstream, evidence.executions)),
        fact("Not available", number(unavailable)),
        fact("Provider's errors", number(upstream)),
        fact("Users", number(evidence.users)),
        fact("Alert above", percent(finding.threshold)),
    ]);
    Story {
        title: format!(
            "{} fails in {} of its executions, for {}",
            case.subject(),
            percent(finding.value),
            many(evidence.users, "user")
        ),
        over: format!("{} works again", case.subject()),
        lead: format!(
            "{} of {} executions {} failed at its provider, or because nobody serves it.{}",
            number(unavailable + upstream),
            number(evidence.executions),
            case.when(),
            failing_most(case)
        ),
        facts,
        bars: Vec::new(),
        actions: vec![
            meanwhile,
            "If it lasts, see whether it is being withdrawn: its page says so, and its users are told.".to_owned(),
        ],
    }
}

/// A user pays for executions that failed.
pub(super) fn charged_failures(case: &Case<'_>) -> Story {
    let evidence = case.evidence();
    Story {
        title: format!("{} paid {} for {} that failed {}", case.who(), case.spent(), many(case.failed(), "execution"), case.when()),
        over: format!("{} for failed executions ended", case.whose("payments")),
        lead: format!(
            "{} of {} executions failed and were charged all the same: what was generated before it broke is billed.{}",
            number(case.failed()),
            number(evidence.executions),
            failing_most(case)
        ),
        facts: [
            fact("Charged", of_all(case.failed(), evidence.executions)),
            fact("Cost", case.spent()),
            fact("Alert above", percent(case.finding().threshold)),
        ]
        .into_iter()
        .chain(case.counted_from())
        .collect(),
        bars: Vec::new(),
        actions: vec![
            "Look at how they ended. Time-outs: wait longer, or ask for less output. Broken streams: another provider. Output that cannot be used: a stricter format, or a model that keeps to it.".to_owned(),
            "Do not repeat a charged failure at once and without end: each attempt is paid.".to_owned(),
        ],
    }
}

/// A model gives more unusable outputs than it usually does.
pub(super) fn bad_output(case: &Case<'_>) -> Story {
    let (finding, evidence) = (case.finding(), case.evidence());
    let usual = evidence.expected.unwrap_or_default();
    let (share, usual_share) = (percent(finding.value), percent(usual));
    let model = finding.subject.id();
    let mut facts = named_model(model);
    facts.extend([
        fact("Unusable", of_all(case.failed(), evidence.executions)),
        fact("Usual", usual_share.clone()),
        fact("Alert above", percent(finding.threshold)),
    ]);
    facts.extend(case.counted_from());
    let instead = case.instead_of(model).map_or_else(
        || "If it stays so, move what depends on the format to another model.".to_owned(),
        |instead| format!("If it stays so, move what depends on the format to another model, such as {instead}."),
    );
    Story {
        title: format!(
            "{} gave unusable output in {share} of executions {}; {usual_share} is usual",
            case.subject(),
            case.when()
        ),
        over: format!("{} gives usable output as usual again", case.subject()),
        lead: format!(
            "The platform could not use the output of {} of {} executions. The model, or one of its providers, may have changed.{}",
            number(case.failed()),
            number(evidence.executions),
            failing_most(case)
        ),
        facts,
        bars: bars(&[("Usual", usual, usual_share), ("Now", finding.value, share)]),
        actions: vec![
            "Compare a few outputs with those of last week; see whether one provider gives all the bad ones."
                .to_owned(),
            instead,
        ],
    }
}

fn named_model(id: &str) -> Vec<Fact> {
    vec![fact("Model", harmless(id))]
}

fn of_all(part: i64, whole: i64) -> String {
    format!("{} of {}", number(part), many(whole, "execution"))
}

/// Where most of the failures are, in a sentence.
fn failing_most(case: &Case<'_>) -> String {
    match (case.top_resource(), case.top_model()) {
        (Some(resource), Some(model)) => {
            format!(" Most of them are in {resource}; the model that fails most is {model}.")
        }
        (Some(part), None) | (None, Some(part)) => format!(" Most of them are in {part}."),
        (None, None) => String::new(),
    }
}
