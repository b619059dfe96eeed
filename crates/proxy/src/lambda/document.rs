//! From a request to its event: headers as ALB sends them on, what transforms made of host and URL. Source: ALB 3.2, 4.6.

use super::event::{self, EventParts, Line, NotUtf8};
use crate::clock::Wall;
use crate::headers;
use crate::table::{Group, ListenerEntry};
use crate::trace;
use crate::view::View;
use http1::{Edits, KnownName, Version};

/// The trace header as it goes on. `explain` calls this too.
pub(crate) fn trace_header(random: &trace::Random, view: &View<'_>, now: Wall, out: &mut Vec<u8>) {
    out.clear();
    trace::outgoing(
        view.first(KnownName::XAmznTraceId)
            .filter(|value| headers::is_sendable(value)),
        view.header_bytes(),
        now,
        random,
        out,
    );
}

/// A request on its way to a function.
#[derive(Clone, Copy)]
pub(crate) struct FunctionRequest<'a> {
    pub(crate) listener: &'a ListenerEntry,
    pub(crate) view: &'a View<'a>,
    pub(crate) group: &'a Group,
    /// What transforms made of the host and the URL.
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) uri: Option<&'a [u8]>,
    /// The trace header as it goes on.
    pub(crate) trace: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl FunctionRequest<'_> {
    /// The event document. `edits` is room to work in. `explain` calls this too.
    pub(crate) fn event(&self, edits: &mut Edits) -> Result<Vec<u8>, NotUtf8> {
        let view = self.view;
        headers::towards_target(view, self.listener, self.trace, self.host, edits);
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(view.head.fields().len() + 8);
        lines.extend(http1::edited_fields(view.head, view.bytes, edits));
        let mut cookies = Vec::new();
        join_cookie_crumbs(view.version(), &mut lines, &mut cookies);
        let (path, query) = match self.uri {
            None => (view.target.path, view.target.query),
            Some(uri) => match uri.iter().position(|byte| *byte == b'?') {
                Some(at) => (&uri[..at], Some(&uri[at + 1..])),
                None => (uri, None),
            },
        };
        let parts = EventParts {
            target_group_arn: self.group.arn.as_str(),
            multi_value: self.group.multi_value(),
            method: view.method(),
            path,
            query,
            headers: &lines,
            body: self.body,
        };
        let mut out = Vec::new();
        event::write(&parts, &mut out)?;
        Ok(out)
    }
}

/// HTTP/2 may cut `cookie` into several fields; they are one value again, which `joined` holds. Source: ALB 3.2, RFC 9113,
/// 8.2.3.
fn join_cookie_crumbs<'a>(version: Version, lines: &mut Vec<Line<'a>>, joined: &'a mut Vec<u8>) {
    if version != Version::H2 {
        return;
    }
    let mut crumbs = 0;
    lines.retain(|(name, value)| {
        let crumb = *name == b"cookie";
        if crumb {
            if crumbs > 0 {
                joined.extend_from_slice(b"; ");
            }
            crumbs += 1;
            joined.extend_from_slice(value);
        }
        !crumb
    });
    if crumbs > 0 {
        lines.push((b"cookie", joined));
    }
}
