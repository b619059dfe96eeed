//! What functions write: the two streams of a process, cut into lines.

use model::lambda::function::FunctionName;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// The longest log line, in bytes; a longer one is cut into several. Source: Lambda 9.3, the size of a log event.
pub const LOG_LINE_BYTES_MAX: usize = 256 * 1024;

/// How much is asked of a pipe at once, in bytes.
const READ_BYTES: usize = 8 * 1024;

/// Who wrote a log event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The function, to its standard output.
    Stdout,
    /// The function, to its standard error.
    Stderr,
    /// A managed runtime, through the framed log channel. Source: Lambda 2.11.
    Runtime,
    /// Lambda: START, END, REPORT and their like, as text or as a JSON object.
    Platform,
    /// albacore itself, for the person at the terminal. Lambda has nothing like it, so it is no part of the log group.
    Notice,
}

/// One event of a function's log.
#[derive(Clone, Copy, Debug)]
pub struct LogEvent<'a> {
    /// Whose log.
    pub function: &'a FunctionName,
    /// The log group, for example `/aws/lambda/orders`.
    pub group: &'a str,
    /// The log stream, one for each environment. Source: Lambda 9.3.
    pub stream: &'a str,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// Who wrote it.
    pub source: Source,
    /// The message without the newline at its end, at most [`LOG_LINE_BYTES_MAX`] bytes of anything. It may have newlines
    /// inside.
    pub message: &'a [u8],
}

/// Takes the log events of functions.
pub trait LogSink: Send + Sync {
    /// Takes one event. Called on traffic cores, so it must not block.
    fn event(&self, event: LogEvent<'_>);
}

/// Hands on the lines of one pipe until all of its writers are gone.
pub(crate) async fn forward(pipe: OwnedFd, mut line: impl FnMut(&[u8])) -> io::Result<()> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    let mut pending = Vec::new();
    loop {
        pending.reserve(READ_BYTES);
        if pipe.read_buf(&mut pending).await? == 0 {
            break;
        }
        take_lines(&mut pending, LOG_LINE_BYTES_MAX, &mut line);
    }
    if !pending.is_empty() {
        line(&pending);
    }
    Ok(())
}

/// Hands on every whole line and leaves the rest, which is then shorter than `line_bytes_max`. Only a newline ends a
/// line. Source: Lambda 2.11.
fn take_lines(pending: &mut Vec<u8>, line_bytes_max: usize, line: &mut impl FnMut(&[u8])) {
    let mut rest = pending.as_slice();
    loop {
        let window = &rest[..rest.len().min(line_bytes_max + 1)];
        if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
            line(&rest[..end]);
            rest = &rest[end + 1..];
        } else if window.len() > line_bytes_max {
            line(&rest[..line_bytes_max]);
            rest = &rest[line_bytes_max..];
        } else {
            break;
        }
    }
    let taken = pending.len() - rest.len();
    pending.drain(..taken);
}

#[cfg(test)]
mod tests {
    use super::take_lines;

    #[track_caller]
    fn check(pieces: &[&str], lines: &[&str], rest: &str) {
        let mut pending = Vec::new();
        let mut found = Vec::new();
        for piece in pieces {
            pending.extend_from_slice(piece.as_bytes());
            take_lines(&mut pending, 4, &mut |line| {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            });
        }
        assert_eq!(
            (
                found.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
                pending.as_slice()
            ),
            (lines, rest.as_bytes())
        );
    }

    // LAM-G-012: a newline ends a log event; a carriage return does not
    #[test]
    fn only_a_newline_ends_a_line_and_long_ones_are_cut() {
        check(&[], &[], "");
        check(&["a\nb\r", "c\n\nd"], &["a", "b\rc", ""], "d");
        check(&["abcd"], &[], "abcd");
        check(&["abcd", "\n"], &["abcd"], "");
        check(&["abcde"], &["abcd"], "e");
        check(&["abcdefghij\nk"], &["abcd", "efgh", "ij"], "k");
    }
}
