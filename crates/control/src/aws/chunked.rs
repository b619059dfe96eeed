//! Bodies that come in chunks of their own: what they say is given on, and nothing of how they came.

use crate::aws::error::AwsError;
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use std::borrow::Cow;
use wire::aws_chunked::{Announced, Refused};

/// A request that is signed as it must be, with the body that was meant.
pub(crate) struct Plain<'a> {
    pub(crate) parts: Cow<'a, Parts>,
    pub(crate) body: Cow<'a, [u8]>,
}

impl<'a> Plain<'a> {
    /// What came in one piece is as it came.
    pub(super) fn as_it_came(parts: &'a Parts, body: &'a [u8]) -> Self {
        Self {
            parts: Cow::Borrowed(parts),
            body: Cow::Borrowed(body),
        }
    }

    /// What came in chunks.
    pub(super) fn put_together(parts: &Parts, body: Vec<u8>) -> Self {
        let mut parts = parts.clone();
        let encodings = parts.headers.get_all(CONTENT_ENCODING);
        let encodings = encodings
            .iter()
            .filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(','));
        let encodings = encodings.map(str::trim);
        let left: Vec<_> = encodings
            .filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("aws-chunked"))
            .collect();
        match HeaderValue::try_from(left.join(",")) {
            Ok(left) if !left.is_empty() => drop(parts.headers.insert(CONTENT_ENCODING, left)),
            _ => drop(parts.headers.remove(CONTENT_ENCODING)),
        }
        Self {
            parts: Cow::Owned(parts),
            body: Cow::Owned(body),
        }
    }

    /// The body, of a request whose body came as `whole`.
    pub(crate) fn into_bytes(self, whole: &Bytes) -> Bytes {
        match self.body {
            Cow::Borrowed(_) => whole.clone(),
            Cow::Owned(body) => body.into(),
        }
    }
}

/// How a body comes, if it comes in chunks.
///
/// # Errors
/// See [`Refused`].
pub(super) fn announced(headers: &[(&str, &[u8])]) -> Result<Option<Announced>, AwsError> {
    Announced::read(headers).map_err(|it| refused(&it))
}

pub(super) fn refused(refused: &Refused) -> AwsError {
    let (status, code) = refused.code();
    AwsError::with_status(status, code, refused.to_string())
}

/// How many bytes of a body are read that may have `bytes_max` without its framing.
pub(crate) fn read_bytes_max(headers: &HeaderMap, bytes_max: usize) -> usize {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    match Announced::read(&headers.collect::<Vec<_>>()) {
        // One that promises too much is too large, or breaks its promise.
        Ok(Some(announced)) if announced.bytes() <= bytes_max => {
            bytes_max.saturating_add(Announced::framing_bytes_max(announced.bytes()))
        }
        _ => bytes_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_the_framing_is_taken_off() {
        for (before, after) in [
            (&["aws-chunked"][..], None),
            (&["aws-chunked,gzip"], Some("gzip")),
            (&["gzip, AWS-Chunked"], Some("gzip")),
            (&["gzip", "aws-chunked"], Some("gzip")),
            (&["br", "gzip"], Some("br,gzip")),
            (&[], None),
        ] {
            let headers: Vec<_> = before.iter().map(|it| ("content-encoding", *it)).collect();
            let plain = Plain::put_together(&parts(&headers), b"body".to_vec());
            let found: Vec<_> = plain.parts.headers.get_all(CONTENT_ENCODING).iter().collect();
            assert_eq!(found, after.iter().collect::<Vec<_>>(), "{before:?}");
            assert_eq!(plain.into_bytes(&Bytes::from_static(b"whole")), "body");
        }
    }

    #[test]
    fn only_framing_that_was_announced_has_room() {
        let kind = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
        let length = |bytes| ("x-amz-decoded-content-length", bytes);
        let room = |headers: &[_]| read_bytes_max(&parts(headers).headers, 1000);
        assert!(room(&[kind, length("1000")]) > 1000 + 2 * 90);
        for headers in [
            &[][..],
            &[length("10")],
            &[kind],
            &[kind, length("1001")],
            &[kind, length("x")],
        ] {
            assert_eq!(room(headers), 1000, "{headers:?}");
        }
    }
}
