//! Who may speak to the endpoint: programs of this machine, and no web page.
//!
//! A page can make a browser send requests here. Three things give it away: a DNS name that was rebound to loopback
//! stands in `Host`, a script's request carries a foreign `Origin`, and current browsers say `Sec-Fetch-Site`. Forms
//! and images carry none of these in old browsers, so what changes or costs something needs a header that no page can
//! set without being asked about first (CORS).

use aws_lc_rs::constant_time;
use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, StatusCode, Uri};
use model::Secret;
use std::net::IpAddr;

/// The header that calls of the own API carry when they change something, or read what is not everybody's.
pub(crate) const WRITE_HEADER: &str = "x-albacore";

/// What the header says where there is no token.
pub const NO_TOKEN: &str = "1";

/// Why somebody is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: &'static str,
}

/// Lets a request in that no web page can have sent.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
    let refused = |status, message| Err(Refused { status, message });
    let mut hosts = headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    let Some(host) = host.filter(|_| second.is_none()).and_then(|host| host.to_str().ok()) else {
        return refused(StatusCode::BAD_REQUEST, "exactly one Host header is needed");
    };
    if !is_local(host) || uri.authority().is_some_and(|authority| !is_local(authority.as_str())) {
        return refused(
            StatusCode::FORBIDDEN,
            "Host must be localhost, *.localhost or a loopback address",
        );
    }
    let foreign = |origin: &hyper::header::HeaderValue| {
        let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        own.is_none_or(|own| !own.eq_ignore_ascii_case(host))
    };
    if headers.get_all(ORIGIN).iter().any(foreign) {
        return refused(
            StatusCode::FORBIDDEN,
            "requests from web pages of other origins are refused",
        );
    }
    // `same-site` is refused too: any port of localhost is the same site.
    let foreign = |site: &hyper::header::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().any(foreign) {
        return refused(
            StatusCode::FORBIDDEN,
            "requests from web pages of other origins are refused",
        );
    }
    Ok(())
}

/// Lets a call to the own API in that only reads what is everybody's, or carries [`WRITE_HEADER`]. Where there is a token,
/// that is what the header says, and private reads need it, too.
pub(crate) fn check_own(
    method: &Method,
    headers: &HeaderMap,
    is_private: bool,
    token: Option<&Secret<String>>,
) -> Result<(), Refused> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let given = headers.get(WRITE_HEADER).map(HeaderValue::as_bytes);
    let (is_allowed, message) = match token {
        None => (
            reads || given == Some(NO_TOKEN.as_bytes()),
            "this call needs the header X-Albacore: 1",
        ),
        Some(token) => (
            reads && !is_private || given.is_some_and(|given| is_equal(given, token.expose().as_bytes())),
            "calls are signed here, and this one needs the token of the running server: the header X-Albacore with the third \
             line of the file `endpoint` in its data folder, which the commands of albacore find with --data-dir",
        ),
    };
    match is_allowed {
        true => Ok(()),
        false => Err(Refused {
            status: StatusCode::FORBIDDEN,
            message,
        }),
    }
}

/// Compares without telling by its duration how much is right.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(given, expected).is_ok()
}

/// `localhost`, a name below it, or a loopback address, each with or without a port.
fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    // An authority may also name a user, which no Host does.
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let name = name.to_ascii_lowercase();
    address.is_ok_and(|address| address.is_loopback()) || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        HeaderMap::from_iter(lines.iter().map(line))
    }

    #[track_caller]
    fn check_status(target: &str, lines: &[(&str, &str)], expected: u16) {
        let status = match check(&target.parse().unwrap(), &headers(lines)) {
            Ok(()) => 200,
            Err(refused) => refused.status.as_u16(),
        };
        assert_eq!(status, expected, "{target} {lines:?}");
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in [
            "localhost",
            "localhost:4566",
            "LOCALHOST:1",
            "s3.us-east-1.localhost:4566",
            "127.0.0.1:4566",
            "127.8.9.1",
            "[::1]:4566",
        ] {
            check_status("/", &[("host", host)], 200);
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "notlocalhost:4566",
            "127.0.0.1.example.com",
            "192.168.1.5:4566",
            "0.0.0.0:4566",
            "[::]:4566",
            "user@localhost",
            "localhost:4566@example.com",
            "",
            "a b",
        ] {
            check_status("/", &[("host", host)], 403);
        }
        check_status("/", &[], 400);
        let mut two = headers(&[("host", "localhost")]);
        two.append(HOST, "example.com".parse().unwrap());
        assert_eq!(check(&"/".parse().unwrap(), &two).unwrap_err().status, 400);
        check_status("http://example.com/", &[("host", "localhost")], 403);
    }

    /// Requests as browsers send them, from pages elsewhere and from our own.
    #[test]
    fn web_pages_of_others_are_refused() {
        let own = ("host", "localhost:4566");
        for (lines, expected) in [
            // A script's fetch from another site, its form, its image; then the same page opened from a file.
            (
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
                403,
            ),
            (vec![("origin", "https://evil.example")], 403),
            (
                vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
                403,
            ),
            (vec![("origin", "null")], 403),
            // Another port or name of this machine is another origin.
            (
                vec![("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
                403,
            ),
            (vec![("origin", "http://localhost:3000")], 403),
            (vec![("origin", "http://127.0.0.1:4566")], 403),
            (vec![("origin", "https://localhost:4566")], 403),
            // Our own pages, a typed address, and programs.
            (
                vec![("origin", "http://localhost:4566"), ("sec-fetch-site", "same-origin")],
                200,
            ),
            (vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], 200),
            (vec![("user-agent", "curl/8")], 200),
        ] {
            check_status("/_albacore/status", &[vec![own], lines].concat(), expected);
        }
    }

    #[test]
    fn writes_need_our_header() {
        for (method, lines, allowed) in [
            (Method::GET, vec![], true),
            (Method::HEAD, vec![], true),
            (Method::POST, vec![], false),
            (Method::POST, vec![("x-albacore", "0")], false),
            (Method::POST, vec![("content-type", "text/plain")], false),
            (Method::DELETE, vec![], false),
            (Method::POST, vec![("x-albacore", "1")], true),
        ] {
            for is_private in [false, true] {
                let checked = check_own(&method, &headers(&lines), is_private, None);
                assert_eq!(checked.is_ok(), allowed, "{method} {lines:?}");
            }
        }
    }

    #[test]
    fn where_there_is_a_token_it_is_needed() {
        let token = Secret::new("0123abcd".to_owned());
        let right = vec![("x-albacore", "0123abcd")];
        for (method, is_private, lines, allowed) in [
            (Method::GET, false, vec![], true),
            (Method::GET, true, vec![], false),
            (Method::GET, true, vec![("x-albacore", "1")], false),
            (Method::GET, true, right.clone(), true),
            (Method::POST, false, vec![("x-albacore", "1")], false),
            (Method::POST, false, vec![("x-albacore", "0123abc")], false),
            (Method::POST, true, right, true),
        ] {
            let checked = check_own(&method, &headers(&lines), is_private, Some(&token));
            assert_eq!(checked.is_ok(), allowed, "{method} {is_private} {lines:?}");
        }
    }
}
