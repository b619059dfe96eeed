//! Whether somebody holds the private key of the certificate shown, and nothing about the certificate.

use super::der;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

/// Verifies a signature of the handshake with the key that stands in a certificate. Of the certificate nothing else is
/// read: it may be of X.509 version 1, out of date, or for something else.
pub(crate) fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
    tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    use CertificateError::{BadEncoding, BadSignature};
    let unadvertised = || Error::from(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
    if tls13 && is_pkcs1(signed.scheme) {
        return Err(unadvertised());
    }
    let mapped = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let (_, candidates) = mapped.ok_or_else(unadvertised)?;
    // In TLS 1.3 a scheme names one curve, which stands first; in TLS 1.2 it leaves the curve open.
    let candidates = if tls13 { &candidates[..1] } else { candidates };
    let key = der::public_key(certificate).ok_or(BadEncoding)?;
    let key = SubjectPublicKeyInfoDer::from(key);
    let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| BadEncoding)?;
    let holds = candidates
        .iter()
        .any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok());
    match holds {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(BadSignature.into()),
    }
}

/// RSA PKCS#1 signatures are not for handshakes of TLS 1.3. Source: RFC 8446, 4.2.3.
fn is_pkcs1(scheme: SignatureScheme) -> bool {
    use SignatureScheme as S;
    matches!(
        scheme,
        S::RSA_PKCS1_SHA1 | S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512
    )
}
