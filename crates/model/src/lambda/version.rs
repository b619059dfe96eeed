//! Versions of functions: what was published, which never changes. Source: Lambda 8.6.

use crate::arn::FunctionArn;
use crate::ids::Timestamp;
use crate::lambda::about::About;
use crate::lambda::function::Function;
use std::sync::Arc;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// 1 or more.
    pub number: u64,
    /// How it is run, its ARN qualified. The function's concurrency counts, not the one in here.
    pub function: Arc<Function>,
    /// Its settings, as they were when it was published.
    pub about: About,
    /// Instead of the description that the function had.
    pub description: Option<String>,
}

impl Version {
    /// The ARN, qualified.
    pub fn arn(&self) -> &FunctionArn {
        &self.function.arn
    }

    /// Would publishing these make the same version again?
    pub fn is_of(&self, function: &Function, about: &About) -> bool {
        let same = |about: &About| About {
            last_modified: Timestamp::default(),
            revision: 0,
            ..about.clone()
        };
        let code = |function: &Function| {
            let mut configuration = function.configuration.clone();
            configuration.concurrency = None;
            configuration.provisioned = 0;
            (configuration, function.code.clone())
        };
        same(about) == same(&self.about) && code(function) == code(&self.function)
    }
}

/// Environments that are kept ready. Source: Lambda 4.8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioned {
    /// The version or the alias.
    pub target: FunctionArn,
    /// How many.
    pub requested: u32,
    /// When that was asked for.
    pub last_modified: Timestamp,
}
