use super::*;
use http1::{BodyDecoder, Framing};
use proptest::prelude::*;
use std::task::Waker;

/// Takes what its script says, call by call: so many bytes, or nothing now.
struct Slow {
    script: Vec<usize>,
    taken: Vec<u8>,
    writes: usize,
}

impl Slow {
    fn new(script: &[usize]) -> Self {
        let mut script = script.to_vec();
        script.reverse();
        Self {
            script,
            taken: Vec::new(),
            writes: 0,
        }
    }
}

impl AsyncWrite for Slow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let count = match self.script.pop() {
            Some(0) => return Poll::Pending,
            Some(count) => count.min(all.len()),
            None => all.len(),
        };
        self.writes += 1;
        self.taken.extend_from_slice(&all[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Sends a head and pieces of a body, asking again for as long as the writer takes nothing.
fn send(io: &mut Slow, chunked: bool, pieces: &[&[u8]]) -> u64 {
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Outgoing::default();
    out.buffer().extend_from_slice(b"HEAD");
    out.begin_body(chunked);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            if let Poll::Ready(taken) = out.poll_send(io, &mut cx, rest) {
                rest = &rest[taken.unwrap()..];
            }
            assert!(out.waiting() <= WAITING_BYTES_MAX + 64);
        }
    }
    out.end_body();
    while out.poll_flush(io, &mut cx).map(Result::unwrap).is_pending() {}
    assert!(out.is_empty() && out.take_moved());
    out.take_produced()
}

#[test]
fn a_head_and_a_small_body_are_one_write() {
    for chunked in [false, true] {
        let mut io = Slow::new(&[]);
        send(&mut io, chunked, &[&[b'x'; 4096], &[b'y'; 4096]]);
        assert_eq!(io.writes, 1);
    }
}

#[test]
fn a_head_and_a_large_body_are_one_write_without_a_copy() {
    let mut io = Slow::new(&[]);
    let mut out = Outgoing::default();
    out.buffer().extend_from_slice(b"HEAD");
    let large = vec![b'x'; 60_000];
    let taken = out.poll_send(&mut io, &mut Context::from_waker(Waker::noop()), &large);
    assert!(matches!(taken, Poll::Ready(Ok(60_000))));
    assert_eq!((io.writes, io.taken.len()), (1, 60_004));
    assert!(out.capacity() < 1000);
}

#[test]
fn what_was_not_written_goes_out_elsewhere() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut dead, mut alive) = (Slow::new(&[0]), Slow::new(&[]));
    let mut out = Outgoing::default();
    out.buffer().extend_from_slice(b"HEAD");
    assert!(matches!(out.poll_send(&mut dead, &mut cx, b"body"), Poll::Ready(Ok(4))));
    assert!(out.poll_flush(&mut dead, &mut cx).is_pending());
    assert!(!out.take_moved());
    out.start_again();
    assert!(out.poll_flush(&mut alive, &mut cx).is_ready());
    assert_eq!(alive.taken, b"HEADbody");
}

proptest! {
    /// However the writer takes the bytes, they arrive whole and in order, framed as they should be, and are counted.
    #[test]
    fn everything_arrives(
        sizes in prop::collection::vec(1..70_000_usize, 0..6),
        script in prop::collection::vec(0..40_000_usize, 0..12),
        chunked: bool,
    ) {
        let bodies: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(at, size)| vec![b'a' + at as u8; *size]).collect();
        let pieces: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let mut io = Slow::new(&script);
        let produced = send(&mut io, chunked, &pieces);
        prop_assert_eq!(produced + 4, io.taken.len() as u64);
        let sent = io.taken.strip_prefix(b"HEAD").unwrap();
        let expected = pieces.concat();
        if !chunked {
            prop_assert_eq!(sent, expected);
            return Ok(());
        }
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        let (mut read, mut at) = (Vec::new(), 0);
        while !decoder.is_done() {
            let decoded = decoder.decode(&sent[at..]).unwrap();
            read.extend_from_slice(&sent[at..][decoded.data]);
            prop_assert!(decoded.consumed > 0);
            at += decoded.consumed;
        }
        prop_assert_eq!(at, sent.len());
        prop_assert_eq!(read, expected);
    }
}
