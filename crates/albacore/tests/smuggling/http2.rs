//! Requests of HTTP/2 that would be two, or others, if they were written as HTTP/1.1 by the letter.
//! Source: RFC 9113 8.2, 8.3, 10.3.

mod cases;

use crate::judge::{self, about, number};
use crate::world::{ALL_STACKS, Kind, Lane, World};
use cases::Case;
use testkit::{Frame, Http2, header_block};

/// Sends the case on a connection of its own, and waits for what comes of it: what was asked for, or a refusal.
fn run(lane: &Lane, index: usize, case: &Case) -> std::io::Result<Result<(), String>> {
    let number = number(lane, index);
    let numbered = |text: &[u8]| judge::numbered(text, &number);
    let block = |fields: &[(Vec<u8>, Vec<u8>)]| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (numbered(name), numbered(value)))
            .collect();
        header_block(
            &fields
                .iter()
                .map(|(name, value)| (&name[..], &value[..]))
                .collect::<Vec<_>>(),
        )
    };
    let mut client = Http2::open(lane.secure)?;
    let ends = |is_last: bool| if is_last { Frame::END_STREAM } else { 0 };
    let mut frames = vec![Frame::new(
        Frame::HEADERS,
        Frame::END_HEADERS | ends(case.body.is_none()),
        1,
        block(&case.fields),
    )];
    if let Some(body) = &case.body {
        frames.push(Frame::new(
            Frame::DATA,
            ends(case.trailers.is_empty()),
            1,
            numbered(body.as_bytes()),
        ));
    }
    if !case.trailers.is_empty() {
        frames.push(Frame::new(
            Frame::HEADERS,
            Frame::END_HEADERS | Frame::END_STREAM,
            1,
            block(&case.trailers),
        ));
    }
    for frame in frames {
        // It may be closed already.
        let _ = client.send(&frame);
    }
    let frames = client.until_end(1)?;
    let data = frames.iter().filter(|frame| frame.kind == Frame::DATA);
    let body: Vec<u8> = data.flat_map(|frame| frame.payload.clone()).collect();
    let body = String::from_utf8_lossy(&body);
    let is_own = about(&body).is_none_or(|(kind, its)| kind == "case" && format!("{its:06}") == number);
    Ok(if is_own {
        Ok(())
    } else {
        Err(format!("got {body:?}: {}", case.shown()))
    })
}

/// Sends every case, and looks in between whether others get what they ask for.
fn run_all(lane: &Lane, cases: &[Case]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let ran = run(lane, index, case).unwrap_or_else(|error| panic!("{error}: {}", case.shown()));
        problems.extend(ran.err());
        if index % 20 == 0 {
            problems.extend(judge::probe(lane, index).err());
        }
    }
    let name = |problem| format!("{} before {}: {problem}", lane.mode, lane.stack);
    problems.into_iter().map(name).collect()
}

/// A target sees one host that is one, wherever it stood.
fn hosts(lane: &Lane) -> Vec<String> {
    let Kind::Recorder(recorder) = &lane.kind else {
        return Vec::new();
    };
    let is_host = |host: &str| {
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        !name.is_empty() && name.bytes().all(is_name) && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let connections = recorder.connections();
    let requests = connections.iter().flat_map(|connection| &connection.requests);
    requests
        .filter(|request| !matches!(request.values("host")[..], [host] if is_host(host)))
        .map(|request| format!("{} before {}: {request:?}", lane.mode, lane.stack))
        .collect()
}

// ALB-D-021: no request hidden in a field of HTTP/2 reaches a target as a request
#[test]
fn no_field_of_http_2_becomes_a_request() {
    // It is not classified, so the mode makes no difference to it. Source: ALB 4.9.
    let mut world = World::start(&[("defensive", ALL_STACKS), ("monitor", &["recorder"])], 1);
    let cases = cases::all();
    println!("{} cases", cases.len());
    let mut problems: Vec<String> = std::thread::scope(|scope| {
        let cases = &cases;
        let running: Vec<_> = world
            .lanes
            .iter()
            .map(|lane| scope.spawn(move || run_all(lane, cases)))
            .collect();
        running.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let logged = world.finish();
    for lane in &world.lanes {
        let seen = lane.seen();
        let mut reached = 0;
        for it in &seen {
            match about(&it.target) {
                Some((kind, _)) if kind != "evil" => reached += 1,
                None if ["*", "evil"].contains(&it.target.as_str()) => {}
                _ => problems.push(format!("{} before {}: saw {it:?}", lane.mode, lane.stack)),
            }
        }
        assert!(
            reached > cases.len() / 20,
            "{} before {}: hardly a request, {reached}",
            lane.mode,
            lane.stack
        );
        problems.extend(judge::counts(lane, &logged, |_| false, |index| cases[index].shown()));
        problems.extend(judge::recorder(lane, &logged));
        problems.extend(hosts(lane));
    }
    assert!(
        problems.is_empty(),
        "{} problems: {:#?}",
        problems.len(),
        &problems[..problems.len().min(60)]
    );
}
