//! Request headers towards targets: what is added, replaced and left out. Source: ALB 4.6.

mod reserved;
pub(crate) mod trailers;

use crate::connection::TlsFacts;
use crate::table::{ListenerEntry, Scheme};
use crate::tls::ClientIdentity;
use crate::view::View;
use http1::{Edits, KnownName, OwnLines, OwnName};
use model::elb::listener::MutualAuthentication;
use model::elb::load_balancer::ForwardedForMode;
pub(crate) use reserved::ReservedNames;

const FORWARDED_FOR: OwnName<'_> = OwnName::literal("X-Forwarded-For");
const FORWARDED_PROTO: OwnName<'_> = OwnName::literal("X-Forwarded-Proto");
const FORWARDED_PORT: OwnName<'_> = OwnName::literal("X-Forwarded-Port");
const HOST: OwnName<'_> = OwnName::literal("Host");
const TRACE_ID: OwnName<'_> = OwnName::literal("X-Amzn-Trace-Id");

/// Addresses in `X-Forwarded-For` that are accepted. Source: ALB 4.5.
pub(crate) const FORWARDED_FOR_MAX: usize = 30;

/// How many addresses the client's `X-Forwarded-For` lines hold.
pub(crate) fn forwarded_for_count(view: &View<'_>) -> usize {
    view.values(KnownName::XForwardedFor)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter(|item| !item.trim_ascii().is_empty())
        .count()
}

/// What changes on the way to a target: lines of the client are left out, and ours come before those that stay, in the order
/// ALB emits them.
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
    let reserved = &listener.load_balancer.reserved_names;
    for (index, field) in view.head.fields().iter().enumerate() {
        let gone = match field.known() {
            KnownName::XForwardedFor => attributes.xff_mode != ForwardedForMode::Preserve,
            KnownName::XForwardedProto | KnownName::XForwardedPort | KnownName::XAmznTraceId => true,
            KnownName::Host => replaces_host,
            // It contradicts the chunks that were read. Source: RFC 9112, 6.3.
            KnownName::ContentLength => view.head.contains(KnownName::TransferEncoding),
            _ => (drop_invalid && !field.has_valid_name()) || reserved.has(field.name(view.bytes)),
        };
        if gone {
            edits.drop_field(index);
        }
    }
    if attributes.xff_mode == ForwardedForMode::Append {
        // Lines of the client that cannot be sent are not taken over.
        let added = edits.prepend_composed(FORWARDED_FOR, b"", |out| {
            forwarded_for(view, attributes.xff_client_port, out);
        });
        debug_assert!(added.is_ok(), "there is nothing to be looked at");
    }
    edits.prepend_lines(&listener.forwarded);
    if let Some(tls) = view.peer.tls.as_deref() {
        client_certificate(listener, tls, edits);
        if attributes.tls_version_and_cipher_suite {
            let names = &listener.attributes;
            let version = names.tls_version_header.as_deref().unwrap_or(reserved::TLS_VERSION);
            let cipher = names
                .tls_cipher_suite_header
                .as_deref()
                .unwrap_or(reserved::TLS_CIPHER_SUITE);
            add_configured(edits, version, tls.version);
            add_configured(edits, cipher, tls.cipher);
        }
    }
    // Servers of HTTP/1.1 refuse a request without one. Source: ALB 4.6.
    if replaces_host || !view.head.contains(KnownName::Host) {
        add_host(view, listener, rewritten_host, edits);
    }
    let added = edits.prepend_composed(TRACE_ID, trace, |out| out.extend_from_slice(trace));
    debug_assert!(added.is_ok(), "a trace that cannot be sent: {added:?}");
}

/// What targets are told of a listener.
pub(crate) fn forwarded_lines(scheme: Scheme, port: u16) -> OwnLines {
    let mut lines = OwnLines::default();
    for (name, value) in [
        (FORWARDED_PROTO, scheme.as_str()),
        (FORWARDED_PORT, itoa::Buffer::new().format(port)),
    ] {
        let added = lines.push(name, value.as_bytes());
        debug_assert!(added.is_ok(), "{name:?} cannot be sent: {added:?}");
    }
    lines
}

/// Adds a line of ours, unless the function that writes its value says that it is not wanted.
fn add(edits: &mut Edits, name: OwnName<'_>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
    let added = edits.prepend_with(name, write);
    debug_assert!(added.is_ok(), "{name:?} cannot be sent: {added:?}");
}

fn add_text(edits: &mut Edits, name: OwnName<'_>, value: &str) {
    add(edits, name, |out| {
        out.extend_from_slice(value.as_bytes());
        true
    });
}

/// The same under a name that a listener attribute may have changed.
fn add_configured(edits: &mut Edits, name: &str, value: &str) {
    match OwnName::new(name.as_bytes()) {
        Ok(name) => add_text(edits, name, value),
        Err(_) => debug_assert!(false, "{name} was checked where it was configured"),
    }
}

/// Whether a `Host` value could name a host. One with blanks or with what ends a host in a URL is malformed, which RFC 9112,
/// 3.2, has answered with 400; ALB 4.10 says so of malformed requests without naming this one (unverified). Other control
/// characters are the desync classification's to judge, and bytes from 0x80 on are let pass, as in other headers.
pub(crate) fn may_be_host(host: &[u8]) -> bool {
    match host.last_chunk::<16>() {
        // Sixteen at a time, the last ones overlapping with those before.
        Some(last) => !host.as_chunks().0.iter().chain([last]).any(ends_a_host),
        None => !host.iter().any(|byte| ends_a_host(&[*byte])),
    }
}

/// Those that end a host, and blanks.
const ENDS_A_HOST: [u8; 15] = *b" \t\"#/<>?@\\^`{|}";

/// Whether one of the bytes does. No early exit, so that all of them are asked at once.
#[inline(always)]
fn ends_a_host<const N: usize>(bytes: &[u8; N]) -> bool {
    let mut found = [0; N];
    for end in ENDS_A_HOST {
        for (found, byte) in found.iter_mut().zip(bytes) {
            *found |= 0_u8.wrapping_sub(u8::from(*byte == end));
        }
    }
    found != [0; N]
}

/// What a header can carry. In `monitor` mode the codec lets other bytes of a client pass; they are not sent on.
pub(crate) fn is_sendable(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// What the client's certificate says, where the listener asks for one. Source: ALB 6.5.
fn client_certificate(listener: &ListenerEntry, tls: &TlsFacts, edits: &mut Edits) {
    let Some(identity) = tls.client.as_deref() else {
        return;
    };
    let names = &listener.attributes.client_certificate_headers;
    let mode = listener.tls.as_ref().map(|tls| tls.mutual());
    let mut add = |renamed: &Option<String>, name: &str, value: &str| {
        add_configured(edits, renamed.as_deref().unwrap_or(name), value);
    };
    match (mode, identity) {
        (Some(MutualAuthentication::Verify { .. }), ClientIdentity::Verified { certificate, leaf }) => {
            add(
                &names.serial_number,
                reserved::SERIAL_NUMBER,
                &certificate.serial_number,
            );
            add(&names.issuer, reserved::ISSUER, &certificate.issuer);
            add(&names.subject, reserved::SUBJECT, &certificate.subject);
            add(&names.validity, reserved::VALIDITY, &certificate.validity);
            add(&names.leaf, reserved::LEAF, leaf);
        }
        (Some(MutualAuthentication::Passthrough), ClientIdentity::PassedThrough { chain, .. }) => {
            add(&names.chain, reserved::CHAIN, chain);
        }
        // The listener does not ask any more.
        _ => {}
    }
}

/// The client's lines folded into one, and its address at the end.
fn forwarded_for(view: &View<'_>, client_port: bool, out: &mut Vec<u8>) {
    let sendable = |value: &&[u8]| !value.is_empty() && is_sendable(value);
    for value in view.values(KnownName::XForwardedFor).filter(sendable) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    match client_port {
        true => view.peer.push_address(out),
        false => view.peer.push_ip(out),
    }
}

/// The `Host` a target sees when the client's is not preserved. A client that names no host, as one of HTTP/1.0 need not and an
/// empty `Host` does not, meant this load balancer: servers of HTTP/1.1 refuse requests without a host.
fn add_host(view: &View<'_>, listener: &ListenerEntry, rewritten: Option<&[u8]>, edits: &mut Edits) {
    let has_name = |host: &&[u8]| !routing::host_without_port(host).is_empty();
    let (host, as_it_is) = match (rewritten, view.host().filter(has_name)) {
        (Some(host), _) if !has_name(&host) => return, // without a host there is nothing to say
        (Some(host), _) | (None, Some(host)) => (host, false),
        (None, None) => (listener.load_balancer.dns_name.as_bytes(), true),
    };
    let added = edits.prepend_composed(HOST, host, |out| match as_it_is {
        true => out.extend_from_slice(host),
        false => with_port_rule(host, listener.port, out),
    });
    // One that cannot be carried, as only one in `monitor` mode can be, is left out rather than sent on.
    let _ = added;
}

/// Lower-cased; on ports 80 and 443 without a port, on other ports with one. An empty host stays empty.
fn with_port_rule(host: &[u8], port: u16, out: &mut Vec<u8>) {
    let bare = routing::host_without_port(host);
    let start = out.len();
    match port {
        _ if bare.is_empty() => {}
        80 | 443 => out.extend_from_slice(bare),
        // A colon alone is no port.
        _ if bare.len() + 1 < host.len() => out.extend_from_slice(host),
        _ => {
            out.extend_from_slice(bare);
            make_lowercase(&mut out[start..]);
            out.push(b':');
            return out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
    }
    make_lowercase(&mut out[start..]);
}

/// Sixteen bytes at a time, the last ones overlapping with those before.
fn make_lowercase(text: &mut [u8]) {
    for block in text.as_chunks_mut::<16>().0 {
        block.make_ascii_lowercase();
    }
    match text.last_chunk_mut::<16>() {
        Some(last) => last.make_ascii_lowercase(),
        None => text.make_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
