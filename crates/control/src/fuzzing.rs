//! What becomes of calls' bytes before an operation sees them, for `fuzz/`. Nothing else uses it, and it promises nothing.

use crate::aws::json::{Fields, Protocol, input};

const PROTOCOL: Protocol = Protocol {
    service: "Example",
    target: "Example",
    content_type: "application/x-amz-json-1.1",
    namespace: "",
    invalid: "ValidationException",
};
/// How deep structures of operations are.
const DEPTH: u32 = 4;

/// Reads the body of a call of the JSON protocols: every member in every way. Says what a caller would be told of each that
/// is not so, or why it is no input at all.
///
/// # Errors
/// It is no input.
pub fn json(body: &[u8]) -> Result<Vec<String>, &'static str> {
    let object = input(body)?;
    let mut said = Vec::new();
    let fields = Fields::new(&PROTOCOL, &object);
    walk(&fields, &object, DEPTH, &mut said);
    said.extend(fields.told(Ok(())).err().map(|error| error.message));
    said.extend(fields.unread());
    Ok(said)
}

fn walk(fields: &Fields<'_>, object: &serde_json::Map<String, serde_json::Value>, depth: u32, said: &mut Vec<String>) {
    for (name, value) in object.iter().take(100) {
        let errors = [
            fields.required_text(name).err(),
            fields.number_within(name, -5..=5).err(),
            fields.flag(name).err(),
            fields.word(name, &[("a", ())]).err(),
            fields.texts(name).err(),
            fields.map(name).err(),
        ];
        said.extend(errors.into_iter().flatten().map(|error| error.message));
        if depth == 0 {
            continue;
        }
        if let (Ok(Some(inside)), Some(object)) = (fields.object(name), value.as_object()) {
            walk(&inside, object, depth - 1, said);
        }
        let items = value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item.as_object());
        for (inside, object) in fields.objects(name).unwrap_or_default().iter().zip(items).take(10) {
            walk(inside, object, depth - 1, said);
        }
    }
}
