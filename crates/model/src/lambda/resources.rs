//! What the AWS API has made of functions beside themselves: records, versions, aliases, layers.

use crate::arn::FunctionArn;
use crate::lambda::about::{FunctionRecord, RoleArn};
use crate::lambda::alias::{Alias, VersionRef};
use crate::lambda::event_invoke::QualifiedArn;
use crate::lambda::layer::{LayerArn, LayerVersion, LayerVersionArn};
use crate::lambda::version::{Provisioned, Version};
use crate::range::{with_prefix, with_prefix_from};
use rpds::RedBlackTreeMapSync as Map;
use std::sync::Arc;

/// One of them put in place or taken away. What belongs to a function goes with it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A function was made or changed through the AWS API.
    PutRecord(Arc<FunctionRecord>),
    /// A version was published.
    PutVersion(Arc<Version>),
    /// A version is gone.
    DeleteVersion(FunctionArn),
    /// An alias was created or changed.
    PutAlias(Arc<Alias>),
    /// An alias is gone.
    DeleteAlias(FunctionArn),
    /// Environments are kept ready.
    PutProvisioned(Arc<Provisioned>),
    /// They are no longer.
    DeleteProvisioned(FunctionArn),
    /// The highest number that a version of a layer ever had.
    NumberLayer(LayerArn, u64),
    /// A version of a layer was published, or its policy changed.
    PutLayerVersion(Arc<LayerVersion>),
    /// A version of a layer is gone.
    DeleteLayerVersion(LayerVersionArn),
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lambda {
    records: Map<FunctionArn, Arc<FunctionRecord>>,
    versions: Map<FunctionArn, Arc<Version>>,
    aliases: Map<FunctionArn, Arc<Alias>>,
    provisioned: Map<FunctionArn, Arc<Provisioned>>,
    layers: Map<LayerArn, u64>,
    layer_versions: Map<LayerVersionArn, Arc<LayerVersion>>,
}

impl Lambda {
    /// Puts one change in place.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutRecord(it) => self.records.insert_mut(it.function.clone(), it.clone()),
            Change::PutVersion(it) => self.versions.insert_mut(it.arn().clone(), it.clone()),
            Change::DeleteVersion(arn) => drop(self.versions.remove_mut(arn)),
            Change::PutAlias(it) => self.aliases.insert_mut(it.arn.clone(), it.clone()),
            Change::DeleteAlias(arn) => drop(self.aliases.remove_mut(arn)),
            Change::PutProvisioned(it) => self.provisioned.insert_mut(it.target.clone(), it.clone()),
            Change::DeleteProvisioned(arn) => drop(self.provisioned.remove_mut(arn)),
            Change::NumberLayer(arn, version_last) => self.layers.insert_mut(arn.clone(), *version_last),
            Change::PutLayerVersion(it) => self.layer_versions.insert_mut(it.arn.clone(), it.clone()),
            Change::DeleteLayerVersion(arn) => drop(self.layer_versions.remove_mut(arn)),
        }
    }

    /// Whether both hold the very same versions, aliases and numbers of environments.
    pub(crate) fn has_functions_of(&self, other: &Self) -> bool {
        self.versions.ptr_eq(&other.versions)
            && self.aliases.ptr_eq(&other.aliases)
            && self.provisioned.ptr_eq(&other.provisioned)
    }

    /// Whether both hold the very same.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        self.has_functions_of(other)
            && self.records.ptr_eq(&other.records)
            && self.layers.ptr_eq(&other.layers)
            && self.layer_versions.ptr_eq(&other.layer_versions)
    }

    /// A function is gone, and with it what belonged to it.
    pub(crate) fn forget(&mut self, function: &FunctionArn) {
        self.records.remove_mut(function);
        forget_below(&mut self.versions, function);
        forget_below(&mut self.aliases, function);
        forget_below(&mut self.provisioned, function);
    }

    /// What is kept about a function; of the manifest's there is nothing.
    pub fn record(&self, function: &FunctionArn) -> Option<&Arc<FunctionRecord>> {
        self.records.get(function)
    }

    /// All of them, by ARN.
    pub fn records(&self) -> impl Iterator<Item = &Arc<FunctionRecord>> {
        self.records.values()
    }

    /// The version with this ARN.
    pub fn version(&self, arn: &FunctionArn) -> Option<&Arc<Version>> {
        self.versions.get(arn)
    }

    /// All versions, in no promised order.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.versions.values()
    }

    /// The versions of one function, by number.
    pub fn versions_of(&self, function: &FunctionArn) -> Vec<&Arc<Version>> {
        let mut versions: Vec<_> = below(&self.versions, function).collect();
        versions.sort_unstable_by_key(|version| version.number);
        versions
    }

    /// The alias with this ARN.
    pub fn alias(&self, arn: &FunctionArn) -> Option<&Arc<Alias>> {
        self.aliases.get(arn)
    }

    /// All aliases, by ARN.
    pub fn aliases(&self) -> impl Iterator<Item = &Arc<Alias>> {
        self.aliases.values()
    }

    /// The aliases of one function, by name.
    pub fn aliases_of(&self, function: &FunctionArn) -> impl Iterator<Item = &Arc<Alias>> + use<'_> {
        below(&self.aliases, function).collect::<Vec<_>>().into_iter()
    }

    /// The role that a function, a version or what an alias means runs as. A function of the manifest has none here.
    pub fn execution_role(&self, function: &QualifiedArn) -> Option<&RoleArn> {
        let named = function.invoked();
        let version = match self.alias(&named).map(|alias| alias.version) {
            Some(VersionRef::Number(number)) => self.version(&named.unqualified().qualified(number)),
            Some(VersionRef::Latest) => None,
            None => self.version(&named),
        };
        let record = || self.record(&function.function()).map(|record| &record.about);
        let about = version.map(|version| &version.about).or_else(record);
        about.map(|about| &about.role)
    }

    /// What is kept ready of a version or an alias.
    pub fn provisioned(&self, target: &FunctionArn) -> Option<&Arc<Provisioned>> {
        self.provisioned.get(target)
    }

    /// Everything that is kept ready, by ARN.
    pub fn all_provisioned(&self) -> impl Iterator<Item = &Arc<Provisioned>> {
        self.provisioned.values()
    }

    /// What is kept ready of one function's versions and aliases.
    pub fn provisioned_of(&self, function: &FunctionArn) -> impl Iterator<Item = &Arc<Provisioned>> + use<'_> {
        below(&self.provisioned, function).collect::<Vec<_>>().into_iter()
    }

    /// The highest number that a version of a layer ever had. 0: there was none.
    pub fn layer_version_last(&self, layer: &LayerArn) -> u64 {
        self.layers.get(layer).copied().unwrap_or_default()
    }

    /// Every layer there ever was, with that number.
    pub fn layers(&self) -> impl Iterator<Item = (&LayerArn, u64)> {
        self.layers.iter().map(|(arn, version_last)| (arn, *version_last))
    }

    /// Those whose ARN begins with `prefix`, from the one that is `from` or comes after it, by ARN.
    pub fn layers_from<'a>(&'a self, prefix: &str, from: &str) -> impl Iterator<Item = &'a LayerArn> + use<'a> {
        with_prefix_from(&self.layers, prefix, from).map(|(arn, _)| arn)
    }

    /// The version of a layer with this ARN.
    pub fn layer_version(&self, arn: &LayerVersionArn) -> Option<&Arc<LayerVersion>> {
        self.layer_versions.get(arn)
    }

    /// All of them, in no promised order.
    pub fn all_layer_versions(&self) -> impl Iterator<Item = &Arc<LayerVersion>> {
        self.layer_versions.values()
    }

    /// The versions of one layer, the newest first.
    pub fn layer_versions_of(&self, layer: &LayerArn) -> Vec<&Arc<LayerVersion>> {
        let mut versions: Vec<_> = with_prefix(&self.layer_versions, &format!("{layer}:"))
            .map(|(_, version)| version)
            .collect();
        versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.arn.number()));
        versions
    }
}

/// What belongs to a function, by the qualified ARN.
pub(crate) fn below<'a, V>(
    map: &'a Map<FunctionArn, V>,
    function: &FunctionArn,
) -> impl Iterator<Item = &'a V> + use<'a, V> {
    with_prefix(map, &format!("{function}:")).map(|(_, value)| value)
}

/// Takes away what belongs to a function.
pub(crate) fn forget_below<V>(map: &mut Map<FunctionArn, V>, function: &FunctionArn) {
    let arns: Vec<_> = with_prefix(map, &format!("{function}:"))
        .map(|(arn, _)| arn.clone())
        .collect();
    for arn in &arns {
        map.remove_mut(arn);
    }
}
