//! What a service says of itself: its name, its dialect, and who answers which operation.

use super::call::{Call, Fetch, Plan};
use crate::aws::error::AwsError;
use model::Refusal;
use std::path::Path;
use wire::xml::Xml;

/// A service that speaks the query protocol.
pub(in crate::aws) struct Service {
    /// The signing name.
    pub(in crate::aws) name: &'static str,
    /// The API version that calls name.
    pub(in crate::aws) version: &'static str,
    /// What answers are written in.
    pub(in crate::aws) namespace: &'static str,
    pub(in crate::aws) dialect: Dialect,
    pub(in crate::aws) operations: &'static [Operation],
    /// The error that a refused command is answered with. The path is the manifest's.
    pub(in crate::aws) refused: fn(Refusal, &Path) -> AwsError,
    /// The ARNs of what a call is about, for policies. None: policies must allow `*`.
    pub(in crate::aws) resources: fn(&Call<'_>) -> Vec<String>,
}

/// How a service writes answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum Dialect {
    /// `<OpResponse><OpResult>…</OpResult><ResponseMetadata/></OpResponse>`, `<ErrorResponse>`.
    Query,
    /// EC2's own: no result element, `<requestId>`, `<Response><Errors>`.
    Ec2,
}

/// One operation.
pub(in crate::aws) struct Operation {
    pub(in crate::aws) name: &'static str,
    pub(in crate::aws) answered: Answered,
    /// What of it is not as on AWS, for the page.
    pub(in crate::aws) note: &'static str,
}

/// Who answers an operation.
#[derive(Clone, Copy)]
pub(in crate::aws) enum Answered {
    /// It only reads.
    Read(fn(&Call<'_>) -> Result<Xml, AwsError>),
    /// It changes something.
    Change(fn(&Call<'_>) -> Result<Plan, AwsError>),
    /// It changes something, with what it reads from S3 first.
    Fetch(
        fn(&Call<'_>) -> Result<Fetch, AwsError>,
        fn(&Call<'_>) -> Result<Plan, AwsError>,
    ),
    /// Nobody: it is not built.
    Nobody,
}

impl Service {
    /// What the service's actions begin with in policies.
    pub(in crate::aws) fn policy_name(&self) -> &'static str {
        match self.name {
            "monitoring" => "cloudwatch",
            name => name,
        }
    }

    /// The operation that AWS calls `name`.
    pub(in crate::aws) fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}

pub(in crate::aws) const fn read(
    name: &'static str,
    by: fn(&Call<'_>) -> Result<Xml, AwsError>,
    note: &'static str,
) -> Operation {
    let answered = Answered::Read(by);
    Operation { name, answered, note }
}

pub(in crate::aws) const fn change(
    name: &'static str,
    by: fn(&Call<'_>) -> Result<Plan, AwsError>,
    note: &'static str,
) -> Operation {
    let answered = Answered::Change(by);
    Operation { name, answered, note }
}

pub(in crate::aws) const fn fetch(
    name: &'static str,
    fetch: fn(&Call<'_>) -> Result<Fetch, AwsError>,
    by: fn(&Call<'_>) -> Result<Plan, AwsError>,
    note: &'static str,
) -> Operation {
    let answered = Answered::Fetch(fetch, by);
    Operation { name, answered, note }
}

pub(in crate::aws) const fn nobody(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Nobody;
    Operation { name, answered, note }
}
