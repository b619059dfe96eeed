//! Log groups and streams, as far as somebody asked for them: what is written into them is not state, and the groups and
//! streams of functions come into being by being written to. Names are the same in every region.

use crate::ids::Timestamp;
use crate::lambda::logging::LogGroupName;
use crate::tag::Tags;
use rpds::RedBlackTreeMapSync as Map;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// Its name.
    pub name: LogGroupName,
    /// When it was created.
    pub created_at: Timestamp,
    /// Events older than that are gone.
    pub retention: Option<Retention>,
    /// Whether it may not be deleted.
    pub is_deletion_protected: bool,
    /// Its tags.
    pub tags: Arc<Tags>,
}

/// How long events are kept, in days: one of AWS's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(u16);

/// The numbers of days that there are. Source: CloudWatch Logs `PutRetentionPolicy`.
pub const RETENTION_DAYS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/// Not one of AWS's numbers of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a number of days that events can be kept for")]
pub struct InvalidRetention(i64);

impl TryFrom<i64> for Retention {
    type Error = InvalidRetention;

    fn try_from(days: i64) -> Result<Self, InvalidRetention> {
        let known = RETENTION_DAYS.iter().find(|known| i64::from(**known) == days);
        match known {
            Some(days) => Ok(Self(*days)),
            None => Err(InvalidRetention(days)),
        }
    }
}

impl Retention {
    /// The days.
    pub fn days(self) -> u16 {
        self.0
    }

    /// The moment before which events are gone.
    pub fn begin(self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(u64::from(self.0) * 24 * 60 * 60 * 1000))
    }
}

/// A stream that somebody created; others come into being by being written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// Its group and its name.
    pub id: LogStreamId,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A stream of a group. Written `group:stream`: neither name has a colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogStreamId(Arc<str>);

/// Not the name of a log stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a log stream: 1 to 512 characters without : and *")]
pub struct InvalidLogStream(String);

/// Characters of a stream's name. Source: CloudWatch Logs `LogStreamName`.
const STREAM_CHARS_MAX: usize = 512;

impl LogStreamId {
    /// The stream of a group.
    ///
    /// # Errors
    /// The stream's name cannot be.
    pub fn new(group: &LogGroupName, stream: &str) -> Result<Self, InvalidLogStream> {
        let is_short = (1..=STREAM_CHARS_MAX).contains(&stream.chars().count());
        if is_short && !stream.contains([':', '*']) && !stream.chars().any(char::is_control) {
            Ok(Self(format!("{}:{stream}", group.as_str()).into()))
        } else {
            Err(InvalidLogStream(stream.chars().take(STREAM_CHARS_MAX).collect()))
        }
    }

    /// `group:stream`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group's name.
    pub fn group(&self) -> &str {
        self.0.split_once(':').map_or("", |(group, _)| group)
    }

    /// The stream's name.
    pub fn stream(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, stream)| stream)
    }
}

impl TryFrom<&str> for LogStreamId {
    type Error = InvalidLogStream;

    fn try_from(text: &str) -> Result<Self, InvalidLogStream> {
        let invalid = || InvalidLogStream(text.chars().take(STREAM_CHARS_MAX).collect());
        let (group, stream) = text.split_once(':').ok_or_else(invalid)?;
        let group = LogGroupName::try_from(group).map_err(|_| invalid())?;
        Self::new(&group, stream)
    }
}

impl fmt::Display for LogStreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for LogStreamId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Groups and streams that somebody asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    groups: Map<Arc<str>, Arc<LogGroup>>,
    streams: Map<LogStreamId, Arc<LogStream>>,
}

/// What became of a group or a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A group was created or changed.
    PutGroup(Arc<LogGroup>),
    /// A group is gone, with its streams.
    DeleteGroup(LogGroupName),
    /// A stream was created.
    PutStream(Arc<LogStream>),
    /// A stream is gone.
    DeleteStream(LogStreamId),
}

impl Logs {
    /// The group with this name.
    pub fn group(&self, name: &str) -> Option<&Arc<LogGroup>> {
        self.groups.get(name)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<LogGroup>> {
        self.groups.values()
    }

    /// The stream of a group.
    pub fn stream(&self, id: &LogStreamId) -> Option<&Arc<LogStream>> {
        self.streams.get(id)
    }

    /// The streams of a group, by name.
    pub fn streams_of(&self, group: &str) -> impl Iterator<Item = &Arc<LogStream>> {
        let prefix = format!("{group}:");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let streams: Vec<_> = self
            .streams
            .range::<str, _>(from)
            .take_while(|(id, _)| id.as_str().starts_with(&prefix))
            .map(|(_, stream)| stream)
            .collect();
        streams.into_iter()
    }

    /// All streams.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<LogStream>> {
        self.streams.values()
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::PutGroup(group) => self.groups.insert_mut(group.name.as_str().into(), group.clone()),
            Change::DeleteGroup(name) => {
                let gone: Vec<_> = self.streams_of(name.as_str()).map(|it| it.id.clone()).collect();
                for id in gone {
                    self.streams.remove_mut(&id);
                }
                self.groups.remove_mut(name.as_str());
            }
            Change::PutStream(stream) => self.streams.insert_mut(stream.id.clone(), stream.clone()),
            Change::DeleteStream(id) => drop(self.streams.remove_mut(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_one_of_awss_numbers() {
        assert_eq!(Retention::try_from(7).unwrap().days(), 7);
        for days in [-1, 0, 2, 8, 3654, i64::MAX] {
            assert_eq!(Retention::try_from(days), Err(InvalidRetention(days)));
        }
        let day = 24 * 60 * 60 * 1000;
        let begin = Retention::try_from(1).unwrap().begin(Timestamp(day + 5));
        assert_eq!(begin, Timestamp(5));
    }

    #[test]
    fn streams_are_found_by_group() {
        let group = LogGroupName::try_from("/a").unwrap();
        let id = LogStreamId::new(&group, "2026/01/01/[$LATEST]ab").unwrap();
        assert_eq!((id.group(), id.stream()), ("/a", "2026/01/01/[$LATEST]ab"));
        assert_eq!(LogStreamId::try_from(id.as_str()).unwrap(), id);
        for bad in ["", "a:b", "a*", &"x".repeat(513)] {
            assert!(LogStreamId::new(&group, bad).is_err(), "{bad}");
        }
        let mut logs = Logs::default();
        let other = LogStreamId::try_from("/ab:x").unwrap();
        for id in [&id, &other] {
            let stream = LogStream {
                id: id.clone(),
                created_at: Timestamp(1),
            };
            logs.apply(&Change::PutStream(Arc::new(stream)));
        }
        assert_eq!(logs.streams_of("/a").count(), 1);
        logs.apply(&Change::DeleteGroup(group));
        assert_eq!(logs.streams().map(|it| &it.id).collect::<Vec<_>>(), [&other]);
    }
}
