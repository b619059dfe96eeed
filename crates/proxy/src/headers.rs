//! Request headers towards targets: what is added, replaced and left out. Source: ALB 4.6.

use crate::table::{ListenerEntry, Scheme};
use crate::view::View;
use http1::{Edits, KnownName, Version};
use model::elb::load_balancer::ForwardedForMode;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses in `X-Forwarded-For` that are accepted. Source: ALB 4.5.
pub(crate) const FORWARDED_FOR_MAX: usize = 30;

/// How many addresses the client's `X-Forwarded-For` lines hold.
pub(crate) fn forwarded_for_count(view: &View<'_>) -> usize {
    view.values(KnownName::XForwardedFor)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter(|item| !item.trim_ascii().is_empty())
        .count()
}

/// What changes on the way to a target: `edits` leaves out lines of the client, `ours` come before those that stay.
pub(crate) fn towards_target<'a>(
    view: &View<'_>,
    listener: &'a ListenerEntry,
    trace: &[u8],
    rewritten_host: Option<&[u8]>,
    edits: &mut Edits,
    ours: &mut OwnLines<'a>,
) {
    edits.clear();
    let attributes = &listener.load_balancer.attributes;
    let drop_invalid = attributes.drop_invalid_header_fields;
    let replaces_host = !attributes.preserve_host_header || rewritten_host.is_some();
    let tls_headers = tls_headers(listener);
    for (index, field) in view.head.fields().iter().enumerate() {
        let gone = match field.known() {
            KnownName::XForwardedFor => attributes.xff_mode != ForwardedForMode::Preserve,
            KnownName::XForwardedProto | KnownName::XForwardedPort | KnownName::XAmznTraceId => true,
            KnownName::Host => replaces_host,
            // It contradicts the chunks that were read. Source: RFC 9112, 6.3.
            KnownName::ContentLength => view.head.contains(KnownName::TransferEncoding),
            _ => {
                (drop_invalid && !field.has_valid_name())
                    || tls_headers.is_some_and(|names| {
                        names
                            .iter()
                            .any(|name| field.name(view.bytes).eq_ignore_ascii_case(name.as_bytes()))
                    })
            }
        };
        if gone {
            edits.drop_field(index);
        }
    }
    if attributes.xff_mode == ForwardedForMode::Append {
        ours.add(b"X-Forwarded-For", |out| {
            forwarded_for(view, attributes.xff_client_port, out);
        });
    }
    let mut add = |name, value: &[u8]| ours.add(name, |out| out.extend_from_slice(value));
    add(b"X-Forwarded-Proto", listener.scheme.as_str().as_bytes());
    add(b"X-Forwarded-Port", &listener.port_suffix.as_bytes()[1..]);
    if let (Some([version, cipher]), Some(tls)) = (tls_headers, &view.peer.tls) {
        add(version.as_bytes(), tls.version.as_bytes());
        add(cipher.as_bytes(), tls.cipher.as_bytes());
    }
    if replaces_host {
        let host = |out: &mut Vec<u8>| match rewritten_host {
            Some(host) => with_port_rule(host, listener.port, out),
            None => host(view, listener, out),
        };
        // Without a host there is nothing to say. One that cannot be carried, as only one in `monitor` mode can be, is left
        // out rather than sent on.
        ours.add_if(b"Host", host, |host| !host.is_empty() && is_sendable(host));
    }
    ours.add(b"X-Amzn-Trace-Id", |out| out.extend_from_slice(trace));
}

/// The lines that are added, in the order ALB emits them, their values in one buffer.
#[derive(Debug, Default)]
pub(crate) struct OwnLines<'a> {
    values: Vec<u8>,
    /// Each name with the end of its value.
    lines: Vec<(&'a [u8], usize)>,
}

impl<'a> OwnLines<'a> {
    /// None yet, with room for all.
    pub(crate) fn new() -> Self {
        Self {
            values: Vec::with_capacity(256),
            lines: Vec::with_capacity(8),
        }
    }

    fn add(&mut self, name: &'a [u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.add_if(name, write, |_| true);
    }

    fn add_if(&mut self, name: &'a [u8], write: impl FnOnce(&mut Vec<u8>), wanted: impl FnOnce(&[u8]) -> bool) {
        let start = self.values.len();
        write(&mut self.values);
        match wanted(&self.values[start..]) {
            true => self.lines.push((name, self.values.len())),
            false => self.values.truncate(start),
        }
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.lines.iter().map(move |(name, end)| {
            let value = &self.values[start..*end];
            start = *end;
            (*name, value)
        })
    }
}

/// Whether a `Host` value could name a host. One with blanks or with what ends a host in a URL is malformed, which RFC 9112,
/// 3.2, has answered with 400; ALB 4.10 says so of malformed requests without naming this one (unverified). Other control
/// characters are the desync classification's to judge, and bytes from 0x80 on are let pass, as in other headers.
pub(crate) fn may_be_host(host: &[u8]) -> bool {
    const ENDS_A_HOST: [bool; 256] = {
        let mut ends = [false; 256];
        let bytes = b" \t\"#/<>?@\\^`{|}";
        let mut at = 0;
        while at < bytes.len() {
            ends[bytes[at] as usize] = true;
            at += 1;
        }
        ends
    };
    !host.iter().any(|byte| ENDS_A_HOST[usize::from(*byte)])
}

/// What a header can carry. In `monitor` mode the codec lets other bytes of a client pass; they are not sent on.
pub(crate) fn is_sendable(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// The names of the two TLS headers, if the load balancer sends them.
fn tls_headers(listener: &ListenerEntry) -> Option<[&str; 2]> {
    let wanted = listener.scheme == Scheme::Https && listener.load_balancer.attributes.tls_version_and_cipher_suite;
    wanted.then(|| {
        let attributes = &listener.attributes;
        [
            attributes.tls_version_header.as_deref().unwrap_or("X-Amzn-Tls-Version"),
            attributes
                .tls_cipher_suite_header
                .as_deref()
                .unwrap_or("X-Amzn-Tls-Cipher-Suite"),
        ]
    })
}

/// The client's lines folded into one, and its address at the end.
fn forwarded_for(view: &View<'_>, client_port: bool, out: &mut Vec<u8>) {
    let sendable = |value: &&[u8]| !value.is_empty() && is_sendable(value);
    for value in view.values(KnownName::XForwardedFor).filter(sendable) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    push_address(view.peer.address, client_port, out);
}

fn push_address(address: SocketAddr, port: bool, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = match (address.ip().to_canonical(), port) {
        (IpAddr::V4(ip), false) => {
            push_ipv4(ip, out); // by hand, because it is written for almost every request
            Ok(())
        }
        (ip, false) => write!(out, "{ip}"),
        (IpAddr::V4(ip), true) => write!(out, "{ip}:{}", address.port()),
        (IpAddr::V6(ip), true) => write!(out, "[{ip}]:{}", address.port()),
    };
}

/// `192.0.2.1`.
pub(crate) fn push_ipv4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

/// The `Host` a target sees when the client's is not preserved. Nothing is written when there is none to send.
fn host(view: &View<'_>, listener: &ListenerEntry, out: &mut Vec<u8>) {
    match view.host() {
        Some(host) => with_port_rule(host, listener.port, out),
        None if view.version() == Version::Http10 => {
            out.extend_from_slice(listener.load_balancer.dns_name.as_bytes());
        }
        None => {}
    }
}

/// Lower-cased; on ports 80 and 443 without a port, on other ports with one. An empty host stays empty.
fn with_port_rule(host: &[u8], port: u16, out: &mut Vec<u8>) {
    let bare = routing::host_without_port(host);
    let start = out.len();
    match port {
        _ if bare.is_empty() => {}
        80 | 443 => out.extend_from_slice(bare),
        _ if bare.len() < host.len() => out.extend_from_slice(host),
        _ => {
            out.extend_from_slice(bare);
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
    }
    out[start..].make_ascii_lowercase();
}

#[cfg(test)]
mod tests;
