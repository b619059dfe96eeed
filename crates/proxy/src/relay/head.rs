//! The head of a request as a target of HTTP/1 gets it. Source: ALB 4.2, 4.6, 4.8, 4.9.

use super::Request;
use crate::headers;
use crate::lambda::document;
use crate::record::Record;
use crate::table::ListenerEntry;
use crate::target::http1::Asked;
use crate::view::View;
use http1::desync::{Class, Mode, Verdict};
use http1::{Edits, Forward, Framing, KnownName, TargetConnection, Version, WriteError};
use model::elb::target_group::ProtocolVersion;

/// Whether a request can go to targets of this protocol version; if not, 464 answers it. Source: ALB 4.2.
pub(crate) fn speaks(version: ProtocolVersion, view: &View<'_>) -> bool {
    let is_http2 = view.version() == Version::H2;
    match version {
        ProtocolVersion::Http1 => !view.is_grpc(),
        ProtocolVersion::Http2 => is_http2,
        ProtocolVersion::Grpc => view.is_grpc() || (is_http2 && view.method() == b"POST"),
    }
}

/// A request as a target of HTTP/1 gets it. `explain` writes it too.
pub(crate) struct ServerRequest<'a> {
    pub(crate) listener: &'a ListenerEntry,
    pub(crate) view: &'a View<'a>,
    /// What transforms made of the host and the URL.
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) uri: Option<&'a [u8]>,
    /// The trace header as it goes on.
    pub(crate) trace: &'a [u8],
    pub(crate) framing: Framing,
    /// The connection ends with this request.
    pub(crate) close: bool,
}

impl ServerRequest<'_> {
    /// Appends the head; `edits` is room to work in. Says whether it asks for a WebSocket. An error is answered 400.
    pub(crate) fn write(&self, edits: &mut Edits, out: &mut Vec<u8>) -> Result<bool, WriteError> {
        let view = self.view;
        headers::towards_target(view, self.listener, self.trace, self.host, edits);
        if view.version() == Version::H2 {
            join_cookie_crumbs(view, edits);
        }
        // A body that is read as one by us and as frames by the target would be a way past the rules.
        let upgrade = matches!(self.framing, Framing::None | Framing::Length(0))
            && http1::is_websocket_upgrade(view.head, view.bytes);
        let forward = Forward {
            target: self.uri,
            framing: self.framing,
            connection: match (upgrade, self.close) {
                (true, _) => TargetConnection::Upgrade,
                (false, true) => TargetConnection::Close,
                (false, false) => TargetConnection::KeepAlive,
            },
        };
        http1::write_request(view.head, view.bytes, &forward, edits, out)?;
        Ok(upgrade)
    }
}

impl Request<'_> {
    /// Appends the head, and says what is to be known about the request that it begins. An error is answered 400.
    pub(super) fn write_head(
        &self,
        view: &View<'_>,
        record: &mut Record,
        framing: Framing,
        out: &mut Vec<u8>,
    ) -> Result<Asked, WriteError> {
        let core = self.core;
        document::trace_header(&core.random, view, record.created, &mut record.trace);
        let close = closes_target(self.listener, record.classification.class);
        let request = ServerRequest {
            listener: self.listener,
            view,
            host: self.forwarding.host.as_deref(),
            uri: self.forwarding.uri.as_deref(),
            trace: &record.trace,
            framing,
            close,
        };
        let upgrade = request.write(&mut core.edits.borrow_mut(), out)?;
        Ok(Asked {
            framing,
            is_head: view.method() == b"HEAD",
            upgrade,
            close,
            idle_timeout: self.idle_timeout(),
        })
    }
}

/// Whether a request is such that whatever the target makes of it must not be taken for the beginning of another.
/// Source: ALB 4.9; in `monitor` mode every request that is not compliant.
pub(crate) fn closes_target(listener: &ListenerEntry, class: Class) -> bool {
    let mode = listener.desync_mode();
    (mode == Mode::Monitor && class != Class::Compliant) || mode.verdict(class) == Verdict::AllowThenClose
}

/// HTTP/2 may cut `cookie` into several fields; for HTTP/1 they are one again. Source: RFC 9113, 8.2.3.
fn join_cookie_crumbs(view: &View<'_>, edits: &mut Edits) {
    let mut crumbs = view.head.fields_known(KnownName::Cookie);
    let Some((first, _)) = crumbs.next() else {
        return;
    };
    let rest: Vec<usize> = crumbs.map(|(index, _)| index).collect();
    if rest.is_empty() {
        return;
    }
    let values: Vec<&[u8]> = view.values(KnownName::Cookie).collect();
    let joined = edits.replace_value(first, &values.join(&b"; "[..]));
    debug_assert!(joined.is_ok(), "values that came over HTTP/2 hold no line ends");
    rest.into_iter().for_each(|index| edits.drop_field(index));
}
