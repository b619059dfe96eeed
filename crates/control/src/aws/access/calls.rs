//! What calls of services that do not speak the query protocol are about: operation and ARNs, read from headers, path and
//! body before the service reads them. Whom nothing limits costs nothing.

use super::{Kind, RequestTags, Why, Wish, check_tagged, context, decide, denied};
use crate::aws::error::AwsError;
use crate::aws::json::{self, Protocol, Received};
use crate::aws::sign_in::{Caller, Who};
use crate::aws::{acm, lambda, logs};
use crate::lambda::name::Reference;
use crate::own_api::query;
use crate::source::Source;
use hyper::http::request::Parts;
use model::iam::evaluate::Request;
use model::lambda::policy::{FunctionUse, Principal, Statement};
use model::lambda::url::UrlAuth;
use model::{AccountId, FunctionArn, Scope, State};
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

/// What all operations need that have a function run.
const INVOKE: &str = "lambda:InvokeFunction";

/// Operations that are about the version or the alias which a call names. Others are about the function.
const QUALIFIED: [&str; 22] = [
    "AddPermission",
    "CreateFunctionUrlConfig",
    "DeleteFunction",
    "DeleteFunctionEventInvokeConfig",
    "DeleteFunctionUrlConfig",
    "DeleteProvisionedConcurrencyConfig",
    "GetFunction",
    "GetFunctionConfiguration",
    "GetFunctionEventInvokeConfig",
    "GetFunctionUrlConfig",
    "GetPolicy",
    "GetProvisionedConcurrencyConfig",
    "GetRuntimeManagementConfig",
    "Invoke",
    "InvokeAsync",
    "InvokeWithResponseStream",
    "PutFunctionEventInvokeConfig",
    "PutProvisionedConcurrencyConfig",
    "PutRuntimeManagementConfig",
    "RemovePermission",
    "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig",
];

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
            lambda::SERVICE => self.lambda(parts),
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
        let action = format!("{service}:{operation}");
        match service {
            "logs" => self.logs(&action, &input),
            _ => {
                let arn = input.get("CertificateArn").and_then(Value::as_str);
                let given = given(&operation, &input);
                self.allows(&action, arn.map(str::to_owned).as_slice(), &[], given.as_ref())
            }
        }
        .map_err(as_json)
    }

    /// All groups that a call names, wherever it names them. Policies name a group with and without what is in it.
    fn logs(&self, action: &str, input: &Map<String, Value>) -> Result<(), AwsError> {
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
        for group in groups {
            let plain = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
            let full = format!("{plain}:log-stream:{stream}");
            let plain_says = self.decides(action, &plain);
            match (self.decides(action, &full), plain_says) {
                (Err(why @ Why::Denied(_)), _) | (_, Err(why @ Why::Denied(_))) | (Err(why), Err(_)) => {
                    return Err(denied(account, self.caller, action, &full, Some(why)));
                }
                (Ok(()), _) | (_, Ok(())) => {}
            }
        }
        Ok(())
    }

    fn decides(&self, action: &str, resource: &str) -> Result<(), Why> {
        // No name is longer, and matching a longer one would cost more than it is worth.
        if resource.len() > super::ARN_BYTES_MAX {
            return Err(Why::NotAllowed(Kind::Identity));
        }
        let context = context(&self.scope.account, self.caller, &[]);
        let request = Request {
            action,
            resource,
            context: &context,
        };
        decide(self.state.iam(), self.caller, &request)
    }

    fn lambda(&self, parts: &Parts) -> Result<(), AwsError> {
        // What is not built is refused by the service, which asks the same.
        let Some((operation, named)) = lambda::routed(parts.method.as_str(), parts.uri.path()) else {
            return Ok(());
        };
        let action = match operation {
            "Invoke" | "InvokeWithResponseStream" | "InvokeAsync" => INVOKE.to_owned(),
            name => format!("lambda:{name}"),
        };
        let input = || serde_json::from_slice::<Value>(self.body).unwrap_or_default();
        let text = |input: &Value, name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
        let of_function = parts.uri.path().split('/').nth(2) == Some("functions");
        let first = named.first().map(|part| query::unescaped(part));
        let name = match operation {
            "CreateFunction" => text(&input(), "FunctionName"),
            _ => first.clone().filter(|_| of_function),
        };
        let qualifiers: Vec<_> = query::pairs(parts.uri.query().unwrap_or_default())
            .filter_map(|(name, value)| (name == "Qualifier").then_some(value))
            .collect();
        // Whoever reads the call would have to choose.
        if qualifiers.len() > 1 {
            return Err(denied(&self.scope.account, self.caller, &action, "*", None));
        }
        let qualifier = qualifiers.first().filter(|_| operation != "InvokeAsync");
        let read = |name: String| Reference::read(&name, qualifier.map(String::as_str), self.scope).ok();
        let function = name.and_then(read);
        let resources = match (&function, first) {
            (Some(reference), _) => {
                let arn = reference.arn(self.scope);
                let qualified = reference.qualifier().map(|qualifier| format!("{arn}:{qualifier}"));
                match qualified {
                    Some(qualified) if QUALIFIED.contains(&operation) => vec![qualified],
                    // They are about the function, whatever else is named.
                    Some(qualified) => vec![arn.to_string(), qualified],
                    None => vec![arn.to_string()],
                }
            }
            (None, Some(arn)) if arn.starts_with("arn:") => vec![arn],
            (None, _) => Vec::new(),
        };
        if action == INVOKE
            && let (Some(reference), Some(resource)) = (&function, resources.last())
        {
            return self.may_invoke(&reference.arn(self.scope), resource);
        }
        let taken = query::pairs(parts.uri.query().unwrap_or_default())
            .filter(|(name, _)| operation == "UntagResource" && name == "tagKeys");
        let given = match input() {
            Value::Object(input) => given(operation, &input),
            // Most operations have no document.
            _ => Some(RequestTags::default()),
        };
        let given = given.map(|given| given.without(taken.map(|(_, key)| key)));
        let configures = matches!(operation, "CreateFunction" | "UpdateFunctionConfiguration");
        let network = configures.then(|| lambda::vpc::facts(self.state, self.scope, &input()));
        let network = network.as_ref().map_or(&[][..], |facts| &facts[..]);
        self.allows(&action, &resources, network, given.as_ref())?;
        // Whoever gives a function a role hands on what the role may.
        if configures && let Some(role) = text(&input(), "Role") {
            let service = vec!["lambda.amazonaws.com".to_owned()];
            let facts = [("iam:PassedToService", service)];
            return self.allows("iam:PassRole", &[role], &facts, Some(&RequestTags::default()));
        }
        Ok(())
    }

    /// Their own policies say so, or the function's. Source: Lambda 6.5.
    fn may_invoke(&self, function: &FunctionArn, resource: &str) -> Result<(), AwsError> {
        let why = may(
            self.state,
            &self.scope.account,
            self.caller,
            FunctionUse::API,
            function,
            resource,
        );
        why.map_err(|why| denied(&self.scope.account, self.caller, INVOKE, resource, Some(why)))
    }
}

/// Whether somebody may call a function by its URL: both actions are needed. Source: Lambda 6.6.
pub(crate) fn may_use_url(state: &State, account: &AccountId, caller: &Caller, function: &FunctionArn) -> bool {
    if matches!(caller.who, Who::Root | Who::RootSession(_)) {
        return true;
    }
    let may = |wanted| may(state, account, caller, wanted, function, function.as_str()).is_ok();
    may(FunctionUse::of_url(UrlAuth::AwsIam)) && may(FunctionUse::BY_URL)
}

/// Keys that do not belong to what is done are known, and have no value.
fn facts(wanted: FunctionUse) -> [(&'static str, Vec<String>); 2] {
    let auth = wanted.url_auth.map(|auth| match auth {
        UrlAuth::None => "NONE",
        UrlAuth::AwsIam => "AWS_IAM",
    });
    let values = |value: Option<String>| value.into_iter().collect();
    [
        ("lambda:FunctionUrlAuthType", values(auth.map(str::to_owned))),
        (
            "lambda:InvokedViaFunctionUrl",
            values(wanted.by_url.map(|it| it.to_string())),
        ),
    ]
}

/// Whether the caller's policies or the function's say so.
fn may(
    state: &State,
    account: &AccountId,
    caller: &Caller,
    wanted: FunctionUse,
    function: &FunctionArn,
    resource: &str,
) -> Result<(), Why> {
    let context = context(account, caller, &facts(wanted));
    let request = Request {
        action: wanted.action,
        resource,
        context: &context,
    };
    let why = match decide(state.iam(), caller, &request) {
        Ok(()) => return Ok(()),
        Err(why) => why,
    };
    let policy = state.function_policy(function);
    let is_named = |statement: &Statement| is_named(account, caller, statement) && statement.allows(wanted);
    match why {
        Why::NotAllowed(Kind::Identity) if policy.is_some_and(|it| it.statements.iter().any(is_named)) => Ok(()),
        why => Err(why),
    }
}

/// Whether a statement means the caller.
fn is_named(account: &AccountId, caller: &Caller, statement: &Statement) -> bool {
    let own = super::arn(account, caller);
    let role = match &caller.who {
        Who::Role(role, _) => Some(role.arn()),
        _ => None,
    };
    match &statement.principal {
        Principal::Everyone => true,
        Principal::Arn(arn) => **arn == *own || role.is_some_and(|role| **arn == *role),
        // The account hands on what it may to whom its own policies let.
        Principal::Account(_) | Principal::Service(_) => false,
    }
}

/// The name of a log group that is named by itself, or by an ARN, with or without what is in it.
fn group_of(named: &str) -> &str {
    let name = named.split_once(":log-group:").map_or(named, |(_, name)| name);
    name.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
