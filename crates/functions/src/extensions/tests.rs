//! Registrations and events, without processes.

use super::*;
use crate::request_id::RequestIds;

fn events(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn fresh() -> RequestId {
    RequestIds::new().fresh().unwrap()
}

/// Registers, and gives the identifier or the error type.
fn register(extensions: &mut Extensions<u32>, name: &str, names: &[&str]) -> Result<RequestId, &'static str> {
    let identifier = fresh();
    let registered = extensions.register(name, &events(names), identifier);
    registered.map(|()| identifier).map_err(|refusal| refusal.parts().0)
}

// LAM-X-007, LAM-X-008, LAM-X-009: who may register, and when
#[test]
fn registrations() {
    let mut extensions = Extensions::default();
    extensions.launched("outside", Progress::Started);
    assert!(!extensions.all_registered() && !extensions.any_registered());
    assert_eq!(
        register(&mut extensions, "", &[]),
        Err("Extension.InvalidExtensionName")
    );
    for wrong in ["SHUTDOWN", "invoke", ""] {
        let refused = register(&mut extensions, "inside", &["INVOKE", wrong]);
        assert_eq!(refused, Err("Extension.InvalidEventType"), "{wrong}");
    }
    assert!(register(&mut extensions, "outside", &["INVOKE", "SHUTDOWN"]).is_ok());
    assert!(extensions.all_registered() && extensions.any_registered());
    let again = extensions.register("outside", &[], fresh()).unwrap_err();
    assert_eq!(
        again.parts().1,
        "State transition from Registered to Registered failed for extension outside. Error: State transition is not \
         allowed"
    );
    assert!(register(&mut extensions, "inside", &["INVOKE"]).is_ok());
    assert_eq!(
        register(&mut extensions, "inside", &[]),
        Err("Extension.InvalidExtensionState")
    );
    for number in 2..EXTENSIONS_MAX {
        assert!(register(&mut extensions, &format!("inside-{number}"), &[]).is_ok());
    }
    let refused = extensions.register("one too many", &[], fresh()).unwrap_err();
    assert_eq!(
        refused.parts(),
        ("Extension.TooManyExtensions", "Extension limit (10) reached".into())
    );
    extensions.close_registration();
    assert_eq!(
        register(&mut extensions, "late", &[]),
        Err("Extension.RegistrationClosed")
    );
}

// LAM-X-010: a missing, a malformed and an unknown identifier
#[test]
fn identifiers() {
    let mut extensions = Extensions::<u32>::default();
    let known = register(&mut extensions, "a", &[]).unwrap();
    assert_eq!(extensions.identified(known.as_bytes()).unwrap().name, "a");
    let upper = known.as_str().to_ascii_uppercase();
    assert!(extensions.identified(upper.as_bytes()).is_ok());
    let unknown = fresh();
    for (identifier, expected) in [
        ("", "Missing Lambda-Extension-Identifier header".to_owned()),
        ("7", "Invalid Lambda-Extension-Identifier".to_owned()),
        (unknown.as_str(), format!("Unknown extension {unknown}")),
    ] {
        let refused = extensions.identified(identifier.as_bytes()).unwrap_err();
        assert_eq!(refused.parts().1, expected);
    }
}

#[test]
fn an_invocation_is_done_when_all_who_were_told_ask_again() {
    let mut extensions = Extensions::default();
    let told = register(&mut extensions, "told", &["INVOKE"]).unwrap();
    let deaf = register(&mut extensions, "deaf", &[]).unwrap();
    assert!(!extensions.all_ready());
    let asks = |extensions: &mut Extensions<u32>, who: &RequestId, connection| {
        extensions.identified(who.as_bytes()).unwrap().asks(connection).unwrap()
    };
    assert!(matches!(asks(&mut extensions, &told, 1), Asked::Waits(None)));
    assert!(matches!(asks(&mut extensions, &deaf, 2), Asked::Waits(None)));
    assert!(extensions.all_ready());
    // A second connection takes the place of the first one, and one that has ended leaves its place.
    assert!(matches!(asks(&mut extensions, &told, 3), Asked::Waits(Some(1))));
    let event = || b"event".to_vec();
    assert_eq!(extensions.tell(|it| it.events.invoke, event), [(3, b"event".to_vec())]);
    assert!(!extensions.invocation_done());
    assert!(matches!(asks(&mut extensions, &told, 4), Asked::Waits(None)));
    assert!(extensions.invocation_done());
    extensions.forget(|&connection| connection == 4);
    assert_eq!(extensions.tell(|it| it.events.invoke, event), []);
    assert!(!extensions.invocation_done(), "it has not heard of it yet");
    assert!(matches!(asks(&mut extensions, &told, 5), Asked::Event(5, _)));
    assert!(!extensions.invocation_done());
}

#[test]
fn who_gives_up_says_why() {
    for (how, error_type, recorded) in [
        (GivesUp::Init, "Extension.NoConfig", "Extension.NoConfig"),
        (GivesUp::Init, "odd", "Extension.InitError"),
        (GivesUp::Exit, "Extension.", "Extension.ExitError"),
        (GivesUp::Exit, "Extension.Broken\"", "Extension.ExitError"),
    ] {
        let mut extensions = Extensions::<u32>::default();
        let who = register(&mut extensions, "a", &[]).unwrap();
        let missing = extensions.gives_up(who.as_bytes(), how, "").unwrap_err();
        assert_eq!(missing.parts().0, "Extension.MissingHeader");
        assert_eq!(extensions.failure("exit status 1"), None);
        extensions.gives_up(who.as_bytes(), how, error_type).unwrap();
        let failure = Failure::Extension {
            error_type: recorded.to_owned(),
            message: "exit status 1".to_owned(),
        };
        assert_eq!(extensions.failure("exit status 1"), Some(failure));
        let again = extensions.gives_up(who.as_bytes(), how, error_type).unwrap_err();
        assert_eq!(again.parts().0, "Extension.InvalidExtensionState");
        let asks = extensions.identified(who.as_bytes()).unwrap().asks(1).unwrap_err();
        assert_eq!(asks.parts().0, "Extension.InvalidExtensionState");
    }
    let mut extensions = Extensions::<u32>::default();
    let ready = register(&mut extensions, "a", &[]).unwrap();
    extensions.identified(ready.as_bytes()).unwrap().asks(1).unwrap();
    let late = extensions
        .gives_up(ready.as_bytes(), GivesUp::Init, "Extension.Late")
        .unwrap_err();
    assert_eq!(late.parts().0, "Extension.InvalidExtensionState");
}

// LAM-X-011, LAM-X-015: what the events say
#[test]
fn events_are_json() {
    let id = fresh();
    let invoke = invoke_event(&InvokeEvent {
        deadline_ms: 1_700_000_000_000,
        id: &id,
        function_arn: "arn:aws:lambda:eu-west-1:111122223333:function:f",
        trace_id: Some("Root=1-\"quoted\""),
    });
    assert_eq!(
        String::from_utf8(invoke).unwrap(),
        format!(
            "{{\"eventType\":\"INVOKE\",\"deadlineMs\":1700000000000,\"requestId\":\"{id}\",\"invokedFunctionArn\":\
             \"arn:aws:lambda:eu-west-1:111122223333:function:f\",\"tracing\":{{\"type\":\"X-Amzn-Trace-Id\",\"value\":\
             \"Root=1-\\\"quoted\\\"\"}}}}"
        )
    );
    for (reason, expected) in [
        (ShutdownReason::Spindown, "spindown"),
        (ShutdownReason::Timeout, "timeout"),
        (ShutdownReason::Failure, "failure"),
    ] {
        assert_eq!(
            String::from_utf8(shutdown_event(reason, 7)).unwrap(),
            format!("{{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":\"{expected}\",\"deadlineMs\":7}}")
        );
    }
}
