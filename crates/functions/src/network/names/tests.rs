//! Against servers of this test's own.

use super::{Crowd, Way, answer_stream, ask, read_message, with_length};
use crate::network::message::Question;
use crate::network::upstreams::Upstreams;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// About `a.b`, type A.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00\x01\x00\x01";

fn question() -> Question {
    Question::read(QUESTION).unwrap()
}

/// What a server says to it.
fn answer_to(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.to_vec();
    answer[2] |= 0x80;
    answer
}

async fn server() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn only_the_answer_to_the_question_is_taken() {
    let (socket, address) = server().await;
    let serving = async {
        let mut buffer = [0; 512];
        let (bytes, client) = socket.recv_from(&mut buffer).await.unwrap();
        let asked = &buffer[..bytes];
        let mut other_id = answer_to(asked);
        other_id[0] ^= 1;
        let mut other_name = answer_to(asked);
        other_name[13] = b'x';
        for wrong in [other_id, other_name, asked.to_vec(), vec![0; 3]] {
            socket.send_to(&wrong, client).await.unwrap();
        }
        // From another port than was asked, it does not even arrive.
        let (stranger, _) = server().await;
        let _ = stranger.send_to(&[answer_to(asked), vec![7]].concat(), client).await;
        socket.send_to(&answer_to(asked), client).await.unwrap();
    };
    let question = question();
    let servers = [address];
    let (answer, ()) = tokio::join!(ask(&question, &servers, Way::Datagram), serving);
    assert_eq!(answer, answer_to(QUESTION), "under the id that it came with");
}

#[tokio::test]
async fn ids_and_ports_are_others_each_time() {
    let (socket, address) = server().await;
    let mut seen = Vec::new();
    for _ in 0..8 {
        let serving = async {
            let mut buffer = [0; 512];
            let (bytes, client) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&answer_to(&buffer[..bytes]), client).await.unwrap();
            (buffer[..2].to_vec(), client.port())
        };
        let question = question();
        let servers = [address];
        let (_, who) = tokio::join!(ask(&question, &servers, Way::Datagram), serving);
        seen.push(who);
    }
    assert!(seen.iter().any(|(id, _)| *id != seen[0].0), "{seen:?}");
    assert!(seen.iter().any(|(_, port)| *port != seen[0].1), "{seen:?}");
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_not_there() {
    let (gone, nobody) = server().await;
    drop(gone);
    let (socket, address) = server().await;
    let serving = async {
        let mut buffer = [0; 512];
        let (bytes, client) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&answer_to(&buffer[..bytes]), client).await.unwrap();
    };
    let question = question();
    let servers = [nobody, address];
    let (answer, ()) = tokio::join!(ask(&question, &servers, Way::Datagram), serving);
    assert_eq!(answer, answer_to(QUESTION));
    // And when none is, that is an answer too.
    let failed = ask(&question, &[nobody], Way::Datagram).await;
    assert_eq!(failed, question.failed());
    assert_eq!(ask(&question, &[nobody], Way::Stream).await, question.failed());
}

#[tokio::test]
async fn streams_carry_one_question_after_the_other() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let servers = [listener.local_addr().unwrap()];
    let question = question();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read_message(&mut stream, 512).await.unwrap();
        stream.write_all(&with_length(&answer_to(&asked))).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&question, &servers, Way::Stream), serving);
    assert_eq!(answer, answer_to(QUESTION));
    // Ours: nonsense gets an answer, what is too long an end.
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut client = TcpStream::connect(door.local_addr().unwrap()).await.unwrap();
    let (stream, _) = door.accept().await.unwrap();
    let upstreams = RefCell::new(Upstreams::of_host());
    let asking = async {
        let mut two = QUESTION.to_vec();
        two[5] = 2;
        for _ in 0..2 {
            client.write_all(&with_length(&two)).await.unwrap();
            let refused = read_message(&mut client, 512).await.unwrap();
            assert_eq!(refused[3] & 0x0f, 1);
        }
        client.write_all(&[0xff, 0xff]).await.unwrap();
    };
    let (ended, ()) = tokio::join!(answer_stream(stream, &upstreams), asking);
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn one_client_leaves_room_for_others() {
    let crowd = Crowd::new(2, 3);
    let client = |number| IpAddr::from([169, 254, 64, number]);
    let one: Vec<_> = (0..2).map(|_| crowd.enter(client(2)).expect("room")).collect();
    assert!(crowd.enter(client(2)).is_none(), "it has its share");
    let other = crowd.enter(client(3)).expect("room for others");
    assert!(crowd.enter(client(4)).is_none(), "and now there is none");
    drop((one, other));
    assert!(crowd.present.borrow().is_empty());
}
