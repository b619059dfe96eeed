//! `maximum_retry_attempts`, `maximum_event_age`, `on_success` and `on_failure`: what becomes of asynchronous invocations.

use crate::desired::Placed;
use crate::reader::quantity::duration;
use crate::reader::{Fields, accepted, integer, text};
use crate::schema::Walk;
use crate::yaml::Node;
use model::command::event_invoke::PutConfig;
use model::lambda::event_invoke::{Destination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn, Settings};
use model::{FunctionArn, Owner};

pub(super) const KEYS: [&str; 4] = [
    "maximum_retry_attempts",
    "maximum_event_age",
    "on_success",
    "on_failure",
];

impl Walk<'_> {
    /// What the manifest says about asynchronous invocations of the function `name`, if it says anything.
    pub(super) fn event_invoke(&mut self, fields: &Fields<'_>, name: &str) -> Option<Placed<PutConfig>> {
        let (first, _) = KEYS.iter().find_map(|key| fields.entry(key))?;
        // Whoever says what becomes of events sends some.
        self.used_functions.insert(name.to_owned());
        let settings = Settings {
            maximum_retry_attempts: match fields.get("maximum_retry_attempts") {
                Some(node) => Some(self.retry_attempts(node)?),
                None => None,
            },
            maximum_event_age: match fields.get("maximum_event_age") {
                Some(node) => Some(self.event_age(node)?),
                None => None,
            },
            on_success: match fields.get("on_success") {
                Some(node) => Some(self.destination(node, name)?),
                None => None,
            },
            on_failure: match fields.get("on_failure") {
                Some(node) => Some(self.destination(node, name)?),
                None => None,
            },
        };
        let function = FunctionArn::new(&self.settings.scope, name);
        let put = PutConfig {
            function: QualifiedArn::latest(&function),
            settings,
            last_modified: None,
            owner: Owner::Manifest,
        };
        Some(self.placed(first.spot, put))
    }

    fn retry_attempts(&mut self, node: &Node) -> Option<MaximumRetryAttempts> {
        let number = integer(&mut self.report, node, "0, 1 or 2")?;
        accepted(&mut self.report, node.spot, MaximumRetryAttempts::try_from(number))
    }

    fn event_age(&mut self, node: &Node) -> Option<MaximumEventAge> {
        let age = duration(&mut self.report, node)?;
        if age.subsec_nanos() != 0 {
            self.report.mistake(node.spot, "expected whole seconds".to_owned());
            return None;
        }
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        accepted(&mut self.report, node.spot, MaximumEventAge::try_from(seconds))
    }

    /// The name of another function.
    fn destination(&mut self, node: &Node, of: &str) -> Option<Destination> {
        let name = text(&mut self.report, node, "the name of a function that gets the outcome")?;
        if name.starts_with("arn:") && !name.contains(":lambda:") {
            let message = "destinations are functions: queues, topics, event buses and buckets are not built";
            self.report.mistake(node.spot, message.to_owned());
            return None;
        }
        if name == of {
            let message = "a function cannot be a destination for itself";
            self.report.mistake(node.spot, message.to_owned());
            return None;
        }
        let names = &self.function_names;
        if !Self::known(&mut self.report, node.spot, "function", name, names) {
            return None;
        }
        self.used_functions.insert(name.to_owned());
        Some(Destination::latest(FunctionArn::new(&self.settings.scope, name)))
    }
}
