//! How much Node.js may keep, which it is told when it is started. Source: Lambda 3.3.
//!
//! V8 reads its limits once: one that is set later changes nothing. So an interpreter that waits has them too, and is right
//! for functions with that much memory only.

use crate::interpreters::{Interpreter, Language};
use model::lambda::function::FunctionMemory;
use std::ffi::{OsStr, OsString};

/// The variable whose flags win.
pub(super) const OPTIONS: &str = "NODE_OPTIONS";

/// `global.gc` is there, as on Lambda.
pub(super) const FLAGS: &[&str] = &["--expose-gc"];

/// Of a function's memory: what is left is for what is not the heap. Source: Lambda 3.3.
const OLD_SPACE_PERCENT: u32 = 90;
/// The same for each half of the place where objects begin.
const SEMI_SPACE_PERCENT: u32 = 5;
/// V8's own size of that.
const SEMI_SPACE_MEGABYTES_MAX: u32 = 16;

/// What limits the heap of a function with so much memory, but for what its own `options` say.
pub(super) fn heap(memory: FunctionMemory, options: &OsStr) -> Vec<OsString> {
    let options = options.to_string_lossy().replace('_', "-");
    let old_space = memory.megabytes() * OLD_SPACE_PERCENT / 100;
    let semi_space = (memory.megabytes() * SEMI_SPACE_PERCENT / 100).min(SEMI_SPACE_MEGABYTES_MAX);
    [
        ("--max-semi-space-size", semi_space),
        ("--max-old-space-size", old_space),
    ]
    .into_iter()
    .filter(|(flag, _)| !options.contains(flag) && !options.contains("--max-heap-size"))
    .map(|(flag, megabytes)| format!("{flag}={megabytes}").into())
    .collect()
}

/// What has to be known of a function's memory before this interpreter is started for it.
pub(crate) fn memory_at_start(interpreter: &Interpreter, memory: FunctionMemory) -> Option<FunctionMemory> {
    (interpreter.language == Language::Nodejs).then_some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_fits_into_the_memory_unless_the_function_says_otherwise() {
        let with = |megabytes: u64, options: &str| {
            let flags = heap(FunctionMemory::try_from(megabytes).unwrap(), options.as_ref());
            let words: Vec<_> = flags.iter().map(|flag| flag.to_string_lossy()).collect();
            words.join(" ")
        };
        for (megabytes, options, expected) in [
            (128, "", "--max-semi-space-size=6 --max-old-space-size=115"),
            (
                128,
                "--enable-source-maps",
                "--max-semi-space-size=6 --max-old-space-size=115",
            ),
            (10240, "", "--max-semi-space-size=16 --max-old-space-size=9216"),
            (128, "--max-old-space-size=64", "--max-semi-space-size=6"),
            (128, "--max_old_space_size=64", "--max-semi-space-size=6"),
            (128, "--max-semi-space-size=1", "--max-old-space-size=115"),
            (128, "--max-heap-size=64", ""),
        ] {
            assert_eq!(with(megabytes, options), expected, "{megabytes} {options}");
        }
    }
}
