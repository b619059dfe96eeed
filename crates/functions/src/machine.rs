//! For which machine a program is. Functions have an architecture, and run on the processor that is there: a program for
//! another one cannot be executed, and whoever wonders why is told.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What stands at the beginning of an ELF file, with the machine in its last two bytes.
const HEAD_BYTES: usize = 20;

/// Says so if a program is for another machine than this one. Blocks for a moment on the file system.
pub(crate) fn other(program: &Path) -> Option<String> {
    let mut head = [0; HEAD_BYTES];
    File::open(program).ok()?.read_exact(&mut head).ok()?;
    let theirs = name(machine_of(&head)?);
    // As Lambda names it.
    let ours = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    (theirs != ours).then(|| format!("the program is for {theirs}, and this machine is {ours}"))
}

fn machine_of(head: &[u8; HEAD_BYTES]) -> Option<u16> {
    let [0x7f, b'E', b'L', b'F', _, order, .., low, high] = *head else {
        return None;
    };
    match order {
        1 => Some(u16::from_le_bytes([low, high])),
        2 => Some(u16::from_be_bytes([low, high])),
        _ => None,
    }
}

fn name(machine: u16) -> &'static str {
    match machine {
        3 => "x86 of 32 bits",
        40 => "ARM of 32 bits",
        62 => "x86_64",
        183 => "arm64",
        243 => "RISC-V",
        _ => "another processor",
    }
}

#[cfg(test)]
mod tests {
    use super::{HEAD_BYTES, machine_of, name, other};

    #[test]
    fn programs_say_for_which_machine_they_are() {
        let mut head = [0; HEAD_BYTES];
        assert_eq!(machine_of(&head), None);
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[18] = 183;
        assert_eq!(machine_of(&head).map(name), Some("arm64"));
        head[5] = 2;
        head.swap(18, 19);
        assert_eq!(machine_of(&head).map(name), Some("arm64"));
        let own = std::env::current_exe().unwrap();
        assert_eq!(other(&own), None, "this one runs");
    }
}
