//! How soon one request is answered when nothing else is under way: `latency PORT SECONDS HEAD`.
//!
//! HEAD is a file with a request. It is sent again and again over one connection, each time after the whole answer to the
//! one before, which must be 200 and have a `Content-Length`. Prints one JSON object: how many there were, and within how
//! many nanoseconds half of them were answered. (wrk counts whole microseconds, too coarse for differences.)
#![forbid(unsafe_code)]

use memchr::memmem;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: latency PORT SECONDS HEAD";
/// A connection that hangs must not keep the measurement.
const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, seconds, head] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let (port, seconds) = (port.parse()?, Duration::from_secs(seconds.parse()?));
    let head = std::fs::read(head)?;
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut times: Vec<u64> = Vec::with_capacity(1 << 20);
    let mut before = Instant::now();
    let end = before + seconds;
    while before < end {
        socket.write_all(&head)?;
        read_answer(&mut socket, &mut buffer)?;
        let after = Instant::now();
        times.push((after - before).as_nanos().try_into()?);
        before = after;
    }
    times.sort_unstable();
    let half = times[times.len() / 2];
    println!(r#"{{"requests": {}, "p50_ns": {half}}}"#, times.len());
    Ok(())
}

fn read_answer(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<(), Failure> {
    let mut filled = 0;
    loop {
        filled += match socket.read(&mut buffer[filled..])? {
            0 => return Err("the connection ended within an answer".into()),
            bytes => bytes,
        };
        let answer = &buffer[..filled];
        let Some(head) = memmem::find(answer, b"\r\n\r\n") else {
            continue;
        };
        if filled >= head + 4 + content_length(&answer[..head])? {
            return match answer.starts_with(b"HTTP/1.1 200 ") {
                true => Ok(()),
                false => Err(format!("the answer is {:?}", String::from_utf8_lossy(answer)).into()),
            };
        }
    }
}

fn content_length(head: &[u8]) -> Result<usize, Failure> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Ok(std::str::from_utf8(&line[NAME.len()..])?.trim().parse()?);
        }
    }
    Err("an answer without length".into())
}
