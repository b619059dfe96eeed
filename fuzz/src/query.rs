//! The query protocol's forms: any bytes give an error, or fields that can all be read, each of them once.

use wire::query::{FIELDS_MAX, Fields, Form, NAME_BYTES_MAX};

/// Names that operations ask for.
const NAMES: [&str; 8] = [
    "Action",
    "Names",
    "Tags",
    "Key",
    "Actions",
    "ForwardConfig",
    "TargetGroups",
    "Extra",
];
/// How deep structures of operations are.
const DEPTH: u32 = 4;

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let half = input.len() / 2;
    let (query, body) = input.split_at(half);
    let read = || Form::read(&[query, body]);
    let Ok(form) = read() else {
        assert!(read().is_err(), "the same bytes are read the same way");
        return;
    };
    walk(&form.fields(), DEPTH);
    // What is unread is a field, and is unread no more when it was read.
    for _ in 0..=FIELDS_MAX {
        let Some(name) = form.unread().map(str::to_owned) else {
            return;
        };
        assert!(name.len() <= NAME_BYTES_MAX);
        assert!(form.fields().has(&name) && form.fields().text(&name).is_some());
        assert_ne!(form.unread(), Some(name.as_str()));
    }
    panic!("a form has more fields than it may");
}

/// Reads everything below as an operation would.
fn walk(fields: &Fields<'_>, depth: u32) {
    for name in NAMES {
        let is_there = fields.has(name);
        assert!(is_there || fields.text(name).is_none());
        if let Ok(list) = fields.list(name) {
            assert!(list.len() <= FIELDS_MAX && (is_there || list.is_empty()));
            let texts = fields.texts(name).expect("a list of structures is one of texts");
            assert!(texts.len() <= list.len() || list.is_empty());
            if depth > 0 {
                list.iter().take(3).for_each(|member| walk(member, depth - 1));
            }
        }
        if let Ok(entries) = fields.map(name) {
            assert!(is_there || entries.is_empty());
        }
        if let Some(structure) = fields.structure(name).filter(|_| depth > 0) {
            walk(&structure, depth - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/query");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
