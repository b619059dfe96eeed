//! Tags, which are stored beside what has them.

use super::Invalid;
use super::value::Text;
use model::tag::{TaggedArn, Tags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagsV1 {
    resource: Text<TaggedArn>,
    tags: BTreeMap<String, String>,
}

impl TagsV1 {
    pub(super) fn of(resource: &TaggedArn, tags: &Tags) -> Self {
        let tags = tags.iter();
        Self {
            resource: Text(resource.clone()),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    pub(super) fn into_tags(self) -> Result<(TaggedArn, Tags), Invalid> {
        let tags = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let tags = Tags::new(tags).map_err(Invalid::because)?;
        Ok((self.resource.0, tags))
    }
}
