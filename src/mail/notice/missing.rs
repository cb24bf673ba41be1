//! The words of a mail about models that are missing while their users' executions fail.

use super::{Item, Words, short};

pub(super) fn words(items: &[Item<'_>], consequence: Option<String>) -> Words {
    let what = match items {
        [item] => format!("{} is missing", short(&item.tracked.model.name)),
        _ => format!("{} models you use are missing", items.len()),
    };
    let title =
        consequence.map_or_else(|| format!("{what}: your executions fail"), |follows| format!("{what}: {follows}"));
    let opening = if items.len() == 1 {
        "Executions of yours fail, and OpenRouter's list does not have the model they ask for. That may pass within hours, or be for good: we look every hour and write again when it is back or gone."
    } else {
        "Executions of yours fail, and OpenRouter's list does not have the models they ask for. That may pass within hours, or be for good: we look every hour and write again when they are back or gone."
    };
    let to_do = "Use another model meanwhile for what cannot wait.";
    Words { title, opening: opening.to_owned(), to_do: to_do.to_owned(), offers: "Use meanwhile", none_named: true }
}
