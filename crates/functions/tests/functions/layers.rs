//! Layers: a runtime and files that the code does not have.

use crate::Case;
use crate::world::{World, write_program};
use model::lambda::function::{Code, CodeLocation, Function, Layers};
use sandbox::Tier;
use std::fs;
use std::path::Path;

pub(crate) const CASES: &[Case] = &[("a_runtime_comes_from_a_layer", |world| {
    Box::pin(a_runtime_comes_from_a_layer(world))
})];

/// The function with these folders as its layers.
pub(crate) fn with_layers(mut function: Function, folders: &[&Path]) -> Function {
    let layer = |folder: &&Path| Code {
        location: CodeLocation::Folder(folder.to_path_buf()),
        revision: "1".into(),
    };
    function.configuration.layers = Layers::try_from(folders.iter().map(layer).collect::<Vec<_>>()).unwrap();
    function
}

// LAM-E-005: bootstrap is looked up in the code, then in the layers
// LAM-L-002: the files of all layers are there, the later one's where two have the same
async fn a_runtime_comes_from_a_layer(world: World) {
    let function = world.function(
        "
import subprocess
opt = os.path.dirname(os.path.abspath(sys.argv[0]))
said = subprocess.check_output(['tool']).decode().strip()
while True:
    id, event, _ = next_event()
    respond(id, ' '.join([said, open(opt + '/both').read(), open('own').read()]))
",
    );
    let CodeLocation::Folder(code) = &function.code.location else {
        unreachable!("the world makes folders");
    };
    let (runtime, tools) = (world.directory.join("runtime"), world.directory.join("tools"));
    fs::create_dir_all(&runtime).unwrap();
    fs::create_dir_all(tools.join("bin")).unwrap();
    fs::rename(code.join("bootstrap"), runtime.join("bootstrap")).unwrap();
    fs::write(code.join("own"), "own").unwrap();
    fs::write(runtime.join("both"), "first").unwrap();
    fs::write(tools.join("both"), "second").unwrap();
    write_program(&tools.join("bin/tool"), "#!/bin/sh\necho tool\n");
    world.put(with_layers(function, &[&runtime, &tools]));
    assert_eq!(world.answer("1").await, "tool second own");
    // Where they are not at /opt, whoever starts albacore is told.
    let notices = world.functions.runtime_notices(&world.state.borrow().clone()).await;
    match world.spawner.tier() {
        Tier::Process => {
            assert_eq!((notices.len(), notices[0].missing), (1, false));
            assert!(notices[0].message.contains("its layers are not at /opt"), "{notices:?}");
        }
        _ => assert!(notices.is_empty(), "{notices:?}"),
    }
}
