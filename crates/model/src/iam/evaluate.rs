//! What documents say about one request. Source: IAM "policy evaluation logic".
//!
//! A deny counts before any allow. What a condition asks for and nobody here knows (a key that this albacore does not have)
//! makes a statement that allows not apply, and a statement that denies apply: what is not understood never allows.

use super::document::pattern::NotReady;
use super::document::{Document, Effect, Matching, Principal, Statement};
use std::collections::BTreeMap;

/// What is known of a request, by condition key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Keys in lower case.
    values: BTreeMap<String, Vec<String>>,
}

/// Keys that are understood where a request has no value for them: there is no organization, no VPC endpoint, no other
/// service in between, and tags are those that were put in.
const KNOWN: [&str; 27] = [
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:currenttime",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalservicename",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceidentity",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:tokenissuetime",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
];

/// The value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Values(&'a [String]),
    /// The key is understood, and the request has none.
    Absent,
    /// Nobody here knows the key.
    NotKnown,
}

/// Whether something holds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Yes,
    No,
    NotKnown,
}

impl Verdict {
    pub(super) fn of(holds: bool) -> Self {
        match holds {
            true => Self::Yes,
            false => Self::No,
        }
    }

    /// Whether all of them hold.
    fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts
            .into_iter()
            .fold(Self::Yes, |so_far, verdict| match (so_far, verdict) {
                (Self::No, _) | (_, Self::No) => Self::No,
                (Self::NotKnown, _) | (_, Self::NotKnown) => Self::NotKnown,
                (Self::Yes, Self::Yes) => Self::Yes,
            })
    }
}

impl Context {
    /// Gives a key one value.
    pub fn put(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Gives a key several values. None: the key is known, and empty.
    pub fn put_all<T: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter().map(Into::into).collect();
        self.values.insert(key.to_lowercase(), values);
    }

    /// Gives keys of a family, such as `aws:ResourceTag/team`, their values; all others of the family are understood and have
    /// none. Keys know no case, so of names that differ by it nobody could say which one is meant: then none is understood.
    pub fn put_family<'a>(&mut self, family: &str, values: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let key = |name: &str| format!("{family}/{name}").to_lowercase();
        let mut keys = BTreeMap::new();
        for (name, value) in values {
            if keys.insert(key(name), vec![value.to_owned()]).is_some() {
                return;
            }
        }
        self.values.insert(key(""), Vec::new());
        self.values.extend(keys);
    }

    pub(super) fn value(&self, key: &str) -> Found<'_> {
        let key = key.to_lowercase();
        match self.values.get(&key) {
            Some(values) if !values.is_empty() => Found::Values(values),
            Some(_) => Found::Absent,
            None if KNOWN.contains(&key.as_str()) || key.starts_with("aws:principaltag/") => Found::Absent,
            None if self.has_family(&key) => Found::Absent,
            None => Found::NotKnown,
        }
    }
}

impl Context {
    /// Whether the family of a key was told.
    fn has_family(&self, key: &str) -> bool {
        key.split_once('/')
            .is_some_and(|(family, _)| self.values.contains_key(&format!("{family}/")))
    }
}

/// Something that somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `iam:CreateUser`.
    pub action: &'a str,
    /// An ARN, or `*` where an action is about none.
    pub resource: &'a str,
    /// What else is known.
    pub context: &'a Context,
}

/// What policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// One allows and none denies.
    Allowed,
    /// One denies.
    Denied,
    /// None says anything.
    NotAllowed,
}

/// What policies of an identity say.
pub fn evaluate<'a>(documents: impl IntoIterator<Item = &'a Document>, request: &Request<'_>) -> Decision {
    let statements = documents.into_iter().flat_map(Document::statements);
    decision(statements.map(|it| (it.effect, it.is_about(request))))
}

/// Somebody who wants to assume a role.
#[derive(Clone, Copy, Debug)]
pub enum Assuming<'a> {
    /// A service, such as `lambda.amazonaws.com`.
    Service(&'a str),
    /// Somebody of an account.
    Caller {
        /// The account.
        account: &'a str,
        /// Their ARN; of a session also the role's.
        arns: &'a [String],
    },
}

/// How a role's trust policy names somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Themselves: no policy of their own has to allow it.
    Named,
    /// Their account: their own policies have to allow it.
    Account,
}

/// What the trust policy of a role says about somebody. `None`: not allowed.
pub fn trusts(document: &Document, who: Assuming<'_>, action: &str, context: &Context) -> Option<Trust> {
    let request = Request {
        action,
        resource: "*",
        context,
    };
    let about = |trust: Trust| {
        let statements = document.statements().iter();
        decision(statements.map(|it| {
            // A deny means whoever it may mean; an allow means those of the asked kind.
            let named = it.principals.iter().any(|principal| match it.effect {
                Effect::Deny => names(principal, who).is_some(),
                Effect::Allow => names(principal, who) == Some(trust),
            });
            (it.effect, Verdict::all([Verdict::of(named), it.is_about(&request)]))
        }))
    };
    let is_allowed = |trust: &Trust| about(*trust) == Decision::Allowed;
    [Trust::Named, Trust::Account].into_iter().find(is_allowed)
}

fn names(principal: &Principal, who: Assuming<'_>) -> Option<Trust> {
    match (principal, who) {
        (Principal::Service(name), Assuming::Service(service)) => (**name == *service).then_some(Trust::Named),
        (Principal::Everyone, Assuming::Service(_)) => Some(Trust::Named),
        // Everyone is everybody whose own account lets them.
        (Principal::Everyone, Assuming::Caller { .. }) => Some(Trust::Account),
        (Principal::Account(named), Assuming::Caller { account, .. }) => {
            (**named == *account).then_some(Trust::Account)
        }
        (Principal::Arn(arn), Assuming::Caller { arns, .. }) => {
            arns.iter().any(|it| **it == **arn).then_some(Trust::Named)
        }
        (Principal::Service(_) | Principal::Federated(_), Assuming::Caller { .. })
        | (Principal::Account(_) | Principal::Arn(_) | Principal::Federated(_), Assuming::Service(_)) => None,
    }
}

fn decision(verdicts: impl Iterator<Item = (Effect, Verdict)>) -> Decision {
    let mut decision = Decision::NotAllowed;
    for (effect, verdict) in verdicts {
        match (effect, verdict) {
            (Effect::Deny, Verdict::Yes | Verdict::NotKnown) => return Decision::Denied,
            (Effect::Allow, Verdict::Yes) => decision = Decision::Allowed,
            (Effect::Allow, Verdict::No | Verdict::NotKnown) | (Effect::Deny, Verdict::No) => {}
        }
    }
    decision
}

impl Statement {
    fn is_about(&self, request: &Request<'_>) -> Verdict {
        let action = self.actions.about_action(request.action, request.context);
        if action == Verdict::No {
            return action;
        }
        let resource = match &self.resources {
            Some(resources) => resources.about_resource(request.resource, request.context),
            None => Verdict::Yes,
        };
        let conditions = self.conditions.iter().map(|condition| condition.holds(request.context));
        Verdict::all([action, resource].into_iter().chain(conditions))
    }
}

impl Matching {
    /// Actions know no case.
    fn about_action(&self, action: &str, context: &Context) -> Verdict {
        let action = action.to_ascii_lowercase();
        let matches = |text: &str| {
            let lower = super::document::pattern::Pattern::plain(text.to_ascii_lowercase());
            lower.ready(context).is_ok_and(|ready| ready.matches(&action))
        };
        let found = self.patterns.iter().any(|pattern| matches(pattern.as_str()));
        Verdict::of(found != self.negative)
    }

    fn about_resource(&self, resource: &str, context: &Context) -> Verdict {
        let mut is_known = true;
        for pattern in &self.patterns {
            match pattern.ready(context) {
                Ok(ready) if ready.matches_arn(resource) => return Verdict::of(!self.negative),
                Ok(_) | Err(NotReady::Absent) => {}
                Err(NotReady::NotKnown) => is_known = false,
            }
        }
        match is_known {
            true => Verdict::of(self.negative),
            false => Verdict::NotKnown,
        }
    }
}

#[cfg(test)]
mod tests;
