//! What of the host an interpreter consists of, for environments that do not see the host.

use super::Language;
use std::path::{Path, PathBuf};

/// What below the prefix of a Python or a Ruby belongs to it. Not the prefix itself, which may be somebody's home.
const OF_PREFIX: [&str; 4] = ["bin", "lib", "lib64", "pyvenv.cfg"];

/// The program to execute, and the files and folders without which it does not run, those left out that every environment
/// has. Blocks for some microseconds.
///
/// A virtual environment is known by the path of its link, so that is kept; any other link is followed.
pub(super) fn of(language: Language, program: &Path, packages: &[PathBuf]) -> (PathBuf, Vec<PathBuf>) {
    let file = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let prefix = |program: &Path| program.parent().and_then(Path::parent).map(Path::to_owned);
    let is_virtual = prefix(program).is_some_and(|prefix| prefix.join("pyvenv.cfg").exists());
    let mut pieces: Vec<PathBuf> = match language {
        Language::Nodejs => vec![file.clone()],
        // A home of its own, and what is beside the program belongs to it: `{home}/bin/java`, `{home}/dotnet`.
        Language::Java => prefix(&file).into_iter().collect(),
        Language::Dotnet => file.parent().map(Path::to_owned).into_iter().collect(),
        Language::Ruby => {
            let within = prefix(&file).into_iter();
            within
                .flat_map(|prefix| OF_PREFIX.map(|name| prefix.join(name)))
                .collect()
        }
        Language::Python => {
            let linked = prefix(program).filter(|_| is_virtual);
            let prefixes = linked.into_iter().chain(prefix(&file));
            let within = prefixes.flat_map(|prefix| OF_PREFIX.map(|name| prefix.join(name)));
            within.chain(packages.iter().cloned()).collect()
        }
    };
    pieces.retain(|piece| piece.exists() && !sandbox::is_in_every_enclosure(piece));
    let all = pieces.clone();
    let is_within_another = |piece: &PathBuf| all.iter().any(|other| other != piece && piece.starts_with(other));
    pieces.retain(|piece| !is_within_another(piece));
    pieces.sort();
    pieces.dedup();
    (if is_virtual { program.to_owned() } else { file }, pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_pieces_of_an_interpreter() {
        let root = std::env::temp_dir().join(format!("albacore-pieces-{}", std::process::id()));
        for folder in [
            "python/bin",
            "python/lib/site-packages",
            "python/private",
            "venv/bin",
            "extra",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let root = root.canonicalize().unwrap();
        for file in ["python/bin/python3", "venv/pyvenv.cfg", "node"] {
            fs::write(root.join(file), "").unwrap();
        }
        symlink(root.join("python/bin/python3"), root.join("venv/bin/python")).unwrap();
        symlink(root.join("node"), root.join("link")).unwrap();
        let found = |language, program: &str, packages: &[&str]| {
            let packages: Vec<_> = packages.iter().map(|name| root.join(name)).collect();
            let (program, pieces) = of(language, &root.join(program), &packages);
            let name = |path: PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
            (name(program), pieces.into_iter().map(name).collect::<Vec<_>>())
        };
        let plain = found(
            Language::Python,
            "python/bin/python3",
            &["python/lib/site-packages", "extra", "missing"],
        );
        let linked = found(Language::Python, "venv/bin/python", &[]);
        let node = found(Language::Nodejs, "link", &[]);
        let system = of(Language::Nodejs, Path::new("/bin/sh"), &[]);
        fs::remove_dir_all(&root).unwrap();
        let expected = |program: &str, pieces: &[&str]| {
            (
                program.to_owned(),
                pieces.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            plain,
            expected("python/bin/python3", &["extra", "python/bin", "python/lib"])
        );
        let whole = ["python/bin", "python/lib", "venv/bin", "venv/pyvenv.cfg"];
        assert_eq!(linked, expected("venv/bin/python", &whole));
        assert_eq!(node, expected("node", &["node"]));
        assert_eq!(system.1, Vec::<PathBuf>::new());
    }
}
