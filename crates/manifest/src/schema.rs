//! What the manifest may say: its sections and keys, read into `model`'s types.
//!
//! Each kind of resource has its file. Limits and alphabets are `model`'s; only what a file can get wrong and an API
//! call cannot (unknown keys, names, types, the same port twice) is decided here.

mod action;
mod certificate;
mod condition;
mod function;
mod instance;
mod listener;
mod load_balancer;
mod regex;
mod rule;
mod target_group;
mod trust_store;

use crate::Settings;
use crate::desired::{Desired, Placed};
use crate::ids::Ids;
use crate::issuer::Issuer;
use crate::mistake::{Report, Spot, shown, suggestion};
use crate::reader::{Fields, fields, mapping};
use crate::yaml::{Key, Node};
use model::CertificateArn;
use model::lambda::function::CodeLocation;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// The most entries of a section: functions, target groups, load balancers and so on. Source: ALB 9.7, target groups per
/// Region.
pub const ENTRIES_MAX: usize = 3000;

/// The entries of a section, by name.
type Section<'n> = &'n [(Key, Rc<Node>)];

/// One walk over a manifest: what it needs to know and what it collects.
pub(crate) struct Walk<'a> {
    pub(crate) report: Report,
    pub(crate) settings: &'a Settings,
    /// The folder of the manifest, which paths in it start from.
    pub(crate) folder: &'a Path,
    pub(crate) issuer: &'a dyn Issuer,
    pub(crate) now: SystemTime,
    pub(crate) watched: BTreeSet<PathBuf>,
    pub(crate) desired: Desired,
    function_names: BTreeSet<String>,
    target_group_names: BTreeSet<String>,
    trust_store_names: BTreeSet<String>,
    /// The addresses of instances by their ids; `None` where the address is wrong.
    instances: BTreeMap<String, Option<IpAddr>>,
    /// Whether the machine has a way to its own loopback addresses, of those that were asked for.
    loopbacks: BTreeMap<IpAddr, bool>,
    /// Why the names of a trust store's authorities cannot be told to clients, for those where they cannot.
    unadvertisable: BTreeMap<String, String>,
    /// The names that something leads to: functions and instances from target groups, target groups from actions, trust
    /// stores from listeners.
    used_functions: BTreeSet<String>,
    used_instances: BTreeSet<String>,
    used_target_groups: BTreeSet<String>,
    used_trust_stores: BTreeSet<String>,
    /// What was read before: listeners share certificates, functions share folders.
    certificates: BTreeMap<String, CertificateArn>,
    revisions: BTreeMap<PathBuf, Result<Arc<str>, String>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        report: Report,
        settings: &'a Settings,
        folder: &'a Path,
        issuer: &'a dyn Issuer,
        now: SystemTime,
    ) -> Self {
        Self {
            desired: Desired::empty(report.place(Spot::START)),
            report,
            settings,
            folder,
            issuer,
            now,
            watched: BTreeSet::new(),
            function_names: BTreeSet::new(),
            target_group_names: BTreeSet::new(),
            trust_store_names: BTreeSet::new(),
            instances: BTreeMap::new(),
            loopbacks: BTreeMap::new(),
            unadvertisable: BTreeMap::new(),
            used_functions: BTreeSet::new(),
            used_instances: BTreeSet::new(),
            used_target_groups: BTreeSet::new(),
            used_trust_stores: BTreeSet::new(),
            certificates: BTreeMap::new(),
            revisions: BTreeMap::new(),
        }
    }

    /// Reads the whole manifest.
    pub(crate) fn manifest(&mut self, root: &Node) {
        let known = [
            "functions",
            "instances",
            "target_groups",
            "trust_stores",
            "load_balancers",
        ];
        let Some(sections) = fields(&mut self.report, root, "the manifest", &known, &[]) else {
            return;
        };
        let functions = self.section(&sections, "functions");
        let instances = self.section(&sections, "instances");
        let target_groups = self.section(&sections, "target_groups");
        let trust_stores = self.section(&sections, "trust_stores");
        let load_balancers = self.section(&sections, "load_balancers");
        // A name counts even when what it names is broken: that is one mistake, not one for every use of the name.
        self.function_names = names(functions);
        self.target_group_names = names(target_groups);
        self.trust_store_names = names(trust_stores);
        for (name, node) in functions {
            if let Some(function) = self.function(name, node) {
                self.desired.functions.push(function);
            }
        }
        for (id, node) in instances {
            self.instance(id, node);
        }
        for (name, node) in target_groups {
            if let Some(group) = self.target_group(name, node) {
                self.desired.target_groups.push(group);
            }
        }
        for (name, node) in trust_stores {
            if let Some(trust_store) = self.trust_store(name, node) {
                self.desired.trust_stores.push(trust_store);
            }
        }
        for (name, node) in load_balancers {
            self.load_balancer(name, node);
        }
        // Only about a manifest that could be read whole: what is wrong may be just what would use the name.
        if self.report.is_clean() {
            let used = std::mem::take(&mut self.used_functions);
            self.warn_of_unused(
                functions,
                &used,
                "function",
                "is in no target group and has no `url`: only calls of the API invoke it",
            );
            let used = std::mem::take(&mut self.used_instances);
            self.warn_of_unused(instances, &used, "instance", "is in no target group");
            let used = std::mem::take(&mut self.used_target_groups);
            self.warn_of_unused(
                target_groups,
                &used,
                "target group",
                "is used by no listener and no rule",
            );
            let used = std::mem::take(&mut self.used_trust_stores);
            self.warn_of_unused(trust_stores, &used, "trust store", "is used by no listener");
        }
    }

    fn warn_of_unused(&mut self, section: Section<'_>, used: &BTreeSet<String>, what: &str, message: &str) {
        for (name, _) in section.iter().filter(|(name, _)| !used.contains(&name.text)) {
            self.report
                .warning(name.spot, format!("{what} `{}` {message}", name.text));
        }
    }

    fn section<'n>(&mut self, sections: &Fields<'n>, name: &str) -> Section<'n> {
        let node = sections.get(name);
        let entries = node
            .and_then(|node| mapping(&mut self.report, node, &format!("`{name}`")))
            .unwrap_or_default();
        if let Some((first_too_many, _)) = entries.get(ENTRIES_MAX) {
            let message = format!("found {} `{name}`; expected at most {ENTRIES_MAX}", entries.len());
            self.report.mistake(first_too_many.spot, message);
        }
        &entries[..entries.len().min(ENTRIES_MAX)]
    }

    fn ids(&self) -> Ids<'a> {
        Ids {
            scope: &self.settings.scope,
        }
    }

    fn placed<T>(&self, spot: Spot, it: T) -> Placed<T> {
        Placed {
            place: self.report.place(spot),
            it,
        }
    }

    /// A path as the manifest writes it, from the manifest's folder, and from now on watched.
    fn path(&mut self, written: &str) -> PathBuf {
        let path = self.folder.join(written);
        // Fails only for the empty path, which no join with the folder gives.
        let path = std::path::absolute(&path).unwrap_or(path);
        self.watched.insert(path.clone());
        path
    }

    fn revision(&mut self, location: &CodeLocation) -> Result<Arc<str>, String> {
        let (CodeLocation::Folder(path) | CodeLocation::Executable(path) | CodeLocation::Zip(path)) = location else {
            return Err("a package of the AWS API is not a path".to_owned());
        };
        if let Some(known) = self.revisions.get(path) {
            return known.clone();
        }
        let revision = crate::code::revision(location, &self.settings.own_files);
        self.revisions.insert(path.clone(), revision.clone());
        revision
    }

    /// Whether `names` holds `name`; otherwise a mistake that suggests another.
    fn known(report: &mut Report, spot: Spot, what: &str, name: &str, names: &BTreeSet<String>) -> bool {
        if names.contains(name) || report.is_full() {
            return names.contains(name);
        }
        let suggestion = suggestion(name, &names.iter().map(String::as_str));
        report.mistake(spot, format!("found the unknown {what} {}; {suggestion}", shown(name)));
        false
    }
}

fn names(section: Section<'_>) -> BTreeSet<String> {
    section.iter().map(|(name, _)| name.text.clone()).collect()
}
