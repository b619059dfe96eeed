//! Laws of bodies.

use super::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_body_does_not_depend_on_the_cuts(bytes in any_chunks(), cuts in vec(any::<Index>(), 0..8), length in 0_u64..99) {
        for framing in [Framing::Chunked, Framing::Length(length), Framing::None] {
            let cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            prop_assert_eq!(decode_in_pieces(framing, &bytes, &cuts), decode_in_pieces(framing, &bytes, &[]));
        }
    }

    #[test]
    fn written_chunks_are_read_back(pieces in vec(vec(any::<u8>(), 0..40), 0..6), cuts in vec(any::<Index>(), 0..6)) {
        let mut out = Vec::new();
        pieces.iter().for_each(|piece| write_chunk(&mut out, piece));
        finish_chunks(&mut out);
        let cuts: Vec<_> = cuts.iter().map(|cut| cut.index(out.len() + 1)).collect();
        let (data, consumed, result) = decode_in_pieces(Framing::Chunked, &out, &cuts);
        prop_assert_eq!((data, consumed, result), (pieces.concat(), out.len(), Ok(true)));
    }
}

/// Something like a chunked body, then a few bytes replaced anywhere.
fn any_chunks() -> impl Strategy<Value = Vec<u8>> {
    let size_line_end = select(vec!["\r\n", "\r\n", "\r\n", ";a=b\r\n", " ;x\r\n", "\n", " x\r\n"]);
    let chunk = (
        vec(any_byte(), 1..20),
        size_line_end,
        prop_oneof![9 => Just("\r\n"), 1 => Just("\n")],
    );
    let end = select(vec![
        "0\r\n\r\n",
        "0\r\n\r\n",
        "0\r\na: b\r\n\r\n",
        "00;x\r\n\r\n",
        "0\r\n",
        "0\r\na\n\r\n",
        "",
    ]);
    let changes = prop_oneof![2 => Just(vec![]), 1 => vec((any::<Index>(), any_byte()), 1..3)];
    (vec(chunk, 0..4), end, vec(any_byte(), 0..5), changes).prop_map(|(chunks, end, rest, changes)| {
        let mut bytes = Vec::new();
        for (data, size_line_end, data_end) in chunks {
            bytes.extend(format!("{:X}{size_line_end}", data.len()).bytes());
            bytes.extend(data);
            bytes.extend(data_end.bytes());
        }
        bytes.extend(end.bytes());
        bytes.extend(rest);
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

/// The data, how much was consumed up to the last data, and whether it is done or why not. The input comes in pieces that
/// end at the cuts.
pub(super) fn decode_in_pieces(
    framing: Framing,
    input: &[u8],
    cuts: &[usize],
) -> (Vec<u8>, usize, Result<bool, BodyError>) {
    let mut ends: Vec<_> = cuts.iter().copied().chain([input.len()]).collect();
    ends.sort_unstable();
    let mut decoder = BodyDecoder::new(framing);
    let (mut data, mut data_end, mut at) = (Vec::new(), 0, 0);
    for end in ends {
        while at < end && !decoder.is_done() {
            match decoder.decode(&input[at..end]) {
                Ok(decoded) => {
                    data.extend_from_slice(&input[at..end][decoded.data.clone()]);
                    at += decoded.consumed;
                    if !decoded.data.is_empty() || decoded.done {
                        data_end = at;
                    }
                }
                Err(error) => return (data, data_end, Err(error)),
            }
        }
    }
    (data, data_end, Ok(decoder.is_done()))
}
