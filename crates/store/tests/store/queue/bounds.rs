//! How much may wait, who has the file, and what is told.

use super::*;

fn open(folder: &TestFolder, room: QueueRoom) -> (Queue, Heard) {
    let heard = Heard::default();
    let disk = Arc::new(Folder::make(folder.path()).unwrap());
    (Queue::open(disk, room, heard.listener()).unwrap(), heard)
}

#[test]
fn a_full_queue_refuses_until_something_leaves() {
    let folder = TestFolder::new();
    let room = QueueRoom {
        events: 2,
        bytes: 1 << 20,
    };
    let (queue, _) = open(&folder, room);
    runtime().block_on(async {
        let first = queue.add(event(1, b"1")).await.unwrap();
        queue.add(event(2, b"2")).await.unwrap();
        assert!(matches!(queue.add(event(3, b"3")).await, Err(AddError::Full)));
        assert_eq!(queue.monitor().events(), 2);
        // One leaves, and one comes of it: there is room for that.
        queue
            .settle(first, Settlement::Followed(Box::new(event(4, b"4"))))
            .await
            .unwrap();
        assert!(matches!(queue.add(event(5, b"5")).await, Err(AddError::Full)));
        assert_eq!(queue.read(first).await, Err(QueueError::Gone));
        assert_eq!(queue.settle(first, Settlement::Gone).await, Err(QueueError::Gone));
    });
}

#[test]
fn bytes_are_bounded_and_what_follows_has_a_reserve() {
    let folder = TestFolder::new();
    let room = QueueRoom {
        events: 100,
        bytes: 40_000,
    };
    let (queue, _) = open(&folder, room);
    runtime().block_on(async {
        let large = vec![b'1'; 19_000];
        let first = queue.add(event(1, &large)).await.unwrap();
        let second = queue.add(event(2, &large)).await.unwrap();
        assert!(matches!(queue.add(event(3, &large)).await, Err(AddError::Full)));
        assert!(queue.monitor().bytes() > 38_000 && queue.monitor().bytes() <= 40_000);
        let follower = |bytes: usize| Settlement::Followed(Box::new(event(4, &vec![b'1'; bytes])));
        assert_eq!(queue.settle(first, follower(30_000)).await, Err(QueueError::Full));
        assert_eq!(queue.read(first).await, Ok(event(1, &large)), "nothing was recorded");
        queue.settle(first, follower(9_000)).await.unwrap();
        queue.settle(second, Settlement::Gone).await.unwrap();
        queue.add(event(3, &large)).await.unwrap();
    });
}

#[test]
fn those_that_wait_are_there_after_the_next_start() {
    let folder = TestFolder::new();
    let room = QueueRoom::default();
    let again = Attempts {
        failures: 1,
        due: model::Timestamp(77),
    };
    let (queue, heard) = open(&folder, room);
    let (kept, before) = runtime().block_on(async {
        let gone = queue.add(event(1, b"1")).await.unwrap();
        let kept = queue.add(event(2, b"[2]")).await.unwrap();
        queue.settle(kept, Settlement::Again(again)).await.unwrap();
        queue.settle(gone, Settlement::Gone).await.unwrap();
        // Another process cannot have it meanwhile.
        let other = Queue::open(Arc::new(Folder::make(folder.path()).unwrap()), room, |_| {});
        assert!(matches!(other, Err(QueueOpenError::InUse { .. })));
        queue.close().await;
        assert!(matches!(queue.add(event(3, b"3")).await, Err(AddError::Closed)));
        assert_eq!(queue.read(kept).await, Err(QueueError::Closed));
        (kept, heard.told().len())
    });
    assert_eq!(before, 2);
    let (queue, heard) = open(&folder, room);
    let told = heard.told();
    assert_eq!((told.len(), told[0].id, told[0].attempts), (1, kept, again));
    runtime().block_on(async {
        assert_eq!(queue.read(kept).await, Ok(event(2, b"[2]")));
        let next = queue.add(event(4, b"4")).await.unwrap();
        assert!(next > kept, "places are not used again");
        queue.close().await;
        queue.open_again().await.unwrap();
        assert_eq!(heard.told().len(), 1 + 1 + 2, "what is there is told again");
    });
}

#[test]
fn those_that_wait_in_line_are_written_together() {
    let disk = Simulated::new(7);
    let room = QueueRoom::default();
    let heard = Heard::default();
    let queue = Queue::open(Arc::new(disk.clone()), room, heard.listener()).unwrap();
    runtime().block_on(async {
        queue.add(event(0, b"0")).await.unwrap();
        let before = disk.operations();
        queue.add(event(1, b"1")).await.unwrap();
        let one = disk.operations() - before;
        let before = disk.operations();
        let many: Vec<_> = (2..40).map(|number| (number, queue.clone())).collect();
        let mut adding = tokio::task::JoinSet::new();
        for (number, queue) in many {
            adding.spawn(async move { queue.add(event(number, b"x")).await.is_ok() });
        }
        let added = adding.join_all().await;
        assert!(added.iter().all(|it| *it));
        let all = disk.operations() - before;
        assert!(all < 38 * one / 2, "{all} operations for 38 events, {one} for one");
    });
    assert_eq!(heard.told().len(), 40);
}

/// Bits that changed on the disk are found, and nothing is run that nobody asked for.
#[test]
fn a_damaged_file_is_refused_with_a_sentence() {
    let disk = Simulated::new(1);
    let queue = Queue::open(Arc::new(disk.clone()), QueueRoom::default(), |_| {}).unwrap();
    runtime().block_on(async {
        for number in 0..20 {
            queue.add(event(number, b"{\"some\":\"payload\"}")).await.unwrap();
        }
        queue.close().await;
    });
    drop(queue);
    let places = disk.written("events.redb");
    let mut refused = 0;
    for at in places.iter().step_by(97) {
        let copy = disk.copy();
        copy.rot("events.redb", *at, 0x10);
        let heard = Heard::default();
        match Queue::open(Arc::new(copy), QueueRoom::default(), heard.listener()) {
            Ok(_) => assert_eq!(heard.told().len(), 20, "at {at}"),
            Err(QueueOpenError::Damaged { .. } | QueueOpenError::Unknown { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 5, "{refused} of {}", places.len() / 97);
}
