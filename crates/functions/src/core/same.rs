//! What a change leaves as it is.

use model::lambda::function::{AwsApi, Function, FunctionConfiguration};
use model::{Part, State, Timestamp};

/// Whether everything is the same that says which functions there are and how many of each may run.
pub(crate) fn has_same_functions(one: &State, other: &State) -> bool {
    one.shares(other, &[Part::Functions])
}

/// When the AWS API updated it: environments end with every update, even of what they do not see. Versions, which nobody
/// changes, and what the manifest owns have no such time. Source: Lambda 4.2.
pub(super) fn modified(state: &State, function: &Function) -> Option<Timestamp> {
    let record = state.lambda().record(&function.arn)?;
    Some(record.about.last_modified)
}

/// May environments of one serve the other? Concurrency is not a part of an environment.
pub(super) fn same_environment(one: &Function, other: &Function) -> bool {
    let FunctionConfiguration {
        runtime,
        handler,
        timeout,
        memory,
        environment,
        concurrency: _,
        provisioned: _,
        ephemeral_storage,
        logging,
        layers,
        network,
        aws_api,
    } = &one.configuration;
    let configuration = &other.configuration;
    one.code == other.code
        && *runtime == configuration.runtime
        && *handler == configuration.handler
        && *timeout == configuration.timeout
        && *memory == configuration.memory
        && *ephemeral_storage == configuration.ephemeral_storage
        && *environment == configuration.environment
        && *logging == configuration.logging
        && *layers == configuration.layers
        && *network == configuration.network
        // Which role it is is looked up for each call.
        && (*aws_api == AwsApi::None) == (configuration.aws_api == AwsApi::None)
}
