//! The binary event-stream encoding, `application/vnd.amazon.eventstream`: frames with headers and a checksum for each half.
//! Source: Lambda 5.7.
//!
//! ```text
//! total length, header length, CRC32 of those   4 bytes each, big-endian
//! headers                                       name length (1), name, type (1, 7 is a string), value length (2), value
//! payload
//! CRC32 of everything before                    4 bytes
//! ```

/// The content type of a stream of frames.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The most payload that one frame takes, in bytes: readers accept 16 MB in all, headers included.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// A header whose value is a string.
const STRING: u8 = 7;

/// One event with its payload of at most [`PAYLOAD_BYTES_MAX`], as a frame.
///
/// Names and values of headers are ours: at most 255 and 65,535 bytes.
pub fn event(event_type: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    frame(
        &[
            (":message-type", "event"),
            (":event-type", event_type),
            (":content-type", content_type),
        ],
        payload,
    )
}

/// An exception, which ends a stream.
pub fn exception(exception_type: &str, payload: &[u8]) -> Vec<u8> {
    frame(
        &[
            (":message-type", "exception"),
            (":exception-type", exception_type),
            (":content-type", "application/json"),
        ],
        payload,
    )
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    let header_bytes: usize = headers.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let total = PRELUDE_BYTES + header_bytes + payload.len() + CHECKSUM_BYTES;
    let mut out = Vec::with_capacity(total);
    out.extend((total as u32).to_be_bytes());
    out.extend((header_bytes as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    for (name, value) in headers {
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        out.push(STRING);
        out.extend((value.len() as u16).to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32 bit by bit, as its definition has it.
    fn checksum(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| match crc & 1 {
                1 => crc >> 1 ^ 0xedb8_8320,
                _ => crc >> 1,
            })
        })
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// Headers and payload of a frame whose lengths and checksums are right.
    fn read(frame: &[u8]) -> (Vec<(String, String)>, Vec<u8>) {
        let (total, header_bytes) = (word(frame, 0) as usize, word(frame, 4) as usize);
        assert_eq!(total, frame.len());
        assert_eq!(word(frame, 8), checksum(&frame[..8]));
        assert_eq!(word(frame, total - 4), checksum(&frame[..total - 4]));
        let (mut headers, mut at) = (Vec::new(), 12);
        while at < 12 + header_bytes {
            let name_bytes = usize::from(frame[at]);
            let name = &frame[at + 1..at + 1 + name_bytes];
            at += 1 + name_bytes;
            assert_eq!(frame[at], 7);
            let value_bytes = usize::from(u16::from_be_bytes([frame[at + 1], frame[at + 2]]));
            let value = &frame[at + 3..at + 3 + value_bytes];
            at += 3 + value_bytes;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            headers.push((text(name), text(value)));
        }
        (headers, frame[12 + header_bytes..total - 4].to_vec())
    }

    // LAM-I-015: both checksums of a frame are correct
    #[test]
    fn a_frame_has_lengths_headers_and_checksums() {
        for payload in [&b""[..], b"hello", &[0xff; 70_000]] {
            let frame = event("PayloadChunk", "application/octet-stream", payload);
            let (headers, found) = read(&frame);
            let expected = [
                (":message-type", "event"),
                (":event-type", "PayloadChunk"),
                (":content-type", "application/octet-stream"),
            ];
            assert_eq!(
                headers,
                expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
            );
            assert_eq!(found, payload);
        }
    }
}
