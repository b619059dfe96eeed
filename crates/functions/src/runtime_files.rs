//! The bootstraps of the managed runtimes: embedded in this program, written to a folder from which interpreters run
//! them.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

macro_rules! embedded {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../runtimes/", $path)))
    };
}
/// Every file, with its place in the folder.
const FILES: &[(&str, &str)] = &[
    embedded!("python/bootstrap.py"),
    embedded!("python/_albacore/__init__.py"),
    embedded!("python/_albacore/api.py"),
    embedded!("python/_albacore/context.py"),
    embedded!("python/_albacore/failures.py"),
    embedded!("python/_albacore/log_handler.py"),
    embedded!("python/_albacore/logs.py"),
    embedded!("python/_albacore/main.py"),
    embedded!("python/_albacore/marshal.py"),
    embedded!("node/bootstrap.cjs"),
    embedded!("node/albacore/api.cjs"),
    embedded!("node/albacore/failures.cjs"),
    embedded!("node/albacore/invocations.cjs"),
    embedded!("node/albacore/loader.cjs"),
    embedded!("node/albacore/logs.cjs"),
    embedded!("node/albacore/rehearsal.cjs"),
    embedded!("node/albacore/rehearsal/module.mjs"),
    embedded!("node/albacore/rehearsal/script.js"),
    embedded!("node/albacore/streaming.cjs"),
    embedded!("node/albacore/syntax.cjs"),
    embedded!("ruby/bootstrap.rb"),
    embedded!("ruby/albacore/api.rb"),
    embedded!("ruby/albacore/context.rb"),
    embedded!("ruby/albacore/failures.rb"),
    embedded!("ruby/albacore/logs.rb"),
    embedded!("ruby/albacore/main.rb"),
];

/// Folders that stand for runtimes without a file of ours.
const EMPTY_FOLDERS: [&str; 2] = ["java", "dotnet"];

const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// The folder with the bootstraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeFiles {
    folder: PathBuf,
}

impl RuntimeFiles {
    /// Writes them below `directory`, in a folder that is named by their content, so that processes of two versions of
    /// albacore do not disturb each other. What is there already and right stays as it is; each file appears whole or not
    /// at all. Blocks.
    pub(crate) fn write(directory: &Path) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        FILES.hash(&mut hasher);
        let folder = directory.join(format!("{:016x}", hasher.finish()));
        for (name, text) in FILES {
            let path = folder.join(name);
            if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
                continue;
            }
            write_file(&path, text)?;
        }
        for name in EMPTY_FOLDERS {
            let path = folder.join(name);
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(DIRECTORY_MODE))?;
        }
        Ok(Self { folder })
    }

    /// What Python runs.
    pub(crate) fn python_bootstrap(&self) -> PathBuf {
        self.folder.join("python/bootstrap.py")
    }

    /// The folder of the modules that it imports.
    pub(crate) fn python_package(&self) -> PathBuf {
        self.folder.join("python/_albacore")
    }

    /// What Node.js runs.
    pub(crate) fn node_bootstrap(&self) -> PathBuf {
        self.folder.join("node/bootstrap.cjs")
    }

    /// What Ruby runs.
    pub(crate) fn ruby_bootstrap(&self) -> PathBuf {
        self.folder.join("ruby/bootstrap.rb")
    }

    /// The folder of Java's runtime on a host without the client.
    pub(crate) fn java_folder(&self) -> PathBuf {
        self.folder.join("java")
    }

    /// The folder of .NET's runtime on a host without the client.
    pub(crate) fn dotnet_folder(&self) -> PathBuf {
        self.folder.join("dotnet")
    }
}

/// Writes a file that everybody may read; it appears whole or not at all. Blocks.
pub(crate) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))?;
    // What was compiled of another text would only be in the way.
    let _ = fs::remove_dir_all(directory.join("__pycache__"));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let draft = path.with_extension(format!("{:016x}", u64::from_ne_bytes(random)));
    let written = fs::write(&draft, text)
        .and_then(|()| fs::set_permissions(&draft, Permissions::from_mode(FILE_MODE)))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn directory(name: &str) -> Directory {
        let directory = std::env::temp_dir().join(format!("albacore-runtime-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Directory(directory)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_are_readable_by_everybody_and_writable_by_their_owner() {
        let directory = directory("modes");
        let files = RuntimeFiles::write(&directory.0).unwrap();
        for path in [files.python_bootstrap(), files.node_bootstrap()] {
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o644, 0o755), "{path:?}");
        }
        let names: Vec<_> = fs::read_dir(files.folder.join("python/_albacore"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            names.iter().all(|name| name.ends_with(".py")),
            "no draft is left: {names:?}"
        );
    }

    #[test]
    fn writing_again_repairs_and_otherwise_leaves_alone() {
        let directory = directory("again");
        let first = RuntimeFiles::write(&directory.0).unwrap();
        let (kept, broken) = (first.node_bootstrap(), first.python_bootstrap());
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let before = modified(&kept);
        fs::write(&broken, "raise SystemExit").unwrap();
        fs::create_dir(broken.with_file_name("__pycache__")).unwrap();

        assert_eq!(RuntimeFiles::write(&directory.0).unwrap(), first);
        assert_eq!(modified(&kept), before);
        assert!(fs::read_to_string(&broken).unwrap().contains("_albacore"));
        assert!(!broken.with_file_name("__pycache__").exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let directory = directory("file");
        let file = directory.0.join("file");
        fs::write(&file, "").unwrap();
        assert!(RuntimeFiles::write(&file).is_err());
    }

    /// A file of `runtimes` that is not embedded would be missing on every other machine.
    #[test]
    fn every_file_is_embedded() {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("__pycache__") {
                    walk(&path, found);
                } else if path.is_file() {
                    found.push(path);
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes");
        let mut found = Vec::new();
        walk(&root, &mut found);
        let mut found: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap())
            .collect();
        let mut embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        found.sort_unstable();
        embedded.sort_unstable();
        assert_eq!(found, embedded);
    }
}
