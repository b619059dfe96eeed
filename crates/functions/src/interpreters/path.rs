//! The files in `PATH` that have the name of an interpreter.

use super::Language;
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How many candidates are asked; there are seldom more than ten.
const CANDIDATES_MAX: usize = 64;

/// The minor versions of Python 3 that are looked for.
pub(super) const PYTHON_MINORS: Range<u8> = 8..21;

/// A file in `PATH` with the name of an interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) language: Language,
    pub(super) program: PathBuf,
}

/// The minor versions of Ruby 3 that are looked for beside `ruby`.
const RUBY_MINORS: Range<u8> = 0..6;

/// Where distributions keep several Javas, of which `PATH` has one.
const JAVA_HOMES: &str = "/usr/lib/jvm";

/// Where Java is besides `PATH`: in `JAVA_HOME`, and where distributions keep it. Blocks.
pub(super) fn java_folders() -> Vec<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    let home = home.filter(|home| home.is_absolute());
    let listed = fs::read_dir(JAVA_HOMES).into_iter().flatten().flatten();
    let mut listed: Vec<_> = listed.map(|entry| entry.path()).take(CANDIDATES_MAX).collect();
    listed.sort();
    home.into_iter().chain(listed).map(|home| home.join("bin")).collect()
}

/// Looks at the names that interpreters of a language have, in every folder of `PATH`; for Java's in `java_folders`, too.
/// Blocks.
pub(super) fn candidates(path: &OsStr, language: Language, java_folders: &[PathBuf]) -> Vec<Candidate> {
    // A relative folder would mean another one in every working directory.
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for folder in folders.filter_map(|folder| folder.canonicalize().ok()) {
        let installed = behind_shims(&folder, language);
        if installed.is_empty() {
            look_into(&folder, language, &mut seen, &mut found);
        }
        for folder in installed {
            look_into(&folder, language, &mut seen, &mut found);
        }
    }
    let more = java_folders.iter().filter(|_| language == Language::Java);
    for folder in more.filter_map(|folder| folder.canonicalize().ok()) {
        look_into(&folder, language, &mut seen, &mut found);
    }
    found.truncate(CANDIDATES_MAX);
    found
}

fn look_into(folder: &Path, language: Language, seen: &mut Vec<(PathBuf, PathBuf)>, found: &mut Vec<Candidate>) {
    for name in names(language) {
        let program = folder.join(name);
        // Within one folder, links to one file are one program. In different folders they may be more: a virtual
        // environment of Python is a link, and its place says which packages it has.
        let Ok(file) = program.canonicalize() else { continue };
        let key = (folder.to_owned(), file);
        if !seen.contains(&key) && is_executable(&key.1) {
            seen.push(key);
            found.push(Candidate { language, program });
        }
    }
}

fn names(language: Language) -> Vec<String> {
    match language {
        Language::Python => std::iter::once("python3".to_owned())
            .chain(PYTHON_MINORS.map(|minor| format!("python3.{minor}")))
            .collect(),
        Language::Nodejs => vec!["node".to_owned(), "nodejs".to_owned()],
        Language::Java => vec!["java".to_owned()],
        Language::Ruby => std::iter::once("ruby".to_owned())
            .chain(RUBY_MINORS.map(|minor| format!("ruby3.{minor}")))
            .collect(),
        Language::Dotnet => vec!["dotnet".to_owned()],
    }
}

/// The folders of the programs that the shims of a version manager stand for, newest version first; none if `folder`
/// holds no shims.
///
/// A shim takes a tenth of a second, and knows only the versions that are switched on. The managers have them in
/// `shims` beside `versions/{version}` (pyenv, nodenv, rbenv, jenv) or `installs/{language}/{version}` (asdf, mise).
fn behind_shims(folder: &Path, language: Language) -> Vec<PathBuf> {
    let Some(root) = folder.parent().filter(|_| folder.ends_with("shims")) else {
        return Vec::new();
    };
    let places: &[&str] = match language {
        Language::Python => &["versions", "installs/python"],
        Language::Nodejs => &["versions", "installs/nodejs", "installs/node"],
        Language::Java => &["versions", "installs/java"],
        Language::Ruby => &["versions", "installs/ruby"],
        Language::Dotnet => &[],
    };
    let listed = places.iter().filter_map(|place| fs::read_dir(root.join(place)).ok());
    let mut versions: Vec<PathBuf> = listed.flatten().flatten().map(|entry| entry.path()).collect();
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    versions.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::cmp::Reverse(name.split('.').map(number).collect::<Vec<_>>())
    });
    let folders = versions.into_iter().map(|version| version.join("bin"));
    folders
        .filter(|folder| names(language).iter().any(|name| folder.join(name).exists()))
        .collect()
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("albacore-search-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder.canonicalize().unwrap())
    }

    fn program(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn candidates_are_executable_files_with_the_right_names() {
        let root = folder("candidates");
        let (first, second) = (root.0.join("first"), root.0.join("second"));
        for folder in [&first, &second] {
            fs::create_dir(folder).unwrap();
        }
        program(&first.join("python3.11"), 0o755);
        symlink("python3.11", first.join("python3")).unwrap();
        program(&first.join("python3.12"), 0o644);
        program(&first.join("python2"), 0o755);
        program(&first.join("python3.11-config"), 0o755);
        fs::create_dir(first.join("node")).unwrap();
        symlink(first.join("python3.11"), second.join("python3")).unwrap();
        symlink("/nowhere", second.join("node")).unwrap();
        program(&second.join("nodejs"), 0o755);
        program(&second.join("java"), 0o755);
        let again = root.0.join("again");
        symlink(&second, &again).unwrap();

        let path = std::env::join_paths([&first, &second, &again, Path::new("relative"), Path::new("/nowhere")]);
        let path = path.unwrap();
        let of = |language| candidates(&path, language, std::slice::from_ref(&second));
        let found = [of(Language::Python), of(Language::Nodejs), of(Language::Java)].concat();
        let expected = [
            (Language::Python, first.join("python3")),
            (Language::Python, second.join("python3")),
            (Language::Nodejs, second.join("nodejs")),
            (Language::Java, second.join("java")),
        ];
        assert_eq!(
            found,
            expected.map(|(language, program)| Candidate { language, program })
        );
    }

    #[test]
    fn behind_the_shims_of_a_version_manager_are_all_its_versions() {
        let root = folder("shims");
        let shims = root.0.join("shims");
        let bins = [
            "versions/3.9.18/bin",
            "versions/3.12.9/bin",
            "versions/3.12.10/bin",
            "installs/nodejs/22.3.0/bin",
        ];
        for folder in bins.map(|bin| root.0.join(bin)).iter().chain([&shims]) {
            fs::create_dir_all(folder).unwrap();
        }
        let names = ["python3.9", "python3.12", "python3.12", "node"];
        let programs: Vec<_> = bins
            .iter()
            .zip(names)
            .map(|(bin, name)| root.0.join(bin).join(name))
            .collect();
        for path in &programs {
            program(path, 0o755);
            program(&shims.join(path.file_name().unwrap()), 0o755);
        }
        let of = |language| candidates(shims.as_os_str(), language, &[]);
        let found = [of(Language::Python), of(Language::Nodejs)].concat();
        let found: Vec<_> = found.into_iter().map(|candidate| candidate.program).collect();
        assert_eq!(found, [2, 1, 0, 3].map(|index: usize| programs[index].clone()));

        // Of a manager that is not known, the shims are what there is.
        fs::remove_dir_all(root.0.join("versions")).unwrap();
        let of = |language| candidates(shims.as_os_str(), language, &[]);
        let found = [of(Language::Python), of(Language::Nodejs)].concat();
        let found: Vec<_> = found.into_iter().map(|candidate| candidate.program).collect();
        assert_eq!(
            found,
            [shims.join("python3.9"), shims.join("python3.12"), programs[3].clone()]
        );
    }
}
