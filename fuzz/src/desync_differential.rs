//! Our classification against `http_desync_guardian`, the library that ALB names as its classifier.
//!
//! Two questions for each head. Given the same tokens, do both say the same class and reason? Given the same raw bytes,
//! do both say the same class? Every difference must be explained by an entry of [`EXPLAINED`].

use http_desync_guardian::http_token_utils::{CL, TE, TokenSimilarity, determine_similarity};
use http_desync_guardian::request_analyzer::{HttpHeader, HttpRequestData, RequestAnalysisResult};
use http_desync_guardian::{ClassificationReason, RequestSafetyTier};
use http1::desync::{Class, Classification, Reason, classify};
use http1::{Field, HeadLimits, HeadScanner, KnownName, RequestHead, Scan, Version};

/// A head with what both sides say about it.
pub struct Case<'a> {
    head: &'a RequestHead,
    bytes: &'a [u8],
    ours: Classification,
    /// The version with all whitespace, as the library sees it.
    raw_version: &'a [u8],
}

/// A difference that is meant to be.
pub struct Explained {
    /// Short, for messages and for the test that each entry still occurs.
    pub name: &'static str,
    /// Why we differ.
    pub why: &'static str,
    /// Only when the library reads raw bytes itself.
    only_raw: bool,
    applies: fn(&Case<'_>, theirs: Class) -> bool,
}

/// All differences that are meant to be.
pub const EXPLAINED: &[Explained] = &[
    Explained {
        name: "suspicious te with cl",
        why: "SuspiciousTeClPresent is in the newer guide only; the library calls these Ambiguous. ALB 4.9 [conflict]",
        only_raw: false,
        applies: |case, _| case.ours.reason == Some(Reason::SuspiciousTeClPresent),
    },
    Explained {
        name: "later versions",
        why: "the library does not look at versions that compare greater than `HTTP/2` as text, `HTTP/x` among them, \
              which ALB-D-011 wants Severe",
        only_raw: false,
        applies: |case, theirs| {
            case.raw_version >= &b"HTTP/2"[..] && theirs == Class::Compliant && case.ours.class == Class::Severe
        },
    },
    Explained {
        name: "versions as text",
        why: "the library compares the untrimmed version as text to decide whether framing headers are defined; we \
              decide by the version that was read",
        only_raw: false,
        applies: |case, _| {
            let odd = case.head.version() == Version::Bad || case.raw_version != case.head.version_token(case.bytes);
            odd && case.has_framing()
        },
    },
    Explained {
        name: "empty content-length",
        why: "the library reads an empty value as 0; ALB 4.9 asks for a decimal number",
        only_raw: false,
        applies: |case, _| {
            case.ours.class == Class::Severe && case.lengths().any(|field| field.value(case.bytes).is_empty())
        },
    },
    Explained {
        name: "chunked twice with another coding between",
        why: "the library forgets the first `chunked` when another coding follows; ALB 4.9 says more than once",
        only_raw: false,
        applies: |case, _| {
            let codings: Vec<_> = case.codings().collect();
            let twice = codings.iter().filter(|chunked| **chunked).count() > 1;
            case.ours.class == Class::Severe && twice && codings.windows(2).any(|pair| pair[0] != pair[1])
        },
    },
    Explained {
        name: "nothing but the letters",
        why: "the library misses names such as `TransferEncoding`, whose letters are those of a framing header. ALB 4.9: \
              equal after dropping non-letters",
        only_raw: false,
        applies: |case, theirs| {
            let missed = case
                .head
                .fields()
                .iter()
                .any(|field| field.is_suspicious() && case.is_distant(field));
            missed && case.ours.class >= Class::Ambiguous && theirs <= case.ours.class
        },
    },
    Explained {
        name: "folded content-type",
        why: "the library takes lines after Content-Type for its continuation, whatever they say; here each is sent on as \
              a header of its own and classified as that. ALB 4.6",
        only_raw: true,
        applies: |case, _| {
            let folded = case.head.fields().windows(2).any(|pair| pair[1].is_continuation());
            folded && case.head.contains(KnownName::ContentType)
        },
    },
    Explained {
        name: "continuation without colon",
        why: "the library gives such a line the name of the header before it; here it is sent on as a header of its own. \
              ALB 4.6",
        only_raw: true,
        applies: |case, _| {
            case.head
                .fields()
                .iter()
                .any(|field| field.is_continuation() && !case.line(field).contains(&b':'))
        },
    },
];

impl Case<'_> {
    fn line(&self, field: &Field) -> &[u8] {
        content(field.line().of(self.bytes))
    }

    /// The line cut at its first colon, whitespace included.
    fn raw_field(&self, field: &Field) -> (&[u8], &[u8]) {
        let line = self.line(field);
        let colon = line.iter().position(|&b| b == b':');
        colon.map_or((line, &[]), |colon| (&line[..colon], &line[colon + 1..]))
    }

    fn is_like(&self, field: &Field, wanted: &[u8], letters: &[u8]) -> bool {
        let name = field.name(self.bytes);
        let same_letters = || {
            let folded = String::from_utf8_lossy(name)
                .replace('\u{17f}', "s")
                .replace('\u{131}', "i");
            let found: Vec<_> = folded
                .bytes()
                .filter(u8::is_ascii_alphabetic)
                .map(|b| b.to_ascii_lowercase())
                .collect();
            found == letters
        };
        determine_similarity(wanted, self.raw_field(field).0) != TokenSimilarity::Distant || same_letters()
    }

    fn is_distant(&self, field: &Field) -> bool {
        let name = self.raw_field(field).0;
        [TE, CL]
            .iter()
            .all(|wanted| determine_similarity(wanted, name) == TokenSimilarity::Distant)
    }

    fn lengths(&self) -> impl Iterator<Item = &Field> {
        self.head
            .fields()
            .iter()
            .filter(|field| self.is_like(field, CL, b"contentlength"))
    }

    /// For each transfer coding: is it `chunked`?
    fn codings(&self) -> impl Iterator<Item = bool> {
        let fields = self
            .head
            .fields()
            .iter()
            .filter(|field| self.is_like(field, TE, b"transferencoding"));
        fields
            .flat_map(|field| field.value(self.bytes).split(|&b| b == b','))
            .map(|item| {
                let name = item.split(|&b| b == b';').next().unwrap_or_default();
                name.trim_ascii().eq_ignore_ascii_case(b"chunked")
            })
    }

    fn has_framing(&self) -> bool {
        self.codings().next().is_some() || self.lengths().next().is_some()
    }

    /// The library's judgement on our tokens.
    fn tokens(&self) -> RequestAnalysisResult {
        let fields = self.head.fields().iter().map(|field| {
            let (name, value) = self.raw_field(field);
            HttpHeader::new(name, value)
        });
        HttpRequestData {
            method: self.head.method(self.bytes),
            version: self.raw_version,
            uri: self.head.target(self.bytes),
            headers: fields.collect(),
        }
        .analyze_parsed_request()
    }

    /// The library's judgement on the bytes. Empty lines in front are ours alone, and it wants an empty line even where
    /// HTTP/0.9 has none.
    fn raw(&self) -> RequestAnalysisResult {
        let [method, ..] = self.head.request_line_spans();
        let mut bytes = self.bytes[method.start as usize..].to_vec();
        if self.raw_version.is_empty() {
            bytes.extend_from_slice(b"\r\n");
        }
        HttpRequestData::analyze_raw_request(&bytes)
    }

    /// The entry that explains a difference.
    fn explanation(&self, theirs: Class, raw: bool) -> &'static Explained {
        let found = EXPLAINED
            .iter()
            .find(|entry| (raw || !entry.only_raw) && (entry.applies)(self, theirs));
        found.unwrap_or_else(|| {
            panic!(
                "not explained ({}): we say {:?}, they say {theirs:?} (tokens {:?}): {:?}",
                if raw { "raw" } else { "tokens" },
                self.ours,
                self.tokens().reason,
                String::from_utf8_lossy(self.bytes),
            )
        })
    }
}

/// Panics if the two disagree about the head that these bytes begin with, and nothing explains it.
pub fn check(input: &[u8]) {
    differences(input);
}

/// The names of the entries that were needed.
pub fn differences(input: &[u8]) -> Vec<&'static str> {
    let Scan::Complete { head_len } = HeadScanner::new().scan(input, &HeadLimits::ALB) else {
        return Vec::new();
    };
    let bytes = &input[..head_len];
    let mut head = RequestHead::new();
    if head.tokenize(bytes).is_err() {
        // Answered 400 before anything is classified.
        return Vec::new();
    }
    let [_, target, version] = head.request_line_spans();
    let rest_of_line = content(first_line(&bytes[target.end as usize..]));
    let raw_version = if version.is_empty() {
        &[]
    } else {
        rest_of_line.strip_prefix(b" ").unwrap_or(rest_of_line)
    };
    let case = Case {
        head: &head,
        bytes,
        ours: classify(&head, bytes),
        raw_version,
    };

    let mut needed = Vec::new();
    let tokens = case.tokens();
    let tokens_class = class_of(tokens.tier);
    let about_lines = matches!(
        case.ours.reason,
        Some(Reason::NonCrLfLineTermination | Reason::MultilineHeader | Reason::MissingHeaderColon)
    );
    let same = if about_lines {
        // Only somebody who sees lines can say this; with tokens alone the class must be lower.
        tokens_class < case.ours.class
    } else {
        tokens_class == case.ours.class && name_of(tokens.reason) == case.ours.reason.map(Reason::as_str)
    };
    if !same {
        needed.push(case.explanation(tokens_class, false).name);
    }
    let raw_class = class_of(case.raw().tier);
    if raw_class != case.ours.class {
        needed.push(case.explanation(raw_class, true).name);
    }
    needed
}

fn class_of(tier: RequestSafetyTier) -> Class {
    match tier {
        RequestSafetyTier::Compliant => Class::Compliant,
        RequestSafetyTier::Acceptable => Class::Acceptable,
        RequestSafetyTier::Ambiguous => Class::Ambiguous,
        RequestSafetyTier::Severe => Class::Severe,
    }
}

/// The library's `Debug` form is AWS's spelling.
fn name_of(reason: ClassificationReason) -> Option<&'static str> {
    const ALL: [Reason; 23] = [
        Reason::AmbiguousUri,
        Reason::BadContentLength,
        Reason::BadHeader,
        Reason::BadTransferEncoding,
        Reason::BadUri,
        Reason::BadMethod,
        Reason::BadVersion,
        Reason::BothTeClPresent,
        Reason::DuplicateContentLength,
        Reason::EmptyHeader,
        Reason::GetHeadZeroContentLength,
        Reason::MultipleContentLength,
        Reason::MultipleTransferEncodingChunked,
        Reason::NonCompliantHeader,
        Reason::NonCompliantVersion,
        Reason::SpaceInUri,
        Reason::SuspiciousHeader,
        Reason::SuspiciousTeClPresent,
        Reason::UndefinedContentLengthSemantics,
        Reason::UndefinedTransferEncodingSemantics,
        Reason::NonCrLfLineTermination,
        Reason::MultilineHeader,
        Reason::MissingHeaderColon,
    ];
    if reason == ClassificationReason::Compliant {
        return None;
    }
    let name = format!("{reason:?}");
    let ours = ALL.iter().map(|reason| reason.as_str()).find(|ours| *ours == name);
    Some(ours.unwrap_or_else(|| panic!("a reason that we do not have: {name}")))
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split_inclusive(|&b| b == b'\n').next().unwrap_or_default()
}

/// A line without its line end.
fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::generate::{Random, head};

    /// The seeds of the fuzz target, one head in each file.
    #[test]
    fn the_corpus_agrees() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/desync_differential");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus is there") {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("a readable file");
            check(&bytes);
            count += 1;
        }
        assert!(count > 20, "only {count} files");
    }

    /// Seeded, so a failure repeats. Also: an entry that no head needs any more has to go.
    #[test]
    fn generated_heads_agree_and_every_explanation_is_needed() {
        let mut random = Random::new(0x0a1b_ac0e);
        let mut needed: BTreeMap<&str, usize> = EXPLAINED.iter().map(|entry| (entry.name, 0)).collect();
        for _ in 0..60_000 {
            for name in differences(&head(&mut random)) {
                *needed.entry(name).or_default() += 1;
            }
        }
        for (name, times) in needed {
            assert!(times > 0, "{name} was never needed");
        }
    }
}
