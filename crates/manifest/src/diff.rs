//! From a state to what the manifest asks for, as one batch of the commands that the API uses too.
//!
//! Every command is decided on a scratch copy as it is found, so each step compares with what the steps before left.
//! Three steps make any manifest follow any other: first everything is let go that changes hands (a target group, a
//! certificate, a place under a limit), then everything is made or changed, then what nobody uses is deleted.

use crate::desired::{Desired, Placed};
use crate::mistake::Place;
use model::arn::TargetGroupArn;
use model::command::function::UpdateFunction;
use model::command::listener::{CreateListener, ModifyListener};
use model::command::rule::ModifyRule;
use model::elb::action::{Actions, Answer, ContentType, FixedResponse};
use model::elb::listener::{Listener, ListenerProtocol, Tls};
use model::elb::target_group::TargetKind;
use model::refusal::Refusal;
use model::{Command, Context, Owner, State, decide};
use std::collections::BTreeSet;

/// Commands to submit together: all of them or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The commands, in an order that `decide` accepts.
    pub commands: Vec<Command>,
    /// For each command, where the manifest asks for it.
    pub places: Vec<Place>,
    /// Which commands `decide` refuses on the state that the batch was made for, by index.
    pub refusals: Vec<(usize, Refusal)>,
}

impl Desired {
    /// What has to be done to `state` so that the resources of the manifest are as it says. Resources of other owners
    /// are left alone. Without any change the batch is empty.
    ///
    /// A batch with [`Batch::refusals`] will be refused as a whole; submitting it is of no use.
    pub fn batch(&self, state: &State) -> Batch {
        let mut planner = Planner {
            scratch: state.clone(),
            batch: Batch {
                commands: Vec::new(),
                places: Vec::new(),
                refusals: Vec::new(),
            },
        };
        planner.release(self);
        planner.acquire(self);
        planner.clean(self);
        planner.batch
    }
}

struct Planner {
    scratch: State,
    batch: Batch,
}

impl Planner {
    fn push(&mut self, place: &Place, command: Command) {
        // The time only matters to the load balancer's age, never to whether a command is accepted.
        match decide(&self.scratch, &command, &Context::default()) {
            Ok(commit) => commit.changes.iter().for_each(|change| self.scratch.apply(change)),
            Err(refusal) => {
                if let (Refusal::Action(_), Command::CreateListener(create)) = (&refusal, &command) {
                    self.stand_in(create);
                }
                self.batch.refusals.push((self.batch.commands.len(), refusal));
            }
        }
        self.batch.commands.push(command);
        self.batch.places.push(place.clone());
    }

    /// A listener whose default action is refused, with another action: its rules are still to be judged.
    fn stand_in(&mut self, refused: &CreateListener) {
        let command = Command::CreateListener(CreateListener {
            default_actions: neutral(),
            ..refused.clone()
        });
        if let Ok(commit) = decide(&self.scratch, &command, &Context::default()) {
            commit.changes.iter().for_each(|change| self.scratch.apply(change));
        }
    }

    /// Lets go of everything that is to be used elsewhere or no more.
    fn release(&mut self, desired: &Desired) {
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
        let state = self.scratch.clone();
        for existing in state.rules().filter(|it| it.owner == Owner::Manifest) {
            let wanted = desired.rules.iter().find(|it| it.it.arn == existing.arn);
            let stays =
                wanted.is_some_and(|it| it.it.priority == existing.priority && it.it.actions == existing.actions);
            // A rule of a listener that goes away goes with it.
            let listener_stays = desired.listeners.iter().any(|it| it.it.arn == existing.listener);
            if !stays && listener_stays {
                let place = wanted.map_or(&desired.start, |it| &it.place);
                self.push(place, Command::DeleteRule(existing.arn.clone()));
            }
        }
        for existing in state.listeners().filter(|it| it.owner == Owner::Manifest) {
            match desired.listeners.iter().find(|it| it.it.arn == existing.arn) {
                None => self.push(&desired.start, Command::DeleteListener(existing.arn.clone())),
                Some(wanted) => self.release_listener(existing, wanted),
            }
        }
    }

    /// Takes target groups and certificates from a listener that it will not have any more.
    fn release_listener(&mut self, existing: &Listener, wanted: &Placed<CreateListener>) {
        let kept_groups = groups(&wanted.it.default_actions);
        let default_actions = if groups(&existing.default_actions).is_subset(&kept_groups) {
            None
        } else {
            Some(neutral())
        };
        let protocol = match (&existing.protocol, &wanted.it.protocol) {
            (ListenerProtocol::Https(existing), wanted) => {
                let keeps = |certificate: &&_| match wanted {
                    ListenerProtocol::Http => false,
                    ListenerProtocol::Https(wanted) => wanted.certificates.contains(certificate),
                };
                let kept: Vec<_> = existing.certificates.iter().filter(keeps).cloned().collect();
                (kept.len() < existing.certificates.len()).then(|| {
                    ListenerProtocol::Https(Tls {
                        certificates: kept,
                        ..existing.clone()
                    })
                })
            }
            (ListenerProtocol::Http, _) => None,
        };
        if default_actions.is_some() || protocol.is_some() {
            let command = ModifyListener {
                arn: existing.arn.clone(),
                port: None,
                protocol,
                default_actions,
                attributes: None,
            };
            self.push(&wanted.place, Command::ModifyListener(command));
        }
    }

    /// Makes what is missing and changes what differs, what is used before what uses it.
    fn acquire(&mut self, desired: &Desired) {
        self.functions(desired);
        self.target_groups(desired);
        for certificate in &desired.certificates {
            let existing = self.scratch.certificate(&certificate.it.arn);
            if existing.is_none_or(|existing| **existing != certificate.it) {
                self.push(&certificate.place, Command::ImportCertificate(certificate.it.clone()));
            }
        }
        for load_balancer in &desired.load_balancers {
            let wanted = &load_balancer.it;
            match owned(self.scratch.load_balancer(&wanted.arn), |it| it.owner) {
                None => self.push(&load_balancer.place, Command::CreateLoadBalancer(wanted.clone())),
                Some(existing) if existing.attributes != wanted.attributes => {
                    let command = Command::SetLoadBalancerAttributes(wanted.arn.clone(), wanted.attributes.clone());
                    self.push(&load_balancer.place, command);
                }
                Some(_) => {}
            }
        }
        self.listeners(desired);
        self.rules(desired);
    }

    fn functions(&mut self, desired: &Desired) {
        for function in &desired.functions {
            let wanted = &function.it;
            let command = match owned(self.scratch.function(&wanted.arn), |it| it.owner) {
                None => Command::CreateFunction(wanted.clone()),
                Some(existing) => {
                    let configuration = &wanted.configuration;
                    let update = UpdateFunction {
                        arn: wanted.arn.clone(),
                        configuration: (existing.configuration != *configuration).then(|| configuration.clone()),
                        code: (existing.code != wanted.code).then(|| wanted.code.clone()),
                    };
                    if update.configuration.is_none() && update.code.is_none() {
                        continue;
                    }
                    Command::UpdateFunction(update)
                }
            };
            self.push(&function.place, command);
        }
    }

    fn target_groups(&mut self, desired: &Desired) {
        for group in &desired.target_groups {
            let wanted = &group.it.create;
            let registered = match owned(self.scratch.target_group(&wanted.arn), |it| it.owner).cloned() {
                None => {
                    self.push(&group.place, Command::CreateTargetGroup(wanted.clone()));
                    None
                }
                Some(existing) => {
                    let TargetKind::Lambda(lambda) = &existing.targets;
                    if lambda.multi_value_headers != wanted.multi_value_headers {
                        let command = Command::SetLambdaAttributes {
                            target_group: wanted.arn.clone(),
                            multi_value_headers: wanted.multi_value_headers,
                        };
                        self.push(&group.place, command);
                    }
                    if lambda.health_check != wanted.health_check {
                        let command = Command::SetHealthCheck {
                            target_group: wanted.arn.clone(),
                            health_check: wanted.health_check.clone(),
                        };
                        self.push(&group.place, command);
                    }
                    lambda.function.clone()
                }
            };
            if registered == group.it.function {
                continue;
            }
            if let Some(registered) = registered {
                let command = Command::DeregisterFunction(wanted.arn.clone(), registered);
                self.push(&group.place, command);
            }
            if let Some(function) = &group.it.function {
                let command = Command::RegisterFunction(wanted.arn.clone(), function.clone());
                self.push(&group.place, command);
            }
        }
    }

    fn listeners(&mut self, desired: &Desired) {
        for listener in &desired.listeners {
            let wanted = &listener.it;
            let command = match owned(self.scratch.listener(&wanted.arn), |it| it.owner) {
                None => Command::CreateListener(wanted.clone()),
                Some(existing) => {
                    let modify = ModifyListener {
                        arn: wanted.arn.clone(),
                        port: (existing.port != wanted.port).then_some(wanted.port),
                        protocol: (existing.protocol != wanted.protocol).then(|| wanted.protocol.clone()),
                        default_actions: (existing.default_actions != wanted.default_actions)
                            .then(|| wanted.default_actions.clone()),
                        attributes: (existing.attributes != wanted.attributes).then(|| wanted.attributes.clone()),
                    };
                    let unchanged = ModifyListener {
                        arn: wanted.arn.clone(),
                        port: None,
                        protocol: None,
                        default_actions: None,
                        attributes: None,
                    };
                    if modify == unchanged {
                        continue;
                    }
                    Command::ModifyListener(modify)
                }
            };
            self.push(&listener.place, command);
        }
    }

    fn rules(&mut self, desired: &Desired) {
        for rule in &desired.rules {
            let wanted = &rule.it;
            let command = match owned(self.scratch.rule(&wanted.arn), |it| it.owner) {
                None => Command::CreateRule(wanted.clone()),
                Some(existing)
                    if existing.conditions == wanted.conditions && existing.transforms == wanted.transforms =>
                {
                    continue;
                }
                Some(existing) => Command::ModifyRule(ModifyRule {
                    arn: wanted.arn.clone(),
                    conditions: (existing.conditions != wanted.conditions).then(|| wanted.conditions.clone()),
                    transforms: (existing.transforms != wanted.transforms).then(|| wanted.transforms.clone()),
                    actions: None,
                }),
            };
            self.push(&rule.place, command);
        }
    }

    /// Deletes what nobody uses any more.
    fn clean(&mut self, desired: &Desired) {
        let state = self.scratch.clone();
        for existing in state.target_groups().filter(|it| it.owner == Owner::Manifest) {
            if desired.target_groups.iter().all(|it| it.it.create.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteTargetGroup(existing.arn.clone()));
            }
        }
        for existing in state.certificates().filter(|it| it.owner == Owner::Manifest) {
            if desired.certificates.iter().all(|it| it.it.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteCertificate(existing.arn.clone()));
            }
        }
        for existing in state.functions().filter(|it| it.owner == Owner::Manifest) {
            if desired.functions.iter().all(|it| it.it.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteFunction(existing.arn.clone()));
            }
        }
    }
}

/// What stands there, if it is the manifest's. What belongs to others is not looked at: creating it is tried and
/// refused, which tells whose name it is.
fn owned<T>(existing: Option<&T>, owner: impl Fn(&T) -> Owner) -> Option<&T> {
    existing.filter(|it| owner(it) == Owner::Manifest)
}

fn groups(actions: &Actions) -> BTreeSet<&TargetGroupArn> {
    match &actions.answer {
        Answer::Forward(forward) => forward.target_groups().iter().map(|it| &it.target_group).collect(),
        Answer::Redirect(_) | Answer::FixedResponse(_) => BTreeSet::new(),
    }
}

/// Stands in between: no request ever sees it, because the batch is applied as one.
fn neutral() -> Actions {
    let response = FixedResponse::new(503, ContentType::TextPlain, "").expect("503 is a status of fixed responses");
    Actions {
        answer: Answer::FixedResponse(response),
    }
}

#[cfg(test)]
mod tests;
