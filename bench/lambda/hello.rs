//! The function of `bench/run`: AWS's `lambda_runtime` as its own documentation shows it, and an answer for a load balancer.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(hello)).await
}

async fn hello(_event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(json!({ "statusCode": 200, "headers": { "Content-Type": "text/plain" }, "body": "hello" }))
}
