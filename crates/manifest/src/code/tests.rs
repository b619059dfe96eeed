use super::*;
use crate::testing::TestFolder;

fn revision_of(path: &Path) -> Result<Arc<str>, String> {
    revision(&CodeLocation::Folder(path.to_owned()))
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
    assert!(locate(&pipe, "`pipe`").is_err());
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
    assert!(matches!(
        locate(&folder.path("script"), "`script`"),
        Ok(CodeLocation::Executable(_))
    ));
    assert!(matches!(
        locate(&std::env::current_exe().unwrap(), "`test`"),
        Ok(CodeLocation::Executable(_))
    ));
    let zip = folder.put("code", "PK\u{3}\u{4}");
    assert!(locate(&zip, "`code`").unwrap_err().contains("zip"));
}
