//! A request head: the same answer for every cut, and what is written on reads back as the same single request.

use http1::desync::{Class, classify};
use http1::{
    Edits, Forward, HeadLimits, HeadScanner, RequestHead, Scan, TargetConnection, framing, keep_alive, write_request,
};

/// Small enough for a fuzzer to reach.
const LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 200,
    header_line_bytes_max: 150,
    headers_bytes_max: 600,
};

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let scan = HeadScanner::new().scan(input, &LIMITS);
    let mut scanner = HeadScanner::new();
    let stepwise = (0..=input.len())
        .map(|end| scanner.scan(&input[..end], &LIMITS))
        .find(|scan| *scan != Scan::Partial);
    assert_eq!(stepwise.unwrap_or(Scan::Partial), scan, "a byte at a time");

    let mut head = RequestHead::new();
    let at_once = head.read(&mut HeadScanner::new(), input, &LIMITS);
    let Scan::Complete { head_len } = scan else {
        assert_eq!(at_once, Ok(scan));
        // Not a head, and still nothing may panic.
        let _ = (
            head.tokenize(input),
            classify(&head, input),
            framing(&head, input),
            keep_alive(&head, input),
        );
        return;
    };
    let bytes = &input[..head_len];
    let mut head = RequestHead::new();
    let tokenized = head.tokenize(bytes);
    assert_eq!(at_once, tokenized.map(|()| scan));
    if tokenized.is_ok() {
        check_tiling(&head, bytes);
        check_written(&head, bytes);
    }
}

/// Field lines follow each other without a gap, and only the empty line follows the last.
fn check_tiling(head: &RequestHead, bytes: &[u8]) {
    let lines: Vec<_> = head.fields().iter().map(|field| field.line()).collect();
    assert!(lines.windows(2).all(|pair| pair[0].end == pair[1].start));
    if let Some(last) = lines.last() {
        assert!(matches!(&bytes[last.end as usize..], b"\r\n" | b"\n"));
    }
}

fn check_written(head: &RequestHead, bytes: &[u8]) {
    let classification = classify(head, bytes);
    let Ok(framing) = framing(head, bytes) else { return };
    let forward = Forward {
        target: None,
        framing,
        connection: TargetConnection::Close,
    };
    let mut out = Vec::new();
    if write_request(head, bytes, &forward, &Edits::new(), &mut out).is_err() {
        assert_eq!(
            classification.class,
            Class::Severe,
            "only severe requests cannot be written"
        );
        return;
    }
    let loose = HeadLimits {
        request_line_bytes_max: 9999,
        header_line_bytes_max: 9999,
        headers_bytes_max: 9999,
    };
    assert_eq!(
        HeadScanner::new().scan(&out, &loose),
        Scan::Complete { head_len: out.len() },
        "one request"
    );
    let mut again = RequestHead::new();
    again.tokenize(&out).expect("what we write can be read");
    assert_eq!(
        (again.method(&out), again.target(&out)),
        (head.method(bytes), head.target(bytes))
    );
    assert_eq!(http1::framing(&again, &out), Ok(framing));
    assert!(!keep_alive(&again, &out));
    assert!(
        !again
            .fields()
            .iter()
            .any(|field| field.is_suspicious() || field.is_continuation())
    );
}
