//! Which spans are executions, and which are only parts of one: attempts, timings, the same call seen by two libraries.

use std::collections::HashMap;
use std::iter::successors;

use super::span::{Batch, Span};
use super::{Decoded, execution, keys};

/// Generations between a span and what it is a part of; also the end of a circle.
const DEEPEST: usize = 64;

/// The one span of OpenRouter's connection test for a collector; that for a webhook has none.
const CONNECTION_TEST: &str = "openrouter-connection-test";

/// Operations that are no request to a model of their own (generative AI conventions, `gen_ai.operation.name`). The
/// usage of an agent is the sum of its requests, each of which has a span.
const NO_REQUEST: &[&str] =
    &["create_", "delete_", "search_", "update_", "upsert_", "invoke_", "execute_", "fetch_", "plan", "retrieval"];

/// What a span is to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The request itself: it alone has usage and cost.
    Root,
    /// One provider that OpenRouter tried.
    Attempt,
    /// Another part of a request.
    Part,
    /// Nothing.
    Foreign,
}

/// The executions of a batch.
pub(super) fn executions(batch: Batch) -> Decoded {
    let Batch { spans, rejected, warnings } = batch;
    let family = Family::of(&spans);
    let mut decoded = Decoded { rejected, warnings, ..Decoded::default() };
    let mut attempts = HashMap::<usize, Vec<&Span>>::new();
    for (index, span) in spans.iter().enumerate().filter(|(index, _)| family.roles[*index] != Role::Root) {
        match (family.root_of(index), family.roles[index]) {
            (None, _) | (_, Role::Foreign) => decoded.ignored += 1,
            (Some(root), Role::Attempt) => attempts.entry(root).or_default().push(span),
            (Some(_), _) => {}
        }
    }
    for (index, span) in spans.iter().enumerate().filter(|(index, _)| family.roles[*index] == Role::Root) {
        match execution::read(span, attempts.remove(&index).unwrap_or_default()) {
            Ok(execution) => decoded.executions.push(execution),
            Err(reason) if span.id.is_empty() => decoded.rejected.push((index.to_string(), reason)),
            Err(reason) => decoded.rejected.push((span.id.clone(), reason)),
        }
    }
    decoded
}

/// The spans of a batch and how they hang together: wherever in the body they stand.
struct Family<'a> {
    spans: &'a [Span],
    roles: Vec<Role>,
    by_id: HashMap<(&'a str, &'a str), usize>,
    by_generation: HashMap<String, usize>,
}

impl<'a> Family<'a> {
    fn of(spans: &'a [Span]) -> Self {
        let by_id = spans.iter().enumerate().map(|(index, span)| ((&*span.trace, &*span.id), index)).collect();
        let roles = spans.iter().map(role).collect();
        let mut family = Self { spans, roles, by_id, by_generation: HashMap::new() };
        family.merge_twins();
        let roots = (0..spans.len()).filter(|index| family.roles[*index] == Role::Root);
        family.by_generation = roots.filter_map(|index| Some((generation(&spans[index])?, index))).collect();
        family
    }

    /// A root within a root is the same call seen by two libraries, unless their answers have different ids. The outer
    /// one stays, or the one with usage if only one has it.
    fn merge_twins(&mut self) {
        let roots = self.roles.clone();
        for inner in (0..roots.len()).filter(|index| roots[*index] == Role::Root) {
            let Some(outer) = self.ancestors(inner).find(|index| roots[*index] == Role::Root) else { continue };
            let ids = (generation(&self.spans[inner]), generation(&self.spans[outer]));
            if matches!(&ids, (Some(inner), Some(outer)) if inner != outer) {
                continue;
            }
            let inner_stays = has_usage(&self.spans[inner]) && !has_usage(&self.spans[outer]);
            self.roles[if inner_stays { outer } else { inner }] = Role::Part;
        }
    }

    /// The root that a span is a part of: by the id of the answer, or by descent.
    fn root_of(&self, index: usize) -> Option<usize> {
        let named = generation(&self.spans[index]).and_then(|generation| self.by_generation.get(&generation).copied());
        named.or_else(|| self.ancestors(index).find(|index| self.roles[*index] == Role::Root))
    }

    fn ancestors(&self, index: usize) -> impl Iterator<Item = usize> {
        let parent = |index: &usize| {
            let span = &self.spans[*index];
            self.by_id.get(&(&*span.trace, &*span.parent)).copied().filter(|_| !span.parent.is_empty())
        };
        successors(Some(index), parent).skip(1).take(DEEPEST).take_while(move |ancestor| *ancestor != index)
    }
}

fn role(span: &Span) -> Role {
    let attributes = &span.attributes;
    let part = attributes.text(keys::RESPONSE_ID).and_then(|id| Some(id.rsplit_once(':')?.1.to_owned()));
    let part = part.as_deref().unwrap_or_default();
    let operation = attributes.text(keys::OPERATION).unwrap_or_default();
    if is_connection_test(span) {
        Role::Foreign
    } else if part.starts_with("attempt-") || attributes.count(keys::ATTEMPT_INDEX).is_some() {
        Role::Attempt
    } else if part == "generation" || attributes.is(keys::SPAN_TYPE, "span") {
        Role::Part
    } else if NO_REQUEST.iter().any(|prefix| operation.starts_with(prefix)) {
        Role::Foreign
    } else if attributes.text(keys::MODEL).is_some() || has_usage(span) || attributes.is(keys::SPAN_TYPE, "generation")
    {
        Role::Root
    } else {
        Role::Foreign
    }
}

/// By its name, or by ids of zeros up to the last digit, as OpenRouter sends them.
fn is_connection_test(span: &Span) -> bool {
    let blank = |id: &str| id.starts_with('0') && id.trim_start_matches('0').chars().count() <= 1;
    span.name == CONNECTION_TEST || (blank(&span.trace) && blank(&span.id))
}

fn has_usage(span: &Span) -> bool {
    let attributes = &span.attributes;
    [keys::INPUT_TOKENS, keys::OUTPUT_TOKENS].iter().any(|keys| attributes.count(keys).is_some())
        || attributes.dollars(keys::TOTAL_COST).is_some()
}

/// The answer's id, without the `:attempt-0` or `:generation` that OpenRouter adds for the parts of a request.
fn generation(span: &Span) -> Option<String> {
    let id = span.attributes.text(keys::RESPONSE_ID)?;
    let whole = id.rsplit_once(':').filter(|(_, part)| part.starts_with("attempt-") || *part == "generation");
    Some(whole.map_or(id.clone(), |(whole, _)| whole.to_owned()))
}
