//! Texts that only their writer can read and make: session tokens.
//!
//! AES-256-GCM with a random nonce in front, in URL-safe base64. A text of another use does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = NONCE_LEN;

/// Seals a text for one use. No nonce may be used twice with one key. `None`: the text is too long.
pub fn seal(key: &[u8; KEY_BYTES], purpose: &str, text: &[u8], nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
    let mut sealed = text.to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let at = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(at, Aad::from(purpose.as_bytes()), &mut sealed)
        .ok()?;
    Some([&nonce[..], &sealed].concat())
}

/// The text that was sealed with this key for this use.
pub fn open(key: &[u8; KEY_BYTES], purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut text = rest.to_vec();
    let opened = key
        .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text)
        .ok()?;
    Some(opened.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_use_open_it() {
        let (key, other) = ([7; KEY_BYTES], [8; KEY_BYTES]);
        let sealed = seal(&key, "session", b"text", [1; NONCE_LEN]).unwrap();
        assert_eq!(open(&key, "session", &sealed).as_deref(), Some(&b"text"[..]));
        assert_eq!(open(&other, "session", &sealed), None);
        assert_eq!(open(&key, "cookie", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, "session", &changed), None, "byte {at}");
        }
        assert_eq!(open(&key, "session", &sealed[..NONCE_LEN - 1]), None);
    }
}
