use super::*;

/// Decodes with the input cut into pieces of `step` bytes: data, bytes consumed, and done or the error.
fn decode(framing: Framing, input: &[u8], step: usize) -> (Vec<u8>, usize, Result<bool, BodyError>) {
    let mut decoder = BodyDecoder::new(framing);
    let (mut data, mut at) = (Vec::new(), 0);
    while at < input.len() && !decoder.is_done() {
        let piece = &input[at..input.len().min(at + step)];
        match decoder.decode(piece) {
            Ok(decoded) => {
                assert!(decoded.consumed > 0, "input is always taken");
                data.extend_from_slice(&piece[decoded.data]);
                at += decoded.consumed;
                assert_eq!(decoded.done, decoder.is_done());
            }
            Err(error) => {
                assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(error), "an error stays");
                return (data, at, Err(error));
            }
        }
    }
    (data, at, Ok(decoder.is_done()))
}

#[track_caller]
fn check(input: &str, data: &str, outcome: Result<bool, BodyError>) {
    for step in [1, 2, 3, 5, input.len().max(1)] {
        let (found, _, result) = decode(Framing::Chunked, input.as_bytes(), step);
        assert_eq!(
            (found.as_slice(), result),
            (data.as_bytes(), outcome),
            "{input:?} in steps of {step}"
        );
    }
}

#[test]
fn chunks_are_joined_and_extensions_and_trailers_dropped() {
    check("0\r\n\r\n", "", Ok(true));
    check("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", Ok(true));
    check("A;name=\"v;w\"\r\n0123456789\r\n0;x\r\n\r\n", "0123456789", Ok(true));
    check("000a  ;x\r\n0123456789\r\n0 \t\r\n\r\n", "0123456789", Ok(true));
    check("1\r\na\r\n0\r\nX-Sum: 1\r\n folded\r\nY: 2\r\n\r\n", "a", Ok(true));
    check("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", Ok(true));
    check("3\r\nab", "ab", Ok(false));
    check("0\r\n\r", "", Ok(false));
}

#[test]
fn malformed_chunks_are_errors() {
    check("x\r\n", "", Err(BodyError::BadSize));
    check("\r\n", "", Err(BodyError::BadSize));
    check("-1\r\n", "", Err(BodyError::BadSize));
    check("+1\r\n", "", Err(BodyError::BadSize));
    check("0x5\r\n", "", Err(BodyError::BadSize));
    check(" 5\r\n", "", Err(BodyError::BadSize));
    check(";x\r\n", "", Err(BodyError::BadSize));
    check("5\nhello", "", Err(BodyError::BadSize));
    check("5_\r\n", "", Err(BodyError::BadSize));
    check("ffffffffffffffff1\r\n", "", Err(BodyError::SizeTooLarge));
    check("00000000000000001\r\n", "", Err(BodyError::SizeTooLarge));
    check("5 5\r\nhello", "", Err(BodyError::BadSizeLine));
    check("5;a\nhello", "", Err(BodyError::BadSizeLine));
    check("5;a\0\r\nhello", "", Err(BodyError::BadSizeLine));
    check("5\rxhello", "", Err(BodyError::BadSizeLine));
    check("5\r\nhello\n0\r\n\r\n", "hello", Err(BodyError::NoLineEnd));
    check("5\r\nhello!\r\n", "hello", Err(BodyError::NoLineEnd));
    check("5\r\nhello\rx", "hello", Err(BodyError::NoLineEnd));
    check("0\r\n\n", "", Err(BodyError::BadTrailer));
    check("0\r\na: b\n\r\n", "", Err(BodyError::BadTrailer));
    check("0\r\na\rb\r\n\r\n", "", Err(BodyError::BadTrailer));
    check("0\r\na\0\r\n\r\n", "", Err(BodyError::BadTrailer));
    check("0\r\n\rx", "", Err(BodyError::BadTrailer));
}

#[test]
fn the_largest_size_is_read_as_it_stands() {
    let (data, consumed, result) = decode(Framing::Chunked, b"ffffffffffffffff\r\nabc", 64);
    assert_eq!((data.as_slice(), consumed, result), (&b"abc"[..], 21, Ok(false)));
}

#[test]
fn what_follows_the_body_is_left_alone() {
    for (framing, body) in [
        (Framing::Chunked, &b"1\r\na\r\n0\r\n\r\n"[..]),
        (Framing::Length(3), b"abc"),
        (Framing::Length(0), b""),
        (Framing::None, b""),
    ] {
        let input = [body, b"GET / HTTP/1.1\r\n\r\n"].concat();
        for step in [1, 4, input.len()] {
            let (_, consumed, result) = decode(framing, &input, step);
            assert_eq!((consumed, result), (body.len(), Ok(true)), "{framing:?}");
        }
    }
    let mut decoder = BodyDecoder::new(Framing::None);
    assert_eq!(
        decoder.decode(b"GET /"),
        Ok(Decoded {
            consumed: 0,
            data: 0..0,
            done: true
        })
    );
}

#[test]
fn a_length_is_counted_across_reads() {
    let (data, consumed, result) = decode(Framing::Length(10), b"0123456789x", 3);
    assert_eq!((data.as_slice(), consumed, result), (&b"0123456789"[..], 10, Ok(true)));
    let (data, _, result) = decode(Framing::Length(10), b"012", 2);
    assert_eq!((data.as_slice(), result), (&b"012"[..], Ok(false)));
    let mut decoder = BodyDecoder::new(Framing::Length(u64::MAX));
    assert_eq!(
        decoder.decode(b"ab"),
        Ok(Decoded {
            consumed: 2,
            data: 0..2,
            done: false
        })
    );
}

#[test]
fn extensions_and_trailers_are_bounded_over_the_whole_body() {
    let extension = |len: usize| format!("1;{}\r\na\r\n", "x".repeat(len - 1)).into_bytes();
    let max = CHUNK_OVERHEAD_BYTES_MAX as usize;
    assert_eq!(decode(Framing::Chunked, &extension(max), 1000).2, Ok(false));
    assert_eq!(
        decode(Framing::Chunked, &extension(max + 1), 1000).2,
        Err(BodyError::ExtensionsTooLong)
    );
    let many = extension(9).repeat(max / 9 + 1);
    assert_eq!(
        decode(Framing::Chunked, &many, 1000).2,
        Err(BodyError::ExtensionsTooLong)
    );

    let trailer = |len: usize| format!("0\r\n{}\r\n\r\n", "x".repeat(len - 2)).into_bytes();
    let max = TRAILER_BYTES_MAX as usize;
    assert_eq!(decode(Framing::Chunked, &trailer(max), 1000).2, Ok(true));
    assert_eq!(
        decode(Framing::Chunked, &trailer(max + 1), 1000).2,
        Err(BodyError::TrailersTooLong)
    );
}

#[test]
fn trailers_are_kept_when_asked_for() {
    let input = b"1\r\na\r\n0\r\nX-Type:  t \r\nnocolon\r\nx-body: YQ==\r\n\r\nGET";
    let drive = |mut decoder: BodyDecoder| {
        let mut at = 0;
        while !decoder.is_done() {
            at += decoder.decode(&input[at..][..1]).unwrap().consumed;
        }
        (decoder, at)
    };
    let (decoder, at) = drive(BodyDecoder::keeping_trailers(Framing::Chunked, 100));
    assert_eq!(at, input.len() - 3);
    let trailers: Vec<_> = decoder.trailers().collect();
    assert_eq!(trailers, [(&b"X-Type"[..], &b"t"[..]), (b"x-body", b"YQ==")]);
    assert_eq!(drive(BodyDecoder::new(Framing::Chunked)).0.trailers().count(), 0);
    let mut decoder = BodyDecoder::keeping_trailers(Framing::Chunked, 3);
    assert_eq!(decoder.decode(b"0\r\nab\r\n"), Err(BodyError::TrailersTooLong));
}

#[test]
fn a_response_without_framing_is_data_until_the_close() {
    let mut decoder = BodyDecoder::new_response(ResponseFraming::UntilClose);
    for piece in [&b"0\r\n\r\n"[..], b"", b"HTTP/1.1 200 OK\r\n\r\n"] {
        let len = piece.len();
        let all = Decoded {
            consumed: len,
            data: 0..len,
            done: false,
        };
        assert_eq!(decoder.decode(piece), Ok(all));
        assert!(decoder.ends_with_close() && !decoder.is_done());
    }
}

#[test]
fn a_response_is_decoded_as_its_framing_says() {
    for (framing, input, data, done) in [
        (ResponseFraming::None, "", "", true),
        (ResponseFraming::Length(0), "", "", true),
        (ResponseFraming::Length(3), "abcdef", "abc", true),
        (ResponseFraming::Length(3), "ab", "ab", false),
        (ResponseFraming::Chunked, "2\r\nab\r\n0\r\nT: x\r\n\r\n", "ab", true),
        (ResponseFraming::Chunked, "2\r\nab\r\n", "ab", false),
    ] {
        let mut decoder = BodyDecoder::new_response(framing);
        let (mut found, mut at) = (Vec::new(), 0);
        while at < input.len() && !decoder.is_done() {
            let decoded = decoder.decode(&input.as_bytes()[at..]).unwrap();
            found.extend_from_slice(&input.as_bytes()[at..][decoded.data]);
            at += decoded.consumed;
        }
        assert_eq!(
            (found.as_slice(), decoder.is_done()),
            (data.as_bytes(), done),
            "{framing:?}"
        );
        assert!(!decoder.ends_with_close());
    }
}
