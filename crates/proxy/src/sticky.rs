//! Stickiness: cookies that bind a client to a target group ([`bind`], `AWSALBTG`) or to a target of a group ([`Session`],
//! `AWSALB` and `AWSALBAPP`). What they carry is encrypted and survives restarts and changes of the configuration: groups
//! and targets stand in them by name. Source: ALB 5.4.

mod group;
mod key;
mod session;

pub(crate) use group::{Binding, UrlEncoded, bind, binding, presented};
pub(crate) use key::{Buffer, CookieKey};
pub(crate) use session::{GroupTag, Session};

use crate::view::View;
use http1::KnownName;

/// The value of the client's cookie of this name; the first one, if there are several.
fn cookie<'a>(view: &View<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = view
        .values(KnownName::Cookie)
        .flat_map(|line| line.split(|byte| *byte == b';'));
    pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}
