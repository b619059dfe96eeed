//! The log on real files: who may read them, who may have them, and what happens to damaged ones.

use crate::disk::Simulated;
use crate::draw::Draw;
use crate::support::TestFolder;
use model::{Change, Revision, State};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use store::{AppendError, EmbeddedLog, Folder, Log, OpenError, Room};

const FILE: &str = "state.redb";

fn open(folder: &Path) -> Result<(EmbeddedLog, State), OpenError> {
    EmbeddedLog::open(Arc::new(Folder::make(folder).unwrap()), Room::default())
}

/// Appends one batch and gives the state after it.
fn append(log: &mut EmbeddedLog, state: &State, changes: Vec<Change>) -> State {
    let mut next = state.clone();
    changes.iter().for_each(|change| next.apply(change));
    next.revision = Revision(state.revision.0 + 1);
    log.append(state.revision, &[changes], &next).unwrap();
    next
}

fn some(draw: &mut Draw) -> Vec<Change> {
    (0..5).map(|_| draw.change()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_state_outlives_its_process_and_is_private() {
    let around = TestFolder::new();
    let folder = around.path().join("state");
    let mut draw = Draw::seeded(1);
    let (mut log, mut state) = open(&folder).unwrap();
    assert_eq!(state, State::default());
    for _ in 0..5 {
        state = append(&mut log, &state, some(&mut draw));
    }
    drop(log);
    assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    // A copy that was put back, and a file that was not finished.
    fs::set_permissions(folder.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.join("state.redb.new"), "half").unwrap();
    let (log, read) = open(&folder).unwrap();
    assert_eq!(read, state);
    assert_eq!(mode(&folder.join(FILE)), 0o600);
    let names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE]);
    drop(log);
}

#[test]
fn a_file_has_one_process_at_a_time() {
    let folder = TestFolder::new();
    let (mut log, state) = open(folder.path()).unwrap();
    let refused = open(folder.path()).unwrap_err();
    let file = folder.path().join(FILE);
    assert_eq!(
        refused.to_string(),
        format!(
            "{} is in use by another process; stop that one, or choose another folder with --data-dir",
            file.display()
        )
    );
    // What a takeover does: one closes, the other opens and writes, and on an error the first one goes on.
    log.close();
    assert!(matches!(
        log.append(Revision(0), &[vec![]], &state),
        Err(AppendError::Closed)
    ));
    let (mut other, read) = open(folder.path()).unwrap();
    let news = append(&mut other, &read, some(&mut Draw::seeded(2)));
    assert!(matches!(log.open_again(), Err(OpenError::InUse { .. })));
    drop(other);
    assert_eq!(log.open_again().unwrap(), Some(news.clone()));
    log.close();
    assert_eq!(log.open_again().unwrap(), None);
    append(&mut log, &news, some(&mut Draw::seeded(3)));
}

#[test]
fn a_file_that_is_no_state_is_refused() {
    for (contents, said) in [
        (Vec::new(), "is damaged at its pages: it is empty"),
        (b"something else".to_vec(), "is damaged at its pages: "),
        (vec![0; 1 << 20], "is damaged at its pages: "),
    ] {
        let folder = TestFolder::new();
        fs::write(folder.path().join(FILE), &contents).unwrap();
        let refused = open(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains(said) && refused.ends_with("is there again"),
            "{refused}"
        );
        assert_eq!(
            fs::read(folder.path().join(FILE)).unwrap(),
            contents,
            "it is left as it is"
        );
    }
}

/// A disk with a state whose checkpoint and log both hold something, closed in order.
fn written(seed: u64) -> (Simulated, State) {
    let disk = Simulated::new(seed);
    let mut draw = Draw::seeded(seed);
    let room = Room {
        batches: 6,
        ..Room::default()
    };
    let (mut log, mut state) = EmbeddedLog::open(Arc::new(disk.clone()), room).unwrap();
    for _ in 0..10 {
        state = append(&mut log, &state, some(&mut draw));
    }
    (disk, state)
}

#[test]
fn no_bit_changes_a_state_silently() {
    let (disk, state) = written(11);
    let places = disk.written(FILE);
    let mut draw = Draw::seeded(5);
    let (mut damaged, mut harmless) = (0, 0);
    for _ in 0..400 {
        let (place, bits) = (draw.pick(&places), 1 << draw.below(8));
        let copy = disk.copy();
        copy.rot(FILE, place, bits);
        match EmbeddedLog::open(Arc::new(copy), Room::default()) {
            Ok((_, read)) if read == state => harmless += 1,
            Ok(_) => panic!("bits {bits} at {place} changed the state"),
            Err(OpenError::Damaged { place: said, .. }) => {
                assert!(!said.is_empty());
                damaged += 1;
            }
            Err(other) => panic!("bits {bits} at {place}: {other}"),
        }
    }
    // Pages that are not in use any more may rot.
    assert!(damaged > 50 && harmless > 10, "{damaged} {harmless}");
}
