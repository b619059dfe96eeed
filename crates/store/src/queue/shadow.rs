//! A file that is read and never written: what is written goes to memory, over what is read.
//!
//! After a failed sync the kernel reads back what it could not write. A database that went on in such a file would sync a
//! head that points to pages which are not on the disk.

use crate::log::disk::DiskFile;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is kept of what is written, at once.
const BLOCK: u64 = 4096;

#[derive(Debug)]
pub(super) struct Shadow {
    file: Arc<dyn DiskFile>,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    length: u64,
    /// How much of the file is still meant: it may have been cut meanwhile.
    file_length: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Shadow {
    pub(super) fn of(file: Arc<dyn DiskFile>) -> io::Result<Self> {
        let length = file.length()?;
        let over = Mutex::new(Over {
            length,
            file_length: length,
            blocks: BTreeMap::new(),
        });
        Ok(Self { file, over })
    }

    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it is now.
    fn block(&self, over: &Over, number: u64) -> io::Result<Vec<u8>> {
        if let Some(block) = over.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK as usize];
        let begin = number * BLOCK;
        let there = over.file_length.saturating_sub(begin).min(BLOCK);
        if there > 0 {
            self.file.read_at(begin, &mut block[..there as usize])?;
        }
        Ok(block)
    }
}

impl DiskFile for Shadow {
    fn length(&self) -> io::Result<u64> {
        Ok(self.over().length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut over = self.over();
        if length < over.length {
            over.file_length = over.file_length.min(length);
            over.blocks.split_off(&length.div_ceil(BLOCK));
            if let Some(last) = over.blocks.get_mut(&(length / BLOCK)) {
                last[(length % BLOCK) as usize..].fill(0);
            }
        }
        over.length = length;
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let over = self.over();
        if offset.saturating_add(buffer.len() as u64) > over.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let block = self.block(&over, at / BLOCK)?;
            let part = &block[(at % BLOCK) as usize..];
            let count = part.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&part[..count]);
            done += count;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut over = self.over();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let mut block = self.block(&over, at / BLOCK)?;
            let part = &mut block[(at % BLOCK) as usize..];
            let count = part.len().min(bytes.len() - done);
            part[..count].copy_from_slice(&bytes[done..done + count]);
            over.blocks.insert(at / BLOCK, block);
            done += count;
        }
        over.length = over.length.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::{Disk, Folder};

    #[test]
    fn what_is_written_is_read_and_never_stored() {
        let path = std::env::temp_dir().join(format!("albacore-shadow-{}", std::process::id()));
        let folder = Folder::make(&path).unwrap();
        let file = folder.create("f").unwrap();
        file.write_at(0, &[1; 10_000]).unwrap();
        let shadow = Shadow::of(file.clone()).unwrap();
        shadow.write_at(4_000, &[2; 200]).unwrap();
        shadow.set_length(9_000).unwrap();
        shadow.set_length(12_000).unwrap();
        shadow.write_at(11_999, &[3; 2]).unwrap();
        shadow.sync().unwrap();
        let mut all = vec![0; 12_001];
        shadow.read_at(0, &mut all).unwrap();
        let mut expected = [vec![1; 9_000], vec![0; 3_001]].concat();
        expected[4_000..4_200].fill(2);
        expected[11_999..].fill(3);
        assert_eq!(all, expected);
        assert!(shadow.read_at(12_000, &mut [0; 2]).is_err());
        let mut stored = vec![0; 10_000];
        file.read_at(0, &mut stored).unwrap();
        assert_eq!((stored, file.length().unwrap()), (vec![1; 10_000], 10_000));
        std::fs::remove_dir_all(path).unwrap();
    }
}
