//! The body of a response: the same data, end and error for every cut; chunks as `httparse` and a plain reading see them;
//! and what we write of it reads back as the same.

use http1::{BodyDecoder, BodyError, ResponseFraming, finish_chunks, write_chunk};

/// Panics if two readings of these bytes differ.
pub fn check(input: &[u8]) {
    // The first byte says how long a `Content-Length` body is, so that every kind is seen.
    let Some((&length, body)) = input.split_first() else {
        return;
    };
    let framings = [
        ResponseFraming::None,
        ResponseFraming::Length(u64::from(length)),
        ResponseFraming::Chunked,
        ResponseFraming::UntilClose,
    ];
    for framing in framings {
        let whole = decode(framing, body, body.len());
        for step in [1, 2, 3, usize::from(length).max(1)] {
            assert_eq!(decode(framing, body, step), whole, "{framing:?} in steps of {step}");
        }
        let (data, end, result) = whole;
        match framing {
            ResponseFraming::None => assert_eq!((data.len(), end), (0, Some(0))),
            ResponseFraming::Length(length) => assert!(body.starts_with(&data) && data.len() as u64 <= length),
            ResponseFraming::UntilClose => assert_eq!((&data[..], result), (body, Ok(false))),
            ResponseFraming::Chunked => {
                if let Some(end) = end {
                    assert_eq!(
                        plain_chunks(&body[..end]),
                        Some(data.clone()),
                        "{:?}",
                        String::from_utf8_lossy(body)
                    );
                }
                check_written(&data, usize::from(length).max(1));
            }
        }
    }
}

/// The data, what was consumed if the body is done, and whether it is done or why not.
fn decode(framing: ResponseFraming, input: &[u8], step: usize) -> (Vec<u8>, Option<usize>, Result<bool, BodyError>) {
    let mut decoder = BodyDecoder::new_response(framing);
    assert_eq!(decoder.ends_with_close(), framing == ResponseFraming::UntilClose);
    let (mut data, mut at) = (Vec::new(), 0);
    while at < input.len() && !decoder.is_done() {
        let piece = &input[at..input.len().min(at + step)];
        match decoder.decode(piece) {
            Ok(decoded) => {
                assert!(decoded.consumed > 0 && decoded.data.end <= decoded.consumed);
                data.extend_from_slice(&piece[decoded.data]);
                at += decoded.consumed;
            }
            Err(error) => return (data, None, Err(error)),
        }
    }
    (data, decoder.is_done().then_some(at), Ok(decoder.is_done()))
}

/// The data of a complete chunked body, read slowly. Trailers end with the first empty line.
fn plain_chunks(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((line_len, size))) = httparse::parse_chunk_size(body) else {
            return None;
        };
        body = &body[line_len..];
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?;
        data.extend_from_slice(body.get(..size)?);
        body = body[size..].strip_prefix(b"\r\n")?;
    }
    while !body.starts_with(b"\r\n") {
        let line_len = body.iter().position(|&b| b == b'\n')? + 1;
        body = &body[line_len..];
    }
    (body.len() == 2).then_some(data)
}

fn check_written(data: &[u8], step: usize) {
    let mut out = Vec::new();
    data.chunks(step).for_each(|piece| write_chunk(&mut out, piece));
    finish_chunks(&mut out);
    assert_eq!(plain_chunks(&out).as_deref(), Some(data));
    assert_eq!(
        decode(ResponseFraming::Chunked, &out, out.len()),
        (data.to_vec(), Some(out.len()), Ok(true))
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Random, chunks};

    #[test]
    fn the_corpus_agrees() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/response_body");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus is there") {
            check(&std::fs::read(entry.expect("a file").path()).expect("a readable file"));
            count += 1;
        }
        assert!(count > 10, "only {count} files");
    }

    /// Seeded, so a failure repeats. Both good and bad bodies must be among them.
    #[test]
    fn generated_bodies_agree() {
        let mut random = Random::new(0xc0de_b0d7);
        let mut complete = 0;
        for _ in 0..40_000 {
            let bytes = chunks(&mut random);
            check(&bytes);
            complete += usize::from(decode(ResponseFraming::Chunked, &bytes[1..], bytes.len()).1.is_some());
        }
        assert!((4_000..36_000).contains(&complete), "{complete} complete bodies");
    }
}
