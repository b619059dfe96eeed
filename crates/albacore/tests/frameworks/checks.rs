//! What every application is asked, and what it has to answer.

use crate::world::{Mode, World};
use serde_json::{Value, json};
use testkit::{Connection, Response};

/// What an adapter makes of what the format leaves to it, and where it falls short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapter {
    /// In single mode an answer has room for one value of each header name: which of two cookies arrive.
    pub(crate) single_mode_cookies: &'static [&'static str],
    /// ALB sends query strings as it gets them. What happens to values?
    pub(crate) query: Decoding,
    /// ALB sends paths as it gets them. What happens to a variable part?
    pub(crate) path: Decoding,
}

/// What is decoded on the way from the event to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoding {
    None,
    /// `%20`, and `+` stays.
    Percent,
    /// `%20`, and `+` becomes a space, as forms want it.
    Form,
}

/// One that does everything.
pub(crate) const COMPLETE: Adapter = Adapter {
    single_mode_cookies: &["session=abc", "theme=dark"],
    query: Decoding::Form,
    path: Decoding::Percent,
};

/// Asks everything in both modes. Every mistake is told, not only the first.
#[track_caller]
pub(crate) fn check(world: &World, adapter: Adapter) {
    let mut mistakes = Vec::new();
    for mode in [Mode::Single, Mode::Multi] {
        let mut asker = Asker {
            world,
            connection: world.connect(mode),
            mode,
            adapter,
            mistakes: &mut mistakes,
        };
        asker.routes();
        asker.query_strings();
        asker.cookies();
        asker.binary_bodies();
        asker.other_bodies();
    }
    assert!(mistakes.is_empty(), "\n{}", mistakes.join("\n"));
}

struct Asker<'a> {
    world: &'a World,
    connection: Connection,
    mode: Mode,
    adapter: Adapter,
    mistakes: &'a mut Vec<String>,
}

/// Every byte value is in it, and no text holds them all.
fn image() -> Vec<u8> {
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(0..=255).collect()
}

impl Asker<'_> {
    fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let answer = self.connection.ask(method, target, headers, body).unwrap();
        if answer.status == 502 {
            let verdict = self.world.verdict();
            self.mistakes
                .push(format!("{:?} {method} {target}: {verdict}", self.mode));
        }
        answer
    }

    fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, &[], b"")
    }

    /// Notes a mistake if it is one.
    #[allow(clippy::needless_pass_by_value, reason = "what is compared is made for that")]
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            let mode = self.mode;
            self.mistakes
                .push(format!("{mode:?} {what}: {found:?} instead of {expected:?}"));
        }
    }

    fn equal_json(&mut self, what: &str, answer: &Response, expected: &Value) {
        let found = serde_json::from_str(&answer.body).unwrap_or_else(|_| Value::String(answer.body.clone()));
        self.equal(what, (answer.status, &found), (200, expected));
    }

    fn routes(&mut self) {
        let hello = self.get("/hello");
        self.equal("hello", (hello.status, hello.body.as_str()), (200, "hello"));
        let content_type = hello.values("content-type").concat();
        self.equal("type", content_type.split(';').next(), Some("text/plain"));
        let deleted = self.ask("DELETE", "/items/7", &[], b"");
        self.equal("delete", (deleted.status, deleted.bytes.len()), (204, 0));
        let missing = self.get("/nowhere");
        self.equal("missing", missing.status, 404);
        let moved = self.get("/moved");
        let location = moved.values("location").concat();
        self.equal(
            "moved",
            (moved.status, location.ends_with("/hello?from=moved")),
            (302, true),
        );
    }

    fn query_strings(&mut self) {
        let plain = self.get("/items/7?q=x&tag=1");
        self.equal_json("plain query", &plain, &json!({"id": "7", "tags": ["1"], "q": "x"}));
        let none = self.get("/items/7");
        self.equal_json("no query", &none, &json!({"id": "7", "tags": [], "q": null}));
        let tags = match self.mode {
            Mode::Single => json!(["3"]),
            Mode::Multi => json!(["1", "2", "3"]),
        };
        let repeated = self.get("/items/7?tag=1&tag=2&tag=3&q=x");
        self.equal_json("repeated key", &repeated, &json!({"id": "7", "tags": tags, "q": "x"}));
        let (words, sign) = match self.adapter.query {
            Decoding::None => ("two%20words", "a%26b%3D%C3%A9"),
            Decoding::Percent | Decoding::Form => ("two words", "a&b=é"),
        };
        let encoded = self.get("/items/7?tag=two%20words&q=a%26b%3D%C3%A9");
        self.equal_json(
            "encoded values",
            &encoded,
            &json!({"id": "7", "tags": [words], "q": sign}),
        );
        let (words, sign) = match self.adapter.query {
            Decoding::None => ("two+words", "1%2B1"),
            Decoding::Percent => ("two+words", "1+1"),
            Decoding::Form => ("two words", "1+1"),
        };
        let plus = self.get("/items/7?tag=two+words&q=1%2B1");
        self.equal_json("plus", &plus, &json!({"id": "7", "tags": [words], "q": sign}));
        let words = match self.adapter.path {
            Decoding::None => "two%20words",
            Decoding::Percent | Decoding::Form => "two words",
        };
        let path = self.get("/items/two%20words?q=x&tag=1");
        self.equal_json("encoded path", &path, &json!({"id": words, "tags": ["1"], "q": "x"}));
    }

    fn cookies(&mut self) {
        let both = json!({"session": "abc", "theme": "dark"});
        let one_line = self.ask("GET", "/cookies", &[("Cookie", "session=abc; theme=dark")], b"");
        self.equal_json("cookies", &one_line, &both);
        let one = self.get("/set-cookie");
        let [cookie] = one.values("set-cookie")[..] else {
            return self.mistakes.push(format!("{:?} one cookie: {}", self.mode, one.head));
        };
        let parts: Vec<_> = cookie.split("; ").collect();
        self.equal(
            "one cookie",
            (parts[0], parts.contains(&"HttpOnly")),
            ("session=abc", true),
        );
        let two = self.get("/set-cookies");
        let names = |line: &&str| line.split(';').next().unwrap().to_owned();
        let mut names: Vec<_> = two.values("set-cookie").iter().map(names).collect();
        names.sort_unstable();
        let expected = match self.mode {
            Mode::Single => self.adapter.single_mode_cookies,
            Mode::Multi => COMPLETE.single_mode_cookies,
        };
        let expected = expected.iter().map(|it| (*it).to_owned()).collect();
        self.equal("two cookies", names, expected);
    }

    fn binary_bodies(&mut self) {
        let down = self.get("/image");
        let content_type = down.values("content-type").concat();
        self.equal("image", (down.status, content_type.as_str()), (200, "image/png"));
        self.equal("image", &down.bytes, &image());
        let up = self.ask("POST", "/image", &[("Content-Type", "image/png")], &image());
        self.equal("image up", (up.status, &up.bytes), (200, &image()));
    }

    fn other_bodies(&mut self) {
        let document = json!({"name": "Zoë \u{1f980}", "numbers": [1, 2.5], "nothing": null});
        let body = document.to_string();
        let headers = [("Content-Type", "application/json")];
        let answer = self.ask("POST", "/json", &headers, body.as_bytes());
        self.equal_json("json", &answer, &json!({"got": document}));
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = self.ask("POST", "/form", &headers, b"name=Zo%C3%AB+K&tag=a&tag=b%26c");
        self.equal_json("form", &answer, &json!({"name": "Zoë K", "tags": ["a", "b&c"]}));
    }
}
