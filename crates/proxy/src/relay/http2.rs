//! A request to a target that speaks HTTP/2. Source: ALB 4.2, 4.3.

use super::pump::{Done, Pump};
use super::{Failed, Failure, Request};
use crate::exchange::{Exchange, Gone};
use crate::headers;
use crate::lambda::document;
use crate::target::http2::{Destination, Http2, Lease, write_request};
use crate::target::{TargetFailure, TargetStream};
use crate::wheel::Timer;
use http1::Framing;
use model::elb::target_group::TargetProtocol;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

/// How often a request is sent again that its target has done nothing with.
const TRIES_MAX: u32 = 3;

impl Request<'_> {
    /// Sends the request on a connection that carries others too, and relays what comes back.
    pub(super) async fn over_http2<E: Exchange>(&self, exchange: &mut E) -> Result<(), Failed> {
        let ends = exchange.body_framing() == Framing::None;
        // Before there is a connection, so that a request that finds none has its id in the log and in complaints.
        let (view, record) = exchange.parts();
        document::trace_header(&self.core.random, &view, record.created, &mut record.trace);
        let mut tries = 0;
        loop {
            let timer = self.core.wheel.timer();
            let lease = self.lease(exchange, &timer).await?;
            let Some(request) = self.http2_head(exchange) else {
                let why = "its URL cannot stand in a request of HTTP/2".to_owned();
                return Err(Failed::early(Failure::NotForwardable, Some(why)));
            };
            let failed = match Http2::new(lease, request, ends, timer, self.idle_timeout()) {
                Ok(stream) => match self.relay_http2(exchange, stream).await {
                    Ok(()) => return Ok(()),
                    // Nothing of it was sent, or the target says that it has not looked at it. Source: ALB 4.3 (unverified).
                    Err((failed, true)) => failed,
                    Err((failed, false)) => return Err(failed),
                },
                Err(error) => Failed::early(TargetFailure::Closed.into(), Some(error.to_string())),
            };
            if tries == TRIES_MAX {
                return Err(failed);
            }
            tries += 1;
        }
    }

    /// An error says whether the request may be sent again.
    async fn relay_http2<E: Exchange>(&self, exchange: &mut E, mut stream: Http2) -> Result<(), (Failed, bool)> {
        let now = Instant::now();
        let record = exchange.record();
        record.request_processing = Some(now.saturating_duration_since(record.start));
        let mut pump = Pump::new(now);
        let failure = match poll_fn(|cx| pump.poll(cx, self, exchange, &mut stream)).await {
            Ok(Done::Response) => return Ok(()),
            // HTTP/2 has no 101, so none is passed on by its stream.
            Ok(Done::Upgraded) => TargetFailure::Malformed.into(),
            Err(failure) => failure,
        };
        let again = matches!(failure, Failure::Target(failure) if stream.is_stale(failure));
        let failed = Failed {
            failure,
            had_head: pump.has_head(),
            had_begun: pump.has_begun(),
            why: stream.why(),
        };
        Err((failed, again))
    }

    /// A place on a connection, a new one if need be, unless the client leaves or the target goes meanwhile.
    async fn lease<E: Exchange>(&self, exchange: &mut E, timer: &Timer) -> Result<Lease, Failed> {
        let pool = &self.core.http2_pool;
        let tls = (self.servers.protocol == TargetProtocol::Https).then(|| self.tls_config());
        // While there is a body to be read, nobody looks for the client's end.
        let watched = exchange.body_framing() == Framing::None;
        for _ in 0..=TRIES_MAX {
            if let Some(lease) = pool.take(&self.picked.target, tls.is_some()) {
                return Ok(lease);
            }
            let opening = pool.open(Destination {
                target: self.picked.target.target().clone(),
                tls: tls.clone(),
                group: self.forwarding.group.clone(),
                idle_timeout: self.idle_timeout(),
            });
            let place = poll_fn(|cx| {
                if let Poll::Ready(place) = opening.poll(cx) {
                    return Poll::Ready(place.map_err(|not| (not.failure.into(), Some(not.why))));
                }
                if watched && exchange.poll_gone(cx).is_ready() {
                    return Poll::Ready(Err((Gone::Left.into(), None)));
                }
                // Nothing has been set: it wakes when targets are cut.
                let _ = timer.expired(cx);
                match self.is_cut() {
                    true => Poll::Ready(Err((TargetFailure::Deregistered.into(), None))),
                    false => Poll::Pending,
                }
            });
            match place.await {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => {} // it takes fewer requests at once than waited for it
                Err((failure, why)) => return Err(Failed::early(failure, why)),
            }
        }
        let why = "it takes fewer requests at once than it said".to_owned();
        Err(Failed::early(TargetFailure::Refused.into(), Some(why)))
    }

    fn http2_head<E: Exchange>(&self, exchange: &mut E) -> Option<http::Request<()>> {
        let (view, record) = exchange.parts();
        let mut edits = self.core.edits.borrow_mut();
        let host = self.forwarding.host.as_deref();
        headers::towards_target(&view, self.listener, &record.trace, host, &mut edits);
        let tls = self.servers.protocol == TargetProtocol::Https;
        write_request(&view, &edits, self.forwarding.uri.as_deref(), tls).ok()
    }
}
