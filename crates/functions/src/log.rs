//! The log of functions: what they write, and what Lambda writes about them.
//!
//! ```text
//! lines, frames   bytes of a pipe become messages               (pure)
//! level           the level of a line in a JSON log             (pure)
//! platform        START, END, REPORT and their like             (pure)
//! journal         one environment's log, in order, with its tail
//! output          the pipes of one process
//! ```

mod frames;
mod journal;
mod level;
mod lines;
mod output;
mod platform;

pub(crate) use journal::{Journal, Scratch, now_ms};
pub(crate) use output::Output;
pub(crate) use platform::write_time;
pub(crate) use platform::{
    AnswerSpans, ExtensionState, InitPhase, InitReport, InitStart, Report, RuntimeDone, RuntimeVersion, Status,
    Subscribed,
};

use model::lambda::function::FunctionName;

/// The longest log line, in bytes; a longer one is cut into several. Source: Lambda 9.3, the size of a log event.
pub const LOG_LINE_BYTES_MAX: usize = 256 * 1024;

/// Who wrote a log event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The function, to its standard output.
    Stdout,
    /// The function, to its standard error.
    Stderr,
    /// A managed runtime, through the framed log channel. Source: Lambda 2.11.
    Runtime,
    /// An external extension. Its lines stand among the function's.
    Extension,
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

    /// False asks the readers of what functions write to slow down, because events would be lost. They wait for a moment
    /// and not for ever, so it is no more than a wish.
    fn has_room(&self) -> bool {
        true
    }
}
