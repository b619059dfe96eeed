//! Bodies in chunks of their own: what is accepted has the length and the checksum that were announced, nothing is accepted
//! that the secret has not signed, and what it has signed always is, whole and unchanged alone.

use wire::aws_chunked::{Announced, CHUNK_BYTES_MIN};
use wire::checksum::Checksum;
use wire::sigv4::{Chain, Request, Signed, keyed, sha256_hex};

/// 2015-08-30T12:36:00Z
const NOW: u64 = 1_440_938_160;
const DATE: &str = "20150830T123600Z";
const SCOPE: &str = "20150830/us-east-1/lambda/aws4_request";
const HEADERS: &str = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length";
const SECRET: &str = "a secret that no input has";
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const KINDS: [&str; 3] = [
    SIGNED,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];

/// Panics if a law does not hold for these bytes: one says which kind and checksum, one how long the body promises to be, and
/// the rest is the body.
pub fn check(input: &[u8]) {
    let [choice, bytes, body @ ..] = input else { return };
    any_body(*choice, usize::from(*bytes), body);
    signed_body(*choice, body);
}

fn any_body(choice: u8, bytes: usize, body: &[u8]) {
    let kind = KINDS[usize::from(choice) % 3];
    let checksum = Checksum::ALL[usize::from(choice >> 2) % Checksum::ALL.len()];
    let trailer = (kind != SIGNED).then_some(checksum);
    let announced = announced(kind, bytes, trailer);
    // Whoever has no secret to verify with reads the same body, or more.
    let unverified = announced.decode(body, None);
    assert_eq!(
        unverified,
        announced.decode(body, None),
        "the same body is read the same way"
    );
    match &unverified {
        Ok(data) => {
            assert_eq!(data.len(), bytes);
            assert!(body.len() <= data.len() + Announced::framing_bytes_max(data.len()));
        }
        Err(refused) => {
            let ((status, code), message) = (refused.code(), refused.to_string());
            assert!(matches!(status, 400 | 403) && !code.is_empty());
            assert!(
                message.len() < 500 && !message.contains(char::is_control),
                "{message:?}"
            );
        }
    }
    if kind != KINDS[2] {
        let (_, chain) = head(kind, bytes, trailer);
        announced
            .decode(body, Some(chain))
            .expect_err("nobody signs without the secret");
    }
}

/// A body that the secret has signed, and the same with one bit turned over.
fn signed_body(choice: u8, data: &[u8]) {
    let announced = announced(SIGNED, data.len(), None);
    let (seed, chain) = head(SIGNED, data.len(), None);
    let (mut previous, mut body) = (seed, Vec::new());
    for chunk in data.chunks(CHUNK_BYTES_MIN).chain([&[][..]]) {
        let (empty, hash) = (sha256_hex(b""), sha256_hex(chunk));
        previous = sign(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{DATE}\n{SCOPE}\n{previous}\n{empty}\n{hash}"
        ));
        body.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    assert_eq!(announced.decode(&body, Some(chain)).as_deref(), Ok(data));
    let at = data
        .iter()
        .fold(usize::from(choice), |at, byte| at * 31 % 1_000_003 + usize::from(*byte))
        % body.len();
    // Hexadecimal digits of a length mean the same in upper case; everything else counts.
    let bit = match body[at].is_ascii_alphabetic() {
        true => 1,
        false => 1 << (choice % 8),
    };
    body[at] ^= bit;
    let (_, chain) = head(SIGNED, data.len(), None);
    announced.decode(&body, Some(chain)).expect_err("a bit was turned over");
    body[at] ^= bit;
    let (_, chain) = head(SIGNED, data.len(), None);
    announced
        .decode(&body[..at], Some(chain))
        .expect_err("the end is missing");
}

fn announced(kind: &str, bytes: usize, trailer: Option<Checksum>) -> Announced {
    let bytes = bytes.to_string();
    let mut headers = vec![
        ("x-amz-content-sha256", kind.as_bytes()),
        ("x-amz-decoded-content-length", bytes.as_bytes()),
    ];
    headers.extend(trailer.map(|it| ("x-amz-trailer", it.header().as_bytes())));
    Announced::read(&headers)
        .expect("a clear head")
        .expect("a body in chunks")
}

/// The signature of a head with the secret, and the chain that begins there.
fn head(kind: &str, bytes: usize, trailer: Option<Checksum>) -> (String, Chain) {
    let bytes_text = bytes.to_string();
    let trailer_name = trailer.map_or("", Checksum::header);
    let (names, line) = match trailer {
        None => (HEADERS.to_owned(), String::new()),
        Some(_) => (
            format!("{HEADERS};x-amz-trailer"),
            format!("x-amz-trailer:{trailer_name}\n"),
        ),
    };
    let canonical = format!(
        "POST\n/\n\nhost:x\nx-amz-content-sha256:{kind}\nx-amz-date:{DATE}\nx-amz-decoded-content-length:{bytes}\n{line}\n\
         {names}\n{kind}"
    );
    let hash = sha256_hex(canonical.as_bytes());
    let seed = sign(&format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{hash}"));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders={names}, Signature={seed}");
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"x"),
        ("x-amz-content-sha256", kind.as_bytes()),
        ("x-amz-date", DATE.as_bytes()),
        ("x-amz-decoded-content-length", bytes_text.as_bytes()),
        ("authorization", authorization.as_bytes()),
    ];
    if trailer.is_some() {
        headers.push(("x-amz-trailer", trailer_name.as_bytes()));
    }
    let request = Request {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
        body: b"",
    };
    let signed = Signed::read(&request).expect("a signature");
    let chain = signed.check_head(&request, SECRET, NOW, &announced(kind, bytes, trailer));
    (seed, chain.expect("our own signature"))
}

fn sign(text: &str) -> String {
    let key = SCOPE
        .split('/')
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| keyed(&key, part));
    keyed(&key, text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/aws_chunked");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
