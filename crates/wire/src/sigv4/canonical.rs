//! The canonical request: what both sides sign, whatever happened to the request on its way.

use super::{Form, Refused, Request, Signed};
use crate::percent::{decoded, encode};

/// The canonical request of everything but S3, which alone signs paths as they are. `payload` is the hash of the body, or the
/// word that stands for it.
pub(super) fn request(signed: &Signed, request: &Request<'_>, payload: &str) -> Result<String, Refused> {
    let mut text = format!("{}\n", request.method);
    path(request.path, &mut text);
    text.push('\n');
    query(request.query, signed.form, &mut text);
    text.push('\n');
    for name in &signed.signed_headers {
        text.push_str(name);
        text.push(':');
        header(name, request, &mut text)?;
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed.signed_headers.join(";"));
    text.push('\n');
    text.push_str(payload);
    Ok(text)
}

/// The path without `.`, `..` and empty segments, each segment encoded once more.
fn path(path: &str, out: &mut String) {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    for segment in &kept {
        out.push('/');
        encode(segment.as_bytes(), out);
    }
    // A path that ends in a slash keeps it, and the empty path is one.
    if kept.is_empty() || path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") {
        out.push('/');
    }
}

/// Names and values, encoded anew, by name and then by value. A signature in the query does not sign itself.
fn query(query: &str, form: Form, out: &mut String) {
    let encoded = |text: &str| {
        let mut encoded = String::new();
        encode(&decoded(text.as_bytes(), false), &mut encoded);
        encoded
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (encoded(name), encoded(value))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(pair);
    let mut pairs: Vec<_> = pairs
        .filter(|(name, _)| form == Form::Header || name != "X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// The values of all lines of this name, without the spaces around them and with single ones between.
fn header(name: &str, request: &Request<'_>, out: &mut String) -> Result<(), Refused> {
    let lines = request.headers.iter().filter(|(its_name, _)| *its_name == name);
    let mut is_there = false;
    for (at, (_, value)) in lines.enumerate() {
        is_there = true;
        if at > 0 {
            out.push(',');
        }
        let value = String::from_utf8_lossy(value);
        let words: Vec<_> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        out.push_str(&words.join(" "));
    }
    match is_there {
        true => Ok(()),
        false => Err(Refused::Incomplete(format!(
            "'{name}' is a signed header that the request does not have."
        ))),
    }
}
