//! Query strings: names and values, and questions written as one.

use crate::source::Question;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decoded names and values. What is no UTF-8 becomes replacement characters.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Reads a question for people who type it: `method`, `url`, any number of `header=Name:value`, `body`, `client`.
pub(super) fn question(query: &str) -> Result<Question, String> {
    let mut question = Question::new(String::new());
    for (name, value) in pairs(query) {
        match name.as_str() {
            "method" => question.method = value,
            "url" => question.url = value,
            "body" => question.body_base64 = STANDARD.encode(value),
            "client" => {
                question.client = value
                    .parse()
                    .map_err(|_| format!("client {value:?} is no IP address"))?;
            }
            "header" => {
                let (name, value) = value
                    .split_once(':')
                    .ok_or_else(|| format!("header {value:?} is not like Name:value"))?;
                question.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => {
                return Err(format!(
                    "parameter {name:?} is unknown; there are method, url, header, body and client"
                ));
            }
        }
    }
    if question.url.is_empty() {
        return Err("parameter url is missing, for example ?url=http://localhost:8080/".to_owned());
    }
    Ok(question)
}

/// Takes `%XX` back, in a path.
pub(crate) fn unescaped(text: &str) -> String {
    decoded(&text.replace('+', "%2B"))
}

/// Takes `%XX` and `+` back. Anything else stays, a lone `%` too.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_back() {
        for (text, expected) in [
            ("a+b%20c", "a b c"),
            ("%2fx%2F", "/x/"),
            ("%", "%"),
            ("%2", "%2"),
            ("%zz", "%zz"),
            ("%c3%bc", "\u{fc}"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }

    #[test]
    fn a_question_can_be_typed() {
        let read =
            question("method=POST&url=http://a/b%3Fc=d&header=X-A:+1&header=X-A:2&body=hi&client=10.0.0.1").unwrap();
        assert_eq!((read.method.as_str(), read.url.as_str()), ("POST", "http://a/b?c=d"));
        assert_eq!(read.headers, [("X-A".into(), "1".into()), ("X-A".into(), "2".into())]);
        assert_eq!(
            (read.body_base64.as_str(), read.client.to_string().as_str()),
            ("aGk=", "10.0.0.1")
        );
        assert_eq!(question("url=/").unwrap(), Question::new("/".to_owned()));
        for bad in ["", "url=/&x=1", "url=/&client=me", "url=/&header=nocolon"] {
            assert!(question(bad).is_err(), "{bad}");
        }
    }
}
