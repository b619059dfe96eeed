//! One request to a server: chosen, sent, both bodies streaming at once. Source: ALB 4.0 steps 9 and 10, 4.2 to 4.5, 4.11.
//!
//! Written once over [`Exchange`] on the client's side and [`TargetStream`] on the target's. All of it runs in the client's
//! own task: there is no queue between the two sides, so that what one does not take the other is not asked for.

pub(crate) mod head;
mod http2;
mod pump;
mod tunnel;
mod verdict;

use crate::balance::{Answered, NoTarget, Outcome, Picked, Servers};
use crate::cause::Cause;
use crate::core::{Core, ListenerRef};
use crate::exchange::{BodyFailure, Exchange, Gone, Relayed};
use crate::handler::{self, Forwarding};
use crate::lambda::call::count_invalid_headers;
use crate::metrics::GroupCounters;
use crate::record::Record;
use crate::table::Scheme;
use crate::target::connect::{Connection, connect, count_failure};
use crate::target::http1::{Asked, Http1, Lent};
use crate::target::tls::Alpn;
use crate::target::{TargetFailure, TargetStream};
use crate::view::View;
use http1::{Framing, WriteError};
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use pump::{Done, Pump};
use rustls::ClientConfig;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};
use tunnel::Tunnel;

/// One request on its way to the target that was chosen for it.
struct Request<'a> {
    core: &'a Core,
    listener: &'a ListenerRef,
    forwarding: &'a Forwarding,
    servers: &'a Servers,
    picked: &'a Picked,
    /// The client came over IPv6.
    is_ipv6: bool,
}

/// Why a response is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The client's body did not arrive whole.
    Client(BodyFailure),
    /// The client is gone, or does not read.
    Gone(Gone),
    /// The request cannot be written the way its target speaks.
    NotForwardable,
    Target(TargetFailure),
}

impl From<TargetFailure> for Failure {
    fn from(failure: TargetFailure) -> Self {
        Self::Target(failure)
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// How carrying a request out failed.
struct Failed {
    failure: Failure,
    /// The head of the response had come.
    had_head: bool,
    /// The response had begun towards the client.
    had_begun: bool,
    /// What there is to say beyond that, for people.
    why: Option<String>,
}

impl Failed {
    /// Before there was a connection.
    fn early(failure: Failure, why: Option<String>) -> Self {
        Self {
            failure,
            had_head: false,
            had_begun: false,
            why,
        }
    }
}

/// A request whose target is chosen.
struct Chosen<'a> {
    picked: Picked,
    is_ipv6: bool,
    /// For a target of HTTP/1: the head, which waits to be sent.
    head: Option<Result<(Lent<'a>, Asked), WriteError>>,
}

/// Carries a forward to servers out, to the end of the response.
pub(crate) async fn forward<E: Exchange>(
    core: &Core,
    listener: &ListenerRef,
    exchange: &mut E,
    forwarding: &Forwarding,
    servers: &Servers,
) {
    let Chosen { picked, is_ipv6, head } = match choose(core, listener, exchange, forwarding, servers) {
        Ok(chosen) => chosen,
        Err(cause) => return handler::refuse(listener, exchange, cause),
    };
    let request = Request {
        core,
        listener,
        forwarding,
        servers,
        picked: &picked,
        is_ipv6,
    };
    let done = match head {
        Some(Ok((lent, asked))) => request.over_http1(exchange, lent, asked).await,
        Some(Err(error)) => Err(Failed::early(Failure::NotForwardable, Some(error.to_string()))),
        None => Box::pin(request.over_http2(exchange)).await,
    };
    if let Err(failed) = done {
        request.fail(exchange, failed);
    }
}

/// What needs no waiting. An error answers.
fn choose<'a, E: Exchange>(
    core: &'a Core,
    listener: &ListenerRef,
    exchange: &mut E,
    forwarding: &Forwarding,
    servers: &Servers,
) -> Result<Chosen<'a>, Cause> {
    let framing = exchange.body_framing();
    let (view, record) = exchange.parts();
    if !head::speaks(servers.version, &view) {
        return Err(Cause::ProtocolVersionMismatch);
    }
    let picked = servers.pick(core.id, &view, &core.shared.cookie_key, record.created, &core.random);
    let picked = picked.map_err(|NoTarget| Cause::NoTargets)?;
    let is_ipv6 = view.peer.is_ipv6();
    let request = Request {
        core,
        listener,
        forwarding,
        servers,
        picked: &picked,
        is_ipv6,
    };
    request.note_picked(&view, record);
    count_invalid_headers(core, listener, &view);
    let head = match servers.version {
        ProtocolVersion::Http1 => {
            let mut lent = Lent::new(core);
            let asked = request.write_head(&view, record, framing, lent.work().output.buffer());
            Some(asked.map(|asked| (lent, asked)))
        }
        ProtocolVersion::Http2 | ProtocolVersion::Grpc => None,
    };
    Ok(Chosen { picked, is_ipv6, head })
}

impl Request<'_> {
    fn counters(&self) -> &GroupCounters {
        self.forwarding.group.metrics.core(self.core.id)
    }

    fn idle_timeout(&self) -> Duration {
        self.listener.load_balancer.attributes.idle_timeout
    }

    /// The deregistration delay of the target is over.
    fn is_cut(&self) -> bool {
        self.picked.target.cut.load(Ordering::Relaxed)
    }

    fn note_picked(&self, view: &View<'_>, record: &mut Record) {
        record.target.extend_from_slice(self.picked.target.name.as_bytes());
        let counters = self.counters();
        counters.requests.inc();
        // Groups of HTTP/1 get none. Source: ALB 4.2, 8.3 `GrpcRequestCount`.
        if self.servers.version != ProtocolVersion::Http1 && view.is_grpc() {
            counters.grpc_requests.inc();
        }
        if self.picked.fail_open {
            counters.unhealthy_routing_requests.inc();
        }
        if self.picked.non_sticky {
            counters.non_sticky_requests.inc();
        }
    }

    /// Sends the request to a target that speaks HTTP/1, and relays what comes back. Its head waits in the output of `lent`.
    async fn over_http1<E: Exchange>(&self, exchange: &mut E, lent: Lent<'_>, asked: Asked) -> Result<(), Failed> {
        // A block, so that the future keeps no room for what was taken out of it.
        let (connection, used) = {
            let tls = self.servers.protocol == TargetProtocol::Https;
            match self.core.pool.take(&self.picked.target, tls, self.core.wheel.ticks()) {
                Some(connection) => (connection, true),
                None => (self.connect(exchange).await?, false),
            }
        };
        let record = exchange.record();
        let now = match used {
            true => self.core.read_last().max(record.start),
            false => self.core.read_clock(),
        };
        record.request_processing = Some(match now == record.start {
            true => Duration::ZERO, // nearly always
            false => now.saturating_duration_since(record.start),
        });
        let mut stream = Http1::new(lent, asked, connection, used);
        let mut pump = Pump::new(now);
        loop {
            let done = poll_fn(|cx| pump.poll(cx, self, exchange, &mut stream)).await;
            let failure = match done {
                Ok(Done::Response) => {
                    stream.finish(self.picked.target.target());
                    return Ok(());
                }
                Ok(Done::Upgraded) => return self.tunnel(exchange, &mut stream).await,
                Err(failure) => failure,
            };
            if matches!(failure, Failure::Target(failure) if stream.is_stale(failure)) {
                stream.start_again(self.connect(exchange).await?);
                continue;
            }
            if used && failure == TargetFailure::Closed.into() && !pump.has_head() {
                self.picked.target.closes_silently.store(true, Ordering::Relaxed);
            }
            return Err(Failed {
                failure,
                had_head: pump.has_head(),
                had_begun: pump.has_begun(),
                why: stream.why(),
            });
        }
    }

    fn tls_config(&self) -> Arc<ClientConfig> {
        let alpn = match self.servers.version {
            ProtocolVersion::Http1 => Alpn::Http1,
            ProtocolVersion::Http2 | ProtocolVersion::Grpc => Alpn::Http2,
        };
        self.listener.load_balancer.target_tls.config(alpn).clone()
    }

    /// Opens a connection for a request, unless the client leaves or the target goes meanwhile.
    async fn connect<E: Exchange>(&self, exchange: &mut E) -> Result<Connection, Failed> {
        let (core, target) = (self.core, &self.picked.target);
        let tls = match self.servers.protocol {
            TargetProtocol::Http => None,
            TargetProtocol::Https => Some(self.tls_config()),
        };
        // While there is a body to be read, nobody looks for the client's end.
        let watched = exchange.body_framing() == Framing::None;
        let mut connecting = Box::pin(connect(core, &self.forwarding.group.metrics, target.address, tls));
        let connected = poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                let failed = |not: crate::target::connect::NotConnected| (Failure::Target(not.failure), Some(not.why));
                return Poll::Ready(connected.map_err(failed));
            }
            if watched && exchange.poll_gone(cx).is_ready() {
                return Poll::Ready(Err((Gone::Left.into(), None)));
            }
            match self.is_cut() {
                true => Poll::Ready(Err((TargetFailure::Deregistered.into(), None))),
                false => Poll::Pending,
            }
        });
        match connected.await {
            Ok(connection) => {
                self.counters().new_target_connections.inc();
                Ok(connection)
            }
            Err((failure, why)) => {
                if let Failure::Target(failure) = failure {
                    count_failure(self.counters(), failure);
                }
                Err(Failed::early(failure, why))
            }
        }
    }

    /// Counts the bytes of an exchange that lasts. Those of a short one are counted at its end.
    fn count_bytes<E: Exchange>(&self, exchange: &mut E) {
        self.core.count_bytes(exchange.record(), self.listener, self.is_ipv6);
    }

    /// Takes note of the head of the response, which came so long after the request was sent.
    fn note_head<T: TargetStream>(&self, record: &mut Record, stream: &T, took: Duration) {
        let status = stream.head().0.status();
        record.target_status = status;
        record.target_processing = Some(took);
        self.counters().response_time.observe(took);
        self.picked.target.ended(Outcome::Status(status), Some(took));
    }

    /// Hands the head of the response to the exchange. `now` is about now.
    fn begin_response<E: Exchange, T: TargetStream>(
        &self,
        exchange: &mut E,
        stream: &T,
        now: Instant,
    ) -> Result<(), TargetFailure> {
        let (head, bytes) = stream.head();
        let answered = Answered {
            head,
            bytes,
            https: self.listener.scheme == Scheme::Https,
        };
        let bind = self.forwarding.bind.as_ref();
        // Asked first, because most responses have none.
        let cookies = match bind.is_some() || self.servers.attributes.stickiness.enabled {
            true => {
                let (key, now) = (&self.core.shared.cookie_key, self.core.wall(now));
                self.servers.cookies(self.picked, bind, key, answered, now)
            }
            false => Vec::new(),
        };
        let relayed = Relayed {
            head,
            bytes,
            framing: stream.framing(),
            cookies: &cookies,
            replaced: &self.listener.attributes.response_headers,
        };
        // What is added was checked where it was made.
        exchange
            .begin_response(&relayed)
            .map_err(|_| TargetFailure::Malformed)?;
        let record = exchange.record();
        record.elb_status = head.status();
        record.elb_generated = false;
        Ok(())
    }

    /// Relays what follows a 101.
    async fn tunnel<E: Exchange, T: TargetStream>(&self, exchange: &mut E, stream: &mut T) -> Result<(), Failed> {
        let failed = |failure, why| Failed {
            failure,
            had_head: true,
            had_begun: true,
            why,
        };
        if let Err(failure) = self.begin_response(exchange, stream, Instant::now()) {
            return Err(Failed {
                had_begun: false,
                ..failed(failure.into(), None)
            });
        }
        exchange.record().response_processing = Some(Duration::ZERO);
        exchange.record().websocket = true;
        stream.head_done();
        exchange.tunnel();
        stream.tunnel();
        let mut tunnel = Tunnel::default();
        let ended = poll_fn(|cx| tunnel.poll(cx, self, exchange, stream)).await;
        ended.map_err(|failure| failed(failure, stream.why()))
    }
}
