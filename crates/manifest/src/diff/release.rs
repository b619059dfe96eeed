//! The first step: letting go of everything that is to be used elsewhere, to be made anew, or to be no more.

use super::{Planner, neutral};
use crate::desired::{Desired, Placed};
use model::command::listener::{CreateListener, ModifyListener};
use model::elb::action::{Actions, Answer};
use model::elb::listener::{Listener, ListenerProtocol, MutualAuthentication, Tls};
use model::{Command, Owner, TargetGroupArn};
use std::collections::{BTreeMap, BTreeSet};

impl Planner {
    pub(super) fn release(&mut self, desired: &Desired) {
        let renewed = self.renewed_groups(desired);
        self.release_load_balancers(desired);
        self.release_rules(desired, &renewed);
        let state = self.scratch.clone();
        for existing in state.listeners().filter(|it| it.owner == Owner::Manifest) {
            match desired.listeners.iter().find(|it| it.it.arn == existing.arn) {
                None => self.push(&desired.start, Command::DeleteListener(existing.arn.clone())),
                Some(wanted) => self.release_listener(existing, wanted, &renewed),
            }
        }
        for group in desired.target_groups.iter() {
            if renewed.contains(&group.it.create.arn) {
                self.push(&group.place, Command::DeleteTargetGroup(group.it.create.arn.clone()));
            }
        }
        // Few trust stores are allowed, so the places of old ones are needed.
        for existing in state.trust_stores().filter(|it| it.owner == Owner::Manifest) {
            if desired.trust_stores.iter().all(|it| it.it.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteTrustStore(existing.arn.clone()));
            }
        }
    }

    fn release_load_balancers(&mut self, desired: &Desired) {
        let state = self.scratch.clone();
        for existing in state.load_balancers().filter(|it| it.owner == Owner::Manifest) {
            let wanted = desired.load_balancers.iter().find(|it| it.it.arn == existing.arn);
            // Scheme and DNS name are fixed at creation.
            let stays = wanted.is_some_and(|it| {
                it.it.scheme == existing.scheme && it.it.dns_name.eq_ignore_ascii_case(&existing.dns_name)
            });
            if !stays {
                let place = wanted.map_or(&desired.start, |it| &it.place);
                self.push(place, Command::DeleteLoadBalancer(existing.arn.clone()));
            }
        }
    }

    fn release_rules(&mut self, desired: &Desired, renewed: &BTreeSet<TargetGroupArn>) {
        let state = self.scratch.clone();
        // There may be thousands.
        let wanted: BTreeMap<_, _> = desired.rules.iter().map(|it| (&it.it.arn, it)).collect();
        let renewed: BTreeSet<_> = renewed.iter().collect();
        let listeners: BTreeSet<_> = desired.listeners.iter().map(|it| &it.it.arn).collect();
        for existing in state.rules().filter(|it| it.owner == Owner::Manifest) {
            let wanted = wanted.get(&existing.arn);
            let stays = wanted
                .is_some_and(|it| it.it.priority == existing.priority && it.it.actions == existing.actions)
                && groups(&existing.actions).is_disjoint(&renewed);
            // A rule of a listener that goes away goes with it.
            let listener_stays = listeners.contains(&existing.listener);
            if !stays && listener_stays {
                let place = wanted.map_or(&desired.start, |it| &it.place);
                self.push(place, Command::DeleteRule(existing.arn.clone()));
            }
        }
    }

    /// Takes from a listener what it will not have any more: target groups, certificates, the trust store.
    fn release_listener(
        &mut self,
        existing: &Listener,
        wanted: &Placed<CreateListener>,
        renewed: &BTreeSet<TargetGroupArn>,
    ) {
        let kept_groups = groups(&wanted.it.default_actions);
        let used_groups = groups(&existing.default_actions);
        let keeps_groups = used_groups.is_subset(&kept_groups) && used_groups.is_disjoint(&renewed.iter().collect());
        let default_actions = (!keeps_groups).then(neutral);
        let protocol = match &existing.protocol {
            ListenerProtocol::Https(tls) => released(tls, &wanted.it.protocol),
            ListenerProtocol::Http => None,
        };
        if default_actions.is_some() || protocol.is_some() {
            let command = ModifyListener {
                arn: existing.arn.clone(),
                port: None,
                protocol: protocol.map(ListenerProtocol::Https),
                default_actions,
                attributes: None,
            };
            self.push(&wanted.place, Command::ModifyListener(command));
        }
    }
}

/// What is left of `existing` without what `wanted` does not have; `None` when that is all.
fn released(existing: &Tls, wanted: &ListenerProtocol) -> Option<Tls> {
    let (certificates, trust_store) = match wanted {
        ListenerProtocol::Http => ([].as_slice(), None),
        ListenerProtocol::Https(tls) => (tls.certificates.as_slice(), wanted.trust_store()),
    };
    let kept = existing.certificates.iter().filter(|it| certificates.contains(it));
    let mutual_authentication = match &existing.mutual_authentication {
        MutualAuthentication::Verify { trust_store: used, .. } if Some(used) != trust_store => {
            MutualAuthentication::Off
        }
        mutual_authentication => mutual_authentication.clone(),
    };
    let left = Tls {
        certificates: kept.cloned().collect(),
        mutual_authentication,
        ..existing.clone()
    };
    (left != *existing).then_some(left)
}

fn groups(actions: &Actions) -> BTreeSet<&TargetGroupArn> {
    match &actions.answer {
        Answer::Forward(forward) => forward.target_groups().iter().map(|it| &it.target_group).collect(),
        Answer::Redirect(_) | Answer::FixedResponse(_) => BTreeSet::new(),
    }
}
