//! Stickiness to a target: `AWSALB` and `AWSALBCORS`, or `AWSALBAPP-0` to `-3` beside a cookie of the application.
//!
//! A client may have sessions in several groups of one host name, and they share a cookie; so it carries one entry per
//! group. AWS says so of application cookies; of `AWSALB` it is unverified. With at most [`ENTRIES_MAX`] entries a value
//! fits into the first of the four shards, so the other three are only ever removed.

use super::cookie;
use super::key::{Buffer, COOKIE_SECS, CookieKey, line};
use crate::balance::Answered;
use crate::clock::Wall;
use crate::reply::HeaderLine;
use crate::view::View;
use aws_lc_rs::digest::{SHA256, digest};
use http1::KnownName;
use model::TargetGroupArn;
use model::elb::target_group::{Stickiness, StickinessType};
use std::time::Duration;

const LB_NAME: &str = "AWSALB";
const LB_CORS_NAME: &str = "AWSALBCORS";
const APP_NAMES: [&str; 4] = ["AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"];
/// The value that stands for no value.
const REMOVED: &str = "_remove_";
/// What browsers ask for with requests to other sites.
const CROSS_SITE: &str = "; SameSite=None; Secure";
/// The first Chromium that asks for it.
const CROSS_SITE_CHROMIUM: u32 = 80;

/// The first byte of what a cookie carries.
const FORMAT: u8 = 1;
const TAG_BYTES: usize = 8;
/// Tag, time of issue and length of the reference.
const ENTRY_HEAD_BYTES: usize = TAG_BYTES + 8 + 1;
/// Groups that one cookie has room for. The ones used last stay.
const ENTRIES_MAX: usize = 16;

/// What stands for a target group in cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupTag([u8; TAG_BYTES]);

impl GroupTag {
    pub(crate) fn of(group: &TargetGroupArn) -> Self {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest(&SHA256, group.as_str().as_bytes()).as_ref()[..TAG_BYTES]);
        Self(tag)
    }
}

/// A request to a sticky group: what the response has to renew.
#[derive(Debug)]
pub(crate) struct Session {
    tag: GroupTag,
    /// Entries of other groups, to be handed on.
    others: Vec<u8>,
    /// The client was bound: with an application cookie the session goes on though the response sets none.
    goes_on: bool,
    /// Whether `AWSALBAPP` needs [`CROSS_SITE`].
    cross_site: bool,
}

/// What the cookies of a request say.
#[derive(Debug)]
pub(crate) struct Asked<'b> {
    /// The reference of the target that the client is bound to.
    pub(crate) bound: Option<&'b [u8]>,
    pub(crate) session: Session,
}

impl Session {
    /// Reads the cookies of a request to a sticky group.
    pub(crate) fn read<'b>(
        stickiness: &Stickiness,
        tag: GroupTag,
        view: &View<'_>,
        key: &CookieKey,
        now: Wall,
        buffer: &'b mut Buffer,
    ) -> Asked<'b> {
        let by_application = stickiness.stickiness_type == StickinessType::AppCookie;
        let (value, duration) = match stickiness.stickiness_type {
            StickinessType::LbCookie => (
                cookie(view, LB_CORS_NAME.as_bytes()).or_else(|| cookie(view, LB_NAME.as_bytes())),
                stickiness.lb_cookie_duration,
            ),
            StickinessType::AppCookie => (cookie(view, APP_NAMES[0].as_bytes()), stickiness.app_cookie_duration),
        };
        let opened = value.and_then(|value| key.open(use_of(stickiness), value, buffer));
        let entries = Entries(
            opened
                .and_then(|opened| opened.strip_prefix(&[FORMAT]))
                .unwrap_or_default(),
        );
        // The client has to return both cookies. Of the application's only the name counts.
        let bound = match by_application && cookie(view, stickiness.app_cookie_name.as_bytes()).is_none() {
            true => None,
            false => entries.bound(tag, duration, now),
        };
        let session = Self {
            tag,
            others: entries.others(tag, now),
            goes_on: bound.is_some(),
            cross_site: by_application && is_cross_site(view),
        };
        Asked { bound, session }
    }

    /// Adds the `Set-Cookie` lines of a response by the target with this reference, which is the one the client is bound to
    /// from now on.
    pub(crate) fn renew(
        &self,
        stickiness: &Stickiness,
        reference: &[u8],
        key: &CookieKey,
        answered: Answered<'_>,
        now: Wall,
        lines: &mut Vec<HeaderLine<'static>>,
    ) {
        let value = |own| {
            let plain = self.entries(own, now);
            key.seal(use_of(stickiness), &plain)
        };
        match stickiness.stickiness_type {
            StickinessType::LbCookie => {
                let Some(value) = value(Some(reference)) else {
                    return; // no random numbers
                };
                lines.push(line(LB_NAME, &value, "", now));
                let more = if answered.https { CROSS_SITE } else { "; SameSite=None" };
                lines.push(line(LB_CORS_NAME, &value, more, now));
            }
            StickinessType::AppCookie => {
                let name = stickiness.app_cookie_name.as_bytes();
                let binds = self.goes_on || http1::set_cookie_named(answered.head, answered.bytes, name).is_some();
                let own = binds.then_some(reference);
                let first = match binds || !self.others.is_empty() {
                    true => value(own),
                    false => Some(REMOVED.to_owned()),
                };
                let Some(first) = first else {
                    return; // no random numbers
                };
                let more = if self.cross_site { CROSS_SITE } else { "" };
                let values = [first.as_str(), REMOVED, REMOVED, REMOVED];
                lines.extend(
                    APP_NAMES
                        .iter()
                        .zip(values)
                        .map(|(name, value)| line(name, value, more, now)),
                );
            }
        }
    }

    /// What the next cookie carries: the own entry first, then those of other groups, the latest first.
    fn entries(&self, own: Option<&[u8]>, now: Wall) -> Vec<u8> {
        let own_bytes = own.map_or(0, |reference| ENTRY_HEAD_BYTES + reference.len());
        let mut plain = Vec::with_capacity(1 + own_bytes + self.others.len());
        plain.push(FORMAT);
        if let Some(reference) = own {
            plain.extend_from_slice(&self.tag.0);
            plain.extend_from_slice(&now.secs().to_be_bytes());
            // A port and an address or an instance id: far below 255.
            plain.push(u8::try_from(reference.len()).unwrap_or(u8::MAX));
            plain.extend_from_slice(&reference[..reference.len().min(usize::from(u8::MAX))]);
        }
        plain.extend_from_slice(&self.others);
        plain
    }
}

/// What values of this kind are sealed for, so that one kind cannot pass for the other.
fn use_of(stickiness: &Stickiness) -> &'static [u8] {
    match stickiness.stickiness_type {
        StickinessType::LbCookie => b"AWSALB",
        StickinessType::AppCookie => b"AWSALBAPP",
    }
}

/// Opened entries. They were sealed by us, yet nothing is believed about their lengths.
#[derive(Clone, Copy, Debug)]
struct Entries<'b>(&'b [u8]);

/// One entry, and its bytes.
#[derive(Clone, Copy, Debug)]
struct Entry<'b> {
    tag: GroupTag,
    issued: u64,
    reference: &'b [u8],
    bytes: &'b [u8],
}

impl<'b> Iterator for Entries<'b> {
    type Item = Entry<'b>;

    fn next(&mut self) -> Option<Entry<'b>> {
        let (tag, rest) = self.0.split_first_chunk::<TAG_BYTES>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let (reference, rest) = rest.split_at_checked(usize::from(*length))?;
        let bytes = &self.0[..ENTRY_HEAD_BYTES + reference.len()];
        self.0 = rest;
        Some(Entry {
            tag: GroupTag(*tag),
            issued: u64::from_be_bytes(*issued),
            reference,
            bytes,
        })
    }
}

impl<'b> Entries<'b> {
    /// The target of the group's entry, if that still counts.
    fn bound(mut self, tag: GroupTag, duration: Duration, now: Wall) -> Option<&'b [u8]> {
        let entry = self.find(|entry| entry.tag == tag)?;
        let counts = now.secs() <= entry.issued.saturating_add(duration.as_secs());
        counts.then_some(entry.reference)
    }

    /// The entries of other groups that a browser would still send.
    fn others(self, tag: GroupTag, now: Wall) -> Vec<u8> {
        let lives = |entry: &Entry<'_>| now.secs() <= entry.issued.saturating_add(COOKIE_SECS);
        let others = self.filter(|entry| entry.tag != tag && lives(entry));
        others.take(ENTRIES_MAX - 1).fold(Vec::new(), |mut bytes, entry| {
            bytes.extend_from_slice(entry.bytes);
            bytes
        })
    }
}

/// A CORS request of a browser that sends cookies to other sites only if they say so. Source: ALB 5.4.
fn is_cross_site(view: &View<'_>) -> bool {
    let is_cors = view.head.fields_named(view.bytes, b"origin").next().is_some();
    is_cors && view.first(KnownName::UserAgent).and_then(chromium) >= Some(CROSS_SITE_CHROMIUM)
}

/// The version of the Chromium that a user agent is or is made from.
fn chromium(user_agent: &[u8]) -> Option<u32> {
    let version = |name: &[u8]| {
        let at = memchr::memmem::find(user_agent, name)? + name.len();
        let digits = user_agent[at..].iter().take_while(|byte| byte.is_ascii_digit()).take(6);
        digits.fold(None, |version: Option<u32>, digit| {
            Some(version.unwrap_or(0) * 10 + u32::from(digit - b'0'))
        })
    };
    version(b"Chrome/").or_else(|| version(b"Chromium/"))
}

#[cfg(test)]
mod tests;
