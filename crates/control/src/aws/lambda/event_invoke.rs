//! What becomes of asynchronous invocations: retries, age, destinations. Source: Lambda 8.12.

use super::{Call, Change, Document};
use crate::lambda::error::LambdaError;
use crate::lambda::name::Reference;
use crate::objects::NoBucket;
use hyper::StatusCode;
use model::bucket::BucketArn;
use model::command::event_invoke::{self, Destinations, PutConfig, UpdateConfig};
use model::lambda::event_invoke::{
    Destination, EventInvokeConfig, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn, Settings,
};
use model::lambda::execution_role;
use model::refusal::EventInvokeRefusal;
use model::{Command, FunctionArn, Owner, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

/// Configurations on a page.
const PAGE_MAX: i64 = 50;
const DESTINATION_CHARS_MAX: usize = 350;
const DESTINATION_PATTERN: &str =
    "^$|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";

/// A configuration as a caller describes it. What AWS ignores is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Asked {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<AskedDestinations>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AskedDestinations {
    on_success: Option<AskedDestination>,
    on_failure: Option<AskedDestination>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AskedDestination {
    destination: Option<String>,
}

/// A configuration that a function could have.
struct Read {
    maximum_retry_attempts: Option<MaximumRetryAttempts>,
    maximum_event_age: Option<MaximumEventAge>,
    destinations: Option<Destinations>,
    bucket: Option<Bucket>,
}

/// A bucket that a call names.
pub(super) struct Bucket {
    pub(super) name: String,
    /// What is said when it is not there.
    refusal: String,
}

impl Bucket {
    pub(super) fn refused(&self, why: NoBucket) -> LambdaError {
        let refusal = &self.refusal;
        match why {
            NoBucket::Missing => LambdaError::invalid_parameter(refusal),
            NoBucket::NoRoot => LambdaError::invalid_parameter(&format!(
                "{refusal} Buckets are folders in the one given with --s3-root, and none is given."
            )),
        }
    }
}

pub(super) fn put(call: &Call<'_>) -> Result<Change, LambdaError> {
    let function = function(call)?;
    let asked = read(call)?;
    check_role(call, &function, asked.destinations.as_ref())?;
    let Destinations { on_success, on_failure } = asked.destinations.unwrap_or_default();
    let settings = Settings {
        maximum_retry_attempts: asked.maximum_retry_attempts,
        maximum_event_age: asked.maximum_event_age,
        on_success,
        on_failure,
    };
    let now = now();
    let config = EventInvokeConfig {
        function: function.clone(),
        settings: settings.clone(),
        last_modified: now,
        owner: Owner::Api,
    };
    changed(
        event_invoke::Command::Put(PutConfig {
            function,
            settings,
            last_modified: Some(now),
            owner: Owner::Api,
        }),
        (StatusCode::OK, Some(shown(&config))),
        asked.bucket,
    )
}

pub(super) fn update(call: &Call<'_>) -> Result<Change, LambdaError> {
    let function = function(call)?;
    let asked = read(call)?;
    let now = now();
    // As the domain merges it: what is shown is what is kept.
    let mut config = match call.state.event_invokes().of(&function) {
        Some(config) => EventInvokeConfig::clone(config),
        None if call.state.is_invocable(&function) => return Err(none(&function)),
        None => return Err(missing()),
    };
    check_role(call, &function, asked.destinations.as_ref())?;
    if asked.maximum_retry_attempts.is_some() {
        config.settings.maximum_retry_attempts = asked.maximum_retry_attempts;
    }
    if asked.maximum_event_age.is_some() {
        config.settings.maximum_event_age = asked.maximum_event_age;
    }
    if let Some(Destinations { on_success, on_failure }) = &asked.destinations {
        config.settings.on_success.clone_from(on_success);
        config.settings.on_failure.clone_from(on_failure);
    }
    config.last_modified = now;
    changed(
        event_invoke::Command::Update(UpdateConfig {
            function,
            maximum_retry_attempts: asked.maximum_retry_attempts,
            maximum_event_age: asked.maximum_event_age,
            destinations: asked.destinations,
            last_modified: Some(now),
        }),
        (StatusCode::OK, Some(shown(&config))),
        asked.bucket,
    )
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = function(call)?;
    let config = call.state.event_invokes().of(&function);
    let config = config.ok_or_else(|| none(&function))?;
    Ok((StatusCode::OK, Some(shown(config))))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Change, LambdaError> {
    let command = event_invoke::Command::Delete(function(call)?);
    changed(command, (StatusCode::NO_CONTENT, None), None)
}

pub(super) fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = function(call)?.function();
    if call.state.function(&function).is_none() {
        return Err(missing());
    }
    let count = page(call.parameter("MaxItems"))?;
    let after = call.parameter("Marker").unwrap_or_default();
    let all = call.state.event_invokes().of_all(&function);
    let mut rest = all.filter(|config| config.function.qualifier() > after);
    let shown_: Vec<_> = rest.by_ref().take(count).collect();
    let marker = rest.next().and(shown_.last()).map(|last| last.function.qualifier());
    let configs: Vec<_> = shown_.iter().map(|config| shown(config)).collect();
    let mut document = Map::new();
    document.insert("FunctionEventInvokeConfigs".to_owned(), configs.into());
    if let Some(marker) = marker {
        document.insert("NextMarker".to_owned(), marker.into());
    }
    Ok((StatusCode::OK, Some(document.into())))
}

/// Why the domain refuses a change, in AWS's words. Source: Lambda 8.4.
pub(super) fn refused(refusal: &EventInvokeRefusal) -> LambdaError {
    match refusal {
        EventInvokeRefusal::NoSuchFunction(_) => missing(),
        EventInvokeRefusal::NoConfig(function) => none(function),
        EventInvokeRefusal::Nothing => {
            LambdaError::invalid_parameter("You must specify at least one of error handling or destination setting.")
        }
        EventInvokeRefusal::OwnDestination => {
            LambdaError::invalid_parameter("You can't specify the function as a destination for itself.")
        }
        EventInvokeRefusal::NoSuchDestination(destination) => {
            LambdaError::invalid_parameter(&format!("The destination ARN {destination} is invalid."))
        }
    }
}

/// Refuses a function's `DeadLetterConfig`: there is no queue and no topic that events could go to. An empty ARN takes one
/// away that is not there.
pub(super) fn check_dead_letter(target_arn: Option<&str>) -> Result<(), LambdaError> {
    match target_arn {
        None | Some("") => Ok(()),
        Some(arn) => Err(LambdaError::not_built(&format!(
            "DeadLetterConfig is not built: {arn} cannot be sent to. Use an on-failure destination (PutFunctionEventInvokeConfig) \
             that is a bucket of S3 (arn:aws:s3:::name), a folder in the one of --s3-root, or a function."
        ))),
    }
}

fn changed(command: event_invoke::Command, document: Document, bucket: Option<Bucket>) -> Result<Change, LambdaError> {
    Ok(Change {
        command: Command::EventInvoke(command),
        document,
        bucket,
    })
}

fn missing() -> LambdaError {
    LambdaError::resource_not_found("The function doesn't exist.")
}

fn none(function: &QualifiedArn) -> LambdaError {
    LambdaError::resource_not_found(&format!("The function {function} doesn't have an EventInvokeConfig"))
}

/// What the path and the query name.
fn function(call: &Call<'_>) -> Result<QualifiedArn, LambdaError> {
    let name = call.named.first().map(String::as_str).unwrap_or_default();
    let reference = Reference::read(name, call.parameter("Qualifier"), call.scope)?;
    let arn: FunctionArn = reference.arn(call.scope);
    QualifiedArn::new(&arn.unqualified(), reference.qualifier()).map_err(|_| missing())
}

/// Every malformed value is named.
fn read(call: &Call<'_>) -> Result<Read, LambdaError> {
    let asked: Asked = match call.body {
        [] => Asked::default(),
        body => serde_json::from_slice(body).map_err(|error| {
            LambdaError::invalid_content(&format!("Could not parse request body into json: {error}"))
        })?,
    };
    let mut violations = Vec::new();
    let mut bounded = |number: Option<i64>, path: &str, least: i64, most: i64| {
        let (word, bound) = match number {
            Some(number) if number < least => ("greater", least),
            Some(number) if number > most => ("less", most),
            _ => return,
        };
        let value = number.unwrap_or_default();
        violations.push(format!(
            "Value '{value}' at '{path}' failed to satisfy constraint: Member must have value {word} than or equal to {bound}"
        ));
    };
    bounded(asked.maximum_retry_attempts, "maximumRetryAttempts", 0, 2);
    bounded(
        asked.maximum_event_age_in_seconds,
        "maximumEventAgeInSeconds",
        60,
        21_600,
    );
    let named = asked.destination_config.map(|config| {
        [config.on_success, config.on_failure].map(|it| it.and_then(|it| it.destination).filter(|arn| !arn.is_empty()))
    });
    for (arn, path) in named.iter().flatten().zip(["onSuccess", "onFailure"]) {
        let Some(arn) = arn else { continue };
        let rule = if arn.chars().count() > DESTINATION_CHARS_MAX {
            format!("have length less than or equal to {DESTINATION_CHARS_MAX}")
        } else if !is_arn(arn) {
            format!("satisfy regular expression pattern: {DESTINATION_PATTERN}")
        } else {
            continue;
        };
        violations.push(format!(
            "Value '{arn}' at 'destinationConfig.{path}.destination' failed to satisfy constraint: Member must {rule}"
        ));
    }
    if !violations.is_empty() {
        return Err(LambdaError::violations(&violations));
    }
    let destinations = match &named {
        Some(named) => Some(destinations(call, named)?),
        None => None,
    };
    let bucket = match (&destinations, &named) {
        (Some(destinations), Some(named)) => bucket_of(destinations).map(|bucket| Bucket {
            name: bucket.name().to_owned(),
            refusal: no_destination(named),
        }),
        _ => None,
    };
    let attempts = asked
        .maximum_retry_attempts
        .map(MaximumRetryAttempts::try_from)
        .transpose();
    let age = asked
        .maximum_event_age_in_seconds
        .map(MaximumEventAge::try_from)
        .transpose();
    Ok(Read {
        maximum_retry_attempts: attempts.map_err(|error| LambdaError::invalid_parameter(&error.to_string()))?,
        maximum_event_age: age.map_err(|error| LambdaError::invalid_parameter(&error.to_string()))?,
        destinations,
        bucket,
    })
}

/// `arn:aws…:{service}:{region}:{account}:{anything}`, region and account possibly empty.
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match parts[..] {
        ["arn", partition, service, region, account, _] => {
            partition.starts_with("aws")
                && letters(partition)
                && !service.is_empty()
                && letters(service)
                && letters(region)
                && (account.is_empty() || (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())))
        }
        _ => false,
    }
}

fn destinations(call: &Call<'_>, named: &[Option<String>; 2]) -> Result<Destinations, LambdaError> {
    let [on_success, on_failure] = named;
    let on_success = match on_success {
        Some(arn) => Some(function_destination(named, arn)?),
        None => None,
    };
    let on_failure = match on_failure {
        Some(arn) if service(arn) == Some("s3") => {
            let bucket = BucketArn::try_from(arn.as_str()).ok();
            let bucket = bucket.filter(|bucket| bucket.partition() == call.scope.partition());
            Some(FailureDestination::Bucket(
                bucket.ok_or_else(|| not_a_destination(named))?,
            ))
        }
        Some(arn) => Some(FailureDestination::Function(function_destination(named, arn)?)),
        None => None,
    };
    Ok(Destinations { on_success, on_failure })
}

fn function_destination(named: &[Option<String>; 2], arn: &str) -> Result<Destination, LambdaError> {
    match service(arn) {
        Some("lambda") => Destination::try_from(arn)
            .map_err(|_| LambdaError::invalid_parameter(&format!("The destination ARN {arn} is invalid."))),
        Some("sqs" | "sns" | "events") => Err(LambdaError::not_built(&format!(
            "The destination {arn} is not built: destinations are functions, and OnFailure may be a bucket of S3 \
             (arn:aws:s3:::name)."
        ))),
        // A bucket takes failures only.
        _ => Err(not_a_destination(named)),
    }
}

/// Whose resource an ARN names.
fn service(arn: &str) -> Option<&str> {
    arn.split(':').nth(2)
}

fn bucket_of(destinations: &Destinations) -> Option<&BucketArn> {
    destinations.on_failure.as_ref().and_then(FailureDestination::bucket)
}

/// Whether the role may do what Lambda does in its name: invoke the functions, and put objects into the bucket. A function of the
/// manifest is not asked about, whose destinations are its own. Source: Lambda 5.9; the words are Lambda's for other services.
fn check_role(
    call: &Call<'_>,
    function: &QualifiedArn,
    destinations: Option<&Destinations>,
) -> Result<(), LambdaError> {
    let Some(Destinations { on_success, on_failure }) = destinations else {
        return Ok(());
    };
    if !call.state.is_invocable(function) {
        return Err(missing());
    }
    let on_success = on_success.clone().map(FailureDestination::Function);
    for to in on_success.into_iter().chain(on_failure.clone()) {
        // What cannot be a destination at all is refused as such.
        let is_one = to
            .function()
            .is_none_or(|it| it.function != function.function() && call.state.is_invocable(&it.invoked()));
        if is_one && !execution_role::may_deliver(call.state, function, &to) {
            let operation = match to {
                FailureDestination::Function(_) => "InvokeFunction",
                FailureDestination::Bucket(_) => "PutObject",
            };
            return Err(LambdaError::invalid_parameter(&format!(
                "The function's execution role does not have permissions to call {operation} on {to}"
            )));
        }
    }
    Ok(())
}

/// Source: Lambda 8.4.
fn not_a_destination(named: &[Option<String>; 2]) -> LambdaError {
    LambdaError::invalid_parameter(&no_destination(named))
}

fn no_destination([on_success, on_failure]: &[Option<String>; 2]) -> String {
    let part = |name: &str, arn: &Option<String>| match arn {
        Some(arn) => format!("{name}(destination={arn})"),
        None => "null".to_owned(),
    };
    format!(
        "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
        part("OnSuccess", on_success),
        part("OnFailure", on_failure)
    )
}

fn page(max_items: Option<&str>) -> Result<usize, LambdaError> {
    let Some(text) = max_items else {
        return Ok(PAGE_MAX as usize);
    };
    let number = text
        .parse::<i64>()
        .map_err(|_| LambdaError::invalid_content(&format!("MaxItems is a whole number, and {text} is none")))?;
    let (word, bound) = match number {
        ..1 => ("greater", 1),
        1..=PAGE_MAX => return Ok(usize::try_from(number).unwrap_or(1)),
        _ => ("less", PAGE_MAX),
    };
    Err(LambdaError::violations(&[format!(
        "Value '{number}' at 'maxItems' failed to satisfy constraint: Member must have value {word} than or equal to {bound}"
    )]))
}

/// `DestinationConfig` has both keys, set or not; numbers that are not set are left out. Source: Lambda 8.12.
fn shown(config: &EventInvokeConfig) -> Value {
    fn destination(it: Option<&impl Display>) -> Value {
        match it {
            Some(it) => json!({ "Destination": it.to_string() }),
            None => json!({}),
        }
    }
    let settings = &config.settings;
    let mut document = Map::new();
    let mut add = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    add("LastModified", (config.last_modified.0 as f64 / 1000.0).into());
    add("FunctionArn", config.function.as_str().into());
    if let Some(attempts) = settings.maximum_retry_attempts {
        add("MaximumRetryAttempts", attempts.number().into());
    }
    if let Some(age) = settings.maximum_event_age {
        add("MaximumEventAgeInSeconds", age.seconds().into());
    }
    let destinations = json!({
        "OnSuccess": destination(settings.on_success.as_ref()),
        "OnFailure": destination(settings.on_failure.as_ref()),
    });
    add("DestinationConfig", destinations);
    document.into()
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
