//! The part of a long list that one answer shows.

/// The first items of a list, and whether there are more.
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    pub(crate) has_more: bool,
}

/// The first `size` items in the order of their keys, of those whose key is greater than `after`. What is made or deleted
/// between two pages neither repeats nor hides the others. It remembers no more than two pages, however long the list is, and
/// sorts no more than that.
pub(crate) fn first<T, K: Ord>(
    items: impl IntoIterator<Item = T>,
    size: usize,
    is_after: impl Fn(&K) -> bool,
    key: impl Fn(&T) -> K,
) -> Part<T> {
    let most = size.saturating_add(1);
    let by_key = |(one, _): &(K, T), (other, _): &(K, T)| one.cmp(other);
    let mut kept: Vec<(K, T)> = Vec::new();
    for item in items {
        let key = key(&item);
        if !is_after(&key) {
            continue;
        }
        kept.push((key, item));
        if kept.len() >= most.saturating_mul(2) {
            kept.select_nth_unstable_by(size, by_key);
            kept.truncate(most);
        }
    }
    kept.sort_by(by_key);
    in_order(kept.into_iter().map(|(_, item)| item), size)
}

/// The first `size` items of a list that is in order already and begins where the part does. The rest is not looked at.
pub(crate) fn in_order<T>(items: impl IntoIterator<Item = T>, size: usize) -> Part<T> {
    let mut items = items.into_iter();
    let part = items.by_ref().take(size).collect();
    Part {
        items: part,
        has_more: items.next().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn parts_follow_each_other_in_the_order_of_keys() {
        // In no order: 7 and 100 have no divisor in common.
        let items: Vec<u32> = (0..100).map(|number| number * 7 % 100).collect();
        for size in [1, 3, 50, 99, 100, 101, usize::MAX] {
            let (mut all, mut after): (Vec<u32>, _) = (Vec::new(), None);
            loop {
                let part = first(
                    items.iter().copied(),
                    size,
                    |key| after.is_none_or(|after| *key > after),
                    |it| *it,
                );
                assert!(part.items.len() <= size);
                all.extend(&part.items);
                after = part.items.last().copied();
                if !part.has_more {
                    break;
                }
            }
            assert_eq!(all, (0..100).collect::<Vec<_>>(), "{size}");
        }
    }

    #[test]
    fn of_a_list_in_order_one_more_than_a_part_is_looked_at() {
        let seen = Cell::new(0);
        let items = (0..10_000).inspect(|_| seen.set(seen.get() + 1));
        let part = in_order(items, 50);
        assert_eq!((part.items.len(), part.has_more, seen.get()), (50, true, 51));
        let part = in_order(0..50, 50);
        assert_eq!((part.items.len(), part.has_more), (50, false));
    }
}
