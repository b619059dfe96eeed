//! `examples/shop`.

use crate::started::{Answer, Started};
use serde_json::json;

const PORTS: &[u16] = &[8080, 8443];

#[test]
fn http_leads_to_https() {
    let shop = Started::new("shop", PORTS);
    let answer = shop.curl(&["http://shop.localhost:8080/users/ada?a=b"]);
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.headers("location"),
        ["https://shop.localhost:8443/users/ada?a=b"]
    );
    let answer = shop.curl(&["--location", "http://shop.localhost:8080/users/ada"]);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"name": "Ada", "city": "London"}))
    );
}

#[test]
fn orders_are_placed_and_listed() {
    let mut shop = Started::new("shop", PORTS);
    let orders = "https://shop.localhost:8443/orders";
    assert_eq!(shop.curl(&[orders]).json(), json!([{"id": 1, "item": "teapot"}]));
    // JSON comes to the function as it is, a form in base64.
    let placed = shop.curl(&[
        "-H",
        "Content-Type: application/json",
        "-d",
        r#"{"item":"cup"}"#,
        orders,
    ]);
    assert_eq!((placed.status, placed.json()), (201, json!({"id": 2, "item": "cup"})));
    assert_eq!(placed.headers("location"), ["/orders/2"]);
    assert_eq!(shop.log_line("placed")["function"], "orders");
    let placed = shop.curl(&["-d", r#"{"item":"spoon"}"#, orders]);
    assert_eq!(placed.json(), json!({"id": 3, "item": "spoon"}));

    assert_eq!(
        shop.curl(&[&format!("{orders}/2")]).json(),
        json!({"id": 2, "item": "cup"})
    );
    assert_eq!(shop.curl(&[&format!("{orders}/9")]).status, 404);
    assert_eq!(shop.curl(&["-d", "{", orders]).status, 400);
    assert_eq!(shop.curl(&["-d", "null", orders]).status, 400);
    let refused = shop.curl(&["-X", "DELETE", orders]);
    assert_eq!((refused.status, refused.headers("allow")), (405, vec!["GET, POST"]));
    // The rule is for `/orders*`; what the function makes of it is the function's.
    assert_eq!(
        shop.curl(&[&format!("{orders}ly")]).json(),
        json!({"error": "not found"})
    );
}

#[test]
fn users_are_found_by_name() {
    let shop = Started::new("shop", PORTS);
    let users = "https://shop.localhost:8443/users";
    assert_eq!(shop.curl(&[users]).json(), json!(["ada", "zoë"]));
    let answer = shop.curl(&[&format!("{users}/zo%C3%AB")]);
    assert_eq!(answer.json(), json!({"name": "Zoë", "city": "Genève"}));
    assert_eq!(answer.headers("content-type"), ["application/json; charset=utf-8"]);
    assert_eq!(shop.curl(&[&format!("{users}/nobody")]).status, 404);
}

// ALB-L-012, ALB-L-015: repeated headers and parameters arrive as lists, in the order of arrival. ALB-L-047: one line each for cookies
#[test]
fn repeated_parameters_headers_and_cookies_are_lists() {
    let shop = Started::new("shop", PORTS);
    let answer = shop.curl(&[
        "-H",
        "Accept-Language: de",
        "-H",
        "Accept-Language: en",
        "https://shop.localhost:8443/search?name=foo&name=bar",
    ]);
    assert_eq!(
        answer.json(),
        json!({"names": ["foo", "bar"], "languages": ["de", "en"]})
    );
    assert_eq!(answer.headers("set-cookie"), ["seen=yes; Path=/", "theme=dark; Path=/"]);
    assert_eq!(answer.headers("content-type"), ["application/json"]);
    // Other methods are not for this rule.
    assert_eq!(shop.curl(&["-d", "", "https://shop.localhost:8443/search"]).status, 404);
}

#[test]
fn checkouts_are_split_by_weight() {
    const ASKED: usize = 300;
    let shop = Started::new("shop", PORTS);
    // One curl for all of them. Each answer is one line.
    let answer = shop.curl_all(&format!("https://shop.localhost:8443/checkout/[1-{ASKED}]"));
    let releases: Vec<&str> = answer.lines().collect();
    let green = releases.iter().filter(|line| **line == "checkout green").count();
    let blue = releases.iter().filter(|line| **line == "checkout blue").count();
    assert_eq!(blue + green, ASKED, "{answer}");
    // 60 of 300 are expected; outside of this are fewer than one in a billion runs.
    assert!(
        (15..=120).contains(&green),
        "{green} of {ASKED} went to the release with weight 20"
    );
}

#[test]
fn hosts_have_their_own_rule() {
    let shop = Started::new("shop", PORTS);
    let answer = shop.curl(&["https://api.shop.localhost:8443/"]);
    let expected = json!({"function": "status", "host": "api.shop.localhost:8443", "protocol": "https"});
    assert_eq!((answer.status, answer.json()), (200, expected));
    // A path that has a rule with a lower number keeps it, on any host.
    let answer = shop.curl(&["https://api.shop.localhost:8443/users"]);
    assert_eq!(answer.json(), json!(["ada", "zoë"]));
}

#[test]
fn everything_else_is_not_found() {
    let shop = Started::new("shop", PORTS);
    let not_found = |answer: Answer| {
        assert_eq!((answer.status, answer.text()), (404, "nothing here"));
        assert_eq!(answer.headers("content-type"), ["text/plain; charset=utf-8"]);
    };
    not_found(shop.curl(&["https://shop.localhost:8443/nothing"]));
    not_found(shop.curl(&["https://shop.localhost:8443/"]));
}
