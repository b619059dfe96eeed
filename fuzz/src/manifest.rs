//! A manifest: any bytes give mistakes with places in the file, or a batch that is accepted and leaves nothing to do.

use manifest::{Issued, Issuer, NotIssued, Settings, load_text};
use model::{AccountId, Context, Region, Scope, State, decide};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Gives one certificate for all names, so that no input makes keys or writes files.
struct Always;

impl Issuer for Always {
    fn issue(&self, _names: &[&str], _now: SystemTime) -> Result<Issued, NotIssued> {
        static ISSUED: OnceLock<Issued> = OnceLock::new();
        Ok(ISSUED
            .get_or_init(|| {
                let folder = std::env::temp_dir().join(format!("albacore-fuzz-{}", std::process::id()));
                let authority = pki::Authority::open_or_create(&folder, now()).expect("a temporary folder can be used");
                let issued = Issuer::issue(&authority, &["fuzz.localhost"], now()).expect("a good name");
                let _ = std::fs::remove_dir_all(&folder);
                issued
            })
            .clone())
    }
}

/// 2026-02-01T00:00:00Z
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_769_904_000)
}

/// A state that holds nothing but what a good manifest says.
pub fn state_of(text: &str) -> State {
    let path = Path::new("/nonexistent/albacore/fuzz/albacore.yaml");
    let loaded = load_text(text.as_bytes(), path, &settings(), &Always, now()).expect("a good manifest");
    let mut state = State::default();
    for command in &loaded.desired.batch(&State::default()).commands {
        let commit = decide(&state, command, &Context::default()).expect("the batch is accepted");
        commit.changes.iter().for_each(|change| state.apply(change));
    }
    state
}

fn settings() -> Settings {
    Settings {
        scope: Scope {
            region: Region::try_from("us-east-1").expect("a region"),
            account: AccountId::try_from("000000000000").expect("an account"),
        },
        availability_zone: "us-east-1a".to_owned(),
        dns_suffix: "elb.localhost".to_owned(),
        own_files: manifest::OwnFiles::default(),
        has_way_to: |_| true,
        buckets: manifest::Buckets::Unknown,
    }
}

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let settings = settings();
    // Nothing is there, so that relative paths lead nowhere.
    let path = Path::new("/nonexistent/albacore/fuzz/albacore.yaml");
    let again = || load_text(input, path, &settings, &Always, now());
    let result = again();
    match &result {
        Ok(loaded) => {
            let batch = loaded.desired.batch(&State::default());
            assert_eq!(batch.refusals, [], "a loaded manifest is accepted by an empty state");
            let mut state = State::default();
            for command in &batch.commands {
                let commit = decide(&state, command, &Context::default()).expect("the batch is accepted");
                commit.changes.iter().for_each(|change| state.apply(change));
            }
            assert_eq!(loaded.desired.batch(&state).commands, [], "nothing is left to do");
        }
        Err(mistakes) => {
            assert!(!mistakes.all.is_empty() && mistakes.all.is_sorted());
            let lines = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
            for mistake in &mistakes.all {
                assert!((1..=lines).contains(&mistake.place.line()), "{mistake}");
                assert!((1..=input.len() + 1).contains(&mistake.place.column()), "{mistake}");
                assert!(!mistake.message.contains(char::is_control), "{mistake:?}");
            }
        }
    }
    assert_eq!(result, again(), "the same text is read the same way");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/manifest");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            let seed = seed.expect("a seed").path();
            super::check(&std::fs::read(seed).expect("a readable seed"));
        }
    }
}
