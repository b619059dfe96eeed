//! Writing datapoints: a block a minute, a file an hour, and old files away.

use super::block::Encoder;
use super::file::{self, Entry};
use super::{Datapoint, DatapointLimits, DatapointNews, Dimension, Shared};
use crate::append::append_all;
use crate::random::random_name;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A longer minute is written in several blocks, so that neither writing nor reading one takes much memory.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Source: CloudWatch, `MetricDatum`: 30 dimensions, names of 255 characters, values of 1,024.
const DIMENSIONS_MAX: usize = 30;
const TEXT_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    limits: DatapointLimits,
    shared: Arc<Shared>,
    open: Option<Open>,
    /// The whole files that this process has begun, by hour: what comes late goes there.
    begun: BTreeMap<u64, PathBuf>,
    encoder: Encoder,
    block: Vec<u8>,
    /// Datapoints lost since writing began to fail.
    failing: Option<u64>,
}

/// The file of the current hour, and what is known of the others.
#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    hour: u64,
    bytes: u64,
    others: VecDeque<Entry>,
}

/// Takes the datapoints of one minute.
#[derive(Debug)]
pub struct DatapointMinute<'a> {
    writer: &'a mut Writer,
    minute: u64,
    /// What the system said first.
    error: Option<io::Error>,
    lost: u64,
}

impl DatapointMinute<'_> {
    /// Adds a datapoint. Those with the same namespace and dimensions take less room when they follow each other. One
    /// that CloudWatch would not take (a value that is no number, a name that is too long or empty) is lost and counted.
    pub fn put(&mut self, point: &Datapoint<'_>) {
        if !is_valid(point) {
            self.writer.shared.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if point.dimensions.is_sorted() {
            self.writer.encoder.put(point);
        } else {
            let mut dimensions = point.dimensions.to_vec();
            dimensions.sort_unstable();
            self.writer.encoder.put(&Datapoint {
                dimensions: &dimensions,
                ..*point
            });
        }
        if self.writer.encoder.bytes() >= BLOCK_BYTES {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        let count = self.writer.encoder.count();
        if count == 0 {
            return;
        }
        if let Err(error) = self.writer.write_block(self.minute) {
            self.error.get_or_insert(error);
            self.lost = self.lost.saturating_add(count);
        } else {
            self.writer.shared.written.fetch_add(count, Ordering::Relaxed);
        }
    }
}

fn is_valid(point: &Datapoint<'_>) -> bool {
    let is_text = |text: &str| (1..=TEXT_BYTES_MAX).contains(&text.len());
    let mut dimensions = point.dimensions.iter();
    point.statistics.is_valid()
        && is_text(point.namespace)
        && is_text(point.metric)
        && point.dimensions.len() <= DIMENSIONS_MAX
        && dimensions.all(|Dimension { name, value }| is_text(name) && is_text(value))
}

impl Writer {
    pub(super) fn new(folder: &Path, limits: DatapointLimits, shared: Arc<Shared>) -> io::Result<Self> {
        file::make_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            shared,
            open: None,
            begun: BTreeMap::new(),
            encoder: Encoder::default(),
            block: Vec::new(),
            failing: None,
        })
    }

    pub(super) fn record(
        &mut self,
        minute: u64,
        write: impl FnOnce(&mut DatapointMinute<'_>),
    ) -> Option<DatapointNews> {
        // What a panic left behind belongs to another minute.
        self.encoder = Encoder::default();
        let mut points = DatapointMinute {
            writer: self,
            minute,
            error: None,
            lost: 0,
        };
        write(&mut points);
        points.end_block();
        let (error, lost) = (points.error, points.lost);
        self.block.shrink_to(64 * 1024);
        self.shared.not_written.fetch_add(lost, Ordering::Relaxed);
        self.shared.set_error(error.as_ref().map(ToString::to_string));
        match error {
            Some(error) => {
                let before = self.failing.replace(self.failing.unwrap_or(0).saturating_add(lost));
                let error = error.to_string();
                before.is_none().then_some(DatapointNews::Failing { error })
            }
            None => {
                let datapoints_lost = self.failing.take()?;
                Some(DatapointNews::Recovered { datapoints_lost })
            }
        }
    }

    pub(super) fn expire(&mut self, hour: u64) -> io::Result<()> {
        kept(&self.folder, hour, &self.limits).map(|_| ())
    }

    fn write_block(&mut self, minute: u64) -> io::Result<()> {
        self.encoder.finish(minute, &mut self.block);
        let hour = minute / 60;
        self.open.take_if(|open| open.hour != hour || !open.is_in_place());
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let known = self.begun.remove(&hour);
                let again = known.and_then(|path| Open::again(&self.folder, hour, path, &self.limits).ok());
                let open = match again {
                    Some(open) => open,
                    None => Open::begin(&self.folder, hour, &self.limits)?,
                };
                let oldest = hour.saturating_sub(self.limits.keep.as_secs() / 3600);
                self.begun = self.begun.split_off(&oldest);
                self.begun.insert(hour, open.path.clone());
                self.open.insert(open)
            }
        };
        open.make_room(self.block.len() as u64, self.limits.bytes_max)?;
        let appended = append_all(&open.file, &self.block);
        if let Err(unwritten) = appended {
            // Half a block would hide what follows it.
            if unwritten.written > 0 && open.file.set_len(open.bytes).is_err() {
                self.begun.remove(&hour);
                self.open = None;
            }
            return Err(unwritten.error);
        }
        open.bytes += self.block.len() as u64;
        Ok(())
    }
}

/// The files of a folder without those that are too old at this hour, which are removed.
fn kept(folder: &Path, hour: u64, limits: &DatapointLimits) -> io::Result<VecDeque<Entry>> {
    let kept_hours = limits.keep.as_secs() / 3600;
    let mut files = VecDeque::from(file::list(folder)?);
    while let Some(oldest) = files.pop_front_if(|oldest| oldest.hour.saturating_add(kept_hours) < hour) {
        // One that cannot be removed is tried again in an hour.
        let _ = fs::remove_file(&oldest.path);
    }
    Ok(files)
}

impl Open {
    /// Begins a file of its own, also when there is one of this hour: it may end in half a block, and another process
    /// may be writing to it. Removes what is too old.
    fn begin(folder: &Path, hour: u64, limits: &DatapointLimits) -> io::Result<Self> {
        let others = kept(folder, hour, limits)?;
        let path = folder.join(file::name(hour, &random_name()));
        Ok(Self {
            file: file::make(&path)?,
            path,
            hour,
            bytes: 0,
            others,
        })
    }

    /// Goes on with a file that this process has begun and left whole.
    fn again(folder: &Path, hour: u64, path: PathBuf, limits: &DatapointLimits) -> io::Result<Self> {
        let mut others = kept(folder, hour, limits)?;
        others.retain(|other| other.path != path);
        let file = File::options().append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            file,
            path,
            hour,
            bytes,
            others,
        })
    }

    /// Whether the file is still the one under its name: people may delete it.
    fn is_in_place(&self) -> bool {
        let identity = |about: fs::Metadata| (about.dev(), about.ino());
        let named = fs::metadata(&self.path).ok().map(identity);
        named.is_some() && named == self.file.metadata().ok().map(identity)
    }

    /// Removes old files until there is room for so many bytes more.
    fn make_room(&mut self, more: u64, bytes_max: u64) -> io::Result<()> {
        let others: u64 = self.others.iter().map(|entry| entry.bytes).sum();
        let mut all = others.saturating_add(self.bytes).saturating_add(more);
        while all > bytes_max {
            let Some(oldest) = self.others.pop_front() else {
                let problem = "datapoints take as much room as they may";
                return Err(io::Error::new(ErrorKind::QuotaExceeded, problem));
            };
            let _ = fs::remove_file(&oldest.path);
            all = all.saturating_sub(oldest.bytes);
        }
        Ok(())
    }
}
