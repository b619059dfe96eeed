//! Kill -9 in a loop, on real files: every acknowledged batch is there, and the one that was being written is there as a
//! whole or not at all.
//!
//! The test starts itself as the process that is killed, so it has a `main` of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[allow(dead_code)]
#[path = "store/draw.rs"]
mod draw;
#[path = "store/support.rs"]
mod support;

use draw::Draw;
use model::{Change, Revision, State};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use store::{EmbeddedLog, Folder, Log, Room};
use support::TestFolder;

const KILLS: u64 = 25;
/// So few that checkpoints are killed, too.
const ROOM: Room = Room {
    batches: 5,
    bytes: 1 << 20,
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("write"), Some(folder)) => write(Path::new(&folder)),
        (Some("--list"), _) => println!("what_was_acknowledged_survives_kill: test"),
        _ => {
            what_was_acknowledged_survives_kill();
            println!("test what_was_acknowledged_survives_kill ... ok");
        }
    }
}

fn what_was_acknowledged_survives_kill() {
    let folder = TestFolder::new();
    let mut draw = Draw::seeded(3);
    let mut expected = State::default();
    let mut in_between = 0;
    for _ in 0..KILLS {
        let mut child = start(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first line comes before it opens the store.
        for _ in 0..=draw.below(8) {
            lines.next().unwrap().unwrap();
        }
        // Somewhere in what follows.
        (0..draw.below(3000)).for_each(|_| std::thread::yield_now());
        child.kill().unwrap();
        child.wait().unwrap();
        // What it could still say; a line that was cut is a smaller number.
        let told = lines.map_while(Result::ok).filter_map(|line| line.parse().ok());
        let acknowledged = Revision(told.last().unwrap_or(0)).max(expected.revision);

        let (log, state) = open(folder.path());
        drop(log);
        assert!(
            state.revision >= acknowledged,
            "{:?} was acknowledged, {:?} is there",
            acknowledged,
            state.revision
        );
        in_between += usize::from(state.revision > acknowledged);
        while expected.revision < state.revision {
            advance(&mut expected);
        }
        assert_eq!(state, expected);
    }
    assert!(expected.revision > Revision(KILLS), "hardly anything was written");
    println!(
        "{KILLS} kills, {} revisions, {in_between} more than was heard of",
        expected.revision.0
    );
}

fn start(folder: &Path) -> Child {
    let itself = std::env::current_exe().unwrap();
    let mut command = Command::new(itself);
    command.arg("write").arg(folder).stdout(Stdio::piped()).spawn().unwrap()
}

fn open(folder: &Path) -> (EmbeddedLog, State) {
    EmbeddedLog::open(Arc::new(Folder::make(folder).unwrap()), ROOM).unwrap()
}

/// What is killed: it says each revision once it is acknowledged.
fn write(folder: &Path) {
    let say = |revision: u64| {
        let mut output = std::io::stdout();
        writeln!(output, "{revision}").and_then(|()| output.flush())
    };
    say(0).unwrap();
    let (mut log, mut state) = open(folder);
    loop {
        let after = state.revision;
        let batch = advance(&mut state);
        log.append(after, &[batch], &state).unwrap();
        if say(state.revision.0).is_err() {
            return; // nobody is there to kill it
        }
    }
}

/// The next batch, which follows from its revision.
fn advance(state: &mut State) -> Vec<Change> {
    let next = Revision(state.revision.0 + 1);
    let mut draw = Draw::seeded(next.0);
    let changes: Vec<Change> = (0..3).map(|_| draw.change()).collect();
    changes.iter().for_each(|change| state.apply(change));
    state.revision = next;
    changes
}
