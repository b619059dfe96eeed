//! Target group stickiness: `AWSALBTG` and `AWSALBTGCORS`.

use super::cookie;
use super::key::{Buffer, CookieKey, line};
use crate::clock::Wall;
use crate::reply::HeaderLine;
use crate::view::View;
use model::{RuleArn, TargetGroupArn};
use std::time::Duration;

const NAME: &str = "AWSALBTG";
const CORS_NAME: &str = "AWSALBTGCORS";

/// What a client's cookies say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// Nothing, or nothing that still counts.
    None,
    /// This target group.
    Group(String),
    /// A URL-encoded value: the request fails with `AWSALBTGCookieInvalid`.
    Invalid,
}

/// Reads the client's binding; `AWSALBTGCORS` wins over `AWSALBTG`.
pub(crate) fn binding(view: &View<'_>, key: &CookieKey, rule: &RuleArn, duration: Duration, now: Wall) -> Binding {
    let value = match presented(view) {
        Ok(Some(value)) => value,
        Ok(None) => return Binding::None,
        Err(UrlEncoded) => return Binding::Invalid,
    };
    match open(key, rule, value) {
        Some((issued, group)) if now.secs() <= issued.saturating_add(duration.as_secs()) => Binding::Group(group),
        _ => Binding::None,
    }
}

/// A cookie whose value is URL-encoded, which ours never are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlEncoded;

/// The value of the client's cookie, if there is one, not opened.
pub(crate) fn presented<'a>(view: &View<'a>) -> Result<Option<&'a [u8]>, UrlEncoded> {
    match cookie(view, CORS_NAME.as_bytes()).or_else(|| cookie(view, NAME.as_bytes())) {
        Some(value) if value.contains(&b'%') => Err(UrlEncoded),
        value => Ok(value),
    }
}

/// Adds the two `Set-Cookie` lines that bind a client to a group; none if no random numbers are to be had.
pub(crate) fn bind(
    key: &CookieKey,
    rule: &RuleArn,
    group: &TargetGroupArn,
    now: Wall,
    lines: &mut Vec<HeaderLine<'_>>,
) {
    let mut plain = now.secs().to_be_bytes().to_vec();
    plain.extend_from_slice(group.as_str().as_bytes());
    if let Some(value) = key.seal(rule.as_str().as_bytes(), &plain) {
        lines.push(line(NAME, &value, "", now));
        lines.push(line(CORS_NAME, &value, "; SameSite=None; Secure", now));
    }
}

/// When a value was issued and for which group.
fn open(key: &CookieKey, rule: &RuleArn, value: &[u8]) -> Option<(u64, String)> {
    let mut buffer = Buffer::new();
    let opened = key.open(rule.as_str().as_bytes(), value, &mut buffer)?;
    let (issued, arn) = opened.split_at_checked(8)?;
    Some((
        u64::from_be_bytes(issued.try_into().ok()?),
        String::from_utf8(arn.to_vec()).ok()?,
    ))
}

#[cfg(test)]
mod tests;
