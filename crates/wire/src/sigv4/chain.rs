//! Signatures of a body that comes in chunks: each signs its chunk and the signature before, and the first one before is the
//! request's own. Source: S3's "Transferring payload in multiple chunks" and "Including trailing headers".

use super::{ALGORITHM, Refused, hex, sha256_hex};
use aws_lc_rs::{constant_time, hmac};

/// The signatures that are still to come. Without the secret there is none.
pub struct Chain {
    key: hmac::Key,
    /// `X-Amz-Date`, a line end, and the scope.
    when_and_where: String,
    previous: String,
}

impl Chain {
    pub(super) fn new(key: &[u8], date: &str, scope: &str, seed: String) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            when_and_where: format!("{date}\n{scope}"),
            previous: seed,
        }
    }

    /// Whether `signature` is that of the next chunk.
    pub(crate) fn check_chunk(&mut self, chunk: &[u8], signature: &str) -> Result<(), Refused> {
        let hashes = format!("{}\n{}", sha256_hex(b""), sha256_hex(chunk));
        self.check("PAYLOAD", &hashes, signature)
    }

    /// Whether `signature` is that of the trailers, which come last.
    pub(crate) fn check_trailers(&mut self, trailers: &str, signature: &str) -> Result<(), Refused> {
        self.check("TRAILER", &sha256_hex(trailers.as_bytes()), signature)
    }

    fn check(&mut self, what: &str, hashes: &str, signature: &str) -> Result<(), Refused> {
        let text = format!(
            "{ALGORITHM}-{what}\n{}\n{}\n{hashes}",
            self.when_and_where, self.previous
        );
        let expected = hex(hmac::sign(&self.key, text.as_bytes()).as_ref());
        match constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()) {
            Ok(()) => {
                self.previous = expected;
                Ok(())
            }
            Err(_) => Err(Refused::Mismatch),
        }
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain(***)")
    }
}
