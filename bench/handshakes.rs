//! Makes full TLS 1.3 handshakes for `bench/run handshakes`: `handshakes PORT SECONDS CLIENTS`.
//!
//! Each client connects, makes a handshake, sends one GET, reads to the end, and begins anew. Nothing is ever resumed. A
//! program of our own, because a client has to be cheaper than the server to keep it busy: `openssl s_time` needs a
//! millisecond of processor time for each connection. For the same reason the certificate is not verified.
//!
//! Prints how many connections were answered. Ends with an error at the first that was not.
#![forbid(unsafe_code)]

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned, version,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: handshakes PORT SECONDS CLIENTS";
const SERVER_NAME: &str = "bench.localhost";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench.localhost\r\nConnection: close\r\n\r\n";
/// A connection that hangs must not keep the measurement.
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u16>());
    let mut number = || numbers.next().ok_or(USAGE)?.map_err(|_| USAGE);
    let (port, seconds, clients) = (number()?, number()?, number()?);
    let config = Arc::new(config()?);
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let config = config.clone();
            std::thread::spawn(move || connect_until(end, port, &config))
        })
        .collect();
    let mut answered = 0;
    for thread in threads {
        answered += thread.join().map_err(|_| "a client panicked")??;
    }
    println!("{answered}");
    Ok(())
}

fn config() -> Result<ClientConfig, Failure> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..aws_lc_rs::default_provider()
    });
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn connect_until(end: Instant, port: u16, config: &Arc<ClientConfig>) -> Result<u64, Failure> {
    let mut answered = 0;
    while Instant::now() < end {
        connect(port, config)?;
        answered += 1;
    }
    Ok(answered)
}

fn connect(port: u16, config: &Arc<ClientConfig>) -> Result<(), Failure> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let connection = ClientConnection::new(config.clone(), ServerName::try_from(SERVER_NAME)?)?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(REQUEST)?;
    let mut answer = Vec::with_capacity(1024);
    match stream.read_to_end(&mut answer) {
        // A server may close without a word of TLS; what it said before is checked below.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.ends_with(b"hello") {
        return Err(format!("the answer is {:?}", String::from_utf8_lossy(&answer)).into());
    }
    match stream.conn.handshake_kind() {
        Some(HandshakeKind::Full) => Ok(()),
        other => Err(format!("the handshake was {other:?}").into()),
    }
}

/// Takes every certificate for good, and does not look at the signature either.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
