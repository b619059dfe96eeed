//! What becomes of heads between HTTP/1 and HTTP/2 by itself, for `fuzz/`. Nothing else uses it, and it promises nothing.

use crate::balance::Groups;
use crate::clock::Wall;
use crate::connection::Peer;
use crate::exchange::Relayed;
use crate::exchange::http2::head::{body_framing, read_head, refusal, relayed_head};
use crate::handler;
use crate::headers;
use crate::lambda::document;
use crate::metrics::Metrics;
use crate::relay::head::{ServerRequest, closes_target, speaks};
use crate::table::{Kept, ListenerEntry, Table};
use crate::target::http2::{Response, write_request};
use crate::tls::TlsShared;
use crate::trace::Random;
use crate::view::View;
use crate::work::Work;
use h2::RecvStream;
use http::request::Parts;
use http1::{Edits, Framing, HeadLimits, ResponseFraming, ResponseHead, Scan};
use model::State;
use model::elb::target_group::ProtocolVersion;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The first listener of a load balancer, for one client after the other.
#[derive(Debug)]
pub struct Requests {
    listener: Arc<ListenerEntry>,
    peer: Peer,
    random: Random,
    work: Work,
    edits: Edits,
}

/// A request as either kind of target gets it. An error is the status that answers instead.
#[derive(Debug)]
pub struct Towards {
    /// How its body goes on.
    pub framing: Framing,
    /// What transforms made of the host and the URL.
    pub host: Option<Vec<u8>>,
    pub uri: Option<Vec<u8>>,
    /// The head for a target of HTTP/1.
    pub http1: Result<Vec<u8>, u16>,
    /// The head for a target of HTTP/2, also of a request that would not go there.
    pub http2: Result<http::Request<()>, u16>,
    /// Whether it would.
    pub speaks_http2: bool,
}

impl Requests {
    /// Requests of this client to the first listener of a state. `None` when there is none.
    pub fn new(state: &State, client: SocketAddr) -> Option<Self> {
        let (metrics, groups) = (Metrics::new(1), Groups::default());
        let table = Table::compile(
            state,
            &metrics,
            &groups,
            &TlsShared::new().ok()?,
            None,
            &Kept::default(),
        )
        .ok()?;
        let listener = table.listeners().next()?.clone();
        let random = Random::new(1);
        Some(Self {
            peer: Peer::new(client, listener.port, Instant::now(), &random),
            listener,
            random,
            work: Work::default(),
            edits: Edits::new(),
        })
    }

    /// A request of HTTP/2, as far as its head goes. `ends` says that its stream ends with the head, `tls` that its target
    /// takes TLS. An error is the status that answers it, whatever its target; 0 when its stream is reset.
    pub fn of_http2(&mut self, parts: &Parts, ends: bool, tls: bool) -> Result<Towards, u16> {
        let mut bytes = Vec::new();
        read_head(parts, &mut self.work, &mut bytes).map_err(|_| 0_u16)?;
        if let Some(cause) = refusal(parts, &mut self.work, &bytes) {
            return Err(cause.status());
        }
        let framing = body_framing(&self.work.head, &bytes, ends);
        self.towards(&bytes, framing, tls)
    }

    /// A request of HTTP/1, as far as its head goes. `None` when it is none.
    pub fn of_http1(&mut self, bytes: &[u8], tls: bool) -> Option<Result<Towards, u16>> {
        let work = &mut self.work;
        work.scanner.reset();
        let read = work.head.read(&mut work.scanner, bytes, &HeadLimits::ALB);
        let Ok(Scan::Complete { head_len }) = read else {
            return None;
        };
        let bytes = &bytes[..head_len];
        let view = View::new(bytes, &work.head, &self.peer);
        Some(match handler::desync(&view, &self.listener, &mut work.record) {
            Ok((_, framing)) => self.towards(bytes, framing, tls),
            Err(cause) => Err(cause.status()),
        })
    }

    fn towards(&mut self, bytes: &[u8], framing: Framing, tls: bool) -> Result<Towards, u16> {
        let view = View::new(bytes, &self.work.head, &self.peer);
        if let Some(cause) = handler::refusal(&view, &self.listener) {
            return Err(cause.status());
        }
        let transformed = self.listener.rules.plan(&view).transforms.apply(&view);
        let (host, uri) = (transformed.host, transformed.uri);
        let record = &mut self.work.record;
        document::trace_header(&self.random, &view, Wall::now(), &mut record.trace);
        let request = ServerRequest {
            listener: &self.listener,
            view: &view,
            host: host.as_deref(),
            uri: uri.as_deref(),
            trace: &record.trace,
            framing,
            close: closes_target(&self.listener, record.classification.class),
        };
        let mut out = Vec::new();
        let http1 = match speaks(ProtocolVersion::Http1, &view) {
            true => request.write(&mut self.edits, &mut out).map(|_| out).map_err(|_| 400),
            false => Err(464),
        };
        headers::towards_target(&view, &self.listener, &record.trace, host.as_deref(), &mut self.edits);
        let http2 = write_request(&view, &self.edits, uri.as_deref(), tls).map_err(|_| 400);
        let speaks_http2 = speaks(ProtocolVersion::Http2, &view);
        Ok(Towards {
            framing,
            host,
            uri,
            http1,
            http2,
            speaks_http2,
        })
    }
}

/// The response of a target over HTTP/2.
pub struct Http2Response(Response);

impl Http2Response {
    /// `is_head` says that HEAD was asked. `None` when it is answered 502.
    pub fn new(response: http::Response<RecvStream>, is_head: bool) -> Option<Self> {
        Response::new(response, is_head).ok().map(Self)
    }

    pub fn head(&self) -> (&ResponseHead, &[u8]) {
        self.0.head()
    }

    pub fn framing(&self) -> ResponseFraming {
        self.0.framing()
    }
}

/// The head of a target's response as a client of HTTP/2 gets it, with a cookie of the load balancer and a header that the
/// listener sets. `None` when it is answered 502.
pub fn for_http2_client(
    head: &ResponseHead,
    bytes: &[u8],
    framing: ResponseFraming,
    cookie: (&[u8], &[u8]),
    replaced: (&'static str, &str),
) -> Option<http::Response<()>> {
    let relayed = Relayed {
        head,
        bytes,
        framing,
        cookies: &[(cookie.0.into(), cookie.1.into())],
        replaced: &[(replaced.0, replaced.1.to_owned())],
    };
    relayed_head(&relayed).ok().map(|(response, _)| response)
}
