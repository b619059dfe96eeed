//! `functions.<name>`.

mod code;
mod handler;
mod logging;

use super::Walk;
use crate::desired::Placed;
use crate::reader::quantity::{duration, megabytes};
use crate::reader::{Fields, accepted, fields, integer, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::command::function::CreateFunction;
use model::lambda::function::{Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{FunctionArn, Owner, Secret};
use std::collections::BTreeMap;

const KEYS: [&str; 8] = [
    "code",
    "runtime",
    "handler",
    "timeout",
    "memory",
    "environment",
    "concurrency",
    "logging",
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
        let code = self.code(&fields, runtime);
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
        let logging = match fields.get("logging") {
            Some(node) => self.logging(node),
            None => Some(Logging::default()),
        };
        let name = name?;
        let (runtime, code) = code?;
        let (handler, handler_spot) = handler?;
        let environment = environment?;
        if let Some(spot) = handler_spot {
            let path_elsewhere = environment.variables().contains_key("PYTHONPATH");
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
                logging: logging?,
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
        let memory = accepted(&mut self.report, node.spot, FunctionMemory::try_from(memory))?;
        let message = "`memory` is told to the function, but no limit is set: the tier `process` has none";
        self.report.warning(node.spot, message);
        Some(memory)
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
}
