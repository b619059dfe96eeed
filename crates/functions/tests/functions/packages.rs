//! Code in zip files.

use crate::Case;
use crate::world::{World, function_error, text, until};
use functions::Source;
use invoke::{InvokeOutcome, InvokeRefusal};
use model::lambda::function::{CodeLocation, Function};
use sandbox::Tier;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) const CASES: &[Case] = &[
    ("a_package_is_unpacked_and_run", |world| {
        Box::pin(a_package_is_unpacked_and_run(world))
    }),
    ("a_package_whose_bootstrap_is_not_executable", |world| {
        Box::pin(a_bootstrap_that_is_not_executable(world))
    }),
    ("a_package_that_is_none", |world| {
        Box::pin(a_package_that_is_none(world))
    }),
];

const PROGRAM: &str = "
import stat
root = os.environ['LAMBDA_TASK_ROOT']
data = open(os.path.join(root, 'lib/data.txt')).read()
try:
    open(os.path.join(root, 'lib/data.txt'), 'a').close()
    data += ' writable'
except OSError:
    pass
while True:
    id, event, _ = next_event()
    respond(id, root + ' ' + os.getcwd() + ' ' + data)
";

/// The function with its bootstrap moved into a zip file, and a file beside it.
fn packed(function: Function, mode: u32, data: &str) -> (Function, PathBuf) {
    let CodeLocation::Folder(folder) = &function.code.location else {
        unreachable!("the world makes folders");
    };
    let path = folder.with_extension("zip");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    writer.start_file("bootstrap", options.unix_permissions(mode)).unwrap();
    writer.write_all(&fs::read(folder.join("bootstrap")).unwrap()).unwrap();
    writer
        .start_file("lib/data.txt", options.unix_permissions(0o644))
        .unwrap();
    writer.write_all(data.as_bytes()).unwrap();
    writer.finish().unwrap();
    let mut function = function;
    function.code.location = CodeLocation::Zip(path.clone());
    (function, path)
}

async fn a_package_is_unpacked_and_run(world: World) {
    let can_confine = sandbox::HostFeatures::detect().landlock_version.is_some();
    for data in ["one", "two"] {
        let (function, _) = packed(world.function(PROGRAM), 0o755, data);
        world.put(function);
        // Several environments at once share one folder.
        let (first, second) = tokio::join!(world.invoke("1"), world.invoke("2"));
        let (first, second) = (text(first), text(second));
        assert_eq!(first, second);
        let words: Vec<&str> = first.split(' ').collect();
        assert_eq!(words[0], words[1]);
        match world.spawner.tier() {
            Tier::Process => assert!(words[0].starts_with(world.directory.join("data/code").to_str().unwrap())),
            Tier::Namespace => assert_eq!(words[0], "/var/task"),
        }
        assert_eq!(words[2], data);
        let is_confined = can_confine || world.spawner.tier() == Tier::Namespace;
        assert_eq!(words.len() == 3, is_confined, "{first}");
    }
    assert_eq!(fs::read_dir(world.directory.join("data/code")).unwrap().count(), 2);
}

// LAM-E-006: a bootstrap without execute permission
async fn a_bootstrap_that_is_not_executable(world: World) {
    let (function, _) = packed(world.function(PROGRAM), 0o644, "");
    world.put(function);
    let (error_type, payload) = function_error(world.invoke("1").await);
    assert_eq!(error_type, "Runtime.InvalidEntrypoint");
    assert!(
        payload.contains("fork/exec /var/task/bootstrap: permission denied"),
        "{payload}"
    );
}

/// The call itself fails, as Invoke does on Lambda; what is wrong is said once for each start.
async fn a_package_that_is_none(world: World) {
    let (function, path) = packed(world.function(PROGRAM), 0o755, "mended");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    world.put(function.clone());
    for _ in 0..2 {
        world.log.clear();
        assert_eq!(
            world.invoke("1").await,
            InvokeOutcome::Refused(InvokeRefusal::InvalidZipFile)
        );
        until(|| world.log.count("REPORT") == 1).await;
        let notices = world.log.lines_of(Source::Notice);
        assert_eq!(notices.len(), world.log.count("INIT_START"), "{notices:?}");
        let says_what = |line: &String| line.contains("Could not unzip uploaded file.");
        assert!(!notices.is_empty() && notices.iter().all(says_what), "{notices:?}");
    }
    fs::write(&path, whole).unwrap();
    let mut mended = function;
    mended.code.revision = "mended".into();
    world.put(mended);
    assert!(world.answer("1").await.contains(" mended"));
}
