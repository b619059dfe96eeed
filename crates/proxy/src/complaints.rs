//! Lines about functions and servers whose answer did not reach the client: enough to see why, never so many that one that
//! fails under load floods the log.
//!
//! Each has its own budget for each kind of line, so that one that fails all the time hides nothing of another. What is
//! remembered is at most one second old, of functions and servers that are configured, and bounded for each.

use model::FunctionArn;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};
use tracing::warn;

/// Lines about one of them, of one kind, of one core in one second, whatever they say.
const LINES_MAX: u32 = 5;
/// The same when each says something that none of them said before: a second field of a refused answer is news, and a
/// function that invents them is not.
const DIFFERENT_LINES_MAX: usize = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// What happened to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It answered something that is no answer.
    AnswerRefused,
    /// It failed.
    FunctionFailed,
    /// There was no invocation.
    NotRun,
    /// A server could not be reached.
    TargetNotReached,
    /// A server did not answer, or not as it should.
    TargetFailed,
    /// This process could not open a connection to a server.
    NoConnection,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::AnswerRefused,
        Self::FunctionFailed,
        Self::NotRun,
        Self::TargetNotReached,
        Self::TargetFailed,
        Self::NoConnection,
    ];

    /// What its lines say.
    const fn phrase(self) -> &'static str {
        match self {
            Self::AnswerRefused => "the answer of a function was refused",
            Self::FunctionFailed => "a function failed",
            Self::NotRun => "a function was not run",
            Self::TargetNotReached => "a target could not be reached",
            Self::TargetFailed => "a target did not answer as it should",
            Self::NoConnection => "no connection to a target could be opened",
        }
    }
}

/// Whom a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Function(FunctionArn),
    /// A server, by address and port.
    Target(String),
}

/// What was written in this second, of each that there was something to say about.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    subjects: RefCell<HashMap<Subject, [Option<Window>; Kind::ALL.len()]>>,
}

/// A second of one subject and one kind.
#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    suppressed: u64,
    /// Hashes of what was said.
    said: Vec<u64>,
}

/// How many lines about a subject were not written in a second.
#[derive(Debug, PartialEq, Eq)]
struct Suppressed {
    subject: Subject,
    kind: Kind,
    lines: u64,
}

impl Complaints {
    /// Whether one more line about a function that says `what` may be written; if not, it is counted.
    pub(crate) fn allow(&self, now: Instant, function: &FunctionArn, kind: Kind, what: impl Hash) -> bool {
        self.allow_about(now, Subject::Function(function.clone()), kind, what)
    }

    /// The same about a server, named by address and port.
    pub(crate) fn allow_about_target(&self, now: Instant, target: &str, kind: Kind, what: impl Hash) -> bool {
        self.allow_about(now, Subject::Target(target.to_owned()), kind, what)
    }

    fn allow_about(&self, now: Instant, subject: Subject, kind: Kind, what: impl Hash) -> bool {
        self.tell_suppressed(now);
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let mut subjects = self.subjects.borrow_mut();
        let windows = subjects.entry(subject).or_default();
        windows[kind as usize]
            .get_or_insert_with(|| Window::new(now))
            .allow(hasher.finish())
    }

    /// When a second of a subject is over: says how many lines were not written in it.
    pub(crate) fn tell_suppressed(&self, now: Instant) {
        for Suppressed { subject, kind, lines } in self.end_windows(now) {
            let kind = kind.phrase();
            match subject {
                Subject::Function(function) => {
                    warn!(%function, kind, lines, "more lines about a function were not written");
                }
                Subject::Target(target_addr) => {
                    warn!(target_addr, kind, lines, "more lines about a target were not written");
                }
            }
        }
    }

    /// Forgets the seconds that are over, and says of which of them lines are missing.
    fn end_windows(&self, now: Instant) -> Vec<Suppressed> {
        let mut all = Vec::new();
        self.subjects.borrow_mut().retain(|subject, windows| {
            for (window, kind) in windows.iter_mut().zip(Kind::ALL) {
                let over = window.take_if(|window| now.saturating_duration_since(window.began) >= WINDOW);
                if let Some(Window { suppressed: lines, .. }) = over.filter(|window| window.suppressed > 0) {
                    let subject = subject.clone();
                    all.push(Suppressed { subject, kind, lines });
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
        let of_function = |it: Suppressed| match it.subject {
            Subject::Function(function) => (function, it.kind, it.lines),
            Subject::Target(target) => panic!("nothing was said of {target}"),
        };
        let mut all: Vec<_> = complaints.end_windows(now).into_iter().map(of_function).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
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
        assert!(complaints.subjects.borrow().is_empty());
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

    #[test]
    fn servers_have_budgets_of_their_own() {
        let now = Instant::now();
        let complaints = Complaints::default();
        let allowed = |target, kind| complaints.allow_about_target(now, target, kind, "TargetConnectionRefused");
        let one = "127.0.0.1:9000";
        assert_eq!(
            (0..1000).filter(|_| allowed(one, Kind::TargetNotReached)).count(),
            LINES_MAX as usize
        );
        assert!(allowed(one, Kind::TargetFailed), "another kind");
        assert!(allowed("127.0.0.1:9001", Kind::TargetNotReached), "another server");
        let missing = complaints.end_windows(now + WINDOW);
        let expected = Suppressed {
            subject: Subject::Target(one.to_owned()),
            kind: Kind::TargetNotReached,
            lines: 995,
        };
        assert_eq!(missing, [expected]);
    }
}
