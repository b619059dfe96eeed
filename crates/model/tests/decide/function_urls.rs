//! URLs come and go with their functions.

use crate::support::*;
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth, UrlId};
use model::refusal::FunctionRefusal;
use model::{Command, Owner, State};

fn on(state: &State, commands: &[Command]) -> State {
    let mut state = state.clone();
    commands.iter().for_each(|command| apply(&mut state, command).unwrap());
    state
}

fn applied(commands: &[Command]) -> State {
    on(&State::default(), commands)
}

fn url(name: &str, id: u8) -> FunctionUrl {
    FunctionUrl {
        id: UrlId::new([id; 20]),
        function: function(name),
        auth: UrlAuth::None,
        invoke_mode: InvokeMode::Buffered,
        cors: None,
        times: None,
        owner: Owner::Manifest,
    }
}

fn put(name: &str, id: u8) -> Command {
    Command::PutFunctionUrl(url(name, id))
}

fn holder(state: &State, id: u8) -> Option<model::FunctionArn> {
    state.url_with_id(&UrlId::new([id; 20])).map(|url| url.function.clone())
}

#[test]
fn a_url_is_found_by_its_id_and_by_its_function() {
    let state = applied(&[create_function("f"), put("f", 1)]);
    assert_eq!(
        state.function_url(&function("f")).map(|it| (**it).clone()),
        Some(url("f", 1))
    );
    assert_eq!(holder(&state, 1), Some(function("f")));
    let moved = on(&state, &[put("f", 2)]);
    assert_eq!((holder(&moved, 1), holder(&moved, 2)), (None, Some(function("f"))));
    assert_eq!(moved.function_urls().count(), 1);
    let gone = on(&moved, &[Command::DeleteFunctionUrl(function("f"))]);
    assert_eq!((holder(&gone, 2), gone.function_urls().count()), (None, 0));
}

#[test]
fn a_url_goes_with_its_function() {
    let state = applied(&[
        create_function("f"),
        put("f", 1),
        Command::DeleteFunction(function("f")),
    ]);
    assert_eq!((holder(&state, 1), state.function_urls().count()), (None, 0));
    let again = on(&state, &[create_function("f")]);
    assert_eq!(again.function_url(&function("f")), None);
}

#[test]
fn what_no_url_can_be_is_refused() {
    let state = applied(&[create_function("f"), create_function("g"), put("f", 1)]);
    refused(&state, &put("h", 2), FunctionRefusal::NoSuchFunction(function("h")));
    refused(&state, &put("g", 1), FunctionRefusal::UrlIdTaken(UrlId::new([1; 20])));
    refused(
        &state,
        &Command::DeleteFunctionUrl(function("g")),
        FunctionRefusal::NoUrl(function("g")),
    );
    let cors = Cors {
        max_age: 86_401,
        ..Cors::default()
    };
    let refusal = cors.check().unwrap_err();
    let command = Command::PutFunctionUrl(FunctionUrl {
        cors: Some(cors),
        ..url("g", 2)
    });
    refused(&state, &command, FunctionRefusal::Cors(refusal));
}
