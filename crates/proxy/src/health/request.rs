//! What a server is asked: pure. Source: ALB 5.6.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version, header};
use model::elb::target_group::TargetProtocol;
use std::net::{IpAddr, SocketAddr};

/// What targets recognise a health check by.
pub(super) const USER_AGENT: &str = "ELB-HealthChecker/2.0";

/// A gRPC message without fields, neither compressed nor long: a method gets the one message it waits for, and for
/// `grpc.health.v1.Health/Check` it means the server as a whole.
pub(super) const EMPTY_GRPC_MESSAGE: Bytes = Bytes::from_static(&[0; 5]);

/// ALB is not documented to send `Accept-Encoding`, nor `Connection: close`; both are unverified, and so is the order.
const ACCEPT_ENCODING: &str = "gzip, compressed";

/// `Host`: the address, with the port unless it is the one that the protocol implies.
pub(super) fn host(address: SocketAddr, protocol: TargetProtocol) -> String {
    let implied = match protocol {
        TargetProtocol::Http => 80,
        TargetProtocol::Https => 443,
    };
    match (address.ip(), address.port()) {
        (IpAddr::V4(ip), port) if port == implied => ip.to_string(),
        (IpAddr::V6(ip), port) if port == implied => format!("[{ip}]"),
        (IpAddr::V4(ip), port) => format!("{ip}:{port}"),
        (IpAddr::V6(ip), port) => format!("[{ip}]:{port}"),
    }
}

/// The request of an HTTP/1.1 check, all of it.
pub(super) fn http1(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Connection: close\r\n\
         User-Agent: {USER_AGENT}\r\n\
         Accept-Encoding: {ACCEPT_ENCODING}\r\n\r\n"
    )
    .into_bytes()
}

/// The request of an HTTP/2 check. `None` if the path cannot be sent.
pub(super) fn http2(host: &str, path: &str, protocol: TargetProtocol) -> Option<Request<()>> {
    let mut request = request(Method::GET, host, path, protocol)?;
    let codings = HeaderValue::from_static(ACCEPT_ENCODING);
    request.headers_mut().insert(header::ACCEPT_ENCODING, codings);
    Some(request)
}

/// The request of a gRPC check; its body is [`EMPTY_GRPC_MESSAGE`]. `None` if the path cannot be sent.
pub(super) fn grpc(host: &str, path: &str, protocol: TargetProtocol) -> Option<Request<()>> {
    let mut request = request(Method::POST, host, path, protocol)?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    // Without it some servers take the sender for a proxy that loses trailers.
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    Some(request)
}

fn request(method: Method, host: &str, path: &str, protocol: TargetProtocol) -> Option<Request<()>> {
    let scheme = match protocol {
        TargetProtocol::Http => Scheme::HTTP,
        TargetProtocol::Https => Scheme::HTTPS,
    };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(Authority::try_from(host).ok()?)
        .path_and_query(PathAndQuery::try_from(escaped(path)).ok()?)
        .build()
        .ok()?;
    Request::builder()
        .method(method)
        .version(Version::HTTP_2)
        .uri(uri)
        .header(header::USER_AGENT, USER_AGENT)
        .body(())
        .ok()
}

/// A path as the HTTP/2 library takes it. It would cut off what follows `#` and refuse some other characters, which are
/// none of a URI either.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '"' | '#' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => {
                out.push_str(&format!("%{:02X}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetProtocol::{Http, Https};

    // ALB-B-017: the address, with the port unless it is the default one
    #[test]
    fn hosts() {
        for (address, protocol, expected) in [
            ("10.0.0.7:80", Http, "10.0.0.7"),
            ("10.0.0.7:8080", Http, "10.0.0.7:8080"),
            ("10.0.0.7:443", Http, "10.0.0.7:443"),
            ("10.0.0.7:443", Https, "10.0.0.7"),
            ("10.0.0.7:80", Https, "10.0.0.7:80"),
            ("[fd00::7]:80", Http, "[fd00::7]"),
            ("[fd00::7]:8443", Https, "[fd00::7]:8443"),
            ("[fd00:0:0::7]:443", Https, "[fd00::7]"),
        ] {
            assert_eq!(host(address.parse().unwrap(), protocol), expected, "{address}");
        }
    }

    // ALB-B-016: User-Agent ELB-HealthChecker/2.0 and Connection: close
    #[test]
    fn an_http1_request_byte_for_byte() {
        assert_eq!(
            String::from_utf8(http1("10.0.0.7:8080", "/up?x=1")).unwrap(),
            "GET /up?x=1 HTTP/1.1\r\nHost: 10.0.0.7:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\
             Accept-Encoding: gzip, compressed\r\n\r\n"
        );
    }

    #[test]
    fn http2_requests() {
        let request = http2("[fd00::7]:8080", "/up?x=1", Http).unwrap();
        assert_eq!(request.uri().to_string(), "http://[fd00::7]:8080/up?x=1");
        assert_eq!(request.method(), Method::GET);
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        assert_eq!(
            headers,
            [
                ("user-agent", &HeaderValue::from_static(USER_AGENT)),
                ("accept-encoding", &HeaderValue::from_static("gzip, compressed")),
            ]
        );
        let request = grpc("10.0.0.7", "/AWS.ALB/healthcheck", Https).unwrap();
        assert_eq!(request.uri().to_string(), "https://10.0.0.7/AWS.ALB/healthcheck");
        assert_eq!(request.method(), Method::POST);
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        assert_eq!(
            headers,
            [
                ("user-agent", &HeaderValue::from_static(USER_AGENT)),
                ("content-type", &HeaderValue::from_static("application/grpc")),
                ("te", &HeaderValue::from_static("trailers")),
            ]
        );
    }

    // Every path that the model takes can be sent.
    #[test]
    fn every_visible_character_can_stand_in_a_path() {
        for byte in 0x21..0x7f_u8 {
            let path = format!("/{0}a?{0}", char::from(byte));
            let request = http2("10.0.0.7", &path, Http).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(request.uri().path_and_query().unwrap().as_str(), escaped(&path));
        }
        assert_eq!(escaped("/a#b"), "/a%23b");
    }
}
