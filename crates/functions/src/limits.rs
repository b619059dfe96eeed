//! What the state says about concurrency: for each function, each region and everything that is kept ready. Made once for
//! each state, by the core that notices it first. Source: Lambda 4.7, 4.8.

use model::{FunctionArn, State};
use std::collections::{BTreeMap, HashMap};

/// The limits of one state.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Functions with reserved concurrency, and how much of it is left beside what is provisioned.
    reserved: HashMap<FunctionArn, u32>,
    /// Environments to be kept ready, by what runs in them.
    provisioned: BTreeMap<FunctionArn, u32>,
    /// By region: what is neither reserved nor provisioned.
    unreserved: HashMap<String, u32>,
    account_concurrency: u32,
}

impl Limits {
    pub(crate) fn of(state: &State, account_concurrency: u32) -> Self {
        let mut provisioned_of = HashMap::<FunctionArn, u32>::new();
        for share in state.provisioned_shares() {
            let all = provisioned_of.entry(share.target.unqualified()).or_default();
            *all = all.saturating_add(share.environments);
        }
        let mut limits = Self {
            provisioned: state.provisioned_versions(),
            account_concurrency,
            ..Self::default()
        };
        for function in state.functions() {
            let provisioned = provisioned_of.get(&function.arn).copied().unwrap_or(0);
            let reserved = function.configuration.concurrency;
            if let Some(reserved) = reserved {
                let on_demand = reserved.saturating_sub(provisioned);
                limits.reserved.insert(function.arn.clone(), on_demand);
            }
            if let taken @ 1.. = reserved.unwrap_or(provisioned) {
                let unreserved = limits.unreserved.entry(scope(&function.arn).to_owned());
                let left = unreserved.or_insert(account_concurrency);
                *left = left.saturating_sub(taken);
            }
        }
        limits
    }

    /// What is reserved for a function, all its versions together, and not provisioned.
    pub(crate) fn reserved(&self, function: &FunctionArn) -> Option<u32> {
        self.reserved.get(&function.unqualified()).copied()
    }

    /// What functions without a reservation share in the region of one of them.
    pub(crate) fn unreserved(&self, function: &FunctionArn) -> u32 {
        let left = self.unreserved.get(scope(function)).copied();
        left.unwrap_or(self.account_concurrency)
    }

    /// How many environments of this version are to be kept ready.
    pub(crate) fn provisioned(&self, version: &FunctionArn) -> u32 {
        self.provisioned.get(version).copied().unwrap_or(0)
    }

    /// Everything that is to be kept ready.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &FunctionArn> {
        self.provisioned.keys()
    }
}

/// Region and account, with what stands before them in an ARN.
pub(crate) fn scope(function: &FunctionArn) -> &str {
    let text = function.as_str();
    text.match_indices(':').nth(4).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::scope;
    use model::{AccountId, FunctionArn, Region, Scope};

    #[test]
    fn a_scope_is_a_region_of_an_account() {
        let of = |region: &str| {
            let scope = Scope {
                region: Region::try_from(region).unwrap(),
                account: AccountId::try_from("111122223333").unwrap(),
            };
            FunctionArn::new(&scope, "f")
        };
        let here = of("eu-west-1");
        assert_eq!(scope(&here), "arn:aws:lambda:eu-west-1:111122223333");
        assert_eq!(scope(&here.qualified("live")), scope(&here));
        assert_ne!(scope(&of("us-east-1")), scope(&here));
    }
}
