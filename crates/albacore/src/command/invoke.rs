//! `albacore invoke`: runs a function of the running server, as Lambda's Invoke does.

use crate::cli::Invoke;
use crate::client::{Answer, Client};
use crate::output;
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{PAYLOAD_BYTES_MAX, Status};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// The function failed.
const FAILED: u8 = 1;
/// The function was not run.
const NOT_RUN: u8 = 2;

/// Runs it and says how it ended; what is written stands in the help.
pub(super) fn run(args: &Invoke, json: bool) -> ExitCode {
    let code = call(args, json).unwrap_or_else(|error| {
        output::error(&format!("albacore: {error:#}"));
        NOT_RUN
    });
    ExitCode::from(code)
}

fn call(args: &Invoke, json: bool) -> Result<u8> {
    let payload = payload(args)?;
    let context = args.client_context.as_deref().map(client_context).transpose()?;
    let mut headers = vec![("X-Amz-Log-Type", if args.tail { "Tail" } else { "None" })];
    if args.event || args.dry_run {
        headers.push(("X-Amz-Invocation-Type", if args.event { "Event" } else { "DryRun" }));
    }
    headers.extend(context.as_deref().map(|context| ("X-Amz-Client-Context", context)));
    let client = Client::find(&args.server)?;
    let answer = client.invoke(&args.function, &headers, &payload)?;
    match answer.status {
        200 => {}
        202 | 204 => return kept(&answer, args.event, json),
        404 => bail!(unknown(&client, &answer)),
        _ => bail!("the function was not run: {}", refusal(&answer)),
    }
    let has_failed = answer.header("x-amz-function-error").is_some();
    let tail = answer
        .header("x-amz-log-result")
        .map(|tail| STANDARD.decode(tail))
        .transpose();
    let tail = tail.context("the log tail cannot be read")?.unwrap_or_default();
    if json {
        print_document(&answer, &tail)?;
    } else {
        print(&answer, &tail);
        if has_failed {
            output::error(&format!(
                "albacore: function {} failed{}",
                args.function,
                why(&answer.body)
            ));
        }
    }
    Ok(if has_failed { FAILED } else { 0 })
}

/// Nothing has run yet, or will.
fn kept(answer: &Answer, is_event: bool, json: bool) -> Result<u8> {
    let request_id = answer.header("x-amzn-requestid");
    if json {
        let text = serde_json::to_string(&serde_json::json!({
            "status": answer.status,
            "request_id": request_id.filter(|_| is_event),
        }))?;
        output::print(&text);
    } else if is_event {
        output::print(&format!("accepted as {}", request_id.unwrap_or_default()));
    } else {
        output::print("it could be run");
    }
    Ok(0)
}

/// The payload, which is JSON or nothing.
fn payload(args: &Invoke) -> Result<Vec<u8>> {
    let (payload, place) = match (&args.payload, &args.payload_file) {
        (None, None) => return Ok(Vec::new()),
        (Some(text), _) if text != "-" => (text.clone().into_bytes(), "--payload".to_owned()),
        (None, Some(file)) if file != Path::new("-") => {
            let name = file.display().to_string();
            let opened = File::open(file).with_context(|| format!("cannot open {name}"))?;
            (bounded(opened, &name)?, name)
        }
        _ => (
            bounded(io::stdin().lock(), "standard input")?,
            "standard input".to_owned(),
        ),
    };
    if payload.len() > PAYLOAD_BYTES_MAX {
        bail!("{place} is over {PAYLOAD_BYTES_MAX} bytes, the limit of an invocation");
    }
    if payload.is_empty() {
        return Ok(payload);
    }
    check_json(&payload).with_context(|| format!("{place} is no JSON document"))?;
    Ok(payload)
}

/// Reads at most one byte more than there may be.
fn bounded(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut bounded = from.take(PAYLOAD_BYTES_MAX as u64 + 1);
    bounded
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {name}"))?;
    Ok(bytes)
}

/// The error says line and column.
fn check_json(text: &[u8]) -> Result<()> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&text[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            bail!("invalid UTF-8 at line {line} column {column}");
        }
    };
    serde_json::from_str::<IgnoredAny>(text)?;
    Ok(())
}

fn client_context(text: &str) -> Result<String> {
    check_json(text.as_bytes()).context("--client-context is no JSON document")?;
    if !text.trim_start().starts_with('{') {
        bail!("--client-context is no JSON object");
    }
    Ok(STANDARD.encode(text))
}

/// Names the functions there are.
fn unknown(client: &Client, answer: &Answer) -> String {
    let message = refusal(answer);
    let status = client.get("status").ok().filter(|answer| answer.status == 200);
    let status: Option<Status> = status.and_then(|answer| serde_json::from_slice(&answer.body).ok());
    let names: Vec<_> = status.map(|status| status.functions).unwrap_or_default();
    let names: Vec<_> = names.iter().map(|function| function.name.as_str()).collect();
    match names.is_empty() {
        true => format!("{message}; there is no function yet"),
        false => format!("{message}; there are {}", names.join(", ")),
    }
}

/// AWS's words, with the reason that some errors have.
fn refusal(answer: &Answer) -> String {
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let kind = answer.header("x-amzn-errortype").unwrap_or_default();
    let message = answer.refusal();
    match document["Reason"].as_str() {
        Some(reason) => format!("{kind}: {message} {reason}"),
        None if kind.is_empty() => message,
        None => format!("{kind}: {message}"),
    }
}

/// What the function says about its error, if it says it as runtimes do.
fn why(payload: &[u8]) -> String {
    let document: Value = serde_json::from_slice(payload).unwrap_or_default();
    let texts = ["errorType", "errorMessage"].map(|key| document[key].as_str().unwrap_or_default());
    let known: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    let text: String = known.iter().map(|text| format!(": {text}")).collect();
    String::from_utf8_lossy(&output::for_people(text.as_bytes())).into_owned()
}

fn print(answer: &Answer, tail: &[u8]) {
    if !tail.is_empty() {
        output::error(&String::from_utf8_lossy(&output::for_people(tail)));
    }
    let mut out = io::stdout().lock();
    let payload = match out.is_terminal() {
        true => for_terminal(&answer.body),
        false => Cow::Borrowed(answer.body.as_slice()), // a program reads it, byte for byte
    };
    // A reader that went away is not an error.
    let _ = out.write_all(&payload);
}

/// A payload may be anything, and does not have to end with a line break.
fn for_terminal(payload: &[u8]) -> Cow<'_, [u8]> {
    let mut shown = output::for_people(payload);
    if !shown.ends_with(b"\n") {
        shown.to_mut().push(b'\n');
    }
    shown
}

/// How an invocation ended, as a JSON document.
#[derive(Serialize)]
struct Document<'a> {
    /// `Unhandled`, or null when the function answered.
    function_error: Option<&'a str>,
    executed_version: Option<&'a str>,
    request_id: Option<&'a str>,
    /// Null unless it was asked for.
    log_tail: Option<String>,
    /// A text when it is no JSON.
    payload: &'a RawValue,
}

fn print_document(answer: &Answer, tail: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(&answer.body);
    let raw = RawValue::from_string(text.trim().to_owned());
    let payload = raw.or_else(|_| RawValue::from_string(serde_json::to_string(&text)?))?;
    let document = Document {
        function_error: answer.header("x-amz-function-error"),
        executed_version: answer.header("x-amz-executed-version"),
        request_id: answer.header("x-amzn-requestid"),
        log_tail: (!tail.is_empty()).then(|| String::from_utf8_lossy(tail).into_owned()),
        payload: &payload,
    };
    let text = serde_json::to_vec(&document)?;
    output::print(&String::from_utf8_lossy(&output::escaped_json(&text)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for good in ["{}", "1", " null\n", "\"\u{fc}\""] {
            assert!(check_json(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, place) in [
            (&b"{\n  \"a\": x\n}"[..], "line 2 column 8"),
            (b"{", "line 1 column 1"),
            (b"{}\n{}", "line 2 column 1"),
            (b"\"\xc3\xbc\xff\"", "line 1 column 3"),
        ] {
            let refused = check_json(bad).unwrap_err().to_string();
            assert!(refused.ends_with(place), "{refused}");
        }
        assert_eq!(client_context("{\"a\":1}").unwrap(), STANDARD.encode("{\"a\":1}"));
        assert!(client_context("[]").is_err() && client_context("{").is_err());
    }

    #[test]
    fn an_error_is_told_in_one_line() {
        assert_eq!(
            why(b"{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"Task timed out\"}"),
            ": Sandbox.Timedout: Task timed out"
        );
        assert_eq!(why(b"{\"errorMessage\":\"no\"}"), ": no");
        assert_eq!(why(b"nothing"), "");
        assert_eq!(
            why(b"{\"errorMessage\":\"\\u001b[2J\\u001b[31mno\"}"),
            ": \u{fffd}[2J\u{1b}[31mno\u{1b}[0m"
        );
    }

    #[test]
    fn a_payload_does_not_steer_a_terminal() {
        assert_eq!(&*for_terminal(b"{\n}"), b"{\n}\n");
        assert_eq!(&*for_terminal(b"{}\n"), b"{}\n");
        assert_eq!(
            &*for_terminal(b"\x1b]0;title\x07"),
            "\u{fffd}]0;title\u{fffd}\n".as_bytes()
        );
    }
}
