//! Functions that call each other in a circle are stopped. Source: Lambda 4.10.
//!
//! How often each function has run in a chain of invocations stands in `Lineage` of the trace header, which is added where a
//! function calls the next one through its door: what runs in its environment is known there, so the count does not depend
//! on what the function sends. It is sealed: whoever sends a request to a function cannot make its chain look longer.

use super::Pass;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use model::{FunctionArn, Secret, State};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// How often one function may run in a chain.
const RUNS_MAX: u32 = 16;
/// Functions of one chain that are counted. In a longer circle those that ran least are forgotten.
const FUNCTIONS_MAX: usize = 64;
/// Bytes of a lineage: more than any of ours.
const LINEAGE_BYTES_MAX: usize = 1600;

const TRACE: &str = "x-amzn-trace-id";
const NAME: &str = "Lineage=";
/// Before each count, as AWS has it.
const VERSION: &str = "1:";

/// What stands in a trace header, sealed or not.
pub(crate) fn lineage_of(trace_id: &str) -> Option<&str> {
    let mut parts = trace_id.split(';').map(str::trim);
    parts
        .find_map(|part| part.strip_prefix(NAME))
        .filter(|text| text.len() <= LINEAGE_BYTES_MAX)
}

fn without_lineage(trace_id: &str) -> String {
    let kept = trace_id.split(';').filter(|part| !part.trim().starts_with(NAME));
    kept.collect::<Vec<_>>().join(";")
}

/// A function has run as often in its chain as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recursive;

type Key = Secret<[u8; 32]>;

/// How often which functions have run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lineage(Vec<(u32, u32)>);

impl Lineage {
    /// None if nobody here has written it.
    fn read(text: &str, key: &Key) -> Option<Self> {
        let (counts, seal) = text.rsplit_once('|')?;
        // Nobody learns anything from how long this takes but how his own guess differs, once for each request.
        (sealed(counts, key) == seal).then_some(())?;
        let count = |text: &str| {
            let (hash, runs) = text.strip_prefix(VERSION)?.split_once(':')?;
            Some((u32::from_str_radix(hash, 16).ok()?, runs.parse().ok()?))
        };
        counts.split('|').map(count).collect::<Option<Vec<_>>>().map(Self)
    }

    fn write(&self, key: &Key) -> String {
        let mut text = String::new();
        for (hash, runs) in &self.0 {
            let separator = if text.is_empty() { "" } else { "|" };
            let _ = write!(text, "{separator}{VERSION}{hash:08x}:{runs}"); // writing to a string cannot fail
        }
        let seal = sealed(&text, key);
        text + "|" + &seal
    }

    fn runs(&self, function: &FunctionArn) -> u32 {
        let hash = hash(function);
        self.0.iter().find(|(its, _)| *its == hash).map_or(0, |(_, runs)| *runs)
    }

    fn set(&mut self, function: &FunctionArn, runs: u32) {
        let hash = hash(function);
        self.0.retain(|(its, _)| *its != hash);
        if self.0.len() >= FUNCTIONS_MAX
            && let Some(least) = (0..self.0.len()).min_by_key(|at| self.0[*at].1)
        {
            self.0.remove(least);
        }
        self.0.push((hash, runs));
    }
}

fn sealed(counts: &str, key: &Key) -> String {
    let keyed = wire::sigv4::keyed(key.expose(), &format!("lineage {counts}"));
    let seal = keyed.iter().take(8);
    seal.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// FNV-1a. Two functions with the same hash are counted as one, which happens to one pair in four billion.
fn hash(function: &FunctionArn) -> u32 {
    let function = function.unqualified();
    let bytes = function.as_str().bytes();
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The headers of a call with the lineage of what runs in the environment that it comes from, if it comes from one, and
/// with no other.
pub(crate) fn traced<'a>(parts: &'a Parts, key: &Key, fresh: impl FnOnce() -> String) -> Cow<'a, HeaderMap> {
    let Some(pass) = parts.extensions.get::<Arc<Pass>>() else {
        return Cow::Borrowed(&parts.headers);
    };
    let given = parts.headers.get(TRACE).and_then(|it| it.to_str().ok());
    let trace_id = given.map_or_else(fresh, without_lineage);
    let lineage = pass.lineage();
    let mut lineage = lineage.and_then(|it| Lineage::read(&it, key)).unwrap_or_default();
    let caller = pass.function();
    // Whatever began the chain did not count it.
    lineage.set(&caller, lineage.runs(&caller).max(1));
    let mut headers = parts.headers.clone();
    if let Ok(value) = HeaderValue::from_str(&format!("{trace_id};{NAME}{}", lineage.write(key))) {
        headers.insert(TRACE, value);
    }
    Cow::Owned(headers)
}

/// The trace of an invocation, which counts this one; or that the function has run too often.
///
/// # Errors
/// [`Recursive`], unless the function allows that.
pub(crate) fn counted(trace_id: String, function: &FunctionArn, state: &State, key: &Key) -> Result<String, Recursive> {
    let Some(lineage) = lineage_of(&trace_id) else {
        return Ok(trace_id);
    };
    let rest = without_lineage(&trace_id);
    let Some(mut lineage) = Lineage::read(lineage, key) else {
        return Ok(rest);
    };
    let function = function.unqualified();
    let runs = lineage.runs(&function);
    let record = state.lambda().record(&function);
    if runs >= RUNS_MAX && !record.is_some_and(|record| record.allows_recursion) {
        return Err(Recursive);
    }
    lineage.set(&function, runs.saturating_add(1));
    Ok(format!("{rest};{NAME}{}", lineage.write(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region, Scope};

    fn arn(name: &str) -> FunctionArn {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        FunctionArn::new(&scope, name)
    }

    fn key(byte: u8) -> Key {
        Secret::new([byte; 32])
    }

    #[test]
    fn the_seventeenth_run_is_refused() {
        let (state, key) = (State::default(), key(1));
        let mut lineage = Lineage::default();
        lineage.set(&arn("f"), 1);
        let mut trace = format!("Root=1-2-3;Parent=4;Sampled=0;Lineage={}", lineage.write(&key));
        for _ in 2..=RUNS_MAX {
            trace = counted(trace, &arn("f").qualified("live"), &state, &key).unwrap();
        }
        assert!(trace.starts_with("Root=1-2-3;Parent=4;Sampled=0;Lineage=1:"), "{trace}");
        assert_eq!(counted(trace.clone(), &arn("f"), &state, &key), Err(Recursive));
        assert!(
            counted(trace, &arn("g"), &state, &key).is_ok(),
            "another one has not run"
        );
    }

    #[test]
    fn a_lineage_that_somebody_else_wrote_counts_nothing() {
        let (state, key) = (State::default(), self::key(1));
        let mut lineage = Lineage::default();
        lineage.set(&arn("f"), RUNS_MAX);
        let forged = lineage.write(&self::key(2));
        let unsealed = forged.rsplit_once('|').unwrap().0.to_owned();
        for text in [forged, unsealed, String::new(), "|".to_owned(), "1:x:y|z".to_owned()] {
            let trace = format!("Root=1;Lineage={text}");
            assert_eq!(
                counted(trace, &arn("f"), &state, &key),
                Ok("Root=1".to_owned()),
                "{text}"
            );
        }
        let none = "Root=1;Sampled=0".to_owned();
        assert_eq!(counted(none.clone(), &arn("f"), &state, &key), Ok(none));
    }

    #[test]
    fn a_long_chain_keeps_the_functions_that_ran_most() {
        let (mut lineage, key) = (Lineage::default(), key(1));
        lineage.set(&arn("often"), 9);
        for number in 0..1000 {
            lineage.set(&arn(&format!("f{number}")), 1);
        }
        assert_eq!((lineage.0.len(), lineage.runs(&arn("often"))), (FUNCTIONS_MAX, 9));
        let text = lineage.write(&key);
        assert!(text.len() <= LINEAGE_BYTES_MAX, "{}", text.len());
        assert_eq!(Lineage::read(&text, &key), Some(lineage));
    }
}
