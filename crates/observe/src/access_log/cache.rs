//! What has been written leaves the system's cache of files. Nobody reads a busy log from its beginning, but thousands of
//! lines a second fill the memory of the machine with it: the pages of others go, and every new page costs more than the
//! writing itself, above all where the machine is a virtual one.

use std::fs::File;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use rustix::fs::{Advice, fadvise};

/// So many bytes are written between two times that the system is told. What has reached the disk by then leaves, what has not
/// is sent there, so that twice as much stays for those who follow the log.
const BYTES: usize = 1024 * 1024;

/// Tells the system, on a thread of its own: where the disk is slow it is told less often, and writing does not wait for it.
pub(super) struct Cache {
    written: usize,
    teller: SyncSender<File>,
}

impl Cache {
    /// Without a thread to be had everything stays in the cache, as with other programs.
    pub(super) fn new() -> Self {
        let (cache, files) = Self::untold();
        let told = thread::Builder::new()
            .name("log-cache".to_owned())
            // It ends with its sender. Nobody waits for it: nothing that counts is left to do.
            .spawn(move || files.into_iter().for_each(|file| forget(&file)));
        drop(told);
        cache
    }

    fn untold() -> (Self, Receiver<File>) {
        let (teller, files) = mpsc::sync_channel(1);
        (Self { written: 0, teller }, files)
    }

    /// So many bytes more have been appended to the file.
    pub(super) fn written(&mut self, bytes: usize, file: &File) {
        self.written = self.written.saturating_add(bytes);
        if self.written < BYTES {
            return;
        }
        self.written = 0;
        // Neither for want of a descriptor nor while the last time is not over.
        let _ = file.try_clone().map(|file| self.teller.try_send(file));
    }
}

/// Starts the writing of what is not on the disk yet, and drops what is. Pipes and devices refuse, and have no such pages.
fn forget(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn every_megabyte_is_told_unless_the_last_one_still_is() {
        let directory = TestDirectory::new();
        let file = File::create(directory.file("access.log")).unwrap();
        let (mut cache, files) = Cache::untold();
        for _ in 0..7 {
            cache.written(BYTES / 8, &file);
            assert!(files.try_recv().is_err());
        }
        for bytes in [BYTES / 8, BYTES, 5 * BYTES] {
            cache.written(bytes, &file);
        }
        let told = files.try_recv().unwrap();
        assert_eq!(told.metadata().unwrap().ino(), file.metadata().unwrap().ino());
        assert!(files.try_recv().is_err(), "it is busy with the first");
        cache.written(BYTES, &file);
        assert!(files.try_recv().is_ok());
    }

    #[test]
    fn what_is_forgotten_can_be_read() {
        let directory = TestDirectory::new();
        std::fs::write(directory.file("access.log"), "a line\n").unwrap();
        forget(&File::open(directory.file("access.log")).unwrap());
        assert_eq!(directory.read("access.log"), "a line\n");
        forget(&File::open("/dev/null").unwrap());
    }
}
