//! `layers`: folders and zip files that are laid into `/opt`, the later one over the earlier one. Source: Lambda 1.7.

use crate::code::{self, Found};
use crate::mistake::shown;
use crate::reader::{accepted, list, text, wrong};
use crate::schema::Walk;
use crate::yaml::Node;
use model::lambda::function::{Code, CodeLocation, Layers};

const EXPECTED: &str = "a folder or a zip file";

impl Walk<'_> {
    pub(super) fn layers(&mut self, node: &Node) -> Option<Layers> {
        let before = self.report.reported();
        let nodes = list(&mut self.report, node, "folders and zip files")?;
        let layers: Vec<Code> = nodes.iter().filter_map(|node| self.layer(node)).collect();
        if self.report.reported() > before {
            return None;
        }
        accepted(&mut self.report, node.spot, Layers::try_from(layers))
    }

    fn layer(&mut self, node: &Node) -> Option<Code> {
        let text = text(&mut self.report, node, EXPECTED)?;
        if text.is_empty() {
            return wrong(&mut self.report, node, EXPECTED);
        }
        let (path, name) = (self.path(text), shown(text));
        let location = match accepted(&mut self.report, node.spot, code::look(&path, &name, EXPECTED))? {
            Found::Folder => CodeLocation::Folder(path),
            Found::Zip => {
                // Also finds out what is no zip file in spite of its name.
                accepted(&mut self.report, node.spot, code::zipped_bootstrap(&path, &name))?;
                CodeLocation::Zip(path)
            }
            Found::File => {
                let message = format!("{name} is a single file; expected {EXPECTED}");
                self.report.mistake(node.spot, message);
                return None;
            }
        };
        let revision = self.revision(&location);
        let revision = accepted(&mut self.report, node.spot, revision)?;
        Some(Code { location, revision })
    }
}

/// Does one of them hold the `bootstrap` that code without one is run by? Source: Lambda 3.3.
pub(super) fn hold_bootstrap(layers: &Layers) -> bool {
    let holds = |layer: &Code| match &layer.location {
        CodeLocation::Folder(path) => matches!(code::bootstrap(path, ""), Some(Ok(()))),
        CodeLocation::Zip(path) => matches!(code::zipped_bootstrap(path, ""), Ok(Some(Ok(())))),
        CodeLocation::Executable(_) | CodeLocation::Package(_) => false,
    };
    layers.in_order().iter().any(holds)
}
