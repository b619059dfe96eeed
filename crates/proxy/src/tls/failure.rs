//! Why a handshake did not come about, in the words of the connection log. Source: ALB 8.5.

use super::client_certificate::ClientCertificate;
use rustls::{CertificateError, Error, InvalidMessage};
use std::io;

/// A handshake that failed.
#[derive(Debug)]
pub(crate) struct HandshakeFailure {
    pub(crate) code: FailureCode,
    /// What the library or the system says, for people; `None`: the client said nothing at all.
    pub(crate) error: Option<io::Error>,
    /// The name that the client asked for, if it came to that.
    pub(crate) server_name: Option<String>,
    /// The client's certificate, if it showed one that can be read.
    pub(crate) client: Option<ClientCertificate>,
}

impl HandshakeFailure {
    /// One that has to do with no certificate of the client.
    pub(crate) fn unmapped(error: io::Error) -> Self {
        Self {
            code: FailureCode::UnmappedConnectionError,
            error: Some(error),
            server_name: None,
            client: None,
        }
    }

    /// A client that has connected and said nothing.
    pub(crate) fn silent() -> Self {
        Self {
            code: FailureCode::UnmappedConnectionError,
            error: None,
            server_name: None,
            client: None,
        }
    }

    /// A client that no security group of the load balancer admits that it named. Nobody is told.
    pub(crate) fn refusal() -> Self {
        Self::unmapped(io::ErrorKind::PermissionDenied.into())
    }

    /// Whether it is [`HandshakeFailure::refusal`].
    pub(crate) fn is_refusal(&self) -> bool {
        let kind = self.error.as_ref().map(io::Error::kind);
        kind == Some(io::ErrorKind::PermissionDenied)
    }

    /// The same of a client that had asked for this name.
    pub(crate) fn of(self, server_name: Option<String>) -> Self {
        Self { server_name, ..self }
    }
}

/// The code behind `Failed:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureCode {
    /// The client sent more certificates than are accepted.
    ClientCertMaxChainDepthExceeded,
    /// They are too large.
    ClientCertMaxSizeExceeded,
    /// A certificate of the chain was revoked.
    ClientCertCrlHit,
    /// A revocation list cannot be used for a certificate of the chain.
    ClientCertCrlProcessingError,
    /// No authority of the trust store vouches for it.
    ClientCertUntrusted,
    /// Its time has not come.
    ClientCertNotYetValid,
    /// Its time is over.
    ClientCertExpired,
    /// Its key, or the signature on it, is of a kind that is not accepted.
    ClientCertTypeUnsupported,
    /// It is damaged.
    ClientCertInvalid,
    /// It is not for clients.
    ClientCertPurposeInvalid,
    /// Everything else, a client without a certificate among it.
    UnmappedConnectionError,
}

impl FailureCode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ClientCertMaxChainDepthExceeded => "ClientCertMaxChainDepthExceeded",
            Self::ClientCertMaxSizeExceeded => "ClientCertMaxSizeExceeded",
            Self::ClientCertCrlHit => "ClientCertCrlHit",
            Self::ClientCertCrlProcessingError => "ClientCertCrlProcessingError",
            Self::ClientCertUntrusted => "ClientCertUntrusted",
            Self::ClientCertNotYetValid => "ClientCertNotYetValid",
            Self::ClientCertExpired => "ClientCertExpired",
            Self::ClientCertTypeUnsupported => "ClientCertTypeUnsupported",
            Self::ClientCertInvalid => "ClientCertInvalid",
            Self::ClientCertPurposeInvalid => "ClientCertPurposeInvalid",
            Self::UnmappedConnectionError => "UnmappedConnectionError",
        }
    }

    /// What the library is told, so that the client gets the alert that fits best.
    pub(super) fn error(self) -> CertificateError {
        match self {
            Self::ClientCertCrlHit => CertificateError::Revoked,
            Self::ClientCertCrlProcessingError => CertificateError::UnknownRevocationStatus,
            Self::ClientCertUntrusted | Self::ClientCertMaxChainDepthExceeded => CertificateError::UnknownIssuer,
            Self::ClientCertNotYetValid => CertificateError::NotValidYet,
            Self::ClientCertExpired => CertificateError::Expired,
            Self::ClientCertTypeUnsupported | Self::ClientCertPurposeInvalid => CertificateError::InvalidPurpose,
            Self::ClientCertInvalid | Self::ClientCertMaxSizeExceeded => CertificateError::BadEncoding,
            Self::UnmappedConnectionError => CertificateError::ApplicationVerificationFailure,
        }
    }

    /// What is wrong with a chain, by the verifier's error. Everything that makes a chain unfit to vouch is
    /// `ClientCertUntrusted`.
    pub(super) fn of_chain(error: &webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } => Self::ClientCertExpired,
            E::CertNotValidYet { .. } => Self::ClientCertNotYetValid,
            E::CertRevoked => Self::ClientCertCrlHit,
            E::InvalidCrlSignatureForPublicKey => Self::ClientCertCrlProcessingError,
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Self::ClientCertPurposeInvalid,
            E::UnsupportedSignatureAlgorithmContext(_) | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                Self::ClientCertTypeUnsupported
            }
            E::UnknownIssuer
            | E::InvalidSignatureForPublicKey
            | E::EndEntityUsedAsCa
            | E::PathLenConstraintViolated
            | E::NameConstraintViolation
            | E::CertDistrusted
            | E::MaximumSignatureChecksExceeded
            | E::MaximumPathBuildCallsExceeded
            | E::MaximumNameConstraintComparisonsExceeded => Self::ClientCertUntrusted,
            E::MaximumPathDepthExceeded => Self::ClientCertMaxChainDepthExceeded,
            _ => Self::ClientCertInvalid,
        }
    }

    /// What ended a handshake in which no certificate was refused. A client that is asked for one can send nothing else
    /// that is so large.
    pub(crate) fn of_handshake(error: &io::Error, asked_for_certificate: bool) -> Self {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match error {
            Some(Error::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
            )) if asked_for_certificate => Self::ClientCertMaxSizeExceeded,
            _ => Self::UnmappedConnectionError,
        }
    }
}
