//! What clients send over HTTP/1. In all of it `######` stands for the number of the case.

mod chunks;
mod framings;
mod heads;
mod others;

/// One request that somebody might take for two, or for another one.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) bytes: Vec<u8>,
    /// Further requests that are requests for everybody, each to [`NEXT`].
    pub(crate) nexts: usize,
    /// Modes in which what is hidden may be a request of its own, for the load balancer as for the target.
    pub(crate) open_in: &'static [&'static str],
    /// What is behind it may be the beginning of what the client asks for next, for the load balancer as for the target.
    pub(crate) runs_on: bool,
}

/// In `monitor` mode what is only suspicious is let through. It is what the load balancer has seen that counts.
const ONLY_MONITOR: &[&str] = &["monitor"];
/// Some line ends are acceptable, and so is what stands between them. Source: ALB 4.9, `NonCrLfLineTermination`.
const NOT_STRICTEST: &[&str] = &["monitor", "defensive"];

/// What the request asks for.
pub(crate) const CASE: &str = "/case/######";
/// What a further request asks for.
pub(crate) const NEXT: &str = "/next/######";
/// What must never be taken for a request.
pub(crate) const EVIL: &str = "GET /evil/###### HTTP/1.1\r\nHost: evil\r\n\r\n";

impl Case {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            nexts: 0,
            open_in: ONLY_MONITOR,
            runs_on: false,
        }
    }
}

/// The beginning of a POST.
fn post() -> String {
    format!("POST {CASE} HTTP/1.1\r\nHost: localhost\r\n")
}

/// The beginning of a GET.
fn get() -> String {
    format!("GET {CASE} HTTP/1.1\r\nHost: localhost\r\n")
}

/// Text as bytes, one for each character: for those that are no UTF-8.
fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|it| u8::try_from(u32::from(it)).unwrap_or(b'?'))
        .collect()
}

/// Everything.
pub(crate) fn all() -> Vec<Case> {
    [framings::all(), chunks::all(), heads::all(), others::all()].concat()
}
