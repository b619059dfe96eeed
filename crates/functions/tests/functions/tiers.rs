//! The spawners that every case runs with.

use sandbox::{Options, Spawner};

/// Says that this machine has no `namespace` tier: `1` for everybody, `ordinary` for all but root.
const WITHOUT_NAMESPACES: &str = "ALBACORE_TEST_WITHOUT_NAMESPACES";

/// One of the strongest tier, and one of the tier of a machine that has not got that.
///
/// Only [`WITHOUT_NAMESPACES`] leaves the first one out: where nobody has set it, a tier that does not start is broken.
pub(crate) fn spawners() -> (Option<Spawner>, Spawner) {
    let (strongest, obstacle) = Spawner::start_strongest(Options::default()).expect("a spawner");
    if let Some(obstacle) = obstacle {
        assert!(
            is_without_namespaces(),
            "the namespace tier does not start: {obstacle}; {}. Where that cannot be had, set {WITHOUT_NAMESPACES}=1",
            obstacle.advice()
        );
    }
    let process = Spawner::start(Options::default()).expect("a spawner");
    (Some(strongest).filter(|_| obstacle.is_none()), process)
}

fn is_without_namespaces() -> bool {
    match std::env::var(WITHOUT_NAMESPACES).as_deref() {
        Ok("1") => true,
        Ok("ordinary") => !rustix::process::geteuid().is_root(),
        _ => false,
    }
}
