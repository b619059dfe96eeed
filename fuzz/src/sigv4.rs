//! Signatures: any request is refused without the secret, in words that steer nothing, and never twice in two ways.

use wire::sigv4::{Request, Signed};

/// 2015-08-30T12:36:00Z
const NOW: u64 = 1_440_938_160;

/// Panics if a law does not hold for these bytes: a request line without its version, header lines, an empty line, a body.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, target) = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .unwrap_or(("GET", "/"));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, &[u8])> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().as_bytes()))
        .collect();
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let request = Request {
        method,
        path,
        query,
        headers: &headers,
        body: body.as_bytes(),
    };
    let read = Signed::read(&request);
    assert_eq!(read, Signed::read(&request), "the same request is read the same way");
    let refused = match &read {
        Err(refused) => refused.clone(),
        Ok(signed) => {
            let credential = &signed.credential;
            let parts = [&credential.access_key, &credential.region, &credential.service];
            assert!(
                parts
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|it| it.is_ascii_graphic()))
            );
            let refused = signed.check(&request, "a secret that no input has", NOW);
            refused.expect_err("nobody signs without the secret")
        }
    };
    let (status, code) = refused.code();
    assert!(matches!(status, 400 | 403) && !code.is_empty());
    let message = refused.to_string();
    assert!(
        message.len() < 2000 && !message.contains(char::is_control),
        "{message:?}"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/sigv4");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
