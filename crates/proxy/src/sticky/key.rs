//! The key that encrypts what cookies carry, and the text around it.

use crate::clock::{Wall, http_date};
use crate::reply::HeaderLine;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

/// How long a browser keeps a cookie; what it binds to may end sooner. Source: ALB 5.4.
pub(super) const COOKIE_SECS: u64 = 7 * 86_400;
/// A longer value is none of ours.
pub(super) const VALUE_BYTES_MAX: usize = 1408;
/// What such a value decodes to.
const DECODED_BYTES_MAX: usize = VALUE_BYTES_MAX / 4 * 3;

thread_local! {
    /// A random beginning for nonces, and how many were made with it. Counting saves asking the system each time.
    static NONCES: Cell<Option<([u8; 8], u32)>> = const { Cell::new(None) };
    /// The `Expires` of the current second.
    static EXPIRES: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Encrypts what cookies carry. 32 bytes, kept across restarts by whoever starts the proxy.
pub(crate) struct CookieKey(LessSafeKey);

/// Room for one opened value.
pub(crate) struct Buffer([u8; DECODED_BYTES_MAX]);

impl fmt::Debug for CookieKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self([0; DECODED_BYTES_MAX])
    }
}

impl CookieKey {
    /// A key of these bytes.
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"),
        ))
    }

    /// The value of a cookie: nonce and sealed bytes, as text. `use_of` is what it can be opened for. `None` if no random
    /// numbers are to be had.
    pub(super) fn seal(&self, use_of: &[u8], plain: &[u8]) -> Option<String> {
        let nonce = nonce()?;
        let mut value = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        value.extend_from_slice(&nonce);
        value.extend_from_slice(plain);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(use_of),
                &mut value[NONCE_LEN..],
            )
            .ok()?;
        value.extend_from_slice(tag.as_ref());
        Some(STANDARD.encode(value))
    }

    /// What a value carries, if it was sealed for this use.
    pub(super) fn open<'b>(&self, use_of: &[u8], value: &[u8], buffer: &'b mut Buffer) -> Option<&'b [u8]> {
        if value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let length = STANDARD.decode_slice(value, &mut buffer.0).ok()?;
        let (nonce, sealed) = buffer.0[..length].split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(use_of), sealed).ok()?;
        Some(opened)
    }
}

/// Never the same twice under one key: 8 random bytes per thread, then a counter.
fn nonce() -> Option<[u8; NONCE_LEN]> {
    let (random, count) = match NONCES.get() {
        Some((random, count)) if count < u32::MAX => (random, count + 1),
        _ => {
            let mut random = [0; 8];
            getrandom::fill(&mut random).ok()?;
            (random, 0)
        }
    };
    NONCES.set(Some((random, count)));
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&random);
    nonce[8..].copy_from_slice(&count.to_be_bytes());
    Some(nonce)
}

/// A `Set-Cookie` line with `Expires` and `Path`, and what follows those.
pub(super) fn line(name: &str, value: &str, more: &str, now: Wall) -> HeaderLine<'static> {
    let text = EXPIRES.with_borrow_mut(|(secs, expires)| {
        if *secs != now.secs() || expires.is_empty() {
            (*secs, *expires) = (now.secs(), http_date(now.secs().saturating_add(COOKIE_SECS)));
        }
        let parts = [name, "=", value, "; Expires=", expires, "; Path=/", more];
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
        text
    });
    (Cow::Borrowed(b"Set-Cookie"), Cow::Owned(text))
}
