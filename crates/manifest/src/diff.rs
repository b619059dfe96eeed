//! From a state to what the manifest asks for, as one batch of the commands that the API uses too.
//!
//! Every command is decided on a scratch copy as it is found, so each step compares with what the steps before left.
//! Three steps make any manifest follow any other: first everything is let go that changes hands (a target group, a
//! certificate, a place under a limit) or must be made anew, then everything is made or changed, then what nobody uses is
//! deleted.

mod release;
mod target_groups;

use crate::desired::{Desired, Placed};
use crate::mistake::Place;
use model::command::event_invoke;
use model::command::function::UpdateFunction;
use model::command::listener::{CreateListener, ModifyListener};
use model::command::rule::ModifyRule;
use model::elb::action::{Actions, Answer, ContentType, FixedResponse};
use model::lambda::event_invoke::EventInvokeConfig;
use model::lambda::url::FunctionUrl;
use model::refusal::Refusal;
use model::{Command, Context, Owner, State, decide};

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

    /// Makes what is missing and changes what differs, what is used before what uses it.
    fn acquire(&mut self, desired: &Desired) {
        self.functions(desired);
        self.function_urls(desired);
        self.event_invokes(desired);
        self.target_groups(desired);
        for certificate in &desired.certificates {
            let existing = self.scratch.certificate(&certificate.it.arn);
            if existing.is_none_or(|existing| **existing != certificate.it) {
                self.push(&certificate.place, Command::ImportCertificate(certificate.it.clone()));
            }
        }
        for trust_store in &desired.trust_stores {
            let existing = self.scratch.trust_store(&trust_store.it.arn);
            if existing.is_none_or(|existing| **existing != trust_store.it) {
                self.push(&trust_store.place, Command::PutTrustStore(trust_store.it.clone()));
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

    fn function_urls(&mut self, desired: &Desired) {
        for url in &desired.function_urls {
            let existing = self.scratch.function_url(&url.it.function);
            if existing.is_none_or(|existing| **existing != url.it) {
                self.push(&url.place, Command::PutFunctionUrl(url.it.clone()));
            }
        }
    }

    /// After all functions: they are destinations of each other.
    fn event_invokes(&mut self, desired: &Desired) {
        for put in &desired.event_invokes {
            let existing = self.scratch.event_invokes().of(&put.it.function);
            let is_as_wanted = |it: &EventInvokeConfig| it.settings == put.it.settings && it.owner == Owner::Manifest;
            if existing.is_none_or(|existing| !is_as_wanted(existing)) {
                let command = event_invoke::Command::Put(put.it.clone());
                self.push(&put.place, Command::EventInvoke(command));
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
        self.clean_target_groups(desired);
        let state = self.scratch.clone();
        for existing in state.certificates().filter(|it| it.owner == Owner::Manifest) {
            if desired.certificates.iter().all(|it| it.it.arn != existing.arn) {
                self.push(&desired.start, Command::DeleteCertificate(existing.arn.clone()));
            }
        }
        for existing in state.function_urls().filter(|it| it.owner == Owner::Manifest) {
            let function = &existing.function;
            let stays = |wanted: &Placed<FunctionUrl>| wanted.it.function == *function;
            let goes_with_it = desired.functions.iter().all(|it| it.it.arn != *function);
            if !goes_with_it && !desired.function_urls.iter().any(stays) {
                self.push(&desired.start, Command::DeleteFunctionUrl(function.clone()));
            }
        }
        for existing in state.event_invokes().all().filter(|it| it.owner == Owner::Manifest) {
            let function = existing.function.function();
            let goes_with_it = desired.functions.iter().all(|it| it.it.arn != function);
            let stays = desired
                .event_invokes
                .iter()
                .any(|it| it.it.function == existing.function);
            if !goes_with_it && !stays {
                let command = event_invoke::Command::Delete(existing.function.clone());
                self.push(&desired.start, Command::EventInvoke(command));
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

/// Stands in between: no request ever sees it, because the batch is applied as one.
fn neutral() -> Actions {
    let response = FixedResponse::new(503, ContentType::TextPlain, "").expect("503 is a status of fixed responses");
    Actions::from(Answer::FixedResponse(response))
}

#[cfg(test)]
mod tests;
