//! The rules of the state, by listener: what asks for those of one listener looks at no others, and finds at once that none of
//! them has changed.

use crate::arn::{ListenerArn, RuleArn, TargetGroupArn};
use crate::elb::action::{Actions, Answer, Forward};
use crate::elb::rule::Rule;
use rpds::RedBlackTreeMapSync as Map;
use std::sync::Arc;

/// All rules but for default rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules(Map<ListenerArn, Arc<ListenerRules>>);

/// The rules of one listener but for its default rule; at least one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerRules {
    by_arn: Map<RuleArn, Arc<Rule>>,
    /// How many of them forward to each target group.
    forwards: Map<TargetGroupArn, usize>,
}

impl Rules {
    pub(super) fn get(&self, arn: &RuleArn) -> Option<&Arc<Rule>> {
        self.0.get(&arn.listener()?)?.by_arn.get(arn)
    }

    pub(super) fn of(&self, listener: &ListenerArn) -> Option<&Arc<ListenerRules>> {
        self.0.get(listener)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&ListenerArn, &Arc<ListenerRules>)> {
        self.0.iter()
    }

    pub(super) fn put(&mut self, rule: &Arc<Rule>) {
        // By its ARN, as it is looked for.
        let listener = rule.arn.listener().unwrap_or_else(|| rule.listener.clone());
        match self.0.get_mut(&listener) {
            Some(rules) => Arc::make_mut(rules).put(rule),
            None => {
                let mut rules = ListenerRules::default();
                rules.put(rule);
                self.0.insert_mut(listener, Arc::new(rules));
            }
        }
    }

    pub(super) fn remove(&mut self, arn: &RuleArn) {
        let Some(listener) = arn.listener().filter(|_| self.get(arn).is_some()) else {
            return;
        };
        let Some(rules) = self.0.get_mut(&listener) else {
            return;
        };
        let rules = Arc::make_mut(rules);
        rules.remove(arn);
        if rules.by_arn.is_empty() {
            self.0.remove_mut(&listener);
        }
    }

    pub(super) fn ptr_eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// Whose rules are not the very same as there.
    pub(super) fn with_others<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ListenerArn> {
        let mut theirs = other.0.iter().peekable();
        let mut ours = self.0.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                // Both are in the order of their ARNs.
                match (ours.peek(), theirs.peek()) {
                    (None, None) => return None,
                    (Some((listener, rules)), Some((other, others)))
                        if Arc::ptr_eq(rules, others) && listener == other =>
                    {
                        ours.next();
                        theirs.next();
                    }
                    (Some((listener, _)), Some((other, _))) if listener == other => {
                        theirs.next();
                        return ours.next().map(|(listener, _)| listener);
                    }
                    (Some((listener, _)), Some((other, _))) if other < listener => {
                        return theirs.next().map(|(listener, _)| listener);
                    }
                    (Some(_), _) => return ours.next().map(|(listener, _)| listener),
                    (None, Some(_)) => return theirs.next().map(|(listener, _)| listener),
                }
            }
        })
    }
}

impl ListenerRules {
    /// Them, by ARN.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.by_arn.values()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.by_arn.size()
    }

    /// The target groups that they forward to, each once.
    pub fn target_groups(&self) -> impl Iterator<Item = &TargetGroupArn> {
        self.forwards.keys()
    }

    fn put(&mut self, rule: &Arc<Rule>) {
        self.forget_forwards(&rule.arn);
        for group in target_groups(&rule.actions) {
            let count = self.forwards.get(group).copied().unwrap_or_default();
            self.forwards.insert_mut(group.clone(), count + 1);
        }
        self.by_arn.insert_mut(rule.arn.clone(), rule.clone());
    }

    fn remove(&mut self, arn: &RuleArn) {
        self.forget_forwards(arn);
        self.by_arn.remove_mut(arn);
    }

    fn forget_forwards(&mut self, arn: &RuleArn) {
        let Some(rule) = self.by_arn.get(arn).cloned() else {
            return;
        };
        for group in target_groups(&rule.actions) {
            match self.forwards.get(group).copied() {
                Some(count @ 2..) => self.forwards.insert_mut(group.clone(), count - 1),
                _ => drop(self.forwards.remove_mut(group)),
            }
        }
    }
}

/// The forward action among them.
pub(super) fn forward(actions: &Actions) -> Option<&Forward> {
    match &actions.answer {
        Answer::Forward(forward) => Some(forward),
        Answer::Redirect(_) | Answer::FixedResponse(_) => None,
    }
}

pub(super) fn target_groups(actions: &Actions) -> impl Iterator<Item = &TargetGroupArn> {
    let groups = forward(actions).into_iter().flat_map(Forward::target_groups);
    groups.map(|group| &group.target_group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::LoadBalancerArn;
    use crate::elb::action::{ContentType, FixedResponse, WeightedTargetGroup};
    use crate::elb::condition::{Condition, Conditions};
    use crate::elb::rule::RulePriority;
    use crate::elb::transform::Transforms;
    use crate::ids::{AccountId, Owner, Region, ResourceId, Scope};

    fn scope() -> Scope {
        Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        }
    }

    fn listener(id: u64) -> ListenerArn {
        ListenerArn::new(&LoadBalancerArn::new(&scope(), "shop", ResourceId(1)), ResourceId(id))
    }

    fn group(id: u64) -> TargetGroupArn {
        TargetGroupArn::new(&scope(), "red", ResourceId(id))
    }

    /// Forwards to these groups.
    fn rule(of: u64, id: u64, groups: &[u64]) -> Arc<Rule> {
        let weighted = |id: &u64| WeightedTargetGroup {
            target_group: group(*id),
            weight: 1,
        };
        let answer = match groups {
            [] => Answer::FixedResponse(FixedResponse::new(200, ContentType::TextPlain, "").unwrap()),
            groups => Answer::Forward(Forward::new(groups.iter().map(weighted).collect(), None).unwrap()),
        };
        let method = Condition::HttpRequestMethod(vec!["GET".try_into().unwrap()]);
        Arc::new(Rule {
            arn: RuleArn::new(&listener(of), ResourceId(id)),
            listener: listener(of),
            priority: RulePriority::try_from(1).unwrap(),
            conditions: Conditions::new(vec![method]).unwrap(),
            transforms: Transforms::default(),
            actions: Actions::from(answer),
            owner: Owner::Api,
        })
    }

    #[test]
    fn what_is_forwarded_to_follows_the_rules() {
        let mut rules = Rules::default();
        #[track_caller]
        fn check(rules: &Rules, of: u64, expected: &[u64]) {
            let found = rules.of(&listener(of));
            let found: Vec<_> = found.into_iter().flat_map(|it| it.target_groups()).cloned().collect();
            let expected: Vec<_> = expected.iter().map(|id| group(*id)).collect();
            assert_eq!(found, expected);
        }
        rules.put(&rule(1, 1, &[1, 2]));
        rules.put(&rule(1, 2, &[2]));
        rules.put(&rule(2, 3, &[3]));
        check(&rules, 1, &[1, 2]);
        rules.put(&rule(1, 1, &[4]));
        check(&rules, 1, &[2, 4]);
        rules.put(&rule(1, 2, &[]));
        check(&rules, 1, &[4]);
        check(&rules, 2, &[3]);
        rules.remove(&rule(1, 1, &[]).arn);
        check(&rules, 1, &[]);
    }

    #[test]
    fn what_was_not_touched_is_shared() {
        let mut rules = Rules::default();
        rules.put(&rule(1, 1, &[]));
        rules.put(&rule(2, 2, &[]));
        let before = rules.clone();
        rules.remove(&rule(1, 9, &[]).arn);
        assert!(rules.ptr_eq(&before), "there was none to remove");
        rules.put(&rule(1, 3, &[]));
        let same = |id| Arc::ptr_eq(rules.of(&listener(id)).unwrap(), before.of(&listener(id)).unwrap());
        assert_eq!([same(1), same(2)], [false, true]);
        assert_eq!(
            before.of(&listener(1)).unwrap().count(),
            1,
            "the state before stays as it was"
        );
    }

    #[test]
    fn listeners_with_other_rules_are_found() {
        let mut before = Rules::default();
        for of in 2..=6 {
            before.put(&rule(of, 1, &[]));
        }
        let mut now = before.clone();
        let check = |now: &Rules, expected: &[u64]| {
            let expected: Vec<_> = expected.iter().map(|of| listener(*of)).collect();
            let found = |one: &Rules, other: &Rules| one.with_others(other).cloned().collect::<Vec<_>>();
            assert_eq!((found(now, &before), found(&before, now)), (expected.clone(), expected));
        };
        check(&now, &[]);
        now.put(&rule(3, 1, &[]));
        check(&now, &[3]);
        now.put(&rule(1, 1, &[]));
        now.put(&rule(7, 1, &[]));
        check(&now, &[1, 3, 7]);
        now.remove(&rule(2, 1, &[]).arn);
        now.remove(&rule(6, 1, &[]).arn);
        check(&now, &[1, 2, 3, 6, 7]);
    }

    #[test]
    fn a_listener_without_rules_leaves_nothing() {
        let mut rules = Rules::default();
        rules.put(&rule(1, 1, &[1]));
        rules.remove(&rule(1, 1, &[]).arn);
        assert_eq!(rules, Rules::default());
        assert!(rules.get(&rule(1, 1, &[]).arn).is_none());
    }
}
