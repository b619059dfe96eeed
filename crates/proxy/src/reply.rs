//! A response to the client before it takes the form of a protocol, and the pages among them. Source: ALB 4.10, 4.11.

use crate::pages;
use crate::table::ListenerEntry;
use http1::{FieldError, ResponseWriter};
use std::borrow::Cow;

/// A header line: name and value.
pub(crate) type HeaderLine<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// One response, small enough to be held whole.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) phrase: Cow<'a, [u8]>,
    /// Whether the load balancer made it itself.
    pub(crate) elb_generated: bool,
    /// Empty for none.
    pub(crate) content_type: Cow<'a, [u8]>,
    /// Header lines behind the ones that every response begins with.
    pub(crate) headers: Vec<HeaderLine<'a>>,
    pub(crate) body: Cow<'a, [u8]>,
    /// Whether `Server: awselb/2.0` is sent.
    pub(crate) server: bool,
}

impl<'a> Reply<'a> {
    /// The standard page of a status.
    pub(crate) fn page(status: u16) -> Self {
        let body = pages::page(status);
        Self {
            status,
            phrase: Cow::Borrowed(pages::phrase(status).as_bytes()),
            elb_generated: true,
            content_type: Cow::Borrowed(if body.is_empty() { b"" } else { b"text/html" }),
            headers: Vec::new(),
            body,
            server: true,
        }
    }

    /// A fixed response.
    pub(crate) fn fixed(response: &'a model::elb::action::FixedResponse) -> Self {
        use model::elb::action::ContentType as C;
        // The charset of the text types is ALB 2.5.3 (unverified).
        let content_type: &[u8] = match response.content_type() {
            C::TextPlain => b"text/plain; charset=utf-8",
            C::TextCss => b"text/css; charset=utf-8",
            C::TextHtml => b"text/html; charset=utf-8",
            C::ApplicationJavascript => b"application/javascript",
            C::ApplicationJson => b"application/json",
        };
        Self {
            status: response.status(),
            phrase: Cow::Borrowed(pages::phrase(response.status()).as_bytes()),
            elb_generated: true,
            content_type: Cow::Borrowed(content_type),
            headers: Vec::new(),
            body: Cow::Borrowed(response.body().as_bytes()),
            server: true,
        }
    }

    /// A redirect to `location`.
    pub(crate) fn redirect(status: u16, location: Vec<u8>) -> Self {
        let mut reply = Self::page(status);
        reply.headers.push((Cow::Borrowed(b"Location"), Cow::Owned(location)));
        reply
    }

    /// Applies the listener's attributes: its response headers replace what is there. Source: ALB 1.7.
    pub(crate) fn apply_listener_headers(&mut self, listener: &'a ListenerEntry) {
        self.server = listener.attributes.server_header;
        for (name, value) in &listener.attributes.response_headers {
            self.headers
                .retain(|(present, _)| !present.eq_ignore_ascii_case(name.as_bytes()));
            self.headers
                .push((Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value.as_bytes())));
        }
    }

    /// Whether bytes of the body go out at all: not to HEAD, not with 204 and 304.
    pub(crate) fn has_body(&self, method_is_head: bool) -> bool {
        !method_is_head && !matches!(self.status, 204 | 304)
    }

    /// What `Content-Length` says; 204 and 304 have none. Source: ALB 3.3 (unverified).
    pub(crate) fn content_length(&self) -> Option<u64> {
        (!matches!(self.status, 204 | 304)).then_some(self.body.len() as u64)
    }

    /// Appends the head in the order of ALB 4.10. Nothing is written when a header cannot be carried.
    pub(crate) fn write_http1_head(&self, out: &mut Vec<u8>, date: &[u8], keep_alive: bool) -> Result<(), FieldError> {
        let mut head = ResponseWriter::begin(out, self.status, &self.phrase)?;
        if self.server {
            head.field(b"Server", b"awselb/2.0")?;
        }
        head.field(b"Date", date)?;
        if !self.content_type.is_empty() {
            head.field(b"Content-Type", &self.content_type)?;
        }
        if let Some(length) = self.content_length() {
            head.content_length(length)?;
        }
        head.connection(keep_alive);
        for (name, value) in &self.headers {
            match head.field(name, value) {
                // Only the codec writes these, and what resembles them reaches nobody.
                Err(FieldError::Framing) => {}
                written => written?,
            }
        }
        head.end();
        Ok(())
    }
}
