//! The manifests in README.md and docs/operating.md: nothing is wrong with them.

use testkit::{Authority, Folder, repository};

/// The blocks of a document in one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository(document)).unwrap();
    let fence = format!("\n```{language}\n");
    let opened = text.split(&fence).skip(1);
    opened
        .map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n")
        .collect()
}

/// Checks every manifest of a document in a folder.
#[track_caller]
fn check(document: &str, folder: &Folder, manifests: usize) {
    let blocks = blocks(document, "yaml");
    assert_eq!(blocks.len(), manifests, "{document}");
    for manifest in blocks {
        folder.write("albacore.yaml", &manifest);
        let checked = folder.run(&["check"]);
        assert_eq!(
            (checked.code, checked.err.as_str()),
            (Some(0), ""),
            "{document}\n{manifest}"
        );
    }
}

#[test]
fn manifests_of_the_readme() {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    std::fs::create_dir(folder.path("beta")).unwrap();
    folder.write("beta/app.py", &blocks("README.md", "python")[0]);
    check("README.md", &folder, 1);
}

#[test]
fn manifests_of_the_operators_guide() {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    let authority = Authority::new(&folder);
    let issued = authority.issue(&folder, &["www.example.com"]);
    for (name, text) in [
        ("partners-ca.pem", &authority.certificate),
        ("web.pem", &issued.certificate),
        ("web.key", &issued.private_key),
    ] {
        folder.write(name, text);
    }
    check("docs/operating.md", &folder, 3);
}
