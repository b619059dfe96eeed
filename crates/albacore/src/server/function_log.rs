//! What functions write: into log groups on the disk, and on our standard output as `[name] line` or a JSON document a
//! line.
//!
//! Events come from traffic cores, which must wait for neither. A thread writes to each; when it is too far behind,
//! events are dropped and counted.

use crate::output;
use crate::server::log_groups;
use anyhow::{Context, Result};
use functions::{LogEvent, LogSink, Source};
use observe::{
    Importance, LogGroupEvent, LogGroupKeeper, LogGroupLimits, LogGroupMonitor, LogGroupReader, LogGroupSender,
    LogGroups, QueueLimits, QueueReceiver, QueueSender, lossy_queue,
};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;

/// Bytes that may wait for standard output, and more for what the platform says.
const LIMITS: QueueLimits = QueueLimits {
    bytes_max: 8 * 1024 * 1024,
    reserved_bytes: 1024 * 1024,
    pause: Duration::from_millis(10),
};

/// Of a message of many lines this much is shown, in bytes: the largest event and as much again.
const SHOWN_BYTES_MAX: usize = 2 * functions::LOG_LINE_BYTES_MAX;

/// Takes the events. Clones of its `Arc` are handed to whoever writes.
#[derive(Debug)]
pub(super) struct Sink {
    json: bool,
    terminal: QueueSender,
    groups: LogGroupSender,
}

/// The threads that write.
#[derive(Debug)]
pub(super) struct FunctionLog {
    sink: Arc<Sink>,
    folder: PathBuf,
    groups: LogGroups,
}

/// What others may know of it.
#[derive(Clone)]
pub(super) struct FunctionLogView {
    pub(super) sink: Arc<Sink>,
    /// Where the log groups are.
    pub(super) folder: PathBuf,
    pub(super) groups: LogGroupMonitor,
    pub(super) reader: LogGroupReader,
    pub(super) changed: watch::Receiver<u64>,
    pub(super) keeper: LogGroupKeeper,
}

impl FunctionLog {
    /// Log groups are kept in `logs` in the data folder.
    pub(super) fn start(json: bool, data_dir: &Path) -> Result<Self> {
        let (terminal, lines) = lossy_queue(LIMITS);
        std::thread::Builder::new()
            .name("function-log".to_owned())
            .spawn(move || {
                write_all(lines, json, &mut io::stdout().lock());
            })
            .context("the thread for function logs cannot be started")?;
        let folder = data_dir.join("logs");
        let groups = LogGroups::open(&folder, LogGroupLimits::default(), log_groups::tell)?;
        let sink = Sink {
            json,
            terminal,
            groups: groups.sender(),
        };
        Ok(Self {
            sink: Arc::new(sink),
            folder,
            groups,
        })
    }

    pub(super) fn sink(&self) -> Arc<Sink> {
        self.sink.clone()
    }

    pub(super) fn view(&self) -> FunctionLogView {
        FunctionLogView {
            sink: self.sink(),
            folder: self.folder.clone(),
            groups: self.groups.monitor(),
            reader: self.groups.reader(),
            changed: self.groups.changed(),
            keeper: self.groups.keeper(),
        }
    }

    /// Waits at most `within` for either until everything is written. What comes later is lost.
    pub(super) async fn close(self, within: Duration) {
        let lost = self.sink.lost();
        if lost > 0 {
            warn!(
                lost,
                "lines of functions were not written, because standard output was too slow"
            );
        }
        let (terminal, groups) = (self.sink.terminal.clone(), self.groups);
        let closing = [
            tokio::task::spawn_blocking(move || terminal.close(within)),
            tokio::task::spawn_blocking(move || groups.shutdown(within)),
        ];
        for (closing, place) in closing.into_iter().zip(["standard output", "log groups"]) {
            if !closing.await.unwrap_or(false) {
                warn!(place, "the last lines of functions were not written in time");
            }
        }
    }
}

impl Sink {
    /// Events that standard output was too slow for.
    pub(super) fn lost(&self) -> u64 {
        self.terminal.lost()
    }

    fn show(&self, event: &LogEvent<'_>, importance: Importance) {
        if self.json {
            let shown = Shown::from(event);
            // Text and numbers always serialize.
            if let Ok(line) = serde_json::to_string(&shown) {
                self.terminal.push(&[line.as_bytes(), b"\n"], importance);
            }
            return;
        }
        let (name, message) = (event.function.as_str().as_bytes(), event.message);
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        if message.iter().any(is_break) {
            let text = prefixed(name, message);
            self.terminal.push(&[&text], importance);
        } else {
            self.terminal.push(&[b"[", name, b"] ", message, b"\n"], importance);
        }
    }
}

impl LogSink for Sink {
    fn event(&self, event: LogEvent<'_>) {
        // An invocation is told apart from the next one by what the platform says, also when a function says too much.
        let importance = match event.source {
            Source::Stdout | Source::Stderr | Source::Runtime | Source::Extension => Importance::Usual,
            Source::Platform | Source::Notice => Importance::Reserved,
        };
        self.show(&event, importance);
        if event.source != Source::Notice {
            let stored = LogGroupEvent {
                group: event.group,
                stream: event.stream,
                timestamp_ms: event.timestamp_ms,
                message: event.message,
            };
            self.groups.put(&stored, importance);
        }
    }

    /// The terminal is not asked: it may be stuck for good.
    fn has_room(&self) -> bool {
        self.groups.has_room()
    }
}

/// An event as a JSON document.
#[derive(Serialize)]
struct Shown<'a> {
    function: &'a str,
    stream: &'a str,
    source: &'static str,
    timestamp: u64,
    message: Cow<'a, str>,
}

impl<'a> From<&LogEvent<'a>> for Shown<'a> {
    fn from(event: &LogEvent<'a>) -> Self {
        Self {
            function: event.function.as_str(),
            stream: event.stream,
            source: match event.source {
                Source::Stdout => "stdout",
                Source::Stderr => "stderr",
                Source::Runtime => "runtime",
                Source::Extension => "extension",
                Source::Platform => "platform",
                Source::Notice => "notice",
            },
            timestamp: event.timestamp_ms,
            message: String::from_utf8_lossy(event.message),
        }
    }
}

/// Every line of a message with its function's name.
fn prefixed(name: &[u8], message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len() + 64);
    for line in lines(message) {
        // Line breaks alone would make this many times as long as the message.
        let is_enough = text.len() > SHOWN_BYTES_MAX;
        let line = if is_enough {
            b"... (the rest is in the log group)"
        } else {
            line
        };
        for part in [b"[", name, b"] ", line, b"\n"] {
            text.extend_from_slice(part);
        }
        if is_enough {
            break;
        }
    }
    text
}

/// The lines of a message. A carriage return begins a new one here: runtimes join the lines of a stack trace with it, and
/// on a terminal it would write over the function's name. At the end of the message it begins none.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let end = message.iter().rposition(|byte| !is_break(byte)).map_or(0, |at| at + 1);
    let mut rest = Some(&message[..end]);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.iter().position(is_break) else {
            rest = None;
            return Some(text);
        };
        let tail = &text[at..];
        rest = Some(tail.strip_prefix(b"\r\n").unwrap_or(&tail[1..]));
        Some(&text[..at])
    })
}

/// Writes whatever comes, until nothing can come any more.
fn write_all(mut lines: QueueReceiver, json: bool, out: &mut impl Write) {
    let mut batch = Vec::new();
    while lines.next(&mut batch) {
        let text = match json {
            true => output::escaped_json(&batch),
            false => output::for_people(&batch),
        };
        // Whoever read our output may have left; functions go on.
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::temporary_path;
    use model::lambda::function::FunctionName;
    use observe::{Direction, LogPosition, LogQuery};

    const BOUND: Duration = Duration::from_secs(20);
    const GROUP: &str = "/aws/lambda/orders";

    fn event<'a>(function: &'a FunctionName, source: Source, message: &'a [u8]) -> LogEvent<'a> {
        LogEvent {
            function,
            group: GROUP,
            stream: "2026/01/02/[$LATEST]ab",
            timestamp_ms: 7,
            source,
            message,
        }
    }

    /// What was shown, and what is in the log group, after these events.
    fn written(json: bool, events: &[(Source, &[u8])]) -> (String, Vec<String>) {
        let folder = temporary_path().unwrap();
        let groups = LogGroups::open(&folder, LogGroupLimits::default(), log_groups::tell).unwrap();
        let (terminal, lines) = lossy_queue(LIMITS);
        let sink = Sink {
            json,
            terminal,
            groups: groups.sender(),
        };
        let mut out = Vec::new();
        let name = FunctionName::try_from("orders").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| write_all(lines, json, &mut out));
            events
                .iter()
                .for_each(|(source, message)| sink.event(event(&name, *source, message)));
            assert!(sink.terminal.close(BOUND));
        });
        let reader = groups.reader();
        assert!(groups.shutdown(BOUND));
        let query = LogQuery::new(Direction::ForwardFrom(LogPosition::START));
        let page = reader.read(GROUP, &query).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let stored = page.events.into_iter().map(|event| event.message).collect();
        (String::from_utf8(out).unwrap(), stored)
    }

    #[test]
    fn lines_carry_their_function() {
        let (shown, stored) = written(
            false,
            &[
                (Source::Stdout, b"one"),
                (Source::Platform, b""),
                (Source::Runtime, b"[ERROR] E: x\nTraceback:\r\n  File\r"),
                (Source::Notice, b"only here"),
            ],
        );
        assert_eq!(
            shown,
            "[orders] one\n[orders] \n[orders] [ERROR] E: x\n[orders] Traceback:\n[orders]   File\n[orders] only here\n"
        );
        assert_eq!(stored, ["one", "", "[ERROR] E: x\nTraceback:\r\n  File\r"]);
    }

    #[test]
    fn line_breaks_alone_do_not_flood_the_terminal() {
        let text = prefixed(
            b"orders",
            &[vec![b'\n'; functions::LOG_LINE_BYTES_MAX - 1], vec![b'x']].concat(),
        );
        assert!(text.len() < SHOWN_BYTES_MAX + 100 && text.ends_with(b"[orders] ... (the rest is in the log group)\n"));
        assert_eq!(prefixed(b"orders", b"\n\n"), b"[orders] \n");
    }

    #[test]
    fn documents_say_everything() {
        let (shown, _) = written(true, &[(Source::Stderr, b"a \"b\"\n\x1b[2J\xff\xc2\x9b")]);
        assert_eq!(
            shown,
            "{\"function\":\"orders\",\"stream\":\"2026/01/02/[$LATEST]ab\",\"source\":\"stderr\",\"timestamp\":7,\
             \"message\":\"a \\\"b\\\"\\n\\u001b[2J\u{fffd}\\u009b\"}\n"
        );
    }

    #[test]
    fn a_terminal_is_not_steered() {
        let red: &[u8] = b"\x1b[2J\x1b[31mred";
        let (shown, stored) = written(false, &[(Source::Stdout, red), (Source::Stdout, b"plain")]);
        assert_eq!(shown, "[orders] \u{fffd}[2J\u{1b}[31mred\u{1b}[0m\n[orders] plain\n");
        assert_eq!(stored, ["\u{1b}[2J\u{1b}[31mred", "plain"]);
    }

    #[test]
    fn too_much_is_dropped_and_counted_but_not_what_the_platform_says() {
        let folder = temporary_path().unwrap();
        let groups = LogGroups::open(&folder, LogGroupLimits::default(), log_groups::tell).unwrap();
        let (terminal, lines) = lossy_queue(LIMITS);
        let sink = Sink {
            json: false,
            terminal,
            groups: groups.sender(),
        };
        let name = FunctionName::try_from("orders").unwrap();
        let large = vec![b'x'; 256 * 1024];
        (0..40).for_each(|_| sink.event(event(&name, Source::Stdout, &large)));
        assert_eq!(sink.lost(), 40 - 31);
        sink.event(event(&name, Source::Platform, b"END"));
        assert_eq!(sink.lost(), 40 - 31);
        drop((lines, groups));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
