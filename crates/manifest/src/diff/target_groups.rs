//! Target groups: what is fixed at creation is made anew, everything else is changed in place, so that targets that stay
//! keep their connections, their health and their share.

use super::{Planner, owned};
use crate::desired::{Desired, DesiredTargetGroup, Placed};
use model::elb::target_group::{LambdaTargets, ServerTargets, Target, TargetId, TargetKind};
use model::{Command, FunctionArn, Owner, TargetGroupArn};
use std::collections::{BTreeMap, BTreeSet};

impl Planner {
    /// The groups that stay by name, and of which something changes that is fixed at creation.
    pub(super) fn renewed_groups(&self, desired: &Desired) -> BTreeSet<TargetGroupArn> {
        let renewed = desired.target_groups.iter().filter(|group| {
            let wanted = &group.it.create;
            owned(self.scratch.target_group(&wanted.arn), |it| it.owner)
                .is_some_and(|existing| !is_fixed_alike(&existing.targets, &wanted.targets))
        });
        renewed.map(|group| group.it.create.arn.clone()).collect()
    }

    pub(super) fn target_groups(&mut self, desired: &Desired) {
        for group in &desired.target_groups {
            let wanted = &group.it.create;
            let existing = owned(self.scratch.target_group(&wanted.arn), |it| it.owner).cloned();
            match (existing.as_ref().map(|it| &it.targets), &wanted.targets) {
                (Some(TargetKind::Lambda(existing)), TargetKind::Lambda(lambda)) => {
                    self.lambda(group, existing, lambda);
                    self.function(group, existing.function.as_ref());
                }
                (Some(TargetKind::Servers(existing)), TargetKind::Servers(servers)) => {
                    self.servers(group, existing, servers);
                }
                // One of the other kind is gone by now, unless it may not go: then this is refused as well.
                (_, _) => {
                    self.push(&group.place, Command::CreateTargetGroup(wanted.clone()));
                    self.function(group, None);
                }
            }
        }
    }

    fn lambda(&mut self, group: &Placed<DesiredTargetGroup>, existing: &LambdaTargets, wanted: &LambdaTargets) {
        let target_group = || group.it.create.arn.clone();
        if existing.multi_value_headers != wanted.multi_value_headers {
            let command = Command::SetLambdaAttributes {
                target_group: target_group(),
                multi_value_headers: wanted.multi_value_headers,
            };
            self.push(&group.place, command);
        }
        if existing.health_check != wanted.health_check {
            let command = Command::SetHealthCheck {
                target_group: target_group(),
                health_check: wanted.health_check.clone(),
            };
            self.push(&group.place, command);
        }
    }

    fn function(&mut self, group: &Placed<DesiredTargetGroup>, registered: Option<&FunctionArn>) {
        let (arn, wanted) = (&group.it.create.arn, group.it.function.as_ref());
        if registered == wanted {
            return;
        }
        if let Some(registered) = registered {
            let command = Command::DeregisterFunction(arn.clone(), registered.clone());
            self.push(&group.place, command);
        }
        if let Some(function) = wanted {
            let command = Command::RegisterFunction(arn.clone(), function.clone());
            self.push(&group.place, command);
        }
    }

    fn servers(&mut self, group: &Placed<DesiredTargetGroup>, existing: &ServerTargets, wanted: &ServerTargets) {
        let target_group = || group.it.create.arn.clone();
        if existing.health_check != wanted.health_check {
            let command = Command::SetServerHealthCheck {
                target_group: target_group(),
                health_check: wanted.health_check.clone(),
            };
            self.push(&group.place, command);
        }
        let (gone, new) = differences(&existing.targets, &wanted.targets);
        // First, for the places under the limit.
        if !gone.is_empty() {
            let command = Command::DeregisterServers {
                target_group: target_group(),
                targets: gone,
            };
            self.push(&group.place, command);
        }
        let register = (!new.is_empty()).then(|| Command::RegisterServers {
            target_group: target_group(),
            targets: new,
        });
        let set = (existing.attributes != wanted.attributes).then(|| Command::SetTargetGroupAttributes {
            target_group: target_group(),
            attributes: wanted.attributes.clone(),
        });
        // Cross-zone goes off when no target is in all zones any more, and on before one is.
        let commands = if wanted.attributes.cross_zone.is_on() {
            [set, register]
        } else {
            [register, set]
        };
        for command in commands.into_iter().flatten() {
            self.push(&group.place, command);
        }
    }

    /// Deletes the groups that nobody uses any more.
    pub(super) fn clean_target_groups(&mut self, desired: &Desired) {
        let state = self.scratch.clone();
        for existing in state.target_groups().filter(|it| it.owner == Owner::Manifest) {
            if desired.target_groups.iter().all(|it| it.it.create.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteTargetGroup(existing.arn.clone()));
            }
        }
    }
}

/// Whether everything is the same that is fixed at creation. Source: ALB 1.5.
fn is_fixed_alike(existing: &TargetKind, wanted: &TargetKind) -> bool {
    match (existing, wanted) {
        (TargetKind::Lambda(_), TargetKind::Lambda(_)) => true,
        (TargetKind::Servers(existing), TargetKind::Servers(wanted)) => {
            let fixed = |it: &ServerTargets| {
                (
                    it.target_type,
                    it.protocol,
                    it.protocol_version,
                    it.port,
                    it.ip_address_type,
                )
            };
            fixed(existing) == fixed(wanted)
        }
        (TargetKind::Lambda(_), TargetKind::Servers(_)) | (TargetKind::Servers(_), TargetKind::Lambda(_)) => false,
    }
}

/// The targets to deregister, and those to register: new ones, and ones with another address or zone. The order of
/// targets means nothing.
fn differences(existing: &[Target], wanted: &[Target]) -> (Vec<(TargetId, u16)>, Vec<Target>) {
    fn by_key(targets: &[Target]) -> BTreeMap<(&TargetId, u16), &Target> {
        targets.iter().map(|it| ((&it.id, it.port), it)).collect()
    }
    let (known, kept) = (by_key(existing), by_key(wanted));
    let gone = known.keys().filter(|key| !kept.contains_key(*key));
    let gone = gone.map(|(id, port)| ((*id).clone(), *port)).collect();
    let is_new = |it: &&Target| known.get(&(&it.id, it.port)) != Some(it);
    (gone, wanted.iter().filter(is_new).cloned().collect())
}
