use super::*;
use std::path::Path;

fn mistakes(text: impl AsRef<[u8]>) -> Vec<String> {
    let mut report = Report::new(Path::new("m"));
    read(text.as_ref(), &mut report);
    report.into_parts().0.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(mistakes(text), expected, "{text}");
}

#[test]
fn every_node_knows_where_it_begins() {
    let mut report = Report::new(Path::new("m"));
    let root = read(
        "a:\n  - {b: 'ä', c: [1]}\n  - d: |\n      text\n".as_bytes(),
        &mut report,
    )
    .unwrap();
    fn places(node: &Node, into: &mut Vec<String>) {
        into.push(format!("{} {}", node.spot, node.found()));
        match &node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| places(item, into)),
            Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                into.push(format!("{} key {}", key.spot, key.text));
                places(value, into);
            }),
        }
    }
    let mut found = Vec::new();
    places(&root, &mut found);
    assert!(report.is_clean());
    assert_eq!(
        found,
        [
            "1:1 a mapping",
            "1:1 key a",
            "2:3 a list",
            "2:5 a mapping",
            "2:6 key b",
            "2:9 the text `ä`",
            "2:14 key c",
            "2:17 a list",
            "2:18 the number `1`",
            "3:5 a mapping",
            "3:5 key d",
            "4:7 the text `text\\n`",
        ]
    );
}

#[test]
fn duplicate_keys_name_the_first_place_and_reading_goes_on() {
    check(
        "a: 1\nb: 2\na: 3\nb: 4\n",
        &[
            "m:3:1: found the key `a` twice; expected it once (it stands at 1:1 already)",
            "m:4:1: found the key `b` twice; expected it once (it stands at 2:1 already)",
        ],
    );
    check("a: {x: 1}\nb: {x: 1}\n", &[]);
}

#[test]
fn what_is_not_yaml_has_its_place() {
    check("a: [1, 2\n", &["m:1:4: this is not YAML: unclosed bracket '['"]);
    check(
        "a: 1\na: 2\nb: ]\n",
        &[
            "m:2:1: found the key `a` twice; expected it once (it stands at 1:1 already)",
            "m:3:4: this is not YAML: misplaced bracket",
        ],
    );
    check(
        "",
        &[
            "m:1:1: found an empty file; expected a mapping with `functions`, `target_groups` and `load_balancers` (write `{}` for none)",
        ],
    );
    check(
        "a: 1\n---\nb: 2\n",
        &["m:2:1: found a second YAML document; expected one document in the file"],
    );
    check(
        "a: !!str 1\n",
        &["m:1:4: found the tag `!!str`; expected a value without a tag"],
    );
    check("[a]: 1\n", &["m:1:1: found a list as a key; expected text"]);
    assert_eq!(
        mistakes(b"a: b\nc: \xc3\xa4\xff".as_slice()),
        ["m:2:5: found a byte that is not UTF-8; expected UTF-8 text"]
    );
}

#[test]
fn aliases_are_values_and_merge_keys_are_not() {
    check("a: &x [1]\nb: *x\n", &[]);
    check(
        "a: *x\n",
        &["m:1:4: found the alias `*x`; expected an anchor `&x` before it"],
    );
    check(
        "a: &x [*x]\n",
        &["m:1:8: found an alias inside of the value it stands for; expected an end"],
    );
    check(
        "a: &x {b: 1}\nc:\n  <<: *x\n",
        &["m:3:3: found the merge key `<<`, which YAML 1.2 does not have; expected the keys themselves"],
    );
}

#[test]
fn size_depth_and_alias_bombs_are_bounded() {
    assert_eq!(
        mistakes(vec![b'a'; BYTES_MAX + 1]),
        ["m:1:1: found 1048577 bytes; expected at most 1048576"]
    );
    let mut bomb = "a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..9 {
        let item = format!("*a{}", level - 1);
        bomb += &format!("b{level}: &a{level} [{}]\n", [item.as_str(); 10].join(", "));
    }
    assert_eq!(
        mistakes(&bomb),
        ["m:5:45: found more than 100000 values, aliases counted in full; expected fewer"]
    );
    let flow = mistakes("[".repeat(5000));
    assert_eq!(flow, ["m:1:65: this is not YAML: recursion limit exceeded"]);
    let block = mistakes(
        (0..5000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth.min(150))))
            .collect::<String>(),
    );
    assert_eq!(block.len(), 1, "{block:?}");
    let mut chain = "a0: &a0 [1]\n".to_owned();
    for level in 1..100 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert_eq!(
        mistakes(&chain),
        ["m:64:12: found more than 64 levels of lists and mappings; expected fewer"]
    );
}
