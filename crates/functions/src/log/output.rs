//! What a process writes: its pipes, read whenever something comes, and read empty at the moments that matter.
//!
//! Two read the same pipes: a task for each, which waits for the kernel; and [`Output::drain`], when the runtime says
//! that it has finished something. What it wrote before is then in the pipe, but the task may not have heard of it yet.

use super::frames::{Found, Frames};
use super::journal::{Journal, now_ms};
use super::lines::Lines;
use super::{LOG_LINE_BYTES_MAX, Source};
use rustix::buffer::spare_capacity;
use sandbox::Process;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::task::yield_now;
use tokio::time::sleep;

/// How much is read at once, in bytes. Between two reads everything else on the core has its turn, also when all of it
/// are empty lines.
const READ_BYTES: usize = 8 * 1024;

/// How much one [`Output::drain`] reads from one pipe, in bytes. More than a pipe holds unless its writer has enlarged it
/// (64 KiB); what does not end then is being written in the background, and belongs to no particular invocation.
const DRAIN_BYTES_MAX: usize = 80 * 1024;

/// How often a reader waits for room in the log before it goes on all the same, and how long each time.
const ROOM_WAITS_MAX: u32 = 50;
const ROOM_WAIT: Duration = Duration::from_millis(2);

/// The pipes of one process.
pub(crate) struct Output {
    pipes: Vec<Rc<Pipe>>,
}

struct Pipe {
    receiver: pipe::Receiver,
    cutter: RefCell<Cutter>,
    journal: Rc<Journal>,
}

enum Cutter {
    Lines(Source, Lines),
    Frames(Frames),
}

impl Output {
    /// Takes over the pipes of a process that has just been started.
    ///
    /// # Errors
    ///
    /// When the system has no room to watch them.
    pub(crate) fn of(process: &mut Process, journal: &Rc<Journal>) -> io::Result<Self> {
        Self::new(process, journal, Source::Stdout, Source::Stderr)
    }

    /// The same of an extension's process.
    ///
    /// # Errors
    ///
    /// As [`Output::of`].
    pub(crate) fn of_extension(process: &mut Process, journal: &Rc<Journal>) -> io::Result<Self> {
        Self::new(process, journal, Source::Extension, Source::Extension)
    }

    fn new(process: &mut Process, journal: &Rc<Journal>, stdout: Source, stderr: Source) -> io::Result<Self> {
        let lines = |source| Cutter::Lines(source, Lines::new(LOG_LINE_BYTES_MAX));
        let mut pipes = Vec::new();
        for (fd, cutter) in [
            (process.take_stdout(), lines(stdout)),
            (process.take_stderr(), lines(stderr)),
            (process.take_log(), Cutter::Frames(Frames::new(LOG_LINE_BYTES_MAX))),
        ] {
            if let Some(fd) = fd {
                pipes.push(Rc::new(Pipe {
                    receiver: pipe::Receiver::from_owned_fd(fd)?,
                    cutter: RefCell::new(cutter),
                    journal: Rc::clone(journal),
                }));
            }
        }
        Ok(Self { pipes })
    }

    /// One task for each pipe. It ends when nobody has the other end any more.
    pub(crate) fn readers(&self) -> impl Iterator<Item = impl Future<Output = ()> + use<>> {
        self.pipes.iter().map(|pipe| Rc::clone(pipe).forward())
    }

    /// Reads what is in the pipes now, and takes a line without a newline for a whole one. Waits for nothing but its turn
    /// on this core, and not even for that when there is little.
    pub(crate) async fn drain(&self) {
        for pipe in &self.pipes {
            let mut read = 0;
            while read < DRAIN_BYTES_MAX {
                // Asks the kernel and not tokio, which may not have heard yet of what is there.
                match pipe.read(|chunk| Ok(rustix::io::read(&pipe.receiver, spare_capacity(chunk))?)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                    Ok(more) => {
                        read += more;
                        if more >= READ_BYTES {
                            yield_now().await;
                        }
                    }
                }
            }
            if let Cutter::Lines(source, lines) = &mut *pipe.cutter.borrow_mut() {
                lines.finish(&mut |line| pipe.journal.line(*source, now_ms(), line));
            }
        }
    }
}

impl Pipe {
    async fn forward(self: Rc<Self>) {
        let failed = loop {
            if let Err(error) = self.receiver.readable().await {
                break error;
            }
            self.wait_for_room().await;
            match self.read(|chunk| self.receiver.try_read_buf(chunk)) {
                Ok(0) => return self.finish(),
                Ok(_) => yield_now().await,
                // The second: somebody else has read it.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => break error,
            }
        };
        let function = &self.journal.function.arn;
        tracing::warn!(%function, error = %failed, "cannot read the output of an environment");
    }

    /// A function that writes faster than its log can be kept is held up by its full pipe, for as long as this.
    async fn wait_for_room(&self) {
        for _ in 0..ROOM_WAITS_MAX {
            if self.journal.has_room() {
                return;
            }
            sleep(ROOM_WAIT).await;
        }
    }

    /// Reads once, and hands on what is complete. 0 is the end.
    fn read(&self, read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>) -> io::Result<usize> {
        let chunk = &mut *self.journal.scratch.chunk.borrow_mut();
        chunk.clear();
        chunk.reserve(READ_BYTES);
        let read = read(chunk)?;
        if read > 0 {
            let now_ms = now_ms();
            match &mut *self.cutter.borrow_mut() {
                Cutter::Lines(source, lines) => {
                    lines.take(chunk, &mut |line| self.journal.line(*source, now_ms, line));
                }
                Cutter::Frames(frames) => frames.take(chunk, &mut |found| self.found(&found)),
            }
        }
        Ok(read)
    }

    /// Nothing more will come.
    fn finish(&self) {
        match &mut *self.cutter.borrow_mut() {
            Cutter::Lines(source, lines) => {
                lines.finish(&mut |line| self.journal.line(*source, now_ms(), line));
            }
            Cutter::Frames(frames) => frames.finish(&mut |found| self.found(&found)),
        }
    }

    fn found(&self, found: &Found<'_>) {
        match *found {
            Found::Message {
                level,
                timestamp_ms,
                text,
            } => self.journal.message(level, timestamp_ms, text),
            Found::Garbage => self
                .journal
                .notice("the function wrote something to the log channel of its runtime that is no frame; from here on it is read as lines"),
            Found::Line(line) => self.journal.line(Source::Runtime, now_ms(), line),
        }
    }
}
