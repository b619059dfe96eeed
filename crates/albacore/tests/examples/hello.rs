//! `examples/hello`.

use crate::started::Started;

#[test]
fn says_hello() {
    let mut hello = Started::new("hello", &[8080]);
    let answer = hello.curl(&["http://localhost:8080/"]);
    assert_eq!((answer.status, answer.text()), (200, "<h1>Hello from Lambda!</h1>"));
    assert_eq!(answer.headers("content-type"), ["text/html"]);
    assert_eq!(hello.log_line("serving GET /")["function"], "hello");
}
