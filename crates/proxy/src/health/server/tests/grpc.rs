use super::http2::http2_server;
use super::scripted::*;
use crate::balance::CheckSettings;
use crate::health::judge::Ended;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response};
use model::elb::health_check::{GrpcMatcher, Matcher};
use model::elb::target_group::ProtocolVersion;
use std::cell::RefCell;
use std::rc::Rc;

fn grpc(codes: &str) -> CheckSettings {
    let mut settings = settings(ProtocolVersion::Grpc);
    settings.check.matcher = Matcher::Grpc(GrpcMatcher::try_from(codes).unwrap());
    settings
}

fn status(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static(value),
    )])
}

/// How a server answers a call.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Everything in the headers.
    TrailersOnly(&'static str),
    /// Headers, a message, trailers.
    Trailers(&'static str),
    /// Headers and a message, and no more.
    NoTrailers,
    /// No gRPC at all.
    Http(u16),
    /// Messages without an end.
    Endless,
}

async fn verdict(answer: Answer, settings: &CheckSettings) -> (Ended, String) {
    let (address, _server) = http2_server(move |_, mut respond| async move {
        let mut response = Response::new(());
        let fields = response.headers_mut();
        fields.insert("content-type", HeaderValue::from_static("application/grpc"));
        let message = Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]);
        match answer {
            Answer::TrailersOnly(value) => {
                fields.extend(status(value));
                respond.send_response(response, true).unwrap();
            }
            Answer::Trailers(value) => {
                let mut body = respond.send_response(response, false).unwrap();
                body.send_data(message, false).unwrap();
                body.send_trailers(status(value)).unwrap();
            }
            Answer::NoTrailers => {
                let mut body = respond.send_response(response, false).unwrap();
                body.send_data(message, true).unwrap();
            }
            Answer::Http(status) => {
                let response = Response::builder().status(status).body(()).unwrap();
                respond.send_response(response, true).unwrap();
            }
            Answer::Endless => {
                let mut body = respond.send_response(response, false).unwrap();
                body.reserve_capacity(1024);
                while let Some(Ok(_)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
                    if body.send_data(Bytes::from_static(&[0; 1024]), false).is_err() {
                        return;
                    }
                    body.reserve_capacity(1024);
                }
            }
        }
    })
    .await;
    checked(address, settings).await
}

#[test]
fn the_status_of_a_call() {
    run(async {
        use Answer::{Endless, Http, NoTrailers, Trailers, TrailersOnly};
        for (answer, codes, ended) in [
            (TrailersOnly("12"), "12", Ended::Passed(12)),
            (TrailersOnly("0"), "12", Ended::WrongGrpcStatus(0)),
            (Trailers("0"), "0", Ended::Passed(0)),
            (Trailers("0"), "0,12", Ended::Passed(0)),
            (Trailers("14"), "0-13", Ended::WrongGrpcStatus(14)),
            (Trailers("99"), "0-99", Ended::Passed(99)),
            (TrailersOnly(""), "0-99", Ended::NoGrpcStatus),
            (Trailers(""), "0-99", Ended::NoGrpcStatus),
            (NoTrailers, "0-99", Ended::NoGrpcStatus),
            (TrailersOnly("OK"), "0-99", Ended::Failed),
            (Trailers("-1"), "0-99", Ended::Failed),
            (Trailers("99999999999999999999"), "0-99", Ended::Failed),
            (Http(404), "0-99", Ended::WrongCode(404)),
            (Http(503), "0-99", Ended::WrongCode(503)),
            (Http(200), "0-99", Ended::NoGrpcStatus),
            (Endless, "0-99", Ended::Failed),
        ] {
            let (is, cause) = verdict(answer, &grpc(codes)).await;
            assert_eq!(is, ended, "{answer:?} {codes}: {cause}");
        }
        // A new group waits for 12.
        let settings = settings(ProtocolVersion::Grpc);
        assert_eq!(verdict(TrailersOnly("12"), &settings).await.0, Ended::Passed(12));
    });
}

#[test]
fn what_a_grpc_server_sees() {
    run(async {
        let seen = Rc::new(RefCell::new(None));
        let requests = seen.clone();
        let (address, _server) = http2_server(move |request, mut respond| {
            let requests = requests.clone();
            async move {
                let (head, mut body) = request.into_parts();
                let mut received = Vec::new();
                while let Some(data) = body.data().await {
                    received.extend_from_slice(&data.unwrap());
                }
                *requests.borrow_mut() = Some((head, received));
                let mut response = Response::new(());
                *response.headers_mut() = status("12");
                respond.send_response(response, true).unwrap();
            }
        })
        .await;
        let settings = settings(ProtocolVersion::Grpc);
        assert_eq!(checked(address, &settings).await.0, Ended::Passed(12));
        let (head, message) = seen.borrow_mut().take().unwrap();
        assert_eq!(head.method, Method::POST);
        assert_eq!(head.uri.to_string(), format!("http://{address}/AWS.ALB/healthcheck"));
        for (name, value) in [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "ELB-HealthChecker/2.0"),
        ] {
            assert_eq!(head.headers[name], value);
        }
        assert_eq!(message, [0; 5]);
    });
}
