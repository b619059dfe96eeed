//! The request target cut into its parts.

use memchr::memchr;

/// The four forms of RFC 9112, 3.2, and what is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://authority/path?query`.
    Absolute,
    /// `host:port`, with `CONNECT` only.
    Authority,
    /// `*`.
    Asterisk,
    /// Anything else; the path is all before the first `?`.
    Other,
}

/// A request target. Nothing is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Which form it has.
    pub form: TargetForm,
    /// What stands between `://` and the path in absolute form, the whole target in authority form.
    pub authority: Option<&'a [u8]>,
    /// The path; `/` if an absolute form has none, empty in authority form.
    pub path: &'a [u8],
    /// What follows the first `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// `path_len` is where the first `?` stands, or the length: known already, as it is asked for more than once.
    #[inline]
    pub(crate) fn of(method: &[u8], target: &'a [u8], path_len: usize) -> Self {
        match target.split_at_checked(path_len) {
            Some((path @ [b'/', ..], query)) => Self {
                form: TargetForm::Origin,
                authority: None,
                path,
                query: query.split_first().map(|(_, query)| query),
            },
            _ => Self::of_other_form(method, target),
        }
    }

    fn of_other_form(method: &[u8], target: &'a [u8]) -> Self {
        if method == b"CONNECT" {
            return Self {
                form: TargetForm::Authority,
                authority: Some(target),
                path: b"",
                query: None,
            };
        }
        if target == b"*" {
            return Self {
                form: TargetForm::Asterisk,
                authority: None,
                path: target,
                query: None,
            };
        }
        let Some(rest) = after_scheme(target) else {
            return Self::with(TargetForm::Other, None, target);
        };
        let authority_end = rest
            .iter()
            .position(|b| matches!(b, b'/' | b'?' | b'#'))
            .unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        let mut parts = Self::with(TargetForm::Absolute, Some(authority), rest);
        if parts.path.is_empty() {
            parts.path = b"/";
        }
        parts
    }

    fn with(form: TargetForm, authority: Option<&'a [u8]>, rest: &'a [u8]) -> Self {
        let (path, query) = match memchr(b'?', rest) {
            Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
            None => (rest, None),
        };
        Self {
            form,
            authority,
            path,
            query,
        }
    }
}

/// What follows `scheme://`.
fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr(b':', target)?;
    let (scheme, rest) = target.split_at(colon);
    let begins = scheme.first().is_some_and(u8::is_ascii_alphabetic);
    let fits = scheme
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    rest.strip_prefix(b"://").filter(|_| begins && fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, form: TargetForm, authority: Option<&str>, path: &str, query: Option<&str>) {
        let method: &[u8] = if form == TargetForm::Authority {
            b"CONNECT"
        } else {
            b"GET"
        };
        let expected = Target {
            form,
            authority: authority.map(str::as_bytes),
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
        };
        let path_len = target.find('?').unwrap_or(target.len());
        assert_eq!(Target::of(method, target.as_bytes(), path_len), expected, "{target:?}");
    }

    #[test]
    fn targets_are_cut_into_their_parts() {
        use TargetForm::{Absolute, Asterisk, Authority, Origin, Other};
        check("/", Origin, None, "/", None);
        check("/a//b%20c?x=1?y", Origin, None, "/a//b%20c", Some("x=1?y"));
        check("//host/x", Origin, None, "//host/x", None);
        check("/?", Origin, None, "/", Some(""));
        check(
            "http://example.com:81/x?y",
            Absolute,
            Some("example.com:81"),
            "/x",
            Some("y"),
        );
        check("HTTPS://a", Absolute, Some("a"), "/", None);
        check("http://a?q", Absolute, Some("a"), "/", Some("q"));
        check("http:///x", Absolute, Some(""), "/x", None);
        check("*", Asterisk, None, "*", None);
        check("example.com:443", Authority, Some("example.com:443"), "", None);
        check("example.com:443", Other, None, "example.com:443", None);
        check("1http://a/", Other, None, "1http://a/", None);
        check(" /x?y", Other, None, " /x", Some("y"));
    }
}
