//! Policies: whatever text comes, reading it ends, and what was read can be asked.

use model::iam::Document;
use model::iam::document::Use;
use model::iam::evaluate::{Assuming, Context, Decision, Request, evaluate, trusts};

/// # Panics
/// A text that was read does not say the same when it is read again, or allows what it must deny.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut context = Context::default();
    context.put("aws:username", "*");
    context.put_all("aws:TagKeys", ["a", "b"]);
    if let Ok(document) = Document::read(text, Use::Identity) {
        assert_eq!(Document::read(document.as_str(), Use::Identity), Ok(document.clone()));
        let request = Request {
            action: "iam:GetUser",
            resource: "arn:aws:iam::111122223333:user/a",
            context: &context,
        };
        let alone = evaluate([&document], &request);
        let twice = evaluate([&document, &document], &request);
        assert_eq!(alone, twice);
        let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
        let deny = Document::read(deny, Use::Identity).expect("a policy");
        assert_eq!(evaluate([&document, &deny], &request), Decision::Denied);
    }
    if let Ok(document) = Document::read(text, Use::Trust) {
        trusts(&document, Assuming::Service("lambda.amazonaws.com"), "sts:AssumeRole", &context);
    }
}
