//! TLS clients that trust every server: what certificates are worth is tested with real clients.

use crate::wait::BOUND;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A connection with TLS.
pub type SecureStream = StreamOwned<ClientConnection, TcpStream>;

/// The configuration of a client that offers these protocols by ALPN.
///
/// # Panics
///
/// Never: the provider has all versions.
pub fn trusting(alpn: &[&str]) -> Arc<ClientConfig> {
    trusting_with(rustls::DEFAULT_VERSIONS, alpn)
}

/// The same with one version of TLS and without ALPN.
///
/// # Panics
///
/// When the version is neither 1.2 nor 1.3.
pub fn trusting_only(version: ProtocolVersion) -> Arc<ClientConfig> {
    let mut known = rustls::ALL_VERSIONS.iter();
    trusting_with(&[known.find(|it| it.version == version).unwrap()], &[])
}

fn trusting_with(versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Everybody))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Connects, and does the handshake. Reads last at most [`BOUND`].
///
/// # Errors
///
/// Those of the system and of the handshake.
///
/// # Panics
///
/// When `server_name` is none.
pub fn secure(address: SocketAddr, server_name: &str, config: Arc<ClientConfig>) -> io::Result<SecureStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(BOUND))?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(server_name.to_owned()).unwrap();
    let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(session, socket))
}

#[derive(Debug)]
struct Everybody;

impl ServerCertVerifier for Everybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
