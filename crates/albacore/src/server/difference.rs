//! What a new revision changed, in one line for people.

use crate::output::count;
use model::State;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Resources that were added, changed and removed, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference(Vec<(&'static str, [usize; 3])>);

const VERBS: [&str; 3] = ["added", "changed", "removed"];

impl Difference {
    /// From `old` to `new`.
    pub(super) fn between(old: &State, new: &State) -> Self {
        let kinds = [
            (
                "load balancer",
                tally(old.load_balancers(), new.load_balancers(), |it| it.arn.as_str()),
            ),
            (
                "listener",
                tally(old.listeners(), new.listeners(), |it| it.arn.as_str()),
            ),
            ("rule", tally(old.rules(), new.rules(), |it| it.arn.as_str())),
            (
                "target group",
                tally(old.target_groups(), new.target_groups(), |it| it.arn.as_str()),
            ),
            (
                "certificate",
                tally(old.certificates(), new.certificates(), |it| it.arn.as_str()),
            ),
            (
                "function",
                tally(old.functions(), new.functions(), |it| it.arn.as_str()),
            ),
            (
                "function URL",
                tally(old.function_urls(), new.function_urls(), |it| it.function.as_str()),
            ),
            (
                "trust store",
                tally(old.trust_stores(), new.trust_stores(), |it| it.arn.as_str()),
            ),
        ];
        Self(
            kinds
                .into_iter()
                .filter(|(_, numbers)| numbers.iter().any(|number| *number > 0))
                .collect(),
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().flat_map(|(kind, numbers)| {
            let numbered = numbers.iter().zip(VERBS).filter(|(number, _)| **number > 0);
            numbered.map(|(number, verb)| format!("{} {verb}", count(*number, kind)))
        });
        let texts: Vec<_> = texts.collect();
        formatter.write_str(if texts.is_empty() { "nothing changed" } else { "" })?;
        formatter.write_str(&texts.join(", "))
    }
}

fn tally<'a, T: PartialEq + 'a>(
    old: impl Iterator<Item = &'a Arc<T>>,
    new: impl Iterator<Item = &'a Arc<T>>,
    name: impl Fn(&'a T) -> &'a str,
) -> [usize; 3] {
    let old: BTreeMap<&str, &Arc<T>> = old.map(|it| (name(it), it)).collect();
    let [mut added, mut changed, mut kept] = [0; 3];
    for it in new {
        match old.get(name(it)) {
            None => added += 1,
            Some(before) => {
                kept += 1;
                changed += usize::from(!Arc::ptr_eq(before, it) && before != &it);
            }
        }
    }
    [added, changed, old.len() - kept]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_counted_by_what_happened_to_them() {
        let state = |entries: &[(&'static str, u8)]| entries.iter().map(|entry| Arc::new(*entry)).collect::<Vec<_>>();
        let (old, new) = (
            state(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]),
            state(&[("a", 1), ("b", 2), ("e", 1)]),
        );
        assert_eq!(tally(old.iter(), new.iter(), |it| it.0), [1, 1, 2]);
        let difference = Difference(vec![("rule", [1, 0, 2]), ("function", [0, 1, 0])]);
        assert_eq!(
            difference.to_string(),
            "1 rule added, 2 rules removed, 1 function changed"
        );
    }
}
