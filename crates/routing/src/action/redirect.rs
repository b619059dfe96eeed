//! Where a redirect leads. Source: ALB 2.5.2.

use crate::head::{RequestHead, host_without_port};
use model::elb::action::redirect::{self as written, Keyword, Part, RedirectPort, RedirectProtocol, Template};

/// The longest `Location` in bytes. Source: ALB 2.5.2, "longer than 8 K".
pub const LOCATION_BYTES_MAX: usize = 8 * 1024;

/// A redirect action.
#[derive(Clone, Debug)]
pub struct Redirect(written::Redirect);

/// The `Location` would be over 8 K: the answer is 507 and counts in `HTTP_Redirect_Url_Limit_Exceeded_Count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the redirect location is longer than {LOCATION_BYTES_MAX} bytes")]
pub struct LocationTooLong;

/// What the keywords of the templates stand for.
struct Request<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: &'a [u8],
    path: &'a [u8],
    query: &'a [u8],
}

impl Redirect {
    pub(crate) fn new(written: written::Redirect) -> Self {
        Self(written)
    }

    /// 301 or 302.
    pub fn status(&self) -> u16 {
        self.0.status.code()
    }

    /// Appends the value of `Location`: `protocol://host:port/path?query`, the port always written, the `?` only before
    /// a query that is not empty.
    ///
    /// `scheme` is `http` or `https`, as the client connected; `fallback_host` stands for the host of a request without
    /// one. What comes from the request is copied; bytes that could not stand in a header are percent-encoded.
    ///
    /// # Errors
    ///
    /// Over [`LOCATION_BYTES_MAX`]; `out` is then as it was.
    pub fn location<H: RequestHead>(
        &self,
        head: &H,
        scheme: &str,
        listener_port: u16,
        fallback_host: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), LocationTooLong> {
        let listener_port = listener_port.to_string();
        let path = head.path();
        let request = Request {
            scheme: scheme.as_bytes(),
            host: head.host().map_or(fallback_host.as_bytes(), host_without_port),
            port: listener_port.as_bytes(),
            path: path.strip_prefix(b"/").unwrap_or(path),
            query: head.query().unwrap_or_default(),
        };
        let start = out.len();
        let written = self.write(
            &request,
            &mut Bounded {
                out,
                end: start + LOCATION_BYTES_MAX,
            },
        );
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn write(&self, request: &Request<'_>, out: &mut Bounded<'_>) -> Result<(), LocationTooLong> {
        out.copy(match self.0.protocol() {
            RedirectProtocol::Same => request.scheme,
            RedirectProtocol::Http => b"http",
            RedirectProtocol::Https => b"https",
        })?;
        out.copy(b"://")?;
        expand(self.0.host(), request, out)?;
        out.copy(b":")?;
        match self.0.port() {
            RedirectPort::Same => out.copy(request.port)?,
            RedirectPort::Number(number) => out.copy(number.to_string().as_bytes())?,
        }
        expand(self.0.path(), request, out)?;
        // Taken back when nothing follows it, so it counts towards the limit only together with a query.
        let question_mark = out.out.len();
        out.out.push(b'?');
        expand(self.0.query(), request, out)?;
        if out.out.len() == question_mark + 1 {
            out.out.truncate(question_mark);
        }
        Ok(())
    }
}

fn expand(template: &Template, request: &Request<'_>, out: &mut Bounded<'_>) -> Result<(), LocationTooLong> {
    for part in template.parts() {
        match part {
            Part::Literal(text) => out.copy(text.as_bytes())?,
            Part::Keyword(Keyword::Protocol) => out.copy(request.scheme)?,
            Part::Keyword(Keyword::Host) => out.copy(request.host)?,
            Part::Keyword(Keyword::Port) => out.copy(request.port)?,
            Part::Keyword(Keyword::Path) => out.copy(request.path)?,
            Part::Keyword(Keyword::Query) => out.copy(request.query)?,
        }
    }
    Ok(())
}

/// A buffer that does not grow past `end`.
struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
}

impl Bounded<'_> {
    fn copy(&mut self, bytes: &[u8]) -> Result<(), LocationTooLong> {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        if bytes.is_empty() {
            return Ok(());
        }
        // Checked before copying, so that nothing long is copied in vain; encoding adds at most twice as much.
        if bytes.len() > self.end.saturating_sub(self.out.len()) {
            return Err(LocationTooLong);
        }
        for &byte in bytes {
            if (b'!'..=b'~').contains(&byte) {
                self.out.push(byte);
            } else {
                let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
                self.out.extend([b'%', high, low]);
            }
        }
        if self.out.len() > self.end {
            return Err(LocationTooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Head;
    use model::elb::action::redirect::{RedirectParts, RedirectStatus};

    fn location(parts: &RedirectParts<'_>, head: &Head) -> Result<String, LocationTooLong> {
        let redirect = Redirect::new(written::Redirect::new(RedirectStatus::Found, parts).unwrap());
        let mut out = b"Location: ".to_vec();
        let result = redirect.location(head, "http", 8080, "lb.example", &mut out);
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("Location: ").unwrap().to_owned();
        assert!(
            result.is_ok() || text.is_empty(),
            "a refused location leaves nothing behind"
        );
        result.map(|()| text)
    }

    fn to_https() -> RedirectParts<'static> {
        RedirectParts {
            protocol: Some("HTTPS"),
            port: Some("443"),
            ..RedirectParts::default()
        }
    }

    // ALB-A-013: a redirect to HTTPS 443 writes the port
    #[test]
    fn the_port_is_always_written() {
        let head = Head::get("shop.example:8080", "/a/b?c=d&e=%20");
        assert_eq!(
            location(&to_https(), &head).unwrap(),
            "https://shop.example:443/a/b?c=d&e=%20"
        );
        let other_host = RedirectParts {
            host: Some("www.#{host}"),
            ..RedirectParts::default()
        };
        assert_eq!(
            location(&other_host, &head).unwrap(),
            "http://www.shop.example:8080/a/b?c=d&e=%20"
        );
    }

    // ALB-A-014: without a query there is no question mark
    #[test]
    fn no_question_mark_without_a_query() {
        for target in ["/a", "/a?"] {
            let head = Head::get("h.example", target);
            assert_eq!(
                location(&to_https(), &head).unwrap(),
                "https://h.example:443/a",
                "{target}"
            );
        }
        let dropped = RedirectParts {
            query: Some(""),
            ..to_https()
        };
        let head = Head::get("h.example", "/a?b");
        assert_eq!(location(&dropped, &head).unwrap(), "https://h.example:443/a");
    }

    // ALB-A-015: `/new/#{path}` for `/a/b` is `/new/a/b`
    #[test]
    fn keywords_stand_for_parts_of_the_request() {
        let moved = RedirectParts {
            path: Some("/new/#{path}"),
            query: Some("#{query}&from=#{protocol}-#{host}-#{port}-#{path}"),
            ..RedirectParts::default()
        };
        let head = Head::get("h.example", "/a/b?x=1");
        assert_eq!(
            location(&moved, &head).unwrap(),
            "http://h.example:8080/new/a/b?x=1&from=http-h.example-8080-a/b"
        );
    }

    #[test]
    fn hosts_keep_brackets_and_may_be_missing() {
        let head = Head::get("[2001:db8::1]:8080", "/");
        assert_eq!(location(&to_https(), &head).unwrap(), "https://[2001:db8::1]:443/");
        let mut head = Head::get("", "/");
        head.host = None;
        assert_eq!(location(&to_https(), &head).unwrap(), "https://lb.example:443/");
    }

    #[test]
    fn bytes_of_the_request_cannot_break_the_header() {
        let mut head = Head::get("h.example", "/a");
        head.path = b"/a\r\nSet-Cookie: x\x00\x7f\xc3\xa4".to_vec();
        head.query = Some(b"q= \t".to_vec());
        assert_eq!(
            location(&to_https(), &head).unwrap(),
            "https://h.example:443/a%0D%0ASet-Cookie:%20x%00%7F%C3%A4?q=%20%09"
        );
    }

    // ALB-A-017: a location over 8 K is refused
    #[test]
    fn a_location_has_at_most_8_k() {
        let around = "https://h.example:443/".len();
        let fits = format!("/{}", "x".repeat(LOCATION_BYTES_MAX - around));
        let head = Head::get("h.example", &fits);
        assert_eq!(
            location(&to_https(), &head).map(|text| text.len()),
            Ok(LOCATION_BYTES_MAX)
        );
        assert_eq!(
            location(&to_https(), &Head::get("h.example", &format!("{fits}x"))),
            Err(LocationTooLong)
        );
        assert_eq!(
            location(&to_https(), &Head::get("h.example", &format!("{fits}?x"))),
            Err(LocationTooLong)
        );
        let mut encoded = Head::get("h.example", "/");
        encoded.path = [b"/".as_slice(), &[b' '; LOCATION_BYTES_MAX / 2]].concat();
        assert_eq!(location(&to_https(), &encoded), Err(LocationTooLong));
    }
}
