//! Which environments are to be kept ready: those of the versions behind what was asked for. Pure. Source: Lambda 4.8.

use crate::arn::FunctionArn;
use crate::lambda::alias::VersionRef;
use crate::lambda::version::Provisioned;
use crate::state::State;
use std::collections::BTreeMap;

/// A part of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The version or the alias that it was asked for.
    pub target: FunctionArn,
    /// What runs: a version, or a function of the manifest itself.
    pub version: FunctionArn,
    /// So many environments.
    pub environments: u32,
}

/// How far what was asked for is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProvisionedReport {
    /// So many are ready.
    pub ready: u32,
    /// Not all of them are, and the last one that was started could not finish its init.
    pub init_failed: bool,
    /// Not all of them are, and this machine has no room for more.
    pub no_room: bool,
}

/// What is known of the environments of one version that are kept ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptReport {
    /// So many are wanted.
    pub wanted: u32,
    /// So many have finished their init; some of them may have an invocation.
    pub ready: u32,
    /// The last one that was started could not finish its init, by its own fault: `FUNCTION_ERROR_INIT_FAILURE`.
    pub init_failed: bool,
    /// The last one could not be started, because this machine has all the environments that it may have.
    pub no_room: bool,
}

impl State {
    /// Everything that is to be kept ready, by what it was asked for.
    pub fn provisioned_shares(&self) -> impl Iterator<Item = Share> + use<'_> {
        let own = self.functions().filter(|it| it.configuration.provisioned > 0);
        let own = own.map(|function| Share {
            target: function.arn.clone(),
            version: function.arn.clone(),
            environments: function.configuration.provisioned,
        });
        self.lambda()
            .all_provisioned()
            .flat_map(|provisioned| self.shares_of(provisioned))
            .chain(own)
    }

    /// The environments to be kept ready, by what runs in them.
    pub fn provisioned_versions(&self) -> BTreeMap<FunctionArn, u32> {
        let mut all = BTreeMap::<_, u32>::new();
        for share in self.provisioned_shares() {
            let wanted = all.entry(share.version).or_default();
            *wanted = wanted.saturating_add(share.environments);
        }
        all
    }

    /// What is kept ready of one function, all its versions and aliases together.
    pub fn provisioned_concurrency(&self, function: &FunctionArn) -> u32 {
        let own = self.function(function).map_or(0, |it| it.configuration.provisioned);
        let others = self.lambda().provisioned_of(function);
        others.fold(own, |sum, it| sum.saturating_add(it.requested))
    }

    /// How far it is, by what is known of each version. Where several ask for the same version, the first ones get theirs
    /// first.
    pub fn provisioned_report(
        &self,
        provisioned: &Provisioned,
        kept: impl Fn(&FunctionArn) -> KeptReport,
    ) -> ProvisionedReport {
        let mut report = ProvisionedReport::default();
        for share in self.shares_of(provisioned) {
            let known = kept(&share.version);
            let before = self.provisioned_shares().take_while(|it| it.target != share.target);
            let taken = before
                .filter(|it| it.version == share.version)
                .fold(0_u32, |sum, it| sum.saturating_add(it.environments));
            let ready = known.ready.saturating_sub(taken).min(share.environments);
            report.ready += ready;
            report.init_failed |= ready < share.environments && known.init_failed;
            report.no_room |= ready < share.environments && known.no_room;
        }
        report
    }

    /// An alias of two versions has its environments in both, by its weights.
    fn shares_of(&self, provisioned: &Provisioned) -> Vec<Share> {
        let Provisioned { target, requested, .. } = provisioned;
        let share = |version: VersionRef, environments: u32| Share {
            target: target.clone(),
            version: target.unqualified().qualified(version),
            environments,
        };
        let shares = match self.lambda().alias(target) {
            None => vec![Share {
                target: target.clone(),
                version: target.clone(),
                environments: *requested,
            }],
            Some(alias) => match alias.routing {
                None => vec![share(alias.version, *requested)],
                Some(routing) => {
                    let additional = part(*requested, routing.weight.get());
                    vec![
                        share(alias.version, requested - additional),
                        share(VersionRef::Number(routing.version), additional),
                    ]
                }
            },
        };
        shares.into_iter().filter(|share| share.environments > 0).collect()
    }
}

/// The part of `whole` that a weight of 0 to 1 means, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and `whole`"
)]
fn part(whole: u32, weight: f64) -> u32 {
    ((f64::from(whole) * weight).round() as u32).min(whole)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn a_weight_is_a_part_of_whole_environments() {
        for (whole, weight, expected) in [
            (10, 0.0, 0),
            (10, 1.0, 10),
            (10, 0.25, 3),
            (10, 0.24, 2),
            (1, 0.5, 1),
            (0, 0.5, 0),
        ] {
            assert_eq!(part(whole, weight), expected, "{whole} {weight}");
        }
    }
}
