//! The event and answer codec by itself, for `bench/lambda_codec.rs`. Nothing else uses it, and it promises nothing.

use crate::balance::Groups;
use crate::clock::Wall;
use crate::connection::Peer;
use crate::lambda::document::{self, FunctionRequest};
use crate::lambda::{answer, call};
use crate::metrics::Metrics;
use crate::table::{Group, Kept, ListenerEntry, Table};
use crate::tls::TlsShared;
use crate::trace::Random;
use crate::view::View;
use http1::{Edits, HeadLimits, HeadScanner, RequestHead, Scan};
use model::State;
use routing::Action;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// One request that was read and routed, ready to become an event.
#[derive(Debug)]
pub struct LambdaCodec {
    listener: Arc<ListenerEntry>,
    group: Arc<Group>,
    bytes: Vec<u8>,
    head: RequestHead,
    peer: Peer,
    random: Random,
    created: Wall,
    trace: Vec<u8>,
    edits: Edits,
}

impl LambdaCodec {
    /// Reads a request head and finds its target group by the first listener of a state. `None` when there is none.
    pub fn new(state: &State, request: &[u8]) -> Option<Self> {
        let table = Table::compile(
            state,
            &Metrics::new(1),
            &Groups::default(),
            &TlsShared::new().ok()?,
            None,
            &Kept::default(),
        )
        .ok()?;
        let listener = table.listeners().next()?.clone();
        let bytes = request.to_vec();
        let mut head = RequestHead::new();
        match head.read(&mut HeadScanner::new(), &bytes, &HeadLimits::ALB) {
            Ok(Scan::Complete { .. }) => {}
            _ => return None,
        }
        let random = Random::new(1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        let peer = Peer::new(address, listener.port, Instant::now(), &random);
        let group = match listener.rules.plan(&View::new(&bytes, &head, &peer)).action {
            Action::Forward(forward) => forward.pick(0)?.1.clone(),
            Action::Redirect(_) | Action::FixedResponse(_) => return None,
        };
        Some(Self {
            listener,
            group,
            bytes,
            head,
            peer,
            random,
            created: Wall::now(),
            trace: Vec::new(),
            edits: Edits::new(),
        })
    }

    /// The event of the request with this body, as traffic makes it; `None` when it is not UTF-8.
    pub fn event(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let view = View::new(&self.bytes, &self.head, &self.peer);
        document::trace_header(&self.random, &view, self.created, &mut self.trace);
        let request = FunctionRequest {
            listener: &self.listener,
            view: &view,
            group: &self.group,
            host: None,
            uri: None,
            trace: &self.trace,
            body,
        };
        request.event(&mut self.edits).ok()
    }

    /// Reads a response document, as traffic does, and makes the response of it: how many header lines and bytes of a
    /// body it has, if it is accepted.
    pub fn answer(&self, document: &[u8]) -> Option<(usize, usize)> {
        let reply = call::function_reply(answer::read(document, self.group.multi_value()).ok()?);
        Some((reply.headers.len(), reply.body.len()))
    }
}
