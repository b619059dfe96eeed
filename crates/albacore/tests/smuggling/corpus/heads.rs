//! Request lines, line ends, folds and hosts that are read in more than one way.

use super::{CASE, Case, EVIL, NEXT, NOT_STRICTEST, get, latin, post};

/// Request lines.
const LINES: &[&str] = &[
    "GET CASE",
    "GET CASE ",
    "GET CASE HTTP/0.9",
    "GET CASE HTTP/1.0",
    "GET CASE HTTP/1.2",
    "GET CASE HTTP/1.10",
    "GET CASE HTTP/1.",
    "GET CASE HTTP/1",
    "GET CASE HTTP/11",
    "GET CASE HTTP/2.0",
    "GET CASE HTTP/3.0",
    "GET CASE http/1.1",
    "GET CASE Http/1.1",
    "GET CASE HTTP /1.1",
    "GET CASE HTTP/ 1.1",
    "GET CASE HTTP/1.1 ",
    "GET CASE  HTTP/1.1",
    "GET  CASE HTTP/1.1",
    " GET CASE HTTP/1.1",
    "\tGET CASE HTTP/1.1",
    "GET\tCASE\tHTTP/1.1",
    "GET\u{b}CASE HTTP/1.1",
    "GET CASE\tHTTP/1.1",
    "GET CASE HTTP/1.1\0",
    "GET CASE HTTP/1.1 HTTP/1.1",
    "GET CASE /evil/###### HTTP/1.1",
    "GET CASE HTTP/1.1 /evil/###### HTTP/1.1",
    "GET CASE HTTP/1.1\nGET /evil/###### HTTP/1.1",
    "GET CASE HTTP/1.1\rGET /evil/###### HTTP/1.1",
    "GET CASE HTTP/1.1\r\rGET /evil/###### HTTP/1.1",
    "GET CASE\nX HTTP/1.1",
    "GET CASE\rX HTTP/1.1",
    "GET CASE\0X HTTP/1.1",
    "GET CASE\u{1}X HTTP/1.1",
    "GET CASE\tX HTTP/1.1",
    "GET CASE\u{b}X HTTP/1.1",
    "GET CASE\u{7f}X HTTP/1.1",
    "GET CASE\u{a0}X HTTP/1.1",
    "GET CASE\u{ff}X HTTP/1.1",
    "GET CASE%0d%0aX HTTP/1.1",
    "GET CASE%00 HTTP/1.1",
    "GET CASE#fragment HTTP/1.1",
    "GET CASE?a=b HTTP/1.1",
    "GET CASE\\..\\x HTTP/1.1",
    "GET /CASE HTTP/1.1",
    "GET ./CASE HTTP/1.1",
    "GET xCASE HTTP/1.1",
    "GET \"CASE\" HTTP/1.1",
    "GET * HTTP/1.1",
    "GET evil HTTP/1.1",
    "GET ?CASE HTTP/1.1",
    "GET http://localhostCASE HTTP/1.1",
    "GET http://evilCASE HTTP/1.1",
    "GET http://evil:80CASE HTTP/1.1",
    "GET http://user:password@evilCASE HTTP/1.1",
    "GET http://evil@localhostCASE HTTP/1.1",
    "GET http://evil\\@localhostCASE HTTP/1.1",
    "GET http:///evil/localhostCASE HTTP/1.1",
    "GET http://CASE HTTP/1.1",
    "GET http:CASE HTTP/1.1",
    "GET HTTP://LOCALHOSTCASE HTTP/1.1",
    "GET https://localhostCASE HTTP/1.1",
    "GET ftp://localhostCASE HTTP/1.1",
    "GET //localhostCASE HTTP/1.1",
    "GET localhost:80 HTTP/1.1",
    "GET http://localhost?CASE HTTP/1.1",
    "GET http://localhost HTTP/1.1",
    "GET http://local host/x HTTP/1.1",
    "GET http://localhost\t/x HTTP/1.1",
    "get CASE HTTP/1.1",
    "G@T CASE HTTP/1.1",
    "G\0T CASE HTTP/1.1",
    "GET: CASE HTTP/1.1",
    "GET/CASE HTTP/1.1",
    "\"GET\" CASE HTTP/1.1",
    "G\u{e9}T CASE HTTP/1.1",
    "HTTP/1.1 200 OK",
    "CONNECT localhost:80 HTTP/1.1",
    "CONNECT CASE HTTP/1.1",
    "TRACE CASE HTTP/1.1",
    "PRI * HTTP/2.0",
    "POST CASE HTTP/1.1\r\nContent-Length : 0",
    "\r\n\r\n\r\nGET CASE HTTP/1.1",
    "\nGET CASE HTTP/1.1",
    "\rGET CASE HTTP/1.1",
    "\0GET CASE HTTP/1.1",
    "\u{ef}\u{bb}\u{bf}GET CASE HTTP/1.1",
    "",
    " ",
];

/// Header lines with a request, a fold or a line end in them.
const HEADERS: &[&str] = &[
    "X: y\nEVIL",
    "X: y\r\r\nEVIL",
    "X: y\r\n\r\rEVIL",
    "X: y\r\rEVIL",
    "X: y\rEVIL",
    "X: y\0EVIL",
    "X: y\r\n EVIL",
    "X: y\r\n\tEVIL",
    "X: y\r\n \r\n EVIL",
    "X: y\r\n \r\n\r\n",
    "X:\r\n EVIL",
    " EVIL",
    "\tEVIL",
    "EVIL",
    "GET /evil/###### HTTP/1.1",
    "GET /evil/###### HTTP/1.1: x",
    " GET /evil/###### HTTP/1.1",
    "X\r\nY: z",
    "X",
    ":",
    ": x",
    " : x",
    "X : y",
    "X\t: y",
    "X Y: z",
    "X\0: y",
    "X\u{7f}: y",
    "X(Y): z",
    "X{Y}: z",
    "X: \u{1}\u{2}\u{3}",
    "X: \u{e9}\u{ff}",
    "\u{e9}: y",
    "X_Forwarded_For: 9.9.9.9",
    "X-Forwarded-For : 9.9.9.9",
    "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8",
    "X-Forwarded-For: 9.9.9.9\r\n , 8.8.8.8",
    "X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 1",
    "X-Amzn-Trace-Id: Root=1\r\n\tX: y",
    "X-HTTP-Method-Override: DELETE",
    "X-Original-URL: /evil/######",
    "Content-Type: x\r\n\r",
];

/// The same where a line ends with LF alone: whoever takes that for a line end sees another request behind it.
const BARE_LINE_FEEDS: &[&str] = &["X: y\n\nEVIL", "X: y\n\r\nEVIL", "X: y\r\n\nEVIL"];

/// What stands in the place of `Host: localhost`.
const HOSTS: &[&str] = &[
    "",
    "Host:",
    "Host: ",
    "Host: localhost\r\nHost: evil",
    "Host: evil\r\nhost: localhost",
    "Host: localhost\r\nHost : evil",
    "Host: localhost\r\n Host: evil",
    "Host: localhost\r\n\tevil",
    "Host: localhost\r\nX: y\r\n Host: evil",
    "Host : localhost",
    "Host\t: localhost",
    " Host: localhost",
    "\tHost: localhost",
    "X: y\r\n Host: localhost",
    "Host:localhost\nX: y",
    "Host: localhost\nHost: evil",
    "Host: localhost\rHost: evil",
    "Host: localhost evil",
    "Host: localhost\tevil",
    "Host: localhost, evil",
    "Host: localhost/evil",
    "Host: localhost?evil",
    "Host: localhost#evil",
    "Host: localhost\\evil",
    "Host: user@localhost",
    "Host: localhost@evil",
    "Host: user:password@localhost:80",
    "Host: localhost:80:90",
    "Host: localhost:",
    "Host: localhost:x",
    "Host: localhost:99999",
    "Host: localhost:-80",
    "Host: [::1]",
    "Host: [::1",
    "Host: [localhost]:80",
    "Host: \"localhost\"",
    "Host: localhost\0",
    "Host: local\0host",
    "Host: \u{b}localhost",
    "Host: localhost\u{7f}",
    "Host: loc\u{e4}lhost",
    "Host: %6cocalhost",
    "Host: http://localhost",
    "Host: ..",
    "Host: .localhost.",
    "Host: *",
    "H\u{f6}st: localhost",
    "Ho_st: evil\r\nHost: localhost",
    "X-Forwarded-Host: evil\r\nHost: localhost",
    "X-Host: evil\r\nForwarded: host=evil\r\nHost: localhost",
];

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in LINES {
        let line = line.replace("CASE", CASE);
        cases.push(Case::new(latin(&format!("{line}\r\nHost: localhost\r\n\r\n"))));
        cases.push(Case::new(latin(&format!(
            "{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))));
    }
    HEADERS.iter().for_each(|header| cases.extend(with_header(header)));
    for header in BARE_LINE_FEEDS {
        let open = |case| Case {
            open_in: NOT_STRICTEST,
            ..case
        };
        cases.extend(with_header(header).map(open));
    }
    for host in HOSTS {
        let host = if host.is_empty() {
            String::new()
        } else {
            format!("{host}\r\n")
        };
        for target in [CASE.to_owned(), format!("http://other{CASE}")] {
            cases.push(Case::new(latin(&format!(
                "GET {target} HTTP/1.1\r\n{host}X: y\r\n\r\n"
            ))));
        }
        cases.push(Case::new(latin(&format!("GET {CASE} HTTP/1.0\r\n{host}X: y\r\n\r\n"))));
    }
    cases.extend(line_ends());
    cases
}

/// A header line alone, before and behind others, and before and behind what frames a body. Some targets end the head at a
/// line that they cannot read.
fn with_header(header: &str) -> [Case; 5] {
    let header = header.replace("EVIL", EVIL.trim_end());
    let length = EVIL.len();
    [
        format!("{}{header}\r\n\r\n", get()),
        format!("GET {CASE} HTTP/1.1\r\n{header}\r\nHost: localhost\r\n\r\n"),
        format!("{}{header}\r\nContent-Length: {length}\r\n\r\n{EVIL}", post()),
        format!(
            "{}{header}\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{EVIL}\r\n0\r\n\r\n",
            post()
        ),
        format!("{}Content-Length: {length}\r\n{header}\r\n\r\n{EVIL}", post()),
    ]
    .map(|text| Case::new(latin(&text)))
}

/// Whole requests with other line ends, and another request behind them.
fn line_ends() -> Vec<Case> {
    let mut cases = Vec::new();
    let plain = format!("POST {CASE} HTTP/1.1|Host: localhost|Content-Length: 5||hello");
    for ends in ["\n", "\r", "\n\r", "\r\r\n", "\r\n ", "\u{b}", "\u{85}", "\0\r\n"] {
        let mut push = |text: &str| {
            cases.push(Case {
                runs_on: true,
                ..Case::new(latin(text))
            });
        };
        push(&plain.replace('|', ends));
        // Only one of them is another.
        for at in 0..4 {
            let mut number = 0;
            let mixed: String = plain
                .chars()
                .map(|it| match it {
                    '|' => {
                        number += 1;
                        if number == at + 1 { ends } else { "\r\n" }.to_owned()
                    }
                    it => it.to_string(),
                })
                .collect();
            push(&mixed);
        }
    }
    // By the letter there are two.
    let two = format!(
        "{}Content-Length: 5\r\n\r\nhelloGET {NEXT} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        post()
    );
    cases.push(Case {
        nexts: 1,
        ..Case::new(two)
    });
    cases
}
