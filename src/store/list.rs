//! Lists and rows in statements, of which only a handful of lengths are made: those stay prepared.

use sqlx::{Database, Encode, QueryBuilder, Type};

/// Appends `(a, b, …)`. The last item is repeated until there are a power of two of them.
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

/// Cuts rows into runs of `most`, and the rest into runs whose lengths are powers of two.
pub(super) fn runs<T>(rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let length = std::cmp::min(1 << rest.len().checked_ilog2()?, most);
        let (run, behind) = rest.split_at(length);
        rest = behind;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_all_rows_in_few_lengths() {
        for (rows, expected) in
            [(0, vec![]), (1, vec![1]), (13, vec![8, 4, 1]), (64, vec![64]), (150, vec![64, 64, 16, 4, 2])]
        {
            let rows: Vec<usize> = (0..rows).collect();
            let lengths: Vec<usize> = runs(&rows, 64).map(<[usize]>::len).collect();
            assert_eq!(lengths, expected);
            assert_eq!(runs(&rows, 64).flatten().copied().collect::<Vec<_>>(), rows);
        }
    }
}
