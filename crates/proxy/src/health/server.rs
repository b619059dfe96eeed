//! Asks a server: connects, shakes hands, speaks the group's protocol, all within the check's timeout. Source: ALB 5.6.

use super::checked::Asked;
use super::http2::{self, Want};
use super::judge::Ended;
use super::log::CheckKind;
use super::{http1, request};
use crate::balance::CheckSettings;
use crate::target::connect::is_ours;
use crate::target::reach;
use crate::target::tls::{self, Alpn};
use model::elb::health_check::Matcher;
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// How long a target may take to write what is left of its answer, and to close, after it was judged.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Why there is no answer to judge.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Refused, reset, closed.
    NoConnection(io::Error),
    /// What came is no answer.
    Malformed(String),
    /// This process could not ask.
    NotAsked(String),
}

/// A connection after its answer.
pub(super) enum Open {
    /// With the bytes of the body that are left.
    Http1(Box<dyn Stream>, u64),
    Http2(http2::Open),
}

/// How a group's servers are asked, as the health-check log calls it.
pub(super) fn kind(settings: &CheckSettings) -> CheckKind {
    match (&settings.check.matcher, settings.version, settings.check.protocol) {
        (Matcher::Grpc(_), _, _) => CheckKind::Grpc,
        (Matcher::Http(_), ProtocolVersion::Http2 | ProtocolVersion::Grpc, _) => CheckKind::H2,
        (Matcher::Http(_), ProtocolVersion::Http1, TargetProtocol::Http) => CheckKind::Http,
        (Matcher::Http(_), ProtocolVersion::Http1, TargetProtocol::Https) => CheckKind::Https,
    }
}

/// Asks once, on a connection of its own. The connection is closed when this is dropped.
pub(super) async fn ask(address: SocketAddr, settings: &CheckSettings) -> Asked {
    let step = Cell::new("no connection in time");
    let answer = tokio::time::timeout(settings.check.timing.timeout(), answer(address, settings, &step)).await;
    let (ended, cause, open) = match answer {
        Ok(Ok((ended, open))) => (ended, None, Some(open)),
        Ok(Err(unanswered)) => {
            let (ended, cause) = unanswered.judged();
            (ended, Some(cause), None)
        }
        Err(_) => (Ended::TimedOut, Some(step.get().to_owned()), None),
    };
    Asked { ended, cause, open }
}

async fn answer(
    address: SocketAddr,
    settings: &CheckSettings,
    step: &Cell<&'static str>,
) -> Result<(Ended, Open), Unanswered> {
    let protocol = settings.check.protocol;
    let (host, path) = (request::host(address, protocol), settings.check.path.as_str());
    let unsendable = || Unanswered::NotAsked(format!("the path {path:?} cannot be sent over HTTP/2"));
    match (&settings.check.matcher, settings.version) {
        (Matcher::Http(matcher), ProtocolVersion::Http1) => {
            let mut stream = connect(address, settings, Alpn::Http1, step).await?;
            let answer = http1::ask(&mut *stream, &request::http1(&host, path)).await?;
            let ended = Ended::of_status(answer.status, matcher.matches(answer.status));
            Ok((ended, Open::Http1(stream, answer.left)))
        }
        (Matcher::Http(matcher), ProtocolVersion::Http2 | ProtocolVersion::Grpc) => {
            let request = request::http2(&host, path, protocol).ok_or_else(unsendable)?;
            let stream = connect(address, settings, Alpn::Http2, step).await?;
            let (ended, open) = http2::ask(stream, request, Want::Status(matcher)).await?;
            Ok((ended, Open::Http2(open)))
        }
        (Matcher::Grpc(matcher), _) => {
            let request = request::grpc(&host, path, protocol).ok_or_else(unsendable)?;
            let stream = connect(address, settings, Alpn::Http2, step).await?;
            let (ended, open) = http2::ask(stream, request, Want::GrpcStatus(matcher)).await?;
            Ok((ended, Open::Http2(open)))
        }
    }
}

async fn connect(
    address: SocketAddr,
    settings: &CheckSettings,
    alpn: Alpn,
    step: &Cell<&'static str>,
) -> Result<Box<dyn Stream>, Unanswered> {
    let tcp = reach::connect_tcp(address).await?;
    tcp.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match (settings.check.protocol, &settings.tls) {
        (TargetProtocol::Http, _) => Box::new(tcp),
        (TargetProtocol::Https, Some(tls)) => {
            step.set("no TLS session in time");
            let connector = TlsConnector::from(tls.config(alpn).clone());
            Box::new(connector.connect(tls::server_name(address), tcp).await?)
        }
        (TargetProtocol::Https, None) => {
            return Err(Unanswered::NotAsked("no load balancer uses the group".to_owned()));
        }
    };
    step.set("no answer in time");
    Ok(stream)
}

/// Lets a judged target finish what it writes, within a bound.
pub(super) async fn finish(open: Open) {
    let finished = async {
        match open {
            // How it ends changes nothing any more.
            Open::Http1(mut stream, left) => drop(http1::finish(&mut *stream, left).await),
            Open::Http2(open) => drop(http2::finish(open).await),
        }
    };
    let _ = tokio::time::timeout(FINISH_WITHIN, finished).await; // then it is cut
}

impl Unanswered {
    pub(super) fn malformed(sentence: impl Into<String>) -> Self {
        Self::Malformed(sentence.into())
    }

    fn judged(self) -> (Ended, String) {
        match self {
            // The kernel may give up before the check does.
            Self::NoConnection(error) if error.kind() == io::ErrorKind::TimedOut => {
                (Ended::TimedOut, error.to_string())
            }
            Self::NoConnection(error) => (Ended::NoConnection, error.to_string()),
            Self::Malformed(sentence) => (Ended::Failed, sentence),
            Self::NotAsked(sentence) => (Ended::NotAsked, sentence),
        }
    }
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        match is_ours(&error) {
            true => Self::NotAsked(error.to_string()),
            false => Self::NoConnection(error),
        }
    }
}

impl From<h2::Error> for Unanswered {
    /// An error that the target did not send, and that is none of its connection, is what the library says to bytes that
    /// are no HTTP/2.
    fn from(error: h2::Error) -> Self {
        if error.is_io() {
            let sentence = error.to_string();
            return match error.into_io() {
                Some(error) => error.into(),
                None => Self::NoConnection(io::Error::other(sentence)),
            };
        }
        match error.is_remote() {
            true => Self::NoConnection(io::Error::other(error)),
            false => Self::Malformed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
