//! URLs of functions.

use super::*;

const URL: &str = "functions: { f: { code: run, url: { auth: none } } }";

#[test]
fn function_urls_follow() {
    let none = "functions: { f: { code: run } }";
    check("{}", URL, &["CreateFunction", "PutFunctionUrl"]);
    check(none, URL, &["PutFunctionUrl"]);
    check(URL, none, &["DeleteFunctionUrl"]);
    check(URL, "{}", &["DeleteFunction"]);
    let cors = URL.replace("none }", "none, cors: { allow_origins: \"*\", max_age: 1h } }");
    check(URL, &cors, &["PutFunctionUrl"]);
    check(URL, &URL.replace("code: run", "code: fn"), &["UpdateFunction"]);
}

#[test]
fn the_id_of_a_url_depends_on_the_name_alone() {
    let id = |text: &str| {
        let state = state_of(text);
        let url = state.function_urls().next().unwrap();
        url.id.to_string()
    };
    assert_eq!(id(URL), id(&URL.replace("none", "none, invoke_mode: buffered")));
    assert_ne!(id(URL), id(&URL.replace("f:", "g:")));
    assert_eq!(id(URL), "enqfkwqrreuh4jfhhodvnc3j345zsdtc", "ids are for ever");
}
