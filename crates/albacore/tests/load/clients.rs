//! Clients that keep their connections and send one request after the other.

use crate::world::{BEHAVIOURS, Behaviour};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use testkit::Connection;

/// What one client has sent, with the answers' statuses: how it ended, too.
pub(crate) struct Report {
    pub(crate) answers: BTreeMap<String, u16>,
    pub(crate) end: io::Result<()>,
}

/// Starts every client on a thread of its own. They go on until `stop`, or until their connection breaks.
pub(crate) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    listener: SocketAddr,
    stop: &'scope AtomicBool,
) -> Vec<ScopedJoinHandle<'scope, Report>> {
    let all = BEHAVIOURS
        .iter()
        .flat_map(|it| (0..it.clients).map(move |client| (it, client)));
    all.map(|(behaviour, client)| scope.spawn(move || work(listener, behaviour, client, stop)))
        .collect()
}

fn work(listener: SocketAddr, behaviour: &Behaviour, client: usize, stop: &AtomicBool) -> Report {
    let mut answers = BTreeMap::new();
    let end = Connection::open(listener).and_then(|mut connection| {
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let path = format!("/{}/{client}/{number}", behaviour.name);
            let answer = connection.get(&path)?;
            // A wrong answer is a finding and no broken connection.
            assert_eq!(answer.status, behaviour.status, "{path}: {}", answer.body);
            if answer.status == 200 {
                assert_eq!(answer.body, path, "the answer to another request");
            }
            answers.insert(path, answer.status);
        }
        // Nothing comes that nobody has asked for.
        connection.finish_sending()?;
        match connection.response() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            other => panic!("one answer too many: {other:?}"),
        }
    });
    Report { answers, end }
}
