//! `code`: what lies there, and which runtime goes with it.

use super::NamedRuntime;
use crate::code::{self, Found};
use crate::mistake::{Spot, shown};
use crate::reader::{Fields, accepted, text, wrong};
use crate::schema::Walk;
use model::lambda::function::{Code, CodeLocation};
use model::lambda::runtime::Runtime;
use std::path::{Path, PathBuf};

/// The value of `code`.
struct Written<'a> {
    /// Where the key's value stands.
    spot: Spot,
    /// As the manifest writes it.
    text: &'a str,
    /// The same in backquotes, cut.
    shown: String,
    path: PathBuf,
    bootstrap_in_layer: bool,
}

impl Walk<'_> {
    /// The code and the runtime that goes with it. Code without a `bootstrap` is run by that of a layer, if there is one.
    pub(super) fn code(
        &mut self,
        fields: &Fields<'_>,
        named: NamedRuntime,
        bootstrap_in_layer: bool,
    ) -> Option<(Runtime, Code)> {
        let expected = match named {
            NamedRuntime::Is(runtime) if runtime.is_managed() => "a folder or a zip file",
            _ => "a folder, a zip file or an executable file",
        };
        let node = fields.require(&mut self.report, "code", expected)?;
        let text = text(&mut self.report, node, expected)?;
        if text.is_empty() {
            return wrong(&mut self.report, node, expected);
        }
        let written = Written {
            spot: node.spot,
            text,
            shown: shown(text),
            path: self.path(text),
            bootstrap_in_layer,
        };
        let found = accepted(
            &mut self.report,
            node.spot,
            code::look(&written.path, &written.shown, expected),
        )?;
        let (location, runtime) = match found {
            Found::Folder => (
                CodeLocation::Folder(written.path.clone()),
                self.runtime_of_folder(fields.spot, &written, named),
            ),
            Found::Zip => (
                CodeLocation::Zip(written.path.clone()),
                self.runtime_of_zip(fields.spot, &written, named),
            ),
            Found::File => (
                CodeLocation::Executable(written.path.clone()),
                self.runtime_of_file(&written, named),
            ),
        };
        let revision = self.revision(&location);
        let revision = accepted(&mut self.report, node.spot, revision)?;
        Some((runtime?, Code { location, revision }))
    }

    fn runtime_of_folder(&mut self, function: Spot, written: &Written<'_>, named: NamedRuntime) -> Option<Runtime> {
        match named {
            NamedRuntime::Is(runtime) if runtime.is_managed() => Some(runtime),
            // Whether it needs a bootstrap nobody can say.
            NamedRuntime::Refused => None,
            _ => self.runtime_with(code::bootstrap(&written.path, &written.shown), function, written, named),
        }
    }

    fn runtime_of_zip(&mut self, function: Spot, written: &Written<'_>, named: NamedRuntime) -> Option<Runtime> {
        let bootstrap = code::zipped_bootstrap(&written.path, &written.shown);
        let bootstrap = accepted(&mut self.report, written.spot, bootstrap)?;
        match named {
            NamedRuntime::Is(runtime) if runtime.is_managed() => Some(runtime),
            NamedRuntime::Refused => None,
            _ => self.runtime_with(bootstrap, function, written, named),
        }
    }

    /// The runtime of code with this `bootstrap` in it, if it has one.
    fn runtime_with(
        &mut self,
        bootstrap: Option<Result<(), String>>,
        function: Spot,
        written: &Written<'_>,
        named: NamedRuntime,
    ) -> Option<Runtime> {
        let shown = &written.shown;
        let (spot, message) = match (bootstrap, named) {
            (Some(Ok(())), NamedRuntime::Is(runtime)) => return Some(runtime),
            (Some(Ok(())), _) => return Some(Runtime::ProvidedAl2023),
            (None, NamedRuntime::Is(runtime)) if written.bootstrap_in_layer => return Some(runtime),
            (None, _) if written.bootstrap_in_layer => return Some(Runtime::ProvidedAl2023),
            (Some(Err(message)), _) => (written.spot, message),
            (None, NamedRuntime::Is(runtime)) => (
                written.spot,
                format!("{shown} holds no `bootstrap`; expected an executable file of that name for {runtime}"),
            ),
            (None, _) => (
                function,
                format!(
                    "the key `runtime` is missing; expected a runtime, because {shown} holds no executable `bootstrap`"
                ),
            ),
        };
        self.report.mistake(spot, message);
        None
    }

    /// One file: a program that speaks the Runtime API itself.
    fn runtime_of_file(&mut self, written: &Written<'_>, named: NamedRuntime) -> Option<Runtime> {
        let runtime = match named {
            NamedRuntime::Refused => return None,
            NamedRuntime::Nothing => Runtime::ProvidedAl2023,
            NamedRuntime::Is(runtime) => runtime,
        };
        if runtime.is_managed() {
            let message = format!(
                "{} is one file, and {runtime} runs a handler in a folder or a zip file; {}",
                written.shown,
                folder_and_handler(written.text, runtime)
            );
            self.report.mistake(written.spot, message);
            return None;
        }
        accepted(
            &mut self.report,
            written.spot,
            code::executable(&written.path, &written.shown),
        )?;
        Some(runtime)
    }
}

/// What to write instead of `code: ./app.py`.
fn folder_and_handler(file: &str, runtime: Runtime) -> String {
    let file = Path::new(file);
    let folder = match file.parent().map(Path::to_string_lossy) {
        Some(folder) if !folder.is_empty() => folder.into_owned(),
        _ => ".".to_owned(),
    };
    let extensions: &[&str] = match runtime {
        Runtime::Python(_) => &["py"],
        Runtime::Ruby(_) => &["rb"],
        // A handler names a class or an assembly, which the file's name alone does not tell.
        Runtime::Java(_) | Runtime::Dotnet(_) => &[],
        Runtime::Nodejs(_) | Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => &["js", "mjs", "cjs"],
    };
    let module = file
        .extension()
        .filter(|it| extensions.iter().any(|known| **it == **known))
        .and_then(|_| file.file_stem());
    match module {
        Some(module) => format!(
            "expected `code: {folder}` with `handler: {}.handler`",
            module.to_string_lossy()
        ),
        None => format!("expected `code: {folder}` with a `handler`"),
    }
}
