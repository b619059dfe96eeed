//! `examples/site`.

use crate::started::Started;
use serde_json::json;
use testkit::repository;

#[track_caller]
fn file(path: &str) -> Vec<u8> {
    std::fs::read(repository(&format!("examples/site/{path}"))).unwrap()
}

#[test]
fn the_page_and_what_it_names_are_there() {
    let site = Started::new("site", &[8080]);
    let page = site.curl(&["http://localhost:8080/"]);
    assert_eq!((page.status, &page.body), (200, &file("page/index.html")));
    assert_eq!(page.headers("content-type"), ["text/html; charset=utf-8"]);

    // What stands between quotes and begins with a slash is on this site.
    let names: Vec<&str> = page.text().split('"').filter(|it| it.starts_with('/')).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let answer = site.curl(&[&format!("http://localhost:8080{name}")]);
        assert_eq!(answer.status, 200, "{name}");
    }
    assert_eq!(site.curl(&["http://localhost:8080/other"]).text(), "<h1>Not found</h1>");
}

#[test]
fn the_api_speaks_json() {
    let site = Started::new("site", &[8080]);
    let facts = site.curl(&["http://localhost:8080/api/facts?about=si%7Ae"]);
    assert_eq!(
        (facts.status, facts.headers("content-type")),
        (200, vec!["application/json"])
    );
    assert_eq!(
        facts.json(),
        json!([{"about": "size", "text": "An albacore grows to 1.4 m."}])
    );
    assert_eq!(
        site.curl(&["http://localhost:8080/api/facts"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let count = |body: &str| {
        let answer = site.curl(&[
            "-H",
            "Content-Type: application/json",
            "-d",
            body,
            "http://localhost:8080/api/count",
        ]);
        (answer.status, answer.json())
    };
    assert_eq!(count(r#"{"text": "größer"}"#), (200, json!({"characters": 6})));
    assert_eq!(count("[]").0, 400);
    assert_eq!(site.curl(&["http://localhost:8080/api/other"]).status, 404);
}

// ALB-L-050: base64 answers reach the client decoded, with their true length. ALB-L-060: HEAD has the headers alone
#[test]
fn pictures_arrive_byte_for_byte() {
    let site = Started::new("site", &[8080]);
    for (name, content_type) in [("albacore.png", "image/png"), ("albacore.svg", "image/svg+xml")] {
        let url = format!("http://localhost:8080/assets/{name}");
        let answer = site.curl(&[&url]);
        let expected = file(&format!("assets/files/{name}"));
        assert!(answer.status == 200 && answer.body == expected, "{name}");
        assert_eq!(answer.headers("content-type"), [content_type]);
        let head = site.curl(&["--head", &url]);
        assert_eq!(
            (head.status, head.headers("content-length")),
            (200, vec![&*expected.len().to_string()])
        );
    }
    assert!(file("assets/files/albacore.png").starts_with(b"\x89PNG\r\n\x1a\n"));
    for outside in ["../app.py", "..%2Fapp.py", "nothing.png", ""] {
        let answer = site.curl(&[&format!("http://localhost:8080/assets/{outside}")]);
        assert_eq!(answer.status, 404, "{outside}");
    }
}
