//! How functions are run, where there is a choice.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamRateChoice {
    Lambda,
    Unlimited,
}

impl From<StreamRateChoice> for control::StreamRate {
    fn from(choice: StreamRateChoice) -> Self {
        match choice {
            StreamRateChoice::Lambda => Self::Lambda,
            StreamRateChoice::Unlimited => Self::Unlimited,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxChoice {
    Auto,
    /// For development: isolates nothing from a function that means harm
    Process,
    /// Namespaces of their own, and nothing less
    Namespace,
}
