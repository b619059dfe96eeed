//! `handler`, and whether a managed runtime will find what it names.
//!
//! What a runtime cannot find is Lambda's own error at run time, so here it is a warning only.

use super::NamedRuntime;
use crate::mistake::{Spot, shown};
use crate::reader::{Fields, text, wrong};
use crate::schema::Walk;
use model::lambda::function::CodeLocation;
use model::lambda::runtime::Runtime;
use std::fs;
use std::path::{Component, Path};

/// Source: Lambda 1.3, `Handler`.
const HANDLER_CHARS_MAX: usize = 128;

impl Walk<'_> {
    /// The handler, and where it stands if the manifest names one: a managed runtime needs one, others are only told of
    /// it.
    pub(super) fn handler(&mut self, fields: &Fields<'_>, named: NamedRuntime) -> Option<(String, Option<Spot>)> {
        let node = match (fields.get("handler"), named) {
            (Some(node), _) => node,
            (None, NamedRuntime::Is(runtime)) if runtime.is_managed() => {
                let expected = format!("a handler such as `{}` for {runtime}", example(runtime));
                fields.require(&mut self.report, "handler", &expected);
                return None;
            }
            (None, _) => return Some(("bootstrap".to_owned(), None)),
        };
        let expected = "a handler of 1 to 128 characters without blanks";
        let handler = text(&mut self.report, node, expected)?;
        if (1..=HANDLER_CHARS_MAX).contains(&handler.chars().count()) && !handler.contains(char::is_whitespace) {
            Some((handler.to_owned(), Some(node.spot)))
        } else {
            wrong(&mut self.report, node, expected)
        }
    }

    /// Warns of a handler that a managed runtime will not find, as far as a folder shows that. `path_elsewhere`: the
    /// function's own variables make Python look elsewhere, too.
    pub(super) fn warn_of_handler(
        &mut self,
        spot: Spot,
        handler: &str,
        runtime: Runtime,
        location: &CodeLocation,
        path_elsewhere: bool,
    ) {
        if !runtime.is_managed() {
            return;
        }
        let Some(module) = module(runtime, handler) else {
            let message = format!(
                "{} names no function in a module; {runtime} expects a handler such as `{}`",
                shown(handler),
                example(runtime)
            );
            return self.report.warning(spot, message);
        };
        let CodeLocation::Folder(folder) = location else {
            return;
        };
        if path_elsewhere || holds_module(folder, runtime, &module) {
            return;
        }
        if let Runtime::Python(_) = runtime
            && let Some(oddity) = odd_import(folder, handler)
        {
            return oddity.into_iter().for_each(|it| self.report.warning(spot, it));
        }
        let file = format!("{module}.{}", extension(runtime));
        let message = format!(
            "the handler's module {} is not in the code, where {} was expected; invocations will fail",
            shown(&module),
            shown(&file)
        );
        self.report.warning(spot, message);
    }
}

fn example(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Python(_) | Runtime::Ruby(_) => "app.handler",
        Runtime::Java(_) => "example.App::handle",
        Runtime::Dotnet(_) => "App::Example.App::Handle",
        Runtime::Nodejs(_) | Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => "index.handler",
    }
}

/// Of the file in which the module is looked for first.
fn extension(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Python(_) => "py",
        Runtime::Ruby(_) => "rb",
        Runtime::Java(_) => "class",
        Runtime::Dotnet(_) => "dll",
        Runtime::Nodejs(_) | Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => "js",
    }
}

/// The module of a handler, as a path without extension; `None` when the handler has none. Source: Lambda 1.7, handler
/// strings.
fn module(runtime: Runtime, handler: &str) -> Option<String> {
    let (module, function) = match runtime {
        Runtime::Python(_) => {
            let (module, function) = handler.rsplit_once('.')?;
            (module.replace('.', "/"), function)
        }
        // A class alone has the method of an interface.
        Runtime::Java(_) => {
            let (class, method) = handler.split_once("::").unwrap_or((handler, "handleRequest"));
            (class.replace('.', "/"), method)
        }
        // An assembly alone has an entry point of its own.
        Runtime::Dotnet(_) => {
            let (assembly, method) = handler.split_once("::").unwrap_or((handler, "Main"));
            (assembly.to_owned(), method)
        }
        // The first dot of the last part: what follows may be nested exports.
        _ => {
            let name_at = handler.rfind('/').map_or(0, |slash| slash + 1);
            let (name, function) = handler.get(name_at..)?.split_once('.')?;
            (format!("{}{name}", handler.get(..name_at)?), function)
        }
    };
    let named = !module.is_empty() && !module.ends_with('/') && !function.is_empty();
    named.then_some(module)
}

/// What there is to say about a Python handler that names no file in the usual way, if it is one. Python's runtimes import
/// a module by its name, so that a dot is a step into a folder wherever it stands: in `a.b/c.handler`, too.
fn odd_import(folder: &Path, handler: &str) -> Option<Option<String>> {
    let (written, _) = handler.rsplit_once('.')?;
    let name = written.replace('/', ".");
    if name.split('.').any(str::is_empty) {
        return Some(None);
    }
    let (folders, _) = written.rsplit_once('/').filter(|(folders, _)| folders.contains('.'))?;
    let is_there = folder.join(format!("{written}.py")).is_file();
    Some(is_there.then(|| {
        format!(
            "the handler's module is imported as {}, which a folder with a dot in its name ({}) cannot hold; invocations \
             will fail",
            shown(&name),
            shown(folders)
        )
    }))
}

/// Would the runtime find `module` in `folder`? Some of what it also tries counts as found, so that no warning is wrong.
fn holds_module(folder: &Path, runtime: Runtime, module: &str) -> bool {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(module).components().all(inside) {
        return false;
    }
    let with = |extension: &str| folder.join(format!("{module}{extension}")).is_file();
    match runtime {
        Runtime::Python(_) => with(".py") || with("/__init__.py") || with(".pyc") || holds_extension(folder, module),
        Runtime::Ruby(_) => with(".rb") || with(".so"),
        Runtime::Java(_) => with(".class") || holds_jar(folder),
        Runtime::Dotnet(_) => with(".dll") || folder.join(module).is_file(),
        Runtime::Nodejs(_) | Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => {
            [".js", ".mjs", ".cjs"].iter().any(|it| with(it))
                || folder.join(module).exists()
                || folder.join("node_modules").join(module).exists()
        }
    }
}

/// A class may be in any of them.
fn holds_jar(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder.join("lib")) else {
        return false;
    };
    let mut entries = entries.flatten().take(crate::CODE_FILES_MAX);
    entries.any(|entry| Path::new(&entry.file_name()).extension().is_some_and(|it| it == "jar"))
}

/// A module in C: `module.so`, or with the name of the interpreter's ABI in between.
fn holds_extension(folder: &Path, module: &str) -> bool {
    let path = folder.join(module);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    let prefix = format!("{}.", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().take(crate::CODE_FILES_MAX).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".so")
    })
}
