//! Every case of the corpus in every mode.

use crate::client::{Client, Got};
use crate::corpus::{self, Case};
use crate::judge::{self, about, number};
use crate::targets::Seen;
use crate::world::{ALL_STACKS, Lane, STACKS, World};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use testkit::BOUND;

/// Cases that are under way at once: what is not whole is waited for until the idle timeout.
const AT_ONCE: usize = 400;

/// Sends every case on a connection of its own, and looks at what each client gets: its own answers, and nothing else.
fn run(lane: &Lane, cases: &[Case]) -> Vec<String> {
    let (mut problems, mut right) = (Vec::new(), 0);
    let indexes: Vec<usize> = (0..cases.len()).collect();
    for batch in indexes.chunks(AT_ONCE) {
        let mut running: Vec<_> = batch
            .iter()
            .map(|&index| Running::start(lane, index, &cases[index]))
            .collect();
        let mut moved = Instant::now();
        while !running.is_empty() {
            let mut is_moved = false;
            running.retain_mut(|running| {
                while let Some(got) = running.client.poll() {
                    is_moved = true;
                    match running.step(&got) {
                        Step::More => {}
                        Step::Over(problem) => {
                            problems.extend(problem);
                            return false;
                        }
                    }
                }
                true
            });
            if is_moved {
                moved = Instant::now();
            } else {
                assert!(moved.elapsed() < BOUND, "{} clients get no answer", running.len());
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
        // Whoever comes next gets what he asks for, on whichever connection to the target.
        for index in batch.iter().take(AT_ONCE / 5) {
            match judge::probe(lane, *index) {
                Ok(is_right) => right += usize::from(is_right),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if right < cases.len() / 10 {
        problems.push(format!("only {right} had their answers"));
    }
    problems
}

/// A case whose client has not got everything yet.
struct Running<'a> {
    case: &'a Case,
    number: String,
    is_open: bool,
    client: Client,
    /// Answers so far.
    answers: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What the case asks for is answered.
    Case,
    /// Something else was asked, so that what is read next is its answer.
    After,
    /// Nothing follows but the end.
    End,
}

enum Step {
    More,
    /// With what was wrong.
    Over(Option<String>),
}

impl<'a> Running<'a> {
    fn start(lane: &Lane, index: usize, case: &'a Case) -> Self {
        let number = number(lane, index);
        let mut client = Client::open(lane.clear);
        client.send(&judge::numbered(&case.bytes, &number));
        client.wait_for_nothing();
        Self {
            case,
            number,
            is_open: case.open_in.contains(&lane.mode),
            client,
            answers: 0,
            phase: Phase::Case,
        }
    }

    /// What a target answers is what it was asked.
    fn is_own(&self, body: &str) -> bool {
        let target = body.split_once(' ').map_or("", |(_, target)| target);
        match about(target) {
            Some((kind, its)) => format!("{its:06}") == self.number && (kind != "evil" || self.is_open),
            None => is_plain(target) || body.starts_with('<'),
        }
    }

    fn step(&mut self, got: &Got) -> Step {
        let after = format!("GET /after/{}", self.number);
        let next = match (self.phase, got) {
            (_, Got::End) => return Step::Over(None),
            (Phase::Case, Got::Answer(200, body, goes_on)) if self.is_own(body) => self.goes_on(*goes_on),
            (Phase::Case, Got::Answer(400.., _, goes_on)) => self.goes_on(*goes_on),
            (Phase::After, Got::Answer(200, body, _)) if *body == after => Phase::End,
            (Phase::After, Got::Answer(200, body, true)) if self.is_open && self.is_own(body) => Phase::After,
            (Phase::After, Got::Answer(200, body, false)) if self.is_open && self.is_own(body) => Phase::End,
            (Phase::After, Got::Answer(200, body, _)) if self.case.runs_on && body.ends_with(&after) => Phase::End,
            (Phase::After, Got::Answer(400, ..)) if self.case.runs_on => Phase::End,
            // What is hidden may be refused for itself.
            (Phase::After, Got::Answer(400, _, true)) if self.is_open => Phase::After,
            // The connection was about to be closed, or more of a body was awaited.
            (Phase::After, Got::Answer(400 | 408 | 414, _, false)) => Phase::End,
            // The machine is busy; more may follow.
            (Phase::After, Got::Answer(504, _, true)) => Phase::After,
            (Phase::After, Got::Answer(504, ..)) => Phase::End,
            _ => {
                let bytes = &self.case.bytes[..self.case.bytes.len().min(400)];
                let shown = String::from_utf8_lossy(bytes);
                let at = self.answers;
                return Step::Over(Some(format!("answer {at} is {got:?}: case {}: {shown:?}", self.number)));
            }
        };
        self.answers += 1;
        if (self.phase, next) == (Phase::Case, Phase::After) {
            self.client
                .send(format!("{after} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        }
        self.phase = next;
        Step::More
    }

    fn goes_on(&self, goes_on: bool) -> Phase {
        match goes_on {
            false => Phase::End,
            true if self.answers < self.case.nexts => Phase::Case,
            true => Phase::After,
        }
    }
}

/// What clients ask for without a number.
fn is_plain(target: &str) -> bool {
    ["*", "/", "evil", "localhost:80"].contains(&target) || target.starts_with("http://local")
}

/// The target has seen requests with a number, and a few that have none.
fn judge_target(lane: &Lane) -> Vec<String> {
    let seen = lane.seen();
    let is_strange = |Seen { method, target, .. }: &&Seen| match about(target) {
        Some((_, number)) => number / 10_000 != lane.number,
        // In `monitor` mode the rest of a body may be taken for a request in HTTP/0.9, by the load balancer as by the target.
        None => !(is_plain(target) || lane.mode == "monitor" && method.ends_with(':')),
    };
    let strange = seen.iter().filter(is_strange);
    strange
        .map(|seen| format!("the target saw {:?} {:?}", seen.method, seen.target))
        .collect()
}

// ALB-D-021: no request hidden in a body, a fold, a chunk or a header value reaches a target as a request
#[test]
fn nothing_hidden_is_ever_a_request() {
    let mut world = World::start(
        &[("monitor", STACKS), ("defensive", ALL_STACKS), ("strictest", STACKS)],
        1,
    );
    let cases = corpus::all();
    println!("{} cases", cases.len());
    let mut problems: Vec<String> = std::thread::scope(|scope| {
        let cases = &cases;
        let running: Vec<_> = world
            .lanes
            .iter()
            .map(|lane| {
                scope.spawn(move || {
                    let problems = run(lane, cases);
                    let name = move |problem: String| format!("{} before {}: {problem}", lane.mode, lane.stack);
                    problems.into_iter().map(name).collect::<Vec<_>>()
                })
            })
            .collect();
        running.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let logged = world.finish();
    for class in ["Acceptable", "Ambiguous", "Severe"] {
        let count = logged.values().filter(|(_, its)| its == class).count();
        assert!(count > cases.len() / 10, "only {count} of {} are {class}", cases.len());
    }
    for lane in &world.lanes {
        // In each mode and stack a good part gets there, so that what does not proves something.
        let keys: BTreeSet<_> = lane.seen().iter().filter_map(|seen| about(&seen.target)).collect();
        for (kind, least) in [("case", cases.len() / 8), ("after", cases.len() / 16)] {
            let count = keys.iter().filter(|(its, _)| its == kind).count();
            assert!(count > least, "{} before {}: {count} of {kind}", lane.mode, lane.stack);
        }
        let name = |problem: String| format!("{} before {}: {problem}", lane.mode, lane.stack);
        problems.extend(judge_target(lane).into_iter().map(name));
        let is_open = |index: usize| cases[index].open_in.contains(&lane.mode);
        let show = |index: usize| format!("{:?}", String::from_utf8_lossy(&cases[index].bytes));
        problems.extend(judge::counts(lane, &logged, is_open, show));
        problems.extend(judge::recorder(lane, &logged));
    }
    assert!(
        problems.is_empty(),
        "{} problems: {:#?}",
        problems.len(),
        &problems[..problems.len().min(60)]
    );
}
