use super::*;
use crate::request_id::RequestIds;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, FunctionArn, Owner, Region, Scope};

fn ms(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// What `write` writes, the request id in it replaced by `ID`.
fn written(id: &RequestId, write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap().replace(id.as_str(), "ID")
}

fn crashed() -> Status {
    Status::Error("Runtime.ExitError".to_owned())
}

fn function() -> Function {
    let scope = Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    };
    Function {
        arn: FunctionArn::new(&scope, "f"),
        name: FunctionName::try_from("f").unwrap(),
        configuration: FunctionConfiguration {
            runtime: Runtime::ProvidedAl2023,
            handler: String::new(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency: None,
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Folder("/srv/f".into()),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    }
}

fn runtime() -> RuntimeVersion {
    RuntimeVersion {
        text: "python:3.12.7".to_owned(),
        arn: "arn:aws:lambda:eu-west-1::runtime:ab".to_owned(),
    }
}

// LAM-G-002: fields separated by tabs, two decimals, a trailing tab before the newline
// LAM-G-004: Billed Duration is what is shown of both durations, rounded up
// LAM-G-005, LAM-G-006: a failed one ends with its status
#[test]
fn report_lines() {
    let id = RequestIds::new().fresh().unwrap();
    let check = |duration, init_duration, status: &Status, expected: &str| {
        let report = Report {
            id: &id,
            trace_id: None,
            duration,
            init_duration,
            memory_mb: 128,
            memory_used_mb: 74,
            status,
        };
        assert_eq!(written(&id, |out| text::report(out, &report)), expected);
    };
    let success = Status::Success;
    check(
        ms(12_345),
        None,
        &success,
        "REPORT RequestId: ID\tDuration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 74 MB\t",
    );
    check(
        ms(1_233_960),
        Some(ms(463_510)),
        &success,
        "REPORT RequestId: ID\tDuration: 1233.96 ms\tBilled Duration: 1698 ms\tMemory Size: 128 MB\t\
         Max Memory Used: 74 MB\tInit Duration: 463.51 ms\t",
    );
    // What cannot be seen is not billed: the line agrees with itself.
    check(
        ms(12_004),
        None,
        &success,
        "REPORT RequestId: ID\tDuration: 12.00 ms\tBilled Duration: 12 ms\tMemory Size: 128 MB\tMax Memory Used: 74 MB\t",
    );
    check(
        ms(600_000_000),
        Some(ms(476_750)),
        &Status::Timeout,
        "REPORT RequestId: ID\tDuration: 600000.00 ms\tBilled Duration: 600477 ms\tMemory Size: 128 MB\t\
         Max Memory Used: 74 MB\tInit Duration: 476.75 ms\tStatus: timeout",
    );
    check(
        ms(70),
        None,
        &crashed(),
        "REPORT RequestId: ID\tDuration: 0.07 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\t\
         Max Memory Used: 74 MB\tStatus: error\tError Type: Runtime.ExitError",
    );
}

// LAM-G-007: Phase, Status and Error Type of a failed init
#[test]
fn other_lines_of_text() {
    let id = RequestIds::new().fresh().unwrap();
    let init_report = |phase, duration, status: &Status| {
        let report = InitReport {
            phase,
            duration,
            status,
        };
        written(&id, |out| text::init_report(out, &report))
    };
    assert_eq!(
        init_report(InitPhase::Init, ms(10_000_120), &Status::Timeout),
        "INIT_REPORT Init Duration: 10000.12 ms\tPhase: init\tStatus: timeout"
    );
    assert_eq!(
        init_report(InitPhase::Invoke, ms(998_150), &crashed()),
        "INIT_REPORT Init Duration: 998.15 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError"
    );
    assert_eq!(
        written(&id, |out| text::start(
            out,
            &id,
            version("arn:aws:lambda:eu-west-1:1:function:f")
        )),
        "START RequestId: ID Version: $LATEST"
    );
    assert_eq!(written(&id, |out| text::end(out, &id)), "END RequestId: ID");
    let init = InitStart {
        function: &function(),
        phase: InitPhase::Init,
        runtime: &runtime(),
        stream: "stream",
    };
    assert_eq!(
        written(&id, |out| text::init_start(out, &init)),
        "INIT_START Runtime Version: python:3.12.7\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:ab"
    );
}

// LAM-G-009: objects instead of START and REPORT
#[test]
fn json_objects() {
    let id = RequestIds::new().fresh().unwrap();
    let now_ms = 1_791_442_800_100;
    let init = InitStart {
        function: &function(),
        phase: InitPhase::Init,
        runtime: &runtime(),
        stream: "2026/10/08/f[$LATEST]ab",
    };
    assert_eq!(
        written(&id, |out| json::init_start(out, now_ms, &init)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"python:3.12.7","runtimeVersionArn":"arn:aws:lambda:eu-west-1::runtime:ab","functionName":"f","functionVersion":"$LATEST","instanceId":"2026/10/08/f[$LATEST]ab","instanceMaxMemory":134217728}}"#
    );
    assert_eq!(
        written(&id, |out| json::start(
            out,
            now_ms,
            &id,
            "arn:aws:lambda:eu-west-1:1:function:f"
        )),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.start","record":{"requestId":"ID","functionArn":"arn:aws:lambda:eu-west-1:1:function:f","version":"$LATEST"}}"#
    );
    let mut report = Report {
        id: &id,
        trace_id: None,
        duration: ms(210_437),
        init_duration: Some(ms(457_060)),
        memory_mb: 128,
        memory_used_mb: 74,
        status: &Status::Success,
    };
    assert_eq!(
        written(&id, |out| json::report(out, now_ms, &report)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.report","record":{"requestId":"ID","metrics":{"durationMs":210.437,"billedDurationMs":668,"memorySizeMB":128,"maxMemoryUsedMB":74,"initDurationMs":457.06},"status":"success"}}"#
    );
    let crashed = crashed();
    (report.duration, report.init_duration, report.status) = (ms(3_000_000), None, &crashed);
    assert_eq!(
        written(&id, |out| json::report(out, now_ms, &report)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.report","record":{"requestId":"ID","metrics":{"durationMs":3000,"billedDurationMs":3000,"memorySizeMB":128,"maxMemoryUsedMB":74},"status":"error","errorType":"Runtime.ExitError"}}"#
    );
    let init_report = InitReport {
        phase: InitPhase::Invoke,
        duration: ms(998_150),
        status: &crashed,
    };
    assert_eq!(
        written(&id, |out| json::init_runtime_done(out, now_ms, &init_report)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.initRuntimeDone","record":{"initializationType":"on-demand","phase":"invoke","status":"error","errorType":"Runtime.ExitError"}}"#
    );
    assert_eq!(
        written(&id, |out| json::init_report(out, now_ms, &init_report)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.initReport","record":{"initializationType":"on-demand","phase":"invoke","status":"error","errorType":"Runtime.ExitError","metrics":{"durationMs":998.15}}}"#
    );
    let mut done = RuntimeDone {
        id: &id,
        trace_id: None,
        duration: ms(2_500),
        status: &Status::Success,
        answer: Some(AnswerSpans {
            latency: ms(2_000),
            duration: ms(30),
            overhead: ms(470),
            produced_bytes: 5,
        }),
    };
    assert_eq!(
        written(&id, |out| json::runtime_done(out, now_ms, &done)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.runtimeDone","record":{"requestId":"ID","status":"success","spans":[{"name":"responseLatency","durationMs":2},{"name":"responseDuration","durationMs":0.03},{"name":"runtimeOverhead","durationMs":0.47}],"metrics":{"durationMs":2.5,"producedBytes":5}}}"#
    );
    (done.status, done.answer) = (&Status::Timeout, None);
    assert_eq!(
        written(&id, |out| json::runtime_done(out, now_ms, &done)),
        r#"{"time":"2026-10-08T07:00:00.100Z","type":"platform.runtimeDone","record":{"requestId":"ID","status":"timeout","metrics":{"durationMs":2.5}}}"#
    );
}

// LAM-G-010: the level of each event
#[test]
fn levels() {
    let failures = [Status::Timeout, crashed()];
    assert_eq!(level(Kind::Start, &Status::Success), SystemLogLevel::Info);
    assert_eq!(level(Kind::Report, &Status::Success), SystemLogLevel::Info);
    assert_eq!(level(Kind::Detail, &Status::Success), SystemLogLevel::Debug);
    for failure in failures {
        assert_eq!(level(Kind::Report, &failure), SystemLogLevel::Warn);
        assert_eq!(level(Kind::Detail, &failure), SystemLogLevel::Warn);
    }
}

#[test]
fn times() {
    for (now_ms, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_007, "2000-02-28T23:59:59.007Z"),
        (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
        (u64::MAX, "1970-01-01T00:00:00.615Z"),
    ] {
        let mut out = Vec::new();
        write_time(&mut out, now_ms);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
