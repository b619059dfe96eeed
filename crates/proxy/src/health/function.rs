//! Asks a function. Source: ALB 3.5.

use super::checked::Asked;
use super::judge::Ended;
use super::request::USER_AGENT;
use crate::lambda::event::{self, EventParts};
use crate::lambda::{LIMIT_BYTES, answer};
use bytes::Bytes;
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoker, LocalBoxFuture};
use model::elb::health_check::{HealthCheck, HttpMatcher};
use model::observed::TargetHealth;
use model::{FunctionArn, LoadBalancerArn, TargetGroupArn};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// A function to check, and how. One whose settings changed comes again with the same serial.
#[derive(Clone, Debug)]
pub(super) struct CheckedFunction {
    pub(super) serial: u64,
    pub(super) settings: Arc<FunctionSettings>,
    health: Arc<Mutex<TargetHealth>>,
}

/// How a function is checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FunctionSettings {
    pub(super) group: TargetGroupArn,
    pub(super) group_name: String,
    pub(super) load_balancer: LoadBalancerArn,
    pub(super) function: FunctionArn,
    pub(super) check: HealthCheck,
    multi_value: bool,
    is_permitted: bool,
    event: Bytes,
}

impl FunctionSettings {
    pub(super) fn new(target: &super::TargetEntry, load_balancer: &LoadBalancerArn) -> Self {
        Self {
            group: target.group.clone(),
            group_name: target.group_name.clone(),
            load_balancer: load_balancer.clone(),
            function: target.function.clone(),
            check: target.health_check.clone(),
            multi_value: target.multi_value,
            is_permitted: target.is_permitted,
            event: event(target),
        }
    }
}

impl CheckedFunction {
    pub(super) fn new(serial: u64, settings: FunctionSettings, health: TargetHealth) -> Self {
        Self {
            serial,
            settings: Arc::new(settings),
            health: Arc::new(Mutex::new(health)),
        }
    }

    /// The same with other settings; what is known about it stays.
    pub(super) fn with(&self, settings: FunctionSettings) -> Self {
        let mut changed = self.clone();
        if *changed.settings != settings {
            changed.settings = Arc::new(settings);
        }
        changed
    }

    /// Whether both are the same function, checked in the same way.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.serial == other.serial && self.settings == other.settings
    }

    pub(super) fn health(&self) -> TargetHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_health(&self, health: TargetHealth) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

/// The event of a health check: one header, and nothing that a client or a listener would add. The multi-value form is
/// unverified.
fn event(target: &super::TargetEntry) -> Bytes {
    let mut out = Vec::new();
    let parts = EventParts {
        target_group_arn: target.group.as_str(),
        multi_value: target.multi_value,
        method: b"GET",
        path: target.health_check.path.as_str().as_bytes(),
        query: None,
        headers: &[(b"user-agent", USER_AGENT.as_bytes())],
        body: b"",
    };
    // Everything here is text already, so nothing can fail to be UTF-8.
    let written = event::write(&parts, &mut out);
    debug_assert_eq!(written, Ok(()));
    out.into()
}

/// One invocation at a time. A function that does not answer keeps one environment busy and not one more each interval.
pub(super) struct Call {
    invoker: Rc<dyn Invoker>,
    /// An invocation that has not ended.
    late: Option<LocalBoxFuture<InvokeOutcome>>,
}

impl Call {
    pub(super) fn new(invoker: Rc<dyn Invoker>) -> Self {
        Self { invoker, late: None }
    }

    /// Asks once, within the check's timeout.
    pub(super) async fn ask(&mut self, settings: &FunctionSettings) -> Asked {
        if !settings.is_permitted {
            let denied = InvokeOutcome::Refused(InvokeRefusal::AccessDenied);
            let (ended, cause) = judge(denied, settings.multi_value, &settings.check.matcher);
            return Asked::without_connection(ended, cause);
        }
        let invocation = Invocation::new(settings.function.clone(), settings.event.clone(), None);
        let outcome = tokio::time::timeout(settings.check.timing.timeout(), self.invoke(invocation)).await;
        let (ended, cause) = match outcome {
            Ok(outcome) => judge(outcome, settings.multi_value, &settings.check.matcher),
            Err(_) => (Ended::TimedOut, None),
        };
        Asked::without_connection(ended, cause)
    }

    /// Invokes, after the invocation before has ended. Its answer came too late and counts for nothing.
    ///
    /// # Cancel safety
    /// Cancel safe: what was begun is waited for by the next call.
    async fn invoke(&mut self, invocation: Invocation) -> InvokeOutcome {
        if let Some(late) = &mut self.late {
            late.await;
        }
        let running = self.late.insert(self.invoker.invoke(invocation));
        let outcome = running.await;
        self.late = None;
        outcome
    }

    /// Forgets an invocation that cannot be waited for, because it panicked.
    pub(super) fn forget(&mut self) {
        self.late = None;
    }
}

/// Judges what came of the invocation, with a sentence for people when it is no pass.
fn judge(outcome: InvokeOutcome, multi_value: bool, matcher: &HttpMatcher) -> (Ended, Option<String>) {
    match outcome {
        InvokeOutcome::Buffered(document) if document.len() > LIMIT_BYTES => {
            (Ended::Failed, Some(answer::too_large(document.len())))
        }
        InvokeOutcome::Buffered(document) => match answer::read(&document, multi_value) {
            Ok(answer) => (Ended::of_status(answer.status, matcher.matches(answer.status)), None),
            Err(answer::Refused(sentence)) => (Ended::Failed, Some(sentence)),
        },
        InvokeOutcome::FunctionError { error_type, .. } => {
            let cause = format!("the function failed with {}", answer::shown(&error_type));
            (Ended::Failed, Some(cause))
        }
        InvokeOutcome::Refused(refusal @ (InvokeRefusal::ServiceFailure | InvokeRefusal::ClientContext)) => {
            (Ended::Internal, Some(refusal.to_string()))
        }
        InvokeOutcome::Refused(refusal) => (Ended::Failed, Some(refusal.to_string())),
    }
}

#[cfg(test)]
mod tests;
