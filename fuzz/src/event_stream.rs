//! Frames of event streams, which are written and never read: whatever the payload is, a reader that trusts nothing finds
//! it again, with both checksums right. The reader is checked on the way: any bytes are refused by it, or are such a frame.

use wire::event_stream::{PAYLOAD_BYTES_MAX, event, exception};

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let payload = &input[..input.len().min(PAYLOAD_BYTES_MAX)];
    for (frame, kind) in [
        (event("PayloadChunk", "application/octet-stream", payload), "event"),
        (exception("InternalServerException", payload), "exception"),
    ] {
        let (headers, found) = read(&frame).expect("our own frame");
        assert_eq!(headers[0], (":message-type".to_owned(), kind.to_owned()));
        assert_eq!((headers.len(), found), (3, payload));
        // A frame that was cut, and one that was damaged, is none.
        assert!(read(&frame[..frame.len() - 1]).is_none());
        let mut damaged = frame.clone();
        let at = input.first().map_or(0, |byte| usize::from(*byte) % frame.len());
        damaged[at] ^= 1;
        assert!(read(&damaged).is_none());
    }
    read(input);
}

/// Headers and payload of a whole frame.
fn read(frame: &[u8]) -> Option<(Vec<(String, String)>, &[u8])> {
    let word = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let (total, header_bytes) = (word(0)? as usize, word(4)? as usize);
    let end = total.checked_sub(4)?;
    if total != frame.len() || word(8)? != crc32fast::hash(&frame[..8]) || word(end)? != crc32fast::hash(&frame[..end]) {
        return None;
    }
    let payload_at = header_bytes.checked_add(12)?;
    let (mut rest, mut headers) = (frame.get(12..payload_at)?, Vec::new());
    while let Some((length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let (kind, after) = after.split_first_chunk::<3>()?;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([kind[1], kind[2]])))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        if kind[0] != 7 {
            return None;
        }
        headers.push((text(name)?, text(value)?));
        rest = after;
    }
    Some((headers, frame.get(payload_at..end)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/event_stream");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
