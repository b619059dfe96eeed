//! What becomes of a request that could not be carried out: the answer, the record, the line for people.
//! Source: ALB 4.10, 8.1.2.

use super::{Failed, Failure, Request};
use crate::balance::Outcome;
use crate::cause::Cause;
use crate::complaints::Kind;
use crate::exchange::{BodyFailure, Exchange, Gone};
use crate::handler;
use crate::lambda::answer::shown;
use crate::record::Record;
use crate::reply::Reply;
use crate::target::TargetFailure;
use std::time::Instant;
use tracing::warn;

impl Request<'_> {
    /// Answers, or breaks off what has begun.
    pub(super) fn fail<E: Exchange>(&self, exchange: &mut E, failed: Failed) {
        let Failed { failure, .. } = failed;
        if !failed.had_head {
            self.picked.target.ended(outcome(failure), None);
        }
        let record = exchange.record();
        if let Failure::Target(failure) = failure {
            record.because(failure.reason());
            if is_before_dispatch(failure) {
                record.request_processing = None;
            }
            let why = failed.why.map(|why| shown(&why));
            record.verdict = Some(sentence(
                &self.picked.target.name,
                failure,
                failed.had_begun,
                why.as_deref(),
            ));
            self.complain(failure, record);
        } else {
            if let Some(cause) = cause(failure, record.websocket) {
                record.because(cause.reason());
            }
            if failed.why.is_some() {
                record.verdict = failed.why;
            }
        }
        if failed.had_begun {
            return exchange.abort();
        }
        match failure {
            // There is nobody to answer; the log says so.
            Failure::Gone(_) => {
                record.elb_status = 460;
                record.elb_generated = true;
            }
            Failure::Client(failure) => self.refuse(exchange, failure.into()),
            Failure::NotForwardable => self.refuse(exchange, Cause::NotForwardable),
            Failure::Target(failure) => {
                handler::answer(self.listener, exchange, Reply::page(failure.status()));
            }
        }
    }

    fn refuse<E: Exchange>(&self, exchange: &mut E, cause: Cause) {
        handler::refuse(self.listener, exchange, cause);
    }

    /// Writes a line for whoever runs the target, unless there were many in this second. Nothing of a body is in it.
    fn complain(&self, failure: TargetFailure, record: &Record) {
        use TargetFailure as F;
        let kind = match failure {
            F::Refused | F::ConnectTimeout | F::TlsTimeout | F::TlsFailed => Kind::TargetNotReached,
            F::Closed | F::Malformed | F::HeadTooLarge | F::TimedOut | F::Short => Kind::TargetFailed,
            F::NoRoom => Kind::NoConnection,
            // Somebody asked for it, and said how long.
            F::Deregistered => return,
        };
        let (target_addr, target_group) = (&self.picked.target.name, &self.forwarding.group.arn);
        let error_reason = failure.reason();
        let complaints = &self.core.complaints;
        if !complaints.allow_about_target(Instant::now(), target_addr, kind, error_reason) {
            return;
        }
        let verdict = record.verdict.as_deref();
        let trace_id = shown(&String::from_utf8_lossy(&record.trace));
        match kind {
            Kind::TargetNotReached => {
                warn!(target_addr, %target_group, error_reason, verdict, trace_id, "a target could not be reached");
            }
            Kind::NoConnection => {
                warn!(target_addr, %target_group, error_reason, verdict, trace_id, "no connection to a target could be opened");
            }
            _ => {
                warn!(target_addr, %target_group, error_reason, verdict, trace_id, "a target did not answer as it should");
            }
        }
    }
}

/// What a failure before the head of the response says about the target.
fn outcome(failure: Failure) -> Outcome {
    match failure {
        Failure::Client(_)
        | Failure::Gone(_)
        | Failure::NotForwardable
        | Failure::Target(TargetFailure::NoRoom | TargetFailure::Deregistered) => Outcome::Abandoned,
        Failure::Target(_) => Outcome::ConnectionError,
    }
}

/// The request was given to nobody, also where a connection of before had been tried first. Source: ALB 8.1.2, field 6.
fn is_before_dispatch(failure: TargetFailure) -> bool {
    use TargetFailure as F;
    matches!(
        failure,
        F::Refused | F::ConnectTimeout | F::TlsTimeout | F::TlsFailed | F::NoRoom
    )
}

/// What a failure is in the log that is not the target's. Who leaves a WebSocket ends it.
fn cause(failure: Failure, is_websocket: bool) -> Option<Cause> {
    match failure {
        Failure::Client(BodyFailure::Closed) | Failure::Gone(Gone::Left) if is_websocket => None,
        Failure::Client(failure) => Some(failure.into()),
        Failure::Gone(gone) => Some(gone.into()),
        Failure::NotForwardable => Some(Cause::NotForwardable),
        Failure::Target(_) => None,
    }
}

/// For people: what the target did, and what is known about it.
fn sentence(target: &str, failure: TargetFailure, had_begun: bool, why: Option<&str>) -> String {
    let what = match failure {
        TargetFailure::Refused => "refused the connection",
        TargetFailure::ConnectTimeout => "did not take the connection",
        TargetFailure::TlsTimeout => "did not finish the TLS handshake",
        TargetFailure::TlsFailed => "failed the TLS handshake",
        TargetFailure::Closed => "closed the connection before its response was complete",
        TargetFailure::Malformed => "sent a response that cannot be read",
        TargetFailure::HeadTooLarge => "sent a response with too many headers",
        TargetFailure::TimedOut => "was silent for too long",
        TargetFailure::Short => "sent less than it had promised",
        TargetFailure::Deregistered => "was deregistered, and its delay is over",
        TargetFailure::NoRoom => "could not be connected to from here",
    };
    let begun = if had_begun {
        ", when part of the response was sent already"
    } else {
        ""
    };
    match why {
        Some(why) => format!("target {target} {what}{begun}: {why}"),
        None => format!("target {target} {what}{begun}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_target_and_the_cause() {
        let said = sentence(
            "127.0.0.1:9000",
            TargetFailure::Refused,
            false,
            Some("Connection refused"),
        );
        assert_eq!(said, "target 127.0.0.1:9000 refused the connection: Connection refused");
        let said = sentence("[::1]:9000", TargetFailure::Short, true, None);
        assert_eq!(
            said,
            "target [::1]:9000 sent less than it had promised, when part of the response was sent already"
        );
    }

    #[test]
    fn what_is_our_fault_or_the_clients_is_not_the_targets() {
        for failure in [
            Failure::Gone(Gone::Left),
            Failure::NotForwardable,
            Failure::Client(BodyFailure::TimedOut),
            Failure::Target(TargetFailure::NoRoom),
            Failure::Target(TargetFailure::Deregistered),
        ] {
            assert_eq!(outcome(failure), Outcome::Abandoned);
        }
        for failure in [TargetFailure::Refused, TargetFailure::Closed, TargetFailure::TimedOut] {
            assert_eq!(outcome(Failure::Target(failure)), Outcome::ConnectionError);
        }
    }
}
