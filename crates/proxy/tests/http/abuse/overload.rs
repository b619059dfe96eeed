//! More clients than places, for a moment and for longer.

use super::*;

/// More than are refused at the same time.
const SILENT: usize = 70;

/// Clients that are served and keep their connections.
fn holding(server: &Server, count: usize) -> Vec<Client> {
    let served = |_| {
        let mut client = server.connect();
        client.send(REQUEST);
        assert_eq!(client.response().status, 200);
        client
    };
    (0..count).map(served).collect()
}

/// Asks and does not wait for the answer.
fn asking(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(REQUEST);
    client
}

/// So many places, and a refusal as soon as they are taken.
fn impatient(connections_max: usize) -> Setup {
    let mut setup = Setup::default();
    setup.limits.connections_max = connections_max;
    setup.limits.refuse_after = Duration::from_millis(1);
    setup
}

/// So many places, and no refusals.
fn patient(connections_max: usize) -> Setup {
    let mut setup = impatient(connections_max);
    setup.limits.refuse_after = PATIENCE;
    setup
}

#[track_caller]
fn assert_refused(server: &Server, count: usize) {
    let [own, of_load_balancer] = [
        "albacore_proxy_accept_refusals_total",
        "albacore_proxy_rejected_connections_total",
    ]
    .map(|name| server.counter(name));
    assert_eq!((own, of_load_balancer), (count as f64, count as f64));
}

// The kernel spreads connections over the cores as it likes: a core that had half the places would run out of them.
#[test]
fn all_cores_share_the_places() {
    let mut setup = patient(64);
    setup.cores = 2;
    let server = setup.start();
    let mut open = holding(&server, 64);
    for _ in 0..20 {
        let mut waiting: Vec<_> = (0..4).map(|_| asking(&server)).collect();
        assert_eq!(server.proxy.connections(), 64, "not one more");
        open.drain(..4);
        for mut client in waiting.drain(..) {
            assert_eq!(client.response().status, 200);
            open.push(client);
        }
    }
    assert_refused(&server, 0);
    assert_eq!(server.log().len(), 64 + 20 * 4);
}

#[test]
fn a_burst_is_served_as_places_become_free() {
    let mut setup = patient(4);
    setup.cores = 2;
    let server = setup.start();
    let burst = (0..100).map(|_| {
        let mut client = server.connect();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client
    });
    for mut client in burst.collect::<Vec<_>>() {
        assert_eq!(client.response().status, 200);
        assert_eq!(client.rest(), b"");
    }
    assert_refused(&server, 0);
    assert_eq!(server.log().len(), 100);
}

#[test]
fn clients_beyond_places_that_stay_taken_get_503() {
    let mut setup = impatient(2);
    setup.cores = 2;
    let server = setup.start();
    let mut open = holding(&server, 2);
    for round in 0..30 {
        let mut refused = server.connect();
        match round % 3 {
            0 => {} // who has sent nothing is told as well
            1 => refused.send(REQUEST),
            _ => refused.send(
                &[
                    &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"[..],
                    &[0; 100_000],
                ]
                .concat(),
            ),
        }
        let response = refused.response();
        assert!(
            response
                .head
                .starts_with("HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\nDate: "),
            "{}",
            response.head
        );
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(response.header("content-type"), Some("text/html"));
        assert_eq!((response.body.len(), &*refused.rest()), (162, &b""[..]));
    }
    assert_refused(&server, 30);
    assert_eq!(server.counter("albacore_proxy_new_connections_total"), 2.0);
    assert_eq!(server.proxy.connections(), 2);
    // Who has a place is served, and so is everybody once there are places again.
    for client in &mut open {
        client.send(REQUEST);
        assert_eq!(client.response().status, 200);
    }
    open.pop();
    // A core that is slow to see that a free place is not for it keeps it from the other one for a moment.
    until("a client is served", || asking(&server).response().status == 200);
    assert_eq!(server.log().len(), 2 + 2 + 1, "nothing of the others is logged");
}

#[test]
fn where_tls_is_spoken_a_refusal_is_no_handshake() {
    let server = impatient(1).with_tls().start();
    let config = Offer::default().config();
    let mut holder = server.handshake(&config, "shop.example").unwrap();
    assert_eq!(holder.get().status, 200);
    for _ in 0..20 {
        assert!(server.handshake(&config, "shop.example").is_err());
    }
    let mut silent = server.connect();
    assert_eq!(silent.rest(), b"", "closed without a word");
    assert_refused(&server, 21);
    assert_eq!(server.counter("albacore_proxy_tls_negotiation_errors_total"), 0.0);
    assert_eq!(server.counter("albacore_proxy_new_connections_total"), 1.0);
    drop(holder);
    until("the place is free", || server.proxy.connections() == 0);
    assert_eq!(server.handshake(&config, "shop.example").unwrap().get().status, 200);
    assert_refused(&server, 21);
}

#[test]
fn whoever_does_not_take_the_refusal_is_not_waited_for() {
    let server = impatient(1).start();
    let open = holding(&server, 1);
    let silent: Vec<_> = (0..SILENT).map(|_| asking(&server)).collect();
    // It comes behind all of them.
    assert_eq!(asking(&server).response().status, 503);
    assert_refused(&server, SILENT + 1);
    drop(open);
    until("the place is free", || server.proxy.connections() == 0);
    assert_eq!(server.get("/").status, 200);
    // The page waits for them all the same.
    for mut client in silent {
        assert_eq!(client.response().status, 503);
    }
    assert_eq!(server.log().len(), 2);
}

#[test]
fn draining_waits_for_refusals() {
    let server = impatient(1).start();
    let _open = holding(&server, 1);
    let mut refused = server.connect();
    until("it is refused", || {
        server.counter("albacore_proxy_accept_refusals_total") == 1.0
    });
    drain(&server).join().unwrap();
    assert_eq!(refused.response().status, 503);
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 0.0);
}

// As a takeover that fails does.
#[test]
fn who_waits_is_not_lost_when_accepting_pauses() {
    let mut setup = patient(1);
    setup.cores = 2;
    let server = setup.start();
    let mut open = holding(&server, 1);
    for _ in 0..20 {
        let mut waiting = asking(&server);
        drop(server.proxy.pause());
        open.clear();
        until("the place is free", || server.proxy.connections() == 0);
        server.proxy.resume();
        assert_eq!(waiting.response().status, 200);
        open.push(waiting);
    }
    assert_refused(&server, 0);
}
