//! Lists in statements.

use sqlx::{Database, Encode, QueryBuilder, Type};

/// Appends `(a, b, …)`. The last item is repeated until there are a power of two of them, so that lists of all lengths
/// make a handful of statements, which stay prepared.
pub(super) fn push_list<'a, DB, T>(select: &mut QueryBuilder<DB>, items: impl IntoIterator<Item = T>)
where
    DB: Database,
    T: Encode<'a, DB> + Type<DB> + Copy + 'a,
{
    let mut count = 0_usize;
    let mut end = None;
    select.push("(");
    let mut list = select.separated(", ");
    for item in items {
        list.push_bind(item);
        (count, end) = (count + 1, Some(item));
    }
    if let Some(last) = end {
        for _ in count..count.next_power_of_two() {
            list.push_bind(last);
        }
    }
    select.push(")");
}
