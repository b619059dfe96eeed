//! XML as AWS's query services write it. Source: ALB 9.1.

use std::fmt::Write;

/// A document in the making. What is put in as text is escaped, and cannot end an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xml(String);

impl Xml {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name>text</name>`.
    pub fn text(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "<{name}>"); // writing to a string cannot fail
        escape(text, &mut self.0);
        let _ = write!(self.0, "</{name}>");
    }

    /// The same with anything that prints.
    pub fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.text(name, &value.to_string());
    }

    /// `<name>…</name>`; without content `<name/>`.
    pub fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let mut inner = Self::new();
        content(&mut inner);
        if inner.0.is_empty() {
            let _ = write!(self.0, "<{name}/>");
        } else {
            let _ = write!(self.0, "<{name}>{}</{name}>", inner.0);
        }
    }

    /// `<name><member>…</member>…</name>`.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.within(name, |xml| {
            for item in items {
                xml.within("member", |xml| each(xml, item));
            }
        });
    }

    /// `<name><item>…</item>…</name>`, as EC2 writes lists.
    pub fn items<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.within(name, |xml| {
            for item in items {
                xml.within("item", |xml| each(xml, item));
            }
        });
    }

    /// `<name><member>text</member>…</name>`.
    pub fn texts<T: AsRef<str>>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.within(name, |xml| {
            items.into_iter().for_each(|item| xml.text("member", item.as_ref()));
        });
    }

    /// What was written so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The document of an answer. Its result element is there even when it is empty.
pub fn response(action: &str, namespace: &str, result: &Xml, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.within(&format!("{action}Result"), |xml| xml.0.push_str(&result.0));
    xml.within("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    format!("<{action}Response xmlns=\"{namespace}\">{}</{action}Response>\n", xml.0)
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Sender,
    /// Ours.
    Receiver,
}

/// The document of an error.
pub fn error(namespace: Option<&str>, fault: Fault, code: &str, message: &str, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.within("Error", |xml| {
        let fault = match fault {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        };
        xml.text("Type", fault);
        xml.text("Code", code);
        xml.text("Message", message);
    });
    xml.text("RequestId", request_id);
    let namespace = namespace.map(|it| format!(" xmlns=\"{it}\"")).unwrap_or_default();
    format!("<ErrorResponse{namespace}>{}</ErrorResponse>\n", xml.0)
}

/// The document of an answer of EC2: its result is not wrapped.
pub fn ec2_response(action: &str, namespace: &str, result: &Xml, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.text("requestId", request_id);
    xml.0.push_str(&result.0);
    format!("<{action}Response xmlns=\"{namespace}\">{}</{action}Response>\n", xml.0)
}

/// The document of an error of EC2.
pub fn ec2_error(code: &str, message: &str, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.within("Errors", |xml| {
        xml.within("Error", |xml| {
            xml.text("Code", code);
            xml.text("Message", message);
        });
    });
    xml.text("RequestID", request_id);
    format!("<Response>{}</Response>\n", xml.0)
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // As they are, parsers would read them as other whitespace.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(character),
            // XML 1.0 has no way to write the others.
            _ => out.push('\u{fffd}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-P-005: lists use `member` elements
    #[test]
    fn lists_have_members() {
        let mut xml = Xml::new();
        xml.list("Listeners", [80, 443], |xml, port| xml.value("Port", port));
        xml.texts("Names", ["a", "b"]);
        xml.list("Rules", [(); 0], |_, ()| {});
        assert_eq!(
            xml.as_str(),
            "<Listeners><member><Port>80</Port></member><member><Port>443</Port></member></Listeners>\
             <Names><member>a</member><member>b</member></Names><Rules/>"
        );
    }

    // ALB-P-002, ALB-P-003: the envelopes of answers and errors
    #[test]
    fn documents() {
        let namespace = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
        assert_eq!(
            response("AddTags", namespace, &Xml::new(), "1-2"),
            "<AddTagsResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><AddTagsResult/>\
             <ResponseMetadata><RequestId>1-2</RequestId></ResponseMetadata></AddTagsResponse>\n"
        );
        assert_eq!(
            error(Some("n"), Fault::Sender, "RuleNotFound", "a < b", "1-2"),
            "<ErrorResponse xmlns=\"n\"><Error><Type>Sender</Type><Code>RuleNotFound</Code><Message>a &lt; b</Message>\
             </Error><RequestId>1-2</RequestId></ErrorResponse>\n"
        );
    }

    #[test]
    fn documents_of_ec2() {
        let mut result = Xml::new();
        result.items("vpcSet", ["a"], |xml, id| xml.text("vpcId", id));
        assert_eq!(
            ec2_response("DescribeVpcs", "n", &result, "1-2"),
            "<DescribeVpcsResponse xmlns=\"n\"><requestId>1-2</requestId><vpcSet><item><vpcId>a</vpcId></item></vpcSet>\
             </DescribeVpcsResponse>\n"
        );
        assert_eq!(
            ec2_error("InvalidVpcID.NotFound", "a < b", "1-2"),
            "<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>a &lt; b</Message></Error></Errors>\
             <RequestID>1-2</RequestID></Response>\n"
        );
    }

    #[test]
    fn text_stays_text() {
        let mut xml = Xml::new();
        xml.text("a", "</a>&\"'\u{0}\u{1b}\r\n\u{ffff}ä");
        assert_eq!(
            xml.as_str(),
            "<a>&lt;/a&gt;&amp;&quot;'\u{fffd}\u{fffd}&#13;\n\u{fffd}ä</a>"
        );
    }
}
