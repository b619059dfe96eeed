//! Greets whom `?name=` names.

use aws_lambda_events::alb::{AlbTargetGroupRequest, AlbTargetGroupResponse};
use aws_lambda_events::encodings::Body;
use http::HeaderValue;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // What stands here runs once, when the execution environment starts.
    run(service_fn(greet)).await
}

/// An error returned here is logged, and the load balancer answers 502.
async fn greet(event: LambdaEvent<AlbTargetGroupRequest>) -> Result<AlbTargetGroupResponse, Error> {
    let (request, context) = event.into_parts();
    let name = request.query_string_parameters.first("name").unwrap_or("world");
    println!("{} greets {name}", context.request_id);
    let mut response = AlbTargetGroupResponse::default();
    response.status_code = 200;
    // `None` would become `null`, and a load balancer refuses that.
    response.status_description = Some("200 OK".to_owned());
    response
        .headers
        .insert("content-type", HeaderValue::from_static("application/json"));
    response.body = Some(Body::Text(json!({ "greeting": format!("Hello, {name}!") }).to_string()));
    Ok(response)
}
