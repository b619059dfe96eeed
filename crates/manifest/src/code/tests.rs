use super::*;
use crate::testing::TestFolder;

fn revision_of(path: &Path) -> Result<Arc<str>, String> {
    revision(&CodeLocation::Folder(path.to_owned()), &OwnFiles::default())
}

#[test]
fn a_revision_changes_with_name_contents_and_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TestFolder::new();
    let file = folder.put("code/a", "1");
    folder.put("code/sub/b", "1");
    let code = folder.path("code");
    let mut seen = vec![revision_of(&code).unwrap()];
    let mut changed = |what: &str| {
        let revision = revision_of(&code).unwrap();
        assert!(!seen.contains(&revision), "{what}");
        seen.push(revision);
    };
    std::fs::write(&file, "22").unwrap();
    changed("a longer file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    changed("another mode");
    std::fs::rename(&file, folder.path("code/c")).unwrap();
    changed("another name");
    std::fs::create_dir(folder.path("code/empty")).unwrap();
    changed("a new folder");
    std::os::unix::fs::symlink("c", folder.path("code/link")).unwrap();
    changed("a new link");
    folder.put("code/c", "333");
    changed("what a link leads to");
    folder.put("code/node_modules/x/index.js", "1");
    changed("a dependency");
}

#[test]
fn what_we_write_ourselves_is_no_code() {
    let folder = TestFolder::new();
    let code = folder.path("code");
    folder.put("code/app.py", "1");
    let own = OwnFiles::new([folder.path("code/state"), folder.path("code/up.err")]);
    let revision = || revision(&CodeLocation::Folder(code.clone()), &own).unwrap();
    let (first, fingerprint_before) = (revision(), fingerprint(std::slice::from_ref(&code), &own));
    folder.put("code/state/logs/f", "1");
    folder.put("code/up.err", "1");
    assert_eq!(revision(), first);
    assert_eq!(fingerprint(std::slice::from_ref(&code), &own), fingerprint_before);
    folder.put("code/lib/state", "1");
    assert_ne!(revision(), first);
}

#[test]
fn links_that_lead_around_end() {
    let folder = TestFolder::new();
    folder.put("code/a", "1");
    std::os::unix::fs::symlink("..", folder.path("code/up")).unwrap();
    std::os::unix::fs::symlink("self", folder.path("code/self")).unwrap();
    revision_of(&folder.path("code")).unwrap();
}

#[test]
fn files_that_are_none_are_not_opened() {
    let folder = TestFolder::new();
    let pipe = folder.path("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        read_file(&pipe, "`pipe`", 10, "a file"),
        Err("`pipe` is no regular file; expected a file".to_owned())
    );
    assert!(look(&pipe, "`pipe`", "a file").is_err());
    let long = folder.put("long", "x".repeat(11));
    assert_eq!(
        read_file(&long, "`long`", 10, "a file"),
        Err("`long` is larger than 10 bytes; expected a file".to_owned())
    );
}

#[test]
fn programs_and_scripts_can_be_run() {
    let folder = TestFolder::new();
    folder.put_executable("script");
    let test = std::env::current_exe().unwrap();
    for program in [folder.path("script"), test] {
        assert_eq!(look(&program, "`it`", "code"), Ok(Found::File));
        assert_eq!(executable(&program, "`it`"), Ok(()));
    }
    let text = folder.put("text", "hello");
    assert!(executable(&text, "`text`").is_err());
}

#[test]
fn zip_files_are_known_by_name_or_contents_and_have_a_limit() {
    let folder = TestFolder::new();
    for (name, contents) in [("code", "PK\u{3}\u{4}"), ("code.ZIP", ""), ("code.jar", "x")] {
        assert_eq!(look(&folder.put(name, contents), "`it`", "code"), Ok(Found::Zip));
    }
    assert_eq!(look(&folder.put("other", "PK\u{3}"), "`it`", "code"), Ok(Found::File));
    let path = folder.put("large.zip", "");
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(52_428_800).unwrap();
    let refused = || zipped_bootstrap(&path, "`large.zip`").unwrap_err();
    assert!(
        refused().starts_with("`large.zip` cannot be unzipped: "),
        "{}",
        refused()
    );
    file.set_len(52_428_801).unwrap();
    let expected = "`large.zip` has 52428801 bytes; expected a zip file of at most 52428800 bytes";
    assert_eq!(refused(), expected);
}

#[test]
fn code_of_a_folder_has_lambdas_limit() {
    let folder = TestFolder::new();
    let path = folder.put("code/data", "");
    let file = File::options().write(true).open(&path).unwrap();
    folder.put("code/app.py", "12");
    file.set_len(262_143_998).unwrap();
    revision_of(&folder.path("code")).unwrap();
    file.set_len(262_143_999).unwrap();
    let expected = "the code has 262144001 bytes; expected at most 262144000, as Lambda takes";
    assert_eq!(revision_of(&folder.path("code")).unwrap_err(), expected);
}

#[test]
fn entries_of_a_zip_file_stay_in_it() {
    let folder = TestFolder::new();
    for (entry, stays) in [("a/..b", true), ("../b", false), ("/b", false), ("a/../../b", false)] {
        folder.put_zip("code.zip", &[("app.py", 0o644), (entry, 0o644)]);
        let found = zipped_bootstrap(&folder.path("code.zip"), "`code.zip`");
        assert_eq!(found.is_ok(), stays, "{entry}: {found:?}");
        if let Err(message) = found {
            assert!(message.contains(&format!("leads out of it, {entry:?}")), "{message}");
        }
    }
}

#[test]
fn the_bootstrap_of_a_zip_file_may_be_run_by_others() {
    let folder = TestFolder::new();
    for (mode, executable) in [(0o755, true), (0o555, true), (0o744, false), (0o644, false)] {
        folder.put_zip("code.zip", &[("lib/bootstrap", 0o644), ("bootstrap", mode)]);
        let found = zipped_bootstrap(&folder.path("code.zip"), "`code.zip`").unwrap();
        assert_eq!(found.unwrap().is_ok(), executable, "{mode:o}");
    }
    folder.put_zip("code.zip", &[("lib/bootstrap", 0o755)]);
    assert_eq!(zipped_bootstrap(&folder.path("code.zip"), "`code.zip`"), Ok(None));
}
