//! The operations of Lambda that are built, each with its route. Source: Lambda 5, 6.
//!
//! The dispatcher looks calls up here, and `docs/aws-api.md` is made from these lines, one operation each.

use super::event_invoke;
use super::plan::By;
use super::policy;
use super::{Call, Change, Document};
use super::{functions, layers, provisioned, settings, tags, urls, versions};
use crate::lambda::error::LambdaError;

/// One operation.
pub(crate) struct Operation {
    /// AWS's name, for the page.
    pub(crate) name: &'static str,
    method: &'static str,
    /// The path, with `{}` for what a caller names.
    path: &'static str,
    pub(crate) answered: Answered,
    /// What is not as on AWS, or why there is none.
    pub(crate) note: &'static str,
}

/// Who answers an operation.
#[derive(Clone, Copy)]
pub(crate) enum Answered {
    /// It runs a function.
    Invocation,
    /// It keeps an event: InvokeAsync.
    Event,
    /// The server itself, which holds the connection for as long as the function writes.
    Stream,
    /// It only reads.
    Read(fn(&Call<'_>) -> Result<Document, LambdaError>),
    /// It changes something.
    Change(fn(&Call<'_>) -> Result<Change, LambdaError>),
    /// The same in several steps.
    Plan(By),
    /// The same, with a package in its body.
    Upload(By),
    /// Nobody: it is refused by its name.
    Nobody,
}

const fn invocation(name: &'static str, method: &'static str, path: &'static str, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Invocation,
        note,
    }
}

const fn event(name: &'static str, method: &'static str, path: &'static str, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Event,
        note,
    }
}

const fn stream(name: &'static str, method: &'static str, path: &'static str, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Stream,
        note,
    }
}

const fn read(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    by: fn(&Call<'_>) -> Result<Document, LambdaError>,
    note: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Read(by),
        note,
    }
}

const fn change(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    by: fn(&Call<'_>) -> Result<Change, LambdaError>,
    note: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Change(by),
        note,
    }
}

const fn plan(name: &'static str, method: &'static str, path: &'static str, by: By, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Plan(by),
        note,
    }
}

const fn upload(name: &'static str, method: &'static str, path: &'static str, by: By, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Upload(by),
        note,
    }
}

const fn nobody(name: &'static str, method: &'static str, path: &'static str, note: &'static str) -> Operation {
    Operation {
        name,
        method,
        path,
        answered: Answered::Nobody,
        note,
    }
}

/// The operation of a method and a path, and the parts of the path that the caller names, still encoded.
pub(crate) fn routed<'a>(method: &str, path: &'a str) -> Option<(&'static Operation, Vec<&'a str>)> {
    OPERATIONS.iter().find_map(|operation| {
        // Some lists have a slash at the end in the SDKs' models.
        let path = path
            .strip_suffix('/')
            .filter(|path| *path == operation.path)
            .unwrap_or(path);
        let named = named(operation.path, path).filter(|_| operation.method == method)?;
        Some((operation, named))
    })
}

fn named<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut parts, mut named) = (path.split('/'), Vec::new());
    for expected in pattern.split('/') {
        match (expected, parts.next()?) {
            ("{}", "") => return None,
            ("{}", part) => named.push(part),
            (_, part) if part == expected => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some(named)
}

const INVOCATIONS: &str = "/2015-03-31/functions/{}/invocations";
const INVOKE_ASYNC: &str = "/2014-11-13/functions/{}/invoke-async";
const EVENT_CONFIG: &str = "/2019-09-25/functions/{}/event-invoke-config";
const EVENT_CONFIGS: &str = "/2019-09-25/functions/{}/event-invoke-config/list";
const STREAMING: &str = "/2021-11-15/functions/{}/response-streaming-invocations";
const POLICY: &str = "/2015-03-31/functions/{}/policy";
const STATEMENT: &str = "/2015-03-31/functions/{}/policy/{}";

const DESTINATIONS: &str = "destinations are functions, and `OnFailure` also buckets: folders in the one of --s3-root";
const FUNCTIONS: &str = "/2015-03-31/functions";
const FUNCTION: &str = "/2015-03-31/functions/{}";
const CODE: &str = "/2015-03-31/functions/{}/code";
const CONFIGURATION: &str = "/2015-03-31/functions/{}/configuration";
const VERSIONS: &str = "/2015-03-31/functions/{}/versions";
const ALIASES: &str = "/2015-03-31/functions/{}/aliases";
const ALIAS: &str = "/2015-03-31/functions/{}/aliases/{}";
const TAGS: &str = "/2017-03-31/tags/{}";
const LAYERS: &str = "/2018-10-31/layers";
const LAYER_VERSIONS: &str = "/2018-10-31/layers/{}/versions";
const LAYER_VERSION: &str = "/2018-10-31/layers/{}/versions/{}";
const LAYER_POLICY: &str = "/2018-10-31/layers/{}/versions/{}/policy";
const LAYER_STATEMENT: &str = "/2018-10-31/layers/{}/versions/{}/policy/{}";
const RESERVED: &str = "/2017-10-31/functions/{}/concurrency";
const RESERVED_READ: &str = "/2019-09-30/functions/{}/concurrency";
const PROVISIONED: &str = "/2019-09-30/functions/{}/provisioned-concurrency";
const URL: &str = "/2021-10-31/functions/{}/url";
const URLS: &str = "/2021-10-31/functions/{}/urls";
const CODE_SIGNING: &str = "/2020-06-30/functions/{}/code-signing-config";
const RUNTIME_MANAGEMENT: &str = "/2021-07-20/functions/{}/runtime-management-config";
const RECURSION: &str = "/2024-08-31/functions/{}/recursion-config";
const ACCOUNT: &str = "/2016-08-19/account-settings";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

const CAPACITY: &str = "/2025-11-30/capacity-providers";
const SCALING: &str = "/2025-11-30/functions/{}/function-scaling-config";
const SIGNINGS: &str = "/2020-04-22/code-signing-configs";
const SIGNING: &str = "/2020-04-22/code-signing-configs/{}";
const WHOLE_POLICY: &str = "/2026-07-09/resource-policy/{}";

const NO_CAPACITY: &str = "there are no managed instances";
const NO_DURABLE: &str = "there are no durable executions";
const NO_SIGNING: &str = "packages are not signed";
const NO_SOURCES: &str = "there are no event sources";
const NO_WHOLE_POLICY: &str = "policies are made of statements; AddPermission is built";
const WHOLE: &str = "-";
const CREATED: &str = "packages as ZipFile, or in the folder of --s3-root; file systems, keys, SnapStart, images, dead-letter queues and topics are refused; `VpcConfig` is kept and guarded, and limits nothing that a function reaches; `Architectures` is kept, and a program for another machine than this one fails with Runtime.InvalidEntrypoint; `TracingConfig` is kept, no trace is sent anywhere, and `Sampled` is what the caller said";
#[rustfmt::skip]
pub(crate) const OPERATIONS: &[Operation] = &[
    change("DeleteFunctionEventInvokeConfig", "DELETE", EVENT_CONFIG, event_invoke::delete, "whole"),
    read("GetFunctionEventInvokeConfig", "GET", EVENT_CONFIG, event_invoke::get, "whole"),
    event("InvokeAsync", "POST", INVOKE_ASYNC, "whole"),
    read("ListFunctionEventInvokeConfigs", "GET", EVENT_CONFIGS, event_invoke::list, "whole"),
    change("PutFunctionEventInvokeConfig", "PUT", EVENT_CONFIG, event_invoke::put, DESTINATIONS),
    change("UpdateFunctionEventInvokeConfig", "POST", EVENT_CONFIG, event_invoke::update, DESTINATIONS),
    change("AddPermission", "POST", POLICY, policy::add, WHOLE),
    read("GetPolicy", "GET", POLICY, policy::get, WHOLE),
    invocation("Invoke", "POST", INVOCATIONS, WHOLE),
    stream("InvokeWithResponseStream", "POST", STREAMING, WHOLE),
    change("RemovePermission", "DELETE", STATEMENT, policy::remove, WHOLE),
    plan("CreateAlias", "POST", ALIASES, versions::create_alias, WHOLE),
    upload("CreateFunction", "POST", FUNCTIONS, functions::create, CREATED),
    plan("CreateFunctionUrlConfig", "POST", URL, urls::create, "URLs are of this machine"),
    plan("DeleteAlias", "DELETE", ALIAS, versions::delete_alias, WHOLE),
    plan("DeleteFunction", "DELETE", FUNCTION, functions::delete, WHOLE),
    read("DeleteFunctionCodeSigningConfig", "DELETE", CODE_SIGNING, settings::no_code_signing, "there is never one"),
    plan("DeleteFunctionConcurrency", "DELETE", RESERVED, settings::unreserve, WHOLE),
    plan("DeleteFunctionUrlConfig", "DELETE", URL, urls::delete, WHOLE),
    plan("DeleteLayerVersion", "DELETE", LAYER_VERSION, layers::delete, WHOLE),
    plan("DeleteProvisionedConcurrencyConfig", "DELETE", PROVISIONED, provisioned::delete, WHOLE),
    plan("AddLayerVersionPermission", "POST", LAYER_POLICY, layers::add_permission, "there are no other accounts that it could concern"),
    read("GetAccountSettings", "GET", ACCOUNT, settings::account, WHOLE),
    read("GetAlias", "GET", ALIAS, versions::get_alias, WHOLE),
    read("GetFunction", "GET", FUNCTION, functions::get, "`Code.Location` is a link to this endpoint, for ten minutes; functions of the manifest have none"),
    read("GetFunctionCodeSigningConfig", "GET", CODE_SIGNING, settings::code_signing, "there is never one"),
    read("GetFunctionConcurrency", "GET", RESERVED_READ, settings::reserved, WHOLE),
    read("GetFunctionConfiguration", "GET", CONFIGURATION, functions::get_configuration, "of functions of the manifest only what the manifest says"),
    read("GetFunctionRecursionConfig", "GET", RECURSION, settings::recursion, WHOLE),
    read("GetFunctionUrlConfig", "GET", URL, urls::get, WHOLE),
    read("GetLayerVersion", "GET", LAYER_VERSION, layers::get, WHOLE),
    read("GetLayerVersionPolicy", "GET", LAYER_POLICY, layers::policy, WHOLE),
    read("GetProvisionedConcurrencyConfig", "GET", PROVISIONED, provisioned::get, WHOLE),
    read("GetRuntimeManagementConfig", "GET", RUNTIME_MANAGEMENT, settings::runtime_management, "runtimes are this machine's"),
    read("ListAliases", "GET", ALIASES, versions::list_aliases, WHOLE),
    read("ListEventSourceMappings", "GET", MAPPINGS, settings::event_source_mappings, "there are none"),
    read("ListFunctions", "GET", FUNCTIONS, functions::list, WHOLE),
    read("ListFunctionUrlConfigs", "GET", URLS, urls::list, WHOLE),
    read("ListLayers", "GET", LAYERS, layers::list_or_find, WHOLE),
    read("ListLayerVersions", "GET", LAYER_VERSIONS, layers::list_versions, WHOLE),
    read("ListTags", "GET", TAGS, tags::list, "of functions"),
    read("ListVersionsByFunction", "GET", VERSIONS, versions::list, WHOLE),
    upload("PublishLayerVersion", "POST", LAYER_VERSIONS, layers::publish, "packages as ZipFile, or in the folder of --s3-root"),
    plan("PublishVersion", "POST", VERSIONS, versions::publish, WHOLE),
    read("PutFunctionCodeSigningConfig", "PUT", CODE_SIGNING, settings::set_code_signing, "there is no configuration that could be put"),
    plan("PutFunctionConcurrency", "PUT", RESERVED, settings::reserve, WHOLE),
    plan("PutFunctionRecursionConfig", "PUT", RECURSION, settings::set_recursion, WHOLE),
    plan("PutProvisionedConcurrencyConfig", "PUT", PROVISIONED, provisioned::put, WHOLE),
    plan("PutRuntimeManagementConfig", "PUT", RUNTIME_MANAGEMENT, settings::set_runtime_management, "`Auto` and `FunctionUpdate`; runtimes are this machine's"),
    plan("RemoveLayerVersionPermission", "DELETE", LAYER_STATEMENT, layers::remove_permission, WHOLE),
    plan("TagResource", "POST", TAGS, tags::tag, "functions"),
    plan("UntagResource", "DELETE", TAGS, tags::untag, "functions"),
    plan("UpdateAlias", "PUT", ALIAS, versions::update_alias, WHOLE),
    upload("UpdateFunctionCode", "PUT", CODE, functions::update_code, "packages as ZipFile, or in the folder of --s3-root"),
    plan("UpdateFunctionConfiguration", "PUT", CONFIGURATION, functions::update_configuration, CREATED),
    plan("UpdateFunctionUrlConfig", "PUT", URL, urls::update, WHOLE),
    // The query tells them from their sisters above, who answer for them.
    read("GetLayerVersionByArn", "GET", LAYERS, layers::list_or_find, WHOLE),
    read("ListProvisionedConcurrencyConfigs", "GET", PROVISIONED, provisioned::get, WHOLE),
    read("ListCodeSigningConfigs", "GET", SIGNINGS, settings::code_signing_configs, "there are none"),
    nobody("CheckpointDurableExecution", "POST", "/2025-12-01/durable-executions/{}/checkpoint", NO_DURABLE),
    nobody("CreateCapacityProvider", "POST", CAPACITY, NO_CAPACITY),
    nobody("CreateCodeSigningConfig", "POST", SIGNINGS, NO_SIGNING),
    nobody("CreateEventSourceMapping", "POST", MAPPINGS, NO_SOURCES),
    nobody("DeleteCapacityProvider", "DELETE", "/2025-11-30/capacity-providers/{}", NO_CAPACITY),
    read("DeleteCodeSigningConfig", "DELETE", SIGNING, settings::no_signing_config, "there are none"),
    nobody("DeleteDurableExecution", "DELETE", "/2025-12-01/durable-executions/{}", NO_DURABLE),
    nobody("DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/{}", NO_SOURCES),
    nobody("DeleteResourcePolicy", "DELETE", WHOLE_POLICY, NO_WHOLE_POLICY),
    nobody("GetCapacityProvider", "GET", "/2025-11-30/capacity-providers/{}", NO_CAPACITY),
    read("GetCodeSigningConfig", "GET", SIGNING, settings::no_signing_config, "there are none"),
    nobody("GetDurableExecution", "GET", "/2025-12-01/durable-executions/{}", NO_DURABLE),
    nobody("GetDurableExecutionHistory", "GET", "/2025-12-01/durable-executions/{}/history", NO_DURABLE),
    nobody("GetDurableExecutionState", "GET", "/2025-12-01/durable-executions/{}/state", NO_DURABLE),
    nobody("GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/{}", NO_SOURCES),
    nobody("GetFunctionScalingConfig", "GET", SCALING, NO_CAPACITY),
    nobody("GetResourcePolicy", "GET", WHOLE_POLICY, NO_WHOLE_POLICY),
    nobody("ListCapacityProviders", "GET", CAPACITY, NO_CAPACITY),
    nobody("ListDurableExecutionsByFunction", "GET", "/2025-12-01/functions/{}/durable-executions", NO_DURABLE),
    nobody("ListFunctionsByCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/{}/functions", NO_SIGNING),
    nobody("ListFunctionVersionsByCapacityProvider", "GET", "/2025-11-30/capacity-providers/{}/function-versions", NO_CAPACITY),
    nobody("PauseDurableExecution", "POST", "/2025-12-01/durable-executions/{}/pause", NO_DURABLE),
    nobody("PutFunctionScalingConfig", "PUT", SCALING, NO_CAPACITY),
    nobody("PutResourcePolicy", "PUT", WHOLE_POLICY, NO_WHOLE_POLICY),
    nobody("ResumeDurableExecution", "POST", "/2025-12-01/durable-executions/{}/resume", NO_DURABLE),
    nobody("SendDurableExecutionCallbackFailure", "POST", "/2025-12-01/durable-execution-callbacks/{}/fail", NO_DURABLE),
    nobody("SendDurableExecutionCallbackHeartbeat", "POST", "/2025-12-01/durable-execution-callbacks/{}/heartbeat", NO_DURABLE),
    nobody("SendDurableExecutionCallbackSuccess", "POST", "/2025-12-01/durable-execution-callbacks/{}/succeed", NO_DURABLE),
    nobody("StopDurableExecution", "POST", "/2025-12-01/durable-executions/{}/stop", NO_DURABLE),
    nobody("UpdateCapacityProvider", "PUT", "/2025-11-30/capacity-providers/{}", NO_CAPACITY),
    read("UpdateCodeSigningConfig", "PUT", SIGNING, settings::no_signing_config, "there are none"),
    nobody("UpdateEventSourceMapping", "PUT", "/2015-03-31/event-source-mappings/{}", NO_SOURCES),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_operations() {
        let name = |method: &str, path: &str| routed(method, path).map(|(it, named)| (it.name, named.join(" ")));
        let functions = "/2015-03-31/functions";
        let found = name("POST", &format!("{functions}/a%3Ab/invocations"));
        assert_eq!(found, Some(("Invoke", "a%3Ab".to_owned())));
        let found = name("DELETE", &format!("{functions}/a/policy/lb"));
        assert_eq!(found, Some(("RemovePermission", "a lb".to_owned())));
        for (method, path) in [
            ("GET", "/a/invocations"),
            ("POST", "//invocations"),
            ("POST", "/a/invocations/"),
            ("POST", "/a"),
            ("PUT", ""),
        ] {
            assert_eq!(name(method, &format!("{functions}{path}")), None, "{method} {path}");
        }
        for path in ["", "/"] {
            let found = name("GET", &format!("{functions}{path}"));
            assert_eq!(found, Some(("ListFunctions", String::new())));
        }
        assert!(OPERATIONS.iter().all(|it| !it.note.is_empty()));
        let found = name("GET", "/2025-12-01/durable-executions/a/state");
        assert_eq!(found, Some(("GetDurableExecutionState", "a".to_owned())));
    }
}
