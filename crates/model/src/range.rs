//! Parts of the persistent maps, by the text of their keys, without looking at the rest.

use rpds::RedBlackTreeMapSync as Map;
use std::borrow::Borrow;
use std::ops::{Bound, RangeBounds};

/// Where a part begins; it owns its text, so that an iterator may be handed out.
struct Begin(Bound<String>);

impl RangeBounds<str> for Begin {
    fn start_bound(&self) -> Bound<&str> {
        self.0.as_ref().map(String::as_str)
    }

    fn end_bound(&self) -> Bound<&str> {
        Bound::Unbounded
    }
}

/// The entries whose key begins with `prefix`, in the order of their keys.
pub(crate) fn with_prefix<'a, K: Ord + Borrow<str>, V>(
    map: &'a Map<K, V>,
    prefix: &str,
) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
    within(map, prefix, Bound::Included(prefix.to_owned()))
}

/// Those of them whose key is greater than `after`.
pub(crate) fn with_prefix_after<'a, K: Ord + Borrow<str>, V>(
    map: &'a Map<K, V>,
    prefix: &str,
    after: &str,
) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
    let begin = match after < prefix {
        true => Bound::Included(prefix.to_owned()),
        false => Bound::Excluded(after.to_owned()),
    };
    within(map, prefix, begin)
}

/// Those of them whose key is `from` or greater.
pub(crate) fn with_prefix_from<'a, K: Ord + Borrow<str>, V>(
    map: &'a Map<K, V>,
    prefix: &str,
    from: &str,
) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
    within(map, prefix, Bound::Included(from.max(prefix).to_owned()))
}

fn within<'a, K: Ord + Borrow<str>, V>(
    map: &'a Map<K, V>,
    prefix: &str,
    begin: Bound<String>,
) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
    let prefix = prefix.to_owned();
    map.range::<str, _>(Begin(begin))
        .take_while(move |(key, _)| Borrow::<str>::borrow(*key).starts_with(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_after_a_key_that_need_not_be_there() {
        let map: Map<String, ()> = ["a/1", "b", "b/", "b/1", "b/2", "b/3", "c"]
            .map(|key| (key.to_owned(), ()))
            .into_iter()
            .collect();
        let keys = |after: &str| -> Vec<&str> {
            let part = with_prefix_after(&map, "b/", after);
            part.map(|(key, ())| key.as_str()).collect()
        };
        assert_eq!(keys(""), ["b/", "b/1", "b/2", "b/3"]);
        assert_eq!(keys("b/"), ["b/1", "b/2", "b/3"]);
        assert_eq!(keys("b/1"), ["b/2", "b/3"]);
        assert_eq!(keys("b/11"), ["b/2", "b/3"]);
        assert_eq!(keys("b/3"), [""; 0]);
        assert_eq!(keys("c"), [""; 0]);
        let from = |key| with_prefix_from(&map, "b/", key).count();
        assert_eq!([from(""), from("b/1"), from("b/11"), from("c")], [4, 3, 2, 0]);
        assert_eq!(with_prefix(&map, "b/").count(), 4);
        assert_eq!(with_prefix(&map, "d").count(), 0);
    }
}
