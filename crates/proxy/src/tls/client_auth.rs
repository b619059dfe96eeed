//! Mutual TLS: asking clients for a certificate, and judging it. Source: ALB 6.5.

use super::client_certificate::{ClientCertificate, escaped_pem};
use super::failure::FailureCode;
use super::signature;
use super::trust::{ALGORITHMS, CompiledTrust, check_key};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::{Arc, OnceLock};
use webpki::aws_lc_rs as algorithm;

/// The most bytes of certificates (DER) that a client may send. They are kept as long as the connection, and in
/// `passthrough` they go to the target with every request. ALB's own bound is not known; this one is albacore's, below the
/// 64 K of a TLS message.
const CHAIN_BYTES_MAX: usize = 32 * 1024;
/// The most certificates that are passed through.
const PASSED_MAX: usize = 16;

/// Whether clients are asked, and what becomes of their certificate.
#[derive(Clone, Debug)]
pub(crate) enum ClientAuth {
    /// They are not.
    Off,
    /// Who has a certificate shows it and proves that its key is there; the target judges it.
    Passthrough,
    /// No connection without one that the trust store vouches for.
    Verify(Arc<Verification>),
}

/// How certificates are verified.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(super) trust: Arc<CompiledTrust>,
    pub(super) ignore_expiry: bool,
    /// The authorities' names that clients are told; none unless advertising is on.
    pub(super) advertised: Vec<DistinguishedName>,
}

/// Judges the client of one connection, and remembers what it saw.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pub(super) auth: ClientAuth,
    pub(super) seen: Arc<Seen>,
}

/// What a client showed in a handshake, whatever came of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    certificate: OnceLock<CertificateDer<'static>>,
    refused: OnceLock<FailureCode>,
}

/// The client's certificate as targets and logs are told of it.
#[derive(Clone, Debug)]
pub(crate) enum ClientIdentity {
    /// A trust store vouches for it. `leaf` is the certificate as headers carry it.
    Verified {
        certificate: ClientCertificate,
        leaf: Box<str>,
    },
    /// Nobody has looked at it, and it may be unreadable. `chain` is all the client sent, as headers carry it.
    PassedThrough {
        certificate: Option<ClientCertificate>,
        chain: Box<str>,
    },
}

impl ClientAuth {
    /// What to remember of a client who showed these certificates and was let in. Made once for each connection.
    pub(crate) fn identity(&self, chain: &[CertificateDer<'_>]) -> Option<ClientIdentity> {
        let leaf = chain.first()?;
        let certificate = ClientCertificate::read(leaf);
        match self {
            Self::Off => None,
            Self::Passthrough => Some(ClientIdentity::PassedThrough {
                certificate,
                chain: escaped_pem(chain).into(),
            }),
            Self::Verify(_) => Some(ClientIdentity::Verified {
                certificate: certificate?,
                leaf: escaped_pem([leaf]).into(),
            }),
        }
    }
}

impl ClientIdentity {
    /// What can be read of the client's own certificate.
    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        match self {
            Self::Verified { certificate, .. } => Some(certificate),
            Self::PassedThrough { certificate, .. } => certificate.as_ref(),
        }
    }
}

impl Seen {
    /// Why the certificate was refused, if that is what ended the handshake.
    pub(crate) fn refused(&self) -> Option<FailureCode> {
        self.refused.get().copied()
    }

    /// The client's own certificate, if it showed one that can be read.
    pub(crate) fn certificate(&self) -> Option<ClientCertificate> {
        self.certificate.get().and_then(|der| ClientCertificate::read(der))
    }
}

impl ClientVerifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), FailureCode> {
        let bytes = leaf.len() + others.iter().map(|other| other.len()).sum::<usize>();
        if bytes > CHAIN_BYTES_MAX {
            return Err(FailureCode::ClientCertMaxSizeExceeded);
        }
        match &self.auth {
            ClientAuth::Verify(how) => how.trust.verify(leaf, others, now, how.ignore_expiry),
            ClientAuth::Passthrough | ClientAuth::Off if others.len() >= PASSED_MAX => {
                Err(FailureCode::ClientCertMaxChainDepthExceeded)
            }
            // Its key must be of a kind with which possession can be proven.
            ClientAuth::Passthrough | ClientAuth::Off => check_key(leaf),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        !matches!(self.auth, ClientAuth::Off)
    }

    fn client_auth_mandatory(&self) -> bool {
        matches!(self.auth, ClientAuth::Verify(_))
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.auth {
            ClientAuth::Verify(how) => &how.advertised,
            ClientAuth::Passthrough | ClientAuth::Off => &[],
        }
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Each connection has a verifier of its own: these are set once.
        let _ = self.seen.certificate.set(leaf.clone().into_owned());
        self.judge(leaf, others, now).map_err(|code| {
            let _ = self.seen.refused.set(code);
            Error::from(code.error())
        })?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.auth {
            ClientAuth::Verify(_) => verify_tls12_signature(message, leaf, signed, &SCHEMES),
            ClientAuth::Passthrough | ClientAuth::Off => signature::verify(message, leaf, signed, &SCHEMES, false),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.auth {
            ClientAuth::Verify(_) => verify_tls13_signature(message, leaf, signed, &SCHEMES),
            ClientAuth::Passthrough | ClientAuth::Off => signature::verify(message, leaf, signed, &SCHEMES, true),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.supported_schemes()
    }
}

/// With what clients may prove that they hold their key. In TLS 1.2 the name of a scheme leaves the curve open; the one that
/// TLS 1.3 means stands first. Source: ALB 6.5, certificate support.
static SCHEMES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: ALGORITHMS,
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[
                algorithm::ECDSA_P256_SHA256,
                algorithm::ECDSA_P384_SHA256,
                algorithm::ECDSA_P521_SHA256,
            ],
        ),
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[
                algorithm::ECDSA_P384_SHA384,
                algorithm::ECDSA_P256_SHA384,
                algorithm::ECDSA_P521_SHA384,
            ],
        ),
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            &[
                algorithm::ECDSA_P521_SHA512,
                algorithm::ECDSA_P384_SHA512,
                algorithm::ECDSA_P256_SHA512,
            ],
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            &[algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            &[algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &[algorithm::RSA_PKCS1_2048_8192_SHA256],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            &[algorithm::RSA_PKCS1_2048_8192_SHA384],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &[algorithm::RSA_PKCS1_2048_8192_SHA512],
        ),
    ],
};
