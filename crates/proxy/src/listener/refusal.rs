//! Refusing a connection that no place was found for: a page in clear text, nothing where TLS is spoken.

use crate::core::{Core, ListenerRef};
use crate::places::Refusal;
use crate::reply::Reply;
use crate::table::Scheme;
use crate::wheel::Timer;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a refused client may take to receive its page and to close.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// Bytes that are read and dropped of what it sends meanwhile.
const DROPPED_BYTES_MAX: usize = 256 * 1024;

/// Refuses a connection and counts it. Nothing of it is logged: what it asked for was not read.
pub(super) fn refuse(core: &Rc<Core>, refusal: Refusal, stream: TcpStream, port: u16) {
    core.counters().accept_refusals.inc();
    let Some(listener) = core.listener(port, None, None) else {
        return; // deleted: nothing answers on its port any more
    };
    let metrics = &listener.load_balancer.metrics;
    metrics.core(core.id).rejected_connections.inc();
    match listener.scheme {
        // A page would need a handshake, which is what costs most.
        Scheme::Https => {}
        Scheme::Http => {
            let (page, timer) = (page(core, &listener), core.wheel.timer());
            tokio::task::spawn_local(answer(refusal, timer, stream, page));
        }
    }
}

/// A whole 503, as for a request that no target can take. Source: ALB 4.10.
fn page(core: &Core, listener: &ListenerRef) -> Vec<u8> {
    let mut reply = Reply::page(503);
    reply.apply_listener_headers(listener);
    let mut page = Vec::new();
    let mut texts = core.texts.borrow_mut();
    if reply
        .write_http1_head(&mut page, texts.http_date(core.now()), false)
        .is_ok()
    {
        page.extend_from_slice(&reply.body);
    }
    page
}

/// Ends within its time, whatever the client does. The refusal is given back last of all.
async fn answer(_refusal: Refusal, timer: Timer, stream: TcpStream, page: Vec<u8>) {
    timer.set(Instant::now(), CLOSED_WITHIN);
    let mut told = pin!(tell(stream, &page));
    poll_fn(|cx| match told.as_mut().poll(cx) {
        Poll::Pending if !timer.expired(cx) => Poll::Pending,
        _ => Poll::Ready(()), // whoever is gone already wants no page
    })
    .await;
}

/// Sends the page and reads until the client closes: closing a socket with unread bytes would reset the connection and may
/// destroy the page on its way.
async fn tell(mut stream: TcpStream, page: &[u8]) -> io::Result<()> {
    stream.write_all(page).await?;
    stream.shutdown().await?;
    let (mut dropped, mut sink) = (0, [0; 1024]);
    while dropped < DROPPED_BYTES_MAX {
        match stream.read(&mut sink).await? {
            0 => break,
            count => dropped += count,
        }
    }
    Ok(())
}
