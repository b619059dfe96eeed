//! Regular expressions: compiled once here, so that one which is too large is found at its place.
//!
//! What may be written is `model`'s; how they match is `routing`'s.

use crate::mistake::{Report, Spot};
use model::limits::REGEX_COMPILED_BYTES_MAX;
use regex::Error;
use regex::bytes::RegexBuilder;

/// What a regular expression is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Hosts and headers.
    Ignored,
    /// Paths and URLs.
    Kept,
}

/// Whether `text`, which `model` accepted, can be compiled as routing does it; otherwise a mistake.
pub(super) fn compiles(report: &mut Report, spot: Spot, text: &str, case: Case) -> bool {
    if report.is_full() {
        return false;
    }
    // Read as Unicode only where it cannot be read as ASCII, which makes a difference to the size.
    let built = match build(text, case, false) {
        Err(Error::Syntax(_)) => build(text, case, true),
        other => other,
    };
    match built {
        Ok(()) => true,
        Err(Error::CompiledTooBig(limit)) => {
            let message = format!(
                "the regular expression {text:?} compiles to more than {limit} bytes; repeat less in it, or write several"
            );
            report.mistake(spot, message);
            false
        }
        Err(error) => {
            report.mistake(
                spot,
                format!("the regular expression {text:?} does not compile: {error}"),
            );
            false
        }
    }
}

fn build(text: &str, case: Case, unicode: bool) -> Result<(), Error> {
    RegexBuilder::new(text)
        .case_insensitive(case == Case::Ignored)
        .unicode(unicode)
        .size_limit(REGEX_COMPILED_BYTES_MAX)
        .dfa_size_limit(REGEX_COMPILED_BYTES_MAX)
        .build()
        .map(|_| ())
}
