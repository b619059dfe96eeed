//! One connection of a runtime: reads requests, asks the environment, answers.
//!
//! The writing half is shared with the environment, which writes an event to a waiting connection itself. So the task
//! of a connection does not even wake for an event; it goes on reading, which is where the answer will come.

mod answer;
mod extension;

use super::answer::{Document, Refusal, Reply, write_document, write_reply};
use super::body::{Body, READ_BYTES};
use super::error;
use super::metadata;
use super::peer::Door;
use super::request::{self, Call, HEAD_LIMITS, ResponseMode};
use crate::environment::{Answer, Environment};
use crate::failure::{Failure, recorded_error_type};
use bytes::{Buf, BytesMut};
use http1::{HeadScanner, RequestHead, Scan};
use invoke::PieceSender;
use std::cell::{Cell, Ref, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How a request for the next event begins.
const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next ";

/// The writing half of a connection, and what others have to say to its task.
pub(crate) struct Connection {
    writer: OwnedWriteHalf,
    wake: Notify,
    /// An event of which so many bytes are written; its task writes the rest.
    unfinished: Cell<Option<usize>>,
    /// What is held shall go out by itself.
    flush: Cell<bool>,
    /// A reply that goes out with the event: the runtime has asked for the event together with what this answers, so it
    /// waits for both and is woken once.
    held: RefCell<Vec<u8>>,
    /// It shall end once its `next` is answered.
    last: Cell<bool>,
    closed: Cell<bool>,
}

impl Connection {
    /// What goes out before the event.
    pub(crate) fn held(&self) -> Ref<'_, [u8]> {
        Ref::map(self.held.borrow(), Vec::as_slice)
    }

    /// Writes what the socket takes without waiting.
    pub(crate) fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writer.try_write_vectored(parts)
    }

    /// The event is out.
    pub(crate) fn event_written(&self) {
        self.held.borrow_mut().clear();
        if self.last.get() {
            self.close();
        }
    }

    /// Its task shall write the rest of the event.
    pub(crate) fn go_on_writing(&self, written: usize) {
        self.unfinished.set(Some(written));
        self.wake.notify_one();
    }

    /// Its task shall write this.
    pub(crate) fn send(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.held.borrow_mut());
        self.flush.set(true);
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

/// Serves one connection until it ends, if whoever has connected may.
pub(super) async fn serve(environment: Rc<Environment>, stream: TcpStream, peer: SocketAddr, door: Door) {
    if !door.admits(peer).await {
        return;
    }
    // Small writes that a runtime waits for; an error would only make them slower.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let connection = Rc::new(Connection {
        writer,
        wake: Notify::new(),
        unfinished: Cell::new(None),
        flush: Cell::new(false),
        held: RefCell::default(),
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

/// What the head of an error says.
struct Posted {
    error_type: String,
    /// The body has more than callers shall see.
    is_cause: bool,
}

enum Work {
    Next,
    /// The environment expects the body of an answer now.
    Response,
    /// The same, for a caller who reads it piece by piece.
    Stream(PieceSender),
    /// The same.
    Error(Posted),
    InitError(Posted),
    Extension(extension::Request),
    Document(Document),
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
                Err(reply) => return self.reply(reply, false).await,
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
        if self.connection.flush.take() {
            let held = self.connection.held.take();
            self.connection.write_all(&held).await?;
            if self.connection.last.get() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        if self.connection.closed.get() {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }

    /// Reads the head, and tells the environment when it announces an answer. A head that leaves open where its body ends
    /// announces nothing: the runtime may still answer on another connection.
    fn read_request(&mut self, head_len: usize) -> Result<Request, Reply> {
        let bytes = &self.buffer[..head_len];
        self.head.tokenize(bytes).map_err(|_| Reply::Malformed(400))?;
        let head = &self.head;
        let framing = request::framing(head, bytes)?;
        let mut body = Body::from(framing);
        // Read of an error only, so that an answer does not pay for it.
        let posted = || Posted {
            error_type: recorded_error_type(request::error_type(head, bytes)),
            is_cause: error::is_cause(request::content_type(head, bytes)),
        };
        let refused = |refusal| Work::Reply(Reply::Refused(refusal));
        let work = match Call::of(head.method(bytes), head.path(bytes)) {
            Call::Ping => Work::Reply(Reply::Pong),
            Call::Next => Work::Next,
            Call::Extension(call) => Work::Extension(extension::Request::read(call, head, bytes)),
            Call::Metadata => Work::Document(metadata::document(
                head.method(bytes),
                request::authorization(head, bytes),
                &self.environment.metadata_token,
                &self.environment.scheduler.function.arn,
            )),
            Call::Unknown => Work::Reply(Reply::NotFound),
            Call::Answer { id, answer } => match (self.environment.begin_answer(id, answer), answer) {
                (Err(refusal), _) => refused(refusal),
                (Ok(()), Answer::Error) => Work::Error(posted()),
                (Ok(()), Answer::Response) => match request::response_mode(head, bytes) {
                    ResponseMode::Buffered => Work::Response,
                    ResponseMode::Streaming => {
                        body = Body::with_trailers(framing);
                        let content_type = String::from_utf8_lossy(request::content_type(head, bytes));
                        match self.environment.begin_stream(content_type.into_owned()) {
                            Some(pieces) => Work::Stream(pieces),
                            None => Work::Response,
                        }
                    }
                    ResponseMode::Illegal => {
                        self.environment.break_off(Failure::ResponseMode);
                        refused(Refusal::ResponseMode)
                    }
                },
            },
            Call::InitError => match self.environment.begin_init_error() {
                Err(refusal) => refused(refusal),
                Ok(()) => Work::InitError(posted()),
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
        let work = match work {
            Work::Extension(call) => return self.serve_extension(call, body, keep_alive, expects_continue).await,
            Work::Document(document) => {
                // Nobody has asked for a body.
                let keep_alive = keep_alive && !expects_continue;
                if keep_alive {
                    body.pass_over(&mut self.reader, &mut self.buffer).await?;
                }
                self.out.clear();
                write_document(&mut self.out, &document, keep_alive);
                self.connection.write_all(&self.out).await?;
                return match keep_alive {
                    true => Ok(()),
                    false => Err(io::ErrorKind::ConnectionAborted.into()),
                };
            }
            work => work,
        };
        let has_answered = matches!(work, Work::Response | Work::Stream(_) | Work::Error(_));
        let wants_body = has_answered || matches!(work, Work::InitError(_));
        if expects_continue && wants_body {
            self.out.clear();
            http1::write_continue(&mut self.out);
            self.connection.write_all(&self.out).await?;
        }
        let reply = match work {
            Work::Response => self.take_response(&mut body).await,
            Work::Stream(pieces) => self.take_stream(pieces, &mut body).await,
            Work::Error(posted) => self.take_error(posted, &mut body).await,
            Work::InitError(posted) => self.take_init_error(posted, &mut body).await,
            Work::Next => {
                body.pass_over(&mut self.reader, &mut self.buffer).await?;
                self.connection.last.set(!keep_alive);
                let asked = Instant::now();
                self.environment.hear_output().await;
                match self.environment.next(self.connection, asked) {
                    Ok(()) => return Ok(()),
                    Err(refusal) => {
                        self.connection.last.set(false);
                        Reply::Refused(refusal)
                    }
                }
            }
            Work::Reply(reply) => reply,
            Work::Extension(_) | Work::Document(_) => return Ok(()), // served above
        };
        // Not when it was refused: then the others may end this connection.
        if has_answered && matches!(reply, Reply::Accepted) {
            others_first().await;
        }
        // After these two the process is being ended. And who asked first, sends no body when he is refused.
        let broken = matches!(reply, Reply::Refused(Refusal::Truncated | Refusal::ResponseMode))
            || expects_continue && !wants_body
            // Passed over before the reply, because some clients do not read before they have written everything.
            || body.pass_over(&mut self.reader, &mut self.buffer).await.is_err();
        if keep_alive && !broken && self.buffer.starts_with(NEXT) {
            write_reply(&mut self.connection.held.borrow_mut(), reply, true);
            return Ok(());
        }
        self.reply(reply, keep_alive && !broken).await?;
        if broken {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    async fn reply(&mut self, reply: Reply, keep_alive: bool) -> io::Result<()> {
        self.out.clear();
        self.out.append(&mut self.connection.held.borrow_mut());
        write_reply(&mut self.out, reply, keep_alive);
        self.connection.write_all(&self.out).await
    }
}

/// Lets everything run that can. The caller of the function is one of them: he has his answer before the runtime hears
/// that it was taken, wakes up and wants the processor.
async fn others_first() {
    let mut had_their_turn = false;
    poll_fn(|context| {
        if had_their_turn {
            return Poll::Ready(());
        }
        had_their_turn = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
