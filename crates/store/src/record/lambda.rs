//! What belongs to functions of the AWS API: what is kept about them, versions, aliases, layers.

mod about;
mod layer;
mod version;

use super::{Invalid, Kind, RecordError, Shape, raw, shape};
use model::lambda::layer::LayerVersionArn;
use model::lambda::resources::{Change, Lambda};
use model::{Change as AnyChange, FunctionArn};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// What a change is about.
pub(super) fn subject(change: &Change) -> (Kind, &str) {
    match change {
        Change::PutRecord(it) => (Kind::FunctionRecord, it.function.as_str()),
        Change::PutVersion(it) => (Kind::FunctionVersion, it.arn().as_str()),
        Change::DeleteVersion(arn) => (Kind::FunctionVersion, arn.as_str()),
        Change::PutAlias(it) => (Kind::Alias, it.arn.as_str()),
        Change::DeleteAlias(arn) => (Kind::Alias, arn.as_str()),
        Change::PutProvisioned(it) => (Kind::ProvisionedConcurrency, it.target.as_str()),
        Change::DeleteProvisioned(arn) => (Kind::ProvisionedConcurrency, arn.as_str()),
        Change::NumberLayer(arn, _) => (Kind::Layer, arn.as_str()),
        Change::PutLayerVersion(it) => (Kind::LayerVersion, it.arn.as_str()),
        Change::DeleteLayerVersion(arn) => (Kind::LayerVersion, arn.as_str()),
    }
}

/// The changes that make all of it from nothing: by kind, then by ARN.
pub(super) fn whole(lambda: &Lambda) -> impl Iterator<Item = AnyChange> {
    let records = lambda.records().cloned().map(Change::PutRecord);
    let versions = lambda.versions().cloned().map(Change::PutVersion);
    let aliases = lambda.aliases().cloned().map(Change::PutAlias);
    let provisioned = lambda.all_provisioned().cloned().map(Change::PutProvisioned);
    let layers = lambda
        .layers()
        .map(|(arn, last)| Change::NumberLayer(arn.clone(), last));
    let layer_versions = lambda.all_layer_versions().cloned().map(Change::PutLayerVersion);
    let all = records.chain(versions).chain(aliases).chain(provisioned);
    all.chain(layers).chain(layer_versions).map(AnyChange::Lambda)
}

/// Whether two changes put one and the same resource.
pub(super) fn is_shared(left: &Change, right: &Change) -> bool {
    match (left, right) {
        (Change::PutRecord(left), Change::PutRecord(right)) => Arc::ptr_eq(left, right),
        (Change::PutVersion(left), Change::PutVersion(right)) => Arc::ptr_eq(left, right),
        (Change::PutAlias(left), Change::PutAlias(right)) => Arc::ptr_eq(left, right),
        (Change::PutProvisioned(left), Change::PutProvisioned(right)) => Arc::ptr_eq(left, right),
        (Change::PutLayerVersion(left), Change::PutLayerVersion(right)) => Arc::ptr_eq(left, right),
        _ => false,
    }
}

/// What is put, in its newest shape.
pub(super) fn put(change: &Change) -> Option<Box<RawValue>> {
    match change {
        Change::PutRecord(it) => Some(raw(&about::FunctionRecordV1::of(it))),
        Change::PutVersion(it) => Some(raw(&version::VersionV1::of(it))),
        Change::PutAlias(it) => Some(raw(&version::AliasV1::of(it))),
        Change::PutProvisioned(it) => Some(raw(&version::ProvisionedV1::of(it))),
        Change::NumberLayer(arn, version_last) => Some(raw(&layer::LayerV1::of(&(arn.clone(), *version_last)))),
        Change::PutLayerVersion(it) => Some(raw(&layer::LayerVersionV1::of(it))),
        Change::DeleteVersion(_)
        | Change::DeleteAlias(_)
        | Change::DeleteProvisioned(_)
        | Change::DeleteLayerVersion(_) => None,
    }
}

/// The kinds of [`subject`].
pub(super) fn decode_put(kind: Kind, version: u32, json: &str) -> Result<AnyChange, RecordError> {
    fn read<S: Shape>(kind: Kind, version: u32, json: &str) -> Result<S::Resource, RecordError> {
        let resource = shape::<S>(kind, version, json)?.into_resource();
        resource.map_err(|error| error.of(kind))
    }
    let change = match kind {
        Kind::FunctionRecord => Change::PutRecord(Arc::new(read::<about::FunctionRecordV1>(kind, version, json)?)),
        Kind::FunctionVersion => Change::PutVersion(Arc::new(read::<version::VersionV1>(kind, version, json)?)),
        Kind::Alias => Change::PutAlias(Arc::new(read::<version::AliasV1>(kind, version, json)?)),
        Kind::ProvisionedConcurrency => {
            Change::PutProvisioned(Arc::new(read::<version::ProvisionedV1>(kind, version, json)?))
        }
        Kind::Layer => {
            let (arn, version_last) = read::<layer::LayerV1>(kind, version, json)?;
            Change::NumberLayer(arn, version_last)
        }
        Kind::LayerVersion => Change::PutLayerVersion(Arc::new(read::<layer::LayerVersionV1>(kind, version, json)?)),
        other => return Err(RecordError::NoVerb(other)),
    };
    Ok(AnyChange::Lambda(change))
}

pub(super) fn decode_delete(kind: Kind, arn: &str) -> Result<AnyChange, RecordError> {
    fn invalid<E: fmt::Display>(kind: Kind) -> impl FnOnce(E) -> RecordError {
        move |error| Invalid::because(error).of(kind)
    }
    let qualified = |arn| FunctionArn::try_from(arn).map_err(invalid(kind));
    let change = match kind {
        Kind::FunctionVersion => Change::DeleteVersion(qualified(arn)?),
        Kind::Alias => Change::DeleteAlias(qualified(arn)?),
        Kind::ProvisionedConcurrency => Change::DeleteProvisioned(qualified(arn)?),
        Kind::LayerVersion => Change::DeleteLayerVersion(LayerVersionArn::try_from(arn).map_err(invalid(kind))?),
        // A record goes with its function, and a layer's number stays.
        other => return Err(RecordError::NoVerb(other)),
    };
    Ok(AnyChange::Lambda(change))
}
