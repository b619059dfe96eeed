//! The examples of AWS's documentation, and what must not pass for them.

use super::*;
use crate::sigv4::{self, Request, Signed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

/// 2013-05-24T00:00:00Z
const NOW: u64 = 1_369_353_600;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// An upload of 66,560 letters `a` as AWS's documentation has it.
struct Example {
    kind: &'static str,
    signed_headers: &'static str,
    seed: &'static str,
    trailer: Option<&'static str>,
    chunks: [&'static str; 3],
    end: &'static str,
}

/// Source: S3, "Signature calculations for the Authorization header: transferring payload in multiple chunks".
const CHUNKS: Example = Example {
    kind: SIGNED,
    signed_headers: "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                     x-amz-storage-class",
    seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    trailer: None,
    chunks: [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ],
    end: "\r\n",
};

/// Source: S3, "Signature calculations for trailing headers (chunked uploads)".
const TRAILER: Example = Example {
    kind: SIGNED_WITH_TRAILER,
    signed_headers: "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                     x-amz-storage-class;x-amz-trailer",
    seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    trailer: Some("x-amz-checksum-crc32c"),
    chunks: [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ],
    end: "x-amz-checksum-crc32c:sOO8/Q==\r\n\
          x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
};

impl Example {
    fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},\
             Signature={}",
            self.signed_headers, self.seed
        );
        let mut headers = vec![
            ("host", b"s3.amazonaws.com".to_vec()),
            ("x-amz-date", b"20130524T000000Z".to_vec()),
            ("x-amz-storage-class", b"REDUCED_REDUNDANCY".to_vec()),
            ("authorization", authorization.into_bytes()),
            ("x-amz-content-sha256", self.kind.into()),
            ("content-encoding", b"aws-chunked".to_vec()),
            ("x-amz-decoded-content-length", b"66560".to_vec()),
            ("content-length", b"66824".to_vec()),
        ];
        headers.extend(self.trailer.map(|name| ("x-amz-trailer", name.into())));
        headers
    }

    fn body(&self) -> Vec<u8> {
        let [first, second, third] = self.chunks;
        let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
        body.extend([b'a'; 65_536]);
        body.extend(format!("\r\n400;chunk-signature={second}\r\n").bytes());
        body.extend([b'a'; 1024]);
        body.extend(format!("\r\n0;chunk-signature={third}\r\n{}", self.end).bytes());
        body
    }

    /// What becomes of a body that comes with the example's head.
    fn decode(&self, body: &[u8]) -> Result<Vec<u8>, Refused> {
        let lines = self.headers();
        let headers: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let request = Request {
            method: "PUT",
            path: "/examplebucket/chunkObject.txt",
            query: "",
            headers: &headers,
            body,
        };
        let announced = Announced::read(&headers)?.expect("the head of a body in chunks");
        let chain = Signed::read(&request)?.check_head(&request, SECRET, NOW, &announced)?;
        announced.decode(body, Some(chain))
    }

    #[track_caller]
    fn refuses(&self, body: &[u8], expected: &Refused) {
        assert_eq!(self.decode(body).map(|data| data.len()).as_ref(), Err(expected));
    }
}

fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = body.windows(from.len()).position(|it| it == from.as_bytes());
    let at = at.expect("what is to be replaced");
    [&body[..at], to.as_bytes(), &body[at + from.len()..]].concat()
}

const MISMATCH: Refused = Refused::Signature(sigv4::Refused::Mismatch);

#[test]
fn the_examples_of_aws_are_read() {
    for example in [CHUNKS, TRAILER] {
        let body = example.body();
        assert_eq!(example.decode(&body), Ok(vec![b'a'; 66_560]));
        let framing = body.len() - 66_560;
        assert!(framing <= Announced::framing_bytes_max(66_560), "{framing}");
    }
    assert_eq!(CHUNKS.body().len(), 66_824);
    // As AWS's page draws it: lines that end in two ways, and empty ones.
    let drawn = replaced(
        &TRAILER.body(),
        "x-amz-checksum-crc32c:sOO8/Q==\r\n",
        "\r\nx-amz-checksum-crc32c:sOO8/Q==\n\r\n",
    );
    assert_eq!(TRAILER.decode(&drawn), Ok(vec![b'a'; 66_560]));
}

#[test]
fn each_signature_and_each_byte_counts() {
    for example in [CHUNKS, TRAILER] {
        let body = example.body();
        for signature in example.chunks {
            let other = format!(
                "{}{}",
                &signature[..63],
                if signature.ends_with('0') { '1' } else { '0' }
            );
            example.refuses(&replaced(&body, signature, &other), &MISMATCH);
        }
        // The data of the first chunk, and of the second.
        for at in [100, 66_000] {
            let mut body = body.clone();
            body[at] ^= 1;
            example.refuses(&body, &MISMATCH);
        }
    }
    // The checksum is signed too; the signature is looked at first.
    let body = TRAILER.body();
    TRAILER.refuses(&replaced(&body, "sOO8/Q==", "sOO8/A=="), &MISMATCH);
    TRAILER.refuses(&replaced(&body, "d81f82fc", "d81f82fd"), &MISMATCH);
}

#[test]
fn a_body_that_was_cut_is_never_whole() {
    for example in [CHUNKS, TRAILER] {
        let body = example.body();
        let ends = (0..200).chain(65_500..65_750).chain(66_600..body.len());
        for end in ends.filter(|end| *end < body.len()) {
            assert_eq!(example.decode(&body[..end]), Err(Refused::Incomplete), "{end}");
        }
        let longer = [body.as_slice(), b"x"].concat();
        assert!(example.decode(&longer).is_err());
    }
}

/// Heads without a signature, for bodies that nobody verifies.
fn announced(kind: &str, bytes: usize, trailer: Option<&str>) -> Result<Option<Announced>, Refused> {
    let bytes = bytes.to_string();
    let mut headers = vec![
        ("x-amz-content-sha256", kind.as_bytes()),
        ("x-amz-decoded-content-length", bytes.as_bytes()),
    ];
    headers.extend(trailer.map(|it| ("x-amz-trailer", it.as_bytes())));
    Announced::read(&headers)
}

/// A body of one kind, read by nobody's key.
#[track_caller]
fn unsigned(bytes: usize, body: &str) -> Result<Vec<u8>, Refused> {
    let announced = announced(UNSIGNED_WITH_TRAILER, bytes, Some("x-amz-checksum-crc32"));
    announced.unwrap().unwrap().decode(body.as_bytes(), None)
}

#[test]
fn bodies_with_a_checksum_alone() {
    // As botocore writes them.
    let hello = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert_eq!(unsigned(5, hello), Ok(b"hello".to_vec()));
    assert_eq!(
        unsigned(0, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
        Ok(Vec::new())
    );
    for end in 0..hello.len() {
        assert_eq!(unsigned(5, &hello[..end]), Err(Refused::Incomplete), "{end}");
    }
    let wrong = |from: &str, to: &str| unsigned(5, &hello.replace(from, to));
    assert_eq!(wrong("hello", "hellp"), Err(Refused::Checksum("CRC32")));
    assert_eq!(wrong("NhCmhg==", "NhCmhQ=="), Err(Refused::Checksum("CRC32")));
    let invalid = Err(Refused::ChecksumValue("x-amz-checksum-crc32"));
    for value in ["NhCm", "NhCmhg", "", "NhCmhgAA", "ä"] {
        assert_eq!(wrong("NhCmhg==", value), invalid, "{value}");
    }
    for trailers in [
        "\r\n",
        "x-amz-checksum-crc32c:NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\nx-other:1\r\n\r\n",
        "x-amz-checksum-crc32 NhCmhg==\r\n\r\n",
    ] {
        let expected = match trailers {
            "\r\n" => Refused::Incomplete,
            _ => Refused::Trailer,
        };
        assert_eq!(
            unsigned(5, &format!("5\r\nhello\r\n0\r\n{trailers}")),
            Err(expected),
            "{trailers}"
        );
    }
    let endless = format!(
        "5\r\nhello\r\n0\r\n{}\r\n",
        "x-amz-checksum-crc32:NhCmhg==\r\n".repeat(40)
    );
    assert_eq!(unsigned(5, &endless), Err(Refused::Trailer));
    // A trailer that is signed where none was to be.
    let signed = format!("x-amz-trailer-signature:{}\r\n\r\n", "0".repeat(64));
    let body = hello.replace("\r\n\r\n", &format!("\r\n{signed}"));
    assert_eq!(unsigned(5, &body), Err(Refused::Trailer));
}

#[test]
fn every_checksum_is_known_behind_a_body() {
    for checksum in Checksum::ALL {
        let sum = STANDARD.encode(checksum.of(b"hello"));
        let body = format!("5\r\nhello\r\n0\r\n{}:{sum}\r\n\r\n", checksum.header());
        let announced = announced(UNSIGNED_WITH_TRAILER, 5, Some(checksum.header()));
        let announced = announced.unwrap().unwrap();
        assert_eq!(announced.decode(body.as_bytes(), None), Ok(b"hello".to_vec()));
        let other = body.replace("hello", "hallo");
        let refused = Err(Refused::Checksum(checksum.name()));
        assert_eq!(announced.decode(other.as_bytes(), None), refused);
    }
}

#[test]
fn chunk_headers_have_bounds() {
    let no = |body: &str| unsigned(5, body).unwrap_err();
    assert_eq!(no(&"0".repeat(HEADER_BYTES_MAX)), Refused::Chunk("is longer than any"));
    assert_eq!(no(&"0".repeat(HEADER_BYTES_MAX - 1)), Refused::Incomplete);
    for header in ["", "x", "+5", " 5", "0x5", "00000000000000005"] {
        let refused = no(&format!("{header}\r\nhello\r\n"));
        assert_eq!(
            refused,
            Refused::Chunk("has no length in hexadecimal digits"),
            "{header:?}"
        );
    }
    assert_eq!(no("ffffffffffffffff\r\nhello"), Refused::Length);
    assert_eq!(no("6\r\nhello!\r\n"), Refused::Length);
    assert_eq!(no("4\r\nhell\r\n0\r\n"), Refused::Length);
    assert_eq!(
        no("4\r\nhello\r\n"),
        Refused::Chunk("names another length than its chunk has")
    );
    assert_eq!(
        no("5\nhello\r\n"),
        Refused::Chunk("does not end with CR and LF, or is not ASCII")
    );
    assert!(matches!(no("5;a=b\r\nhello\r\n"), Refused::Chunk(_)));
    // Signatures must be there, whoever could verify them.
    let announced = announced(SIGNED, 5, None).unwrap().unwrap();
    for extension in [
        "",
        ";",
        ";chunk-signature=",
        &format!(";chunk-signature={}", "A".repeat(64)),
    ] {
        let body = format!("5{extension}\r\nhello\r\n");
        let refused = announced.decode(body.as_bytes(), None);
        assert!(matches!(refused, Err(Refused::Chunk(_))), "{extension}: {refused:?}");
    }
}

#[test]
fn only_the_last_chunk_is_small() {
    let large = "x".repeat(CHUNK_BYTES_MIN);
    let sum = |data: &str| STANDARD.encode(Checksum::Crc32.of(data.as_bytes()));
    let data = format!("{large}hello");
    let end = format!("0\r\nx-amz-checksum-crc32:{}\r\n\r\n", sum(&data));
    let body = format!("2000\r\n{large}\r\n5\r\nhello\r\n{end}");
    assert_eq!(unsigned(data.len(), &body), Ok(data.clone().into_bytes()));
    let body = format!("2\r\nhe\r\n3\r\nllo\r\n{end}");
    assert_eq!(
        unsigned(data.len(), &body),
        Err(Refused::TooSmall { chunk: 1, bytes: 2 })
    );
}

#[test]
fn heads_that_announce_nothing_clear() {
    assert_eq!(announced("UNSIGNED-PAYLOAD", 5, None), Ok(None));
    assert_eq!(Announced::read(&[]), Ok(None));
    let not_built = announced("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", 5, None);
    assert_eq!(not_built, Err(Refused::NotBuilt));
    for (kind, trailer) in [
        (SIGNED, Some("x-amz-checksum-crc32")),
        (SIGNED_WITH_TRAILER, None),
        (UNSIGNED_WITH_TRAILER, None),
        (UNSIGNED_WITH_TRAILER, Some("x-amz-meta-a")),
        (UNSIGNED_WITH_TRAILER, Some("x-amz-checksum-crc32,x-amz-checksum-sha1")),
    ] {
        let refused = announced(kind, 5, trailer);
        assert!(
            matches!(refused, Err(Refused::Head(_))),
            "{kind} {trailer:?}: {refused:?}"
        );
    }
    let kind = ("x-amz-content-sha256", SIGNED.as_bytes());
    let length = |value: &'static str| ("x-amz-decoded-content-length", value.as_bytes());
    assert_eq!(Announced::read(&[kind]), Err(Refused::NoLength));
    for value in ["", "-1", "+5", "5 5", "0x5", "99999999999999999999"] {
        let refused = Announced::read(&[kind, length(value)]);
        assert!(matches!(refused, Err(Refused::Head(_))), "{value}");
    }
    // Twice: which one was meant?
    for twice in [kind, length("5")] {
        let refused = Announced::read(&[kind, length("5"), twice]);
        assert!(matches!(refused, Err(Refused::Head(_))), "{twice:?}");
    }
}

#[test]
fn what_promises_much_takes_no_memory() {
    let announced = announced(
        UNSIGNED_WITH_TRAILER,
        9_999_999_999_999_999,
        Some("x-amz-checksum-crc32"),
    );
    let announced = announced.unwrap().unwrap();
    assert_eq!(announced.decode(b"5\r\nhello\r\n", None), Err(Refused::Incomplete));
}

#[test]
fn a_presigned_request_announces_nothing() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
                 aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                 aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let request = Request {
        method: "GET",
        path: "/test.txt",
        query,
        headers: &[("host", b"examplebucket.s3.amazonaws.com")],
        body: b"",
    };
    let announced = announced(SIGNED, 0, None).unwrap().unwrap();
    let refused = Signed::read(&request)
        .unwrap()
        .check_head(&request, SECRET, NOW, &announced);
    assert!(matches!(refused, Err(sigv4::Refused::Incomplete(_))), "{refused:?}");
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), bytes in 0..300_usize) {
        for (kind, trailer) in [
            (SIGNED, None),
            (SIGNED_WITH_TRAILER, Some("x-amz-checksum-sha256")),
            (UNSIGNED_WITH_TRAILER, Some("x-amz-checksum-crc64nvme")),
        ] {
            let announced = announced(kind, bytes, trailer).unwrap().unwrap();
            if let Ok(data) = announced.decode(&body, None) {
                prop_assert_eq!(data.len(), bytes);
            }
        }
    }
}
