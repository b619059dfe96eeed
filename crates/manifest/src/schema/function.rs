//! `functions.<name>`.

use super::Walk;
use crate::code;
use crate::desired::Placed;
use crate::mistake::{Spot, shown};
use crate::reader::quantity::{duration, megabytes};
use crate::reader::{Fields, accepted, fields, integer, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::command::function::CreateFunction;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{FunctionArn, Owner, Secret};
use std::collections::BTreeMap;

const KEYS: [&str; 7] = [
    "code",
    "runtime",
    "handler",
    "timeout",
    "memory",
    "environment",
    "concurrency",
];

/// Source: Lambda 1.3, `Handler`.
const HANDLER_CHARS_MAX: usize = 128;

impl Walk<'_> {
    pub(super) fn function(&mut self, key: &Key, node: &Node) -> Option<Placed<CreateFunction>> {
        let name = accepted(&mut self.report, key.spot, FunctionName::try_from(key.text.as_str()));
        let fields = fields(&mut self.report, node, "a function", &KEYS, &[])?;
        let runtime = fields.get("runtime").map(|node| self.runtime(node));
        let code = self.code(&fields, runtime);
        let handler = match fields.get("handler") {
            Some(node) => self.handler(node),
            None => Some("bootstrap".to_owned()),
        };
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
        let name = name?;
        let (runtime, code) = code?;
        let create = CreateFunction {
            arn: FunctionArn::new(&self.settings.scope, name.as_str()),
            name,
            configuration: FunctionConfiguration {
                runtime,
                handler: handler?,
                timeout: timeout?,
                memory: memory?,
                environment: environment?,
                concurrency: concurrency?,
                logging: Logging::default(),
            },
            code,
            owner: Owner::Manifest,
        };
        Some(self.placed(key.spot, create))
    }

    fn runtime(&mut self, node: &Node) -> Option<Runtime> {
        let name = text(&mut self.report, node, "a runtime such as `provided.al2023`")?;
        accepted(&mut self.report, node.spot, Runtime::try_from(name))
    }

    /// The code and the runtime that goes with it. `runtime` is `None` when the manifest names none, and `Some(None)`
    /// when it names one that was refused.
    fn code(&mut self, fields: &Fields<'_>, runtime: Option<Option<Runtime>>) -> Option<(Runtime, Code)> {
        let expected = "a folder or an executable file";
        let node = fields.require(&mut self.report, "code", expected)?;
        let written = text(&mut self.report, node, expected)?;
        if written.is_empty() {
            return wrong(&mut self.report, node, expected);
        }
        let path = self.path(written);
        let shown = shown(written);
        let location = accepted(&mut self.report, node.spot, code::locate(&path, &shown))?;
        let runtime = match &location {
            CodeLocation::Executable(_) => runtime.unwrap_or(Some(Runtime::ProvidedAl2023)),
            CodeLocation::Zip(_) => runtime.flatten().map(Some).unwrap_or(None),
            CodeLocation::Folder(_) => self.runtime_of_folder(fields.spot, node.spot, &path, &shown, runtime),
        };
        let revision = self.revision(&location);
        let revision = accepted(&mut self.report, node.spot, revision)?;
        Some((runtime?, Code { location, revision }))
    }

    fn runtime_of_folder(
        &mut self,
        function: Spot,
        code: Spot,
        path: &std::path::Path,
        shown: &str,
        runtime: Option<Option<Runtime>>,
    ) -> Option<Runtime> {
        let bootstrap = match runtime {
            // Refused already, and whether it needs a bootstrap nobody can say.
            Some(None) => return None,
            _ => code::bootstrap(path, shown),
        };
        match (bootstrap, runtime.flatten()) {
            (Some(Ok(())), runtime) => Some(runtime.unwrap_or(Runtime::ProvidedAl2023)),
            (Some(Err(message)), _) => {
                self.report.mistake(code, message);
                None
            }
            (None, Some(runtime)) => {
                let message = format!(
                    "{shown} holds no `bootstrap`; expected an executable file of that name for {}",
                    runtime.as_str()
                );
                self.report.mistake(code, message);
                None
            }
            (None, None) => {
                let message = format!(
                    "the key `runtime` is missing; expected a runtime, because {shown} holds no executable `bootstrap`"
                );
                self.report.mistake(function, message);
                None
            }
        }
    }

    fn memory(&mut self, node: &Node) -> Option<FunctionMemory> {
        let memory = megabytes(&mut self.report, node)?;
        let memory = accepted(&mut self.report, node.spot, FunctionMemory::try_from(memory))?;
        let message = "`memory` is told to the function, but no limit is set: the tier `process` has none";
        self.report.warning(node.spot, message);
        Some(memory)
    }

    fn handler(&mut self, node: &Node) -> Option<String> {
        let expected = "a handler of 1 to 128 characters without blanks";
        let handler = text(&mut self.report, node, expected)?;
        if (1..=HANDLER_CHARS_MAX).contains(&handler.chars().count()) && !handler.contains(char::is_whitespace) {
            Some(handler.to_owned())
        } else {
            wrong(&mut self.report, node, expected)
        }
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
