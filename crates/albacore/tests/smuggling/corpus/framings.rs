//! Two ways to frame a body: lengths and codings, in every spelling that somebody takes for them.

use super::{Case, EVIL, get, latin, post};

/// Header lines that some take for `Transfer-Encoding: chunked`, and some do not.
const CODINGS: &[&str] = &[
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    "Transfer-Encoding \t : chunked",
    " Transfer-Encoding: chunked",
    "\tTransfer-Encoding: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\r\n\tTransfer-Encoding: chunked",
    "X:\r\n Transfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding:\r\n\tchunked",
    "Transfer-Encoding:\n chunked",
    "Transfer-Encoding: \r\n \r\n chunked",
    "Transfer-Encoding: chun\r\n ked",
    "Transfer-Encoding: x\r\n chunked",
    "Transfer-Encoding: x,\r\n chunked",
    "Transfer-Encoding: chunked\r\n x",
    "Transfer_Encoding: chunked",
    "Transfer.Encoding: chunked",
    "Transfer Encoding: chunked",
    "TransferEncoding: chunked",
    "Transfer--Encoding: chunked",
    "-Transfer-Encoding: chunked",
    "Transfer-Encoding-: chunked",
    "Transfer-Encoding;: chunked",
    "\"Transfer-Encoding\": chunked",
    "@Transfer-Encoding: chunked",
    ":Transfer-Encoding: chunked",
    "Transfer-Encoding:: chunked",
    "Transfer-Encoding chunked",
    "Transfer-Encoding\0: chunked",
    "\0Transfer-Encoding: chunked",
    "Transfer\0-Encoding: chunked",
    "\u{b}Transfer-Encoding: chunked",
    "Transfer-Encoding\u{b}: chunked",
    "\u{1}Transfer-Encoding: chunked",
    "Transfer-Encoding\u{1f}: chunked",
    "Transfer-Encoding\u{7f}: chunked",
    "Transfer-Encoding\u{a0}: chunked",
    "Transfer-Encoding\u{ff}: chunked",
    "\u{ff}Transfer-Encoding: chunked",
    "Transfer\u{ad}-Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: chunked x",
    "Transfer-Encoding: x chunked",
    "Transfer-Encoding: chunked-",
    "Transfer-Encoding: chunk",
    "Transfer-Encoding: cow",
    "Transfer-Encoding:",
    "Transfer-Encoding: ,",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding:\u{b}chunked",
    "Transfer-Encoding: \u{c}chunked",
    "Transfer-Encoding: chunked\u{b}",
    "Transfer-Encoding: chunked\u{c}",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding: \0chunked",
    "Transfer-Encoding: chunked\u{1}",
    "Transfer-Encoding: chunked\u{a0}",
    "Transfer-Encoding: \u{85}chunked",
    "Transfer-Encoding: \u{ff}chunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: (chunked)",
    "Transfer-Encoding: chunked;",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked; a=\"b\"",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked, cow",
    "Transfer-Encoding: cow, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-encoding: chunked",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: cow",
    "Transfer-Encoding: chunked\r\nTransfer_Encoding: identity",
    "Transfer-Encoding : chunked\r\nTransfer-Encoding: identity",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\r\rTransfer-Encoding: chunked",
    "X: y\n\rTransfer-Encoding: chunked",
    "X:\nTransfer-Encoding: chunked",
    "X: y\0\nTransfer-Encoding: chunked",
    "\nTransfer-Encoding: chunked",
    "\rTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r",
    "Transfer-Encoding: chunked\n",
    "Transfer-Encoding: chunked\nX: y",
    "Transfer-Encoding: chunked\rX: y",
    "Transfer\nEncoding: chunked",
    "Transfer-Encoding\r\n: chunked",
    "Transfer-\r\n Encoding: chunked",
    // To some this is the same header by its number of ...: hop-by-hop, and gone.
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nConnection: close, transfer-encoding",
    // By the letter, but beside a length.
    "Transfer-Encoding: chunked",
    "transfer-encoding: CHUNKED",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding: \t chunked \t",
];

/// Those with characters that are no bytes of Latin-1.
const WIDE: &[&str] = &[
    "Transfer-Encod\u{131}ng: chunked",
    "Tran\u{17f}fer-Encoding: chunked",
    "Transfer\u{2010}Encoding: chunked",
    "Transfer-Encoding\u{200b}: chunked",
    "Transfer-Encoding: \u{2003}chunked",
    "Transfer-Encoding: \u{ff43}hunked",
];

/// Values that some take for this length, and some for another or for none. `N` is the length, `M` its hexadecimal form.
const LENGTHS: &[&str] = &[
    "+N",
    "-N",
    "N,N",
    "N, N",
    "N,",
    ",N",
    "0,N",
    "N,0",
    "0, N",
    "N 0",
    "0 N",
    "N N",
    "N_0",
    "0_N",
    "N.0",
    "0.N",
    "Ne0",
    "0xM",
    "0XM",
    "Mh",
    "\"N\"",
    "'N'",
    "N;",
    "N;q=1",
    "N\0",
    "\0N",
    "N\u{b}",
    "\u{b}N",
    "\u{c}N",
    "N\u{1}",
    "N\u{a0}",
    "\u{a0}N",
    "N\u{85}",
    "00000000000000000000N",
    "18446744073709551616",
    "9223372036854775808N",
    "4294967296N",
    "1844674407370955161600000000N",
    "-0",
    "+0",
    "0x0",
    "00 N",
    "",
    " ",
    "N\r",
    "N\r\n 0",
    "0\r\n N",
    "\r\n N",
    "N\nX: y",
    "N\rX: y",
    "\nN",
    "N\r\n\t",
    "NN\u{8}",
    "N%20",
    "%4e",
    "N/1",
    "N-N",
    "1N-N",
    "(N)",
    "N#",
    "\u{664}",
];

/// Lines beside `Content-Length: N`. `N` is the length.
const BESIDE: &[&str] = &[
    "Content-Length: 0",
    "Content-Length: N",
    "content-length: 0",
    "Content-Length : 0",
    "Content-Length\t: 0",
    " Content-Length: 0",
    "Content_Length: 0",
    "Content.Length: 0",
    "Content Length: 0",
    "ContentLength: 0",
    "Content-Length\0: 0",
    "Content-Length\u{b}: 0",
    "\u{b}Content-Length: 0",
    "Content-Length-: 0",
    "X: y\r\n Content-Length: 0",
    "X: y\nContent-Length: 0",
    "X: y\rContent-Length: 0",
    "Connection: Content-Length",
    "Connection: close, content-length",
    "Content-Length: 0\r\nConnection: Content-Length",
    "Content-Encoding: chunked",
    "Trailer: Content-Length",
];

fn length() -> String {
    EVIL.len().to_string()
}

fn with_length(text: &str) -> String {
    text.replace('N', &length()).replace('M', &format!("{:x}", EVIL.len()))
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let codings = CODINGS
        .iter()
        .map(|line| latin(line))
        .chain(WIDE.iter().map(|line| line.as_bytes().to_vec()));
    for (index, line) in codings.enumerate() {
        let line = &[&line[..], b"\r\n"].concat();
        let ended = format!("0\r\n\r\n{EVIL}");
        let hidden = format!("{:x}\r\n{EVIL}\r\n0\r\n\r\n", EVIL.len());
        let first = format!("{:x}\r\n", EVIL.len()).len();
        // CL.TE: by the coding the body ends before what is hidden.
        let (length, before) = (format!("Content-Length: {}\r\n", ended.len()), post());
        for head in [
            [length.as_bytes(), line].concat(),
            [&line[..], length.as_bytes()].concat(),
        ] {
            cases.push(Case::new(
                [before.as_bytes(), &head, b"\r\n", ended.as_bytes()].concat(),
            ));
        }
        // TE.CL: by the length it does.
        let length = format!("Content-Length: {first}\r\n");
        for head in [
            [length.as_bytes(), line].concat(),
            [&line[..], length.as_bytes()].concat(),
        ] {
            cases.push(Case::new(
                [before.as_bytes(), &head, b"\r\n", hidden.as_bytes()].concat(),
            ));
        }
        // The coding alone, and by those who do not know it there is no body. By the letter it is no riddle.
        if index + 4 < CODINGS.len() || index >= CODINGS.len() {
            cases.push(Case::new(
                [before.as_bytes(), line, b"\r\n", hidden.as_bytes()].concat(),
            ));
            // With a method that has no body, and in a version that has no codings.
            cases.push(Case::new([get().as_bytes(), line, b"\r\n", hidden.as_bytes()].concat()));
        }
        let old = before.replace("HTTP/1.1", "HTTP/1.0");
        cases.push(Case::new([old.as_bytes(), line, b"\r\n", hidden.as_bytes()].concat()));
    }
    for value in LENGTHS {
        let value = latin(&with_length(value));
        for before in [
            post(),
            get(),
            format!("{}Content-Length: {}\r\n", post(), length()),
            format!("{}Content-Length: 0\r\n", post()),
        ] {
            let head = [before.as_bytes(), b"Content-Length: ", &value, b"\r\n\r\n"].concat();
            cases.push(Case::new([&head, EVIL.as_bytes()].concat()));
        }
    }
    for line in BESIDE {
        let line = latin(&with_length(line));
        let length = format!("Content-Length: {}\r\n", length()).into_bytes();
        let line = [&line[..], b"\r\n"].concat();
        for lines in [[&length[..], &line].concat(), [&line[..], &length].concat()] {
            cases.push(Case::new(
                [post().as_bytes(), &lines, b"\r\n", EVIL.as_bytes()].concat(),
            ));
        }
    }
    cases
}
