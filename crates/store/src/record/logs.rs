//! Log groups and streams that somebody asked for. What is written into them is elsewhere.

use super::value::Text;
use super::{Invalid, Shape};
use model::lambda::logging::LogGroupName;
use model::logs::{LogGroup, LogStream, LogStreamId, Retention};
use model::{Tags, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogGroupV1 {
    name: Text<LogGroupName>,
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_days: Option<u16>,
    deletion_protected: bool,
    tags: BTreeMap<String, String>,
}

impl Shape for LogGroupV1 {
    type Resource = LogGroup;

    fn of(resource: &LogGroup) -> Self {
        let LogGroup {
            name,
            created_at,
            retention,
            is_deletion_protected,
            tags,
        } = resource;
        let tags = tags.iter();
        Self {
            name: Text(name.clone()),
            created_at_ms: created_at.0,
            retention_days: retention.map(Retention::days),
            deletion_protected: *is_deletion_protected,
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    fn into_resource(self) -> Result<LogGroup, Invalid> {
        let retention = self.retention_days.map(|days| Retention::try_from(i64::from(days)));
        let tags = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(LogGroup {
            name: self.name.0,
            created_at: Timestamp(self.created_at_ms),
            retention: retention.transpose().map_err(Invalid::because)?,
            is_deletion_protected: self.deletion_protected,
            tags: Tags::new(tags).map_err(Invalid::because)?.into(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogStreamV1 {
    id: Text<LogStreamId>,
    created_at_ms: u64,
}

impl Shape for LogStreamV1 {
    type Resource = LogStream;

    fn of(resource: &LogStream) -> Self {
        let LogStream { id, created_at } = resource;
        Self {
            id: Text(id.clone()),
            created_at_ms: created_at.0,
        }
    }

    fn into_resource(self) -> Result<LogStream, Invalid> {
        Ok(LogStream {
            id: self.id.0,
            created_at: Timestamp(self.created_at_ms),
        })
    }
}
