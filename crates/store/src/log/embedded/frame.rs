//! The bytes in the tables: a checksum over key and payload, then the payload.

use crate::record::{self, RecordError};
use model::{Change, Revision};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The only key in the table of the head.
pub(super) const HEAD_KEY: &str = "head";

/// How the tables are laid out. Records have versions of their own.
const FORMAT: u32 = 1;

/// What the file must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    format: u32,
    pub(super) checkpoint: Checkpoint,
    /// The newest revision, in the log or in the checkpoint.
    pub(super) newest: u64,
}

/// What the rows must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    /// The revision that they stand for.
    pub(super) revision: u64,
    /// How many.
    pub(super) rows: u64,
    /// The sum over their keys and checksums: a row that came back from an older page is noticed, too.
    pub(super) sum: u64,
}

/// Why bytes from a table are not what was written there.
#[derive(Debug)]
pub(crate) enum FrameError {
    Damaged(String),
    Unknown(String),
}

impl Head {
    pub(super) fn new(checkpoint: Checkpoint, newest: u64) -> Self {
        Self {
            format: FORMAT,
            checkpoint,
            newest,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        framed(HEAD_KEY.as_bytes(), &json(&self))
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let payload = payload(HEAD_KEY.as_bytes(), bytes)?;
        let Any { format } = serde_json::from_slice(payload).map_err(damaged)?;
        match format {
            FORMAT => serde_json::from_slice(payload).map_err(damaged),
            _ => Err(FrameError::Unknown(format!("the format {format} is not known"))),
        }
    }
}

impl Checkpoint {
    /// A row is there.
    pub(super) fn count(&mut self, key: &str, row: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(share(key, row));
    }

    /// A row is there no more.
    pub(super) fn discount(&mut self, key: &str, row: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(share(key, row));
    }
}

/// What a row adds to the sum.
fn share(key: &str, row: &[u8]) -> u64 {
    u64::from(crc32fast::hash(key.as_bytes())) << 32 | u64::from(crc32fast::hash(row))
}

/// The key of the row of a resource.
pub(super) fn key(change: &Change) -> String {
    let (kind, arn) = record::subject(change);
    format!("{kind} {arn}")
}

pub(super) fn row(key: &str, change: &Change) -> Vec<u8> {
    framed(key.as_bytes(), &record::encode(change))
}

pub(super) fn read_row(key: &str, bytes: &[u8]) -> Result<Change, FrameError> {
    let change = decode(payload(key.as_bytes(), bytes)?)?;
    let (kind, arn) = record::subject(&change);
    let of_kind = key.strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix(' '));
    match of_kind == Some(arn) {
        true => Ok(change),
        false => Err(FrameError::Damaged(format!("it holds {}", self::key(&change)))),
    }
}

/// A batch in the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    revision: u64,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

pub(super) fn entry(revision: u64, changes: &[Change]) -> Vec<u8> {
    let records: Vec<Box<RawValue>> = changes.iter().map(record::encode_json).collect();
    let changes = records.iter().map(|record| &**record).collect();
    framed(&revision.to_le_bytes(), &json(&Entry { revision, changes }))
}

pub(super) fn read_entry(revision: Revision, bytes: &[u8]) -> Result<Vec<Change>, FrameError> {
    let payload = payload(&revision.0.to_le_bytes(), bytes)?;
    let entry: Entry<'_> = serde_json::from_slice(payload).map_err(damaged)?;
    if entry.revision != revision.0 {
        return Err(FrameError::Damaged(format!("it holds revision {}", entry.revision)));
    }
    let decoded = (1..).zip(entry.changes).map(|(number, record)| {
        decode(record.get().as_bytes()).map_err(|error| error.in_front(&format!("change {number} of it: ")))
    });
    decoded.collect()
}

impl FrameError {
    fn in_front(self, text: &str) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{text}{reason}")),
            Self::Unknown(reason) => Self::Unknown(format!("{text}{reason}")),
        }
    }
}

fn decode(record: &[u8]) -> Result<Change, FrameError> {
    record::decode(record).map_err(|error| {
        let mut reason = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            reason = format!("{reason}: {cause}");
        }
        match &error {
            // Its checksum is right: it was written like this, by somebody who knows other words than we.
            RecordError::UnknownKind(_)
            | RecordError::UnknownVersion { .. }
            | RecordError::Shape { .. }
            | RecordError::Invalid { .. } => FrameError::Unknown(reason),
            RecordError::NoRecord(_) | RecordError::NoVerb(_) => FrameError::Damaged(reason),
        }
    })
}

fn damaged(error: impl std::fmt::Display) -> FrameError {
    FrameError::Damaged(error.to_string())
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("keys are texts, and memory is written to")
}

pub(crate) fn framed(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + payload.len());
    bytes.extend_from_slice(&checksum(key, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn payload<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
    let framed = bytes.split_first_chunk::<4>();
    let whole = framed.filter(|(sum, payload)| u32::from_le_bytes(**sum) == checksum(key, payload));
    whole
        .map(|(_, payload)| payload)
        .ok_or_else(|| FrameError::Damaged("its checksum is wrong".to_owned()))
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::tag::{TaggedArn, Tags};

    const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders";

    fn change() -> Change {
        let tags = Tags::new([("team", "a")]).unwrap();
        Change::SetTags(TaggedArn::try_from(ARN).unwrap(), tags.into())
    }

    #[track_caller]
    fn said<T>(read: Result<T, FrameError>, unknown: bool) -> String {
        match read {
            Err(FrameError::Unknown(reason)) if unknown => reason,
            Err(FrameError::Damaged(reason)) if !unknown => reason,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was read"),
        }
    }

    /// Written down: files with these are on people's disks.
    #[test]
    fn the_layout_is_as_ever() {
        let mut checkpoint = Checkpoint {
            revision: 7,
            ..Checkpoint::default()
        };
        let row = row(&key(&change()), &change());
        checkpoint.count(&key(&change()), &row);
        let head = Head::new(checkpoint, 9).to_bytes();
        let expected = r#"{"format":1,"checkpoint":{"revision":7,"rows":1,"sum":16744515621224320769},"newest":9}"#;
        assert_eq!(String::from_utf8_lossy(&head[4..]), expected);
        assert_eq!(Head::read(&head).unwrap(), Head::new(checkpoint, 9));
        let record = format!(r#"{{"kind":"tags","version":1,"put":{{"resource":"{ARN}","tags":{{"team":"a"}}}}}}"#);
        assert_eq!(row[..4], [62, 117, 85, 216]);
        assert_eq!(String::from_utf8_lossy(&row[4..]), record);
        let entry = entry(8, &[change()]);
        assert_eq!(entry[..4], [59, 142, 30, 166]);
        assert_eq!(
            String::from_utf8_lossy(&entry[4..]),
            format!(r#"{{"revision":8,"changes":[{record}]}}"#)
        );
        assert_eq!(read_entry(Revision(8), &entry).unwrap(), [change()]);
        checkpoint.discount(&key(&change()), &row);
        assert_eq!((checkpoint.rows, checkpoint.sum), (0, 0));
    }

    #[test]
    fn what_stands_elsewhere_or_was_changed_is_damaged() {
        let key = key(&change());
        let mut row = row(&key, &change());
        assert_eq!(read_row(&key, &row).unwrap(), change());
        assert_eq!(said(read_row("tags arn:x", &row), false), "its checksum is wrong");
        assert_eq!(said(read_row(&key, &[]), false), "its checksum is wrong");
        // With the right checksum, and still another's.
        let other = framed(b"tags arn:x", &record::encode(&change()));
        assert_eq!(
            said(read_row("tags arn:x", &other), false),
            format!("it holds tags {ARN}")
        );
        *row.last_mut().unwrap() ^= 1;
        assert_eq!(said(read_row(&key, &row), false), "its checksum is wrong");
        let entry = entry(8, &[change()]);
        assert_eq!(said(read_entry(Revision(9), &entry), false), "its checksum is wrong");
    }

    #[test]
    fn what_another_albacore_wrote_is_unknown_and_named() {
        let head = framed(b"head", br#"{"format":2,"pages":7}"#);
        assert_eq!(said(Head::read(&head), true), "the format 2 is not known");
        let newer = br#"{"revision":8,"changes":[{"kind":"gateway","version":1,"delete":"a"}]}"#;
        let newer = framed(&8_u64.to_le_bytes(), newer);
        assert_eq!(
            said(read_entry(Revision(8), &newer), true),
            "change 1 of it: it is of the kind \"gateway\", which this albacore does not know"
        );
        let record = format!(r#"{{"kind":"tags","version":1,"put":{{"resource":"{ARN}","tags":{{}},"x":1}}}}"#);
        let row = framed(b"k", record.as_bytes());
        let reason = said(read_row("k", &row), true);
        assert!(
            reason.starts_with("it is no tags of version 1: unknown field `x`"),
            "{reason}"
        );
    }
}
