//! Request headers towards targets: what is added, replaced and left out. Source: ALB 4.6.

use crate::table::{ListenerEntry, Scheme};
use crate::view::View;
use http1::{Edits, KnownName, Version};
use model::elb::load_balancer::ForwardedForMode;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// Addresses in `X-Forwarded-For` that are accepted. Source: ALB 4.5.
pub(crate) const FORWARDED_FOR_MAX: usize = 30;

/// How many addresses the client's `X-Forwarded-For` lines hold.
pub(crate) fn forwarded_for_count(view: &View<'_>) -> usize {
    view.values(KnownName::XForwardedFor)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter(|item| !item.trim_ascii().is_empty())
        .count()
}

/// Fills `edits` with everything that changes on the way to a target, in the order ALB emits it.
pub(crate) fn towards_target(
    view: &View<'_>,
    listener: &ListenerEntry,
    trace: &[u8],
    rewritten_host: Option<&[u8]>,
    edits: &mut Edits,
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
    let mut value = Vec::with_capacity(64);
    if attributes.xff_mode == ForwardedForMode::Append {
        forwarded_for(view, attributes.xff_client_port, &mut value);
        prepend(edits, b"X-Forwarded-For", &value);
    }
    prepend(edits, b"X-Forwarded-Proto", listener.scheme.as_str().as_bytes());
    value.clear();
    let _ = write!(value, "{}", listener.port); // writing to a vector cannot fail
    prepend(edits, b"X-Forwarded-Port", &value);
    if let (Some([version, cipher]), Some(tls)) = (tls_headers, &view.peer.tls) {
        prepend(edits, version.as_bytes(), tls.version.as_bytes());
        prepend(edits, cipher.as_bytes(), tls.cipher.as_bytes());
    }
    if replaces_host {
        value.clear();
        match rewritten_host {
            Some(host) => with_port_rule(host, listener.port, &mut value),
            None => host(view, listener, &mut value),
        }
        if !value.is_empty() {
            prepend(edits, b"Host", &value);
        }
    }
    prepend(edits, b"X-Amzn-Trace-Id", trace);
}

/// What a header can carry. In `monitor` mode the codec lets other bytes of a client pass; they are not sent on.
pub(crate) fn is_sendable(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// A value that cannot be carried, which only a `Host` in `monitor` mode can be, is left out rather than sent on.
fn prepend(edits: &mut Edits, name: &[u8], value: &[u8]) {
    let _ = edits.prepend(name, value);
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
        (ip, false) => write!(out, "{ip}"),
        (IpAddr::V4(ip), true) => write!(out, "{ip}:{}", address.port()),
        (IpAddr::V6(ip), true) => write!(out, "[{ip}]:{}", address.port()),
    };
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
            let _ = write!(out, ":{port}"); // writing to a vector cannot fail
        }
    }
    out[start..].make_ascii_lowercase();
}

#[cfg(test)]
mod tests;
