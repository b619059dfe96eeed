//! A disk in memory that loses what was not synced, tears what it writes, and fails when it is told to.
//!
//! A crash keeps of each write that was not synced any of its sectors, whatever the order, and of what happened to names
//! either all or nothing. A failed sync behaves as Linux does: what could not be written stays readable until the crash
//! and is never written again.

use crate::draw::Draw;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use store::log::disk::{Disk, DiskFile};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// The disk. It outlives the processes that use it.
#[derive(Clone, Debug)]
pub(crate) struct Simulated(Arc<Mutex<World>>);

#[derive(Debug)]
struct World {
    draw: Chance,
    /// By name, as processes see it, and as it is after a crash.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    files: BTreeMap<u64, Contents>,
    made: u64,
    /// Counts crashes: files that were opened before one are of no use.
    boot: u64,
    plan: Plan,
    operations: u64,
}

/// `Draw` without a `Debug` of numbers.
struct Chance(Draw);

impl std::fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Chance")
    }
}

/// What goes wrong, each counted in operations from now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// The power goes off.
    pub(crate) crash_in: Option<u64>,
    /// One operation fails.
    pub(crate) error_in: Option<u64>,
    /// The next sync fails.
    pub(crate) fail_sync: bool,
    /// There is no space.
    pub(crate) full: bool,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    now: Bytes,
    durable: Bytes,
    unsynced: Vec<Write>,
    /// Who has it open.
    holder: Weak<()>,
}

#[derive(Clone, Debug, Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// Which sectors have space: the others are holes.
    written: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Write {
    Length(u64),
    Bytes(u64, Vec<u8>),
}

#[derive(Debug)]
struct Opened {
    disk: Simulated,
    id: u64,
    boot: u64,
    /// Held: the file is locked while it is open.
    _lock: Arc<()>,
}

impl Simulated {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            draw: Chance(Draw::seeded(seed)),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            files: BTreeMap::new(),
            made: 0,
            boot: 0,
            plan: Plan::default(),
            operations: 0,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(crate) fn plan(&self, plan: Plan) {
        self.world().plan = plan;
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// The power is off: did the plan say so already?
    pub(crate) fn is_down(&self) -> bool {
        self.world().plan.crash_in == Some(0)
    }

    /// The power goes off and comes back. Nothing is planned any more.
    pub(crate) fn restart(&self) {
        let mut world = self.world();
        let World {
            draw: Chance(draw),
            names,
            durable_names,
            files,
            ..
        } = &mut *world;
        if draw.chance(50) {
            durable_names.clone_from(names);
        }
        names.clone_from(durable_names);
        let kept = draw.pick(&[0, 50, 90, 100]);
        for contents in files.values_mut() {
            let unsynced = std::mem::take(&mut contents.unsynced);
            contents.keep_some(unsynced, kept, draw);
            contents.now = contents.durable.clone();
            contents.holder = Weak::new();
        }
        files.retain(|id, _| names.values().any(|named| named == id));
        world.boot += 1;
        world.plan = Plan::default();
    }

    /// Another disk with the same on it.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(0);
        let (world, mut other) = (self.world(), copy.world());
        other.names = world.names.clone();
        other.durable_names = world.durable_names.clone();
        other.made = world.made;
        other.files = world.files.clone();
        other
            .files
            .values_mut()
            .for_each(|contents| contents.holder = Weak::new());
        drop(other);
        copy
    }

    /// Changes bits where they are kept, as a disk that rots does.
    pub(crate) fn rot(&self, name: &str, offset: usize, bits: u8) {
        let mut world = self.world();
        let id = world.names[name];
        let contents = world.files.get_mut(&id).unwrap();
        contents.now.bytes[offset] ^= bits;
        contents.durable.bytes[offset] ^= bits;
    }

    /// Where a file holds something.
    pub(crate) fn written(&self, name: &str) -> Vec<usize> {
        let world = self.world();
        let contents = &world.files[&world.names[name]];
        let written = contents.now.written.iter();
        written
            .flat_map(|sector| sector * SECTOR..(sector + 1) * SECTOR)
            .collect()
    }
}

impl World {
    /// One operation: may it happen?
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        for countdown in [&mut self.plan.crash_in, &mut self.plan.error_in] {
            *countdown = countdown.map(|left| left.saturating_sub(1));
        }
        if self.plan.crash_in == Some(0) {
            return Err(io::Error::other("the power is off"));
        }
        if self.plan.error_in == Some(0) {
            self.plan.error_in = None;
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        Ok(())
    }

    fn open(&mut self, disk: &Simulated, id: u64) -> io::Result<Arc<dyn DiskFile>> {
        let lock = Arc::new(());
        let contents = self.files.get_mut(&id).unwrap();
        if contents.holder.strong_count() > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        contents.holder = Arc::downgrade(&lock);
        Ok(Arc::new(Opened {
            disk: disk.clone(),
            id,
            boot: self.boot,
            _lock: lock,
        }))
    }
}

impl Disk for Simulated {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let mut world = self.world();
        world.operate()?;
        let Some(id) = world.names.get(name).copied() else {
            return Ok(None);
        };
        // The folder's own sync.
        world.operate()?;
        world.durable_names = world.names.clone();
        world.open(self, id).map(Some)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.operate()?;
        world.made += 1;
        let id = world.made;
        world.names.insert(name.to_owned(), id);
        world.files.insert(id, Contents::default());
        world.open(self, id)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        let id = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), id);
        // The folder's own sync.
        world.operate()?;
        world.durable_names = world.names.clone();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        world.names.remove(name);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/simulated").join(name)
    }
}

impl Opened {
    fn with<T>(&self, work: impl FnOnce(&mut World, &mut Contents) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.disk.world();
        if world.boot != self.boot {
            return Err(io::Error::other("of a process that is no more"));
        }
        let operated = world.operate();
        let mut contents = std::mem::take(world.files.get_mut(&self.id).unwrap());
        let worked = operated.and_then(|()| work(&mut world, &mut contents));
        world.files.insert(self.id, contents);
        worked
    }
}

impl DiskFile for Opened {
    fn length(&self) -> io::Result<u64> {
        self.with(|_, contents| Ok(contents.now.bytes.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.with(|world, contents| {
            if world.plan.full && length > contents.now.bytes.len() as u64 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            contents.write(Write::Length(length));
            Ok(())
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with(|_, contents| contents.now.read(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|world, contents| {
            // Of a write that fails for want of space, a part may have happened.
            let mut sectors = sectors(offset as usize, bytes.len());
            let new = sectors.any(|sector| !contents.now.written.contains(&sector));
            if world.plan.full && new {
                let Chance(draw) = &mut world.draw;
                let part = draw.below(bytes.len() + 1) / SECTOR * SECTOR;
                contents.write(Write::Bytes(offset, bytes[..part].to_vec()));
                return Err(io::ErrorKind::StorageFull.into());
            }
            contents.write(Write::Bytes(offset, bytes.to_vec()));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|world, contents| {
            let unsynced = std::mem::take(&mut contents.unsynced);
            if std::mem::take(&mut world.plan.fail_sync) {
                let Chance(draw) = &mut world.draw;
                contents.keep_some(unsynced, 50, draw);
                return Err(io::Error::from_raw_os_error(5)); // EIO
            }
            unsynced.iter().for_each(|write| contents.durable.apply(write));
            Ok(())
        })
    }
}

impl Contents {
    fn write(&mut self, write: Write) {
        self.now.apply(&write);
        self.unsynced.push(write);
    }

    /// Each sector of each write is kept with this chance.
    fn keep_some(&mut self, writes: Vec<Write>, percent: usize, draw: &mut Draw) {
        for write in writes {
            match write {
                Write::Length(_) if draw.chance(percent) => self.durable.apply(&write),
                Write::Length(_) => {}
                Write::Bytes(offset, bytes) => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let end = (at + SECTOR - (offset as usize + at) % SECTOR).min(bytes.len());
                        if draw.chance(percent) {
                            let sector = Write::Bytes(offset + at as u64, bytes[at..end].to_vec());
                            self.durable.apply(&sector);
                        }
                        at = end;
                    }
                }
            }
        }
    }
}

impl Bytes {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Length(length) => {
                self.make_length(*length as usize);
                self.written.split_off(&self.bytes.len().div_ceil(SECTOR));
            }
            Write::Bytes(offset, bytes) => {
                let range = *offset as usize..*offset as usize + bytes.len();
                if self.bytes.len() < range.end {
                    self.make_length(range.end);
                }
                self.written.extend(sectors(range.start, bytes.len()));
                self.bytes[range].copy_from_slice(bytes);
            }
        }
    }

    fn make_length(&mut self, length: usize) {
        // `resize` writes byte after byte where nothing is optimised.
        let kept = length.min(self.bytes.len());
        let old = std::mem::replace(&mut self.bytes, vec![0; length]);
        self.bytes[..kept].copy_from_slice(&old[..kept]);
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = offset as usize..offset as usize + buffer.len();
        let bytes = self.bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// The sectors that a range of bytes touches.
fn sectors(offset: usize, length: usize) -> std::ops::Range<usize> {
    offset / SECTOR..(offset + length).div_ceil(SECTOR)
}
