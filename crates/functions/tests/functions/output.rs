//! What functions write: the end of one invocation's log for a caller who asks, and what is too much or makes no sense.

use crate::Case;
use crate::logs::{END, REPORT, START, shape, with_timeout};
use crate::world::{World, until};
use bytes::Bytes;
use functions::{Functions, Source};
use invoke::{Invocation, InvokeOutcome, Invoked};
use model::lambda::function::CodeLocation;
use model::lambda::runtime::Runtime;
use std::sync::atomic::Ordering;

pub(crate) const CASES: &[Case] = &[
    ("a_tail_is_the_log_of_one_invocation", |world| {
        Box::pin(a_tail_is_the_log_of_one_invocation(world))
    }),
    ("a_tail_of_a_failure", |world| Box::pin(a_tail_of_a_failure(world))),
    ("an_answer_that_waits_for_its_log_survives_the_end", |world| {
        Box::pin(an_answer_that_waits_for_its_log(world))
    }),
    ("garbage_in_the_log_channel_becomes_lines", |world| {
        Box::pin(garbage_in_the_log_channel(world))
    }),
    ("a_hundred_megabytes_hold_up_nobody", |world| {
        Box::pin(a_hundred_megabytes(world))
    }),
    ("endless_output_does_not_hold_up_the_end", |world| {
        Box::pin(endless_output(world))
    }),
];

fn tailing(event: &str) -> Invocation {
    let payload = Bytes::copy_from_slice(event.as_bytes());
    let mut invocation = Invocation::new(crate::world::arn("f"), payload, None);
    invocation.log_tail = true;
    invocation
}

async fn tail(functions: &Functions, event: &str) -> (String, InvokeOutcome, String) {
    let Invoked {
        request_id,
        outcome,
        log_tail,
    } = functions.invoke(tailing(event)).await;
    (
        request_id.unwrap(),
        outcome,
        String::from_utf8(log_tail.unwrap().to_vec()).unwrap(),
    )
}

// LAM-G-014: the last 4096 bytes of this invocation's log, from START if it fits, with REPORT
async fn a_tail_is_the_log_of_one_invocation(world: World) {
    world.put(world.function(
        "
print('init', flush=True)
while True:
    id, event, _ = next_event()
    print('x' * int(event), flush=True)
    respond(id, event)
    print('afterwards', flush=True)
",
    ));
    for event in ["3", "4"] {
        let (id, outcome, tail) = tail(&world.functions, event).await;
        assert_eq!(outcome, InvokeOutcome::Buffered(event.into()));
        assert!(
            tail.starts_with(&format!("START RequestId: {id} Version: $LATEST\n")),
            "{tail}"
        );
        let lines: Vec<_> = tail.split_terminator('\n').map(shape).collect();
        let report = if event == "3" {
            format!("{REPORT}Init Duration: # ms\t")
        } else {
            REPORT.to_owned()
        };
        let written = "x".repeat(event.parse().unwrap());
        assert_eq!(lines, [START, &written, "afterwards", END, &report]);
        assert!(tail.ends_with("\t\n"), "{tail:?}");
    }
    for event in ["5000", "300000"] {
        let (_, _, tail) = tail(&world.functions, event).await;
        assert_eq!(tail.len(), invoke::LOG_TAIL_BYTES_MAX);
        assert!(tail.starts_with("xxx") && tail.ends_with("\t\n"), "{tail}");
    }
    // Somebody who does not ask gets none.
    let mut quiet = tailing("1");
    quiet.log_tail = false;
    assert_eq!(world.functions.invoke(quiet).await.log_tail, None);
}

async fn a_tail_of_a_failure(world: World) {
    let function = world.function(
        "
id, event, _ = next_event()
print('running', flush=True)
if event == 'exit':
    os._exit(1)
if event == 'answer':
    respond(id, event)
tell(event)
",
    );
    world.put(with_timeout(function, 1));
    for (event, status) in [
        ("exit", "error\tError Type: Runtime.ExitError"),
        ("sleep", "timeout"),
        // It had its answer, but its log is complete only when the runtime is lost.
        ("answer", "timeout"),
    ] {
        let told = async {
            if event == "exit" {
                None
            } else {
                Some(world.told().await)
            }
        };
        let ((_, outcome, tail), _told) = tokio::join!(tail(&world.functions, event), told);
        assert_eq!(
            matches!(outcome, InvokeOutcome::Buffered(_)),
            event == "answer",
            "{outcome:?}"
        );
        let lines: Vec<_> = tail.split_terminator('\n').map(shape).collect();
        assert_eq!(lines[..3], [START, "running", END]);
        assert!(lines[3].ends_with(&format!("Status: {status}")), "{tail}");
    }
}

/// The runtime has answered and is killed before it asks for more: the caller has the answer and what there is of the log.
async fn an_answer_that_waits_for_its_log(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
respond(id, event)
tell('answered')
",
    ));
    let end = async {
        let told = world.told().await;
        world.core.shutdown().await;
        told
    };
    let ((id, outcome, tail), _told) = tokio::join!(tail(&world.functions, "1"), end);
    assert_eq!(outcome, InvokeOutcome::Buffered("1".into()));
    assert!(tail.starts_with(&format!("START RequestId: {id} ")), "{tail}");
    assert!(shape(tail.lines().last().unwrap()).starts_with(REPORT), "{tail}");
}

/// A function of a managed runtime has the channel of its runtime too.
async fn garbage_in_the_log_channel(world: World) {
    let mut function = world.function("");
    function.configuration.runtime = Runtime::try_from("python3.12").unwrap();
    let CodeLocation::Folder(folder) = &function.code.location else {
        unreachable!("these cases have folders")
    };
    let code = format!(
        "import os, struct
def handler(event, context):
    text = b'zwei\\nZeilen\\n'
    os.write({fd}, struct.pack('>IIQ', 0xA55A0003, len(text), 1) + text if event == 1 else b'garbage\\nand more')
    return event
",
        fd = sandbox::LOG_DESCRIPTOR
    );
    std::fs::write(folder.join("app.py"), code).unwrap();
    world.put(function);
    for event in ["1", "2", "3", "1"] {
        assert_eq!(world.answer(event).await, event);
    }
    until(|| world.functions.reports()[0].idle == 1).await;
    // LAM-G-013: a frame is one event, with its newlines
    let written = world.log.lines_of(Source::Runtime);
    assert_eq!(written[..2], ["zwei\nZeilen", "garbage"]);
    assert!(written[2].starts_with("and moregarbage"), "{written:?}");
    let notices = world.log.lines_of(Source::Notice);
    let about_frames = notices.iter().filter(|line| line.contains("is no frame")).count();
    assert_eq!(about_frames, 1, "said once: {notices:?}");
}

/// While one function writes 100 MB, another one on the same core answers, and nothing of it is lost.
async fn a_hundred_megabytes(world: World) {
    const LINES: usize = 1_000_000;
    world.put(world.function(
        "
id, event, _ = next_event()
lines = (b'x' * 99 + b'\\n') * 1000
for _ in range(1000):
    sys.stdout.buffer.write(lines)
sys.stdout.buffer.flush()
respond(id, 'written')
next_event()
",
    ));
    world.put(world.function_named(
        "g",
        "
while True:
    id, event, _ = next_event()
    respond(id, event)
",
    ));
    assert_eq!(crate::world::text(world.invoke_named("g", "warm").await), "warm");
    until(|| world.log.count("REPORT") == 1).await;
    world.log.count_only();
    let before = world.log.bytes.load(Ordering::Relaxed);
    let mut writing = std::pin::pin!(world.answer("1"));
    let mut answers = 0;
    let written = loop {
        tokio::select! {
            biased;
            written = &mut writing => break written,
            outcome = world.invoke_named("g", "1") => {
                assert_eq!(crate::world::text(outcome), "1");
                answers += 1;
            }
        }
    };
    assert_eq!(written, "written");
    // A core that read to the end of the output first would have answered once or twice.
    assert!(answers >= 20, "{answers} answers meanwhile");
    until(|| world.log.bytes.load(Ordering::Relaxed) - before >= 99 * LINES).await;
}

/// Output that never ends is not waited for.
async fn endless_output(world: World) {
    world.put(world.function(
        "
import threading
def flood():
    while True:
        os.write(1, b'x' * 99 + b'\\n')
while True:
    id, event, _ = next_event()
    if event == '0':
        threading.Thread(target=flood, daemon=True).start()
    respond(id, event)
",
    ));
    world.log.count_only();
    for event in ["0", "1", "2"] {
        let (_, outcome, tail) = tail(&world.functions, event).await;
        assert_eq!(outcome, InvokeOutcome::Buffered(event.into()));
        let last = tail.lines().last().unwrap();
        assert!(last.starts_with("REPORT RequestId: ") && last.ends_with('\t'), "{last}");
    }
}
