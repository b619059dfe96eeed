use super::*;
use hyper::Request;
use serde_json::json;

const TEST: Protocol = Protocol {
    service: "Example",
    target: "Example_2020",
    content_type: "application/x-amz-json-1.1",
    namespace: "",
    invalid: "ValidationException",
};

fn call(target: Option<&str>, body: &[u8]) -> Result<Received, AwsError> {
    let mut request = Request::post("/");
    if let Some(target) = target {
        request = request.header("x-amz-target", target);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    read(&TEST, &parts, body)
}

#[test]
fn the_target_names_the_operation() {
    let received = call(Some("Example_2020.DoIt"), b"{\"A\":1}").unwrap();
    assert_eq!(received.operation, "DoIt");
    assert_eq!(received.input.get("A"), Some(&json!(1)));
    assert!(call(Some("Example_2020.DoIt"), b"").unwrap().input.is_empty());
    for target in [None, Some("Other.DoIt"), Some("Example_2020DoIt"), Some("")] {
        let error = call(target, b"{}").unwrap_err();
        assert_eq!(
            (error.status, error.code.as_ref()),
            (400, "UnknownOperationException"),
            "{target:?}"
        );
    }
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    let deep = [b"{\"a\":".repeat(40), b"1".to_vec(), b"}".repeat(40)].concat();
    let endless = b"[".repeat(1_000_000);
    for body in [&b"["[..], b"[]", b"1", b"{", b"{\"a\"}", b"\xff", &deep, &endless] {
        let error = call(Some("Example_2020.DoIt"), body).unwrap_err();
        assert_eq!(error.code, "SerializationException");
    }
    // Brackets inside a text are text.
    let text = format!("{{\"a\":\"{}\\\"\"}}", "[".repeat(100));
    assert!(call(Some("Example_2020.DoIt"), text.as_bytes()).is_ok());
}

#[test]
fn members_have_types() {
    let object = json!({
        "Text": "a", "Number": 7, "Flag": true, "Null": null, "Half": 1.5,
        "List": ["a", "b"], "Tags": [{ "Key": "k", "Extra": 1 }], "Map": { "k": "v" },
    });
    let object = object.as_object().unwrap();
    let fields = Fields::new(&TEST, object);
    assert_eq!(fields.text("Text").unwrap(), Some("a"));
    assert_eq!(fields.text("Null").unwrap(), None);
    assert_eq!(fields.number("Number").unwrap(), Some(7));
    assert_eq!(fields.flag("Flag").unwrap(), Some(true));
    assert_eq!(fields.texts("List").unwrap(), ["a", "b"]);
    assert_eq!(fields.map("Map").unwrap(), [("k", "v")]);
    for error in [
        fields.text("Number").unwrap_err(),
        fields.number("Half").unwrap_err(),
        fields.flag("Text").unwrap_err(),
        fields.objects("List").err().unwrap(),
        fields.map("List").unwrap_err(),
    ] {
        assert_eq!(error.code, "SerializationException");
    }
    assert_eq!(fields.word("Text", &[("a", 1)]).unwrap(), Some(1));
    assert_eq!(fields.told(Ok(7)), Ok(7));
}

#[test]
fn every_member_that_breaks_a_rule_is_told() {
    let object = json!({ "Number": 7, "Text": "a", "Inside": {} });
    let object = object.as_object().unwrap();
    let fields = Fields::new(&TEST, object);
    assert_eq!(
        fields.number_within("Number", 1..=5).unwrap(),
        Some(5),
        "reading goes on"
    );
    assert_eq!(fields.word("Text", &[("b", 1)]).unwrap(), None);
    let inside = fields.object("Inside").unwrap().unwrap();
    assert_eq!(inside.required_text("Key").unwrap(), "");
    // What comes of what stands in a member's place is not told.
    let last: Result<(), _> = Err(inside.broken("Key", "Member must be longer"));
    let told = fields.told(last).unwrap_err();
    assert_eq!(told.code, TEST.invalid);
    assert_eq!(
        told.message,
        "3 validation errors detected: Value '7' at 'number' failed to satisfy constraint: Member must have value less than \
         or equal to 5; Value 'a' at 'text' failed to satisfy constraint: Member must satisfy enum value set: [b]; Value null \
         at 'inside.key' failed to satisfy constraint: Member must not be null"
    );
    let unreadable: Result<(), _> = Err(fields.number("Text").unwrap_err());
    assert_eq!(fields.told(unreadable).unwrap_err().code, "SerializationException");
}

#[test]
fn what_nobody_has_read_is_found() {
    let object = json!({ "Tags": [{ "Key": "k" }, { "Key": "k", "Extra": 1 }], "Nothing": null });
    let object = object.as_object().unwrap();
    let fields = Fields::new(&TEST, object);
    assert_eq!(fields.unread().as_deref(), Some("Tags"));
    let tags = fields.objects("Tags").unwrap();
    for tag in &tags {
        tag.required_text("Key").unwrap();
    }
    assert_eq!(fields.unread().as_deref(), Some("tags.2.member.Extra"));
    tags[1].required_text("Value").unwrap();
    assert_eq!(
        fields.told(Ok(())).unwrap_err().message,
        "1 validation error detected: Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not \
         be null"
    );
    assert_eq!(tags[1].number("Extra").unwrap(), Some(1));
    assert_eq!(fields.unread(), None);
}

#[test]
fn errors_carry_their_type_twice() {
    let error = AwsError::new("ResourceNotFoundException", "no such thing");
    let answer = result(&TEST, &Err(error));
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["x-amzn-errortype"], "ResourceNotFoundException");
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
    assert_eq!(result(&TEST, &Ok(Value::Null)).status(), 200);
}
