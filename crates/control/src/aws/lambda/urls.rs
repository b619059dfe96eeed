//! Addresses of functions: CreateFunctionUrlConfig and its sisters. Source: Lambda 7.1, 7.5, 8.13.

use super::input::{Members, now};
use super::page::Page;
use super::{Call, Document, Plan};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth, UrlId, UrlTimes};
use model::{Command, FunctionArn, Owner};
use serde_json::{Map, Value, json};

pub(super) fn create(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let function = target(call, "Function does not exist")?;
    let members = call.members()?;
    if call.state.function_url(&function).is_some() {
        return Err(LambdaError::conflict(&format!(
            "Failed to create function url config for [functionArn = {function}]. Error message:  FunctionUrlConfig exists \
             for this Lambda function"
        )));
    }
    let mut id = [0; 20];
    getrandom::fill(&mut id).map_err(|_| LambdaError::service())?;
    members.required("AuthType")?;
    let mut url = FunctionUrl {
        id: UrlId::new(id),
        function,
        auth: UrlAuth::AwsIam,
        invoke_mode: InvokeMode::Buffered,
        cors: None,
        times: None,
        owner: Owner::Api,
    };
    read(&members, &mut url)?;
    let now = now();
    url.times = Some(UrlTimes {
        created: now,
        modified: now,
    });
    Ok(put(call, url, &members, StatusCode::CREATED))
}

pub(super) fn update(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let function = target(call, "Function does not exist")?;
    let members = call.members()?;
    let missing = || LambdaError::resource_not_found("The resource you requested does not exist.");
    let mut url = FunctionUrl::clone(call.state.function_url(&function).ok_or_else(missing)?);
    read(&members, &mut url)?;
    url.times = url.times.map(|times| UrlTimes {
        modified: now(),
        ..times
    });
    Ok(put(call, url, &members, StatusCode::OK))
}

fn put(call: &Call<'_>, url: FunctionUrl, members: &Members<'_>, status: StatusCode) -> Plan {
    let mut document = shown(call, &url);
    if let Some(document) = document.as_object_mut() {
        if members.get("InvokeMode").is_none() {
            document.remove("InvokeMode");
        }
        if status == StatusCode::CREATED {
            document.remove("LastModifiedTime");
        }
    }
    Plan::new(vec![Command::PutFunctionUrl(url)], move |_| {
        Ok((status, Some(document)))
    })
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    let missing = || LambdaError::resource_not_found("The resource you requested does not exist.");
    let function = target(call, "The resource you requested does not exist.")?;
    let url = call.state.function_url(&function).ok_or_else(missing)?;
    Ok((StatusCode::OK, Some(shown(call, url))))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let missing = || LambdaError::resource_not_found("The resource you requested does not exist.");
    let function = target(call, "The resource you requested does not exist.")?;
    call.state.function_url(&function).ok_or_else(missing)?;
    let command = Command::DeleteFunctionUrl(function);
    Ok(Plan::new(vec![command], |_| Ok((StatusCode::NO_CONTENT, None))))
}

pub(super) fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.function_itself()?;
    if call.state.function(&function).is_none() {
        return Err(LambdaError::resource_not_found("Function does not exist"));
    }
    let page = Page::read(call, 50, 50)?;
    let urls = call.state.function_urls_of(&function);
    Ok(page.document(
        "FunctionUrlConfigs",
        urls,
        |url| url.function.to_string(),
        |url| shown(call, url),
    ))
}

/// The function or the alias. Source: Lambda 7.1.
fn target(call: &Call<'_>, missing: &str) -> Result<FunctionArn, LambdaError> {
    let reference = call.reference()?;
    let function = reference.arn(call.scope);
    let target = match reference.qualifier() {
        None => function,
        Some(qualifier) => {
            let is_number = qualifier.bytes().all(|byte| byte.is_ascii_digit());
            if is_number || qualifier.contains('$') {
                let pattern = "((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
                return Err(LambdaError::not_a_name(qualifier, "qualifier", pattern));
            }
            function.qualified(qualifier)
        }
    };
    match call.state.is_runnable(&target) {
        true => Ok(target),
        false => Err(LambdaError::resource_not_found(missing)),
    }
}

/// What is not given stays.
fn read(members: &Members<'_>, url: &mut FunctionUrl) -> Result<(), LambdaError> {
    match members.text("AuthType")? {
        None => {}
        Some("NONE") => url.auth = UrlAuth::None,
        Some("AWS_IAM") => url.auth = UrlAuth::AwsIam,
        Some(other) => members.noted(Err(LambdaError::not_in_set(other, "authType", "[NONE, AWS_IAM]")), ())?,
    }
    match members.text("InvokeMode")? {
        None => {}
        Some("BUFFERED") => url.invoke_mode = InvokeMode::Buffered,
        Some("RESPONSE_STREAM") => url.invoke_mode = InvokeMode::ResponseStream,
        Some(other) => {
            let wrong = LambdaError::not_in_set(other, "invokeMode", "[BUFFERED, RESPONSE_STREAM]");
            members.noted(Err(wrong), ())?;
        }
    }
    let Some(cors) = members.object("Cors")? else {
        return Ok(());
    };
    let texts = |name: &str| {
        let texts = cors.texts(name)?.unwrap_or_default();
        Ok::<_, LambdaError>(texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let read = Cors {
        allow_credentials: cors.boolean("AllowCredentials")?.unwrap_or_default(),
        allow_headers: texts("AllowHeaders")?,
        allow_methods: texts("AllowMethods")?,
        allow_origins: texts("AllowOrigins")?,
        expose_headers: texts("ExposeHeaders")?,
        max_age: cors.number("MaxAge", 0, 86_400)?.unwrap_or_default(),
    };
    read.check()
        .map_err(|refusal| LambdaError::violation("cors", refusal.to_string()))?;
    url.cors = (read != Cors::default()).then_some(read);
    Ok(())
}

/// When it was made and changed is not known of those in the manifest, and not made up.
fn shown(call: &Call<'_>, url: &FunctionUrl) -> Value {
    let mut shown = json!({
        "FunctionUrl": format!("http://{}:{}/", gateway::host_name(url), call.links.url_port()),
        "FunctionArn": url.function.as_str(),
        "AuthType": match url.auth { UrlAuth::None => "NONE", UrlAuth::AwsIam => "AWS_IAM" },
        "InvokeMode": match url.invoke_mode { InvokeMode::Buffered => "BUFFERED", InvokeMode::ResponseStream => "RESPONSE_STREAM" },
    });
    if let Some(times) = &url.times {
        shown["CreationTime"] = json!(wire::time::iso8601(times.created.0));
        shown["LastModifiedTime"] = json!(wire::time::iso8601(times.modified.0));
    }
    if let Some(cors) = &url.cors {
        let mut members = Map::new();
        if cors.allow_credentials {
            members.insert("AllowCredentials".to_owned(), json!(true));
        }
        let lists = [
            ("AllowHeaders", &cors.allow_headers),
            ("AllowMethods", &cors.allow_methods),
            ("AllowOrigins", &cors.allow_origins),
            ("ExposeHeaders", &cors.expose_headers),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            members.insert(name.to_owned(), json!(list));
        }
        if cors.max_age > 0 {
            members.insert("MaxAge".to_owned(), json!(cors.max_age));
        }
        shown["Cors"] = Value::Object(members);
    }
    shown
}
