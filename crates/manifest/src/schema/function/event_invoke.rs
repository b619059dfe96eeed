//! `maximum_retry_attempts`, `maximum_event_age`, `on_success` and `on_failure`: what becomes of asynchronous invocations.

use crate::Buckets;
use crate::desired::Placed;
use crate::reader::quantity::duration;
use crate::reader::{Fields, accepted, integer, text};
use crate::schema::Walk;
use crate::yaml::Node;
use model::bucket::BucketArn;
use model::command::event_invoke::PutConfig;
use model::lambda::event_invoke::{
    Destination, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn, Settings,
};
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
                Some(node) => Some(self.failure_destination(node, name)?),
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
        if service(name) == Some("s3") {
            let message = "a bucket gets the records of failures only: name it as `on_failure`";
            self.report.mistake(node.spot, message.to_owned());
            return None;
        }
        self.function_destination(node, name, of)
    }

    /// The name of another function, or the ARN of a bucket.
    fn failure_destination(&mut self, node: &Node, of: &str) -> Option<FailureDestination> {
        let expected = "the name of a function that gets the outcome, or the ARN of a bucket";
        let name = text(&mut self.report, node, expected)?;
        match service(name) {
            Some("s3") => self.bucket_destination(node, name).map(FailureDestination::Bucket),
            _ => self
                .function_destination(node, name, of)
                .map(FailureDestination::Function),
        }
    }

    fn bucket_destination(&mut self, node: &Node, arn: &str) -> Option<BucketArn> {
        let bucket = accepted(&mut self.report, node.spot, BucketArn::try_from(arn))?;
        let partition = self.settings.scope.partition();
        if bucket.partition() != partition {
            let message = format!("a bucket of this region is `arn:{partition}:s3:::{}`", bucket.name());
            self.report.mistake(node.spot, message);
            return None;
        }
        if self.settings.buckets == Buckets::Missing {
            let message = "buckets are folders in the one given with --s3-root, and none is given";
            self.report.mistake(node.spot, message.to_owned());
            return None;
        }
        Some(bucket)
    }

    fn function_destination(&mut self, node: &Node, name: &str, of: &str) -> Option<Destination> {
        if service(name).is_some_and(|service| service != "lambda") {
            let message = "destinations are functions, and `on_failure` may be a bucket (arn:aws:s3:::name): queues, topics and \
                           event buses are not built";
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

/// Of an ARN: whose resource it is.
fn service(text: &str) -> Option<&str> {
    text.strip_prefix("arn:")?.split(':').nth(1)
}
