//! A request as rules, actions and events see it, whatever protocol it came by.

use crate::connection::Peer;
use http1::{KnownName, RequestHead, Target, Version};
use std::net::IpAddr;

/// A request head with what is known about its client. Borrowed, raw, nothing decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) head: &'a RequestHead,
    pub(crate) target: Target<'a>,
    pub(crate) peer: &'a Peer,
}

impl<'a> View<'a> {
    pub(crate) fn new(bytes: &'a [u8], head: &'a RequestHead, peer: &'a Peer) -> Self {
        Self {
            bytes,
            head,
            target: head.target_parts(bytes),
            peer,
        }
    }

    pub(crate) fn method(&self) -> &'a [u8] {
        self.head.method(self.bytes)
    }

    pub(crate) fn version(&self) -> Version {
        self.head.version()
    }

    pub(crate) fn first(&self, name: KnownName) -> Option<&'a [u8]> {
        self.head.first_value(self.bytes, name)
    }

    pub(crate) fn values(&self, name: KnownName) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.head.fields_known(name).map(move |(_, field)| field.value(bytes))
    }

    /// The host the request is for: an absolute-form target names it, otherwise the first `Host`. Source: ALB 4.6,
    /// RFC 9112, 3.2.2.
    pub(crate) fn host(&self) -> Option<&'a [u8]> {
        self.target
            .authority
            .map(without_user)
            .or_else(|| self.head.host(self.bytes))
    }

    /// Bytes of all header lines, without the request line.
    pub(crate) fn header_bytes(&self) -> usize {
        let line: usize = self.head.request_line_spans().iter().map(|span| span.len()).sum();
        self.bytes.len().saturating_sub(line)
    }

    /// A gRPC request. Source: ALB 4.2.
    pub(crate) fn is_grpc(&self) -> bool {
        self.version() == Version::H2 && self.first(KnownName::ContentType).is_some_and(is_grpc)
    }
}

/// `application/grpc`, alone or with a format (`+proto`) or parameters. `application/grpc-web` is another protocol, made to
/// pass through whatever passes HTTP/1: taken for gRPC, its browsers would get 464 from groups that their targets are in.
fn is_grpc(media_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    match media_type.split_at_checked(GRPC.len()) {
        Some((kind, rest)) => {
            kind.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        }
        None => false,
    }
}

/// An authority without `user:password@`, which is no part of a host and nobody's business further on.
fn without_user(authority: &[u8]) -> &[u8] {
    authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default()
}

impl routing::RequestHead for View<'_> {
    fn method(&self) -> &[u8] {
        View::method(self)
    }

    fn path(&self) -> &[u8] {
        self.target.path
    }

    fn query(&self) -> Option<&[u8]> {
        self.target.query
    }

    fn host(&self) -> Option<&[u8]> {
        View::host(self)
    }

    fn header_values<'a>(&'a self, lower_name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.head.fields_named(self.bytes, lower_name.as_bytes());
        fields.map(|(_, field)| field.value(self.bytes))
    }

    fn source_ip(&self) -> IpAddr {
        self.peer.address.ip()
    }

    fn is_free_of_controls(&self) -> bool {
        self.head.is_free_of_controls()
    }
}
