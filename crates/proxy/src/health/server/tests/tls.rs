use super::http2::http2_connection;
use super::scripted::*;
use crate::health::judge::Ended;
use http::Response;
use model::elb::target_group::ProtocolVersion;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A server's side of TLS: a certificate for another name, of an authority that nobody knows, issued at `issued`.
fn acceptor(issued: SystemTime, alpn: &[&[u8]]) -> TlsAcceptor {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(format!("albacore-health-{}-{}", unique.0, unique.1));
    std::fs::create_dir(&folder).unwrap();
    let authority = pki::Authority::open_or_create(&folder, issued).unwrap();
    let certificate = authority.issue(&["other.example"], issued).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.private_key_pem.expose().as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.unwrap(), key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    request(&mut stream).await;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
}

// ALB 4.3: the certificate of a target is not verified
#[test]
fn any_certificate_will_do() {
    run(async {
        for issued in [SystemTime::now(), long_ago()] {
            let acceptor = acceptor(issued, &[]);
            let (address, _server) = serve(LOOPBACK, move |stream| answer(acceptor.clone(), stream)).await;
            let settings = with_tls(matching("200"));
            assert_eq!(checked(address, &settings).await.0, Ended::Passed(200));
        }
    });
}

#[test]
fn http2_over_tls() {
    run(async {
        let acceptor = acceptor(SystemTime::now(), &[b"h2"]);
        let (address, _server) = serve(LOOPBACK, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let stream = acceptor.accept(stream).await.unwrap();
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                http2_connection(stream, |request, mut respond| async move {
                    assert_eq!(request.uri().scheme_str(), Some("https"));
                    respond.send_response(Response::new(()), true).unwrap();
                })
                .await;
            }
        })
        .await;
        let settings = with_tls(settings(ProtocolVersion::Http2));
        assert_eq!(checked(address, &settings).await.0, Ended::Passed(200));
    });
}

#[test]
fn a_target_without_tls_fails_and_a_silent_one_times_out() {
    run(async {
        let settings = with_tls(matching("200"));
        let (plain, _server) = serve(LOOPBACK, |mut stream: TcpStream| async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await;
        assert_eq!(checked(plain, &settings).await.0, Ended::NoConnection);
    });
    simulated(async {
        let silent = TcpListener::bind(LOOPBACK).await.unwrap();
        let answer = checked(silent.local_addr().unwrap(), &with_tls(matching("200"))).await;
        assert_eq!(answer, (Ended::TimedOut, "no TLS session in time".to_owned()));
    });
}
