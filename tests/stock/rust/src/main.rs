//! What every stock function of these tests does, behind the stock runtime client.

use aws_lambda_events::alb::AlbTargetGroupRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Receives the event's bytes as they came.
async fn handle(event: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    // The library's own type for these events has to accept ours.
    let request: AlbTargetGroupRequest = serde_json::from_str(event.payload.get())?;
    match request.path.as_deref() {
        Some("/hello") => {
            let name = &event.context.env_config.function_name;
            Ok(answer("text/plain", &format!("Hello from rust {name}")))
        }
        Some("/fail") => Err("told to fail".into()),
        _ => Ok(answer("application/json", event.payload.get())),
    }
}

fn answer(content_type: &str, body: &str) -> Value {
    json!({
        "statusCode": 200,
        "headers": { "content-type": content_type },
        "multiValueHeaders": { "content-type": [content_type] },
        "body": body,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var("INIT").is_ok_and(|value| value == "fail") {
        return Err("told to fail at init".into());
    }
    lambda_runtime::run(service_fn(handle)).await
}
