//! What the manifest may say: its sections and keys, read into `model`'s types.
//!
//! Each kind of resource has its file. Limits and alphabets are `model`'s; only what a file can get wrong and an API
//! call cannot (unknown keys, names, types, the same port twice) is decided here.

mod action;
mod certificate;
mod condition;
mod function;
mod listener;
mod load_balancer;
mod regex;
mod rule;
mod target_group;

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
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// The most functions, target groups or load balancers of a manifest. Source: ALB 9.7, target groups per Region.
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
    /// The names that something leads to: functions from target groups, target groups from actions.
    used_functions: BTreeSet<String>,
    used_target_groups: BTreeSet<String>,
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
            used_functions: BTreeSet::new(),
            used_target_groups: BTreeSet::new(),
            certificates: BTreeMap::new(),
            revisions: BTreeMap::new(),
        }
    }

    /// Reads the whole manifest.
    pub(crate) fn manifest(&mut self, root: &Node) {
        let known = ["functions", "target_groups", "load_balancers"];
        let Some(sections) = fields(&mut self.report, root, "the manifest", &known, &[]) else {
            return;
        };
        let functions = self.section(&sections, "functions");
        let target_groups = self.section(&sections, "target_groups");
        let load_balancers = self.section(&sections, "load_balancers");
        // A name counts even when what it names is broken: that is one mistake, not one for every use of the name.
        self.function_names = functions.iter().map(|(name, _)| name.text.clone()).collect();
        self.target_group_names = target_groups.iter().map(|(name, _)| name.text.clone()).collect();
        for (name, node) in functions {
            if let Some(function) = self.function(name, node) {
                self.desired.functions.push(function);
            }
        }
        for (name, node) in target_groups {
            if let Some(group) = self.target_group(name, node) {
                self.desired.target_groups.push(group);
            }
        }
        for (name, node) in load_balancers {
            self.load_balancer(name, node);
        }
        self.warn_of_unused(functions, target_groups);
    }

    /// Only about a manifest that could be read whole: what is wrong may be just what would use the name.
    fn warn_of_unused(&mut self, functions: Section<'_>, target_groups: Section<'_>) {
        if !self.report.is_clean() {
            return;
        }
        let unused = |section: Section<'_>, used: &BTreeSet<String>, message: fn(&str) -> String| -> Vec<_> {
            let unused = section.iter().filter(|(name, _)| !used.contains(&name.text));
            unused.map(|(name, _)| (name.spot, message(&name.text))).collect()
        };
        let mut warnings = unused(functions, &self.used_functions, |name| {
            format!("function `{name}` is in no target group; nothing calls it")
        });
        warnings.extend(unused(target_groups, &self.used_target_groups, |name| {
            format!("target group `{name}` is used by no listener and no rule")
        }));
        for (spot, message) in warnings {
            self.report.warning(spot, message);
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
        let (CodeLocation::Folder(path) | CodeLocation::Executable(path) | CodeLocation::Zip(path)) = location;
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
