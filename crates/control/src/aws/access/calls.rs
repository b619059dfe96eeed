//! What calls of services that do not speak the query protocol are about: operation and ARNs, read from headers, path and
//! body before the service reads them. Whom nothing limits costs nothing.

mod lambda;

pub(crate) use lambda::may_use_url;

use super::{Kind, OfResource, RequestTags, Why, Wish, check_tagged, context, decide_beside, denied};
use crate::aws::error::AwsError;
use crate::aws::json::{self, Protocol, Received};
use crate::aws::sign_in::{Caller, Who};
use crate::aws::{self, acm, logs};
use crate::source::Source;
use hyper::http::request::Parts;
use model::iam::evaluate::Request;
use model::{Scope, State};
use serde_json::{Map, Value};

/// Lets a call through that the caller's policies allow. Services of the query protocol ask for themselves.
///
/// # Errors
/// `AccessDenied`, in AWS's words.
pub(in crate::aws) fn check_call<S: Source>(
    source: &S,
    parts: &Parts,
    body: &[u8],
    caller: &Caller,
) -> Result<(), AwsError> {
    if matches!(caller.who, Who::Root | Who::RootSession(_)) {
        return Ok(());
    }
    let scope = Scope {
        region: caller.region.clone(),
        account: source.scope().account.clone(),
    };
    let state = source.state();
    let call = Asked {
        state: &state,
        scope: &scope,
        caller,
        body,
    };
    call.checked(parts)
}

/// Operations with documents that give tags, or take them away. What others find under this name they do not read.
const TAGGING: [&str; 6] = [
    "AddTagsToCertificate",
    "CreateFunction",
    "ImportCertificate",
    "RemoveTagsFromCertificate",
    "RequestCertificate",
    "TagResource",
];

/// The tags in the document of a call.
fn given(operation: &str, input: &Map<String, Value>) -> Option<RequestTags> {
    match TAGGING.contains(&operation) {
        true => RequestTags::of_document(input),
        false => Some(RequestTags::default()),
    }
}

struct Asked<'a> {
    state: &'a State,
    scope: &'a Scope,
    caller: &'a Caller,
    body: &'a [u8],
}

impl Asked<'_> {
    fn checked(&self, parts: &Parts) -> Result<(), AwsError> {
        match self.caller.service.as_str() {
            aws::lambda::SERVICE => self.lambda(parts),
            acm::SERVICE => self.json(parts, &acm::PROTOCOL, acm::knows),
            logs::SERVICE => self.json(parts, &logs::PROTOCOL, logs::knows),
            // CloudWatch asks for itself, because it has more than one protocol, and so do those of the query protocol. What
            // is not built is refused.
            _ => Ok(()),
        }
    }

    fn allows(
        &self,
        action: &str,
        resources: &[String],
        facts: &[(&str, Vec<String>)],
        given: Option<&RequestTags>,
    ) -> Result<(), AwsError> {
        let wish = Wish {
            action,
            resources,
            facts,
        };
        check_tagged(self.state, &self.scope.account, self.caller, &wish, given)
    }

    /// The call is read as the service reads it. What is not exactly one operation that it knows is denied.
    fn json(&self, parts: &Parts, protocol: &Protocol, is_known: impl Fn(&str) -> bool) -> Result<(), AwsError> {
        let service = self.caller.service.as_str();
        let account = &self.scope.account;
        // Services that speak JSON answer 400.
        let as_json = |error: AwsError| AwsError { status: 400, ..error };
        let targets = parts.headers.get_all("x-amz-target").iter().count();
        let received = json::read(protocol, parts, self.body).ok();
        let received = received.filter(|received| targets == 1 && is_known(&received.operation));
        let Some(Received { operation, input }) = received else {
            return Err(as_json(denied(
                account,
                self.caller,
                &format!("{service}:*"),
                "*",
                None,
            )));
        };
        match service {
            "logs" => self.logs(&operation, &input),
            _ => self.acm(&operation, &input),
        }
        .map_err(as_json)
    }

    fn acm(&self, operation: &str, input: &Map<String, Value>) -> Result<(), AwsError> {
        let arn = input.get("CertificateArn").and_then(Value::as_str).map(str::to_owned);
        let given = given(operation, input);
        self.allows(&format!("acm:{operation}"), arn.as_slice(), &[], given.as_ref())?;
        let makes = matches!(operation, "RequestCertificate" | "ImportCertificate");
        if !makes || given.as_ref().is_some_and(|given| !given.gives()) {
            return Ok(());
        }
        // What is made has no ARN yet.
        let (partition, region, account) = (self.scope.partition(), &self.scope.region, &self.scope.account);
        let made = arn.unwrap_or_else(|| format!("arn:{partition}:acm:{region}:{account}:certificate/*"));
        self.allows("acm:AddTagsToCertificate", &[made], &[], given.as_ref())
    }

    /// All groups that a call names, wherever it names them. Policies name a group with and without what is in it.
    fn logs(&self, operation: &str, input: &Map<String, Value>) -> Result<(), AwsError> {
        let (partition, region, account) = (self.scope.partition(), &self.scope.region, &self.scope.account);
        let text = |name: &str| input.get(name).and_then(Value::as_str);
        let single = ["logGroupName", "logGroupIdentifier", "resourceArn"]
            .into_iter()
            .filter_map(text);
        let lists = ["logGroupIdentifiers", "logGroupNames"]
            .into_iter()
            .filter_map(|name| input.get(name)?.as_array());
        let many = lists.flatten().filter_map(Value::as_str);
        let mut groups: Vec<&str> = single.chain(many).map(group_of).collect();
        if groups.is_empty() {
            groups.push("");
        }
        let stream = text("logStreamName").unwrap_or_default();
        let given = RequestTags::of_logs(input);
        for group in groups {
            let plain = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
            let full = format!("{plain}:log-stream:{stream}");
            let decides = |name: &str| {
                let action = format!("logs:{name}");
                let says = |resource| self.decides(&action, resource, given.as_ref(), OfResource::Nothing);
                match (says(&full), says(&plain)) {
                    (Err(why @ Why::Denied(_)), _) | (_, Err(why @ Why::Denied(_))) | (Err(why), Err(_)) => {
                        Err((denied(account, self.caller, &action, &full, Some(why)), why))
                    }
                    (Ok(()), _) | (_, Ok(())) => Ok(()),
                }
            };
            decides(operation).map_err(|(error, _)| error)?;
            let gives = given.as_ref().is_none_or(RequestTags::gives);
            if operation == "CreateLogGroup" && gives {
                // Either is enough, the newer and the older name. Source: CloudWatch Logs `CreateLogGroup`, `tags`.
                match (decides("TagResource"), decides("TagLogGroup")) {
                    (Err((error, Why::Denied(_))), _) | (_, Err((error, Why::Denied(_)))) => return Err(error),
                    (Err((error, _)), Err(_)) => return Err(error),
                    (Ok(()), _) | (_, Ok(())) => {}
                }
            }
        }
        Ok(())
    }

    fn decides(
        &self,
        action: &str,
        resource: &str,
        given: Option<&RequestTags>,
        of_resource: OfResource,
    ) -> Result<(), Why> {
        // No name is longer, and matching a longer one would cost more than it is worth.
        if resource.len() > super::ARN_BYTES_MAX {
            return Err(Why::NotAllowed(Kind::Identity));
        }
        let mut context = context(&self.scope.account, self.caller, &[]);
        if let Some(given) = given {
            given.tell(&mut context);
        }
        let request = Request {
            action,
            resource,
            context: &context,
        };
        decide_beside(self.state.iam(), self.caller, &request, of_resource)
    }
}

/// The name of a log group that is named by itself, or by an ARN, with or without what is in it.
fn group_of(named: &str) -> &str {
    let name = named.split_once(":log-group:").map_or(named, |(_, name)| name);
    name.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
