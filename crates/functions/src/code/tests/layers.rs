//! Layers laid over each other.

use super::*;
use crate::code::layers::{Layer, check_size};
use crate::code::unpack::UNZIPPED_BYTES_MAX;
use model::lambda::function::{
    Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, FunctionArn, Owner, Region, Scope};
use std::fs::File;
use std::os::unix::fs::symlink;

impl World {
    fn folder(&self, name: &str, files: &[(&str, &str)]) -> Code {
        let folder = self.0.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (name, contents) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        Code {
            location: CodeLocation::Folder(folder),
            revision: "1".into(),
        }
    }

    fn layer(&self, name: &str, entries: &[Entry]) -> Code {
        let path = self.0.join(name);
        fs::write(&path, archive(entries)).unwrap();
        Code {
            location: CodeLocation::Zip(path),
            revision: "1".into(),
        }
    }

    fn function(&self, layers: Vec<Code>) -> Function {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        Function {
            arn: FunctionArn::new(&scope, "f"),
            name: FunctionName::try_from("f").unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::ProvidedAl2023,
                handler: String::new(),
                timeout: FunctionTimeout::default(),
                memory: FunctionMemory::default(),
                environment: Environment::default(),
                concurrency: None,
                provisioned: 0,
                ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
                logging: Logging::default(),
                layers: Layers::try_from(layers).unwrap(),
                network: None,
                aws_api: model::lambda::function::AwsApi::OwnRole,
            },
            code: self.folder("code", &[("bootstrap", "")]),
            owner: Owner::Manifest,
        }
    }
}

async fn opt(codes: &Codes, function: &Function) -> Result<PathBuf, String> {
    let code = codes.ready(&function.code).await.map_err(|error| error.to_string())?;
    match codes.ready_layers(function, &code).await {
        Ok(folder) => Ok(folder.expect("it has layers")),
        Err(error) => Err(error.to_string()),
    }
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

// LAM-L-002: layers are merged in list order, later entries override earlier files
#[tokio::test]
async fn the_later_layer_wins() {
    let world = World::new();
    let first = world.layer(
        "one.zip",
        &[
            Entry::file("both", b"one"),
            Entry::file("lib/first", b"one").mode(0o100_755),
            Entry::file("turns", b"a file"),
            Entry::file("shrinks/deep/file", b""),
            Entry::link("link", "lib"),
        ],
    );
    let second = world.folder(
        "two",
        &[
            ("both", "two"),
            ("lib/second", "two"),
            ("turns/into", "a folder"),
            ("shrinks", "a file"),
        ],
    );
    let third = world.layer("three.zip", &[Entry::file("link/not-through", b"three")]);
    let codes = world.codes();
    let function = world.function(vec![first.clone(), second.clone(), third.clone()]);
    let folder = opt(&codes, &function).await.unwrap();
    assert_eq!(folder.parent().unwrap(), world.0.join("data/code"));
    for (name, expected) in [
        ("both", "two"),
        ("lib/first", "one"),
        ("lib/second", "two"),
        ("turns/into", "a folder"),
        ("shrinks", "a file"),
        ("link/not-through", "three"),
    ] {
        assert_eq!(text(folder.join(name)), expected, "{name}");
    }
    assert!(
        !folder.join("lib/not-through").exists(),
        "nothing is written through a link"
    );
    assert_eq!((mode(&folder), mode(&folder.join("lib/first"))), (0o755, 0o755));

    // What it was made of stays as it is, and the same layers are the same folder.
    assert_eq!(text(world.0.join("two/both")), "two");
    assert_eq!(opt(&world.codes(), &function).await.unwrap(), folder);
    let turned = world.function(vec![third, second, first]);
    let turned = opt(&codes, &turned).await.unwrap();
    assert_ne!(turned, folder);
    assert_eq!(text(turned.join("both")), "one");
}

#[tokio::test]
async fn one_layer_lies_where_it_is_and_none_is_nowhere() {
    let world = World::new();
    let codes = world.codes();
    let alone = world.folder("alone", &[("a", "1")]);
    let folder = opt(&codes, &world.function(vec![alone])).await.unwrap();
    assert_eq!(folder, world.0.join("alone"));
    let none = world.function(Vec::new());
    let code = codes.ready(&none.code).await.unwrap();
    assert_eq!(codes.ready_layers(&none, &code).await.unwrap(), None);
}

#[tokio::test]
async fn a_changed_or_removed_layer_is_laid_down_again() {
    let world = World::new();
    let codes = world.codes();
    let (mut one, two) = (world.folder("one", &[("a", "1")]), world.folder("two", &[("b", "1")]));
    let first = opt(&codes, &world.function(vec![one.clone(), two.clone()]))
        .await
        .unwrap();
    fs::write(world.0.join("one/a"), "changed").unwrap();
    assert_eq!(text(first.join("a")), "1", "a copy");
    one.revision = "2".into();
    let function = world.function(vec![one, two]);
    let second = opt(&codes, &function).await.unwrap();
    assert_eq!(text(second.join("a")), "changed");
    fs::remove_dir_all(&second).unwrap();
    assert_eq!(opt(&codes, &function).await.unwrap(), second);
    assert_eq!(text(second.join("a")), "changed");
}

// Source: Lambda 1.7, 250 MB with all layers
#[tokio::test]
async fn code_and_layers_together_have_a_limit() {
    let world = World::new();
    let (one, two) = (world.folder("one", &[]), world.folder("two", &[]));
    let function = world.function(vec![one, two]);
    let (code_bytes, layer_bytes) = (1000, UNZIPPED_BYTES_MAX - 1000);
    // Files with nothing but holes take no room.
    let sized = |path: &str, bytes| File::create(world.0.join(path)).unwrap().set_len(bytes).unwrap();
    sized("code/large", code_bytes);
    sized("one/large", layer_bytes - 1);
    sized("two/small", 1);
    let check = |code: &Code| {
        let layer = |name: &str| Layer {
            folder: world.0.join(name),
            identity: name.to_owned(),
            is_ours: false,
        };
        let CodeLocation::Folder(code) = &code.location else {
            unreachable!("it is a folder");
        };
        check_size(&ReadyCode::Folder(code.clone()), &[layer("one"), layer("two")])
    };
    check(&function.code).unwrap();
    sized("two/small", 2);
    let message = check(&function.code).unwrap_err().to_string();
    assert!(
        message.starts_with("Unzipped size must be smaller than 262144000 bytes"),
        "{message}"
    );
    assert_eq!(opt(&world.codes(), &function).await, Err(message));
    assert!(world.packages().is_empty());
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let world = World::new();
    let (one, two) = (world.folder("one", &[]), world.folder("two", &[]));
    let _listener = std::os::unix::net::UnixListener::bind(world.0.join("two/socket")).unwrap();
    symlink("/nowhere", world.0.join("one/dangling")).unwrap();
    let function = world.function(vec![one, two]);
    let refused = opt(&world.codes(), &function).await.unwrap_err();
    assert!(refused.contains("is a device, a pipe or a socket"), "{refused}");
    assert!(world.packages().is_empty(), "nothing is left of it");
}
