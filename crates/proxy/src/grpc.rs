//! What gRPC clients are told when the load balancer itself answers. Source: ALB 4.2; for statuses other than 502 the mapping
//! is gRPC's own (unverified).
//!
//! There is no page behind such a head: clients of `grpcio` believe a status in the head only when nothing follows it, and
//! nobody reads a page of HTML as an answer to a call.

use crate::pages;
use crate::reply::Reply;
use std::borrow::Cow;

/// Adds `grpc-status` and `grpc-message` to an answer that is an error, and leaves out the page.
pub(crate) fn add_status(reply: &mut Reply<'_>) {
    if !reply.elb_generated || reply.status < 400 {
        return;
    }
    if reply.body == pages::page(reply.status) {
        (reply.content_type, reply.body) = (Cow::default(), Cow::default());
    }
    let (code, message) = of_http(reply.status);
    for (name, value) in [("grpc-status", code), ("grpc-message", message)] {
        reply
            .headers
            .push((Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value.as_bytes())));
    }
}

/// The gRPC status that stands for an HTTP status.
fn of_http(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("13", "internal"),
        401 => ("16", "unauthenticated"),
        403 => ("7", "permission denied"),
        404 => ("12", "unimplemented"),
        429 | 502..=504 => ("14", "unavailable"),
        _ => ("2", "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(reply: &mut Reply<'_>) -> Vec<(String, String)> {
        add_status(reply);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        reply
            .headers
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn errors_of_the_load_balancer_carry_a_grpc_status() {
        for (status, code, message) in [
            (400, "13", "internal"),
            (464, "2", "unknown"),
            (502, "14", "unavailable"),
            (503, "14", "unavailable"),
            (504, "14", "unavailable"),
        ] {
            let expected = [("grpc-status", code), ("grpc-message", message)];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut reply = Reply::page(status);
            assert_eq!(added(&mut reply), expected, "{status}");
            assert!(reply.body.is_empty() && reply.content_type.is_empty());
        }
    }

    #[test]
    fn what_a_rule_answers_keeps_its_body() {
        let kind = model::elb::action::ContentType::TextPlain;
        let fixed = model::elb::action::FixedResponse::new(503, kind, "closed").expect("a response");
        let mut reply = Reply::fixed(&fixed);
        assert_eq!(added(&mut reply).len(), 2);
        assert_eq!(
            (&*reply.body, &*reply.content_type),
            (&b"closed"[..], &b"text/plain; charset=utf-8"[..])
        );
    }

    #[test]
    fn what_is_no_error_or_not_ours_stays_as_it_is() {
        assert!(added(&mut Reply::page(200)).is_empty());
        let mut theirs = Reply::page(503);
        theirs.elb_generated = false;
        assert!(added(&mut theirs).is_empty());
    }
}
