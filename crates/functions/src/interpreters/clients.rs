//! The public runtime interface clients that albacore does not bring itself: those of Java and .NET, which are compiled.
//!
//! They are copied into the data folder, named by their content, so that an environment sees them and nothing of the folder
//! they come from, and so that what is made of them ([`crate::class_data`]) fits as long as it is there. Source: Lambda 3.4.

use super::Language;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The newest Java client that this was tested with: what a person is told to install.
pub(super) const JAVA_COORDINATES: &str = "com.amazonaws:aws-lambda-java-runtime-interface-client:2.9.0";
/// What starts a function that is a class library. The package of the same name holds it without an entry point.
pub(super) const DOTNET_CLIENT: &str = "Amazon.Lambda.RuntimeSupport.dll";

/// The native part of Java's client, beside the folder of its jars.
pub(crate) const JAVA_LIBRARY: &str = "libaws-lambda-jni.so";

/// Bounds for whatever lies in those folders.
const FILES_MAX: usize = 64;
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Versions of one library in a Maven repository, and bytes of its description that are read.
const VERSIONS_MAX: usize = 512;
const DESCRIPTION_BYTES_MAX: u64 = 256 * 1024;

const CLIENT: &str = "aws-lambda-java-runtime-interface-client";
const AMAZON: &str = "com/amazonaws";
const SDK: &str = "software/amazon/awssdk";

/// What there is on this host, copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clients {
    /// The folder that is `/var/runtime` for Java: jars in `lib`, and the native part.
    pub(super) java: Option<PathBuf>,
    /// The same for .NET, with [`DOTNET_CLIENT`] in it.
    pub(super) dotnet: Option<PathBuf>,
}

/// Where clients are looked for.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// With folders `java` and `dotnet`.
    pub(super) own: PathBuf,
    /// Where Maven keeps what it has loaded.
    pub(super) maven: Option<PathBuf>,
}

impl Places {
    /// `own`, and the repository of whoever runs albacore.
    pub(super) fn of_user(own: &Path) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let home = home.filter(|home| home.is_absolute());
        Self {
            own: own.to_owned(),
            maven: home.map(|home| home.join(".m2/repository")),
        }
    }
}

impl Clients {
    /// Copies what is there for a language below `directory`. Blocks.
    pub(super) fn find(language: Language, places: &Places, directory: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        match language {
            Language::Python | Language::Nodejs | Language::Ruby => {}
            Language::Java => {
                let jars = java_jars(places);
                if !jars.is_empty() {
                    found.java = Some(with_library(copied(&jars, directory, "java", "lib")?)?);
                }
            }
            Language::Dotnet => {
                let files = files_in(&places.own.join("dotnet"), &["dll", "json"]);
                if files.iter().any(|file| file.ends_with(DOTNET_CLIENT)) {
                    found.dotnet = Some(copied(&files, directory, "dotnet", "")?);
                }
            }
        }
        Ok(found)
    }
}

/// The client's jar and those it needs; none if there is no client.
fn java_jars(places: &Places) -> Vec<PathBuf> {
    let flat = files_in(&places.own.join("java"), &["jar"]);
    let is_client = |file: &PathBuf| {
        file.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(CLIENT))
    };
    if flat.iter().any(is_client) {
        return flat;
    }
    let repositories = [Some(places.own.join("java")), places.maven.clone()];
    let found = repositories.into_iter().flatten().find_map(|it| of_repository(&it));
    found.unwrap_or_default()
}

/// The newest client of a Maven repository, with the versions of its libraries that it asks for.
fn of_repository(repository: &Path) -> Option<Vec<PathBuf>> {
    let (client, version) = newest(repository, AMAZON, CLIENT)?;
    let mut jars = vec![client];
    let description = description(repository, AMAZON, CLIENT, &version);
    for (group, name) in [
        (AMAZON, "aws-lambda-java-core"),
        (AMAZON, "aws-lambda-java-serialization"),
        (SDK, "utils-lite"),
    ] {
        // Older clients do not need all of them.
        let Some(asked) = version_in(&description, name) else {
            continue;
        };
        let exact = jar(repository, group, name, &asked).map(|jar| (jar, asked));
        let (jar, version) = exact.or_else(|| newest(repository, group, name))?;
        jars.push(jar);
        if group == SDK {
            // Published together.
            jars.extend(self::jar(repository, SDK, "annotations", &version));
        }
    }
    Some(jars)
}

fn jar(repository: &Path, group: &str, name: &str, version: &str) -> Option<PathBuf> {
    let path = repository
        .join(group)
        .join(name)
        .join(version)
        .join(format!("{name}-{version}.jar"));
    path.is_file().then_some(path)
}

fn newest(repository: &Path, group: &str, name: &str) -> Option<(PathBuf, String)> {
    let versions = fs::read_dir(repository.join(group).join(name)).ok()?;
    let versions = versions.flatten().take(VERSIONS_MAX);
    let versions = versions.filter_map(|entry| entry.file_name().into_string().ok());
    let with_jar = versions.filter_map(|version| Some((jar(repository, group, name, &version)?, version)));
    let number = |version: &str| -> Vec<u32> { version.split(['.', '-']).map(|it| it.parse().unwrap_or(0)).collect() };
    with_jar.max_by_key(|(_, version)| number(version))
}

/// A library's own description, as far as it can be read.
fn description(repository: &Path, group: &str, name: &str, version: &str) -> String {
    let path = repository
        .join(group)
        .join(name)
        .join(version)
        .join(format!("{name}-{version}.pom"));
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(DESCRIPTION_BYTES_MAX).read_to_string(&mut text); // what is missing is not asked for
    }
    text
}

/// The version of a library in a description that asks for it.
fn version_in(description: &str, name: &str) -> Option<String> {
    let (_, rest) = description.split_once(&format!("<artifactId>{name}</artifactId>"))?;
    let (dependency, _) = rest.split_once("</dependency>")?;
    let (_, version) = dependency.split_once("<version>")?;
    let (version, _) = version.split_once("</version>")?;
    Some(version.trim().to_owned())
}

/// The files of a folder that have one of these extensions, in the order of their names.
pub(super) fn files_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| {
        let extension = path.extension().unwrap_or_default();
        extensions.iter().any(|it| extension == *it) && path.is_file()
    };
    let mut files: Vec<_> = paths.filter(wanted).take(FILES_MAX).collect();
    files.sort();
    files
}

/// Copies files below `directory`, into `within` of a folder that is named by what is in them. What is there already stays.
fn copied(files: &[PathBuf], directory: &Path, language: &str, within: &str) -> io::Result<PathBuf> {
    let mut hash = Sha256::new();
    let mut contents = Vec::new();
    let mut bytes_left = BYTES_MAX;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        let mut bytes = Vec::new();
        File::open(file)?.take(bytes_left + 1).read_to_end(&mut bytes)?;
        bytes_left = bytes_left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            io::Error::other(format!(
                "a runtime client of more than {BYTES_MAX} bytes: {}",
                file.display()
            ))
        })?;
        hash.update(name.as_encoded_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(&bytes));
        contents.push((name, bytes));
    }
    let hash: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = directory.join(format!("{language}-{hash}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let draft = directory.join(format!("{language}-{:016x}.draft", u64::from_ne_bytes(random)));
    let write = || -> io::Result<()> {
        let inner = draft.join(within);
        fs::create_dir_all(&inner)?;
        for folder in [&draft, &inner] {
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        for (name, bytes) in &contents {
            let path = inner.join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        }
        fs::rename(&draft, &folder)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
    match written {
        // Another process was faster.
        Err(_) if folder.is_dir() => Ok(folder),
        written => written.map(|()| folder),
    }
}

/// Unpacks the native part once: the client would do it in `/tmp` at every start.
fn with_library(folder: PathBuf) -> io::Result<PathBuf> {
    let library = folder.join(JAVA_LIBRARY);
    let (loader, name) = match std::env::consts::ARCH {
        "aarch64" => ("/lib/ld-linux-aarch64.so.1", "jni/libaws-lambda-jni.linux-aarch_64.so"),
        _ => ("/lib64/ld-linux-x86-64.so.2", "jni/libaws-lambda-jni.linux-x86_64.so"),
    };
    // With another C library the client chooses itself.
    if library.exists() || !Path::new(loader).exists() {
        return Ok(folder);
    }
    for jar in files_in(&folder.join("lib"), &["jar"]) {
        let Ok(mut archive) = ZipArchive::new(File::open(&jar)?) else {
            continue;
        };
        let Ok(entry) = archive.by_name(name) else { continue };
        let mut bytes = Vec::new();
        entry.take(BYTES_MAX).read_to_end(&mut bytes)?;
        let draft = library.with_extension("draft");
        fs::write(&draft, bytes)?;
        fs::set_permissions(&draft, Permissions::from_mode(0o644))?;
        fs::rename(&draft, &library)?;
        break;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn root(name: &str) -> Root {
        let root = std::env::temp_dir().join(format!("albacore-clients-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        Root(root)
    }

    fn put(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn put_library(repository: &Path, group: &str, name: &str, version: &str) {
        let folder = repository.join(group).join(name).join(version);
        put(folder.join(format!("{name}-{version}.jar")), version);
    }

    fn names(folder: &Path) -> Vec<String> {
        let files = files_in(folder, &["jar"]).into_iter();
        files
            .map(|it| it.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_maven_repository_has_the_client_and_the_versions_that_it_asks_for() {
        let root = root("maven");
        let maven = root.0.join("m2");
        for version in ["2.9.0", "2.10.1", "2.4.1"] {
            put_library(&maven, AMAZON, CLIENT, version);
        }
        // Announced, and never loaded.
        fs::create_dir_all(maven.join(AMAZON).join(CLIENT).join("3.0.0")).unwrap();
        let asks = |name: &str, version: &str| {
            format!("<dependency>\n <artifactId>{name}</artifactId>\n <version>{version}</version>\n</dependency>\n")
        };
        let description = asks("aws-lambda-java-core", "1.4.0") + &asks("utils-lite", "2.34.0");
        let folder = maven.join(AMAZON).join(CLIENT).join("2.10.1");
        put(folder.join(format!("{CLIENT}-2.10.1.pom")), &description);
        for version in ["1.3.0", "1.4.0", "1.5.0"] {
            put_library(&maven, AMAZON, "aws-lambda-java-core", version);
        }
        put_library(&maven, AMAZON, "aws-lambda-java-serialization", "1.2.0");
        // Another one than it asks for: better than none.
        put_library(&maven, SDK, "utils-lite", "2.35.0");
        put_library(&maven, SDK, "annotations", "2.35.0");
        let places = Places {
            own: root.0.join("own"),
            maven: Some(maven),
        };
        let found = Clients::find(Language::Java, &places, &root.0.join("data")).unwrap();
        let folder = found.java.clone().unwrap();
        assert_eq!(
            names(&folder.join("lib")),
            [
                "annotations-2.35.0.jar",
                "aws-lambda-java-core-1.4.0.jar",
                "aws-lambda-java-runtime-interface-client-2.10.1.jar",
                "utils-lite-2.35.0.jar"
            ]
        );
        assert_eq!(found.dotnet, None);
        assert_eq!(
            Clients::find(Language::Java, &places, &root.0.join("data")).unwrap(),
            found,
            "nothing changes"
        );

        // What lies in the folder for it comes first, as it is.
        put(places.own.join(format!("java/{CLIENT}-9.jar")), "");
        put(places.own.join("java/any.jar"), "");
        put(places.own.join("java/notes.txt"), "");
        let own = Clients::find(Language::Java, &places, &root.0.join("data"))
            .unwrap()
            .java
            .unwrap();
        assert_ne!(own, folder);
        assert_eq!(
            names(&own.join("lib")),
            ["any.jar".to_owned(), format!("{CLIENT}-9.jar")]
        );
    }

    #[test]
    fn without_its_first_part_a_client_is_none() {
        let root = root("none");
        let places = Places {
            own: root.0.join("own"),
            maven: Some(root.0.join("m2")),
        };
        put(places.own.join("java/other.jar"), "");
        put(places.own.join("dotnet/Other.dll"), "");
        put_library(&root.0.join("m2"), AMAZON, "aws-lambda-java-core", "1.4.0");
        for language in [Language::Java, Language::Dotnet] {
            let found = Clients::find(language, &places, &root.0.join("data")).unwrap();
            assert_eq!(found, Clients::default(), "{language:?}");
        }
        put(places.own.join("dotnet").join(DOTNET_CLIENT), "");
        let dotnet = Clients::find(Language::Dotnet, &places, &root.0.join("data"))
            .unwrap()
            .dotnet
            .unwrap();
        assert!(dotnet.join(DOTNET_CLIENT).is_file());
    }
}
