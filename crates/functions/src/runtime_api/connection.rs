//! One connection of a runtime: reads requests, asks the environment, answers.
//!
//! The writing half is shared with the environment, which writes an event to a waiting connection itself. So the task
//! of a connection does not even wake for an event; it goes on reading, which is where the answer will come.

use super::answer::{Refusal, Reply, write_reply};
use super::body::{Body, Collected, READ_BYTES};
use super::peer;
use super::request::{self, Call, HEAD_LIMITS};
use crate::ANSWER_BYTES_MAX;
use crate::environment::{Answer, Environment};
use crate::failure::{Failure, recorded_error_type};
use bytes::{Buf, BytesMut};
use http1::{HeadScanner, RequestHead, Scan};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// The writing half of a connection, and what others have to say to its task.
pub(crate) struct Connection {
    writer: OwnedWriteHalf,
    wake: Notify,
    /// An event of which so many bytes are written; its task writes the rest.
    unfinished: Cell<Option<usize>>,
    /// It shall end once its `next` is answered.
    last: Cell<bool>,
    closed: Cell<bool>,
}

impl Connection {
    /// Writes what the socket takes without waiting.
    pub(crate) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writer.try_write_vectored(parts)
    }

    /// The event is out.
    pub(crate) fn event_written(&self) {
        if self.last.get() {
            self.close();
        }
    }

    /// Its task shall write the rest of the event.
    pub(crate) fn go_on_writing(&self, written: usize) {
        self.unfinished.set(Some(written));
        self.wake.notify_one();
    }

    /// Its task shall end.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.wake.notify_one();
    }

    async fn finish_event(&self, environment: &Environment, mut written: usize) -> io::Result<()> {
        loop {
            self.writer.writable().await?;
            match environment.write_event(self, written)? {
                (_, true) => break,
                (more, false) => written = more,
            }
        }
        self.event_written();
        Ok(())
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.writer.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writer.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(environment: Rc<Environment>, stream: TcpStream, peer: SocketAddr, ours: SocketAddr) {
    if !peer::is_own_user(peer, ours).await {
        tracing::warn!(%peer, "a process of another user has connected to a runtime api and was turned away");
        return;
    }
    // Small writes that a runtime waits for; an error would only make them slower.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let connection = Rc::new(Connection {
        writer,
        wake: Notify::new(),
        unfinished: Cell::new(None),
        last: Cell::new(false),
        closed: Cell::new(false),
    });
    let task = Task {
        environment: &environment,
        connection: &connection,
        reader,
        buffer: BytesMut::new(),
        scanner: HeadScanner::new(),
        head: RequestHead::new(),
        out: Vec::new(),
    };
    // However it ends, it is the runtime's to connect again.
    let _ = task.run().await;
    environment.forget(&connection);
}

struct Task<'a> {
    environment: &'a Rc<Environment>,
    connection: &'a Rc<Connection>,
    reader: OwnedReadHalf,
    buffer: BytesMut,
    scanner: HeadScanner,
    head: RequestHead,
    out: Vec<u8>,
}

/// A request as far as its head says, free of the bytes it was read from.
struct Request {
    work: Work,
    body: Body,
    keep_alive: bool,
    expects_continue: bool,
}

enum Work {
    Next,
    /// The environment expects the body of an answer now.
    Answer {
        answer: Answer,
        error_type: String,
    },
    InitError {
        error_type: String,
    },
    Reply(Reply),
}

impl Task<'_> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let head_len = match self.read_head().await? {
                Ok(head_len) => head_len,
                Err(status) => return self.reply(Reply::Malformed(status), false).await,
            };
            // The answer to `next` is still due, and answers must not overtake each other. No runtime does this.
            if self.environment.is_waiting(self.connection) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let request = match self.read_request(head_len) {
                Ok(request) => request,
                Err(status) => return self.reply(Reply::Malformed(status), false).await,
            };
            self.buffer.advance(head_len);
            self.scanner.reset();
            let keep_alive = request.keep_alive;
            self.serve(request).await?;
            if !keep_alive && !self.connection.last.get() {
                return Ok(());
            }
        }
    }

    /// Reads until the buffer begins with a whole head; otherwise the status that answers what is there.
    async fn read_head(&mut self) -> io::Result<Result<usize, u16>> {
        loop {
            self.attend().await?;
            match self.scanner.scan(&self.buffer, &HEAD_LIMITS) {
                Scan::Complete { head_len } => return Ok(Ok(head_len)),
                Scan::TooLarge(limit) => return Ok(Err(limit.status())),
                Scan::Partial => {}
            }
            self.buffer.reserve(READ_BYTES);
            tokio::select! {
                biased;
                () = self.connection.wake.notified() => {}
                read = self.reader.read_buf(&mut self.buffer) => if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                },
            }
        }
    }

    /// Does what others have asked of this task.
    async fn attend(&self) -> io::Result<()> {
        if let Some(written) = self.connection.unfinished.take() {
            self.connection.finish_event(self.environment, written).await?;
        }
        if self.connection.closed.get() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }

    /// Reads the head, and tells the environment when it announces an answer.
    fn read_request(&mut self, head_len: usize) -> Result<Request, u16> {
        let bytes = &self.buffer[..head_len];
        self.head.tokenize(bytes).map_err(|_| 400_u16)?;
        let head = &self.head;
        let body = Body::from(http1::framing(head, bytes).map_err(http1::FramingError::status)?);
        let error_type = || recorded_error_type(request::error_type(head, bytes));
        let work = match Call::of(head.method(bytes), head.path(bytes)) {
            Call::Ping => Work::Reply(Reply::Pong),
            Call::Next => Work::Next,
            Call::Unknown => Work::Reply(Reply::NotFound),
            Call::Answer { id, answer } => match self.environment.begin_answer(id, answer) {
                Err(refusal) => Work::Reply(Reply::Refused(refusal)),
                Ok(()) if answer == Answer::Response && !request::response_mode_exists(head, bytes) => {
                    self.environment.break_off(Failure::ResponseMode);
                    Work::Reply(Reply::Refused(Refusal::ResponseMode))
                }
                // Read of an error only, so that an answer does not pay for it.
                Ok(()) if answer == Answer::Response => Work::Answer {
                    answer,
                    error_type: String::new(),
                },
                Ok(()) => Work::Answer {
                    answer,
                    error_type: error_type(),
                },
            },
            Call::InitError => match self.environment.begin_init_error() {
                Err(refusal) => Work::Reply(Reply::Refused(refusal)),
                Ok(()) => Work::InitError {
                    error_type: error_type(),
                },
            },
        };
        Ok(Request {
            work,
            body,
            keep_alive: http1::keep_alive(head, bytes),
            expects_continue: http1::expects_continue(head, bytes),
        })
    }

    async fn serve(&mut self, request: Request) -> io::Result<()> {
        let Request {
            work,
            mut body,
            keep_alive,
            expects_continue,
        } = request;
        let wants_body = matches!(work, Work::Answer { .. } | Work::InitError { .. });
        if expects_continue && wants_body {
            self.out.clear();
            http1::write_continue(&mut self.out);
            self.connection.write_all(&self.out).await?;
        }
        let reply = match work {
            Work::Answer { answer, error_type } => self.take_answer(answer, error_type, &mut body).await,
            Work::InitError { error_type } => self.take_init_error(error_type, &mut body).await,
            Work::Next => {
                body.pass_over(&mut self.reader, &mut self.buffer).await?;
                self.connection.last.set(!keep_alive);
                match self.environment.next(self.connection) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => {
                        self.connection.last.set(false);
                        Reply::Refused(refusal)
                    }
                }
            }
            Work::Reply(reply) => reply,
        };
        // After these two the process is being ended. And who asked first, sends no body when he is refused.
        let broken = matches!(reply, Reply::Refused(Refusal::Truncated | Refusal::ResponseMode))
            || expects_continue && !wants_body
            // Passed over before the reply, because some clients do not read before they have written everything.
            || body.pass_over(&mut self.reader, &mut self.buffer).await.is_err();
        self.reply(reply, keep_alive && !broken).await?;
        if broken {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    async fn take_answer(&mut self, answer: Answer, error_type: String, body: &mut Body) -> Reply {
        match body.collect(&mut self.reader, &mut self.buffer, ANSWER_BYTES_MAX).await {
            Ok(Collected::Whole(payload)) => {
                self.environment.finish_answer(match answer {
                    Answer::Response => Ok(payload),
                    Answer::Error => Err(Failure::Posted { error_type, payload }),
                });
                Reply::Accepted
            }
            Ok(Collected::TooLarge) => {
                self.environment.finish_answer(Err(Failure::AnswerTooLarge));
                Reply::Refused(Refusal::TooLarge)
            }
            Err(_) => {
                self.environment.break_off(Failure::AnswerTruncated);
                Reply::Refused(Refusal::Truncated)
            }
        }
    }

    async fn take_init_error(&mut self, error_type: String, body: &mut Body) -> Reply {
        match body.collect(&mut self.reader, &mut self.buffer, ANSWER_BYTES_MAX).await {
            Ok(Collected::Whole(payload)) => {
                match self
                    .environment
                    .finish_init_error(Failure::Posted { error_type, payload })
                {
                    Ok(()) => Reply::Accepted,
                    Err(refusal) => Reply::Refused(refusal),
                }
            }
            Ok(Collected::TooLarge) => Reply::Refused(Refusal::TooLarge),
            Err(_) => Reply::Refused(Refusal::Truncated),
        }
    }

    async fn reply(&mut self, reply: Reply, keep_alive: bool) -> io::Result<()> {
        self.out.clear();
        write_reply(&mut self.out, reply, keep_alive);
        self.connection.write_all(&self.out).await
    }
}
