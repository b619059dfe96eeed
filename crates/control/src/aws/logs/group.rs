//! The group that a call names, from the state and from the files.

use super::{Call, disk};
use crate::aws::error::AwsError;
use crate::aws::json::shown;
use model::Timestamp;
use model::lambda::logging::LogGroupName;
use model::logs::{LogGroup, LogStreamId};
use observe::{Direction, LogPosition, LogQuery, LogStreamFacts};
use std::collections::BTreeMap;
use std::sync::Arc;

const PATTERN: &str = "[\\.\\-_/#A-Za-z0-9]+";

/// A group that exists.
pub(super) struct Group {
    pub(super) name: LogGroupName,
    /// What the state knows; of one that was only written to a made-up record.
    pub(super) record: LogGroup,
}

/// A stream of a group.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub(super) created_at: Timestamp,
    /// What was written into it.
    pub(super) facts: Option<LogStreamFacts>,
}

impl Call<'_> {
    /// The group in `logGroupName`.
    pub(super) fn group(&self) -> Result<Group, AwsError> {
        let name = self.group_name("logGroupName")?;
        self.existing(name.ok_or_else(|| self.fields.is_null("logGroupName"))?)
    }

    /// The group in `logGroupName` or `logGroupIdentifier`, of which one is given.
    pub(super) fn group_of_either(&self) -> Result<Group, AwsError> {
        let name = self.group_name("logGroupName")?;
        let identifier = self.fields.text("logGroupIdentifier")?;
        match (name, identifier) {
            (Some(_), Some(_)) => Err(AwsError::new(
                "InvalidParameterException",
                "LogGroupName and LogGroupIdentifier cannot be specified together.",
            )),
            (Some(name), None) => self.existing(name),
            (None, Some(identifier)) => self.identified(identifier),
            (None, None) => Err(self.fields.is_null("logGroupName")),
        }
    }

    /// The group with a name or an ARN.
    pub(super) fn identified(&self, identifier: &str) -> Result<Group, AwsError> {
        let name = self.name_in_arn(identifier).unwrap_or(identifier);
        match LogGroupName::try_from(name) {
            Ok(name) => self.existing(name),
            Err(_) => Err(AwsError::new(
                "InvalidParameterException",
                format!("Invalid log group identifier: {}", shown(identifier)),
            )),
        }
    }

    /// The name in the ARN of a group of this region and account.
    pub(super) fn name_in_arn<'b>(&self, arn: &'b str) -> Option<&'b str> {
        let rest = arn.strip_prefix(&self.arn_of("log-group:"))?;
        Some(rest.strip_suffix(":*").unwrap_or(rest))
    }

    /// The ARN of something.
    pub(super) fn arn_of(&self, resource: &str) -> String {
        let scope = self.scope;
        format!(
            "arn:{}:logs:{}:{}:{resource}",
            scope.partition(),
            scope.region,
            scope.account
        )
    }

    /// A group's name in a member, if it is there.
    pub(super) fn group_name(&self, member: &str) -> Result<Option<LogGroupName>, AwsError> {
        let Some(text) = self.fields.text(member)? else {
            return Ok(None);
        };
        let rule = match LogGroupName::try_from(text) {
            Ok(name) => return Ok(Some(name)),
            Err(_) if text.is_empty() => "Member must have length greater than or equal to 1".to_owned(),
            Err(_) if text.len() > 512 => "Member must have length less than or equal to 512".to_owned(),
            Err(_) => format!("Member must satisfy regular expression pattern: {PATTERN}"),
        };
        Err(self.fields.broken(member, &rule))
    }

    pub(super) fn existing(&self, name: LogGroupName) -> Result<Group, AwsError> {
        match self.find(&name)? {
            Some(record) => Ok(Group { name, record }),
            None => Err(not_found()),
        }
    }

    /// The record of a group; of one that was only written to one that says so much.
    pub(super) fn find(&self, name: &LogGroupName) -> Result<Option<LogGroup>, AwsError> {
        if let Some(record) = self.state.logs().group(name.as_str()) {
            return Ok(Some(LogGroup::clone(record)));
        }
        if !self.reader.exists(name.as_str()) {
            return Ok(None);
        }
        let first = LogQuery {
            limit: 1,
            ..LogQuery::new(Direction::ForwardFrom(LogPosition::START))
        };
        let page = self.reader.read(name.as_str(), &first).map_err(|error| disk(&error))?;
        let created_at = page
            .events
            .first()
            .map_or(self.now, |event| Timestamp(event.timestamp_ms));
        Ok(Some(LogGroup {
            name: name.clone(),
            created_at,
            retention: None,
            is_deletion_protected: false,
            tags: Arc::default(),
        }))
    }
}

impl Group {
    /// Its streams, by name.
    pub(super) fn streams(&self, call: &Call<'_>) -> Result<BTreeMap<String, Stream>, AwsError> {
        let name = self.name.as_str();
        let written = call.reader.streams(name).map_err(|error| disk(&error))?;
        let written = written.into_iter().map(|(name, facts)| {
            let stream = Stream {
                created_at: Timestamp(facts.first_ms),
                facts: Some(facts),
            };
            (name, stream)
        });
        let mut streams: BTreeMap<_, _> = written.collect();
        for created in call.state.logs().streams_of(name) {
            let stream = streams.entry(created.id.stream().to_owned()).or_insert(Stream {
                created_at: created.created_at,
                facts: None,
            });
            stream.created_at = created.created_at;
        }
        Ok(streams)
    }

    /// The stream in a member, which must be there.
    pub(super) fn stream(&self, call: &Call<'_>, member: &str) -> Result<LogStreamId, AwsError> {
        let id = self.stream_id(call, member)?;
        // The state is asked first: it need not read.
        let is_there = call.state.logs().stream(&id).is_some() || {
            let written = call.reader.streams(self.name.as_str());
            written.map_err(|error| disk(&error))?.contains_key(id.stream())
        };
        match is_there {
            true => Ok(id),
            false => Err(AwsError::new(
                "ResourceNotFoundException",
                "The specified log stream does not exist.",
            )),
        }
    }

    /// The stream in a member, whether or not it is there.
    pub(super) fn stream_id(&self, call: &Call<'_>, member: &str) -> Result<LogStreamId, AwsError> {
        let text = call.fields.required_text(member)?;
        LogStreamId::new(&self.name, text).map_err(|_| {
            let rule = "Member must satisfy regular expression pattern: [^:*]*";
            call.fields.broken(member, rule)
        })
    }

    /// The moment before which its events are gone.
    pub(super) fn begin(&self, now: Timestamp) -> u64 {
        self.record.retention.map_or(0, |retention| retention.begin(now).0)
    }
}

pub(super) fn not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

pub(super) fn taken() -> AwsError {
    AwsError::new(
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
}
