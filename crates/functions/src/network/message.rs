//! Messages about names: as much of them as somebody needs who hands them on. Source: RFC 1035, section 4.

use std::ops::Range;

/// Longer questions are nobody's.
pub(super) const QUESTION_BYTES_MAX: usize = 4096;
const HEADER_BYTES: usize = 12;
/// Of a name, with its lengths. Source: RFC 1035, section 2.3.4.
const NAME_BYTES_MAX: usize = 255;

/// What an error is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Malformed = 1,
    Failed = 2,
    NotImplemented = 4,
}

/// One question as it came.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    bytes: Vec<u8>,
    /// The part that an answer repeats: a name, a type and a class.
    asked: Range<usize>,
}

impl Question {
    /// Reads one. `Err(None)` is nothing that could be answered.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Option<Vec<u8>>> {
        let is_question = bytes.get(2).is_some_and(|flags| flags & 0x80 == 0);
        if bytes.len() < HEADER_BYTES || bytes.len() > QUESTION_BYTES_MAX || !is_question {
            return Err(None);
        }
        let refuse = |code| Err(Some(error_for(bytes, HEADER_BYTES..HEADER_BYTES, code)));
        if bytes[2] & 0x78 != 0 {
            return refuse(Code::NotImplemented);
        }
        match asked(bytes) {
            Some(asked) => Ok(Self {
                bytes: bytes.to_vec(),
                asked,
            }),
            None => refuse(Code::Malformed),
        }
    }

    /// The same under another id, which only who sees it can know.
    pub(super) fn with_id(&self, id: [u8; 2]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[..2].copy_from_slice(&id);
        bytes
    }

    /// The answer for who has asked, if `answer` is the one to this question under that id.
    pub(super) fn answered_by(&self, answer: &[u8], id: [u8; 2]) -> Option<Vec<u8>> {
        let is_answer = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
        let asked = asked(answer)?;
        let is_ours =
            answer.get(..2) == Some(&id) && answer[asked].eq_ignore_ascii_case(self.bytes.get(self.asked.clone())?);
        (is_answer && is_ours).then(|| {
            let mut answer = answer.to_vec();
            answer[..2].copy_from_slice(&self.bytes[..2]);
            answer
        })
    }

    /// Nobody has answered.
    pub(super) fn failed(&self) -> Vec<u8> {
        error_for(&self.bytes, self.asked.clone(), Code::Failed)
    }
}

/// Where the one question of a message stands.
fn asked(bytes: &[u8]) -> Option<Range<usize>> {
    // Exactly one: nobody asks two, and servers do not agree on what that means.
    if bytes.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        match length {
            0 => break,
            // No pointers: there is nothing before it to point to.
            1..64 => at += length,
            _ => return None,
        }
        if at - HEADER_BYTES > NAME_BYTES_MAX {
            return None;
        }
    }
    // Type and class.
    let end = at + 4;
    (end <= bytes.len()).then_some(HEADER_BYTES..end)
}

/// A message that repeats what was asked and says what went wrong. `bytes` has a header.
fn error_for(bytes: &[u8], asked: Range<usize>, code: Code) -> Vec<u8> {
    let count = u8::from(!asked.is_empty());
    // The wish for recursion stays; that it is to be had is said.
    let flags = [0x80 | (bytes[2] & 0x79), 0x80 | code as u8];
    let mut answer = vec![bytes[0], bytes[1], flags[0], flags[1], 0, count, 0, 0, 0, 0, 0, 0];
    answer.extend_from_slice(&bytes[asked]);
    answer
}

#[cfg(test)]
mod tests {
    use super::{Question, error_for};

    /// About `a.b`, type A.
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00\x01\x00\x01";

    fn answer(id: [u8; 2], name: &[u8]) -> Vec<u8> {
        let header = [id[0], id[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        [&header, name, b"\x00\x00\x01\x00\x01"].concat()
    }

    #[test]
    fn an_answer_has_the_id_and_the_question_of_what_was_sent() {
        let question = Question::read(QUESTION).unwrap();
        assert_eq!(&question.with_id([9, 9])[2..], &QUESTION[2..]);
        let right = question.answered_by(&answer([9, 9], b"\x01A\x01b"), [9, 9]).unwrap();
        assert_eq!(&right[..2], b"\x12\x34");
        for wrong in [
            answer([9, 8], b"\x01a\x01b"),
            answer([9, 9], b"\x01a\x01c"),
            question.with_id([9, 9]),
            Vec::new(),
            vec![9, 9, 0x81],
        ] {
            assert_eq!(question.answered_by(&wrong, [9, 9]), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_question_is_refused_or_left_alone() {
        for silent in [&[][..], &QUESTION[..11], &answer([1, 2], b"\x01a"), &[0; 5000]] {
            assert_eq!(Question::read(silent), Err(None));
        }
        let mut cases = Vec::new();
        for length in 12..QUESTION.len() {
            cases.push((QUESTION[..length].to_vec(), 1));
        }
        let changed = |at: usize, value: u8| {
            let mut bytes = QUESTION.to_vec();
            bytes[at] = value;
            bytes
        };
        cases.push((changed(5, 2), 1));
        cases.push((changed(12, 0xc0), 1));
        cases.push((changed(12, 63), 1));
        cases.push((changed(2, 0x28), 4));
        for (bytes, code) in cases {
            let refused = Question::read(&bytes).unwrap_err().unwrap();
            assert_eq!(&refused[..2], b"\x12\x34");
            assert_eq!(
                (refused[2] & 0x80, refused[3] & 0x0f, refused.len()),
                (0x80, code, 12),
                "{bytes:?}"
            );
        }
        let long = [&QUESTION[..12], &[1, b'a'].repeat(200), &[0, 0, 1, 0, 1]].concat();
        assert!(Question::read(&long).is_err());
    }

    #[test]
    fn a_failure_repeats_the_question() {
        let failed = Question::read(QUESTION).unwrap().failed();
        assert_eq!(&failed[..6], b"\x12\x34\x81\x82\x00\x01");
        assert_eq!(&failed[12..], &QUESTION[12..]);
        assert_eq!(error_for(QUESTION, 12..12, super::Code::Malformed)[4..6], [0, 0]);
    }
}
