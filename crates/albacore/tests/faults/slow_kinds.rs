//! Slow clients once more: with TLS, and with WebSockets that are full in both directions.

use crate::slow::{SLOW, Target, alone, begin, costs_at_most, push, small_socket, world};
use crate::world::World;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use testkit::{BOUND, SecureStream, anonymous_kilobytes, trusting, until};

/// What a session with TLS may cost, at most: what is sealed and waits is kept twice.
const SECURE_KILOBYTES_MAX: u64 = 160;
/// What a tunnel may cost, at most: what waits in both directions.
const TUNNEL_KILOBYTES_MAX: u64 = 96;

fn begin_securely(world: &World, config: &Arc<rustls::ClientConfig>) -> SecureStream {
    let socket = small_socket();
    socket.connect(&world.secure_listener().into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.set_write_timeout(Some(BOUND)).unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(config.clone(), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).unwrap();
    }
    let mut stream = SecureStream::new(session, socket);
    let request = "GET /slow/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn thousands_of_slow_readers_with_tls_cost_bounded_memory() {
    let _alone = alone();
    let target = Target::start();
    let world = world(&target);
    let before = anonymous_kilobytes(world.server.pid());
    let config = trusting(&["http/1.1"]);
    let mut slow: Vec<_> = (0..SLOW).map(|_| begin_securely(&world, &config)).collect();
    target.is_stuck(SLOW as u64);
    costs_at_most(&world, before, "slow readers with TLS", SECURE_KILOBYTES_MAX);
    let mut some = [0; 4096];
    for _ in 0..4 {
        slow.iter_mut().for_each(|stream| stream.read_exact(&mut some).unwrap());
        target.is_stuck(SLOW as u64);
    }
    costs_at_most(
        &world,
        before,
        "slow readers with TLS after a while",
        SECURE_KILOBYTES_MAX,
    );
    drop(slow);
    until("the target is let go of", || (target.open() == 0).then_some(()));
    world.settles();
}

#[test]
fn thousands_of_tunnels_that_are_full_cost_bounded_memory() {
    let _alone = alone();
    let target = Target::start();
    let world = world(&target);
    let before = anonymous_kilobytes(world.server.pid());
    let ask = "GET /slow/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut full: Vec<_> = (0..SLOW).map(|_| begin(&world, ask, b"")).collect();
    target.is_stuck(SLOW as u64);
    // Nobody reads, on either side.
    for _ in 0..6 {
        for socket in &mut full {
            push(socket, usize::MAX);
        }
        target.is_stuck(SLOW as u64);
        costs_at_most(
            &world,
            before,
            "tunnels that are full in both directions",
            TUNNEL_KILOBYTES_MAX,
        );
    }
    drop(full);
    until("the target is let go of", || (target.open() == 0).then_some(()));
    world.settles();
}
