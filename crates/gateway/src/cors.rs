//! Web pages of other origins. Source: Lambda 7.5.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response};
use model::lambda::url::Cors;

/// Is a browser asking whether a page may ask?
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: 200 without a body (unverified: it may be 204). From an origin that is not allowed it says
/// nothing, and the browser refuses.
pub(crate) fn preflight(cors: &Cors, headers: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| allowed_origin(cors, origin)) else {
        return response;
    };
    let max_age = cors.max_age.to_string();
    let headers = response.headers_mut();
    put_origin(cors, origin, headers);
    put_list(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
    put_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
    put_list(headers, ACCESS_CONTROL_MAX_AGE, &[max_age]);
    response
}

/// Puts Lambda's headers in the place of those that the function returned.
pub(crate) fn replace(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
    if let Some(origin) = origin.and_then(|origin| allowed_origin(cors, origin)) {
        put_origin(cors, origin, headers);
        put_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
    }
}

/// What `Access-Control-Allow-Origin` says to a page of `origin`: `*`, or the origin where it is one of those that are
/// named. Browsers take no `*` together with credentials, which is the safe side of asking for both (unverified).
fn allowed_origin(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let any = || cors.allow_origins.iter().any(|allowed| allowed == "*");
    let named = || {
        let allowed = |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        cors.allow_origins.iter().any(allowed)
    };
    if any() {
        Some(HeaderValue::from_static("*"))
    } else {
        named().then(|| origin.clone())
    }
}

/// An answer that names one origin is another for each: caches must know (unverified).
fn put_origin(cors: &Cors, origin: HeaderValue, headers: &mut HeaderMap) {
    if origin != "*" {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.allow_credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn put_list(headers: &mut HeaderMap, name: HeaderName, entries: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&entries.join(","))
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}
