//! A chunked body: the same data, end and error for every cut.

use http1::{BodyDecoder, BodyError, Framing};

/// Panics if two ways to cut these bytes give two answers.
pub fn check(input: &[u8]) {
    // The first byte says how long a `Content-Length` body is, so that both kinds are seen.
    let Some((&length, body)) = input.split_first() else {
        return;
    };
    for framing in [Framing::Chunked, Framing::Length(u64::from(length))] {
        let whole = decode(framing, body, body.len());
        for step in [1, 2, 3, usize::from(length).max(1)] {
            assert_eq!(decode(framing, body, step), whole, "{framing:?} in steps of {step}");
        }
        assert!(whole.0.len() <= body.len());
    }
}

/// The data, what was consumed if the body is done, and whether it is done or why not.
fn decode(framing: Framing, input: &[u8], step: usize) -> (Vec<u8>, Option<usize>, Result<bool, BodyError>) {
    let mut decoder = BodyDecoder::new(framing);
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
