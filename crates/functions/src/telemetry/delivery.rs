//! Brings batches to the listener of an extension: as a POST each, or as lines on a connection that stays.

use super::queue::Queue;
use super::subscription::Destination;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long one attempt may take.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a batch is tried, and how long to wait after the first failure; twice as long after each more.
const ATTEMPTS_MAX: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// As much of an answer as its status needs: `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// What lasts from one batch to the next, until an attempt fails.
#[derive(Default)]
struct Line {
    /// The connection, where it stays.
    stream: Option<TcpStream>,
    /// The listener is the environment's, as the last connection to it showed.
    is_known: bool,
}

/// Delivers until the queue is closed.
///
/// `connect` connects to a port of the environment's, and may believe that the listener there is known.
pub(super) async fn deliver<F: Future<Output = io::Result<TcpStream>>>(
    queue: Rc<Queue>,
    destination: Destination,
    connect: impl Fn(u16, bool) -> F,
) {
    let mut line = Line::default();
    while let Some(batch) = queue.batch().await {
        let bytes = match &destination {
            Destination::Http { host, path, .. } => request(host, path, &batch),
            Destination::Tcp { .. } => lines(&batch),
        };
        let mut pause = FIRST_PAUSE;
        let mut is_delivered = false;
        for attempt in 1..=ATTEMPTS_MAX {
            let sending = send(&destination, &bytes, &mut line, &connect);
            is_delivered = matches!(timeout(ATTEMPT_TIME_MAX, sending).await, Ok(Ok(())));
            if is_delivered || attempt == ATTEMPTS_MAX {
                break;
            }
            line = Line::default();
            sleep(pause).await;
            pause *= 2;
        }
        if is_delivered {
            queue.caught_up();
        } else {
            queue.lost(&batch);
        }
    }
}

async fn send<F: Future<Output = io::Result<TcpStream>>>(
    destination: &Destination,
    bytes: &[u8],
    line: &mut Line,
    connect: &impl Fn(u16, bool) -> F,
) -> io::Result<()> {
    let mut stream = match line.stream.take() {
        Some(stream) => stream,
        None => {
            let stream = connect(destination.port(), line.is_known).await?;
            line.is_known = true;
            stream
        }
    };
    stream.write_all(bytes).await?;
    match destination {
        Destination::Tcp { .. } => {
            line.stream = Some(stream);
            Ok(())
        }
        Destination::Http { .. } => {
            let mut status = [0; STATUS_BYTES];
            stream.read_exact(&mut status).await?;
            let is_success = status.starts_with(b"HTTP/1.") && status.get(9) == Some(&b'2');
            is_success
                .then_some(())
                .ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
    }
}

fn request(host: &str, path: &str, batch: &[Vec<u8>]) -> Vec<u8> {
    let length = batch.iter().map(|record| record.len() + 1).sum::<usize>() + 1;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.reserve(length);
    for (at, record) in batch.iter().enumerate() {
        bytes.push(if at == 0 { b'[' } else { b',' });
        bytes.extend_from_slice(record);
    }
    bytes.push(b']');
    bytes
}

fn lines(batch: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(batch.iter().map(|record| record.len() + 1).sum());
    for record in batch {
        bytes.extend_from_slice(record);
        bytes.push(b'\n');
    }
    bytes
}
