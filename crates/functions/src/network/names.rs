//! Answers questions about names by asking the host's own servers: hands each on under an id and from a port that nobody
//! can guess, and takes only the answer to it.
//!
//! One thread for all functions of this process, away from traffic. Whoever asks too much at once is not heard.

use super::message::{QUESTION_BYTES_MAX, Question};
use super::upstreams::Upstreams;
use sandbox::NameSockets;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

/// How many questions of one function, and of all, are in progress at once; one more is not heard, and asked again by who
/// has asked it.
const QUESTIONS_PER_CLIENT_MAX: usize = 64;
const QUESTIONS_MAX: usize = 1024;
/// The same of connections.
const CONNECTIONS_PER_CLIENT_MAX: usize = 8;
const CONNECTIONS_MAX: usize = 128;
/// How long one server may take, and how often each is asked. The C library asks again after 5 seconds.
const SERVER_TIME_MAX: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 2;
/// How long a connection may say nothing.
const IDLE_TIME_MAX: Duration = Duration::from_secs(10);
/// What one datagram can hold.
const ANSWER_BYTES_MAX: usize = 65_535;
/// After an error that comes again at once: one of too many open files, for example.
const REST: Duration = Duration::from_millis(50);

/// Answers at whatever sockets there are, until there will be no others.
pub(super) fn serve(sockets: watch::Receiver<Option<Arc<NameSockets>>>) {
    let started = thread::Builder::new().name("names".into()).spawn(move || {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => LocalSet::new().block_on(&runtime, follow(sockets)),
            Err(error) => tracing::error!(%error, "functions get no answers about names"),
        }
    });
    if let Err(error) = started {
        tracing::error!(%error, "functions get no answers about names");
    }
}

/// Those of one spawner after the other's.
async fn follow(mut sockets: watch::Receiver<Option<Arc<NameSockets>>>) {
    let upstreams = Rc::new(RefCell::new(Upstreams::of_host()));
    loop {
        let present = sockets.borrow_and_update().clone();
        let serving = async {
            let Some(present) = present else {
                return std::future::pending().await;
            };
            if let Err(error) = serve_at(&present, &upstreams).await {
                tracing::error!(%error, "functions get no answers about names");
            }
            std::future::pending::<()>().await;
        };
        // What is served by is dropped with the future, so that its network can go.
        let changed = tokio::select! {
            biased;
            changed = sockets.changed() => changed,
            () = serving => return,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn serve_at(sockets: &NameSockets, upstreams: &Rc<RefCell<Upstreams>>) -> io::Result<()> {
    let datagrams = Rc::new(UdpSocket::from_std(sockets.datagrams.try_clone()?)?);
    let listener = TcpListener::from_std(sockets.listener.try_clone()?)?;
    tokio::join!(
        answer_datagrams(&datagrams, upstreams),
        answer_streams(&listener, upstreams)
    );
    Ok(())
}

async fn answer_datagrams(socket: &Rc<UdpSocket>, upstreams: &Rc<RefCell<Upstreams>>) {
    let crowd = Crowd::new(QUESTIONS_PER_CLIENT_MAX, QUESTIONS_MAX);
    let mut tasks = JoinSet::new();
    // One byte more shows that it was too long.
    let mut buffer = vec![0; QUESTION_BYTES_MAX + 1];
    loop {
        while tasks.try_join_next().is_some() {}
        let (bytes, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(_) => {
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let question = match Question::read(buffer.get(..bytes).unwrap_or_default()) {
            Ok(question) => question,
            Err(refusal) => {
                if let Some(refusal) = refusal {
                    // Whoever asks nonsense may miss the answer.
                    let _ = socket.try_send_to(&refusal, client);
                }
                continue;
            }
        };
        let Some(place) = crowd.enter(client.ip()) else {
            continue;
        };
        let (socket, servers) = (Rc::clone(socket), upstreams.borrow_mut().present());
        tasks.spawn_local(async move {
            let answer = ask(&question, &servers, Way::Datagram).await;
            // An answer that cannot be sent is asked for again.
            let _ = timeout(SERVER_TIME_MAX, socket.send_to(&answer, client)).await;
            drop(place);
        });
    }
}

async fn answer_streams(listener: &TcpListener, upstreams: &Rc<RefCell<Upstreams>>) {
    let crowd = Crowd::new(CONNECTIONS_PER_CLIENT_MAX, CONNECTIONS_MAX);
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Some(place) = crowd.enter(client.ip()) else {
            continue;
        };
        let upstreams = Rc::clone(upstreams);
        tasks.spawn_local(async move {
            // It ends however its client ends it.
            let _ = answer_stream(stream, &upstreams).await;
            drop(place);
        });
    }
}

/// One question after the other, each with its length before it. Source: RFC 1035, section 4.2.2.
async fn answer_stream(mut stream: TcpStream, upstreams: &RefCell<Upstreams>) -> io::Result<()> {
    loop {
        let bytes = timeout(IDLE_TIME_MAX, read_message(&mut stream, QUESTION_BYTES_MAX)).await??;
        let answer = match Question::read(&bytes) {
            Ok(question) => {
                let servers = upstreams.borrow_mut().present();
                ask(&question, &servers, Way::Stream).await
            }
            Err(Some(refusal)) => refusal,
            Err(None) => return Ok(()),
        };
        timeout(IDLE_TIME_MAX, stream.write_all(&with_length(&answer))).await??;
    }
}

/// How a server is asked: as we were.
#[derive(Clone, Copy)]
enum Way {
    Datagram,
    Stream,
}

/// The first answer that comes, or that there is none.
async fn ask(question: &Question, servers: &[SocketAddr], way: Way) -> Vec<u8> {
    for _ in 0..ROUNDS {
        for &server in servers {
            let asking = async {
                match way {
                    Way::Datagram => ask_by_datagram(question, server).await,
                    Way::Stream => ask_by_stream(question, server).await,
                }
            };
            if let Ok(Ok(answer)) = timeout(SERVER_TIME_MAX, asking).await {
                return answer;
            }
        }
    }
    question.failed()
}

async fn ask_by_datagram(question: &Question, server: SocketAddr) -> io::Result<Vec<u8>> {
    // The kernel draws the port, and takes nothing from anybody else.
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    let id = fresh_id()?;
    socket.send(&question.with_id(id)).await?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    loop {
        let bytes = socket.recv(&mut buffer).await?;
        if let Some(answer) = question.answered_by(buffer.get(..bytes).unwrap_or_default(), id) {
            return Ok(answer);
        }
    }
}

async fn ask_by_stream(question: &Question, server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let id = fresh_id()?;
    stream.write_all(&with_length(&question.with_id(id))).await?;
    let answer = read_message(&mut stream, ANSWER_BYTES_MAX).await?;
    let answer = question.answered_by(&answer, id);
    answer.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn fresh_id() -> io::Result<[u8; 2]> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(id)
}

async fn read_message(stream: &mut TcpStream, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Messages here are shorter than 65,536 bytes: they came in such a frame, or as a datagram.
fn with_length(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], message].concat()
}

/// Who is being served, each so often.
#[derive(Clone)]
struct Crowd {
    present: Rc<RefCell<HashMap<IpAddr, usize>>>,
    each_max: usize,
    all_max: usize,
}

/// Room for one more. Given back when dropped.
struct Room {
    crowd: Crowd,
    client: IpAddr,
}

impl Crowd {
    fn new(each_max: usize, all_max: usize) -> Self {
        Self {
            present: Rc::default(),
            each_max,
            all_max,
        }
    }

    fn enter(&self, client: IpAddr) -> Option<Room> {
        let mut present = self.present.borrow_mut();
        let all: usize = present.values().sum();
        let own = present.get(&client).copied().unwrap_or(0);
        if all >= self.all_max || own >= self.each_max {
            return None;
        }
        present.insert(client, own + 1);
        Some(Room {
            crowd: self.clone(),
            client,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut present = self.crowd.present.borrow_mut();
        if let Some(own) = present.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                present.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
