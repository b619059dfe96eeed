//! What functions write, on our standard output: `[name] line`, or a JSON document a line.
//!
//! Lines come from traffic cores, which must not wait for a terminal. One thread writes; when it is too far behind, lines
//! are dropped and counted.

use functions::{LogEvent, LogSink, Source};
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::warn;

/// Lines that may wait for standard output.
const LINES_MAX: usize = 4096;
/// Bytes of them.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Takes the lines. Clones of its `Arc` are handed to whoever writes.
#[derive(Debug)]
pub(super) struct Sink {
    json: bool,
    queue: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    lost: AtomicU64,
}

enum Message {
    Line(Vec<u8>),
    End,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct FunctionLog {
    sink: Arc<Sink>,
    ended: oneshot::Receiver<()>,
}

impl FunctionLog {
    pub(super) fn start(json: bool) -> io::Result<Self> {
        let (queue, lines) = sync_channel(LINES_MAX);
        let (running, ended) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let sink = Sink {
            json,
            queue,
            waiting: waiting.clone(),
            lost: AtomicU64::new(0),
        };
        std::thread::Builder::new()
            .name("function-log".to_owned())
            .spawn(move || {
                write_all(&lines, &waiting, &mut io::stdout().lock());
                let _ = running.send(()); // whoever waited may have left
            })?;
        Ok(Self {
            sink: Arc::new(sink),
            ended,
        })
    }

    pub(super) fn sink(&self) -> Arc<Sink> {
        self.sink.clone()
    }

    /// Waits at most `within` until everything is written. What comes later is lost.
    pub(super) async fn close(self, within: Duration) {
        let lost = self.sink.lost();
        if lost > 0 {
            warn!(
                lost,
                "lines of functions were not written, because standard output was too slow"
            );
        }
        // A full queue: the reader of our output is stuck, and so it stays.
        let told = self.sink.queue.try_send(Message::End).is_ok();
        if told && tokio::time::timeout(within, self.ended).await.is_err() {
            warn!("the last lines of functions were not written in time");
        }
    }
}

impl Sink {
    /// Lines that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl LogSink for Sink {
    fn event(&self, event: LogEvent<'_>) {
        let LogEvent {
            function,
            source,
            message: line,
            ..
        } = event;
        let text = match self.json {
            true => {
                let stream = match source {
                    Source::Stdout => "stdout",
                    Source::Stderr => "stderr",
                    Source::Runtime => "runtime",
                    Source::Platform => "platform",
                    Source::Notice => "notice",
                };
                let line = String::from_utf8_lossy(line);
                json!({ "function": function.as_str(), "stream": stream, "line": line })
                    .to_string()
                    .into_bytes()
            }
            false => [b"[", function.as_str().as_bytes(), b"] ", line].concat(),
        };
        let bytes = text.len();
        let fits = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES_MAX;
        if !fits || self.queue.try_send(Message::Line(text)).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes lines, and everything that waits before it flushes.
fn write_all(lines: &Receiver<Message>, waiting: &AtomicUsize, out: &mut impl Write) {
    let mut batch = Vec::new();
    while let Ok(first) = lines.recv() {
        let mut next = Ok(first);
        let ended = loop {
            match next {
                Ok(Message::Line(line)) => {
                    batch.extend_from_slice(&line);
                    batch.push(b'\n');
                    waiting.fetch_sub(line.len(), Ordering::Relaxed);
                }
                Ok(Message::End) | Err(TryRecvError::Disconnected) => break true,
                Err(TryRecvError::Empty) => break false,
            }
            if batch.len() >= 64 * 1024 {
                break false;
            }
            next = lines.try_recv();
        };
        // Whoever read our output may have left; functions go on.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        batch.shrink_to(64 * 1024);
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lambda::function::FunctionName;

    fn event<'a>(function: &'a FunctionName, source: Source, message: &'a [u8]) -> LogEvent<'a> {
        LogEvent {
            function,
            group: "/aws/lambda/orders",
            stream: "2026/01/02/[$LATEST]ab",
            timestamp_ms: 0,
            source,
            message,
        }
    }

    fn sink(json: bool) -> (Sink, Receiver<Message>) {
        let (queue, lines) = sync_channel(LINES_MAX);
        (
            Sink {
                json,
                queue,
                waiting: Arc::default(),
                lost: AtomicU64::new(0),
            },
            lines,
        )
    }

    fn written(sink: Sink, lines: &Receiver<Message>) -> String {
        let waiting = sink.waiting.clone();
        drop(sink);
        let mut out = Vec::new();
        write_all(lines, &waiting, &mut out);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_carry_their_function() {
        let name = FunctionName::try_from("orders").unwrap();
        let (text, lines) = sink(false);
        text.event(event(&name, Source::Stdout, b"one"));
        text.event(event(&name, Source::Platform, b""));
        assert_eq!(written(text, &lines), "[orders] one\n[orders] \n");
        let (json, lines) = sink(true);
        json.event(event(&name, Source::Stderr, b"a \"b\""));
        let line = written(json, &lines);
        assert_eq!(
            line,
            "{\"function\":\"orders\",\"line\":\"a \\\"b\\\"\",\"stream\":\"stderr\"}\n"
        );
    }

    #[test]
    fn too_much_is_dropped_and_counted() {
        let name = FunctionName::try_from("orders").unwrap();
        let (many, lines) = sink(false);
        (0..LINES_MAX + 3).for_each(|_| many.event(event(&name, Source::Stdout, b"x")));
        assert_eq!(many.lost(), 3);
        assert_eq!(written(many, &lines).lines().count(), LINES_MAX);
        let (large, _lines) = sink(false);
        let line = vec![b'x'; 256 * 1024];
        (0..40).for_each(|_| large.event(event(&name, Source::Stdout, &line)));
        assert_eq!(large.lost(), 40 - 31);
    }
}
