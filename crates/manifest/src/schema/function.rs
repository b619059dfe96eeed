//! `functions.<name>`.

mod code;
mod event_invoke;
mod handler;
mod layers;
mod logging;
mod network;
mod role;
mod url;

use super::Walk;
use crate::desired::Placed;
use crate::reader::quantity::{duration, megabytes};
use crate::reader::{Fields, accepted, fields, integer, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::command::function::CreateFunction;
use model::lambda::function::{
    Environment, EphemeralStorage, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::limits::{ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY_MIN};
use model::{FunctionArn, Owner, Secret};
use std::collections::BTreeMap;

const KEYS: [&str; 19] = [
    "code",
    "runtime",
    "handler",
    "timeout",
    "memory",
    "environment",
    "concurrency",
    "provisioned_concurrency",
    "ephemeral_storage",
    "logging",
    "url",
    "network",
    "role",
    "aws_api",
    "layers",
    event_invoke::KEYS[0],
    event_invoke::KEYS[1],
    event_invoke::KEYS[2],
    event_invoke::KEYS[3],
];

/// What the manifest says about a function's runtime.
#[derive(Clone, Copy)]
enum NamedRuntime {
    /// Nothing: the code decides.
    Nothing,
    /// One that was refused; that is reported.
    Refused,
    /// One that exists.
    Is(Runtime),
}

impl Walk<'_> {
    pub(super) fn function(&mut self, key: &Key, node: &Node) -> Option<Placed<CreateFunction>> {
        let name = accepted(&mut self.report, key.spot, FunctionName::try_from(key.text.as_str()));
        let fields = fields(&mut self.report, node, "a function", &KEYS, &[])?;
        let runtime = self.named_runtime(&fields);
        let layers = match fields.get("layers") {
            Some(node) => self.layers(node),
            None => Some(Layers::default()),
        };
        let code = self.code(&fields, runtime, layers.as_ref().is_some_and(layers::hold_bootstrap));
        let handler = self.handler(&fields, runtime);
        let timeout = match fields.get("timeout") {
            Some(node) => duration(&mut self.report, node)
                .and_then(|it| accepted(&mut self.report, node.spot, FunctionTimeout::try_from(it))),
            None => Some(FunctionTimeout::default()),
        };
        let memory = match fields.get("memory") {
            Some(node) => self.memory(node),
            None => Some(FunctionMemory::default()),
        };
        let environment = match fields.get("environment") {
            Some(node) => self.environment(node),
            None => Some(Environment::default()),
        };
        let concurrency = match fields.get("concurrency") {
            Some(node) => self.concurrency(node).map(Some),
            None => Some(None),
        };
        let provisioned = match fields.get("provisioned_concurrency") {
            Some(node) => self.provisioned(node, concurrency.flatten()),
            None => Some(0),
        };
        let ephemeral_storage = match fields.get("ephemeral_storage") {
            Some(node) => megabytes(&mut self.report, node)
                .and_then(|it| accepted(&mut self.report, node.spot, EphemeralStorage::try_from(it))),
            None => Some(EphemeralStorage::default()),
        };
        let logging = match fields.get("logging") {
            Some(node) => self.logging(node),
            None => Some(Logging::default()),
        };
        let network = match fields.get("network") {
            Some(node) => self.network(node).map(Some),
            None => Some(None),
        };
        let aws_api = self.aws_api(&fields);
        if let Some((key, node)) = fields.entry("url")
            && let Some(name) = &name
            && let Some(url) = self.url(key, node, name.as_str())
        {
            self.desired.function_urls.push(url);
        }
        if let Some(name) = &name
            && let Some(put) = self.event_invoke(&fields, name.as_str())
        {
            self.desired.event_invokes.push(put);
        }
        let name = name?;
        let (runtime, code) = code?;
        let (handler, handler_spot) = handler?;
        let environment = environment?;
        if let Some(spot) = handler_spot {
            let has_layers = layers.as_ref().is_some_and(|layers| !layers.is_empty());
            let path_elsewhere = match runtime {
                Runtime::Java(_) | Runtime::Ruby(_) => has_layers || environment.variables().contains_key("RUBYLIB"),
                _ => environment.variables().contains_key("PYTHONPATH"),
            };
            self.warn_of_handler(spot, &handler, runtime, &code.location, path_elsewhere);
        }
        let create = CreateFunction {
            arn: FunctionArn::new(&self.settings.scope, name.as_str()),
            name,
            configuration: FunctionConfiguration {
                runtime,
                handler,
                timeout: timeout?,
                memory: memory?,
                environment,
                concurrency: concurrency?,
                provisioned: provisioned?,
                ephemeral_storage: ephemeral_storage?,
                logging: logging?,
                layers: layers?,
                network: network?,
                aws_api: aws_api?,
            },
            code,
            owner: Owner::Manifest,
        };
        Some(self.placed(key.spot, create))
    }

    fn named_runtime(&mut self, fields: &Fields<'_>) -> NamedRuntime {
        let Some(node) = fields.get("runtime") else {
            return NamedRuntime::Nothing;
        };
        let name = text(
            &mut self.report,
            node,
            "a runtime such as `python3.13` or `provided.al2023`",
        );
        name.and_then(|name| accepted(&mut self.report, node.spot, Runtime::try_from(name)))
            .map_or(NamedRuntime::Refused, NamedRuntime::Is)
    }

    fn memory(&mut self, node: &Node) -> Option<FunctionMemory> {
        let memory = megabytes(&mut self.report, node)?;
        accepted(&mut self.report, node.spot, FunctionMemory::try_from(memory))
    }

    fn environment(&mut self, node: &Node) -> Option<Environment> {
        let before = self.report.reported();
        let mut variables = BTreeMap::new();
        for (key, node) in mapping(&mut self.report, node, "the environment")? {
            let Some(value) = written(&mut self.report, node, "text, a number, `true` or `false`") else {
                continue;
            };
            let value = Secret::new(value.to_owned());
            let alone = Environment::new(BTreeMap::from([(key.text.clone(), value.clone())]));
            if accepted(&mut self.report, key.spot, alone).is_some() {
                variables.insert(key.text.clone(), value);
            }
        }
        if self.report.reported() > before {
            return None;
        }
        accepted(&mut self.report, node.spot, Environment::new(variables))
    }

    fn concurrency(&mut self, node: &Node) -> Option<u32> {
        let expected = "a whole number of invocations, 0 or more";
        let number = integer(&mut self.report, node, expected)?;
        u32::try_from(number)
            .ok()
            .or_else(|| wrong(&mut self.report, node, expected))
    }

    /// Environments that are kept ready, within what is reserved. Source: Lambda 4.8.
    fn provisioned(&mut self, node: &Node, reserved: Option<u32>) -> Option<u32> {
        let expected = "a whole number of environments, 0 to 900, and not more than `concurrency`";
        let number = integer(&mut self.report, node, expected)?;
        let most = reserved.unwrap_or(ACCOUNT_CONCURRENCY - UNRESERVED_CONCURRENCY_MIN);
        u32::try_from(number)
            .ok()
            .filter(|number| *number <= most)
            .or_else(|| wrong(&mut self.report, node, expected))
    }
}
