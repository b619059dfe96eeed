//! Target group stickiness: `AWSALBTG` and `AWSALBTGCORS`. Source: ALB 5.4.

use crate::clock::{Wall, http_date};
use crate::view::View;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http1::KnownName;
use model::{RuleArn, TargetGroupArn};
use std::fmt;
use std::time::Duration;

const NAME: &[u8] = b"AWSALBTG";
const CORS_NAME: &[u8] = b"AWSALBTGCORS";
/// How long a browser keeps the cookie; the binding inside may end sooner.
const COOKIE_SECS: u64 = 7 * 86_400;
/// A longer value is none of ours.
const VALUE_BYTES_MAX: usize = 1024;

/// Encrypts what cookies carry. 32 bytes, kept across restarts by whoever starts the proxy.
pub(crate) struct CookieKey(LessSafeKey);

impl fmt::Debug for CookieKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl CookieKey {
    /// A key of these bytes.
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"),
        ))
    }

    /// `nonce | time | arn`, sealed for one rule.
    fn seal(&self, rule: &RuleArn, group: &TargetGroupArn, now: Wall) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut sealed = now.secs().to_be_bytes().to_vec();
        sealed.extend_from_slice(group.as_str().as_bytes());
        let aad = Aad::from(rule.as_str().as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        let mut value = nonce.to_vec();
        value.extend_from_slice(&sealed);
        Some(STANDARD.encode(value))
    }

    fn open(&self, rule: &RuleArn, value: &[u8]) -> Option<(u64, String)> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut bytes = STANDARD.decode(value).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(rule.as_str().as_bytes()), sealed)
            .ok()?;
        let (issued, arn) = opened.split_at_checked(8)?;
        Some((
            u64::from_be_bytes(issued.try_into().ok()?),
            String::from_utf8(arn.to_vec()).ok()?,
        ))
    }
}

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
    match key.open(rule, value) {
        Some((issued, group)) if now.secs() <= issued.saturating_add(duration.as_secs()) => Binding::Group(group),
        _ => Binding::None,
    }
}

/// A cookie whose value is URL-encoded, which ours never are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlEncoded;

/// The value of the client's cookie, if there is one, not opened.
pub(crate) fn presented<'a>(view: &View<'a>) -> Result<Option<&'a [u8]>, UrlEncoded> {
    match cookie(view, CORS_NAME).or_else(|| cookie(view, NAME)) {
        Some(value) if value.contains(&b'%') => Err(UrlEncoded),
        value => Ok(value),
    }
}

fn cookie<'a>(view: &View<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = view
        .values(KnownName::Cookie)
        .flat_map(|line| line.split(|byte| *byte == b';'));
    pairs
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

/// The two `Set-Cookie` values that bind a client to a group; none if no random numbers are to be had.
pub(crate) fn set_cookies(key: &CookieKey, rule: &RuleArn, group: &TargetGroupArn, now: Wall) -> Vec<String> {
    let Some(value) = key.seal(rule, group, now) else {
        return Vec::new();
    };
    let expires = http_date(now.secs() + COOKIE_SECS);
    vec![
        format!("AWSALBTG={value}; Expires={expires}; Path=/"),
        format!("AWSALBTGCORS={value}; Expires={expires}; Path=/; SameSite=None; Secure"),
    ]
}

#[cfg(test)]
mod tests;
