//! Bodies in chunks whose sizes, extensions, ends and trailers are read in more than one way.

use super::{Case, EVIL, NEXT, post};

/// Sizes of a chunk. Those who read `M` as what it is see a chunk with something hidden in it; others see the end of the
/// body, and then what was hidden. `M` is the hexadecimal length, `N` the decimal one.
const SIZES: &[&str] = &[
    "0xM",
    "0XM",
    "xM",
    "-M",
    "+M",
    " M",
    "\tM",
    "\u{b}M",
    "\0M",
    "M\0",
    "M ",
    "M\t",
    "M\u{b}",
    "M\u{c}",
    "M x",
    "Mx",
    "M,",
    "M.0",
    "M_",
    "0_M",
    "0 M",
    "M 0",
    "\"M\"",
    "M;",
    "M;a",
    "M; a=b",
    "M ;a=b",
    "M;a=\"b\"",
    "M;a=\"\\\"\"",
    "M;a=\"",
    "M;\0",
    "M;a=\nb",
    "M;\n",
    "M;a\r",
    "M;a=\"\r\n\"",
    "M\n",
    "M\r",
    "M\r\r",
    "\nM",
    "\rM",
    "\r\nM",
    "M\n0\r",
    "M;a=\"\n0\n\n",
    "00000000M",
    "0000000000000000000000000000000000M",
    "100000000M",
    "10000000000000000M",
    "ffffffffffffffff",
    "fffffffffffffffe",
    "7fffffffffffffff",
    "80000000",
    "M;a=b\r\n\r",
    "",
    "g",
    "M\u{e9}",
    "\u{665}",
];

/// What follows the last chunk of a body that has said everything. `EVIL` is in it.
const ENDS: &[&str] = &[
    "0\n\nEVIL",
    "0\r\n\nEVIL",
    "0\n\r\nEVIL",
    "0\r\rEVIL",
    "0\r\nEVIL",
    "0\nEVIL",
    "0\r\n\rEVIL",
    "0x\r\n\r\nEVIL",
    "-0\r\n\r\nEVIL",
    "+0\r\n\r\nEVIL",
    "0x0\r\n\r\nEVIL",
    "0,\r\n\r\nEVIL",
    "\r\n\r\nEVIL",
    "\n\nEVIL",
    ";\r\n\r\nEVIL",
    "00\0\r\n\r\nEVIL",
    "0\r\nEVIL\r\n",
    "0\r\nX: y\nEVIL",
    "0\r\nX: y\rEVIL",
    "0\r\nX\r\n EVIL",
    "0\r\n EVIL",
    "0\r\nContent-Length: 0\r\nEVIL",
];

/// Trailers that are fields of a request. Nothing follows them.
const TRAILERS: &[&str] = &[
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Host: evil",
    "Connection: close",
    "X-Forwarded-For: 9.9.9.9",
    "Content-Length: 5\r\nTransfer-Encoding: identity",
    "GET /evil/###### HTTP/1.1\r\nHost: evil",
    "POST /evil/###### HTTP/1.1: x\r\nHost: evil\r\nContent-Length: 0",
    " folded: x",
    "no colon",
    ": empty",
    "X: \0",
    "X: y\nContent-Length: 5",
];

/// Chunks whose end is not where it should be, in front of something hidden.
const BREAKS: &[&str] = &[
    "5\r\nhelloEVIL",
    "5\r\nhello\nEVIL",
    "5\r\nhello\rEVIL",
    "5\r\nhelloX\r\nEVIL",
    "5\r\nhello\r\r\n0\r\n\r\nEVIL",
    "5\r\nhello\n0\r\n\r\nEVIL",
    "5\r\nhello0\r\n\r\nEVIL",
    "5\r\nhell\r\n0\r\n\r\nEVIL",
    "5\r\nhello!!0\r\n\r\nEVIL",
    "5\nhello\n0\n\nEVIL",
    "5\rhello\r0\r\rEVIL",
    "5\r\nhello\r\n\r\n0\r\n\r\nEVIL",
    "5\r\nhello\r\n \r\n0\r\n\r\nEVIL",
    "2\r\n\r\n\r\n0\n\nEVIL",
];

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", post());
    let case = |body: &str| Case::new([head.as_bytes(), &super::latin(body)].concat());
    let hidden = format!("0\r\n\r\n{EVIL}");
    for size in SIZES {
        let size = size
            .replace('M', &format!("{:x}", hidden.len()))
            .replace('N', &hidden.len().to_string());
        cases.push(case(&format!("{size}\r\n{hidden}\r\n0\r\n\r\n")));
        // The same behind a chunk that is as it should be.
        cases.push(case(&format!("5\r\nhello\r\n{size}\r\n{hidden}\r\n0\r\n\r\n")));
    }
    for end in ENDS {
        cases.push(case(&format!("5\r\nhello\r\n{}", end.replace("EVIL", EVIL))));
        cases.push(case(&end.replace("EVIL", EVIL)));
    }
    for end in ["0 ", "0\t", "0;a", "0;a=\""] {
        cases.push(Case {
            nexts: 1,
            ..case(&format!("{end}\r\n\r\nGET {NEXT} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        });
    }
    for trailer in TRAILERS {
        cases.push(case(&format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n")));
    }
    for broken in BREAKS {
        cases.push(case(&broken.replace("EVIL", EVIL)));
    }
    // Long extensions: some stop reading them in the middle.
    for length in [100, 4_000, 8_190, 16_384, 70_000, 1_000_000] {
        let extension = "x".repeat(length);
        cases.push(case(&format!(
            "{:x};{extension}\r\n{hidden}\r\n0\r\n\r\n",
            hidden.len()
        )));
        cases.push(case(&format!("5\r\nhello\r\n0;{extension}\r\n\r\n")));
        cases.push(case(&format!("5\r\nhello\r\n0\r\nTrailer: {extension}\r\n\r\n")));
        cases.push(case(&format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(length))));
    }
    cases
}
