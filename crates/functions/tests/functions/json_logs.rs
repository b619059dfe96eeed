//! The log in JSON, and its levels.

use crate::Case;
use crate::world::{World, arn, until};
use bytes::Bytes;
use functions::Source;
use invoke::Invocation;
use model::lambda::function::Function;
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) const CASES: &[Case] = &[
    ("json_objects_instead_of_lines", |world| {
        Box::pin(json_objects_instead_of_lines(world))
    }),
    ("the_system_log_level_chooses", |world| {
        Box::pin(the_system_log_level_chooses(world))
    }),
    ("an_object_without_a_time_gets_one", |world| {
        Box::pin(an_object_without_a_time_gets_one(world))
    }),
    ("the_application_log_level_chooses", |world| {
        Box::pin(the_application_log_level_chooses(world))
    }),
];

const PROGRAM: &str = "
while True:
    id, event, _ = next_event()
    if event == 'exit':
        os._exit(1)
    sys.stdout.write(event + '\\n')
    sys.stdout.flush()
    respond(id, event)
";

fn json(mut function: Function, application_level: ApplicationLogLevel, system_level: SystemLogLevel) -> Function {
    function.configuration.logging.format = LogFormat::Json {
        application_level,
        system_level,
    };
    function
}

fn platform(world: &World) -> Vec<Value> {
    let lines = world.log.lines_of(Source::Platform);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(world: &World) -> Vec<String> {
    let types = platform(world);
    types.iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
}

// LAM-G-009: platform.start and platform.report, no end
async fn json_objects_instead_of_lines(world: World) {
    world.put(json(
        world.function(PROGRAM),
        ApplicationLogLevel::Info,
        SystemLogLevel::Info,
    ));
    let mut invocation = Invocation::new(arn("f"), Bytes::from_static(b"1"), None);
    invocation.log_tail = true;
    let invoked = world.functions.invoke(invocation).await;
    let events = platform(&world);
    assert_eq!(
        types(&world),
        ["platform.initStart", "platform.start", "platform.report"]
    );
    let stream = &world.log.events()[0].stream;
    let record = |at: usize, name: &str| events[at]["record"][name].clone();
    assert_eq!(record(0, "instanceId"), stream.as_str());
    assert_eq!(record(0, "runtimeVersion"), "provided:al2023");
    assert_eq!(record(0, "phase"), "init");
    assert_eq!(record(1, "requestId"), invoked.request_id.unwrap());
    assert_eq!(record(1, "functionArn"), arn("f").as_str());
    assert_eq!(record(2, "status"), "success");
    let metrics = record(2, "metrics");
    let number = |name: &str| metrics[name].as_f64().unwrap();
    // The sum of two numbers with three decimals has more of them in binary.
    let micros = ((number("durationMs") + number("initDurationMs")) * 1000.0).round();
    assert_eq!(number("billedDurationMs"), (micros / 1000.0).ceil());
    assert!(number("maxMemoryUsedMB") >= 1.0);
    // The tail has the same lines, from the start on.
    let lines = world.log.lines();
    let tail = lines[1..].iter().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(invoked.log_tail.unwrap(), tail);

    // A lost runtime: warnings, and an init that belongs to the next invocation.
    world.log.clear();
    let _ = world.invoke("exit").await;
    until(|| world.log.lines().len() == 3).await;
    assert_eq!(
        types(&world),
        ["platform.start", "platform.runtimeDone", "platform.report"]
    );
    for event in &platform(&world)[1..] {
        assert_eq!(event["record"]["status"], "error");
        assert_eq!(event["record"]["errorType"], "Runtime.ExitError");
    }
    world.log.clear();
    assert_eq!(world.answer("2").await, "2");
    until(|| world.log.lines().len() == 4).await;
    // LAM-X-021: the init of a lost runtime is in phase invoke
    assert_eq!(platform(&world)[0]["record"]["phase"], "invoke");
    assert_eq!(platform(&world)[2]["record"]["metrics"]["initDurationMs"], Value::Null);
}

// LAM-G-010: WARN suppresses platform.start and successful platform.report
async fn the_system_log_level_chooses(world: World) {
    for (level, good, bad) in [
        (
            SystemLogLevel::Debug,
            &[
                "platform.initStart",
                "platform.initRuntimeDone",
                "platform.initReport",
                "platform.start",
                "platform.runtimeDone",
                "platform.report",
            ][..],
            &["platform.start", "platform.runtimeDone", "platform.report"][..],
        ),
        (
            SystemLogLevel::Info,
            &["platform.initStart", "platform.start", "platform.report"],
            &["platform.start", "platform.runtimeDone", "platform.report"],
        ),
        (SystemLogLevel::Warn, &[], &["platform.runtimeDone", "platform.report"]),
    ] {
        world.put(json(world.function(PROGRAM), ApplicationLogLevel::Fatal, level));
        world.log.clear();
        assert_eq!(world.answer("{}").await, "{}");
        // The line of the function is dropped, so only idleness says that all is written.
        until(|| world.functions.reports()[0].idle == 1).await;
        assert_eq!(types(&world), good, "{level:?}");
        world.log.clear();
        let _ = world.invoke("exit").await;
        until(|| world.log.lines().len() == bad.len()).await;
        assert_eq!(types(&world), bad, "{level:?}");
        world.apply(&model::Change::DeleteFunction(arn("f")));
        until(|| world.functions.reports().is_empty()).await;
    }
}

// Source: Lambda 2.10, and only where the log is JSON.
async fn an_object_without_a_time_gets_one(world: World) {
    world.put(json(
        world.function(PROGRAM),
        ApplicationLogLevel::Info,
        SystemLogLevel::Warn,
    ));
    let valid = r#"{"level":"WARN","timestamp":"2026-10-08T07:00:00Z"}"#;
    let event = format!("{{\"level\":\"debug\",\"a\":\"{{\"}}\n{{\"timestamp\":\"yesterday\"}}\n{valid}\nno object");
    assert_eq!(world.answer(&event).await, event);
    until(|| world.log.lines_of(Source::Stdout).len() == 4).await;
    let events = world.log.events();
    let written: Vec<_> = events.iter().filter(|it| it.source == Source::Stdout).collect();
    for (event, rest) in written
        .iter()
        .zip([r#","level":"debug","a":"{"}"#, r#","timestamp":"yesterday"}"#])
    {
        let time = event.message.strip_prefix(r#"{"timestamp":""#).unwrap();
        let (time, after) = time.split_once('"').unwrap();
        assert_eq!(after, rest);
        let time = OffsetDateTime::parse(time, &Rfc3339).unwrap();
        let ms = time.unix_timestamp_nanos() / 1_000_000;
        assert_eq!(u64::try_from(ms).unwrap(), event.timestamp_ms);
    }
    assert_eq!([&*written[2].message, &written[3].message], [valid, "no object"]);
}

// LAM-G-011: WARN drops a line that says it is less
async fn the_application_log_level_chooses(world: World) {
    world.put(json(
        world.function(PROGRAM),
        ApplicationLogLevel::Warn,
        SystemLogLevel::Warn,
    ));
    let time = r#""timestamp":"2026-10-08T07:00:00.123Z""#;
    let lines = [
        r#"{"level":"info","message":"dropped"}"#.to_owned(),
        format!(r#"{{"level":"debug",{time}}}"#),
        format!(r#"{{"level":"warn",{time},"message":"kept"}}"#),
        format!(r#"{{{time},"message":"no level is INFO"}}"#),
        "kept, because it is no object".to_owned(),
        format!(r#"{{"level":"ERROR",{time}}}"#),
    ];
    let event = lines.join("\n");
    assert_eq!(world.answer(&event).await, event);
    until(|| world.functions.reports()[0].idle == 1).await;
    assert_eq!(world.log.lines(), [&*lines[2], &lines[4], &lines[5]]);
    // In text nothing is dropped.
    world.put(world.function(PROGRAM));
    world.log.clear();
    assert_eq!(world.answer(&event).await, event);
    until(|| world.log.count("REPORT") == 1).await;
    assert_eq!(world.log.lines_of(Source::Stdout), lines);
}
