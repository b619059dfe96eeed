//! Versions, aliases, and what is kept ready of them.

use super::super::function::FunctionV1;
use super::super::value::Text;
use super::super::{Invalid, Shape};
use super::about::{AboutV1, read, written};
use model::lambda::alias::{Alias, Routing, VersionRef, Weight};
use model::lambda::version::{Provisioned, Version};
use model::{FunctionArn, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct VersionV1 {
    number: u64,
    function: FunctionV1,
    about: AboutV1,
    description: Option<String>,
}

impl Shape for VersionV1 {
    type Resource = Version;

    fn of(resource: &Version) -> Self {
        let Version {
            number,
            function,
            about,
            description,
        } = resource;
        Self {
            number: *number,
            function: FunctionV1::of(function),
            about: AboutV1::of(about),
            description: description.clone(),
        }
    }

    fn into_resource(self) -> Result<Version, Invalid> {
        Ok(Version {
            number: self.number,
            function: Arc::new(self.function.into_resource()?),
            about: self.about.into_about()?,
            description: self.description,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct AliasV1 {
    arn: Text<FunctionArn>,
    version: Text<VersionRef>,
    routing: Option<RoutingV1>,
    description: String,
    revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingV1 {
    version: u64,
    weight: f64,
}

impl Shape for AliasV1 {
    type Resource = Alias;

    fn of(resource: &Alias) -> Self {
        let Alias {
            arn,
            version,
            routing,
            description,
            revision,
        } = resource.clone();
        let routing_v1 = |Routing { version, weight }| RoutingV1 {
            version,
            weight: weight.get(),
        };
        Self {
            arn: Text(arn),
            version: Text(version),
            routing: routing.map(routing_v1),
            description,
            revision: written(revision),
        }
    }

    fn into_resource(self) -> Result<Alias, Invalid> {
        let routing = |it: RoutingV1| {
            Ok(Routing {
                version: it.version,
                weight: Weight::try_from(it.weight).map_err(Invalid::because)?,
            })
        };
        Ok(Alias {
            arn: self.arn.0,
            version: self.version.0,
            routing: self.routing.map(routing).transpose()?,
            description: self.description,
            revision: read(&self.revision)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ProvisionedV1 {
    target: Text<FunctionArn>,
    requested: u32,
    last_modified_millis: u64,
}

impl Shape for ProvisionedV1 {
    type Resource = Provisioned;

    fn of(resource: &Provisioned) -> Self {
        let Provisioned {
            target,
            requested,
            last_modified,
        } = resource;
        Self {
            target: Text(target.clone()),
            requested: *requested,
            last_modified_millis: last_modified.0,
        }
    }

    fn into_resource(self) -> Result<Provisioned, Invalid> {
        Ok(Provisioned {
            target: self.target.0,
            requested: self.requested,
            last_modified: Timestamp(self.last_modified_millis),
        })
    }
}
