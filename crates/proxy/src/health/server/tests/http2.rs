use super::scripted::*;
use crate::health::judge::Ended;
use bytes::Bytes;
use h2::server::SendResponse;
use http::{Method, Request, Response};
use model::elb::target_group::ProtocolVersion;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A server that does the same with every request.
pub(super) async fn http2_server<F: Future<Output = ()> + 'static>(
    each: impl Fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> F + Clone + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    serve(LOOPBACK, move |stream| http2_connection(stream, each.clone())).await
}

pub(super) async fn http2_connection<S, F: Future<Output = ()> + 'static>(
    stream: S,
    each: impl Fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> F,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::task::spawn_local(each(request, respond));
    }
}

fn http2() -> crate::balance::CheckSettings {
    settings(ProtocolVersion::Http2)
}

// ALB-B-016: the same User-Agent over HTTP/2
#[test]
fn statuses_over_http2() {
    run(async {
        for (status, ended) in [
            (200, Ended::Passed(200)),
            (301, Ended::WrongCode(301)),
            (503, Ended::WrongCode(503)),
        ] {
            let seen = Rc::new(RefCell::new(None));
            let requests = seen.clone();
            let (address, _server) = http2_server(move |request, mut respond| {
                *requests.borrow_mut() = Some(request.map(drop));
                async move {
                    let response = Response::builder().status(status).body(()).unwrap();
                    respond.send_response(response, true).unwrap();
                }
            })
            .await;
            assert_eq!(checked(address, &at_path(http2(), "/up?x=1")).await.0, ended);
            let request = seen.borrow_mut().take().unwrap();
            assert_eq!(request.method(), Method::GET);
            assert_eq!(request.uri().to_string(), format!("http://{address}/up?x=1"));
            assert_eq!(request.headers()["user-agent"], "ELB-HealthChecker/2.0");
            assert!(!request.headers().contains_key("connection"));
        }
    });
}

#[test]
fn the_verdict_needs_no_body() {
    run(async {
        let (address, _server) = http2_server(|_, mut respond| async move {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"begun"), false).unwrap();
            // And nothing more, until the check has gone.
            std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
        })
        .await;
        assert_eq!(checked(address, &http2()).await.0, Ended::Passed(200));
    });
}

#[test]
fn a_target_that_speaks_something_else_fails() {
    run(async {
        let (address, _server) = serve(LOOPBACK, |mut stream: TcpStream| async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await;
        let (ended, cause) = checked(address, &http2()).await;
        assert_eq!(ended, Ended::Failed, "{cause}");
        // Neither does a server that closes at once.
        let (address, _server) = serve(LOOPBACK, |stream: TcpStream| async move { drop(stream) }).await;
        assert_eq!(checked(address, &http2()).await.0, Ended::NoConnection);
    });
}

#[test]
fn a_refused_stream_and_too_many_headers_fail() {
    run(async {
        let (address, _server) = http2_server(|_, mut respond| async move {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        })
        .await;
        assert_eq!(checked(address, &http2()).await.0, Ended::NoConnection);
        let (address, _server) = http2_server(|_, mut respond| async move {
            let mut response = Response::new(());
            for at in 0..2000 {
                let name = http::HeaderName::try_from(format!("x-{at}")).unwrap();
                response
                    .headers_mut()
                    .insert(name, "0123456789012345678901234567890123456789".parse().unwrap());
            }
            let _ = respond.send_response(response, true);
        })
        .await;
        let (ended, cause) = checked(address, &http2()).await;
        assert_ne!(ended, Ended::Passed(200), "{cause}");
        assert_eq!(ended.code(), None, "{cause}");
    });
}

// ALB-B-024: no headers in time is a timeout
#[test]
fn silence_over_http2_times_out() {
    simulated(async {
        let (address, _server) = http2_server(|_, respond| async move {
            std::future::pending::<()>().await;
            drop(respond);
        })
        .await;
        assert_eq!(checked(address, &http2()).await.0, Ended::TimedOut);
    });
}
