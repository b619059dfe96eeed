//! What a rule does with a request it matched, ready to be done. Source: ALB 2.5.

pub mod redirect;

use model::arn::TargetGroupArn;
use model::elb::action as written;
use redirect::Redirect;
use std::time::Duration;

/// The routing action of a rule. `G` is what a target group is to the user of the table.
#[derive(Clone, Debug)]
pub enum Action<G> {
    /// Send the request on to one of some target groups.
    Forward(Forward<G>),
    /// Send the client elsewhere.
    Redirect(Redirect),
    /// Answer with this.
    FixedResponse(written::FixedResponse),
}

impl<G> Action<G> {
    pub(crate) fn compile(actions: &written::Actions, resolve: &mut impl FnMut(&TargetGroupArn) -> G) -> Self {
        match &actions.answer {
            written::Answer::Forward(forward) => Self::Forward(Forward::compile(forward, resolve)),
            written::Answer::Redirect(redirect) => Self::Redirect(Redirect::new(redirect.clone())),
            written::Answer::FixedResponse(response) => Self::FixedResponse(response.clone()),
        }
    }
}

/// A forward action with its target groups resolved. Source: ALB 2.5.1.
#[derive(Clone, Debug)]
pub struct Forward<G> {
    groups: Box<[(TargetGroupArn, G)]>,
    /// For each group, the sum of the weights up to and including its own.
    sums: Box<[u32]>,
    stickiness: Option<Duration>,
}

impl<G> Forward<G> {
    fn compile(forward: &written::Forward, resolve: &mut impl FnMut(&TargetGroupArn) -> G) -> Self {
        let groups = forward.target_groups().iter();
        Self {
            groups: groups
                .clone()
                .map(|group| (group.target_group.clone(), resolve(&group.target_group)))
                .collect(),
            sums: groups
                .scan(0, |sum, group| {
                    *sum += u32::from(group.weight);
                    Some(*sum)
                })
                .collect(),
            stickiness: forward.stickiness(),
        }
    }

    /// Draws a target group: each has the chance weight / sum of weights, when `random` is uniform over `u64`.
    ///
    /// `None` when every weight is 0; the answer is 503 then (ALB 2.5.1, unverified). Health is not looked at: there is
    /// no failover to another group of the action.
    pub fn pick(&self, random: u64) -> Option<&(TargetGroupArn, G)> {
        let total = *self.sums.last()?;
        // The high half of the product is uniform over 0..total; it is below `total`, so some sum is above it unless
        // `total` is 0.
        let drawn = (u128::from(random) * u128::from(total)) >> 64;
        let at = self.sums.iter().position(|&sum| u128::from(sum) > drawn)?;
        self.groups.get(at)
    }

    /// The target groups with the chance each has, 0 to 1; all 0 when every weight is.
    pub fn shares(&self) -> impl Iterator<Item = (&G, f64)> {
        let total = self.sums.last().copied().unwrap_or(0).max(1);
        let before = std::iter::once(0).chain(self.sums.iter().copied());
        let weights = self.sums.iter().zip(before).map(|(sum, before)| sum - before);
        self.groups
            .iter()
            .zip(weights)
            .map(move |((_, group), weight)| (group, f64::from(weight) / f64::from(total)))
    }

    /// The target groups as written, with weight 0 or not; at least one.
    pub fn groups(&self) -> &[(TargetGroupArn, G)] {
        &self.groups
    }

    /// The target group with this ARN, if it is one of the action's; for stickiness.
    pub fn by_arn(&self, arn: &str) -> Option<&(TargetGroupArn, G)> {
        self.groups.iter().find(|(known, _)| known.as_str() == arn)
    }

    /// How long a client stays with the group it got; `None` when group stickiness is off.
    pub fn stickiness(&self) -> Option<Duration> {
        self.stickiness
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::forward;

    // ALB-A-003: weights 10 and 20 give a 1:2 split
    #[test]
    fn groups_are_drawn_by_weight() {
        let forward = forward(&[10, 20]);
        let mut drawn = [0_u32; 2];
        let step = u64::MAX / 3000;
        for number in 0..3000_u64 {
            drawn[forward.pick(number * step).expect("a group").1] += 1;
        }
        assert!(
            drawn[0].abs_diff(1000) <= 1 && drawn[1].abs_diff(2000) <= 1,
            "{drawn:?}"
        );
    }

    // ALB-A-004: a group with weight 0 receives nothing
    #[test]
    fn weight_0_receives_nothing() {
        let forward_first = forward(&[0, 7, 0]);
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            assert_eq!(forward_first.pick(random).map(|group| group.1), Some(1), "{random}");
        }
        let none = forward(&[0, 0]);
        for random in [0, 1, u64::MAX] {
            assert!(none.pick(random).is_none());
        }
        assert_eq!(forward(&[1]).pick(u64::MAX).map(|group| group.1), Some(0));
    }

    #[test]
    fn groups_are_found_by_arn() {
        let forward = forward(&[0, 1]);
        for (arn, group) in forward.groups() {
            assert_eq!(forward.by_arn(arn.as_str()).map(|found| found.1), Some(*group));
        }
        assert!(forward.by_arn("arn:aws:other").is_none());
        assert_eq!(forward.stickiness(), None);
    }
}
