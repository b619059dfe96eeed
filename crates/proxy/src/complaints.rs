//! Lines about functions whose answer did not reach the client: enough to see why, never so many that a function that
//! fails under load floods the log.
//!
//! Each function has its own budget for each kind of line, so that one that crashes all the time hides nothing of
//! another. What is remembered is at most one second old, of functions that are configured, and bounded for each.

use model::FunctionArn;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use tracing::warn;

/// Lines about one function, of one kind, of one core in one second, whatever they say.
const LINES_MAX: u32 = 5;
/// The same when each says something that none of them said before: a second field of a refused answer is news, and a
/// function that invents them is not.
const DIFFERENT_LINES_MAX: usize = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// What happened to a request to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answered something that is no answer.
    AnswerRefused,
    /// It failed.
    FunctionFailed,
    /// There was no invocation.
    NotRun,
}

impl Kind {
    const ALL: [Self; 3] = [Self::AnswerRefused, Self::FunctionFailed, Self::NotRun];

    /// What its lines say.
    const fn phrase(self) -> &'static str {
        match self {
            Self::AnswerRefused => "the answer of a function was refused",
            Self::FunctionFailed => "a function failed",
            Self::NotRun => "a function was not run",
        }
    }
}

/// What was written in this second, of each function that there was something to say about.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    functions: RefCell<HashMap<FunctionArn, [Option<Window>; Kind::ALL.len()]>>,
}

/// A second of one function and one kind.
#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    suppressed: u64,
    /// Hashes of what was said.
    said: Vec<u64>,
}

/// How many lines about a function were not written in a second.
#[derive(Debug, PartialEq, Eq)]
struct Suppressed {
    function: FunctionArn,
    kind: Kind,
    lines: u64,
}

impl Complaints {
    /// Whether one more line that says `what` may be written; if not, it is counted.
    pub(crate) fn allow(&self, now: Instant, function: &FunctionArn, kind: Kind, what: impl Hash) -> bool {
        self.tell_suppressed(now);
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let mut functions = self.functions.borrow_mut();
        let windows = functions.entry(function.clone()).or_default();
        windows[kind as usize]
            .get_or_insert_with(|| Window::new(now))
            .allow(hasher.finish())
    }

    /// When a second of a function is over: says how many lines were not written in it.
    pub(crate) fn tell_suppressed(&self, now: Instant) {
        for Suppressed { function, kind, lines } in self.end_windows(now) {
            let kind = kind.phrase();
            warn!(%function, kind, lines, "more lines about a function were not written");
        }
    }

    /// Forgets the seconds that are over, and says of which of them lines are missing.
    fn end_windows(&self, now: Instant) -> Vec<Suppressed> {
        let mut all = Vec::new();
        self.functions.borrow_mut().retain(|function, windows| {
            for (window, kind) in windows.iter_mut().zip(Kind::ALL) {
                let over = window.take_if(|window| now.saturating_duration_since(window.began) >= WINDOW);
                if let Some(Window { suppressed: lines, .. }) = over.filter(|window| window.suppressed > 0) {
                    let function = function.clone();
                    all.push(Suppressed { function, kind, lines });
                }
            }
            windows.iter().any(Option::is_some)
        });
        all
    }
}

impl Window {
    const fn new(began: Instant) -> Self {
        Self {
            began,
            written: 0,
            suppressed: 0,
            said: Vec::new(),
        }
    }

    fn allow(&mut self, what: u64) -> bool {
        let is_news = self.said.len() < DIFFERENT_LINES_MAX && !self.said.contains(&what);
        let allowed = is_news || self.written < LINES_MAX;
        if is_news {
            self.said.push(what);
        }
        match allowed {
            true => self.written += 1,
            false => self.suppressed += 1,
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region, Scope};

    fn function(name: &str) -> FunctionArn {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        };
        FunctionArn::new(&scope, name)
    }

    fn lines_missing(complaints: &Complaints, now: Instant) -> Vec<(FunctionArn, Kind, u64)> {
        let mut all: Vec<_> = complaints.end_windows(now).into_iter().collect();
        all.sort_by(|a, b| a.function.cmp(&b.function));
        all.into_iter().map(|it| (it.function, it.kind, it.lines)).collect()
    }

    #[test]
    fn a_second_has_a_few_lines_and_the_rest_is_counted() {
        let start = Instant::now();
        let complaints = Complaints::default();
        let orders = function("orders");
        let allowed = |at: u64| {
            let at = start + Duration::from_millis(at);
            complaints.allow(at, &orders, Kind::FunctionFailed, "Runtime.ExitError")
        };
        let first = (0..1000).filter(|_| allowed(3)).count();
        assert_eq!(first, LINES_MAX as usize);
        assert_eq!(lines_missing(&complaints, start + Duration::from_millis(1002)), []);
        let end = start + Duration::from_millis(1003);
        let expected = (orders.clone(), Kind::FunctionFailed, 995);
        assert_eq!(lines_missing(&complaints, end), [expected]);
        assert!(allowed(1500));
        // Nothing was suppressed: nothing is said, and nothing is remembered.
        assert_eq!(lines_missing(&complaints, start + Duration::from_secs(3)), []);
        assert!(complaints.functions.borrow().is_empty());
    }

    #[test]
    fn a_function_that_crashes_hides_nothing_of_another_and_no_news_of_itself() {
        let now = Instant::now();
        let complaints = Complaints::default();
        let (orders, users) = (function("orders"), function("users"));
        let refused = |function, what: &str| complaints.allow(now, function, Kind::AnswerRefused, what);
        for _ in 0..1000 {
            complaints.allow(now, &orders, Kind::FunctionFailed, "Runtime.ExitError");
            refused(&orders, "headers.x-count is a number");
        }
        assert!(refused(&users, "headers.x-count is a number"));
        assert!(refused(&orders, "headers.x-size is a number"));
        assert!(!refused(&orders, "headers.x-size is a number"));
        let mut missing = lines_missing(&complaints, now + WINDOW);
        missing.sort_by_key(|(_, kind, _)| *kind as usize);
        let expected = [
            (orders.clone(), Kind::AnswerRefused, 996),
            (orders, Kind::FunctionFailed, 995),
        ];
        assert_eq!(missing, expected);
    }

    #[test]
    fn news_that_a_function_invents_is_bounded() {
        let now = Instant::now();
        let complaints = Complaints::default();
        let orders = function("orders");
        let written = (0..1000).filter(|n| complaints.allow(now, &orders, Kind::AnswerRefused, n));
        assert_eq!(written.count(), DIFFERENT_LINES_MAX);
        let missing = (orders, Kind::AnswerRefused, 1000 - DIFFERENT_LINES_MAX as u64);
        assert_eq!(lines_missing(&complaints, now + WINDOW), [missing]);
    }
}
